#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::Timestamp;
use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn noise(seed: i64, i: i64) -> f64 {
    let mixed = (seed.wrapping_mul(7_919) ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 40;
    (mixed & 0xffff) as f64 / 65_535.0 - 0.5
}

/// Minutes of normal, then ten of incident of which the rows 4 to 7 are `bad`.
fn measured(node: &str, metric: &str, usual: f64, bad: f64) -> Measured {
    let seed = node
        .bytes()
        .chain(metric.bytes())
        .map(i64::from)
        .fold(7_i64, |a, b| a.wrapping_mul(31).wrapping_add(b));
    let value = |i: i64| usual * (1.0 + 0.05 * noise(seed, i));
    let at = |i: i64| Timestamp::from_secs(i * 60);
    let incident = |i: i64| if (4..8).contains(&i) { bad } else { usual };
    Measured {
        node: node.into(),
        metric: metric.into(),
        normal: (0..200).map(|i| (at(i), value(i))).collect(),
        incident: (0..10).map(|i| (at(200 + i), value(200 + i) - usual + incident(i))).collect(),
        floor: 0.0,
    }
}

fn calls(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn at_shop() -> Option<Symptom> {
    Some(Symptom { node: "shop".into(), metric: Some("latency".into()) })
}

/// shop → orders → db, shop → search; latency of each as given.
fn shop(latencies: [(&str, f64, f64); 4]) -> Incident {
    let mut all: Vec<Measured> =
        latencies.iter().map(|(node, usual, bad)| measured(node, "latency", *usual, *bad)).collect();
    all.extend(latencies.iter().map(|(node, _, _)| measured(node, "requests", 100.0, 100.0)));
    Incident {
        measured: all,
        calls: calls(&[("shop", "orders"), ("orders", "db"), ("shop", "search")]),
        symptom: at_shop(),
        changes: Vec::new(),
    }
}

#[test]
fn the_deepest_node_that_moves_with_the_symptom_is_first() {
    for (want, latencies) in [
        ("db", [("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 1.1), ("search", 0.2, 0.2)]),
        ("orders", [("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 0.1), ("search", 0.2, 0.2)]),
        ("search", [("shop", 1.0, 2.0), ("orders", 0.5, 0.5), ("db", 0.1, 0.1), ("search", 0.2, 1.2)]),
        ("shop", [("shop", 1.0, 2.0), ("orders", 0.5, 0.5), ("db", 0.1, 0.1), ("search", 0.2, 0.2)]),
    ] {
        let ranking = causes(&shop(latencies));
        assert_eq!(ranking.causes[0].node, want, "{:#?}", ranking.words());
        assert_eq!(ranking.verdict, Verdict::Determined, "{want}");
        assert_eq!(ranking.causes[0].path.first().map(String::as_str), Some("shop"));
    }
}

#[test]
fn rows_that_are_not_taken_at_the_same_second_belong_together() {
    let mut incident =
        shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 1.1), ("search", 0.2, 0.2)]);
    for (at, measured) in incident.measured.iter_mut().enumerate() {
        for (time, _) in measured.normal.iter_mut().chain(&mut measured.incident) {
            *time = *time + Duration::from_secs(3 * at as u64);
        }
    }
    assert_eq!(causes(&incident).causes[0].node, "db");
}

#[test]
fn a_node_whose_calls_are_not_counted_can_still_be_first() {
    let mut incident =
        shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 1.1), ("search", 0.2, 0.2)]);
    incident.measured.retain(|measured| measured.node != "db" || measured.metric != "requests");
    let ranking = causes(&incident);
    assert_eq!((ranking.causes[0].node.as_str(), ranking.causes[0].share), ("db", None));
}

#[test]
fn what_was_so_before_and_what_got_better_is_no_cause() {
    let mut incident =
        shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.4), ("db", 0.1, 0.1), ("search", 2.0, 0.1)]);
    // All through the incident the database is ten times slower than in normal times.
    for (_, value) in &mut incident.measured[2].incident {
        *value *= 10.0;
    }
    let ranking = causes(&incident);
    assert_eq!(ranking.causes[0].node, "orders", "{:#?}", ranking.words());
    for node in ["db", "search"] {
        let cause = ranking.causes.iter().find(|cause| cause.node == node).unwrap();
        assert!(cause.score < 0.2 * ranking.causes[0].score, "{cause:#?}");
    }
}

