//! Playbooks, interventions, freezes, leases, effects, alerts, jobs, answers, resources, the file catalog.

use std::time::Duration;

use echobase_store::alert::{AlertFilter, Fired, StateFilter};
use echobase_store::catalog::DataFile;
use echobase_store::effect::{Admit, Direction, EffectKey};
use echobase_store::freeze::FreezeScope;
use echobase_store::idempotency::{Answer, Replay};
use echobase_store::intervention::{CountScope, InterventionFilter};
use echobase_store::job::{Cancel, JobState};
use echobase_store::lease::Acquired;
use echobase_store::playbook::Switch;
use echobase_store::{OpenMode, PageRequest, StoreError, Trail, fresh_uuid};
use echobase_types::alert::AlertState;
use echobase_types::assessment::Severity;
use echobase_types::intervention::{
    Approval, Intervention, InterventionState, Proposer, StepReceipt, Verification,
};
use echobase_types::resource::DependencySource;
use echobase_types::{
    Attributes, Dependency, ErrorKind, JobId, PrincipalId, Resource, ResourceKind, Timestamp,
};

use crate::fixture::{Fixture, alert, at, intervention, playbook, playbook_id, resource, tenant, trail};

fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> ErrorKind {
    answer.unwrap_err().kind()
}

fn somebody(n: u128) -> PrincipalId {
    format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap()
}

fn receipt(step: u32) -> StepReceipt {
    StepReceipt {
        step,
        summary: "done".to_owned(),
        undo: "{\"pid\":7}".to_owned(),
        output: "ok\n".to_owned(),
    }
}

