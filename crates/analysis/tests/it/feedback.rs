//! What people teach, suppose and re-reference, whatever the way it reaches the engine.

use std::time::Duration;

use echobase_analysis::engine::{Supposed, Unsupposable};
use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::assessment::{Anomaly, Assessment, DriftKind, Vital};
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{
    Attributes, Dependency, IncidentId, PrincipalId, Resource, ResourceId, ResourceKind, SeriesId,
    SignalBatch, Timestamp,
};

use crate::noise::Noise;

const STEP: i64 = 10;

fn time(i: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + i * STEP)
}

fn orders() -> ResourceId {
    ResourceId::new("service:orders").unwrap()
}

/// One moment of two metrics: a vital sign and a plain series.
fn moment(i: i64, memory: f64, queue: f64) -> SignalBatch {
    let series = |id, name: &str| Series {
        id: SeriesId(id),
        resource: 0,
        name: name.into(),
        unit: String::new(),
        kind: MetricKind::Gauge,
        attributes: Attributes::new(),
    };
    let point = |series, value| MetricPoint { series, time: time(i), value };
    SignalBatch {
        resources: vec![Resource {
            id: orders(),
            kind: ResourceKind::Service,
            name: "orders".into(),
            attributes: Attributes::new(),
        }],
        series: vec![series(1, "system.memory.utilization"), series(2, "widgets")],
        points: vec![point(0, memory), point(1, queue)],
        ..SignalBatch::default()
    }
}

/// Feeds rows in `range` with the plain series at `queue`.
fn feed(engine: &mut Engine, range: std::ops::Range<i64>, queue: impl Fn(i64) -> f64) -> Vec<Anomaly> {
    let mut noise = Noise::new(range.start as u64 + 5);
    let mut told = Vec::new();
    for i in range {
        engine.observe(&moment(i, 0.5 + 0.01 * noise.uniform(), queue(i) + noise.normal()));
        engine.assess(time(i));
        told.extend(engine.take_transitions().into_iter().map(|(_, a)| a));
    }
    told.retain(|a| a.metric == "widgets" && a.ended_at.is_some());
    told
}

fn label(of: &Anomaly, label: IncidentLabel, at: i64) -> Incident {
    Incident {
        id: IncidentId::from_uuid(*of.id.as_uuid()),
        resource_id: orders(),
        label,
        metric: Some(of.metric.clone()),
        anomaly_id: Some(of.id),
        change: None,
        started_at: of.started_at,
        ended_at: of.ended_at,
        note: String::new(),
        labelled_by: PrincipalId::from_uuid(*of.id.as_uuid()),
        labelled_at: time(at),
    }
}

fn spike(at: i64, height: f64) -> impl Fn(i64) -> f64 {
    move |i| 10.0 + if (at..at + 4).contains(&i) { height } else { 0.0 }
}

fn bar(engine: &Engine, at: i64) -> (f64, f64) {
    let tally = engine.tally(&orders(), time(at)).unwrap();
    let widgets = tally.series.iter().find(|s| s.metric == "widgets").unwrap();
    (widgets.factor, widgets.bar)
}

#[test]
fn the_bar_is_the_same_whether_the_label_came_live_or_is_known_before_a_replay() {
    let mut live = Engine::new(AnalysisConfig::default());
    let found = feed(&mut live, 0..600, spike(500, 40.0));
    assert_eq!(found.len(), 1, "{found:?}");
    let noise = label(&found[0], IncidentLabel::Noise, 600);
    live.teach(&orders(), std::slice::from_ref(&noise));
    feed(&mut live, 600..700, |_| 10.0);

    let mut replayed = Engine::new(AnalysisConfig::default());
    replayed.teach(&orders(), std::slice::from_ref(&noise));
    replayed.remember(&orders(), &found[0]);
    let again = feed(&mut replayed, 0..600, spike(500, 40.0));
    assert_eq!(again[0].id, found[0].id, "the label did not count before it was given");
    feed(&mut replayed, 600..700, |_| 10.0);
    assert_eq!(bar(&live, 700), bar(&replayed, 700));
    assert!((bar(&live, 700).0 - 1.1).abs() < 1e-3);
    live.teach(&orders(), &[]);
    feed(&mut live, 700..702, |_| 10.0);
    assert_eq!(bar(&live, 702).0, 1.0, "a label that is taken back is as if it had never been");
}

#[test]
fn what_was_called_noise_day_by_day_is_told_no_more() {
    let mut first = Engine::new(AnalysisConfig::default());
    let told = feed(&mut first, 0..600, spike(500, 12.0)).remove(0);
    let opened = |labels: u64| {
        let mut engine = Engine::new(AnalysisConfig::default());
        // One label a day, for anomalies of days before.
        let given: Vec<Incident> = (1..=labels)
            .map(|days| {
                let at = time(0) - Duration::from_secs(86_400 * days);
                let noise = label(&told, IncidentLabel::Noise, 0);
                Incident { anomaly_id: None, started_at: at, labelled_at: at, ..noise }
            })
            .collect();
        engine.teach(&orders(), &given);
        feed(&mut engine, 0..600, spike(500, 12.0)).len()
    };
    assert_eq!((opened(0), opened(8)), (1, 0));
}

