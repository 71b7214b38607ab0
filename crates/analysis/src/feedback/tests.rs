#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::assessment::{AnomalyShape, Evidence, Severity, Witness};
use echobase_types::{IncidentId, PrincipalId, SeriesId};

use super::*;

const M: &str = "queue.depth{shard=3}";

fn t(hours: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + hours * 3_600)
}

fn uuid(n: i64) -> uuid::Uuid {
    uuid::Builder::from_custom_bytes(i128::from(n).to_be_bytes()).into_uuid()
}

fn said(label: IncidentLabel, started: i64, labelled: i64) -> Incident {
    Incident {
        id: IncidentId::from_uuid(uuid(started)),
        resource_id: "service:shop".parse().unwrap(),
        label,
        metric: Some("queue.depth".to_owned()),
        anomaly_id: None,
        change: None,
        started_at: t(started),
        ended_at: Some(t(started) + Duration::from_secs(60)),
        note: String::new(),
        labelled_by: PrincipalId::from_uuid(uuid(0)),
        labelled_at: t(labelled),
    }
}

fn alert(started: i64, outcome: Option<Outcome>) -> Anomaly {
    Anomaly {
        id: AnomalyId::from_uuid(uuid(started)),
        series: SeriesId(1),
        metric: M.to_owned(),
        started_at: t(started),
        ended_at: Some(t(started) + Duration::from_secs(60)),
        severity: Severity::Info,
        shape: AnomalyShape::Spike,
        surprise: 6.0,
        value: 1.0,
        expected: 0.0,
        evidence: Evidence {
            witness: Witness::Prediction,
            onset: 6.0,
            bar: 5.0,
            low: 0.0,
            high: 0.1,
            drivers: Vec::new(),
        },
        outcome,
        words: String::new(),
    }
}

fn taught(labels: &[Incident]) -> Lessons {
    let mut lessons = Lessons::default();
    lessons.teach(labels);
    lessons
}

const NOISE: IncidentLabel = IncidentLabel::Noise;
const REAL: IncidentLabel = IncidentLabel::Real;
const EXPECTED: IncidentLabel = IncidentLabel::Expected;

#[test]
fn noise_raises_the_bar_real_lowers_it_and_both_cancel() {
    let f = |labels: &[Incident]| taught(labels).factor(M, 2.0, t(10));
    assert_eq!(f(&[]), 1.0);
    assert!((f(&[said(NOISE, 1, 10)]) - 1.1).abs() < 1e-9);
    assert!((f(&[said(REAL, 1, 10)]) - 1.0 / 1.1).abs() < 1e-9);
    assert!((f(&[said(NOISE, 1, 10), said(REAL, 2, 10)]) - 1.0).abs() < 1e-9);
    assert!((f(&[said(NOISE, 1, 9), said(REAL, 1, 10)]) - 1.0 / 1.1).abs() < 0.001, "the last word counts");
    assert_eq!(f(&[said(NOISE, 1, 11)]), 1.0, "what was said later was not known");
    assert_eq!(f(&[said(EXPECTED, 1, 10)]), 1.0);
    assert_eq!(taught(&[said(NOISE, 1, 10)]).factor("queue.depths", 2.0, t(10)), 1.0, "another metric");
}

#[test]
fn labels_without_end_reach_the_range_and_no_further() {
    let many = |label| (0..40).map(|i| said(label, 24 * i, 24 * i + 1)).collect::<Vec<_>>();
    let up = taught(&many(NOISE)).factor(M, 2.0, t(24 * 40));
    let down = taught(&many(REAL)).factor(M, 2.0, t(24 * 40));
    assert!((up - RANGE.1).abs() < 0.08 && (down - RANGE.0).abs() < 0.03, "{up} {down}");
    let later = taught(&many(NOISE)).factor(M, 2.0, t(24 * 95));
    assert!(later < 1.25, "it fades: {later}");
}

