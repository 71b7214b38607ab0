#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use echobase_types::SignalBatch;
use echobase_types::signal::{LogRecord, MetricPoint, Span};

use super::*;
use crate::Wanted;
use crate::testing::{self, Bench, START, at, points, resource, tenant};

fn query(selection: Selection, seconds: i64, max_points: usize) -> PointsQuery {
    PointsQuery {
        selection,
        metric: None,
        from: at(START),
        to: at(START + seconds * 1_000_000),
        max_points,
        values: Values::CountersAsRates,
    }
}

#[tokio::test]
async fn points_are_folded_into_steps_over_memory_and_files() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0, 3.0, 5.0])).await.unwrap();
    telemetry.flush().await.unwrap();
    telemetry.append(&all, points("a", 1, 3, &[7.0, 9.0, 11.0])).await.unwrap();
    telemetry.append(&all, points("b", 2, 0, &[100.0])).await.unwrap();
    let of_a = Selection::Resource(resource("a").id);
    let found = telemetry.points(&all, query(of_a.clone(), 6, 3)).await.unwrap();
    assert_eq!(found.len(), 1);
    let seen: Vec<_> =
        found[0].steps.iter().map(|s| (s.at.as_micros() - START, s.mean, s.min, s.max, s.count)).collect();
    assert_eq!(seen, [(0, 2.0, 1.0, 3.0, 2), (2_000_000, 6.0, 5.0, 7.0, 2), (4_000_000, 10.0, 9.0, 11.0, 2)]);
    let both = Selection::Series(vec![SeriesId(1), SeriesId(2), SeriesId(77)]);
    assert_eq!(telemetry.points(&all, query(both, 6, 100)).await.unwrap().len(), 2);
    let other = PointsQuery { metric: Some("other".to_owned()), ..query(of_a.clone(), 6, 3) };
    assert_eq!(telemetry.points(&all, other).await.unwrap(), []);
    assert_eq!(telemetry.points(&tenant("nobody"), query(of_a, 6, 3)).await.unwrap(), []);
}

#[tokio::test]
async fn counters_are_shown_as_growth_per_second_over_restarts() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    // One point before the range, then growth of 10, 10, a restart at 4, growth of 6.
    let mut batch = points("a", 1, -1, &[100.0, 110.0, 120.0, 4.0, 10.0]);
    batch.series[0].kind = MetricKind::Counter;
    telemetry.append(&all, batch).await.unwrap();
    let of_a = Selection::Resource(resource("a").id);
    let found = telemetry.points(&all, query(of_a.clone(), 10, 10)).await.unwrap();
    let means = |found: &[SeriesData]| found[0].steps.iter().map(|s| s.mean).collect::<Vec<_>>();
    assert_eq!(means(&found), [10.0, 10.0, 4.0, 6.0]);
    let raw = PointsQuery { values: Values::AsStored, ..query(of_a, 10, 10) };
    assert_eq!(means(&telemetry.points(&all, raw).await.unwrap()), [110.0, 120.0, 4.0, 10.0]);
}

