#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::intervention::InterventionType;
use echobase_types::{InterventionId, PlaybookId};
use uuid::Uuid;

use super::*;
use crate::condition::facts::sample_assessment;
use crate::plan::tests::{NOW, SOURCE};
use crate::playbook::parse;

fn id(n: u128) -> PlaybookId {
    PlaybookId::from_uuid(Uuid::from_u128(n))
}

/// A playbook of that name that does `action` until `vitals.<trouble>` is low.
fn playbook(n: u128, action: &str, trouble: &str) -> Playbook {
    let mut made = parse(SOURCE).unwrap().into_version(id(n), 1, SOURCE, true, Timestamp::EPOCH);
    made.name = format!("p{n}");
    made.steps[0].action = action.to_owned();
    made.success = vec![format!("vitals.{trouble} < 0.5")];
    made
}

/// `wwf` is: worked, worked, failed; each an hour after the one before.
fn past(of: &Playbook, outcomes: &str) -> Vec<Lesson> {
    let lesson = |(n, outcome): (usize, char)| Lesson {
        playbook: Some(of.id),
        target: ResourceId::new("service:shop/orders").unwrap(),
        action: action(&of.actuator, &of.steps),
        trouble: trouble(&of.success),
        at: NOW - Duration::from_secs(3_600 * (20 - n as u64)),
        outcome: if outcome == 'w' { Outcome::Worked } else { Outcome::Failed },
    };
    outcomes.chars().enumerate().map(lesson).collect()
}

fn ailing() -> Assessment {
    let mut assessment = sample_assessment();
    assessment.stability.score = 0.2;
    assessment
}

fn order(playbooks: &[&Playbook], lessons: &[Lesson]) -> Vec<String> {
    let around = Surroundings::default();
    weigh(playbooks, lessons, &ailing(), &around, NOW).into_iter().map(|w| w.name).collect()
}

#[test]
fn what_worked_before_comes_first_and_what_failed_twice_last() {
    let (a, b) = (playbook(1, "restart", "error_ratio"), playbook(2, "scale", "error_ratio"));
    for (of_a, of_b, want) in [
        ("", "", "p1 p2"), // equal: by name
        ("", "w", "p2 p1"),
        ("w", "ww", "p2 p1"),
        ("ww", "wwf", "p1 p2"),
        ("ff", "", "p2 p1"),
        ("wff", "w", "p2 p1"),
        ("f", "ff", "p1 p2"),
        ("wwwwwwww", "w", "p1 p2"),
    ] {
        let lessons = [past(&a, of_a), past(&b, of_b)].concat();
        assert_eq!(order(&[&a, &b], &lessons).join(" "), want, "{of_a} {of_b}");
        assert_eq!(order(&[&b, &a], &lessons).join(" "), want, "whatever order they are given in");
    }
}

#[test]
fn with_no_history_the_stated_prior_decides_and_says_so() {
    let mut careless = playbook(1, "restart", "error_ratio");
    careless.risk = RiskClass::High;
    let careful = playbook(2, "scale", "error_ratio");
    let found = weigh(&[&careless, &careful], &[], &ailing(), &Surroundings::default(), NOW);
    assert_eq!(found.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(), ["p2", "p1"]);
    assert!(found.iter().all(|w| w.is_prior_only() && (w.chance - PRIOR.0).abs() < 1e-12));
    assert!(found[0].words().contains("no history, so 50 % is assumed"), "{}", found[0].words());
}

#[test]
fn what_is_known_of_a_playbook_counts_less_for_other_troubles_and_less_still_for_other_playbooks() {
    let known = playbook(1, "restart", "error_ratio");
    let other_trouble = playbook(1, "restart", "latency_p99");
    let other_playbook = playbook(2, "restart", "error_ratio");
    let other_action = playbook(3, "scale", "error_ratio");
    let chance = |of: &Playbook, outcomes: &str| {
        let lessons = past(&known, outcomes);
        weigh(&[of], &lessons, &ailing(), &Surroundings::default(), NOW)[0].chance
    };
    let all = [&known, &other_trouble, &other_playbook, &other_action];
    let [own, trouble, playbook, action] = all.map(|of| chance(of, "www"));
    assert!(own > trouble && trouble > playbook && playbook > action, "{own} {trouble} {playbook} {action}");
    let [own, trouble, playbook, action] = all.map(|of| chance(of, "fff"));
    assert!(own < trouble && trouble < playbook && playbook < action, "{own} {trouble} {playbook} {action}");
    assert!((action - PRIOR.0).abs() < 1e-12);
}

#[test]
fn old_outcomes_fade_and_a_cause_elsewhere_lowers_what_acting_here_brings() {
    let a = playbook(1, "restart", "error_ratio");
    let mut lessons = past(&a, "ww");
    let weighed =
        |lessons: &[Lesson], around: &Surroundings| weigh(&[&a], lessons, &ailing(), around, NOW)[0].clone();
    let here = Surroundings::default();
    let fresh = weighed(&lessons, &here);
    for lesson in &mut lessons {
        lesson.at = NOW - HALF_LIFE * 10;
    }
    let faded = weighed(&lessons, &here);
    assert!(faded.chance < fresh.chance && faded.chance - 0.5 < 0.01, "{faded:?}");
    let elsewhere = |certainty| {
        let resource = ResourceId::new("service:db").unwrap();
        Surroundings { dependents: 0, origin: Some(Origin { resource, certainty }) }
    };
    let [clear, perhaps] =
        [Certainty::Clear, Certainty::Perhaps].map(|c| weighed(&lessons, &elsewhere(c)).effect);
    assert!(clear < perhaps && perhaps < faded.effect);
    let many = weighed(&lessons, &Surroundings { dependents: 4, origin: None });
    assert!((many.loss - 2.0 * faded.loss).abs() < 1e-9 && (many.cost - 2.0 * faded.cost).abs() < 1e-9);
}

