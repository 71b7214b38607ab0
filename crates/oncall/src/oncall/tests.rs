#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
use echobase_store::{Location, OpenMode};
use echobase_types::ErrorKind;
use echobase_types::ledger::ActorKind;
use echobase_types::slo::{BurnReading, Slo, SloVerdict, Urgency};

use super::*;
use crate::rule::tests::{T0, well};

fn at(seconds: u64) -> Timestamp {
    T0 + Duration::from_secs(seconds)
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

async fn store() -> Store {
    let store = Store::open(Location::Memory, OpenMode::RefuseDamage, T0).await.unwrap();
    store.tenants().create(&tenant(), "Default", Trail::none(), T0).await.unwrap();
    store
}

fn config() -> OncallConfig {
    OncallConfig { tell: vec!["pager".into()], ..OncallConfig::default() }
}

/// One cycle with this score.
async fn cycle(oncall: &Oncall, score: f64, seconds: u64) {
    let mut a = well("service:a", at(seconds));
    a.stability.score = score;
    oncall.observe(&tenant(), &[a], at(seconds)).await.unwrap();
}

/// Messages that wait or were sent: subject and when they are due, oldest first.
async fn messages(store: &Store) -> Vec<(String, u64)> {
    let page = store.outbox().page(&tenant(), None, &PageRequest::largest()).await.unwrap();
    let mut all: Vec<_> = page
        .items
        .into_iter()
        .map(|m| {
            assert_eq!(m.channel, "pager");
            (m.subject, m.run_at.since(T0).as_secs())
        })
        .collect();
    all.sort_by_key(|(_, due)| *due);
    all
}

async fn actions(store: &Store) -> Vec<String> {
    assert_eq!(store.ledger().verify(&tenant()).await.unwrap().findings, []);
    let page = store.ledger().page(&tenant(), &Default::default(), &PageRequest::largest()).await.unwrap();
    let read = |bytes: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["action"].as_str().unwrap().to_owned()
    };
    let mut all: Vec<String> = page.items.iter().map(|e| read(&e.bytes)).collect();
    all.reverse();
    all
}

fn trouble(severity: Severity) -> Raise {
    Raise {
        dedup_key: "ledger.damage/default".into(),
        group_key: "ledger".into(),
        resource_id: None,
        rule: "ledger.damage".into(),
        severity,
        summary: "the ledger is damaged".into(),
        detail: "at entry 7".into(),
        labels: Attributes::new(),
    }
}

#[tokio::test]
async fn an_alert_fires_once_is_told_once_and_is_resolved() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    let mut changes = oncall.subscribe();
    for seconds in (0..=120).step_by(10) {
        cycle(&oncall, 0.4, seconds).await;
    }
    let open = store.alerts().open(&tenant()).await.unwrap();
    assert_eq!((open.len(), open[0].rule.as_str(), open[0].started_at), (1, "stability.low", at(30)));
    assert_eq!(open[0].count, 2, "it is written once a minute");
    assert_eq!(messages(&store).await, [("alerts/service:a".to_owned(), 40)]);
    for seconds in (130..=200).step_by(10) {
        cycle(&oncall, 0.9, seconds).await;
    }
    assert_eq!(store.alerts().open(&tenant()).await.unwrap(), []);
    assert_eq!(actions(&store).await, ["alert.fire", "alert.resolve"]);
    // Its end is told, too, but not within the interval of the group.
    assert_eq!(
        messages(&store).await,
        [("alerts/service:a".to_owned(), 40), ("alerts/service:a".to_owned(), 340)]
    );
    let body: serde_json::Value =
        serde_json::from_str(&oncall.message(&tenant(), "service:a").await.unwrap()).unwrap();
    assert_eq!(body["status"], "resolved");
    let mut seen = Vec::new();
    while let Ok(change) = changes.try_recv() {
        seen.push(change.alert.state.as_str());
    }
    assert_eq!(seen, ["firing", "firing", "resolved"]);
}

