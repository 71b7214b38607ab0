#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
use echobase_store::freeze::FreezeScope;
use uuid::Uuid;

use super::*;
use crate::condition::Facts;
use crate::condition::facts::sample_assessment;
use crate::playbook::parse;

pub(crate) const SOURCE: &str = "\
name: restart
when: stability.score < 0.5
hold_for: 30s
risk: low
actuator: process
steps: [{ action: restart }]
success: [stability.score >= 0.7]
envelope: { cooldown: 10m, max_per_hour: 4 }
autonomy: auto
";

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(crate) fn limits() -> Limits {
    Limits { autonomy_successes: 0, ..Limits::from(&ControllerConfig::default()) }
}

fn rule(change: impl FnOnce(&mut Playbook)) -> Rule {
    let id = PlaybookId::from_uuid(Uuid::from_u128(7));
    let mut playbook = parse(SOURCE).unwrap().into_version(id, 2, SOURCE, true, Timestamp::EPOCH);
    change(&mut playbook);
    Rule::compile(playbook).unwrap()
}

struct Case {
    rule: Rule,
    history: History,
    freezes: Vec<Freeze>,
    limits: Limits,
    held: Duration,
}

impl Case {
    /// A case in which nothing stops the playbook.
    fn free() -> Self {
        Self {
            rule: rule(|_| {}),
            history: History::default(),
            freezes: Vec::new(),
            limits: limits(),
            held: Duration::from_secs(30),
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::free();
        change(&mut case);
        case
    }

    fn decide(&self) -> Decision {
        let mut assessment = sample_assessment();
        assessment.at = NOW;
        let facts = Facts::of(&assessment);
        consider(
            &self.rule,
            &Situation {
                facts: &facts,
                assessment: &assessment,
                held_since: Some(NOW - self.held),
                history: &self.history,
                freezes: &self.freezes,
                limits: &self.limits,
                now: NOW,
            },
        )
    }

    fn guard(&self) -> Option<Guard> {
        match self.decide() {
            Decision::Suppressed { guard, .. } => Some(guard),
            _ => None,
        }
    }

    fn wanted(&self) -> Wanted {
        match self.decide() {
            Decision::Propose(wanted) => wanted,
            other => panic!("{other:?}"),
        }
    }
}

fn orders() -> ResourceId {
    ResourceId::new("service:shop/orders").unwrap()
}

fn elsewhere(n: usize) -> ResourceId {
    ResourceId::new(&format!("service:other-{n}")).unwrap()
}

/// An intervention of the rule on its target, that ended so many seconds ago.
fn attempt(state: InterventionState, seconds_ago: u64) -> Attempt {
    let at = NOW - Duration::from_secs(seconds_ago);
    Attempt {
        id: InterventionId::from_uuid(Uuid::from_u128(u128::from(seconds_ago))),
        target: orders(),
        playbook: Some((PlaybookId::from_uuid(Uuid::from_u128(7)), 2)),
        kind: InterventionType::Reactive,
        state,
        created_at: at,
        updated_at: at,
        started_at: matches!(state, S::Verified | S::RolledBack | S::Executing | S::Failed).then_some(at),
    }
}

use InterventionState as S;

fn freeze(scope: FreezeScope) -> Freeze {
    Freeze { scope, reason: "why".into(), by: "ana".into(), since: NOW, release_requested_by: None }
}

#[test]
fn with_nothing_in_the_way_it_proposes_within_the_envelope() {
    let wanted = Case::free().wanted();
    assert_eq!((wanted.autonomy, wanted.risk), (Autonomy::Auto, RiskClass::Low));
    assert!(wanted.reason.starts_with("`stability.score < 0.5` holds for 30s; stability 0.40, risk 90 %"));
}

#[test]
fn each_guard_alone_stops_it() {
    let other_playbook = PlaybookId::from_uuid(Uuid::from_u128(8));
    let many = |count: usize, state, ago| -> Vec<Attempt> {
        (0..count).map(|n| Attempt { target: elsewhere(n), ..attempt(state, ago + n as u64) }).collect()
    };
    for (name, guard, case) in [
        ("tenant frozen", Guard::Freeze, Case::with(|c| c.freezes = vec![freeze(FreezeScope::Tenant)])),
        (
            "target frozen",
            Guard::Freeze,
            Case::with(|c| c.freezes = vec![freeze(FreezeScope::Resource(orders()))]),
        ),
        (
            "playbook frozen",
            Guard::Freeze,
            Case::with(|c| c.freezes = vec![freeze(FreezeScope::Playbook(c.rule.playbook.id))]),
        ),
        (
            "executing",
            Guard::Pending,
            Case::with(|c| c.history.attempts = vec![attempt(S::Executing, 7_000)]),
        ),
        ("waiting", Guard::Pending, Case::with(|c| c.history.attempts = vec![attempt(S::Validated, 700)])),
        (
            "a person's",
            Guard::Pending,
            Case::with(|c| {
                c.history.attempts = vec![Attempt { playbook: None, ..attempt(S::Proposed, 700) }]
            }),
        ),
        ("just acted", Guard::Cooldown, Case::with(|c| c.history.attempts = vec![attempt(S::Verified, 599)])),
        (
            "just refused",
            Guard::Cooldown,
            Case::with(|c| c.history.attempts = vec![attempt(S::Rejected, 599)]),
        ),
        (
            "floor above the playbook's own",
            Guard::Cooldown,
            Case::with(|c| {
                c.limits.cooldown_floor = Duration::from_secs(900);
                c.history.attempts = vec![attempt(S::Verified, 899)];
            }),
        ),
        (
            "acted on by another",
            Guard::Cooldown,
            Case::with(|c| {
                c.history.attempts =
                    vec![Attempt { playbook: Some((other_playbook, 1)), ..attempt(S::Verified, 599) }]
            }),
        ),
        ("playbook's rate", Guard::Rate, Case::with(|c| c.history.attempts = many(4, S::Verified, 3_500))),
        (
            "tenant's rate",
            Guard::TenantRate,
            Case::with(|c| {
                c.history.attempts = many(20, S::Verified, 1_000);
                for a in &mut c.history.attempts {
                    a.playbook = None;
                }
            }),
        ),
        ("global rate", Guard::GlobalRate, Case::with(|c| c.history.started_global = 60)),
        (
            "failed three times",
            Guard::Ineffective,
            Case::with(|c| c.history.attempts = many(3, S::RolledBack, 14_000)),
        ),
        (
            "came back three times",
            Guard::Ineffective,
            Case::with(|c| c.history.attempts = (0..3).map(|n| attempt(S::Verified, 14_000 + n)).collect()),
        ),
    ] {
        assert_eq!(case.guard(), Some(guard), "{name}: {:?}", case.decide());
    }
}

#[test]
fn what_is_near_a_limit_but_within_it_does_not_stop_it() {
    let other_playbook = PlaybookId::from_uuid(Uuid::from_u128(8));
    for (name, case) in [
        (
            "another target is frozen",
            Case::with(|c| c.freezes = vec![freeze(FreezeScope::Resource(elsewhere(1)))]),
        ),
        (
            "another playbook is frozen",
            Case::with(|c| c.freezes = vec![freeze(FreezeScope::Playbook(other_playbook))]),
        ),
        ("cooled down", Case::with(|c| c.history.attempts = vec![attempt(S::Verified, 600)])),
        (
            "another target was acted on",
            Case::with(|c| {
                c.history.attempts = vec![Attempt { target: elsewhere(1), ..attempt(S::Executing, 1) }]
            }),
        ),
        (
            "another playbook was refused",
            Case::with(|c| {
                c.history.attempts =
                    vec![Attempt { playbook: Some((other_playbook, 1)), ..attempt(S::Rejected, 1) }]
            }),
        ),
        ("superseded", Case::with(|c| c.history.attempts = vec![attempt(S::Superseded, 1)])),
        (
            "an older version failed",
            Case::with(|c| {
                c.history.attempts = (0..3)
                    .map(|n| Attempt {
                        playbook: Some((c.rule.playbook.id, 1)),
                        target: elsewhere(n),
                        ..attempt(S::RolledBack, 8_000)
                    })
                    .collect()
            }),
        ),
        (
            "failures from before its release",
            Case::with(|c| {
                c.history.attempts = (0..3).map(|n| attempt(S::RolledBack, 8_000 + n)).collect();
                c.history.released = vec![(c.rule.playbook.id, NOW - Duration::from_secs(7_000))];
            }),
        ),
        (
            "failures from before the window",
            Case::with(|c| c.history.attempts = (0..3).map(|n| attempt(S::RolledBack, 14_401 + n)).collect()),
        ),
        ("one below the global rate", Case::with(|c| c.history.started_global = 59)),
    ] {
        assert!(matches!(case.decide(), Decision::Propose(_)), "{name}: {:?}", case.decide());
    }
}

#[test]
fn a_condition_must_hold_long_enough_and_be_known() {
    let short = Case::with(|c| c.held = Duration::from_secs(29));
    assert_eq!(short.decide(), Decision::Holding);
    let other = |when: &str| rule(|p| p.condition = when.to_owned());
    let case = Case::with(|c| c.rule = other("stability.score > 0.5"));
    assert_eq!(case.decide(), Decision::No);
    let case = Case::with(|c| c.rule = other("stability.score < 0.5 && anomalies[1].surprise > 1.0"));
    assert!(matches!(case.decide(), Decision::Unknown(_)));
    let case = Case::with(|c| c.rule = rule(|p| p.enabled = false));
    assert_eq!(case.decide(), Decision::No);
    let case = Case::with(|c| c.rule = rule(|p| p.selector.resource = Some("host:*".to_owned())));
    assert_eq!(case.decide(), Decision::No);
}

#[test]
fn a_break_in_the_condition_starts_the_hold_anew() {
    let rule = rule(|_| {});
    let mut bad = sample_assessment();
    bad.at = NOW;
    let since = hold(&rule, &Facts::of(&bad), &bad, None);
    assert_eq!(since, Some(NOW));
    bad.at = NOW + Duration::from_secs(10);
    assert_eq!(hold(&rule, &Facts::of(&bad), &bad, since), Some(NOW));
    let mut good = bad.clone();
    good.stability.score = 0.9;
    assert_eq!(hold(&rule, &Facts::of(&good), &good, since), None);
    let mut blind = bad;
    blind.stability.score = f64::NAN;
    assert_eq!(hold(&rule, &Facts::of(&blind), &blind, since), None);
}

#[test]
fn where_the_envelope_may_not_approve_a_person_must() {
    let record = |states: &[S]| vec![((PlaybookId::from_uuid(Uuid::from_u128(7)), 2), states.to_vec())];
    for (name, risk, case) in [
        ("earned", RiskClass::Low, Case::with(|c| c.history.record = record(&[S::Verified]))),
        ("not earned yet", RiskClass::Medium, Case::with(|c| c.limits.autonomy_successes = 1)),
        ("lost by a failure", RiskClass::Medium, Case::with(|c| c.history.record = record(&[S::RolledBack]))),
        (
            "declared approve",
            RiskClass::Medium,
            Case::with(|c| c.rule = rule(|p| p.autonomy = Autonomy::Approve)),
        ),
        (
            "declared suggest",
            RiskClass::Medium,
            Case::with(|c| c.rule = rule(|p| p.autonomy = Autonomy::Suggest)),
        ),
        ("high stays high", RiskClass::High, Case::with(|c| c.rule = rule(|p| p.risk = RiskClass::High))),
        (
            "storm",
            RiskClass::Medium,
            Case::with(|c| {
                c.limits.tenant_per_hour = 100;
                c.history.attempts = (0..5)
                    .map(|n| Attempt { target: elsewhere(n), playbook: None, ..attempt(S::Verified, 599) })
                    .collect()
            }),
        ),
        (
            "no storm yet",
            RiskClass::Low,
            Case::with(|c| {
                c.history.attempts = (0..5)
                    .map(|n| Attempt {
                        target: elsewhere(n),
                        playbook: None,
                        ..attempt(S::Verified, 596 + n as u64)
                    })
                    .collect()
            }),
        ),
    ] {
        assert_eq!(case.wanted().risk, risk, "{name}");
    }
    let observe = Case::with(|c| c.rule = rule(|p| p.autonomy = Autonomy::Observe));
    assert!(matches!(observe.decide(), Decision::WouldAct { .. }));
}

#[test]
fn a_waiting_intervention_gives_way_to_a_newer_version_and_to_what_is_more_urgent() {
    let other = PlaybookId::from_uuid(Uuid::from_u128(8));
    let waiting = |playbook, kind, state| Attempt { playbook, kind, ..attempt(state, 700) };
    let mine = Some((PlaybookId::from_uuid(Uuid::from_u128(7)), 1));
    for (name, attempt, gives_way) in [
        ("older version", waiting(mine, InterventionType::Reactive, S::Validated), true),
        ("less urgent", waiting(Some((other, 1)), InterventionType::Proactive, S::Approved), true),
        ("as urgent", waiting(Some((other, 1)), InterventionType::Reactive, S::Validated), false),
        ("more urgent", waiting(Some((other, 1)), InterventionType::Recovery, S::Validated), false),
        ("under way", waiting(mine, InterventionType::Reactive, S::Executing), false),
        ("a person's", waiting(None, InterventionType::Optimisation, S::Validated), false),
    ] {
        let id = attempt.id;
        let case = Case::with(|c| c.history.attempts = vec![attempt]);
        match case.decide() {
            Decision::Propose(wanted) => assert!(gives_way && wanted.supersedes == [id], "{name}"),
            Decision::Suppressed { guard, .. } => assert!(!gives_way && guard == Guard::Pending, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