#[tokio::test]
async fn a_playbook_keeps_all_its_versions() {
    let fixture = Fixture::new().await;
    let (playbooks, a) = (fixture.store.playbooks(), tenant("a"));
    let first = playbooks
        .save(&a, &playbook(1, "leak"), |p| trail(&format!("playbook.v{}", p.version)), at(1))
        .await
        .unwrap();
    assert_eq!((first.version, first.saved_at), (1, at(1)));
    assert_eq!(playbooks.get(&a, first.id).await.unwrap(), first);
    let changed = echobase_types::playbook::Playbook { condition: "true".to_owned(), ..first.clone() };
    let second = playbooks.save(&a, &changed, |_| Trail::none(), at(2)).await.unwrap();
    assert_eq!((second.version, second.condition.as_str()), (2, "true"));
    // The second writer saw version 1 as well.
    assert_eq!(kind(playbooks.save(&a, &first, |_| trail("x.y"), at(3)).await), ErrorKind::Conflict);
    assert_eq!(playbooks.get_version(&a, first.id, 1).await.unwrap(), first);
    let versions = playbooks.versions(&a, first.id, &PageRequest::first()).await.unwrap();
    assert_eq!(versions.items.iter().map(|p| p.version).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_playbook_name_is_taken_until_its_playbook_is_deleted() {
    let fixture = Fixture::new().await;
    let (playbooks, a) = (fixture.store.playbooks(), tenant("a"));
    let one = playbooks.save(&a, &playbook(1, "leak"), |_| Trail::none(), at(1)).await.unwrap();
    assert_eq!(
        kind(playbooks.save(&a, &playbook(2, "leak"), |_| Trail::none(), at(1)).await),
        ErrorKind::Conflict
    );
    playbooks.switch(&a, one.id, Switch::Disabled, trail("playbook.disable"), at(2)).await.unwrap();
    assert_eq!(playbooks.enabled(&a).await.unwrap(), []);
    assert!(!playbooks.by_name(&a, "leak").await.unwrap().enabled);
    playbooks.delete(&a, one.id, trail("playbook.delete"), at(3)).await.unwrap();
    assert_eq!(kind(playbooks.get(&a, one.id).await), ErrorKind::NotFound);
    assert_eq!(playbooks.get_version(&a, one.id, 1).await.unwrap().name, "leak");
    playbooks.save(&a, &playbook(2, "leak"), |_| Trail::none(), at(4)).await.unwrap();
    assert_eq!(playbooks.enabled(&a).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_intervention_reads_back_as_it_was_written() {
    let fixture = Fixture::new().await;
    let (interventions, a) = (fixture.store.interventions(), tenant("a"));
    let full = Intervention {
        state: InterventionState::Validated,
        digest: Some("ab".repeat(32)),
        approvals: vec![
            Approval { by: Some(somebody(1)), at: at(3), digest: "cd".to_owned() },
            Approval { by: None, at: at(4), digest: "ef".to_owned() },
        ],
        receipts: vec![receipt(0)],
        verification: Some(Verification::Unknown),
        epoch: u64::MAX >> 1,
        executed_at: Some(at(5)),
        proposer: Proposer::Principal { id: somebody(2) },
        ..intervention("service:shop/orders", 1)
    };
    let made = interventions.create(&a, &full, trail("intervention.propose"), at(6)).await.unwrap();
    assert_eq!(made, Intervention { version: 1, updated_at: at(6), ..full.clone() });
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    let interventions = fixture.store.interventions();
    assert_eq!(interventions.get(&a, full.id).await.unwrap(), made);
    assert_eq!(kind(interventions.create(&a, &full, trail("x.y"), at(6)).await), ErrorKind::Conflict);
    assert_eq!(kind(interventions.get(&tenant("b"), full.id).await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_who_saw_the_same_version_one_wins() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    let made = fixture
        .store
        .interventions()
        .create(&a, &intervention("service:x", 1), Trail::none(), at(1))
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (store, a, seen) = (fixture.store.clone(), a.clone(), made.clone());
        tasks.spawn(async move {
            let mine =
                Intervention { state: InterventionState::Validated, state_reason: n.to_string(), ..seen };
            store.interventions().update(&a, &mine, trail("intervention.validate"), at(2)).await
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended.unwrap() {
            Ok(won) => winners.push(won),
            Err(lost) => assert_eq!(lost.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(fixture.store.interventions().get(&a, made.id).await.unwrap(), winners[0]);
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, 1);
}

#[tokio::test]
async fn an_intervention_moves_only_along_its_states() {
    let fixture = Fixture::new().await;
    let (interventions, a) = (fixture.store.interventions(), tenant("a"));
    let made = interventions.create(&a, &intervention("service:x", 1), Trail::none(), at(1)).await.unwrap();
    let jump = Intervention { state: InterventionState::Executing, ..made.clone() };
    assert_eq!(kind(interventions.update(&a, &jump, trail("x.y"), at(2)).await), ErrorKind::Conflict);
    let mut now = made;
    for (secs, state) in [
        (10, InterventionState::Validated),
        (20, InterventionState::Approved),
        (30, InterventionState::Executing),
        (40, InterventionState::Executing),
        (50, InterventionState::Verified),
    ] {
        let next = Intervention { state, ..now };
        now = interventions.update(&a, &next, trail("intervention.step"), at(secs)).await.unwrap();
    }
    assert_eq!((now.version, now.updated_at), (6, at(50)));
    assert_eq!(interventions.open(&a).await.unwrap(), []);
    // Counted from when it began to execute, not from later writes in the same state.
    for (scope, since, want) in [
        (CountScope::Tenant, 30, 1),
        (CountScope::Tenant, 31, 0),
        (CountScope::Target(resource("service:x")), 30, 1),
        (CountScope::Target(resource("service:y")), 0, 0),
        (CountScope::Playbook(playbook_id(7)), 0, 1),
        (CountScope::Playbook(playbook_id(8)), 0, 0),
    ] {
        assert_eq!(interventions.started_since(&a, &scope, at(since)).await.unwrap(), want, "{scope:?}");
    }
    let last = interventions.last_started(&a, &CountScope::Target(resource("service:x"))).await.unwrap();
    assert_eq!(last, Some(at(30)));
}

#[tokio::test]
async fn pages_of_interventions_meet_their_filters_and_lose_nothing() {
    let fixture = Fixture::new().await;
    let (interventions, a) = (fixture.store.interventions(), tenant("a"));
    let mut ids = Vec::new();
    for n in 0..23 {
        let mut one = intervention(if n % 2 == 0 { "service:x" } else { "service:y" }, n);
        if n % 5 == 0 {
            one.state = InterventionState::Rejected;
        }
        ids.push(interventions.create(&a, &one, Trail::none(), at(n)).await.unwrap().id);
    }
    ids.reverse();
    let mut request = PageRequest::new(None, Some(5)).unwrap();
    let mut seen = Vec::new();
    loop {
        let page = interventions.page(&a, &InterventionFilter::default(), &request).await.unwrap();
        seen.extend(page.items.iter().map(|i| i.id));
        match page.next {
            Some(next) => request = request.at(next),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    for (filter, want) in [
        (InterventionFilter { states: vec![InterventionState::Rejected], ..Default::default() }, 5),
        (InterventionFilter { target: Some(resource("service:y")), ..Default::default() }, 11),
        (InterventionFilter { playbook: Some(playbook_id(7)), ..Default::default() }, 23),
        (InterventionFilter { since: Some(at(20)), ..Default::default() }, 3),
    ] {
        let page = interventions.page(&a, &filter, &PageRequest::largest()).await.unwrap();
        assert_eq!((page.items.len(), page.next), (want, None), "{filter:?}");
    }
    let wrong = PageRequest::new(Some(echobase_store::Cursor::from_text("!")), None).unwrap();
    assert_eq!(
        kind(interventions.page(&a, &InterventionFilter::default(), &wrong).await),
        ErrorKind::Invalid
    );
    assert!(PageRequest::new(None, Some(501)).is_err() && PageRequest::new(None, Some(0)).is_err());
}

#[tokio::test]
async fn a_freeze_survives_a_restart_and_two_people_release_it() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    let scope = FreezeScope::Resource(resource("service:x"));
    fixture.store.freezes().set(&a, &scope, "page", "controller", trail("freeze.set"), at(1)).await.unwrap();
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    let freezes = fixture.store.freezes();
    for (target, held) in [("service:x", true), ("service:y", false)] {
        assert_eq!(freezes.covering(&a, &resource(target), None).await.unwrap().is_some(), held, "{target}");
    }
    let confirm = |n| freezes.confirm_release(&a, &scope, somebody(n), trail("freeze.release"), at(3));
    assert_eq!(kind(confirm(1).await), ErrorKind::Conflict);
    freezes.request_release(&a, &scope, somebody(1), trail("freeze.ask"), at(2)).await.unwrap();
    assert_eq!(kind(confirm(1).await), ErrorKind::Conflict);
    // Freezing again makes the request void.
    freezes.set(&a, &scope, "again", "controller", trail("freeze.set"), at(2)).await.unwrap();
    assert_eq!(kind(confirm(2).await), ErrorKind::Conflict);
    assert_eq!(freezes.list(&a).await.unwrap()[0].reason, "page");
    freezes.request_release(&a, &scope, somebody(1), trail("freeze.ask"), at(2)).await.unwrap();
    confirm(2).await.unwrap();
    assert_eq!(freezes.list(&a).await.unwrap(), []);
    assert_eq!(kind(freezes.clear(&a, &scope, trail("x.y"), at(4)).await), ErrorKind::NotFound);
}

#[test]
fn freeze_scopes_read_back_and_cover_what_they_name() {
    for (text, x, by_seven) in [
        ("tenant", true, true),
        ("resource:service:x", true, false),
        ("playbook:00000000-0000-7000-8000-000000000007", false, true),
    ] {
        let scope: FreezeScope = text.parse().unwrap();
        assert_eq!(scope.to_string(), text);
        assert_eq!(scope.covers(&resource("service:x"), None), x);
        assert_eq!(scope.covers(&resource("service:y"), Some(playbook_id(7))), by_seven);
    }
    for text in ["", "tenants", "resource:", "playbook:7", "host:a"] {
        assert!(text.parse::<FreezeScope>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_lease_has_one_holder_and_a_larger_epoch_for_each() {
    let fixture = Fixture::new().await;
    let (leases, a) = (fixture.store.leases(), tenant("a"));
    let ten = Duration::from_secs(10);
    let acquire = |who: &'static str, secs| {
        let (leases, a) = (&leases, &a);
        async move { leases.acquire(a, "controller", who, ten, at(secs)).await.unwrap() }
    };
    let Acquired::Held(one) = acquire("one", 0).await else { panic!("free") };
    assert_eq!((one.epoch, one.expires_at), (1, at(10)));
    assert_eq!(acquire("two", 9).await, Acquired::Busy(one.clone()));
    let one = leases.renew(&a, &one, ten, at(5)).await.unwrap();
    assert!(matches!(acquire("two", 14).await, Acquired::Busy(_)));
    let Acquired::Held(two) = acquire("two", 15).await else { panic!("expired") };
    assert_eq!(two.epoch, 2);
    assert_eq!(kind(leases.renew(&a, &one, ten, at(15)).await), ErrorKind::Conflict);
    assert_eq!(kind(leases.release(&a, &one, at(15)).await), ErrorKind::Conflict);
    leases.release(&a, &two, at(16)).await.unwrap();
    // Released is lost: even its last holder must ask again, and gets a new epoch.
    assert_eq!(kind(leases.renew(&a, &two, ten, at(16)).await), ErrorKind::Conflict);
    let Acquired::Held(again) = acquire("two", 16).await else { panic!("free") };
    let Acquired::Held(restarted) = acquire("two", 17).await else { panic!("ours") };
    assert_eq!((again.epoch, restarted.epoch), (3, 4));
    assert_eq!(leases.get(&a, "other").await.unwrap(), None);
}

#[tokio::test]
async fn an_action_is_done_once_and_never_under_an_old_epoch() {
    let fixture = Fixture::new().await;
    let (effects, a) = (fixture.store.effects(), tenant("a"));
    let key = EffectKey {
        target: resource("service:x"),
        intervention: intervention("service:x", 1).id,
        step: 0,
        direction: Direction::Apply,
    };
    let admit = |key: EffectKey, epoch| {
        let (effects, a) = (&effects, &a);
        async move { effects.admit(a, &key, epoch, at(1)).await.unwrap() }
    };
    assert_eq!(admit(key.clone(), 3).await, Admit::First);
    // It crashed in the middle: the next one learns that it may have been done.
    assert_eq!(admit(key.clone(), 4).await, Admit::Unfinished { epoch: 3 });
    assert_eq!(admit(key.clone(), 3).await, Admit::Fenced { epoch: 4 });
    assert_eq!(kind(effects.record(&a, &key, 3, &receipt(0), at(2)).await), ErrorKind::Conflict);
    effects.record(&a, &key, 4, &receipt(0), at(2)).await.unwrap();
    assert_eq!(kind(effects.record(&a, &key, 4, &receipt(0), at(2)).await), ErrorKind::Conflict);
    assert_eq!(admit(key.clone(), 5).await, Admit::Already(receipt(0)));
    let other = EffectKey { step: 1, ..key.clone() };
    assert_eq!(admit(other.clone(), 4).await, Admit::Fenced { epoch: 5 });
    assert_eq!(admit(other, 5).await, Admit::First);
    assert_eq!(admit(EffectKey { direction: Direction::Revert, ..key.clone() }, 5).await, Admit::First);
    assert_eq!(admit(EffectKey { target: resource("service:y"), ..key }, 1).await, Admit::First);
}

#[tokio::test]
async fn an_alert_fires_once_per_key_and_again_only_when_worse() {
    let fixture = Fixture::new().await;
    let (alerts, a) = (fixture.store.alerts(), tenant("a"));
    let fire = |severity, secs| {
        let (alerts, a) = (&alerts, &a);
        async move {
            alerts.fire(a, &alert("k", severity, secs), |_| trail("alert.fire"), at(secs)).await.unwrap()
        }
    };
    let Fired::New(new) = fire(Severity::Warning, 1).await else { panic!("first") };
    let Fired::Again(again) = fire(Severity::Warning, 2).await else { panic!("second") };
    assert_eq!((again.id, again.count, again.last_fired_at, again.started_at), (new.id, 2, at(2), at(1)));
    let taken = alerts.acknowledge(&a, new.id, somebody(1), trail("alert.ack"), at(3)).await.unwrap();
    assert_eq!(taken.state, AlertState::Acknowledged { at: at(3) });
    assert_eq!(alerts.acknowledged_by(&a, new.id).await.unwrap(), Some(somebody(1)));
    let Fired::Again(still) = fire(Severity::Info, 4).await else { panic!("better") };
    assert_eq!((still.severity, still.state), (Severity::Info, AlertState::Acknowledged { at: at(3) }));
    let Fired::Worse(worse) = fire(Severity::Critical, 5).await else { panic!("worse") };
    assert_eq!(worse.state, AlertState::Firing);
    let resolved = alerts.resolve(&a, "k", |_| trail("alert.resolve"), at(6)).await.unwrap().unwrap();
    assert_eq!(resolved.state, AlertState::Resolved { at: at(6) });
    assert_eq!(alerts.get(&a, new.id).await.unwrap(), resolved);
    assert_eq!(alerts.resolve(&a, "k", |_| trail("alert.resolve"), at(7)).await.unwrap(), None);
    assert_eq!(
        kind(alerts.acknowledge(&a, new.id, somebody(1), trail("x.y"), at(7)).await),
        ErrorKind::Conflict
    );
    let Fired::New(next) = fire(Severity::Info, 8).await else { panic!("after resolving") };
    assert_ne!(next.id, new.id);
    // New, taken, worse, resolved, new: the rest told nobody.
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, 5);
}

#[tokio::test]
async fn alerts_are_listed_by_state_and_grouped() {
    let fixture = Fixture::new().await;
    let (alerts, a) = (fixture.store.alerts(), tenant("a"));
    for (n, severity) in
        [Severity::Info, Severity::Critical, Severity::Warning, Severity::Info].into_iter().enumerate()
    {
        let mut one = alert(&format!("k{n}"), severity, n as i64);
        if n == 3 {
            one.group_key = "other".to_owned();
        }
        let fired = alerts.fire(&a, &one, |_| Trail::none(), at(n as i64)).await.unwrap();
        if n == 1 {
            alerts.acknowledge(&a, fired.alert().id, somebody(1), Trail::none(), at(9)).await.unwrap();
        }
    }
    alerts.resolve(&a, "k0", |_| Trail::none(), at(10)).await.unwrap();
    for (filter, want) in [
        (AlertFilter::default(), 4),
        (AlertFilter { state: Some(StateFilter::Open), ..Default::default() }, 3),
        (AlertFilter { state: Some(StateFilter::Firing), ..Default::default() }, 2),
        (AlertFilter { state: Some(StateFilter::Acknowledged), ..Default::default() }, 1),
        (AlertFilter { state: Some(StateFilter::Resolved), ..Default::default() }, 1),
        (AlertFilter { at_least: Some(Severity::Warning), ..Default::default() }, 2),
        (AlertFilter { group_key: Some("other".to_owned()), ..Default::default() }, 1),
        (AlertFilter { resource: Some(resource("host:z")), ..Default::default() }, 0),
        (AlertFilter { rule: Some("stability.low".to_owned()), ..Default::default() }, 4),
    ] {
        assert_eq!(
            alerts.page(&a, &filter, &PageRequest::first()).await.unwrap().items.len(),
            want,
            "{filter:?}"
        );
    }
    let groups = alerts.groups(&a).await.unwrap();
    let seen: Vec<_> = groups.iter().map(|g| (g.group_key.as_str(), g.alerts, g.firing, g.worst)).collect();
    assert_eq!(seen, [("shop", 2, 1, Severity::Critical), ("other", 1, 1, Severity::Info)]);
    assert_eq!(alerts.open(&a).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_job_goes_on_until_it_ends_or_its_process_does() {
    let fixture = Fixture::new().await;
    let (jobs, a) = (fixture.store.jobs(), tenant("a"));
    let id = |secs| JobId::from_uuid(fresh_uuid(at(secs)).unwrap());
    let one = jobs.create(&a, id(1), "import", "a.csv", trail("import.begin"), at(1)).await.unwrap();
    assert_eq!(jobs.progress(&a, one.id, Some(0.25), "row 5", at(2)).await.unwrap(), Cancel::NotAsked);
    jobs.cancel(&a, one.id, trail("import.cancel"), at(3)).await.unwrap();
    assert_eq!(jobs.progress(&a, one.id, Some(0.5), "row 9", at(4)).await.unwrap(), Cancel::Asked);
    let ended =
        jobs.end(&a, one.id, JobState::Cancelled, "stopped", None, trail("import.end"), at(5)).await.unwrap();
    assert_eq!((ended.state, ended.progress, ended.ended_at), (JobState::Cancelled, Some(0.5), Some(at(5))));
    assert_eq!(kind(jobs.progress(&a, one.id, None, "", at(6)).await), ErrorKind::Conflict);
    let two = jobs.create(&a, id(2), "backtest", "leak", Trail::none(), at(7)).await.unwrap();
    assert_eq!(jobs.fail_orphans(at(8)).await.unwrap(), 1);
    assert_eq!(jobs.get(&a, two.id).await.unwrap().state, JobState::Failed);
    assert_eq!(jobs.page(&a, Some("import"), &PageRequest::first()).await.unwrap().items, [ended]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_another_one_is_refused() {
    let fixture = Fixture::new().await;
    let (keys, a) = (fixture.store.idempotency(), tenant("a"));
    let answer = Answer { status: 201, content_type: "application/json".to_owned(), body: "{}".to_owned() };
    let begin = |request: &'static str, secs| {
        let (keys, a) = (&keys, &a);
        async move { keys.begin(a, "k", request.as_bytes(), at(secs)).await }
    };
    assert_eq!(begin("POST /x {}", 0).await.unwrap(), Replay::First);
    assert_eq!(kind(begin("POST /x {}", 1).await), ErrorKind::Conflict);
    assert_eq!(kind(begin("POST /x {1}", 1).await), ErrorKind::Unprocessable);
    keys.answered(&a, "k", &answer, at(2)).await.unwrap();
    assert_eq!(begin("POST /x {}", 3).await.unwrap(), Replay::Again(answer));
    assert_eq!(kind(begin("POST /x {1}", 3).await), ErrorKind::Unprocessable);
    assert_eq!(keys.begin(&tenant("b"), "k", b"other", at(3)).await.unwrap(), Replay::First);
    assert_eq!(begin("POST /x {1}", 86_400).await.unwrap(), Replay::First, "a day later the key is free");
    assert_eq!(begin("POST /x {2}", 86_400 + 300).await.unwrap(), Replay::First, "its request died");
    keys.forget(&a, "k", at(86_800)).await.unwrap();
    assert_eq!(begin("POST /y", 86_800).await.unwrap(), Replay::First);
    assert_eq!(keys.sweep(at(2 * 86_400)).await.unwrap(), 1);
    assert_eq!(kind(keys.begin(&a, "", b"", at(0)).await), ErrorKind::Invalid);
}

#[tokio::test]
async fn resources_and_dependencies_keep_their_newest_form() {
    let fixture = Fixture::new().await;
    let (resources, a) = (fixture.store.resources(), tenant("a"));
    let mut attributes = Attributes::new();
    attributes.insert("service.name", "orders");
    attributes.insert("n", 3_i64);
    attributes.insert("f", 0.1 + 0.2);
    attributes.insert("b", true);
    let mut one = Resource {
        id: resource("service:orders"),
        kind: ResourceKind::Service,
        name: "orders".to_owned(),
        attributes,
    };
    let host = Resource {
        id: resource("host:h"),
        kind: ResourceKind::Host,
        name: "h".to_owned(),
        attributes: Attributes::new(),
    };
    let arrow = Dependency { from: one.id.clone(), to: host.id.clone(), source: DependencySource::Spans };
    resources.seen(&a, &[one.clone(), host], std::slice::from_ref(&arrow), at(1)).await.unwrap();
    one.name = "Orders".to_owned();
    resources.seen(&a, std::slice::from_ref(&one), &[], at(5)).await.unwrap();
    let seen = resources.get(&a, &one.id).await.unwrap();
    assert_eq!((seen.resource, seen.first_seen, seen.last_seen), (one.clone(), at(1), at(5)));
    assert_eq!(
        resources.page(&a, Some(ResourceKind::Host), None, &PageRequest::first()).await.unwrap().items.len(),
        1
    );
    assert_eq!(resources.all(&a).await.unwrap().len(), 2);
    for (text, want) in [("ord", 1), ("host:", 1), ("", 2), ("_", 0), ("%", 0), ("\\", 0)] {
        let found = resources.page(&a, None, Some(text), &PageRequest::first()).await.unwrap();
        assert_eq!(found.items.len(), want, "{text}");
    }
    assert_eq!(resources.dependencies_of(&a, &resource("host:h")).await.unwrap()[0].dependency, arrow);
    assert_eq!(resources.dependencies(&a, at(2)).await.unwrap(), []);
    assert_eq!(resources.forget(&a, at(3), at(9)).await.unwrap(), 1);
    assert_eq!(resources.all(&a).await.unwrap()[0].resource, one);
}

#[tokio::test]
async fn the_file_catalog_changes_as_a_whole() {
    let fixture = Fixture::new().await;
    let file = |n: i64, t: &str| DataFile {
        id: fresh_uuid(at(n)).unwrap(),
        tenant: tenant(t),
        table: "points".to_owned(),
        day: 20_000 + i32::try_from(n).unwrap(),
        path: format!("{t}/points/{n}.parquet"),
        rows: 10,
        bytes: 100,
        min_time: Timestamp::from_micros(-1),
        max_time: at(n),
    };
    let (one, two, three) = (file(1, "a"), file(2, "b"), file(3, "a"));
    fixture.store.catalog().commit(&[one.clone(), two.clone()], &[], 7, at(1)).await.unwrap();
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    let catalog = fixture.store.catalog();
    let state = catalog.load().await.unwrap();
    assert_eq!((state.files, state.log_position), (vec![one.clone(), two.clone()], 7));
    assert_eq!(
        kind(catalog.commit(&[three.clone(), two.clone()], &[one.id], 9, at(2)).await),
        ErrorKind::Conflict
    );
    assert_eq!(catalog.load().await.unwrap().log_position, 7);
    catalog.commit(std::slice::from_ref(&three), &[one.id, two.id], 9, at(2)).await.unwrap();
    let state = catalog.load().await.unwrap();
    assert_eq!((state.files, state.log_position), (vec![three], 9));
}
