//! The loop from assessment to proof.

use echobase_store::freeze::FreezeScope;
use echobase_types::intervention::{InterventionState as S, RiskClass, Verification};
use echobase_types::{ErrorKind, ResourceId};

use super::plant::*;
use crate::actuator::ActuatorError;
use crate::controller::{Release, Stands};
use crate::planner::Surroundings;

#[tokio::test]
async fn a_playbook_acts_and_its_effect_is_proved() {
    let plant = Plant::new().await;
    plant.save(PLAYBOOK).await;
    plant.cycle(0.9, at(0)).await;
    assert_eq!(plant.states().await, []);
    plant.cycle(0.3, at(10)).await;
    assert_eq!(plant.states().await, [S::Executing]);
    assert_eq!(plant.recorder.effects(), ["apply 0 one", "apply 1 two"]);
    // What was measured at the time of the last step says nothing of its effect; after it, twice is proof.
    plant.measure(0.9, at(10));
    plant.controller.tick(at(20)).await.unwrap();
    for (now, state) in [(20, S::Executing), (20, S::Executing), (30, S::Verified)] {
        plant.cycle(0.9, at(now)).await;
        assert_eq!(plant.states().await, [state], "{now}");
    }
    let i = plant.all().await.remove(0);
    assert_eq!((i.verification, i.receipts.len(), i.approvals.len()), (Some(Verification::Pass), 2, 1));
    assert_eq!((i.score_before, i.approvals[0].by), (Some(0.3), None));
    assert_eq!(
        plant.ledger("intervention.").await,
        ["propose", "validate", "approve", "execute", "step", "step", "verify"]
    );
    assert_eq!(plant.alerts().await, [""; 0]);
}

#[tokio::test]
async fn what_does_not_help_is_undone_backwards_and_told() {
    for measured in [true, false] {
        let plant = Plant::new().await;
        plant.save(PLAYBOOK).await;
        plant.cycle(0.3, at(10)).await;
        if measured {
            plant.measure(0.3, at(69));
        }
        plant.controller.tick(at(69)).await.unwrap();
        assert_eq!(plant.states().await, [S::Executing], "not before its time");
        plant.controller.tick(at(70)).await.unwrap();
        let i = plant.all().await.remove(0);
        assert_eq!(i.state, S::RolledBack);
        let verdict = if measured { Verification::Fail } else { Verification::Unknown };
        assert_eq!(i.verification, Some(verdict));
        assert_eq!(plant.recorder.effects(), ["apply 0 one", "apply 1 two", "revert 1 two", "revert 0 one"]);
        let told = plant.ledger("intervention.").await;
        assert_eq!(told[4..], ["step", "step", "verify", "rollback", "step", "step", "rolled_back"]);
        assert_eq!(plant.alerts().await, ["intervention.failed"]);
    }
}

#[tokio::test]
async fn one_good_look_is_not_proof() {
    let plant = Plant::new().await;
    plant.save(PLAYBOOK).await;
    plant.cycle(0.3, at(10)).await;
    plant.measure(0.9, at(60));
    plant.controller.tick(at(60)).await.unwrap();
    plant.controller.tick(at(70)).await.unwrap();
    let i = plant.all().await.remove(0);
    assert_eq!((i.state, i.verification), (S::RolledBack, Some(Verification::Unknown)));
    assert!(i.state_reason.contains("1 of 2 assessments"), "{}", i.state_reason);
}

#[tokio::test]
async fn a_step_that_fails_ends_it_or_turns_it_back() {
    let untouched: fn(u32, _) -> _ = |step, receipt| match step {
        1 => Err(ActuatorError::untouched("no")),
        _ => Ok(receipt),
    };
    let partly: fn(u32, _) -> _ = |_, receipt| Err(ActuatorError::Partly { detail: "half".into(), receipt });
    let at_once: fn(u32, _) -> _ = |_, _| Err(ActuatorError::untouched("no"));
    for (apply, state, effects) in [
        (untouched, S::RolledBack, &["apply 0 one", "revert 0 one"][..]),
        (partly, S::RolledBack, &["apply 0 one", "revert 0 one"][..]),
        (at_once, S::Failed, &[][..]),
    ] {
        let plant = Plant::new().await;
        plant.recorder.set(|k| k.apply = apply);
        plant.save(PLAYBOOK).await;
        plant.cycle(0.3, at(10)).await;
        assert_eq!(plant.states().await, [state]);
        assert_eq!(plant.recorder.effects(), effects);
        assert_eq!(plant.alerts().await, ["intervention.failed"]);
        plant.ledger("").await;
    }
}

