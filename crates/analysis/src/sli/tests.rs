#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::assessment::Vital;
use echobase_types::playbook::Selector;
use echobase_types::signal::{HistogramPoint, MetricKind, MetricPoint, Span, SpanKind, SpanStatus};
use echobase_types::slo::{Bound, Side, Slo};
use echobase_types::{Attributes, Resource, ResourceKind, SloId};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

fn resource(name: &str) -> Resource {
    Resource {
        id: ResourceId::new(&format!("service:{name}")).unwrap(),
        kind: ResourceKind::Service,
        name: name.into(),
        attributes: Attributes::new(),
    }
}

pub(super) fn series(id: u64, name: &str, kind: MetricKind, attributes: &[(&str, &str)]) -> Series {
    Series {
        id: SeriesId(id),
        resource: 0,
        name: name.into(),
        unit: String::new(),
        kind,
        attributes: attributes.iter().copied().collect(),
    }
}

pub(super) fn points(all: Vec<(Series, Vec<(i64, f64)>)>) -> SignalBatch {
    let mut batch = SignalBatch { resources: vec![resource("a")], ..SignalBatch::default() };
    for (at_series, (series, values)) in all.into_iter().enumerate() {
        batch.series.push(series);
        batch.points.extend(values.into_iter().map(|(second, value)| MetricPoint {
            series: at_series as u32,
            time: at(second),
            value,
        }));
    }
    batch
}

fn span(second: i64, millis: i64, status: SpanStatus) -> Span {
    Span {
        resource: 0,
        trace_id: String::new(),
        span_id: String::new(),
        parent_span_id: String::new(),
        name: "GET".into(),
        kind: SpanKind::Server,
        start: Timestamp::from_millis(second * 1_000 - millis),
        end: at(second),
        status,
        status_message: String::new(),
        attributes: Attributes::new(),
    }
}

/// Sum of good and bad over batches.
fn counted(sli: Sli, batches: &[SignalBatch]) -> (f64, f64) {
    let mut meter = Meter::new(sli, Vec::new());
    let mut sum = (0.0, 0.0);
    for batch in batches {
        meter.observe(batch, |_| true, &mut |count| sum = (sum.0 + count.good, sum.1 + count.bad));
    }
    (sum.0.round(), sum.1.round())
}

#[test]
fn requests_of_counters_by_outcome() {
    let ok = series(1, "http_requests_total", MetricKind::Counter, &[("code", "200")]);
    let failed = series(2, "http_requests_total", MetricKind::Counter, &[("code", "503")]);
    let batch = points(vec![
        (ok, vec![(0, 100.0), (10, 190.0), (20, 280.0), (30, 20.0)]),
        // Appears with its first failures: they count.
        (failed, vec![(20, 10.0), (30, 15.0)]),
    ]);
    // 90 + 90 + 20 after a restart; 10 + 5.
    assert_eq!(counted(Sli::Requests, &[batch]), (200.0, 15.0));
}

#[test]
fn failures_that_are_counted_apart_are_taken_from_the_requests() {
    let all = series(1, "http_requests_total", MetricKind::Counter, &[]);
    let failed = series(2, "http_request_errors_total", MetricKind::Counter, &[]);
    let batch = points(vec![
        (all, vec![(0, 0.0), (10, 100.0), (20, 200.0)]),
        (failed, vec![(0, 0.0), (10, 0.0), (20, 30.0)]),
    ]);
    assert_eq!(counted(Sli::Requests, &[batch]), (170.0, 30.0));
}

fn durations(second: i64, counts: [u64; 4]) -> SignalBatch {
    let mut batch = SignalBatch { resources: vec![resource("a")], ..SignalBatch::default() };
    let mut of = series(7, "http.server.request.duration", MetricKind::Histogram, &[]);
    of.unit = "s".into();
    batch.series.push(of);
    batch.histograms.push(HistogramPoint {
        series: 0,
        time: at(second),
        cumulative: true,
        count: counts.iter().sum(),
        sum: 0.0,
        bounds: vec![0.1, 0.3, 1.0],
        counts: counts.to_vec(),
    });
    batch
}

