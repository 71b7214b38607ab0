//! One tenant never sees, counts or changes what is another's.

use std::time::Duration;

use echobase_store::alert::AlertFilter;
use echobase_store::freeze::FreezeScope;
use echobase_store::intervention::{CountScope, InterventionFilter};
use echobase_store::key::NewKey;
use echobase_store::lease::Acquired;
use echobase_store::ledger::EntryFilter;
use echobase_store::outbox::NewMessage;
use echobase_store::principal::Standing;
use echobase_store::{PageRequest, Store, Trail, fresh_uuid};
use echobase_types::assessment::Severity;
use echobase_types::intervention::{Intervention, InterventionState};
use echobase_types::principal::{Role, Scope};
use echobase_types::resource::DependencySource;
use echobase_types::{
    Attributes, Dependency, ErrorKind, JobId, PrincipalId, Resource, ResourceKind, TenantId,
};

use crate::fixture::{Fixture, alert, at, intervention, playbook, principal, resource, tenant, trail};

/// One of everything, and the ids of some.
struct Filled {
    principal: PrincipalId,
    key: echobase_types::KeyId,
    job: JobId,
    session: echobase_types::SessionId,
    intervention: Intervention,
    alert: echobase_types::AlertId,
}

async fn fill(store: &Store, t: &TenantId) -> Filled {
    store.tenants().create(t, "name", trail("tenant.create"), at(0)).await.unwrap();
    let admin = principal(store, t, "ana", Role::Admin).await;
    let new = NewKey {
        principal: admin,
        name: "k".to_owned(),
        scopes: vec![Scope::Read],
        lasts: Duration::from_secs(60),
    };
    let key = store.keys().create(t, &new, |_| Trail::none(), at(0)).await.unwrap();
    let session =
        store.sessions().create(t, admin, Duration::from_secs(60), Trail::none(), at(0)).await.unwrap();
    store.playbooks().save(t, &playbook(1, "leak"), |_| Trail::none(), at(0)).await.unwrap();
    let one = Intervention { state: InterventionState::Executing, ..intervention("service:x", 0) };
    let one = store.interventions().create(t, &one, Trail::none(), at(0)).await.unwrap();
    store.freezes().set(t, &FreezeScope::Tenant, "why", "ana", Trail::none(), at(0)).await.unwrap();
    let fired =
        store.alerts().fire(t, &alert("k", Severity::Info, 0), |_| Trail::none(), at(0)).await.unwrap();
    let message = NewMessage {
        channel: "c".to_owned(),
        subject: "s".to_owned(),
        body: "b".to_owned(),
        not_before: None,
    };
    store.settings().set(t, "s", t.as_str(), Trail::none().message(message), at(0)).await.unwrap();
    let thing = Resource {
        id: resource("service:x"),
        kind: ResourceKind::Service,
        name: t.to_string(),
        attributes: Attributes::new(),
    };
    let arrow =
        Dependency { from: resource("service:x"), to: resource("host:h"), source: DependencySource::Spans };
    store.resources().seen(t, &[thing], &[arrow], at(0)).await.unwrap();
    let job = JobId::from_uuid(fresh_uuid(at(0)).unwrap());
    store.jobs().create(t, job, "import", "x", Trail::none(), at(0)).await.unwrap();
    Filled {
        principal: admin,
        key: key.key.id,
        job,
        session: session.session.id,
        intervention: one,
        alert: fired.alert().id,
    }
}