#[tokio::test]
async fn a_rollback_that_fails_freezes_the_target_and_two_people_release_it() {
    let plant = Plant::new().await;
    plant.recorder.set(|k| k.revert_fails = true);
    plant.save(PLAYBOOK).await;
    plant.cycle(0.3, at(10)).await;
    plant.controller.tick(at(70)).await.unwrap();
    assert_eq!(plant.states().await, [S::RollbackFailed]);
    assert_eq!(plant.alerts().await, ["intervention.rollback_failed"]);
    let scope = FreezeScope::Resource(orders());
    assert_eq!(plant.controller.freezes(&tenant()).await.unwrap()[0].scope, scope);
    assert!(plant.folder.path().join("freeze").exists());
    plant.cycle(0.3, at(2_000)).await;
    assert_eq!(plant.states().await.len(), 1, "frozen");
    // It stays frozen through a restart.
    let plant = plant.restart().await;
    plant.cycle(0.3, at(2_010)).await;
    assert_eq!(plant.states().await.len(), 1, "frozen");
    let release = |n| {
        let (controller, scope) = (plant.controller.clone(), scope.clone());
        async move { controller.release(&tenant(), scope, "looked at", person(n), actor(n), at(2_020)).await }
    };
    assert_eq!(release(2).await.unwrap(), Release::Asked);
    assert_eq!(release(2).await.unwrap(), Release::Asked, "one person is one person");
    assert_eq!(release(3).await.unwrap(), Release::Done);
    assert_eq!(release(3).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(plant.alerts().await, [""; 0]);
    assert!(!plant.folder.path().join("freeze").exists());
    plant.cycle(0.3, at(2_030)).await;
    assert_eq!(plant.states().await.len(), 2);
    plant.ledger("").await;
}

#[tokio::test]
async fn a_playbook_that_acts_in_vain_is_frozen_until_it_is_released() {
    let plant = Plant::new().await;
    let playbook = plant.save(PLAYBOOK).await;
    let mut now = 10;
    for n in 1..=3 {
        plant.cycle(0.3, at(now)).await;
        assert_eq!(plant.states().await.len(), n);
        plant.cycle(0.9, at(now + 10)).await;
        plant.cycle(0.9, at(now + 20)).await;
        now += 1_000;
    }
    assert_eq!(plant.states().await, [S::Verified; 3]);
    plant.cycle(0.3, at(now)).await;
    assert_eq!((plant.states().await.len(), plant.alerts().await), (3, vec!["playbook.frozen".to_owned()]));
    let scope = FreezeScope::Playbook(playbook.id);
    assert_eq!(plant.controller.freezes(&tenant()).await.unwrap()[0].scope, scope);
    // Once is enough: the next cycle is stopped by the freeze.
    plant.cycle(0.3, at(now + 10)).await;
    assert_eq!(plant.ledger("freeze.").await, ["set"]);
    for n in [1, 2] {
        plant
            .controller
            .release(&tenant(), scope.clone(), "mended", person(n), actor(n), at(now + 20))
            .await
            .unwrap();
    }
    plant.cycle(0.3, at(now + 30)).await;
    assert_eq!(plant.states().await.len(), 4, "what was in vain before its release does not count");
    assert_eq!(plant.alerts().await, [""; 0]);
}

#[tokio::test]
async fn two_targets_are_acted_on_and_one_target_once() {
    let plant = Plant::new().await;
    plant.save(PLAYBOOK).await;
    plant.save(&PLAYBOOK.replace("name: restart", "name: also-restart")).await;
    let store = ResourceId::new("service:shop/store").unwrap();
    let both = [plant.measure(0.3, at(10)), plant.measure_of(&store, 0.3, at(10))];
    plant.controller.consider(&tenant(), &both, at(10)).await.unwrap();
    plant.controller.tick(at(10)).await.unwrap();
    let all = plant.all().await;
    assert_eq!(all.len(), 2, "the second playbook waits for the first");
    assert!(all.iter().all(|i| i.state == S::Executing) && all[0].target != all[1].target);
    plant.ledger("").await;
}

#[tokio::test]
async fn the_target_must_be_as_it_was_approved() {
    let plant = Plant::new().await;
    plant.save(PLAYBOOK).await;
    let a = plant.measure(0.3, at(10));
    plant.controller.consider(&tenant(), &[a], at(10)).await.unwrap();
    assert_eq!(plant.states().await, [S::Approved]);
    plant.recorder.set(|k| k.version = 2);
    plant.controller.tick(at(10)).await.unwrap();
    let i = plant.all().await.remove(0);
    assert_eq!((i.state, plant.recorder.effects().len()), (S::Rejected, 0));
    assert!(i.state_reason.contains("the approval is void"), "{}", i.state_reason);
}

#[tokio::test]
async fn the_dry_run_refuses_what_is_too_wide_and_lifts_what_cannot_be_undone() {
    let plant = Plant::new().await;
    plant.recorder.set(|k| k.units = 2);
    let wide = plant.propose(RiskClass::Low, at(0)).await;
    assert_eq!(wide.state, S::Rejected);
    assert!(wide.state_reason.contains("touches 2"), "{}", wide.state_reason);
    plant.recorder.set(|k| (k.units, k.reversible) = (1, false));
    let lasting = plant.propose(RiskClass::Low, at(1)).await;
    assert_eq!((lasting.state, lasting.risk), (S::Validated, RiskClass::Medium));
    plant.ledger("").await;
}

#[tokio::test]
async fn a_playbook_that_observes_is_recorded_once_in_a_while_and_does_nothing() {
    let plant = Plant::new().await;
    plant.save(&PLAYBOOK.replace("auto\n", "observe\n")).await;
    for now in [0, 10, 20, 599] {
        plant.cycle(0.3, at(now)).await;
    }
    assert_eq!(plant.ledger("playbook.").await, ["save", "would_act"]);
    plant.cycle(0.3, at(600)).await;
    assert_eq!(plant.ledger("playbook.").await.len(), 3);
    assert_eq!(plant.states().await, []);
}

#[tokio::test]
async fn auto_is_earned() {
    let plant = Plant::with(|c| c.autonomy_successes = 1).await;
    plant.save(PLAYBOOK).await;
    plant.cycle(0.3, at(10)).await;
    let first = plant.all().await.remove(0);
    assert_eq!((first.state, first.risk), (S::Validated, RiskClass::Medium));
    let digest = first.digest.unwrap();
    plant.controller.approve(&tenant(), first.id, person(2), &digest, at(20)).await.unwrap();
    plant.controller.tick(at(20)).await.unwrap();
    plant.cycle(0.9, at(30)).await;
    plant.cycle(0.9, at(40)).await;
    assert_eq!(plant.states().await, [S::Verified]);
    plant.cycle(0.3, at(1_000)).await;
    assert_eq!(plant.states().await, [S::Verified, S::Executing]);
    plant.ledger("").await;
}

/// A second playbook for the same trouble, of another step and a graver class of risk.
const OTHER: &str = "\
name: another
when: stability.score < 0.5
risk: medium
actuator: webhook
steps: [{ action: other, arguments: { webhook: x } }]
success: [stability.score >= 0.7]
verify_within: 60s
envelope: { cooldown: 10m, max_per_hour: 10 }
autonomy: auto
";

#[tokio::test]
async fn of_two_playbooks_that_fit_the_one_with_the_better_effect_acts_and_failure_turns_it_round() {
    let plant = Plant::new().await;
    plant.save(OTHER).await;
    plant.save(PLAYBOOK).await;
    plant.cycle(0.3, at(10)).await;
    let first = plant.all().await.remove(0);
    assert_eq!(first.plan.steps.len(), 2, "the one of low risk");
    assert!(first.reason.contains("chosen over another ("), "{}", first.reason);
    assert!(first.reason.contains("no history, so 50 % is assumed"), "{}", first.reason);
    assert_eq!(plant.all().await.len(), 1, "the other leaves it alone");
    // It does not help, and is undone; with one failure behind it, it is expected to bring less than the other.
    plant.measure(0.3, at(70));
    plant.controller.tick(at(70)).await.unwrap();
    assert_eq!(plant.states().await, [S::RolledBack]);
    let seen = plant.measure(0.3, at(700));
    let around = Surroundings::default();
    let advice = plant.controller.advise(&tenant(), &seen, &around, at(700)).await.unwrap();
    let names: Vec<&str> = advice.iter().map(|a| a.playbook.name.as_str()).collect();
    assert_eq!(names, ["another", "restart"]);
    assert!(advice.iter().all(|a| a.stands == Stands::Ready && a.weighed.is_some()), "{advice:#?}");
    plant.cycle(0.3, at(700)).await;
    let second = plant.all().await.into_iter().find(|i| i.id != first.id).unwrap();
    assert_eq!(second.plan.steps[0].action, "other", "{}", second.reason);
    let fine = plant.measure(0.9, at(710));
    let advice = plant.controller.advise(&tenant(), &fine, &around, at(710)).await.unwrap();
    assert!(advice.iter().all(|a| a.stands == Stands::Unmet && a.weighed.is_none()), "{advice:#?}");
}
