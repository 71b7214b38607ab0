#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
use std::time::Duration;

use echobase_types::PlaybookId;
use echobase_types::intervention::InterventionType;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::digest::tests::plan;

const T0: Timestamp = Timestamp::from_secs(1_700_000_000);

fn person(n: u8) -> PrincipalId {
    PrincipalId::from_uuid(Uuid::from_u128(u128::from(n)))
}

fn fresh(risk: RiskClass, proposer: Proposer) -> Intervention {
    let mut plan = plan();
    plan.previews.clear();
    plan.risk = risk;
    Intervention {
        id: InterventionId::from_uuid(Uuid::from_u128(99)),
        target: plan.target.clone(),
        kind: InterventionType::Reactive,
        risk,
        proposer,
        reason: "why".to_owned(),
        state: S::Proposed,
        state_reason: String::new(),
        plan,
        digest: None,
        approvals: Vec::new(),
        receipts: Vec::new(),
        verification: None,
        epoch: 0,
        score_before: None,
        risk_before: None,
        version: 1,
        created_at: T0,
        updated_at: T0,
        expires_at: T0 + Duration::from_secs(900),
        executed_at: None,
    }
}

fn by_playbook(risk: RiskClass) -> Intervention {
    let id = PlaybookId::from_uuid(Uuid::from_u128(7));
    fresh(risk, Proposer::Playbook { id, name: "restart".to_owned(), version: 2 })
}

fn validate(risk: RiskClass) -> Event {
    Event::Validate { previews: plan().previews, risk, expires_at: T0 + Duration::from_secs(900) }
}

fn validated(risk: RiskClass) -> Intervention {
    advance(&by_playbook(risk), validate(risk), Actor::controller(), T0).unwrap().0
}

fn yes(i: &Intervention, by: Option<PrincipalId>) -> Event {
    Event::Approve { by, digest: i.digest.clone().unwrap(), expires_at: T0 + Duration::from_secs(1_800) }
}

fn after(i: &Intervention, event: Event) -> Intervention {
    advance(i, event, Actor::controller(), T0).unwrap().0
}

fn refused(i: &Intervention, event: Event) -> Refused {
    advance(i, event, Actor::controller(), T0).unwrap_err()
}

fn receipt(step: u32) -> StepReceipt {
    StepReceipt { step, summary: "did it".to_owned(), undo: "{}".to_owned(), output: String::new() }
}

#[test]
fn each_class_of_risk_needs_its_number_of_different_people() {
    let low = validated(RiskClass::Low);
    assert_eq!(after(&low, yes(&low, None)).state, S::Approved);

    let medium = validated(RiskClass::Medium);
    assert_eq!(refused(&medium, yes(&medium, None)), Refused::Envelope(RiskClass::Medium));
    assert_eq!(after(&medium, yes(&medium, Some(person(1)))).state, S::Approved);

    let high = validated(RiskClass::High);
    let one = after(&high, yes(&high, Some(person(1))));
    assert_eq!((one.state, one.state_reason.as_str()), (S::Validated, "1 of 2 approvals"));
    assert_eq!(refused(&one, yes(&one, Some(person(1)))), Refused::Twice);
    assert_eq!(after(&one, yes(&one, Some(person(2)))).state, S::Approved);
}

#[test]
fn the_proposer_cannot_approve_its_own_proposal() {
    let own = fresh(RiskClass::Medium, Proposer::Principal { id: person(1) });
    let own = after(&own, validate(RiskClass::Medium));
    assert_eq!(refused(&own, yes(&own, Some(person(1)))), Refused::OwnProposal);
    assert_eq!(after(&own, yes(&own, Some(person(2)))).state, S::Approved);
}

#[test]
fn only_the_digest_of_the_plan_as_it_stands_can_be_approved_and_executed() {
    let i = validated(RiskClass::Low);
    let other = Event::Approve { by: None, digest: "0".repeat(64), expires_at: T0 };
    assert_eq!(refused(&i, other), Refused::Digest(i.id));
    let mut approved = after(&i, yes(&i, None));
    approved.plan.previews[0].target_version = "changed".to_owned();
    assert_eq!(refused(&approved, Event::Execute { epoch: 1 }), Refused::Digest(i.id));
}

#[test]
fn what_waited_too_long_is_neither_approved_nor_executed() {
    let i = validated(RiskClass::Low);
    let late = |i: &Intervention, event| advance(i, event, Actor::controller(), i.expires_at).unwrap_err();
    assert_eq!(late(&i, yes(&i, None)), Refused::Expired(i.id));
    let approved = after(&i, yes(&i, None));
    assert_eq!(late(&approved, Event::Execute { epoch: 1 }), Refused::Expired(i.id));
    assert_eq!(after(&approved, Event::Expire).state, S::Expired);
}

