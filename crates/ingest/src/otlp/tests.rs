#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use echobase_types::signal::{MetricKind, RejectReason, SpanKind, SpanStatus};
use echobase_types::{IngestLimits, TenantId, Timestamp};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{self as proto, exponential_histogram_data_point::Buckets};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;

use super::*;
use crate::SeriesBudget;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const NANOS: u64 = 1_800_000_000_000_000_000;

fn with_limits<T>(limits: &IngestLimits, run: impl FnOnce(&Admission<'_>) -> T) -> T {
    let (tenant, budget) = (TenantId::default_tenant(), SeriesBudget::default());
    run(&Admission::live(&tenant, limits, &budget, NOW))
}

fn admitted<T>(run: impl FnOnce(&Admission<'_>) -> T) -> T {
    with_limits(&IngestLimits::default(), run)
}

fn pair(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn request(name: &str, data: Data) -> ExportMetricsServiceRequest {
    let metric = proto::Metric { name: name.to_owned(), data: Some(data), ..proto::Metric::default() };
    let scope = proto::ScopeMetrics { metrics: vec![metric], ..proto::ScopeMetrics::default() };
    let attributes = vec![pair("service.name", "orders"), pair("service.instance.id", "i-1")];
    ExportMetricsServiceRequest {
        resource_metrics: vec![proto::ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![scope],
            ..proto::ResourceMetrics::default()
        }],
    }
}

fn number(value: f64) -> proto::NumberDataPoint {
    proto::NumberDataPoint {
        time_unix_nano: NANOS,
        value: Some(Value::AsDouble(value)),
        ..proto::NumberDataPoint::default()
    }
}

fn gauge(points: Vec<proto::NumberDataPoint>) -> ExportMetricsServiceRequest {
    request("m", Data::Gauge(proto::Gauge { data_points: points }))
}

#[test]
fn each_kind_of_sum_has_its_kind_of_metric() {
    for (temporality, is_monotonic, kind) in [
        (1, true, Some(MetricKind::Delta)),
        (1, false, Some(MetricKind::Delta)),
        (2, true, Some(MetricKind::Counter)),
        (2, false, Some(MetricKind::UpDownCounter)),
        (0, true, None),
        (9, true, None),
    ] {
        let sum =
            proto::Sum { data_points: vec![number(3.0)], aggregation_temporality: temporality, is_monotonic };
        let decoded = admitted(|a| metrics(request("m", Data::Sum(sum)), a));
        assert_eq!(decoded.batch.series.first().map(|s| s.kind), kind, "{temporality} {is_monotonic}");
        assert_eq!(decoded.rejected_count.contains_key(&RejectReason::Missing), kind.is_none());
    }
}

#[test]
fn a_bad_point_is_listed_and_its_neighbours_are_kept() {
    let long = "x".repeat(65_536);
    let many = (0..129).map(|n| pair(&format!("k{n}"), "v")).collect();
    let year_old = NANOS - 366 * 86_400 * 1_000_000_000;
    let year_ahead = NANOS + 366 * 86_400 * 1_000_000_000;
    for (bad, reason) in [
        (number(f64::NAN), RejectReason::NotFinite),
        (number(f64::NEG_INFINITY), RejectReason::NotFinite),
        (proto::NumberDataPoint { time_unix_nano: year_old, ..number(1.0) }, RejectReason::TooOld),
        (proto::NumberDataPoint { time_unix_nano: year_ahead, ..number(1.0) }, RejectReason::TooNew),
        (proto::NumberDataPoint { time_unix_nano: u64::MAX, ..number(1.0) }, RejectReason::TooNew),
        (proto::NumberDataPoint { time_unix_nano: 0, ..number(1.0) }, RejectReason::Missing),
        (proto::NumberDataPoint { value: None, ..number(1.0) }, RejectReason::Missing),
        (proto::NumberDataPoint { attributes: vec![pair("k", &long)], ..number(1.0) }, RejectReason::TooLong),
        (proto::NumberDataPoint { attributes: vec![pair(&long, "v")], ..number(1.0) }, RejectReason::TooLong),
        (proto::NumberDataPoint { attributes: many, ..number(1.0) }, RejectReason::TooLong),
    ] {
        let decoded = admitted(|a| metrics(gauge(vec![number(1.0), bad, number(2.0)]), a));
        let values: Vec<f64> = decoded.batch.points.iter().map(|p| p.value).collect();
        assert_eq!(values, [1.0, 2.0], "{reason:?}");
        let [row] = &decoded.rejected[..] else { panic!("{reason:?}: {:?}", decoded.rejected) };
        assert_eq!(row.reason, reason);
        assert_eq!(row.at, "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[1]");
        assert!(row.detail.len() < 300, "{}", row.detail);
        assert!(decoded.batch.check());
    }
}

#[test]
fn a_hundred_thousand_new_series_in_a_minute_stop_at_the_budget() {
    let points = (0..100_000)
        .map(|n| proto::NumberDataPoint { attributes: vec![pair("n", &n.to_string())], ..number(1.0) })
        .collect();
    let limits = IngestLimits { max_new_series_per_minute: 5_000, ..IngestLimits::default() };
    let decoded = with_limits(&limits, |a| metrics(gauge(points), a));
    assert_eq!(decoded.batch.points.len(), 4_999, "the resource itself is one of the 5,000");
    assert_eq!(decoded.rejected_count.get(&RejectReason::SeriesLimit), Some(&95_001));
    assert_eq!(decoded.rejected.len(), 100);
    assert_eq!(decoded.partial_success().unwrap().0, 95_001);
}

#[test]
fn a_resource_with_a_huge_attribute_is_refused_with_all_its_rows() {
    let mut all = gauge(vec![number(1.0), number(2.0)]);
    let mut bad = all.resource_metrics[0].clone();
    bad.resource = Some(Resource {
        attributes: vec![pair("service.name", "b"), pair("notes", &"x".repeat(65_536))],
        ..Resource::default()
    });
    all.resource_metrics.insert(0, bad);
    let decoded = admitted(|a| metrics(all, a));
    assert_eq!(decoded.batch.points.len(), 2);
    assert_eq!(decoded.batch.resources.len(), 1);
    assert_eq!(decoded.rejected_count.get(&RejectReason::TooLong), Some(&2));
    assert_eq!(decoded.rejected.len(), 1);
}

#[test]
fn instances_of_a_service_are_one_resource_and_two_series() {
    let mut both = gauge(vec![number(1.0)]);
    let mut second = both.resource_metrics[0].clone();
    second.resource.as_mut().unwrap().attributes[1] = pair("service.instance.id", "i-2");
    both.resource_metrics.push(second);
    let decoded = admitted(|a| metrics(both, a));
    assert_eq!(decoded.batch.resources.len(), 1);
    let told: Vec<_> =
        decoded.batch.series.iter().map(|s| s.attributes.text("service.instance.id")).collect();
    assert_eq!(told, [Some("i-1"), Some("i-2")]);
}

#[test]
fn histograms_keep_bounds_and_counts_and_broken_ones_are_refused() {
    let whole = proto::HistogramDataPoint {
        time_unix_nano: NANOS,
        count: 6,
        sum: Some(2.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.1, 0.5],
        ..proto::HistogramDataPoint::default()
    };
    let none = proto::HistogramDataPoint { bucket_counts: vec![], explicit_bounds: vec![], ..whole.clone() };
    let uneven = proto::HistogramDataPoint { bucket_counts: vec![1, 2], ..whole.clone() };
    let falling = proto::HistogramDataPoint { explicit_bounds: vec![0.5, 0.1], ..whole.clone() };
    let unheard = proto::HistogramDataPoint { sum: Some(f64::NAN), ..whole.clone() };
    let histogram = proto::Histogram {
        data_points: vec![whole, none, uneven, falling, unheard],
        aggregation_temporality: 1,
    };
    let decoded = admitted(|a| metrics(request("h", Data::Histogram(histogram)), a));
    let [first, second] = &decoded.batch.histograms[..] else { panic!("{:?}", decoded.batch.histograms) };
    assert_eq!(
        (&first.bounds[..], &first.counts[..], first.cumulative),
        (&[0.1, 0.5][..], &[1, 2, 3][..], false)
    );
    assert_eq!((second.bounds.len(), &second.counts[..]), (0, &[6][..]));
    let reasons: Vec<_> = decoded.rejected.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, [RejectReason::Malformed, RejectReason::Malformed, RejectReason::NotFinite]);
}

fn exponential(scale: i32, zero: u64, positive: (i32, Vec<u64>), negative: (i32, Vec<u64>)) -> Decoded {
    let buckets = |(offset, bucket_counts)| Some(Buckets { offset, bucket_counts });
    let point = proto::ExponentialHistogramDataPoint {
        time_unix_nano: NANOS,
        scale,
        zero_count: zero,
        positive: buckets(positive),
        negative: buckets(negative),
        ..proto::ExponentialHistogramDataPoint::default()
    };
    let all = proto::ExponentialHistogram { data_points: vec![point], aggregation_temporality: 2 };
    admitted(|a| metrics(request("e", Data::ExponentialHistogram(all)), a))
}

#[test]
fn exponential_buckets_have_the_edges_of_the_data_model() {
    let decoded = exponential(0, 7, (1, vec![3, 4]), (0, vec![5, 6]));
    let point = &decoded.batch.histograms[0];
    assert_eq!(point.bounds, [-4.0, -2.0, -1.0, 0.0, 2.0, 4.0, 8.0]);
    assert_eq!(point.counts, [0, 6, 5, 7, 0, 3, 4, 0]);
    let finer = exponential(1, 0, (0, vec![1, 1]), (0, vec![]));
    assert_eq!(finer.batch.histograms[0].bounds, [0.0, 1.0, 2.0_f64.sqrt(), 2.0]);
}

proptest! {
    #[test]
    fn no_count_of_an_exponential_histogram_is_lost(
        scale in -12..25_i32, zero in 0..9_u64, offset in -2_000..2_000_i32,
        positive in prop::collection::vec(0..9_u64, 0..700), negative in prop::collection::vec(0..9_u64, 0..700),
    ) {
        let total = zero + positive.iter().sum::<u64>() + negative.iter().sum::<u64>();
        let decoded = exponential(scale, zero, (offset, positive), (offset, negative));
        prop_assert!(decoded.batch.check());
        match decoded.batch.histograms.first() {
            Some(point) => prop_assert_eq!(point.counts.iter().sum::<u64>(), total),
            None => prop_assert_eq!(decoded.rejected.len(), 1),
        }
    }

    #[test]
    fn arbitrary_numbers_in_an_exponential_histogram_never_panic(
        scale in any::<i32>(), zero in any::<u64>(), offset in any::<i32>(),
        counts in prop::collection::vec(any::<u64>(), 0..400),
    ) {
        prop_assert!(exponential(scale, zero, (offset, counts.clone()), (offset, counts)).batch.check());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        admitted(|a| {
            for form in [Form::Protobuf, Form::Json] {
                _ = metrics_body(form, &bytes, a);
                _ = logs_body(form, &bytes, a);
                _ = traces_body(form, &bytes, a);
            }
        });
    }

    #[test]
    fn a_valid_body_with_damaged_bytes_never_panics(at in 0..400_usize, byte in any::<u8>()) {
        let mut body = gauge(vec![number(1.0); 5]).encode_to_vec();
        let at = at % body.len();
        body[at] = byte;
        admitted(|a| {
            if let Ok(decoded) = metrics_body(Form::Protobuf, &body, a) {
                assert!(decoded.batch.check());
            }
        });
    }
}

#[test]
fn a_summary_becomes_gauges_and_counters() {
    let point = proto::SummaryDataPoint {
        time_unix_nano: NANOS,
        count: 4,
        sum: 2.0,
        quantile_values: vec![proto::summary_data_point::ValueAtQuantile { quantile: 0.99, value: 0.7 }],
        ..proto::SummaryDataPoint::default()
    };
    let decoded =
        admitted(|a| metrics(request("s", Data::Summary(proto::Summary { data_points: vec![point] })), a));
    let seen: Vec<_> =
        decoded.batch.points.iter().map(|p| (&decoded.batch.series[p.series as usize], p.value)).collect();
    let seen: Vec<_> =
        seen.iter().map(|(s, v)| (s.name.as_str(), s.kind, s.attributes.text("quantile"), *v)).collect();
    let expected = [
        ("s", MetricKind::Gauge, Some("0.99"), 0.7),
        ("s_count", MetricKind::Counter, None, 4.0),
        ("s_sum", MetricKind::Counter, None, 2.0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_point_without_a_recorded_value_is_no_fault() {
    let decoded = admitted(|a| {
        metrics(gauge(vec![proto::NumberDataPoint { flags: 1, value: None, ..number(1.0) }]), a)
    });
    assert!(decoded.batch.is_empty() && decoded.rejected.is_empty());
}

#[test]
fn a_body_that_does_not_parse_says_where() {
    let body = gauge(vec![number(1.0); 3]).encode_to_vec();
    let cut = admitted(|a| metrics_body(Form::Protobuf, &body[..body.len() - 3], a)).unwrap_err();
    assert!(matches!(cut.position, Position::Byte(at) if at > 0 && at <= body.len()), "{cut}");
    let json = b"{\n \"resourceMetrics\": [ nonsense ]}";
    let broken = admitted(|a| metrics_body(Form::Json, json, a)).unwrap_err();
    assert_eq!(broken.to_string(), "parse body at line 2 column 24: expected ident");
    let wrong = br#"{"resourceMetrics": 7}"#;
    let wrong = admitted(|a| metrics_body(Form::Json, wrong, a)).unwrap_err();
    assert!(matches!(wrong.position, Position::Line { line: 1, column: 21 }), "{wrong}");
}

const SPANS: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"desk"}}]},
 "scopeSpans":[{"scope":{"name":"lib"},"spans":[
  {"traceId":"D2AA399dac946dc59c0996daeee6f529","spanId":"a279764017f2ed6c","parentSpanId":"","name":"call",
   "kind":3,"startTimeUnixNano":"1800000000000000000","endTimeUnixNano":1800000001000000000,
   "attributes":[{"key":"tokens","value":{"intValue":"12"}},
    {"key":"reasons","value":{"arrayValue":{"values":[{"stringValue":"stop"},{"doubleValue":1.5}]}}}],
   "events":[{"timeUnixNano":"1800000000500000000","name":"exception",
     "attributes":[{"key":"exception.message","value":{"stringValue":"boom"}}]}],
   "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"}],
   "status":{"code":2,"message":"failed"},"unknownMember":{"a":[1]}},
  {"traceId":"00000000000000000000000000000000","spanId":"a279764017f2ed6c","startTimeUnixNano":"1","endTimeUnixNano":"1"},
  {"traceId":"d2aa399dac946dc59c0996daeee6f529","spanId":"a279764017f2ed6d","name":"back",
   "startTimeUnixNano":"1800000001000000000","endTimeUnixNano":"1800000000000000000"}]}]}]}"#;

