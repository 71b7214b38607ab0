//! Rates, latency, errors and dependencies from spans alone.

use std::time::Duration;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::assessment::Vital;
use echobase_types::signal::{Span, SpanKind, SpanStatus};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SignalBatch, Timestamp};

use crate::noise::Noise;
use crate::plant::START;

fn resource(name: &str) -> Resource {
    Resource {
        id: ResourceId::new(&format!("service:{name}")).unwrap(),
        kind: ResourceKind::Service,
        name: name.to_owned(),
        attributes: Attributes::new(),
    }
}

/// Ten calls of shop to orders in second `t`, both sides.
fn calls(t: i64, noise: &mut Noise, slow: f64, failing: f64) -> SignalBatch {
    let mut batch =
        SignalBatch { resources: vec![resource("shop"), resource("orders")], ..Default::default() };
    for i in 0..10_u64 {
        let start = Timestamp::from_millis((START + t) * 1_000 + i as i64 * 90);
        let micros = (20_000.0 * slow * (0.2 * noise.normal()).exp()) as i64;
        let end = Timestamp::from_micros(start.as_micros() + micros);
        let id = (t as u64) * 100 + i + 1;
        let status = if noise.uniform() < failing { SpanStatus::Error } else { SpanStatus::Ok };
        for (resource, kind, span, parent) in [
            (0, SpanKind::Client, id * 2, String::new()),
            (1, SpanKind::Server, id * 2 + 1, format!("{:016x}", id * 2)),
        ] {
            batch.spans.push(Span {
                resource,
                trace_id: format!("{id:032x}"),
                span_id: format!("{span:016x}"),
                parent_span_id: parent,
                name: "POST /orders".into(),
                kind,
                start,
                end,
                status,
                status_message: String::new(),
                attributes: [("server.address", "orders")].into_iter().collect(),
            });
        }
    }
    batch
}

#[test]
fn spans_give_rate_latency_errors_and_the_dependency() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut noise = Noise::new(1);
    for t in 0..120 {
        engine.observe(&calls(t, &mut noise, 1.0, 0.0));
    }
    let all = engine.assess(Timestamp::from_secs(START + 120));
    let value = |id: &str, vital| {
        let a = all.iter().find(|a| a.resource_id.as_str() == id).unwrap();
        a.vitals.iter().find(|v| v.vital == vital).map(|v| v.value)
    };
    let rate = value("service:orders", Vital::RequestRate).unwrap();
    assert!((9.0..11.0).contains(&rate), "{rate}");
    let p50 = value("service:orders", Vital::LatencyP50).unwrap();
    assert!((0.018..0.023).contains(&p50), "{p50}");
    let p99 = value("service:orders", Vital::LatencyP99).unwrap();
    assert!((0.025..0.045).contains(&p99), "{p99}");
    assert_eq!(value("service:orders", Vital::ErrorRatio), Some(0.0));
    let call = value("service:shop", Vital::DependencyLatency).unwrap();
    assert!((0.018..0.023).contains(&call), "{call}");
    let learned = engine.take_dependencies();
    assert_eq!(learned.len(), 1);
    assert_eq!(learned[0].dependency.from.as_str(), "service:shop");
    assert_eq!(learned[0].dependency.to.as_str(), "service:orders");
    assert!(engine.take_dependencies().is_empty(), "handed out once");
    assert!(all.iter().all(|a| a.stability.score > 0.9), "{all:?}");
}

#[test]
fn failing_and_slow_spans_lower_the_score_of_both_sides() {
    for (slow, failing) in [(8.0, 0.0), (1.0, 0.6)] {
        let mut engine = Engine::new(AnalysisConfig::default());
        let mut noise = Noise::new(2);
        for t in 0..150 {
            let (slow, failing) = if t < 110 { (1.0, 0.0) } else { (slow, failing) };
            engine.observe(&calls(t, &mut noise, slow, failing));
            engine.assess(Timestamp::from_secs(START + t));
        }
        for a in engine.assess(Timestamp::from_secs(START + 150)) {
            assert!(a.stability.score < 0.7, "{} {slow} {failing}: {:?}", a.resource_id, a.stability);
        }
    }
}

#[test]
fn a_peer_that_is_a_known_resource_is_a_dependency_even_without_its_server_spans() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut batch = calls(0, &mut Noise::new(3), 1.0, 0.0);
    batch.spans.retain(|s| s.kind == SpanKind::Client);
    engine.observe(&batch);
    assert_eq!(engine.take_dependencies().len(), 1);
}

