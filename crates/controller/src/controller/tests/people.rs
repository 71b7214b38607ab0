//! What people decide, and the switch.

use std::time::Duration;

use echobase_store::Trail;
use echobase_store::freeze::{Freeze, FreezeScope};
use echobase_store::principal::Standing;
use echobase_types::ErrorKind;
use echobase_types::intervention::{InterventionState as S, RiskClass};

use super::plant::*;
use crate::controller::{Change, Release};
use crate::freeze::FlagFile;

#[tokio::test]
async fn a_persons_proposal_goes_the_same_way() {
    let plant = Plant::new().await;
    let mut changes = plant.controller.subscribe();
    let made = plant.propose(RiskClass::High, at(0)).await;
    assert_eq!(made.state, S::Validated);
    let digest = made.digest.clone().unwrap();
    let yes = |n: u128, digest: &str| {
        let digest = digest.to_owned();
        let controller = plant.controller.clone();
        async move {
            controller
                .approve(&tenant(), made.id, person(n), &digest, at(10))
                .await
                .map(|i| i.state)
                .map_err(|e| e.kind())
        }
    };
    for (n, digest, expected) in [
        (1, digest.as_str(), Err(ErrorKind::Denied)),
        (4, &digest, Err(ErrorKind::Denied)),
        (9, &digest, Err(ErrorKind::NotFound)),
        (2, "0000", Err(ErrorKind::Conflict)),
        (2, &digest, Ok(S::Validated)),
        (2, &digest, Err(ErrorKind::Conflict)),
        (3, &digest, Ok(S::Approved)),
    ] {
        assert_eq!(yes(n, digest).await, expected, "{n} {digest}");
    }
    plant.controller.tick(at(20)).await.unwrap();
    plant.cycle(0.9, at(30)).await;
    plant.cycle(0.9, at(40)).await;
    assert_eq!(plant.states().await, [S::Verified]);
    let told = plant.ledger("intervention.").await;
    let refused = ["approve!", "approve!", "approve!", "approve", "approve!", "approve"];
    assert_eq!(told[..2], ["propose", "validate"]);
    assert_eq!(told[2..8], refused);
    assert_eq!(told[8..], ["execute", "step", "verify"]);
    let mut seen = Vec::new();
    while let Ok(Change::Intervention { intervention, .. }) = changes.try_recv() {
        seen.push(intervention.state);
    }
    assert_eq!(
        seen,
        [S::Proposed, S::Validated, S::Validated, S::Approved, S::Executing, S::Executing, S::Verified]
    );

    // A person may have it undone all the same.
    plant.controller.rollback(&tenant(), made.id, "it was not that", actor(2), at(50)).await.unwrap();
    plant.controller.tick(at(50)).await.unwrap();
    assert_eq!(plant.states().await, [S::RolledBack]);
    assert_eq!(plant.recorder.effects(), ["apply 0 one", "revert 0 one"]);
    plant.ledger("").await;
}

