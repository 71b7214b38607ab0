#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::{IngestLimits, TenantId};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::SeriesBudget;

/// The messages as the specifications state them, written by another encoder than ours.
mod spec {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(super) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) histograms: Vec<Histogram>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) family: String,
        #[prost(string, tag = "5")]
        pub(super) unit: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(super) count_int: u64,
        #[prost(double, tag = "2")]
        pub(super) count_float: f64,
        #[prost(double, tag = "3")]
        pub(super) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(super) schema: i32,
        #[prost(double, tag = "5")]
        pub(super) zero_threshold: f64,
        #[prost(uint64, tag = "6")]
        pub(super) zero_count_int: u64,
        #[prost(message, repeated, tag = "8")]
        pub(super) negative_spans: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "9")]
        pub(super) negative_deltas: Vec<i64>,
        #[prost(message, repeated, tag = "11")]
        pub(super) positive_spans: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "12")]
        pub(super) positive_deltas: Vec<i64>,
        #[prost(int32, tag = "14")]
        pub(super) reset_hint: i32,
        #[prost(int64, tag = "15")]
        pub(super) timestamp: i64,
        #[prost(double, repeated, tag = "16")]
        pub(super) custom_values: Vec<f64>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct BucketSpan {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Request {
        #[prost(string, repeated, tag = "4")]
        pub(super) symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub(super) timeseries: Vec<Series>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Series {
        #[prost(uint32, repeated, tag = "1")]
        pub(super) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) histograms: Vec<Histogram>,
        #[prost(message, optional, tag = "5")]
        pub(super) metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Metadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(uint32, tag = "4")]
        pub(super) unit_ref: u32,
    }
}

use spec::{BucketSpan, Histogram, Label, MetricMetadata, Sample, TimeSeries, WriteRequest};

const NOW: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW * 1_000;

fn taken(version: Version, body: &[u8]) -> Result<(Decoded, Taken), Malformed> {
    let (tenant, limits, budget) =
        (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
    decode(version, body, &Admission::live(&tenant, &limits, &budget, Timestamp::from_secs(NOW)))
}

fn series(labels: &str, values: &[f64]) -> TimeSeries {
    let labels = labels.split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        Label { name: name.to_owned(), value: value.to_owned() }
    });
    let sample = |(n, value): (usize, &f64)| Sample { value: *value, timestamp: NOW_MS - 1_000 + n as i64 };
    TimeSeries {
        labels: labels.collect(),
        samples: values.iter().enumerate().map(sample).collect(),
        histograms: vec![],
    }
}

fn one(timeseries: Vec<TimeSeries>) -> (Decoded, Taken) {
    taken(Version::One, &WriteRequest { timeseries, metadata: vec![] }.encode_to_vec()).unwrap()
}

#[test]
fn series_become_points_of_the_resource_that_their_labels_name() {
    let table = [
        ("__name__=node_load1 instance=db-3:9100 job=node", "host:db-3", "instance=db-3:9100 job=node"),
        (
            "__name__=node_load1 instance=[::1]:9100 job=node",
            "host:%5B::1%5D",
            "instance=[::1]:9100 job=node",
        ),
        ("__name__=vllm:running job=llama", "engine:llama", "job=llama"),
        ("__name__=up instance=a:1 job=shop/orders", "service:shop/orders", "instance=a:1 job=shop/orders"),
        ("__name__=cpu host=web-1", "host:web-1", "host=web-1"),
        ("__name__=cpu hostname=web-2", "host:web-2", "hostname=web-2"),
        ("__name__=x a=", "service:unknown", ""),
        ("__name__=x echobase_resource_kind=agent echobase_resource_name=bot job=j", "agent:bot", "job=j"),
    ];
    for (labels, resource, attributes) in table {
        let (decoded, counts) = one(vec![series(labels, &[1.5, 2.5])]);
        let batch = &decoded.batch;
        assert_eq!(decoded.rejected, [], "{labels}");
        assert_eq!(batch.resources[0].id.as_str(), resource, "{labels}");
        let read: Vec<String> = batch.series[0].attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(read.join(" "), attributes, "{labels}");
        assert_eq!(batch.points.iter().map(|p| p.value).collect::<Vec<_>>(), [1.5, 2.5]);
        assert_eq!(batch.points[1].time, Timestamp::from_millis(NOW_MS - 999));
        assert_eq!(counts, Taken { samples: 2, histograms: 0 });
    }
}