#[test]
fn json_spans_are_read_with_their_events_and_links() {
    let decoded = admitted(|a| traces_body(Form::Json, SPANS.as_bytes(), a)).unwrap();
    let [span] = &decoded.batch.spans[..] else { panic!("{:?}", decoded.batch.spans) };
    assert_eq!(span.trace_id, "d2aa399dac946dc59c0996daeee6f529");
    assert_eq!(
        (span.kind, span.status, span.status_message.as_str()),
        (SpanKind::Client, SpanStatus::Error, "failed")
    );
    assert_eq!(span.end.since(span.start).as_secs(), 1);
    assert_eq!(span.attributes.text("reasons"), Some(r#"["stop",1.5]"#));
    assert_eq!(span.attributes.get("tokens"), Some(&12.into()));
    assert_eq!(span.attributes.text("otel.scope.name"), Some("lib"));
    let links = r#"[{"trace_id":"00000000000000000000000000000001","span_id":"0000000000000002"}]"#;
    assert_eq!(span.attributes.text("otel.span.links"), Some(links));
    let [event] = &decoded.batch.logs[..] else { panic!("{:?}", decoded.batch.logs) };
    assert_eq!((event.event_name.as_str(), event.body.as_str(), event.severity), ("exception", "boom", 17));
    assert_eq!((&event.trace_id, &event.span_id), (&span.trace_id, &span.span_id));
    let reasons: Vec<_> = decoded.rejected.iter().map(|r| (r.at.as_str(), r.reason)).collect();
    let expected = [
        ("resourceSpans[0].scopeSpans[0].spans[1]", RejectReason::Missing),
        ("resourceSpans[0].scopeSpans[0].spans[2]", RejectReason::Malformed),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn json_that_senders_write_in_other_ways_means_the_same() {
    let usual = admitted(|a| traces_body(Form::Json, SPANS.as_bytes(), a)).unwrap();
    for (from, to) in [
        ("\"kind\":3", "\"kind\":\"SPAN_KIND_CLIENT\""),
        ("\"code\":2", "\"code\":\"STATUS_CODE_ERROR\""),
        ("{\"intValue\":\"12\"}", "{\"intValue\":12}"),
        ("{\"intValue\":\"12\"}", "{\"intValue\":\"12\",\"futureValue\":{\"a\":1}}"),
        ("{\"doubleValue\":1.5}", "{\"doubleValue\":\"1.5\"}"),
        ("\"parentSpanId\":\"\"", "\"parentSpanId\":null"),
        ("\"links\":", "\"droppedLinksCount\":null,\"links\":"),
    ] {
        assert!(SPANS.contains(from), "{from}");
        let other = admitted(|a| traces_body(Form::Json, SPANS.replace(from, to).as_bytes(), a));
        assert_eq!(other.as_ref(), Ok(&usual), "{to}");
    }
}

#[test]
fn a_nan_in_json_costs_its_point_only() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[
        {"timeUnixNano":"1800000000000000000","asDouble":"NaN"},
        {"timeUnixNano":"1800000000000000000","asInt":"5"}]}},
        {"name":"new","hyperHistogram":{"dataPoints":[]}}]}]}]}"#;
    let decoded = admitted(|a| metrics_body(Form::Json, json.as_bytes(), a)).unwrap();
    assert_eq!(decoded.batch.points.len(), 1);
    assert_eq!(decoded.batch.resources[0].id.as_str(), "service:unknown");
    let count = |reason| decoded.rejected_count.get(&reason).copied();
    assert_eq!((count(RejectReason::NotFinite), count(RejectReason::Missing)), (Some(1), Some(1)));
}