/// The request rate of orders, as judged now.
fn rate_of_orders(engine: &mut Engine, now: Timestamp) -> Option<f64> {
    let all = engine.assess(now);
    let orders = all.iter().find(|a| a.resource_id.as_str() == "service:orders")?;
    orders.vitals.iter().find(|v| v.vital == Vital::RequestRate).map(|v| v.value)
}

#[test]
fn a_sender_whose_clock_is_ahead_does_not_blind_a_resource_to_the_others() {
    for ahead in [30, 600] {
        let mut engine = Engine::new(AnalysisConfig::default());
        let mut noise = Noise::new(4);
        let mut rates = Vec::new();
        for t in 0..900 {
            let now = Timestamp::from_secs(START + t);
            if t % 10 == 0 {
                rates.extend(rate_of_orders(&mut engine, now).filter(|_| t > 60));
            }
            let mut batch = calls(t, &mut noise, 1.0, 0.0);
            // Every second call is of the instance that is ahead.
            for span in batch.spans.iter_mut().filter(|s| s.start.as_micros() / 90_000 % 2 == 0) {
                span.start = span.start + Duration::from_secs(ahead);
                span.end = span.end + Duration::from_secs(ahead);
            }
            engine.observe(&batch);
        }
        assert_eq!(engine.counts().late, 0, "{ahead} s ahead");
        // Half of the calls at first; what the instance ahead sends counts when its time has come.
        assert!(rates.len() > 80 && rates.iter().all(|r| (3.5..11.0).contains(r)), "{ahead} s: {rates:?}");
        assert!(rates.iter().rev().take(15).all(|r| (9.0..11.0).contains(r)), "{ahead} s: {rates:?}");
    }
}

#[test]
fn one_span_far_ahead_takes_nothing_from_the_rest() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut noise = Noise::new(5);
    let mut rates = Vec::new();
    for t in 0..300 {
        let mut batch = calls(t, &mut noise, 1.0, 0.0);
        if t == 100 {
            let mut one = batch.spans[1].clone();
            one.end = one.end + Duration::from_secs(590);
            batch.spans.insert(0, one);
        }
        engine.observe(&batch);
        if t % 10 == 9 {
            rates.extend(rate_of_orders(&mut engine, Timestamp::from_secs(START + t + 1)));
        }
    }
    assert_eq!(engine.counts().late, 0);
    assert!(rates.len() >= 29 && rates.iter().skip(2).all(|r| (9.0..11.0).contains(r)), "{rates:?}");
}

#[test]
fn peers_that_are_called_no_more_leave_their_places_to_others() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut noise = Noise::new(6);
    // Every two hours forty calls go to thirty other peers, none of which is ever called again.
    for round in 0..20_i64 {
        for t in 0..40 {
            let mut batch = calls(round * 7_200 + t, &mut noise, 1.0, 0.0);
            batch.spans.retain(|s| s.kind == SpanKind::Client);
            let peer = format!("pod-{round}-{}", t % 30);
            batch
                .spans
                .iter_mut()
                .for_each(|s| s.attributes = [("server.address", peer.as_str())].into_iter().collect());
            engine.observe(&batch);
        }
        let now = Timestamp::from_secs(START + round * 7_200 + 60);
        let all = engine.assess(now);
        let shop = all.iter().find(|a| a.resource_id.as_str() == "service:shop").unwrap();
        let called = shop.vitals.iter().filter(|v| v.vital == Vital::DependencyLatency).count();
        assert!(called > 0, "round {round}: {:?}", shop.vitals);
        assert_eq!(engine.counts().overflow, 0, "round {round}");
        engine.assess(now + Duration::from_secs(3_700));
    }
}

#[test]
fn callers_that_come_and_go_do_not_fill_the_memory() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut noise = Noise::new(7);
    let mut bytes = Vec::new();
    for round in 0..30_i64 {
        for n in 0..20 {
            let mut batch = calls(round * 7_200 + n, &mut noise, 1.0, 0.0);
            batch.resources[0] = resource(&format!("job-{round}-{n}"));
            engine.observe(&batch);
        }
        let now = Timestamp::from_secs(START + round * 7_200 + 60);
        engine.assess(now);
        assert_eq!(engine.take_dependencies().len(), 20, "round {round}");
        engine.assess(now + Duration::from_secs(3_700));
        bytes.push(engine.memory_bytes());
    }
    assert!(bytes.iter().all(|all| *all <= bytes[0]), "{bytes:?}");
}