#[test]
fn kinds_come_from_metadata_and_else_from_the_name() {
    let names = ["a_total", "b", "c_bucket", "c_sum", "d", "e_count", "f"];
    let timeseries: Vec<TimeSeries> =
        names.iter().map(|n| series(&format!("__name__={n}"), &[1.0])).collect();
    let said = |family: &str, kind, unit: &str| MetricMetadata {
        kind,
        family: family.to_owned(),
        unit: unit.to_owned(),
    };
    let metadata = vec![said("c", 3, "seconds"), said("d", 1, ""), said("e_count", 2, ""), said("f", 0, "x")];
    let (decoded, _) = taken(Version::One, &WriteRequest { timeseries, metadata }.encode_to_vec()).unwrap();
    let kinds: Vec<(MetricKind, &str)> =
        decoded.batch.series.iter().map(|s| (s.kind, s.unit.as_str())).collect();
    use MetricKind::{Counter, Gauge};
    let expected = [
        (Counter, ""),
        (Gauge, ""),
        (Counter, ""),
        (Counter, "seconds"),
        (Counter, ""),
        (Gauge, ""),
        (Gauge, ""),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_bad_sample_costs_only_itself_and_stale_markers_are_no_values() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let long = format!("__name__=x a={}", "y".repeat(5_000));
    let mut ahead = series("__name__=late", &[1.0]);
    ahead.samples[0].timestamp = NOW_MS + 3_600_000;
    let all = vec![
        series("__name__=x", &[1.0, f64::NAN, stale, 2.0]),
        series("a=b", &[1.0, 2.0]),
        series("__name__=x b=1 b=2", &[1.0]),
        series(&long, &[1.0]),
        ahead,
        series("job=j __name__=unsorted", &[3.0]),
    ];
    let (decoded, counts) = one(all);
    let listed: Vec<(&str, RejectReason)> =
        decoded.rejected.iter().map(|r| (r.at.as_str(), r.reason)).collect();
    let expected = [
        ("timeseries[0].samples[1]", RejectReason::NotFinite),
        ("timeseries[1]", RejectReason::Missing),
        ("timeseries[2]", RejectReason::Malformed),
        ("timeseries[3].samples[0]", RejectReason::TooLong),
        ("timeseries[4].samples[0]", RejectReason::TooNew),
    ];
    assert_eq!(listed, expected);
    assert_eq!(decoded.rejected_count[&RejectReason::Missing], 2, "each of its samples counts");
    assert_eq!(decoded.batch.points.iter().map(|p| p.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
    assert_eq!(counts.samples, 4);
    assert!(decoded.batch.check());
}

#[test]
fn symbols_are_texts_said_once() {
    let symbols = ["", "__name__", "http_requests", "job", "shop", "requests"].map(str::to_owned).to_vec();
    let of = |labels_refs: Vec<u32>| spec::Series {
        labels_refs,
        samples: vec![Sample { value: 7.0, timestamp: NOW_MS }],
        histograms: vec![],
        metadata: Some(spec::Metadata { kind: 1, unit_ref: 5 }),
    };
    let request =
        |refs| spec::Request { symbols: symbols.clone(), timeseries: vec![of(refs)] }.encode_to_vec();
    let (decoded, counts) = taken(Version::Two, &request(vec![1, 2, 3, 4])).unwrap();
    let series = &decoded.batch.series[0];
    assert_eq!((series.name.as_str(), series.unit.as_str()), ("http_requests", "requests"));
    assert_eq!((series.kind, decoded.batch.resources[0].id.as_str()), (MetricKind::Counter, "service:shop"));
    assert_eq!(counts, Taken { samples: 1, histograms: 0 });
    for (refs, told) in [(vec![1, 99], "a symbol is referred to"), (vec![1, 2, 3], "a label without a value")]
    {
        let error = taken(Version::Two, &request(refs)).unwrap_err();
        assert!(error.detail.contains(told), "{error}");
    }
}

fn native(histogram: Histogram) -> (Decoded, Taken) {
    one(vec![TimeSeries { histograms: vec![histogram], ..series("__name__=h", &[]) }])
}

fn whole() -> Histogram {
    // Schema 0: bucket 1 is (1, 2], bucket 4 is (8, 16].
    Histogram {
        count_int: 10,
        sum: 55.0,
        zero_threshold: 1e-128,
        zero_count_int: 1,
        positive_spans: vec![BucketSpan { offset: 1, length: 1 }, BucketSpan { offset: 2, length: 1 }],
        positive_deltas: vec![4, -2],
        negative_spans: vec![BucketSpan { offset: 1, length: 1 }],
        negative_deltas: vec![3],
        timestamp: NOW_MS,
        ..Histogram::default()
    }
}

#[test]
fn native_histograms_keep_the_bounds_and_counts_of_their_buckets() {
    let (decoded, counts) = native(whole());
    assert_eq!(decoded.rejected, []);
    let point = &decoded.batch.histograms[0];
    let held: Vec<(f64, u64)> =
        point.bounds.iter().copied().zip(point.counts.iter().copied()).filter(|(_, n)| *n > 0).collect();
    assert_eq!(held, [(-1.0, 3), (1e-128, 1), (2.0, 4), (16.0, 2)]);
    assert_eq!((point.count, point.sum, point.cumulative), (10, 55.0, true));
    assert_eq!(decoded.batch.series[0].kind, MetricKind::Histogram);
    assert_eq!(counts, Taken { samples: 0, histograms: 1 });

    let gauge = Histogram { reset_hint: 3, ..whole() };
    assert!(!native(gauge).0.batch.histograms[0].cumulative);

    let own = Histogram {
        schema: -53,
        custom_values: vec![0.5, 1.0, 5.0],
        count_int: 6,
        sum: 9.0,
        timestamp: NOW_MS,
        positive_spans: vec![BucketSpan { offset: 0, length: 1 }, BucketSpan { offset: 2, length: 1 }],
        positive_deltas: vec![2, 2],
        ..Histogram::default()
    };
    let point = native(own).0.batch.histograms[0].clone();
    assert_eq!((point.bounds, point.counts), (vec![0.5, 1.0, 5.0], vec![2, 0, 0, 4]));
}

#[test]
fn native_histograms_that_do_not_fit_are_refused_alone() {
    let far = vec![
        BucketSpan { offset: -2_000_000_000, length: 1 },
        BucketSpan { offset: 2_147_000_000, length: 1 },
    ];
    let table = [
        (Histogram { positive_deltas: vec![1], ..whole() }, RejectReason::Malformed),
        (Histogram { positive_deltas: vec![1, -2], ..whole() }, RejectReason::Malformed),
        (Histogram { schema: 9, ..whole() }, RejectReason::Malformed),
        (Histogram { count_float: 1.5, ..whole() }, RejectReason::Unsupported),
        (Histogram { schema: -53, ..whole() }, RejectReason::Malformed),
        (Histogram { positive_spans: far, schema: 8, ..whole() }, RejectReason::Malformed),
    ];
    for (histogram, reason) in table {
        let (decoded, counts) = native(histogram.clone());
        let read: Vec<RejectReason> = decoded.rejected.iter().map(|r| r.reason).collect();
        assert_eq!((read, counts.histograms), (vec![reason], 0), "{histogram:?}");
    }
}

#[test]
fn content_types_name_the_message() {
    let table = [
        ("application/x-protobuf", Some(Version::One)),
        ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Version::One)),
        ("application/x-protobuf; proto=io.prometheus.write.v2.Request", Some(Version::Two)),
        ("application/x-protobuf;proto=other", None),
        ("application/json", None),
        ("", None),
    ];
    for (header, version) in table {
        assert_eq!(Version::of_content_type(header), version, "{header}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(bytes: Vec<u8>, flips in prop::collection::vec((0usize..400, any::<u8>()), 0..6)) {
        let _ = taken(Version::One, &bytes);
        let _ = taken(Version::Two, &bytes);
        let request = WriteRequest { timeseries: vec![TimeSeries { histograms: vec![whole()], ..series("__name__=h job=j", &[1.0]) }], metadata: vec![] };
        let mut body = request.encode_to_vec();
        for (at, byte) in flips {
            let n = body.len();
            body[at % n] ^= byte;
        }
        let _ = taken(Version::One, &body);
    }
}
