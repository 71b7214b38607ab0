//! What a crash leaves, and two controllers at once.

use std::sync::Arc;
use std::time::Duration;

use echobase_store::lease::Acquired;
use echobase_types::intervention::InterventionState as S;
use tokio::task::JoinSet;

use super::plant::*;

/// Ticks until the step has stopped, then kills everything.
async fn killed(plant: Plant, stop: Stop) -> Plant {
    plant.recorder.set(|k| k.stop = stop);
    let mut task = JoinSet::new();
    let controller = plant.controller.clone();
    task.spawn(async move { controller.tick(at(10)).await });
    let stopped = tokio::time::timeout(Duration::from_secs(10), plant.recorder.stopped.notified()).await;
    stopped.expect("the step was not begun");
    task.abort_all();
    while task.join_next().await.is_some() {}
    plant.restart().await
}

#[tokio::test]
async fn a_step_that_was_under_way_is_settled_by_its_target() {
    for (stop, knows, effects, state) in [
        // The target knows: done once, whenever the power went.
        (Stop::Before, true, &["apply 0 one"][..], S::Executing),
        (Stop::After, true, &["apply 0 one"][..], S::Executing),
        // Nobody knows: it is undone, done or not.
        (Stop::Before, false, &["revert 0 one"][..], S::RolledBack),
        (Stop::After, false, &["apply 0 one", "revert 0 one"][..], S::RolledBack),
    ] {
        let plant = Plant::new().await;
        plant.recorder.set(|k| k.knows = knows);
        let made = plant.propose_and_approve(at(0)).await;
        let plant = killed(plant, stop).await;
        let left = plant.get(made.id).await;
        assert_eq!((left.state, left.receipts.len()), (S::Executing, 0));
        plant.controller.tick(at(11)).await.unwrap();
        let now = plant.get(made.id).await;
        assert_eq!(now.state, state, "{stop:?} {knows}");
        assert!(now.epoch > left.epoch, "a new controller acts under a new number");
        assert_eq!(plant.recorder.effects(), effects, "{stop:?} {knows}");
        plant.ledger("").await;
        // Whatever was left comes to its end.
        plant.cycle(0.9, at(20)).await;
        plant.cycle(0.9, at(30)).await;
        let end = if state == S::Executing { S::Verified } else { state };
        assert_eq!(plant.get(made.id).await.state, end);
        let told = plant.ledger("intervention.").await;
        assert_eq!(told.iter().filter(|verb| *verb == "execute").count(), 1);
    }
}

#[tokio::test]
async fn a_way_back_asked_for_while_a_step_is_under_way_undoes_that_step_too() {
    for stop in [Stop::Before, Stop::After] {
        let plant = Plant::new().await;
        let made = plant.propose_and_approve(at(0)).await;
        let plant = killed(plant, stop).await;
        plant.controller.rollback(&tenant(), made.id, "back", actor(2), at(11)).await.unwrap();
        plant.controller.tick(at(12)).await.unwrap();
        assert_eq!(plant.get(made.id).await.state, S::RolledBack);
        let expected: &[&str] = if stop == Stop::After { &["apply 0 one", "revert 0 one"] } else { &[] };
        assert_eq!(plant.recorder.effects(), expected);
        plant.ledger("").await;
    }
}

#[tokio::test]
async fn what_was_proposed_or_approved_before_a_crash_goes_on_after_it() {
    let plant = Plant::new().await;
    plant.save(PLAYBOOK).await;
    let a = plant.measure(0.3, at(0));
    plant.controller.consider(&tenant(), &[a], at(0)).await.unwrap();
    assert_eq!(plant.states().await, [S::Approved]);
    let plant = plant.restart().await;
    plant.controller.tick(at(5)).await.unwrap();
    assert_eq!(plant.states().await, [S::Executing]);
    let plant = plant.restart().await;
    // Verification goes on; with nothing measured it runs out.
    plant.controller.tick(at(66)).await.unwrap();
    assert_eq!(plant.states().await, [S::RolledBack]);
    plant.ledger("").await;
}

#[tokio::test]
async fn of_two_controllers_one_acts_and_the_late_one_is_fenced_off() {
    let plant = Plant::new().await;
    let made = plant.propose_and_approve(at(0)).await;
    // The first one hangs in its step, and its lease runs out.
    plant.recorder.set(|k| k.stop = Stop::Before);
    let mut hanging = JoinSet::new();
    let first = plant.controller.clone();
    hanging.spawn(async move { first.tick(at(1)).await });
    plant.recorder.stopped.notified().await;
    let elsewhere = Arc::new(tempfile::tempdir().unwrap());
    let second = controller_of(&elsewhere, &plant.store, &plant.recorder, &plant.meter, &plant.config);
    second.tick(at(5)).await.unwrap();
    assert_eq!(plant.get(made.id).await.receipts.len(), 0, "the lease is held");
    plant.recorder.set(|k| k.stop = Stop::Never);
    second.tick(at(12)).await.unwrap();
    assert_eq!(plant.recorder.effects(), ["apply 0 one"]);
    let lease = plant.store.leases().get(&tenant(), "controller").await.unwrap().unwrap();
    assert_eq!((lease.epoch, plant.get(made.id).await.epoch), (2, 2));
    // Awake again, the first one cannot act: it has no lease, and its number is too small at the target.
    hanging.abort_all();
    while hanging.join_next().await.is_some() {}
    plant.controller.tick(at(13)).await.unwrap();
    assert_eq!(plant.recorder.effects(), ["apply 0 one"]);
    let stolen =
        plant.store.leases().acquire(&tenant(), "controller", "x", Duration::from_secs(1), at(13)).await;
    assert!(matches!(stolen.unwrap(), Acquired::Busy(_)));
    plant.ledger("").await;
}