#[test]
fn latency_of_distributions_is_exact_at_a_bound_and_even_between() {
    let batches = [durations(0, [5, 5, 5, 5]), durations(10, [95, 10, 5, 15])];
    for (threshold_s, expected) in [(0.3, (95.0, 10.0)), (0.2, (93.0, 13.0)), (5.0, (95.0, 10.0))] {
        assert_eq!(counted(Sli::Latency { threshold_s }, &batches), expected, "{threshold_s}");
    }
    // The same series counts requests.
    assert_eq!(counted(Sli::Requests, &batches), (105.0, 0.0));
}

#[test]
fn spans_count_where_no_metric_does_and_late_ones_too() {
    let spans = |seconds: &[i64], status| SignalBatch {
        resources: vec![resource("a")],
        spans: seconds.iter().map(|s| span(*s, 200, status)).collect(),
        ..SignalBatch::default()
    };
    let batches = [spans(&[10, 20, 30], SpanStatus::Ok), spans(&[15, 40], SpanStatus::Error)];
    assert_eq!(counted(Sli::Requests, &batches), (3.0, 2.0));
    assert_eq!(counted(Sli::Latency { threshold_s: 0.1 }, &batches), (0.0, 5.0));
    let metric =
        points(vec![(series(1, "http_requests_total", MetricKind::Counter, &[]), vec![(0, 0.0), (10, 7.0)])]);
    let both = [metric, batches[0].clone()];
    assert_eq!(counted(Sli::Requests, &both), (7.0, 0.0), "no request is counted twice");
}

#[test]
fn of_two_families_that_count_the_same_requests_one_is_taken() {
    let one = series(1, "http_requests_total", MetricKind::Counter, &[]);
    let other = series(2, "grpc_server_handled_total", MetricKind::Counter, &[("grpc_code", "OK")]);
    let batch = points(vec![(one, vec![(0, 0.0), (10, 50.0)]), (other, vec![(0, 0.0), (10, 40.0)])]);
    assert_eq!(counted(Sli::Requests, &[batch]), (40.0, 0.0));
}

#[test]
fn deltas_count_late_but_not_twice() {
    let delta = |values: Vec<(i64, f64)>| {
        points(vec![(series(1, "http_requests_total", MetricKind::Delta, &[]), values)])
    };
    let batches = [delta(vec![(10, 5.0), (30, 5.0)]), delta(vec![(20, 5.0)]), delta(vec![(30, 5.0)])];
    assert_eq!(counted(Sli::Requests, &batches), (15.0, 0.0));
}

#[test]
fn seconds_within_a_bound_and_gaps_that_count_neither_way() {
    let bound = Bound { side: Side::AtLeast, threshold: 1.0 };
    let up = |values: Vec<(i64, f64)>| points(vec![(series(1, "up", MetricKind::Gauge, &[]), values)]);
    // 60 s good, 60 s bad, a gap of an hour, 30 s good.
    let batch = up(vec![(0, 1.0), (60, 1.0), (120, 0.0), (3_720, 1.0), (3_750, 1.0)]);
    for sli in [Sli::Vital { vital: Vital::Up, bound }, Sli::Metric { name: "up".into(), bound }] {
        assert_eq!(counted(sli, std::slice::from_ref(&batch)), (90.0, 60.0));
    }
    let other = Sli::Metric { name: "down".into(), bound };
    assert_eq!(counted(other, &[batch]), (0.0, 0.0));
}

#[test]
fn a_vital_sign_of_several_series_is_judged_as_one() {
    let bound = Bound { side: Side::AtMost, threshold: 0.8 };
    let used = series(1, "process.memory.usage", MetricKind::UpDownCounter, &[]);
    let limit = series(2, "process.memory.limit", MetricKind::UpDownCounter, &[]);
    let batch = points(vec![
        (used, vec![(0, 50.0), (10, 70.0), (20, 90.0)]),
        (limit, vec![(0, 100.0), (10, 100.0), (20, 100.0)]),
    ]);
    let sli = Sli::Vital { vital: Vital::MemoryUtilization, bound };
    assert_eq!(counted(sli, &[batch]), (10.0, 10.0));
}