#[test]
fn a_node_with_few_calls_explains_little() {
    let mut incident =
        shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.3), ("db", 0.1, 0.1), ("search", 0.2, 3.0)]);
    let calls = incident.measured.iter_mut().find(|m| m.node == "search" && m.metric == "requests").unwrap();
    for (_, value) in calls.normal.iter_mut().chain(&mut calls.incident) {
        *value = 1.0;
    }
    let ranking = causes(&incident);
    assert_eq!(ranking.causes[0].node, "orders", "{:#?}", ranking.words());
    let search = ranking.causes.iter().find(|cause| cause.node == "search").unwrap();
    assert!(search.share.unwrap() < 0.1, "{search:#?}");
}

#[test]
fn the_daily_peak_and_a_flat_metric_do_not_win() {
    let at = |i: i64| Timestamp::from_secs(i * 300);
    let daily = |i: i64| if (140..150).contains(&(i % 288)) { 50.0 } else { 10.0 } + noise(1, i);
    let flat = |i: i64| if i == 4 * 288 + 145 { 1e-6 } else { 0.0 };
    let shifted = |i: i64| 20.0 + 4.0 * noise(3, i) + if i >= 4 * 288 + 142 { 8.0 } else { 0.0 };
    let series = |name: &str, value: &dyn Fn(i64) -> f64| Measured {
        node: name.into(),
        metric: "v".into(),
        normal: (0..4 * 288 + 140).map(|i| (at(i), value(i))).collect(),
        incident: (4 * 288 + 140..4 * 288 + 150).map(|i| (at(i), value(i))).collect(),
        floor: 0.0,
    };
    let measured = vec![series("daily", &daily), series("flat", &flat), series("shifted", &shifted)];
    let ranking = causes(&Incident { measured, ..Incident::default() });
    assert_eq!(ranking.causes[0].node, "shifted", "{:#?}", ranking.words());
}

#[test]
fn a_recent_change_speaks_for_its_node() {
    let mut incident =
        shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 0.1), ("search", 0.2, 0.9)]);
    let begin = incident.measured[0].incident[0].0;
    let change = |node: &str, ago: u64| Change {
        node: node.into(),
        time: begin - Duration::from_secs(ago),
        what: "deploy 1.4.2".into(),
    };
    let before = causes(&incident);
    incident.changes = vec![change("search", 60), change("orders", DAY as u64)];
    let after = causes(&incident);
    let of = |ranking: &Ranking, node: &str| ranking.causes.iter().find(|c| c.node == node).unwrap().clone();
    assert!(of(&after, "search").score > 1.5 * of(&before, "search").score);
    assert_eq!(of(&after, "orders"), of(&before, "orders"), "a change of yesterday does not count");
    assert!(of(&after, "search").words().ends_with("changed before: deploy 1.4.2."));
}

#[test]
fn nothing_unusual_is_not_determined_and_says_so() {
    assert_eq!(causes(&Incident::default()).verdict, Verdict::NotDetermined);
    let same = |name: &str| Measured { node: name.into(), ..measured("x", "latency", 1.0, 2.0) };
    let measured = ["a", "b", "c", "d", "e", "f"].map(same).to_vec();
    let ranking = causes(&Incident { measured, ..Incident::default() });
    assert_eq!(ranking.verdict, Verdict::NotDetermined);
    assert!(ranking.words()[0].starts_with("Not determined"));
    assert_eq!(ranking.words().len(), 4);
}

/// A cause as the verdict sees it.
fn scored(score: f64, surprise: f64) -> Cause {
    let measured = vec![measured("x", "latency", 1.0, 2.0)];
    let found = causes(&Incident { measured, ..Incident::default() });
    Cause { score, surprise, ..found.causes[0].clone() }
}

#[test]
fn a_few_that_are_alike_are_close_and_five_say_nothing() {
    for (scores, want) in [
        (&[1.0][..], Verdict::Determined),
        (&[1.0, 0.95], Verdict::Close),
        (&[1.0, 1.0, 1.0, 1.0], Verdict::Close),
        (&[1.0, 1.0, 1.0, 1.0, 1.0], Verdict::NotDetermined),
        (&[1.0, 1.0, 1.0, 1.0, 0.5], Verdict::Close),
        (&[1.0, 0.5], Verdict::Determined),
        (&[0.0, 0.0], Verdict::NotDetermined),
    ] {
        let causes: Vec<Cause> = scores.iter().map(|score| scored(*score, 9.0)).collect();
        assert_eq!(verdict(&causes), want, "{scores:?}");
    }
}