#[tokio::test]
async fn what_gets_worse_is_told_again_and_must_be_taken_again() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    for seconds in [0, 10, 20, 30] {
        cycle(&oncall, 0.4, seconds).await;
    }
    let id = store.alerts().open(&tenant()).await.unwrap()[0].id;
    let ana: PrincipalId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    let actor = Actor { kind: ActorKind::User, id: ana.to_string() };
    let taken = oncall.acknowledge(&tenant(), id, ana, actor.clone(), at(35)).await.unwrap();
    assert_eq!(taken.state.as_str(), "acknowledged");
    cycle(&oncall, 0.1, 400).await;
    let open = store.alerts().open(&tenant()).await.unwrap();
    assert_eq!((open[0].severity, open[0].state), (Severity::Critical, AlertState::Firing));
    assert_eq!(messages(&store).await.len(), 2);
    assert_eq!(actions(&store).await, ["alert.fire", "alert.ack", "alert.fire"]);
    oncall.resolve(&tenant(), &open[0].dedup_key, at(500)).await.unwrap();
    let late = oncall.acknowledge(&tenant(), id, ana, actor, at(501)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_restart_neither_fires_again_nor_forgets() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    for seconds in [0, 10, 20, 30] {
        cycle(&oncall, 0.4, seconds).await;
    }
    let oncall = Oncall::new(store.clone(), config());
    cycle(&oncall, 0.4, 40).await;
    assert_eq!(store.alerts().open(&tenant()).await.unwrap().len(), 1);
    assert_eq!(messages(&store).await.len(), 1);
    for seconds in (50..=110).step_by(10) {
        cycle(&oncall, 0.9, seconds).await;
    }
    assert_eq!(store.alerts().open(&tenant()).await.unwrap(), []);
}

#[tokio::test]
async fn what_fires_together_is_told_together() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    for seconds in [0, 10, 20, 30, 40] {
        let mut a = well("service:a", at(seconds));
        a.stability.score = 0.2;
        a.risk.probability = 0.95;
        let mut b = well("service:b", at(seconds));
        b.stability.score = 0.2;
        oncall.observe(&tenant(), &[a, b], at(seconds)).await.unwrap();
    }
    assert_eq!(store.alerts().open(&tenant()).await.unwrap().len(), 3);
    let subjects: Vec<_> = messages(&store).await.into_iter().map(|(s, _)| s).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    let body: serde_json::Value =
        serde_json::from_str(&oncall.message(&tenant(), "service:a").await.unwrap()).unwrap();
    assert_eq!(body["firing"], 2);
}

#[tokio::test]
async fn other_parts_raise_and_resolve() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), OncallConfig::default());
    let first = oncall.raise(&tenant(), trouble(Severity::Warning), at(0)).await.unwrap();
    let again = oncall.raise(&tenant(), trouble(Severity::Warning), at(1)).await.unwrap();
    assert_eq!((again.id, again.count), (first.id, 2));
    assert_eq!(messages(&store).await, [], "nobody is to be told");
    assert!(oncall.resolve(&tenant(), "ledger.damage/default", at(2)).await.unwrap().is_some());
    assert_eq!(oncall.resolve(&tenant(), "ledger.damage/default", at(3)).await.unwrap(), None);
    assert_eq!(actions(&store).await, ["alert.fire", "alert.resolve"]);
}

#[tokio::test]
async fn alerts_that_the_controller_fired_are_told_once_also_after_a_restart() {
    let store = store().await;
    let alert = Alert {
        id: AlertId::from_uuid(fresh_uuid(at(5)).unwrap()),
        dedup_key: "intervention.failed/service:a".into(),
        group_key: "service:a".into(),
        resource_id: Some(ResourceId::new("service:a").unwrap()),
        rule: "intervention.failed".into(),
        severity: Severity::Warning,
        summary: "it failed".into(),
        detail: String::new(),
        state: AlertState::Firing,
        started_at: at(5),
        last_fired_at: at(5),
        count: 1,
        labels: Attributes::new(),
    };
    store.alerts().fire(&tenant(), &alert, |_| Trail::none(), at(5)).await.unwrap();
    for start in [10, 20] {
        let oncall = Oncall::new(store.clone(), config());
        let mut changes = oncall.subscribe();
        oncall.observe(&tenant(), &[], at(start)).await.unwrap();
        oncall.observe(&tenant(), &[], at(start + 1)).await.unwrap();
        assert_eq!(changes.try_recv().is_ok(), start == 10);
        assert_eq!(messages(&store).await, [("alerts/service:a".to_owned(), 20)]);
    }
}

