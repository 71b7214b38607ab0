//! Signals that are not as they should be.

use std::time::Duration;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint};
use echobase_types::{ResourceId, SignalBatch, Timestamp};

use crate::noise::Noise;
use crate::plant::{Builder, Dialect, Fault, Plant, START};

fn at(t: i64) -> Timestamp {
    Timestamp::from_secs(START + t)
}

#[test]
fn the_same_signals_give_the_same_assessments_and_the_same_ids() {
    let run = || {
        let mut engine = Engine::new(AnalysisConfig::default());
        let mut plant = Plant::new(4, Dialect::Prometheus, 1);
        let mut all = Vec::new();
        for t in 0..120 {
            engine.observe(&plant.tick(t, Fault::ErrorBurst, 60));
            all.extend(engine.assess(at(t)));
        }
        (all, engine.take_transitions())
    };
    let (first, second) = (run(), run());
    assert!(!first.1.is_empty(), "an error burst opens an anomaly");
    assert_eq!(first, second);
}

#[test]
fn an_anomaly_is_handed_out_when_it_opens_and_when_it_closes_under_one_id() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut noise = Noise::new(3);
    let mut seen = Vec::new();
    for t in 0..400 {
        let mut b = Builder::new("service:orders", at(t * 10));
        let value = 100.0 + noise.normal() + if (300..330).contains(&t) { 60.0 } else { 0.0 };
        b.gauge("cache.entries", value);
        engine.observe(&b.batch);
        engine.assess(at(t * 10));
        seen.extend(engine.take_transitions().into_iter().map(|(_, a)| (t, a)));
    }
    assert!(seen.len() >= 2 && seen.len() % 2 == 0, "{seen:?}");
    let (opened, closed) = (&seen[0], &seen[1]);
    assert_eq!((opened.0, opened.1.ended_at), (300, None));
    assert_eq!(opened.1.id, closed.1.id);
    assert!(closed.1.ended_at.is_some());
    assert!(
        closed.1.words.contains("cache.entries") && closed.1.words.contains("above normal"),
        "{}",
        closed.1.words
    );
}

#[test]
fn late_duplicate_and_broken_points_are_counted_and_change_nothing() {
    let mut engine = Engine::new(AnalysisConfig::default());
    for t in 0..60 {
        let mut b = Builder::new("service:orders", at(t));
        b.gauge("cpu", 0.3);
        engine.observe(&b.batch);
    }
    let before = engine.assess(at(60));
    let taken = engine.counts().taken;
    for (t, value) in [(59, 1.0), (10, 1.0), (70, f64::NAN), (70, f64::NEG_INFINITY)] {
        let mut b = Builder::new("service:orders", at(t));
        b.gauge("cpu", value);
        engine.observe(&b.batch);
    }
    let counts = engine.counts();
    assert_eq!((counts.taken, counts.late, counts.not_finite), (taken, 2, 2));
    assert_eq!(engine.assess(at(60))[0].vitals, before[0].vitals);
}

#[test]
fn a_batch_of_many_rows_in_column_order_is_taken_in_the_order_of_time() {
    // Used and limit of 300 moments, one column after the other, in one batch.
    let mut b = Builder::new("service:orders", at(0));
    b.point("process.memory.usage", "By", MetricKind::Gauge, &[], 100.0);
    b.point("process.memory.limit", "By", MetricKind::Gauge, &[], 1_000.0);
    let mut batch = b.batch;
    batch.points.clear();
    for series in [1, 0] {
        for t in 0..300 {
            let value = if series == 1 { 1_000.0 } else { 100.0 + t as f64 };
            batch.points.push(MetricPoint { series, time: at(t), value });
        }
    }
    let mut engine = Engine::new(AnalysisConfig::default());
    engine.observe(&batch);
    assert_eq!(engine.counts().late, 0);
    let a = engine.assess(at(299)).pop().unwrap();
    let exhaustion = &a.exhaustion[0];
    assert!((exhaustion.growth_per_hour - 3.6).abs() < 0.1, "{exhaustion:?}");
}

#[test]
fn indices_out_of_range_are_left_out() {
    let mut b = Builder::new("service:orders", at(0));
    b.gauge("cpu", 0.3);
    let mut batch = b.batch;
    batch.points.push(MetricPoint { series: 99, time: at(0), value: 1.0 });
    batch.series[0].resource = 7;
    let mut engine = Engine::new(AnalysisConfig::default());
    engine.observe(&batch);
    assert_eq!(engine.counts().taken, 0);
}