#[test]
fn a_supposition_is_judged_as_if_it_were_so_and_leaves_no_trace() {
    let run = |suppose: bool| {
        let mut engine = Engine::new(AnalysisConfig::default());
        let store = ResourceId::new("service:store").unwrap();
        let source = echobase_types::resource::DependencySource::Configuration;
        engine.depend(&[Dependency { from: orders(), to: store, source }]);
        let mut noise = Noise::new(9);
        let mut all: Vec<Vec<Assessment>> = Vec::new();
        for i in 0..200 {
            engine.observe(&moment(
                i,
                0.9 + 0.0004 * i as f64 + 0.001 * noise.uniform(),
                10.0 + noise.normal(),
            ));
            if suppose {
                let low = [Supposed::Vital(Vital::MemoryUtilization, 0.3)];
                engine.suppose(&orders(), &low, time(i));
            }
            all.push(engine.assess(time(i)));
        }
        (engine, all)
    };
    let ((_, plain), (mut engine, supposed)) = (run(false), run(true));
    assert_eq!(plain, supposed);

    let mut at = |share: f64| {
        let asked = [Supposed::Vital(Vital::MemoryUtilization, share)];
        engine.suppose(&orders(), &asked, time(199)).unwrap().unwrap()
    };
    let low = at(0.3);
    assert_eq!(low.then.stability.score, 1.0);
    assert!(low.now.stability.score < 0.3 && low.then.risk.probability < low.now.risk.probability, "{low:?}");
    let scores: Vec<f64> = (0..=20).map(|k| at(f64::from(k) / 20.0).then.stability.score).collect();
    assert!(scores.windows(2).all(|p| p[1] <= p[0] + 1e-12), "more use is never better: {scores:?}");
    let worst = at(1.0).then;
    let terms: f64 = worst.stability.components.iter().flat_map(|c| &c.reasons).map(|r| r.contribution).sum();
    assert!((terms - (1.0 - worst.stability.score)).abs() < 1e-9, "every term is there");

    let mut refused = |what| engine.suppose(&orders(), &[what], time(199)).unwrap().unwrap_err();
    assert_eq!(refused(Supposed::Vital(Vital::LatencyP99, 1.0)), Unsupposable::NoVital(Vital::LatencyP99));
    assert!(matches!(
        refused(Supposed::Vital(Vital::MemoryUtilization, f64::NAN)),
        Unsupposable::OutOfRange { .. }
    ));
    let nobody = ResourceId::new("service:nobody").unwrap();
    assert_eq!(refused(Supposed::Dependency(nobody.clone(), 1.0)), Unsupposable::NoDependency(nobody));
}

#[test]
fn a_new_reference_ends_a_drift_live_and_in_a_replay_and_the_next_one_is_found() {
    let step = |i: i64| if i < 300 { 10.0 } else { 20.0 };
    let drift = |engine: &mut Engine, at: i64| engine.assess(time(at)).remove(0).drift;
    let mut live = Engine::new(AnalysisConfig::default());
    feed(&mut live, 0..340, step);
    let found = drift(&mut live, 340);
    assert_eq!((found.len(), found[0].kind), (1, DriftKind::Step), "{found:?}");
    assert!(found[0].reference.points > 250 && !found[0].reference.seasonal, "{found:?}");
    assert!((found[0].reference.false_per_month - 1.0).abs() < 1e-9);
    live.rereference(&orders(), Some("widgets"), time(340));
    assert_eq!(drift(&mut live, 341), []);

    let mut replayed = Engine::new(AnalysisConfig::default());
    replayed.rereference(&orders(), Some("widgets"), time(340));
    feed(&mut replayed, 0..340, step);
    assert_eq!(drift(&mut replayed, 341), []);
    feed(&mut live, 341..500, |_| 20.0);
    assert_eq!(drift(&mut live, 500), [], "the level of then is the reference");
    feed(&mut live, 500..560, |_| 32.0);
    assert_eq!(drift(&mut live, 560).len(), 1);
}

#[test]
fn a_metric_that_is_followed_shows_what_it_was_judged_by() {
    let mut engine = Engine::new(AnalysisConfig::default());
    engine.follow(&orders(), "widgets", time(400));
    let found = feed(&mut engine, 0..600, spike(500, 40.0));
    let rows = engine.take_trace(&orders());
    assert_eq!(rows.len(), 200);
    let onset = rows.iter().find(|r| r.at == found[0].started_at).unwrap();
    assert!(onset.value > onset.high && onset.surprise > onset.bar, "{onset:?}");
    let evidence = &found[0].evidence;
    assert!(evidence.onset > evidence.bar && onset.bar >= evidence.bar - 1e-6, "{evidence:?} {onset:?}");
    let inside = rows.iter().filter(|r| r.value >= r.low && r.value <= r.high).count();
    assert!(inside > 180, "{inside} of 200 are usual");
}