#[tokio::test]
async fn an_alert_of_a_resource_that_is_gone_does_not_fire_for_ever() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    for seconds in [0, 10, 20, 30] {
        cycle(&oncall, 0.4, seconds).await;
    }
    oncall.observe(&tenant(), &[], at(3_629)).await.unwrap();
    assert_eq!(store.alerts().open(&tenant()).await.unwrap().len(), 1);
    oncall.observe(&tenant(), &[], at(3_630)).await.unwrap();
    assert_eq!(store.alerts().open(&tenant()).await.unwrap(), []);
}

fn objective() -> Slo {
    Slo {
        id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
        version: 1,
        name: "a answers".into(),
        description: String::new(),
        selector: echobase_types::playbook::Selector { kind: None, resource: Some("service:a".into()) },
        sli: echobase_types::slo::Sli::Requests,
        target: 0.99,
        window: Duration::from_secs(30 * 86_400),
        created_at: T0,
        updated_at: T0,
    }
}

/// One cycle in which both windows of each urgency burn at these rates.
async fn burn(oncall: &Oncall, page: f64, ticket: f64, seconds: u64) {
    let reading = |urgency, rate, seen: f64| BurnReading {
        rate,
        long_window: Duration::from_secs(3_600),
        short_window: Duration::from_secs(300),
        urgency,
        long: seen,
        short: Some(seen),
        is_firing: seen >= rate,
    };
    let verdict = SloVerdict {
        at: at(seconds),
        good: 90.0,
        bad: 10.0,
        covered: 1.0,
        resources: 1,
        last_data_at: None,
        readings: vec![reading(Urgency::Page, 14.4, page), reading(Urgency::Ticket, 1.0, ticket)],
        left: 0.5,
        forecast: None,
        history: Vec::new(),
        recent: Vec::new(),
    };
    let slo = objective();
    let known = [slo.id].into();
    oncall.observe_slos(&tenant(), &[(&slo, &verdict)], &known, at(seconds)).await.unwrap();
}

async fn open_rules(store: &Store) -> Vec<(String, Severity)> {
    let open = store.alerts().open(&tenant()).await.unwrap();
    open.into_iter().map(|alert| (alert.rule, alert.severity)).collect()
}

#[tokio::test]
async fn a_burning_objective_pages_at_once_and_a_ticket_follows_when_it_calms() {
    let store = store().await;
    let oncall = Oncall::new(store.clone(), config());
    let page = ("slo.page".to_owned(), Severity::Critical);
    let ticket = ("slo.ticket".to_owned(), Severity::Warning);
    burn(&oncall, 20.0, 20.0, 0).await;
    assert_eq!(open_rules(&store).await, std::slice::from_ref(&page));
    // A new process takes the open page up and tells of it no second time.
    let oncall = Oncall::new(store.clone(), config());
    burn(&oncall, 20.0, 20.0, 100).await;
    assert_eq!(open_rules(&store).await, std::slice::from_ref(&page));
    burn(&oncall, 2.0, 2.0, 110).await;
    assert_eq!(open_rules(&store).await, [page, ticket.clone()], "not yet calm for a minute");
    burn(&oncall, 2.0, 2.0, 171).await;
    assert_eq!(open_rules(&store).await, [ticket]);
    // The objective is removed: nothing is promised any more.
    oncall.observe_slos(&tenant(), &[], &BTreeSet::new(), at(180)).await.unwrap();
    assert_eq!(open_rules(&store).await, []);
    assert_eq!(actions(&store).await, ["alert.fire", "alert.fire", "alert.resolve", "alert.resolve"]);
    let group: BTreeSet<String> = messages(&store).await.into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(group, ["alerts/service:a".to_owned()].into());
}