#[test]
fn series_beyond_the_limit_are_counted_not_watched_and_vital_signs_keep_their_place() {
    let config = AnalysisConfig { max_series_per_resource: 10, ..AnalysisConfig::default() };
    let mut engine = Engine::new(config);
    let mut b = Builder::new("service:orders", at(0));
    for i in 0..50 {
        b.gauge(&format!("custom.{i}"), 1.0);
    }
    b.gauge("cpu", 0.4);
    engine.observe(&b.batch);
    assert_eq!((engine.series(), engine.counts().overflow), (11, 40));
    assert_eq!(engine.assess(at(0))[0].vitals.len(), 1);
}

#[test]
fn what_is_silent_for_long_is_forgotten() {
    let config = AnalysisConfig { forget_after: Duration::from_secs(600), ..AnalysisConfig::default() };
    let mut engine = Engine::new(config);
    for t in 0..30 {
        for (name, until) in [("service:a", 30), ("service:b", 10)] {
            if t < until {
                let mut b = Builder::new(name, at(t));
                b.gauge("cpu", 0.4);
                b.gauge("custom", 1.0);
                engine.observe(&b.batch);
            }
        }
    }
    assert_eq!((engine.assess(at(30)).len(), engine.series()), (2, 4));
    assert_eq!(engine.assess(at(615)).len(), 1);
    assert_eq!(engine.assess(at(700)).len(), 0);
    assert_eq!((engine.resources().len(), engine.series()), (0, 0));
}

#[test]
fn a_resource_without_vital_signs_is_assessed_without_a_component() {
    let mut engine = Engine::new(AnalysisConfig::default());
    for t in 0..30 {
        let mut b = Builder::new("process:sales", at(t));
        b.gauge("revenue", 100.0);
        engine.observe(&b.batch);
    }
    let a = engine.assess(at(30)).pop().unwrap();
    assert_eq!(a.stability.score, 1.0);
    assert!(a.stability.components.iter().all(|c| c.score.is_none() && c.weight == 0.0));
    assert!(!a.risk.predictable);
}

#[test]
fn forgetting_a_resource_drops_all_of_it() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut b = Builder::new("service:a", at(0));
    b.gauge("cpu", 0.4);
    engine.observe(&b.batch);
    engine.forget(&ResourceId::new("service:a").unwrap());
    assert_eq!(engine.resources().len(), 0);
    engine.observe(&SignalBatch::default());
    assert!(engine.assess(at(1)).is_empty());
}

#[test]
fn a_host_is_not_judged_by_its_largest_process() {
    let mut engine = Engine::new(AnalysisConfig::default());
    for t in 0..40 {
        let mut b = Builder::new("host:db-3", at(t * 5));
        b.point("system.cpu.utilization", "1", MetricKind::Gauge, &[("cpu.mode", "idle")], 0.7);
        b.point("system.memory.utilization", "1", MetricKind::Gauge, &[("system.memory.state", "used")], 0.5);
        b.point("process.cpu.utilization", "1", MetricKind::Gauge, &[("process.pid", "17")], 1.0);
        engine.observe(&b.batch);
    }
    let a = engine.assess(at(200)).pop().unwrap();
    assert!(a.stability.score > 0.99);
    assert!((a.vitals[0].value - 0.3).abs() < 1e-9, "{:?}", a.vitals[0]);
}

#[test]
fn of_more_anomalies_than_are_kept_the_newest_are_told_and_the_rest_is_counted() {
    let config = AnalysisConfig { max_series_per_resource: 1_000, ..AnalysisConfig::default() };
    let mut engine = Engine::new(config);
    let mut noise = Noise::new(9);
    // A spike of seven hundred gauges that begins and ends before anybody asks.
    for t in 0..400 {
        let mut b = Builder::new("service:orders", at(t * 10));
        let spike = if (300..330).contains(&t) { 90.0 } else { 0.0 };
        for n in 0..700 {
            b.gauge(&format!("gauge.{n}"), 100.0 + noise.normal() + spike);
        }
        engine.observe(&b.batch);
    }
    engine.assess(at(4_000));
    let told = engine.take_transitions();
    assert_eq!(told.len(), 1_000);
    assert!(engine.counts().untold > 100, "{:?}", engine.counts());
    let ended = told.iter().filter(|(_, a)| a.ended_at.is_some()).count();
    assert!(ended > 600, "the ends are newer than the begins: {ended}");
}