#[test]
fn what_stayed_within_its_usual_spread_is_neither_sure_nor_told() {
    let sure = scored(0.3, 9.0);
    let ranking = |first: Cause, second: Cause| {
        let causes = vec![first, second];
        Ranking { verdict: verdict(&causes), causes }
    };
    let lifted = ranking(Cause { node: "deployed".into(), ..scored(1.0, 1.5) }, sure.clone());
    assert_eq!((lifted.verdict, lifted.unusual().count()), (Verdict::Close, 1));
    assert!(lifted.words().iter().all(|words| !words.starts_with("deployed")), "{:?}", lifted.words());
    let quiet = ranking(scored(1.0, 1.5), scored(0.1, 0.2));
    assert_eq!((quiet.verdict, quiet.words().len()), (Verdict::NotDetermined, 1));
}

#[test]
fn causes_are_told_with_their_reasons() {
    let incident = shop([("shop", 1.0, 2.0), ("orders", 0.5, 1.5), ("db", 0.1, 1.1), ("search", 0.2, 0.2)]);
    let words = causes(&incident).words();
    assert!(words[0].starts_with("db: latency went from 0.1 to 1.1"), "{words:#?}");
    assert!(words[0].contains("enough to explain what shop shows (shop → orders → db)"), "{words:#?}");
}

fn any_incident() -> impl Strategy<Value = Incident> {
    let value = prop_oneof![4 => -1e3..1e3_f64, 1 => Just(0.0), 1 => Just(1e300)];
    let one =
        (0..6_u8, 0..3_u8, prop::collection::vec(value.clone(), 0..30), prop::collection::vec(value, 0..8));
    let edges = prop::collection::vec((0..7_u8, 0..7_u8), 0..12);
    (prop::collection::vec(one, 0..12), edges, prop::option::of(0..7_u8)).prop_map(
        |(series, edges, target)| {
            let times = |values: Vec<f64>, begin: i64| -> Vec<(Timestamp, f64)> {
                let time = |i: usize| Timestamp::from_secs(begin + 21_600 * i as i64);
                values.into_iter().enumerate().map(|(i, value)| (time(i), value)).collect()
            };
            let measured = series.into_iter().map(|(node, metric, normal, incident)| Measured {
                node: node.to_string(),
                metric: ["latency", "requests", "cpu"][usize::from(metric)].into(),
                normal: times(normal, 0),
                incident: times(incident, 21_600 * 30),
                floor: 0.0,
            });
            Incident {
                measured: measured.collect(),
                calls: edges.into_iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
                symptom: target
                    .map(|node| Symptom { node: node.to_string(), metric: Some("latency".into()) }),
                changes: Vec::new(),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_node_has_one_finite_place_whatever_the_order(incident in any_incident()) {
        let ranking = causes(&incident);
        let mut nodes: Vec<&str> = ranking.causes.iter().map(|cause| cause.node.as_str()).collect();
        for cause in &ranking.causes {
            prop_assert!(cause.score.is_finite() && cause.score >= 0.0, "{:?}", cause);
            prop_assert!((0.0..=1.0).contains(&cause.alignment) && cause.surprise >= 0.0, "{:?}", cause);
            prop_assert!(cause.share.is_none_or(|share| (0.0..=1.0).contains(&share)), "{:?}", cause);
        }
        prop_assert!(ranking.causes.is_sorted_by(|a, b| a.score >= b.score));
        nodes.sort_unstable();
        let mut want: Vec<&str> = incident.measured.iter().map(|m| m.node.as_str()).collect();
        want.sort_unstable();
        want.dedup();
        prop_assert_eq!(nodes, want);
    }
}

#[test]
fn trouble_is_noticed_in_failures_or_slow_answers_whichever_is_worse() {
    for (latency, errors, want) in
        [(2.0, 0.0, Some("latency")), (1.0, 0.4, Some("error_ratio")), (1.0, 0.01, None), (0.2, 0.0, None)]
    {
        let mut failed = measured("shop", "error_ratio", 0.0, errors);
        failed.floor = 0.02;
        let all = [measured("shop", "latency", 1.0, latency), failed, measured("db", "latency", 1.0, 9.0)];
        assert_eq!(noticed(&all, "shop").metric.as_deref(), want, "{latency} {errors}");
    }
}