/// A body with one metric, whose data is `data`.
fn json_metric(data: &str) -> Vec<u8> {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m",{data}}}]}}]}}]}}"#)
        .into_bytes()
}

/// Good points with `odd` as the third of them.
fn json_points(good: &str, odd: &str) -> String {
    let mut points = vec![good; 9];
    points.insert(2, odd);
    points.join(",")
}

const AT: &str = r#""timeUnixNano":"1800000000000000000""#;

#[test]
fn an_odd_number_point_in_json_costs_at_most_itself() {
    for (odd, refused) in [
        (r#"AT,"asInt":"5","attributes":null"#, None),
        (r#"AT,"asInt":"5","flags":"0""#, None),
        (r#"AT,"asDouble":"1.5""#, None),
        (r#"AT,"asDouble":-2"#, None),
        (r#"AT,"asInt":"5","attributes":[{"key":"a","value":{"doubleValue":"1.5"}}]"#, None),
        (r#"AT,"asInt":"5","attributes":[{"key":"a","value":{"doubleValue":"NaN"}}]"#, None),
        (r#""timeUnixNano":"abc","asInt":"5""#, Some((RejectReason::Malformed, "`timeUnixNano`: "))),
        (r#""timeUnixNano":-5,"asInt":"5""#, Some((RejectReason::Malformed, "`timeUnixNano`: "))),
        (r#""timeUnixNano":"-5","asInt":"5""#, Some((RejectReason::Malformed, "`timeUnixNano`: "))),
        (r#"AT,"asInt":"5","attributes":7"#, Some((RejectReason::Malformed, "`attributes`: "))),
        (r#"AT,"asInt":"5","flags":"x""#, Some((RejectReason::Malformed, "`flags`: "))),
        (r#"AT,"asInt":"x""#, Some((RejectReason::Malformed, "`asInt` is \"x\", which is no 64-bit number"))),
        (r#"AT,"asDouble":"x""#, Some((RejectReason::Malformed, "`asDouble` is \"x\", which is no number"))),
        (r#"AT,"asDouble":true"#, Some((RejectReason::Malformed, "`asDouble` is true, which is no number"))),
        (r#"AT,"asDouble":"NaN""#, Some((RejectReason::NotFinite, "`asDouble` is \"NaN\""))),
        (r#"AT,"asDouble":"Infinity""#, Some((RejectReason::NotFinite, "`asDouble` is \"Infinity\""))),
        (r#"AT,"asDouble":"-Infinity""#, Some((RejectReason::NotFinite, "`asDouble` is \"-Infinity\""))),
        (r#"AT"#, Some((RejectReason::Missing, "point has no value"))),
        (r#"AT,"asDouble":null"#, Some((RejectReason::Missing, "point has no value"))),
        (r#""asInt":"5""#, Some((RejectReason::Missing, "point has no time"))),
    ] {
        let points =
            json_points(&format!(r#"{{{AT},"asDouble":1}}"#), &format!("{{{}}}", odd.replace("AT", AT)));
        for (word, more) in [("gauge", ""), ("sum", r#","aggregationTemporality":2"#)] {
            let body = json_metric(&format!(r#""{word}":{{"dataPoints":[{points}]{more}}}"#));
            let decoded = admitted(|a| metrics_body(Form::Json, &body, a)).unwrap();
            let listed: Vec<_> =
                decoded.rejected.iter().map(|r| (r.at.as_str(), r.reason, r.detail.as_str())).collect();
            let place = format!("resourceMetrics[0].scopeMetrics[0].metrics[0].{word}.dataPoints[2]");
            match (refused, &listed[..]) {
                (None, []) => assert_eq!(decoded.batch.points.len(), 10, "{odd}"),
                (Some((reason, detail)), [one]) => {
                    assert_eq!((one.0, one.1), (place.as_str(), reason), "{odd}");
                    assert!(one.2.starts_with(detail), "{odd}: {}", one.2);
                    assert_eq!((decoded.batch.points.len(), decoded.rejected_total()), (9, 1), "{odd}");
                }
                _ => panic!("{odd}: {listed:?}"),
            }
        }
    }
}

#[test]
fn a_json_point_without_a_recorded_value_is_no_fault() {
    let body = json_metric(&format!(r#""gauge":{{"dataPoints":[{{{AT},"flags":"1","asDouble":"NaN"}}]}}"#));
    let decoded = admitted(|a| metrics_body(Form::Json, &body, a)).unwrap();
    assert!(decoded.batch.is_empty() && decoded.rejected.is_empty(), "{:?}", decoded.rejected);
}

#[test]
fn an_odd_histogram_or_summary_in_json_costs_at_most_itself() {
    let bounds = r#""count":"3","bucketCounts":["1","2"],"explicitBounds":["#;
    let explicit = |rest: &str| format!(r#"{{{AT},{bounds}{rest}}}"#);
    let exponential = |rest: &str| format!(r#"{{{AT},"count":1,"zeroCount":1,"scale":0{rest}}}"#);
    let summary = |rest: &str| format!(r#"{{{AT},"count":1,"sum":2{rest}}}"#);
    for (word, good, odd, refused) in [
        ("histogram", explicit("0.5]"), explicit(r#"0.5],"sum":"NaN""#), Some(RejectReason::NotFinite)),
        ("histogram", explicit("0.5]"), explicit(r#""Infinity"]"#), Some(RejectReason::NotFinite)),
        ("histogram", explicit("0.5]"), explicit(r#""x"]"#), Some(RejectReason::Malformed)),
        ("histogram", explicit("0.5]"), explicit(r#""0.5"],"sum":"1.5","min":"NaN""#), None),
        (
            "exponentialHistogram",
            exponential(""),
            exponential(r#","sum":"NaN""#),
            Some(RejectReason::NotFinite),
        ),
        (
            "exponentialHistogram",
            exponential(""),
            exponential(r#","positive":3"#),
            Some(RejectReason::Malformed),
        ),
        ("summary", summary(""), summary(r#","quantileValues":[7]"#), Some(RejectReason::Malformed)),
    ] {
        let points = json_points(&good, &odd);
        let temporality = r#""aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE""#;
        let body = json_metric(&format!(r#""{word}":{{"dataPoints":[{points}],{temporality}}}"#));
        let decoded = admitted(|a| metrics_body(Form::Json, &body, a)).unwrap();
        let kept = decoded.batch.histograms.len() + decoded.batch.points.len() / 2;
        assert_eq!(kept, if refused.is_some() { 9 } else { 10 }, "{odd}: {:?}", decoded.rejected);
        let listed: Vec<_> = decoded.rejected.iter().map(|r| (r.at.clone(), r.reason)).collect();
        let place = format!("resourceMetrics[0].scopeMetrics[0].metrics[0].{word}.dataPoints[2]");
        assert_eq!(listed, refused.map(|reason| (place, reason)).into_iter().collect::<Vec<_>>(), "{odd}");
        assert!(decoded.batch.histograms.iter().all(|point| point.cumulative));
    }
}

#[test]
fn a_lost_metric_counts_all_its_points() {
    let points = vec![format!(r#"{{{AT},"asInt":1}}"#); 10].join(",");
    for (data, reason) in [
        (r#""hyper":{"dataPoints":[POINTS]}"#, RejectReason::Missing),
        (r#""sum":{"dataPoints":[POINTS],"aggregationTemporality":"SIDEWAYS"}"#, RejectReason::Malformed),
        (r#""sum":{"dataPoints":[POINTS]}"#, RejectReason::Missing),
        (r#""unit":7,"gauge":{"dataPoints":[POINTS]}"#, RejectReason::Malformed),
    ] {
        let body = json_metric(&data.replace("POINTS", &points));
        let good =
            format!(r#"{{"metrics":[{{"name":"good","gauge":{{"dataPoints":[{points}]}}}},{{"name":"m""#);
        let body = String::from_utf8(body).unwrap().replace(r#"{"metrics":[{"name":"m""#, &good);
        let decoded = admitted(|a| metrics_body(Form::Json, body.as_bytes(), a)).unwrap();
        assert_eq!(decoded.batch.points.len(), 10, "{data}");
        assert_eq!(decoded.rejected_count.into_iter().collect::<Vec<_>>(), [(reason, 10)], "{data}");
        assert_eq!(decoded.rejected[0].at, "resourceMetrics[0].scopeMetrics[0].metrics[1]");
        // A resource that cannot be read takes all of them with it.
        let body = body.replace(r#""scopeMetrics""#, r#""resource":{"attributes":7},"scopeMetrics""#);
        let decoded = admitted(|a| metrics_body(Form::Json, body.as_bytes(), a)).unwrap();
        assert!(decoded.batch.is_empty());
        assert_eq!(decoded.rejected_count.into_iter().collect::<Vec<_>>(), [(RejectReason::Malformed, 20)]);
        assert_eq!(decoded.rejected[0].at, "resourceMetrics[0].resource");
    }
}

#[test]
fn an_odd_span_in_json_costs_itself_and_an_odd_event_only_the_event() {
    let usual = admitted(|a| traces_body(Form::Json, SPANS.as_bytes(), a)).unwrap();
    for (from, to, at, detail) in [
        ("D2AA399dac946dc59c0996daeee6f529", "zz", "", "`traceId`: "),
        ("a279764017f2ed6c\",\"parent", "a27\",\"parent", "", "`spanId`: "),
        ("\"parentSpanId\":\"\"", "\"parentSpanId\":\"+\"", "", "`parentSpanId`: "),
        ("\"kind\":3", "\"kind\":\"SIDEWAYS\"", "", "`kind`: "),
        ("\"00000000000000000000000000000001\"", "\"zz\"", "", "`links`: "),
        ("\"1800000000500000000\"", "\"noon\"", ".events[0]", "`timeUnixNano`: "),
    ] {
        assert!(SPANS.contains(from), "{from}");
        let decoded =
            admitted(|a| traces_body(Form::Json, SPANS.replacen(from, to, 1).as_bytes(), a)).unwrap();
        assert_eq!(decoded.batch.spans.len(), usize::from(!at.is_empty()), "{to}");
        assert!(decoded.batch.logs.is_empty(), "{to}");
        let row = &decoded.rejected[0];
        let place = format!("resourceSpans[0].scopeSpans[0].spans[0]{at}");
        assert_eq!((row.at.as_str(), row.reason), (place.as_str(), RejectReason::Malformed), "{to}");
        assert!(row.detail.starts_with(detail), "{to}: {}", row.detail);
        assert_eq!(decoded.rejected[1..], usual.rejected[..], "{to}");
    }
}

#[test]
fn an_odd_log_record_in_json_costs_itself() {
    for (odd, detail) in [
        (r#""traceId":"zz""#, "`traceId`: "),
        (r#""spanId":"a2""#, "span id has 1 bytes instead of 8"),
        (r#""timeUnixNano":"noon""#, "`timeUnixNano`: "),
        (r#""severityNumber":"SIDEWAYS""#, "`severityNumber`: "),
        (r#""body":"bare text""#, "`body`: "),
    ] {
        let good = r#"{"body":{"stringValue":"x"}}"#;
        let records = json_points(good, &format!("{{{odd}}}"));
        let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#);
        let decoded = admitted(|a| logs_body(Form::Json, body.as_bytes(), a)).unwrap();
        assert_eq!(decoded.batch.logs.len(), 9, "{odd}");
        let [row] = &decoded.rejected[..] else { panic!("{odd}: {:?}", decoded.rejected) };
        assert_eq!(row.at, "resourceLogs[0].scopeLogs[0].logRecords[2]");
        assert_eq!(row.reason, RejectReason::Malformed);
        assert!(row.detail.starts_with(detail), "{odd}: {}", row.detail);
    }
}

#[test]
fn a_scope_that_cannot_be_read_costs_its_rows() {
    let body = SPANS.replace("\"scope\":{\"name\":\"lib\"}", "\"scope\":{\"name\":7}");
    let decoded = admitted(|a| traces_body(Form::Json, body.as_bytes(), a)).unwrap();
    assert_eq!(decoded.rejected_count.into_iter().collect::<Vec<_>>(), [(RejectReason::Malformed, 3)]);
    assert!(decoded.rejected[0].detail.starts_with("scope of the row: `name`: "));
}

#[test]
fn logs_of_every_body_are_text() {
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    let any = |value| Some(AnyValue { value: Some(value) });
    let map = KeyValueList {
        values: vec![pair("k\"", "v"), KeyValue { key: "n".to_owned(), ..KeyValue::default() }],
    };
    let list = ArrayValue { values: vec![any(Any::BytesValue(vec![255])).unwrap(), AnyValue::default()] };
    let bodies = [
        (None, ""),
        (any(Any::StringValue("plain".to_owned())), "plain"),
        (any(Any::IntValue(-3)), "-3"),
        (any(Any::DoubleValue(f64::INFINITY)), "\"inf\""),
        (any(Any::BoolValue(true)), "true"),
        (any(Any::KvlistValue(map)), r#"{"k\"":"v","n":null}"#),
        (any(Any::ArrayValue(list)), r#"["ff",null]"#),
    ];
    let mut records: Vec<LogRecord> =
        bodies.iter().map(|(body, _)| LogRecord { body: body.clone(), ..LogRecord::default() }).collect();
    records.push(LogRecord { severity_number: 25, ..LogRecord::default() });
    records.push(LogRecord { trace_id: vec![1, 2], ..LogRecord::default() });
    records.push(LogRecord { body: any(Any::StringValue("x".repeat(65_537))), ..LogRecord::default() });
    records.push(LogRecord {
        observed_time_unix_nano: NANOS - 1_000_000,
        severity_text: "Warning".to_owned(),
        attributes: vec![pair("event.name", "user.login")],
        ..LogRecord::default()
    });
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    let resource_logs = vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }];
    let decoded = admitted(|a| logs(ExportLogsServiceRequest { resource_logs }, a));
    for (record, (_, text)) in decoded.batch.logs.iter().zip(&bodies) {
        assert_eq!((record.body.as_str(), record.time), (*text, NOW));
    }
    let last = decoded.batch.logs.last().unwrap();
    assert_eq!((last.event_name.as_str(), last.severity, last.attributes.len()), ("user.login", 13, 0));
    assert_eq!(last.time, NOW - std::time::Duration::from_millis(1));
    let reasons: Vec<_> = decoded.rejected.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, [RejectReason::Malformed, RejectReason::Malformed, RejectReason::TooLong]);
}

#[test]
fn content_types_name_forms() {
    for (header, form) in [
        ("application/x-protobuf", Some(Form::Protobuf)),
        ("Application/JSON; charset=utf-8", Some(Form::Json)),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(Form::of_content_type(header), form, "{header}");
    }
}