#[tokio::test]
async fn pages_of_events_give_each_event_once_newest_first() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let event = |n: i64, name: &str| LogRecord {
        resource: 0,
        time: at(START + n / 3), // three of each time
        severity: 9,
        event_name: name.to_owned(),
        body: format!("{n:03}"),
        trace_id: String::new(),
        span_id: String::new(),
        attributes: [("n", n)].into_iter().collect(),
    };
    for part in 0..2 {
        let mut logs: Vec<_> = (0..10).map(|n| event(part * 10 + n, "deploy")).collect();
        logs.push(event(part, ""));
        logs.push(event(part, "other"));
        let batch = SignalBatch { resources: vec![resource("a")], logs, ..SignalBatch::default() };
        telemetry.append(&all, batch).await.unwrap();
        telemetry.flush().await.unwrap();
    }
    let mut filter = EventFilter {
        resource: Some(resource("a").id),
        event_name: Some("deploy".to_owned()),
        from: at(START),
        to: at(START + 1_000),
        limit: 7,
        before: None,
    };
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = telemetry.events(&all, filter.clone()).await.unwrap();
        pages += 1;
        seen.extend(page.events);
        match page.next {
            Some(next) => filter.before = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (3, 20));
    assert!(seen.windows(2).all(|pair| pair[0].time >= pair[1].time));
    let mut bodies: Vec<_> = seen.iter().map(|e| e.body.as_str()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 20);
    assert_eq!(
        seen[0].attributes.get("n").map(ToString::to_string).as_deref(),
        Some(seen[0].body.trim_start_matches('0'))
    );
    filter = EventFilter { event_name: None, resource: None, before: None, limit: 100, ..filter };
    assert_eq!(
        telemetry.events(&all, filter).await.unwrap().events.len(),
        22,
        "logs without a name are no events"
    );
    for text in ["", "5", "a.b", "1.-1", "1.99999999999"] {
        assert!(text.parse::<EventCursor>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn verdicts_are_thinned_out_for_charts_and_whole_for_backtests() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let of = resource("orders").id;
    let verdict = |n: i64| AssessmentRow {
        at: at(START + n * 1_000_000),
        score: n as f64 / 100.0,
        ..testing::assessments(1).remove(0)
    };
    telemetry.append_assessments(&all, (0..50).map(verdict).collect()).await.unwrap();
    telemetry.flush().await.unwrap();
    telemetry.append_assessments(&all, (50..100).map(verdict).collect()).await.unwrap();
    let (from, to) = (at(START), at(START + 100_000_000));
    let thin = telemetry.assessments(&all, &of, from, to, 10).await.unwrap();
    let scores: Vec<_> = thin.iter().map(|a| (a.score * 100.0).round()).collect();
    assert_eq!(scores, [9.0, 19.0, 29.0, 39.0, 49.0, 59.0, 69.0, 79.0, 89.0, 99.0]);
    assert!(
        thin.iter().all(|a| a.body.is_empty() && a.resource_score == Some(0.25) && a.error_score.is_none())
    );
    let whole = telemetry.assessment_at(&all, &of, at(START + 42_500_000)).await.unwrap();
    assert_eq!(whole, Some(verdict(42)));
    let mut replay = telemetry.assessments_all(&all, at(START + 10_000_000), to).unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = replay.next().await.unwrap() {
        rows.extend(batch);
    }
    assert_eq!(rows, (10..100).map(verdict).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_replay_gives_back_what_was_appended_in_order_of_time() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let sent = [testing::batch(1), testing::batch(2)];
    telemetry.append(&all, sent[0].clone()).await.unwrap();
    telemetry.flush().await.unwrap();
    telemetry.append(&all, sent[1].clone()).await.unwrap();
    /// Every row of a batch by itself, with its series and resource, as text.
    fn rows(batch: &SignalBatch) -> Vec<(Timestamp, String)> {
        let series = |at: u32| {
            let s = &batch.series[at as usize];
            format!(
                "{:?} {:?}",
                (s.id, &s.name, &s.unit, s.kind, &s.attributes),
                batch.resources[s.resource as usize]
            )
        };
        let point = |p: &MetricPoint| (p.time, format!("{:?} {}", p.value, series(p.series)));
        let mut all: Vec<_> = batch.points.iter().map(point).collect();
        all.extend(batch.histograms.iter().map(|h| {
            (
                h.time,
                format!("{:?} {}", (h.cumulative, h.count, h.sum, &h.bounds, &h.counts), series(h.series)),
            )
        }));
        all.extend(batch.logs.iter().map(|l| {
            let r = &batch.resources[l.resource as usize];
            (l.time, format!("{:?}", (r, &l.body, &l.event_name, l.severity, &l.attributes)))
        }));
        all.extend(batch.spans.iter().map(|s| {
            let r = &batch.resources[s.resource as usize];
            (s.end, format!("{:?}", (r, &s.name, s.start, s.kind, s.status, &s.span_id, &s.attributes)))
        }));
        all
    }
    for since in [0, START + 3_600_000_000] {
        let mut replay = telemetry.replay(&all, at(since)).unwrap();
        let (mut found, mut last) = (Vec::new(), at(0));
        while let Some(batch) = replay.next().await.unwrap() {
            assert!(batch.check());
            let first = rows(&batch).iter().map(|r| r.0).min().unwrap();
            assert!(first >= last, "batches are in order");
            last = rows(&batch).iter().map(|r| r.0).max().unwrap();
            assert!(batch.points.windows(2).all(|pair| pair[0].time <= pair[1].time));
            assert!(batch.spans.windows(2).all(|pair| pair[0].end <= pair[1].end));
            found.extend(rows(&batch));
        }
        let mut expected: Vec<_> = sent.iter().flat_map(rows).filter(|r| r.0 >= at(since)).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_replay_hands_a_span_out_when_it_ended() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let second = |s: i64| at(START + s * 1_000_000);
    // Points of three hours and a half, with a gap in which the longest span ends.
    telemetry.append(&all, points("a", 1, 0, &[1.0; 5_400])).await.unwrap();
    telemetry.flush().await.unwrap();
    telemetry.append(&all, points("a", 1, 10_000, &[1.0; 2_600])).await.unwrap();
    let mut told = SignalBatch { resources: vec![resource("b"), resource("a")], ..SignalBatch::default() };
    for (start, end) in
        [(10, 7_500), (11, 12), (3_000, 3_900), (3_001, 3_002), (12_500, 20_000), (12_550, 12_551)]
    {
        let template = testing::batch(1).spans.remove(0);
        told.spans.push(Span { resource: 1, start: second(start), end: second(end), ..template });
    }
    telemetry.append(&all, told).await.unwrap();
    let ends = async |to: i64| {
        let wanted =
            Wanted { spans_of: vec![resource("a").id], series: vec![SeriesId(1)], ..Wanted::default() };
        let mut replay = telemetry.replay_of(&all, (second(0), second(to)), wanted).unwrap();
        let (mut found, mut newest) = (Vec::new(), second(-1));
        while let Some(batch) = replay.next().await.unwrap() {
            assert!(batch.check());
            let times = batch.points.iter().map(|p| p.time).chain(batch.spans.iter().map(|s| s.end));
            let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
            assert!(first >= newest && last.since(first) <= std::time::Duration::from_secs(300));
            newest = last;
            assert!(batch.spans.iter().all(|s| batch.resources[s.resource as usize].id == resource("a").id));
            found.extend(batch.spans.iter().map(|s| (s.end.as_micros() - START) / 1_000_000));
        }
        found
    };
    assert_eq!(ends(30_000).await, [12, 3_002, 3_900, 7_500, 12_551, 20_000]);
    assert_eq!(ends(12_600).await, [12, 3_002, 3_900, 7_500, 12_551], "what had not ended was not there");
}