#[test]
fn a_plan_that_is_not_done_cannot_be_verified() {
    let i = validated(RiskClass::Low);
    let approved = after(&i, yes(&i, None));
    let executing = after(&approved, Event::Execute { epoch: 1 });
    let pass = || Event::Verify { result: Verification::Pass, words: String::new() };
    assert!(matches!(refused(&executing, pass()), Refused::State { .. }));
    let done = after(&executing, Event::Step { receipt: receipt(0), epoch: 1, last: Last::Yes });
    assert_eq!(after(&done, pass()).state, S::Verified);
    let fail = Event::Verify { result: Verification::Unknown, words: String::new() };
    assert_eq!(after(&done, fail).state, S::Executing);
}

#[test]
fn entries_carry_the_facts_that_an_auditor_replays() {
    let i = validated(RiskClass::Low);
    let approved = after(&i, yes(&i, None));
    let (_, entries) = advance(&approved, Event::Execute { epoch: 5 }, Actor::controller(), T0).unwrap();
    let text: Vec<String> = entries[0].data.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    assert_eq!(entries[0].action, "intervention.execute");
    for fact in ["approvals_needed=Int(0)", "epoch=Int(5)", "playbook=Text(\"restart\")", "version=Int(2)"] {
        assert!(text.iter().any(|t| t == fact), "{fact} in {text:?}");
    }
    assert_eq!(entries[0].data["digest"], i.digest.unwrap().into());
}

/// Any event, sensible or not.
fn any_event() -> impl Strategy<Value = (u8, u8)> {
    (0..16_u8, 0..4_u8)
}

fn make(i: &Intervention, (kind, n): (u8, u8)) -> Event {
    let risk = [RiskClass::Low, RiskClass::Medium, RiskClass::High][usize::from(n % 3)];
    let digest = if n == 3 { "0".repeat(64) } else { i.digest.clone().unwrap_or_default() };
    let why = String::new;
    match kind {
        0 => validate(risk),
        1 | 2 => Event::Approve { by: Some(person(n)), digest, expires_at: T0 + Duration::from_secs(1_800) },
        3 => Event::Approve { by: None, digest, expires_at: T0 + Duration::from_secs(1_800) },
        4 | 5 => Event::Execute { epoch: u64::from(n) + 1 },
        6 => Event::Step {
            receipt: receipt(u32::from(n)),
            epoch: 1,
            last: if n > 1 { Last::Yes } else { Last::No },
        },
        7 => Event::StepFailed { step: u32::from(n), epoch: 1, why: why(), receipt: None },
        8 => Event::Verify {
            result: [Verification::Pass, Verification::Fail, Verification::Unknown][usize::from(n % 3)],
            words: why(),
        },
        9 => Event::RollBack { why: why() },
        10 => Event::Reverted { step: 0, epoch: 1, words: why() },
        11 => {
            if n < 2 {
                Event::RolledBack
            } else {
                Event::RollbackFailed { why: why() }
            }
        }
        12 => Event::Fail { why: why() },
        13 => Event::Reject { why: why() },
        14 => Event::Cancel { why: why() },
        _ => {
            if n < 2 {
                Event::Expire
            } else {
                Event::Supersede { by: i.id }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_events_breaks_an_invariant(
        risk in 0..3_usize,
        manual in any::<bool>(),
        events in prop::collection::vec(any_event(), 1..40),
    ) {
        let risk = [RiskClass::Low, RiskClass::Medium, RiskClass::High][risk];
        let mut i = if manual {
            fresh(risk, Proposer::Principal { id: person(0) })
        } else {
            by_playbook(risk)
        };
        let mut executions = 0;
        let mut verified_before_done = false;
        for event in events {
            let event = make(&i, event);
            let acts = matches!(event, Event::Step { .. } | Event::StepFailed { .. });
            let Ok((next, entries)) = advance(&i, event.clone(), Actor::controller(), T0) else { continue };
            prop_assert!(!entries.is_empty(), "a change without an entry: {event:?}");
            prop_assert!(next.state == i.state || i.state.may_become(next.state), "{:?} {:?}", i.state, next.state);
            prop_assert!(next.risk >= i.risk, "risk went down");
            if matches!(event, Event::Execute { .. }) {
                executions += 1;
                let digest = next.digest.clone().unwrap();
                let mut people: Vec<_> = next.approvals.iter().filter(|a| a.digest == digest).filter_map(|a| a.by).collect();
                people.sort();
                people.dedup();
                people.retain(|p| !(manual && *p == person(0)));
                prop_assert!(people.len() >= next.risk.approvals_needed() as usize, "executed without approvals");
                prop_assert!(!next.approvals.is_empty());
                prop_assert_eq!(&digest, &crate::digest::digest(&next.plan));
            }
            if acts {
                prop_assert!(matches!(i.state, S::Executing | S::RollingBack));
            }
            if next.state == S::Verified && i.state != S::Verified {
                verified_before_done |= i.executed_at.is_none();
            }
            i = next;
        }
        prop_assert!(executions <= 1, "executed {executions} times");
        prop_assert!(!verified_before_done);
    }
}