#[tokio::test]
async fn every_list_shows_one_tenants_rows_only() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (a, b, empty) = (tenant("a"), tenant("b"), tenant("c"));
    fill(store, &a).await;
    fill(store, &b).await;
    let all = PageRequest::largest();
    for (t, n) in [(&a, 1), (&b, 1), (&empty, 0)] {
        assert_eq!(store.principals().page(t, &all).await.unwrap().items.len(), n);
        assert_eq!(store.principals().count(t).await.unwrap(), n as u64);
        assert_eq!(store.keys().page(t, None, &all).await.unwrap().items.len(), n);
        assert_eq!(store.playbooks().page(t, &all).await.unwrap().items.len(), n);
        assert_eq!(store.playbooks().enabled(t).await.unwrap().len(), n);
        let any = InterventionFilter::default();
        assert_eq!(store.interventions().page(t, &any, &all).await.unwrap().items.len(), n);
        assert_eq!(store.interventions().open(t).await.unwrap().len(), n);
        for scope in [CountScope::Tenant, CountScope::Target(resource("service:x"))] {
            assert_eq!(store.interventions().started_since(t, &scope, at(0)).await.unwrap(), n as u64);
            assert_eq!(store.interventions().last_started(t, &scope).await.unwrap().is_some(), n == 1);
        }
        assert_eq!(store.freezes().list(t).await.unwrap().len(), n);
        assert_eq!(
            store.freezes().covering(t, &resource("service:x"), None).await.unwrap().is_some(),
            n == 1
        );
        assert_eq!(store.alerts().page(t, &AlertFilter::default(), &all).await.unwrap().items.len(), n);
        assert_eq!(store.alerts().open(t).await.unwrap().len(), n);
        assert_eq!(store.alerts().groups(t).await.unwrap().iter().map(|g| g.alerts).sum::<u64>(), n as u64);
        assert_eq!(store.outbox().page(t, None, &all).await.unwrap().items.len(), n);
        assert_eq!(store.resources().page(t, None, None, &all).await.unwrap().items.len(), n);
        assert_eq!(store.resources().all(t).await.unwrap().len(), n);
        assert_eq!(store.resources().dependencies(t, at(0)).await.unwrap().len(), n);
        assert_eq!(store.resources().dependencies_of(t, &resource("host:h")).await.unwrap().len(), n);
        assert_eq!(store.jobs().page(t, None, &all).await.unwrap().items.len(), n);
        assert_eq!(store.settings().list(t).await.unwrap().len(), n);
        let entries = store.ledger().page(t, &EntryFilter::default(), &all).await.unwrap().items.len();
        assert_eq!(entries, 2 * n);
        assert_eq!(store.ledger().head(t).await.unwrap().size, 2 * n as u64);
    }
    assert_eq!(store.tenants().page(&all).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn anothers_ids_are_not_there() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (a, b) = (tenant("a"), tenant("b"));
    let theirs = fill(store, &a).await;
    fill(store, &b).await;
    let size = store.ledger().head(&b).await.unwrap().size;
    let missing = |kind: ErrorKind| assert_eq!(kind, ErrorKind::NotFound);
    missing(store.principals().get(&b, theirs.principal).await.unwrap_err().kind());
    missing(
        store
            .principals()
            .set_role(&b, theirs.principal, Role::Viewer, trail("x.y"), at(1))
            .await
            .unwrap_err()
            .kind(),
    );
    let off =
        store.principals().set_standing(&b, theirs.principal, Standing::Suspended, trail("x.y"), at(1)).await;
    missing(off.unwrap_err().kind());
    missing(
        store
            .sessions()
            .create(&b, theirs.principal, Duration::from_secs(1), trail("x.y"), at(1))
            .await
            .unwrap_err()
            .kind(),
    );
    missing(store.signin_links().create(&b, theirs.principal, trail("x.y"), at(1)).await.unwrap_err().kind());
    missing(store.keys().get(&b, theirs.key).await.unwrap_err().kind());
    missing(store.keys().revoke(&b, theirs.key, trail("x.y"), at(1)).await.unwrap_err().kind());
    missing(
        store
            .keys()
            .rotate(&b, theirs.key, Duration::ZERO, |_| trail("x.y"), at(1))
            .await
            .unwrap_err()
            .kind(),
    );
    missing(store.interventions().get(&b, theirs.intervention.id).await.unwrap_err().kind());
    missing(
        store.interventions().update(&b, &theirs.intervention, trail("x.y"), at(1)).await.unwrap_err().kind(),
    );
    missing(store.alerts().get(&b, theirs.alert).await.unwrap_err().kind());
    missing(
        store
            .alerts()
            .acknowledge(&b, theirs.alert, theirs.principal, trail("x.y"), at(1))
            .await
            .unwrap_err()
            .kind(),
    );
    missing(store.jobs().get(&b, theirs.job).await.unwrap_err().kind());
    missing(store.jobs().cancel(&b, theirs.job, trail("x.y"), at(1)).await.unwrap_err().kind());
    store.sessions().end(&b, theirs.session, Trail::none(), at(1)).await.unwrap();
    assert_eq!(store.sessions().end_all(&a, theirs.principal, Trail::none(), at(1)).await.unwrap(), 1);
    assert_eq!(store.ledger().head(&b).await.unwrap().size, size);
}

#[tokio::test]
async fn the_same_names_are_free_in_another_tenant() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let minute = Duration::from_secs(60);
    for t in [tenant("a"), tenant("b")] {
        let held = store.leases().acquire(&t, "controller", t.as_str(), minute, at(0)).await.unwrap();
        assert!(matches!(held, Acquired::Held(lease) if lease.epoch == 1));
        store.alerts().fire(&t, &alert("same", Severity::Info, 0), |_| Trail::none(), at(0)).await.unwrap();
        store.settings().set(&t, "s", t.as_str(), Trail::none(), at(0)).await.unwrap();
    }
    assert_eq!(store.settings().get(&tenant("a"), "s").await.unwrap().as_deref(), Some("a"));
    store.alerts().resolve(&tenant("a"), "same", |_| Trail::none(), at(1)).await.unwrap().unwrap();
    assert_eq!(store.alerts().open(&tenant("b")).await.unwrap().len(), 1);
}