#[tokio::test]
async fn what_is_waiting_can_be_refused_taken_back_and_runs_out() {
    let plant = Plant::new().await;
    let first = plant.propose(RiskClass::Medium, at(0)).await;
    let second = plant.propose(RiskClass::Medium, at(1)).await;
    assert_eq!(second.state, S::Rejected);
    assert!(second.state_reason.contains("is validated"), "{}", second.state_reason);
    plant.controller.reject(&tenant(), first.id, "no", actor(2), at(2)).await.unwrap();
    let third = plant.propose(RiskClass::Medium, at(3)).await;
    plant.controller.cancel(&tenant(), third.id, "no need", actor(1), at(4)).await.unwrap();
    let fourth = plant.propose(RiskClass::Medium, at(5)).await;
    plant.controller.tick(at(904)).await.unwrap();
    assert_eq!(plant.get(fourth.id).await.state, S::Validated);
    plant.controller.tick(at(905)).await.unwrap();
    assert_eq!(plant.states().await, [S::Rejected, S::Rejected, S::Cancelled, S::Expired]);
    let late =
        plant.controller.approve(&tenant(), fourth.id, person(2), &fourth.digest.unwrap(), at(906)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    plant.ledger("").await;
}

#[tokio::test]
async fn a_suggestion_waits_for_somebody_to_take_it_up() {
    let plant = Plant::new().await;
    plant.save(&PLAYBOOK.replace("auto\n", "suggest\n")).await;
    plant.cycle(0.3, at(0)).await;
    assert_eq!(plant.states().await, [S::Proposed]);
    let id = plant.all().await[0].id;
    let taken = plant.controller.validate(&tenant(), id, actor(2), at(10)).await.unwrap();
    assert_eq!((taken.state, taken.risk), (S::Validated, RiskClass::Medium));
    plant.controller.tick(at(910)).await.unwrap();
    plant.cycle(0.3, at(1_600)).await;
    assert_eq!(plant.states().await, [S::Expired, S::Proposed]);
    plant.controller.tick(at(1_600 + 3_600)).await.unwrap();
    assert_eq!(plant.states().await, [S::Expired, S::Cancelled]);
    plant.ledger("").await;
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_what_waits() {
    let plant = Plant::new().await;
    let suggest = PLAYBOOK.replace("auto\n", "suggest\n");
    plant.save(&suggest).await;
    plant.cycle(0.3, at(0)).await;
    let saved = plant.save(&suggest.replace("60s", "61s")).await;
    assert_eq!(saved.version, 2);
    plant.cycle(0.3, at(10)).await;
    assert_eq!(plant.states().await, [S::Superseded, S::Proposed]);
    plant.ledger("").await;
}

#[tokio::test]
async fn what_waits_ends_with_its_playbook() {
    for deleted in [false, true] {
        let plant = Plant::new().await;
        let playbook = plant.save(PLAYBOOK).await;
        let a = plant.measure(0.3, at(0));
        plant.controller.consider(&tenant(), &[a], at(0)).await.unwrap();
        assert_eq!(plant.states().await, [S::Approved]);
        if deleted {
            plant.controller.delete_playbook(&tenant(), playbook.id, actor(1), at(1)).await.unwrap();
        } else {
            let off = echobase_store::playbook::Switch::Disabled;
            plant.controller.switch_playbook(&tenant(), playbook.id, off, actor(1), at(1)).await.unwrap();
        }
        plant.cycle(0.3, at(2)).await;
        assert_eq!(plant.states().await, [S::Cancelled]);
        assert_eq!(plant.recorder.effects(), [""; 0]);
        plant.ledger("").await;
    }
}

#[tokio::test]
async fn bad_proposals_and_playbooks_are_refused_with_the_reason() {
    let plant = Plant::new().await;
    let mut none = plant.proposal(RiskClass::Low);
    none.success.clear();
    let mut typo = plant.proposal(RiskClass::Low);
    typo.success = vec!["stability.scor > 0.5".into()];
    for proposal in [none, typo] {
        let refused = plant.controller.propose(&tenant(), proposal, actor(1), at(0)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unprocessable);
    }
    let mut refused = plant.proposal(RiskClass::Low);
    refused.steps[0].action = "refuse".into();
    let refused = plant.controller.propose(&tenant(), refused, actor(1), at(0)).await.unwrap();
    assert_eq!((refused.state, refused.state_reason.as_str()), (S::Rejected, "this step is never done"));
    let source = PLAYBOOK.replace("actuator: webhook", "actuator: process").replace(
        "[{ action: one, arguments: { webhook: x } }, { action: two, arguments: { webhook: x } }]",
        "[{ action: restart }]",
    );
    let parsed = crate::playbook::parse(&source).unwrap();
    let unknown =
        plant.controller.save_playbook(&tenant(), None, parsed, &source, true, actor(1), at(0)).await;
    assert!(unknown.unwrap_err().to_string().contains("there are webhook"));
}

#[tokio::test]
async fn nothing_is_begun_while_frozen_and_rollbacks_go_on() {
    let plant = Plant::new().await;
    let running = plant.propose_and_approve(at(0)).await;
    plant.controller.tick(at(0)).await.unwrap();
    assert_eq!(plant.get(running.id).await.state, S::Executing);
    plant.controller.freeze(&tenant(), FreezeScope::Tenant, "stop", actor(2), at(1)).await.unwrap();
    plant.save(PLAYBOOK).await;
    plant.cycle(0.3, at(2)).await;
    assert_eq!(plant.states().await.len(), 1, "nothing new is proposed");
    plant.controller.rollback(&tenant(), running.id, "back", actor(2), at(3)).await.unwrap();
    plant.controller.tick(at(3)).await.unwrap();
    assert_eq!(plant.get(running.id).await.state, S::RolledBack);
    // What a person wants by hand is stopped by the same guard.
    let asked = plant.propose(RiskClass::Medium, at(400)).await;
    assert_eq!((asked.state, asked.state_reason.as_str()), (S::Rejected, "tenant is frozen: stop"));
    for n in [2, 3] {
        plant
            .controller
            .release(&tenant(), FreezeScope::Tenant, "go", person(n), actor(n), at(401))
            .await
            .unwrap();
    }
    // What was approved before a freeze waits until it is over.
    let waiting = plant.propose_and_approve(at(402)).await;
    plant.controller.freeze(&tenant(), FreezeScope::Tenant, "stop", actor(2), at(402)).await.unwrap();
    plant.controller.tick(at(403)).await.unwrap();
    assert_eq!(plant.get(waiting.id).await.state, S::Approved);
    for n in [2, 3] {
        plant
            .controller
            .release(&tenant(), FreezeScope::Tenant, "go", person(n), actor(n), at(404))
            .await
            .unwrap();
    }
    plant.controller.tick(at(405)).await.unwrap();
    assert_eq!(plant.get(waiting.id).await.state, S::Executing);
    assert_eq!(plant.recorder.effects(), ["apply 0 one", "revert 0 one", "apply 0 one"]);
    assert_eq!(
        plant.ledger("freeze.").await,
        ["set", "request_release", "release", "set", "request_release", "release"]
    );
}

#[tokio::test]
async fn a_freeze_says_why() {
    let plant = Plant::new().await;
    for reason in ["", " \n"] {
        let refused = plant.controller.freeze(&tenant(), FreezeScope::Tenant, reason, actor(1), at(0)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(plant.controller.freezes(&tenant()).await.unwrap(), []);
    assert!(!plant.folder.path().join("freeze").exists());
}

#[tokio::test]
async fn low_risk_by_hand_is_medium_and_waits_for_another_person() {
    let plant = Plant::new().await;
    let made = plant.propose(RiskClass::Low, at(0)).await;
    assert_eq!((made.state, made.risk, made.approvals.len()), (S::Validated, RiskClass::Medium, 0));
    plant.controller.tick(at(1)).await.unwrap();
    assert_eq!((plant.states().await, plant.recorder.effects()), (vec![S::Validated], Vec::new()));
    let digest = made.digest.unwrap();
    let own = plant.controller.approve(&tenant(), made.id, person(1), &digest, at(2)).await;
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Denied);
    plant.controller.approve(&tenant(), made.id, person(2), &digest, at(3)).await.unwrap();
    plant.controller.tick(at(3)).await.unwrap();
    assert_eq!(plant.recorder.effects(), ["apply 0 one"]);
    plant.ledger("").await;
}

#[tokio::test]
async fn the_rates_stop_what_is_wanted_by_hand_too() {
    type Change = fn(&mut crate::config::ControllerConfig);
    let cases: [(Change, &str); 2] = [
        (|c| c.tenant_per_hour = 2, "this tenant may act 2 times an hour"),
        (|c| c.global_per_hour = 2, "this installation may act 2 times an hour"),
    ];
    for (change, words) in cases {
        let plant = Plant::with(|c| {
            c.cooldown_floor = Duration::ZERO;
            change(c);
        })
        .await;
        for now in [0, 100] {
            plant.propose_and_approve(at(now)).await;
            plant.controller.tick(at(now)).await.unwrap();
            plant.cycle(0.9, at(now + 10)).await;
            plant.cycle(0.9, at(now + 20)).await;
        }
        assert_eq!(plant.states().await, [S::Verified; 2]);
        let third = plant.propose(RiskClass::Medium, at(200)).await;
        assert_eq!(third.state, S::Rejected);
        assert!(third.state_reason.contains(words), "{}", third.state_reason);
        let later = plant.propose(RiskClass::Medium, at(4_000)).await;
        assert_eq!(later.state, S::Validated, "{}", later.state_reason);
        plant.ledger("").await;
    }
}

#[tokio::test]
async fn in_a_storm_the_approver_of_a_manual_proposal_is_told() {
    let plant = Plant::new().await;
    for now in 0..5 {
        let made = plant.propose(RiskClass::Low, at(now)).await;
        assert_eq!(made.reason, "it looks bad");
        plant.controller.cancel(&tenant(), made.id, "no need", actor(1), at(now)).await.unwrap();
    }
    let sixth = plant.propose(RiskClass::Low, at(5)).await;
    assert_eq!((sixth.state, sixth.risk), (S::Validated, RiskClass::Medium));
    assert!(sixth.reason.contains("5 interventions within 10m"), "{}", sixth.reason);
}

#[tokio::test]
async fn a_target_that_nobody_knows_is_not_found() {
    let plant = Plant::new().await;
    let mut unknown = plant.proposal(RiskClass::Medium);
    unknown.target = "service:shop/ordres".parse().unwrap();
    let refused = plant.controller.propose(&tenant(), unknown, actor(1), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert_eq!((plant.states().await, plant.ledger("").await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn the_file_alone_freezes_and_the_database_catches_up() {
    let plant = Plant::new().await;
    let waiting = plant.propose_and_approve(at(0)).await;
    let freeze = Freeze {
        scope: FreezeScope::Tenant,
        reason: "the disk was full".into(),
        by: "ana".into(),
        since: at(0),
        release_requested_by: None,
    };
    FlagFile::within(plant.folder.path()).add(&tenant(), &freeze).unwrap();
    plant.controller.tick(at(1)).await.unwrap();
    assert_eq!(plant.get(waiting.id).await.state, S::Approved);
    let stored = plant.store.freezes().list(&tenant()).await.unwrap();
    assert_eq!((stored.len(), stored[0].by.as_str()), (1, "ana"));
    assert_eq!(plant.ledger("freeze.").await, ["set"]);
    // Made by hand, it freezes everything and goes by hand.
    std::fs::write(plant.folder.path().join("freeze"), "").unwrap();
    let release =
        plant.controller.release(&tenant(), FreezeScope::Tenant, "x", person(2), actor(2), at(2)).await;
    assert!(release.unwrap_err().to_string().contains("by hand"));
}

#[tokio::test]
async fn a_single_person_releases_alone_only_where_the_configuration_says_so() {
    for allowed in [false, true] {
        let plant = Plant::with(|c| c.allow_single_person_unfreeze = allowed).await;
        let controller = plant.controller.clone();
        let release = || async {
            controller.release(&tenant(), FreezeScope::Tenant, "go", person(1), actor(1), at(1)).await
        };
        plant.controller.freeze(&tenant(), FreezeScope::Tenant, "stop", actor(1), at(0)).await.unwrap();
        assert_eq!(release().await.unwrap(), Release::Asked, "there are others");
        for n in [2, 3] {
            let standing = Standing::Suspended;
            plant
                .store
                .principals()
                .set_standing(&tenant(), person(n), standing, Trail::none(), at(1))
                .await
                .unwrap();
        }
        match release().await {
            Ok(done) => assert!(allowed && done == Release::Done),
            Err(e) => assert!(!allowed && e.to_string().contains("allow_single_person_unfreeze"), "{e}"),
        }
    }
}

#[tokio::test]
async fn the_loop_runs_by_itself_and_gives_its_lease_back() {
    let plant = Plant::new().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut changes = plant.controller.subscribe();
    tasks.spawn(plant.controller.clone().run(shutdown.clone()));
    let made = plant.propose_and_approve(T0).await;
    let executed = async {
        loop {
            if let Ok(Change::Intervention { intervention, .. }) = changes.recv().await
                && intervention.executed_at.is_some()
            {
                return intervention.id;
            }
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(60), executed).await.unwrap();
    assert_eq!(id, made.id);
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    let lease = plant.store.leases().get(&tenant(), "controller").await.unwrap().unwrap();
    assert_eq!(lease.expires_at, T0);
}
