#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::time::Duration;

use echobase_analysis::causes::{Gathered, Measured, Origin};
use echobase_types::change::{ChangeEvent, ChangeKind, ChangeSource};
use echobase_types::{ChangeId, SeriesId, Timestamp};

use super::*;
use crate::causes::window::Window;

fn id(name: &str) -> ResourceId {
    ResourceId::new(&format!("service:{name}")).unwrap()
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_secs(n)
}

/// An hour of normal, then two minutes of which the last is `bad`.
fn latency(node: &str, usual: f64, bad: f64) -> Gathered {
    let value = |n: i64| usual * (1.0 + 0.02 * ((n / 10) % 5) as f64);
    let rows = |from: i64, to: i64| (from..to).step_by(10).map(move |n| (second(n), value(n)));
    let measured = Measured {
        node: id(node).to_string(),
        metric: "latency".to_owned(),
        normal: rows(0, 3_600).collect(),
        incident: rows(3_600, 3_720).map(|(t, v)| (t, if t >= second(3_660) { bad } else { v })).collect(),
        floor: 0.0,
    };
    Gathered { measured, origin: Origin::Requests, series: vec![SeriesId(7)] }
}

fn told(changes: Vec<ChangeEvent>) -> words::Told {
    let nodes = ["shop", "orders", "db"].map(id).to_vec();
    let window = Window::around(second(3_660), second(3_720));
    words::Told { resource: id("shop"), nodes, window, changes }
}

fn material(gathered: Vec<Gathered>) -> Material {
    Material { gathered, rows: 9, left_out: Vec::new() }
}

fn calls() -> graph::Arrows {
    vec![(id("shop"), id("orders")), (id("orders"), id("db"))]
}

#[test]
fn the_cause_is_told_by_name_with_its_way_its_change_and_its_rows() {
    let change = ChangeEvent {
        id: ChangeId::from_uuid(uuid::Uuid::nil()),
        resource_id: id("db"),
        kind: ChangeKind::Configuration,
        what: "pool size".to_owned(),
        before: Some("20".to_owned()),
        after: Some("2".to_owned()),
        by: String::new(),
        at: second(3_500),
        link: None,
        source: ChangeSource::Reported,
        noted_at: second(3_500),
    };
    let gathered = vec![latency("shop", 0.2, 0.9), latency("orders", 0.1, 0.8), latency("db", 0.02, 0.7)];
    let found = judge(told(vec![change]), material(gathered), calls(), None);
    assert_eq!((found.verdict.as_str(), found.symptom.as_deref()), ("determined", Some("latency")));
    let first = &found.causes[0];
    assert_eq!(first.resource_id, "service:db");
    assert_eq!(first.path, ["service:shop", "service:orders", "service:db"]);
    assert_eq!(first.change.as_ref().unwrap().words, "configuration pool size 20 → 2");
    assert!(first.words.starts_with("db: latency went from 0.02"), "{}", first.words);
    assert!(first.words.contains("shop → orders → db"), "{}", first.words);
    assert_eq!(found.words[0], first.words);
    let evidence = &first.evidence;
    assert_eq!((evidence.normal_rows, evidence.times_ms.len(), evidence.values.len()), (360, 132, 132));
    assert_eq!((evidence.origin.as_str(), evidence.values[131]), ("requests", 0.7));
    assert_eq!(first.onset.unwrap().0, second(3_660));
}

#[test]
fn nothing_unusual_is_said_honestly_and_so_is_nothing_at_all() {
    let quiet = vec![latency("shop", 0.2, 0.2), latency("orders", 0.1, 0.1)];
    let found = judge(told(Vec::new()), material(quiet), calls(), None);
    assert_eq!((found.verdict.as_str(), found.symptom), ("not_determined", None));
    let empty = judge(told(Vec::new()), material(Vec::new()), calls(), None);
    assert_eq!((empty.verdict.as_str(), empty.causes.len(), empty.words.len()), ("no_data", 0, 0));
}

#[test]
fn the_metric_in_which_it_was_noticed_can_be_told() {
    let gathered = vec![latency("shop", 0.2, 0.9), latency("db", 0.02, 0.7)];
    let found = judge(told(Vec::new()), material(gathered), calls(), Some("latency".to_owned()));
    assert_eq!(found.symptom.as_deref(), Some("latency"));
    assert!(found.looked_at.metrics == 2 && found.step_s >= Duration::from_secs(1).as_secs_f64());
}