/// A verified restart with that success criterion, proposed so many seconds after the first.
fn verified(n: u128, success: &str, after_s: u64) -> Intervention {
    let mut plan = crate::digest::tests::plan();
    plan.actuator = "process".to_owned();
    plan.steps = vec![Step { action: "restart".to_owned(), ..Step::default() }];
    plan.success = vec![success.to_owned()];
    let at = NOW - Duration::from_secs(20_000) + Duration::from_secs(after_s);
    Intervention {
        id: InterventionId::from_uuid(Uuid::from_u128(n)),
        target: plan.target.clone(),
        kind: InterventionType::Reactive,
        risk: RiskClass::Low,
        proposer: Proposer::Playbook { id: id(1), name: "p1".to_owned(), version: 1 },
        reason: String::new(),
        state: S::Verified,
        state_reason: String::new(),
        plan,
        digest: None,
        approvals: Vec::new(),
        receipts: Vec::new(),
        verification: None,
        epoch: 1,
        score_before: None,
        risk_before: None,
        version: 1,
        created_at: at,
        updated_at: at,
        expires_at: at,
        executed_at: Some(at),
    }
}

#[test]
fn a_cure_after_which_the_trouble_comes_back_at_once_was_none() {
    let restart = verified(1, "vitals.error_ratio < 0.05", 0);
    let again = verified(2, "vitals.error_ratio < 0.05", 300);
    let other = verified(3, "vitals.latency_p99 < 0.5", 320);
    let later = verified(4, "vitals.error_ratio < 0.05", 9_000);
    let found = lessons(&[later, other, again, restart]);
    let outcomes: Vec<Outcome> = found.iter().map(|lesson| lesson.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Worked, Outcome::Worked, Outcome::Worked]);
    assert_eq!(found[0].trouble, Some(Vital::ErrorRatio));
    assert_eq!(found[0].action, "process restart");
    let open = Intervention { state: S::Executing, ..verified(5, "true", 0) };
    assert_eq!(lessons(&[open]), [], "what is under way taught nothing yet");
}

#[test]
fn the_trouble_is_the_first_vital_sign_that_is_named_whole() {
    for (source, want) in [
        ("vital('dependency_error_ratio', 0.0) < 0.1", Some(Vital::DependencyErrorRatio)),
        ("!exhausts_within('memory_utilization', 600)", Some(Vital::MemoryUtilization)),
        ("stability.score > 0.7", None),
        ("vitals.up == 1 && vitals.error_ratio < 0.1", Some(Vital::Up)),
    ] {
        assert_eq!(trouble_in(source), want, "{source}");
    }
}

/// Outcomes from the bits of a number, so that the seed that failed says everything.
fn outcomes(mut bits: u64, most: u64) -> String {
    let count = bits % (most + 1);
    (0..count)
        .map(|_| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if bits >> 63 == 0 { 'w' } else { 'f' }
        })
        .collect()
}

#[test]
fn more_success_never_lowers_and_more_failure_never_raises_what_is_expected() {
    let (a, b) = (playbook(1, "restart", "error_ratio"), playbook(2, "restart", "error_ratio"));
    for seed in 0..500_u64 {
        let (of_a, of_b) = (outcomes(seed, 9), outcomes(seed.wrapping_mul(31) ^ 77, 9));
        let effect = |of_a: &str| {
            let lessons = [past(&a, of_a), past(&b, &of_b)].concat();
            let found = weigh(&[&a, &b], &lessons, &ailing(), &Surroundings::default(), NOW);
            for weighed in &found {
                assert!((0.0..=1.0).contains(&weighed.chance), "seed {seed}: {weighed:?}");
                assert!(weighed.effect.is_finite() && weighed.effect <= weighed.loss, "seed {seed}");
            }
            let place = found.iter().position(|w| w.name == "p1").unwrap();
            (found[place].effect, place)
        };
        let (now, better, worse) = (effect(&of_a), effect(&format!("{of_a}w")), effect(&format!("{of_a}f")));
        assert!(better.0 > now.0 && better.1 <= now.1, "seed {seed}: {of_a} {of_b}");
        assert!(worse.0 < now.0 && worse.1 >= now.1, "seed {seed}: {of_a} {of_b}");
    }
}

#[test]
fn a_graver_class_of_risk_is_never_worth_more() {
    for score in [0.0, 0.3, 0.9] {
        let mut assessment = sample_assessment();
        assessment.stability.score = score;
        let effects = RiskClass::ALL.map(|risk| {
            let mut made = playbook(1, "restart", "error_ratio");
            made.risk = risk;
            weigh(&[&made], &[], &assessment, &Surroundings::default(), NOW)[0].effect
        });
        assert!(effects[0] > effects[1] && effects[1] > effects[2], "{effects:?}");
    }
}