#[test]
fn what_came_over_minutes_is_spread_over_them() {
    let mut seen = Vec::new();
    spread(at(300), Duration::from_secs(240), 40.0, 8.0, &mut |count| seen.push(count));
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|c| (c.good - 10.0).abs() < 1e-9 && (c.bad - 2.0).abs() < 1e-9), "{seen:?}");
    let minutes: Vec<i64> = seen.iter().map(|c| c.at.as_millis() / 60_000).collect();
    assert_eq!(minutes, [1, 2, 3, 5], "the last lies at the report itself");
}

#[test]
fn history_is_read_as_far_as_it_is_counted() {
    let requests = series(1, "http_requests_total", MetricKind::Counter, &[]);
    let other = series(2, "process.memory.usage", MetricKind::Gauge, &[]);
    let meter = Meter::new(Sli::Requests, Vec::new());
    let both = meter.wanted(&[requests.clone(), other.clone()]);
    assert_eq!(both, Wanted { series: [SeriesId(1)].into(), spans: false });
    assert!(meter.wanted(std::slice::from_ref(&other)).spans);
    let bound = Bound { side: Side::AtMost, threshold: 1.0 };
    let up = Meter::new(Sli::Vital { vital: Vital::Up, bound }, Vec::new());
    assert_eq!(up.wanted(&[requests, other]), Wanted::default());
}

fn objective(id: u128, resource: Option<&str>) -> Slo {
    Slo {
        id: SloId::from_uuid(uuid::Uuid::from_u128(id)),
        version: 1,
        name: "availability".into(),
        description: String::new(),
        selector: Selector { kind: None, resource: resource.map(str::to_owned) },
        sli: Sli::Requests,
        target: 0.99,
        window: Duration::from_secs(30 * 86_400),
        created_at: at(0),
        updated_at: at(0),
    }
}

fn of(name: &str, values: Vec<(i64, f64)>) -> SignalBatch {
    let mut batch =
        points(vec![(series(name.len() as u64, "http_requests_total", MetricKind::Counter, &[]), values)]);
    batch.resources = vec![resource(name)];
    batch
}

fn good(book: &mut Book, id: u128) -> f64 {
    let id = SloId::from_uuid(uuid::Uuid::from_u128(id));
    book.verdicts(at(100)).find(|(slo, _)| slo.id == id).map(|(_, v)| v.good.round()).unwrap()
}

#[test]
fn a_book_counts_each_batch_for_the_objectives_it_concerns() {
    let mut book = Book::new(Vec::new());
    book.insert(objective(1, Some("service:a")));
    book.insert(objective(2, Some("service:*")));
    book.observe(&of("a", vec![(0, 0.0), (10, 10.0)]));
    book.observe(&of("bb", vec![(0, 0.0), (10, 5.0)]));
    assert_eq!((good(&mut book, 1), good(&mut book, 2)), (10.0, 15.0));
    book.remove(SloId::from_uuid(uuid::Uuid::from_u128(1)));
    assert_eq!(book.slos().len(), 1);
}

#[test]
fn history_that_comes_once_more_is_not_counted_again() {
    let spans = SignalBatch {
        resources: vec![resource("a")],
        spans: (1..=20).map(|second| span(second, 5, SpanStatus::Ok)).collect(),
        ..SignalBatch::default()
    };
    let mut history = Book::new(Vec::new());
    history.insert(objective(1, None));
    history.observe(&spans);
    history.close(at(100));
    let mut book = Book::new(Vec::new());
    book.adopt(history);
    book.observe(&spans);
    let newer = SignalBatch { spans: vec![span(21, 5, SpanStatus::Ok)], ..spans };
    book.observe(&newer);
    assert_eq!(good(&mut book, 1), 21.0);
}