#[test]
fn alerts_that_nothing_confirms_raise_the_bar_and_confirmed_ones_do_not() {
    let after_a_week = |outcome: Option<Outcome>| {
        let mut lessons = Lessons::default();
        lessons.watched_since(t(0));
        (0..12).for_each(|i| lessons.alert(&alert(12 * i, outcome)));
        (lessons.factor(M, 2.0, t(7 * 24)), lessons.tally(M, Duration::from_secs(7 * 86_400), t(7 * 24)))
    };
    let (lone, tally) = after_a_week(Some(Outcome::default()));
    assert!(lone > 1.25, "{lone}");
    assert_eq!((tally.alerts, tally.unconfirmed, tally.false_alerts()), (11, 11, 11));
    for confirmed in
        [Some(Outcome { companions: 1, harmed: false }), Some(Outcome { companions: 0, harmed: true }), None]
    {
        let (factor, tally) = after_a_week(confirmed);
        assert_eq!((factor, tally.alerts, tally.false_alerts()), (1.0, 11, 0));
    }
}

#[test]
fn a_series_far_below_its_budget_is_watched_closer_but_only_where_that_is_evident() {
    let quiet = |budget: f64, days: i64| {
        let mut lessons = Lessons::default();
        lessons.watched_since(t(0));
        lessons.factor(M, budget, t(24 * days))
    };
    assert_eq!(quiet(2.0, 13), 1.0, "two weeks first");
    let (soon, late) = (quiet(2.0, 17), quiet(2.0, 60));
    assert!(soon < 0.97 && soon > 0.9 && (0.845..0.9).contains(&late), "{soon} {late}");
    assert_eq!(quiet(0.1, 60), 1.0, "no alert in two weeks says nothing of one in ten weeks");
}

#[test]
fn the_same_alert_told_twice_counts_once_and_its_end_stays() {
    let mut lessons = Lessons::default();
    let open = Anomaly { ended_at: None, ..alert(3, None) };
    lessons.alert(&open);
    lessons.alert(&alert(3, Some(Outcome::default())));
    lessons.alert(&open);
    let tally = lessons.tally(M, Duration::from_secs(86_400), t(5));
    assert_eq!((tally.alerts, tally.unconfirmed), (1, 1));
}

#[test]
fn what_is_expected_after_a_change_is_silent_after_the_next_change_of_that_kind_only() {
    let deploy = Incident { change: Some(ChangeKind::Deploy), ..said(EXPECTED, 0, 1) };
    let mut lessons = taught(&[deploy]);
    let near = |l: &Lessons, hours: i64, minutes: i64| {
        l.expected(M, t(hours) + Duration::from_secs(60 * minutes as u64)).is_some()
    };
    assert!(!near(&lessons, 50, 10));
    lessons.changed(t(50), ChangeKind::Deploy);
    lessons.changed(t(60), ChangeKind::Configuration);
    assert!(near(&lessons, 50, 10) && near(&lessons, 50, 30));
    assert!(!near(&lessons, 50, 31) && !near(&lessons, 49, 59), "half an hour after it");
    assert!(!near(&lessons, 60, 5), "another kind");
    assert!(!near(&lessons, 7 * 24, 0), "the change says when, not the week");
    assert!(lessons.expected("cpu", t(50)).is_none(), "another metric");
}

#[test]
fn what_is_expected_without_a_change_is_silent_at_the_same_time_of_the_week() {
    let lessons = taught(&[said(EXPECTED, 0, 1)]);
    let near = |minutes: i64| lessons.expected(M, t(0) + Duration::from_secs(60 * minutes as u64)).is_some();
    let week = 7 * 24 * 60;
    assert!(near(week) && near(week - 30) && near(week + 30) && near(8 * week));
    assert!(!near(week + 31) && !near(week / 2) && !near(9 * week));
    let resource = Incident { metric: None, ..said(EXPECTED, 0, 1) };
    assert!(taught(&[resource]).expected("any", t(7 * 24)).is_some(), "a label of the resource covers all");
}
