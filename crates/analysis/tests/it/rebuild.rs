//! What a restart brings back: history in steps leaves an engine as it was.

use std::time::Duration;

use echobase_analysis::steps::Steps;
use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::noise::Noise;
use crate::plant::START;

/// Seconds of history, and between two judgements.
const HISTORY: i64 = 3_000;
const CYCLE: i64 = 10;

/// A machine without a known vital sign that wears out, and a service that degrades.
fn history() -> SignalBatch {
    let resource = |kind: ResourceKind, id: &str, name: &str| Resource {
        id: ResourceId::new(id).unwrap(),
        kind,
        name: name.to_owned(),
        attributes: Default::default(),
    };
    let series = |id: u64, resource, name: &str, unit: &str| Series {
        id: SeriesId(id),
        resource,
        name: name.to_owned(),
        unit: unit.to_owned(),
        kind: MetricKind::Gauge,
        attributes: Default::default(),
    };
    let mut batch = SignalBatch {
        resources: vec![
            resource(ResourceKind::Host, "host:press", "press"),
            resource(ResourceKind::Service, "service:shop", "shop"),
        ],
        series: (0..6).map(|n| series(n + 1, 0, &format!("gauge.{n}"), "1")).collect(),
        ..SignalBatch::default()
    };
    batch.series.push(series(9, 1, "system.memory.utilization", "1"));
    let mut noise = Noise::new(7);
    for t in (0..HISTORY).step_by(CYCLE as usize) {
        let time = Timestamp::from_secs(START + t);
        let worn = (t as f64 / HISTORY as f64).powi(3);
        for n in 0..6 {
            let value = 10.0 + f64::from(n) * worn + 0.3 * noise.normal();
            batch.points.push(MetricPoint { series: n as u32, time, value });
        }
        let used = 0.5 + 0.45 * worn + 0.005 * noise.normal();
        batch.points.push(MetricPoint { series: 6, time, value: used });
    }
    batch
}

/// The rows of a time.
fn part(all: &SignalBatch, from: i64, to: i64) -> SignalBatch {
    let within = Timestamp::from_secs(START + from)..Timestamp::from_secs(START + to);
    let points = all.points.iter().filter(|p| within.contains(&p.time)).cloned().collect();
    SignalBatch {
        points,
        resources: all.resources.clone(),
        series: all.series.clone(),
        ..SignalBatch::default()
    }
}

#[test]
fn an_engine_rebuilt_from_history_says_what_it_said_before_the_restart() {
    let all = history();
    let now = Timestamp::from_secs(START + HISTORY);
    let mut live = Engine::new(AnalysisConfig::default());
    for t in (0..HISTORY).step_by(CYCLE as usize) {
        if t > 0 {
            live.assess(Timestamp::from_secs(START + t));
        }
        live.observe(&part(&all, t, t + CYCLE));
    }
    let mut rebuilt = Engine::new(AnalysisConfig::default());
    let mut steps = Steps::new(Duration::from_secs(CYCLE as u64));
    for t in (0..HISTORY).step_by(300) {
        let mut cut = steps.cut(part(&all, t, t + 300));
        while let Some((over, rows)) = cut.advance() {
            if let Some(at) = over {
                rebuilt.assess(at);
            }
            rebuilt.observe(rows);
        }
    }
    let mut judged_once = Engine::new(AnalysisConfig::default());
    judged_once.observe(&all);
    let (before, after) = (live.assess(now), rebuilt.assess(now));
    assert_eq!(before.len(), 2);
    assert!(before.iter().all(|a| a.risk.predictable), "{before:?}");
    assert_eq!(before, after);
    assert_ne!(before, judged_once.assess(now), "what is followed from cycle to cycle would be missing");
    assert!(rebuilt.worn(&all.resources[0].id).is_some());
    assert_eq!(live.worn(&all.resources[0].id), rebuilt.worn(&all.resources[0].id));
}
