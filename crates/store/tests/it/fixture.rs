//! Stores in temporary folders, and made-up values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use echobase_store::principal::NewPrincipal;
use echobase_store::{Location, OpenMode, Store, Trail, fresh_uuid};
use echobase_types::alert::{Alert, AlertState};
use echobase_types::assessment::Severity;
use echobase_types::intervention::{
    Intervention, InterventionState, InterventionType, Plan, Preview, Proposer, RiskClass, Step,
};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::playbook::{Autonomy, Playbook, SafetyEnvelope, Selector};
use echobase_types::principal::{PrincipalKind, Role};
use echobase_types::{
    AlertId, InterventionId, PlaybookId, PrincipalId, ResourceId, ResourceKind, TenantId, Timestamp,
};

/// A store in its own folder, which goes away with it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("state.db"), OpenMode::RefuseDamage).await.unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// Closes and opens again.
    pub(crate) async fn reopen(self, mode: OpenMode) -> Result<Self, echobase_store::StoreError> {
        let Self { store, folder } = self;
        store.close().await.unwrap();
        let store = open(&folder.path().join("state.db"), mode).await?;
        Ok(Self { store, folder })
    }

    /// Runs SQL beside the store, as an intruder with the file would.
    pub(crate) async fn tamper(&self, sql: &str) {
        use sea_orm::ConnectionTrait as _;
        let url = format!("sqlite://{}", self.path().display());
        let conn = sea_orm::Database::connect(url).await.unwrap();
        conn.execute_unprepared(sql).await.unwrap();
        conn.close().await.unwrap();
    }
}

pub(crate) async fn open(
    path: &std::path::Path,
    mode: OpenMode,
) -> Result<Store, echobase_store::StoreError> {
    Store::open(Location::File(path.to_owned()), mode, at(0)).await
}

/// A time this many seconds into the tests.
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn resource(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

pub(crate) fn draft(action: &str) -> EntryDraft {
    EntryDraft::new(Actor::system("test"), action, "thing", "1")
}

pub(crate) fn trail(action: &str) -> Trail {
    draft(action).into()
}

pub(crate) async fn principal(store: &Store, tenant: &TenantId, name: &str, role: Role) -> PrincipalId {
    let id = PrincipalId::from_uuid(fresh_uuid(at(0)).unwrap());
    let new = NewPrincipal { id, kind: PrincipalKind::User, name: name.to_owned(), role, password: None };
    store.principals().create(tenant, &new, trail("principal.create"), at(0)).await.unwrap();
    id
}

pub(crate) fn envelope() -> SafetyEnvelope {
    SafetyEnvelope {
        cooldown: Duration::from_secs(300),
        max_units: 1,
        // Not a text that a sloppy reader gets back bit by bit.
        max_share: 0.1 + 0.2,
        max_per_hour: 3,
        min_available: 1,
    }
}

pub(crate) fn step() -> Step {
    Step {
        action: "restart".to_owned(),
        arguments: BTreeMap::from([("grace".to_owned(), "5s".to_owned())]),
        argv: vec!["a b".to_owned(), "\"ü\"".to_owned()],
    }
}

pub(crate) fn intervention(target: &str, secs: i64) -> Intervention {
    Intervention {
        id: InterventionId::from_uuid(fresh_uuid(at(secs)).unwrap()),
        target: resource(target),
        kind: InterventionType::Proactive,
        risk: RiskClass::Medium,
        proposer: Proposer::Playbook { id: playbook_id(7), name: "leak".to_owned(), version: 2 },
        reason: "memory runs out".to_owned(),
        state: InterventionState::Proposed,
        state_reason: String::new(),
        plan: Plan {
            target: resource(target),
            actuator: "process".to_owned(),
            steps: vec![step()],
            previews: vec![Preview {
                summary: "restart one".to_owned(),
                before: "1 of 2".to_owned(),
                after: "2 of 2".to_owned(),
                units: 1,
                units_total: 2,
                target_version: "v1".to_owned(),
                reversible: true,
            }],
            success: vec!["stability.score > 0.8".to_owned()],
            verify_within: Duration::from_secs(60),
            envelope: envelope(),
            risk: RiskClass::Medium,
        },
        digest: None,
        approvals: Vec::new(),
        receipts: Vec::new(),
        verification: None,
        epoch: 0,
        score_before: Some(1.0 / 3.0),
        risk_before: Some(5e-324),
        version: 0,
        created_at: at(secs),
        updated_at: at(secs),
        expires_at: at(secs + 900),
        executed_at: None,
    }
}

pub(crate) fn playbook_id(n: u128) -> PlaybookId {
    format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap()
}

pub(crate) fn playbook(n: u128, name: &str) -> Playbook {
    Playbook {
        id: playbook_id(n),
        name: name.to_owned(),
        version: 0,
        description: "restarts what leaks".to_owned(),
        source: "name: leak\n".to_owned(),
        enabled: true,
        selector: Selector { kind: Some(ResourceKind::Service), resource: Some("service:shop/*".to_owned()) },
        condition: "risk.probability > 0.7".to_owned(),
        hold_for: Duration::from_millis(1_500),
        kind: InterventionType::Proactive,
        risk: RiskClass::Low,
        actuator: "process".to_owned(),
        steps: vec![step()],
        success: vec!["stability.score > 0.8".to_owned()],
        verify_within: Duration::from_secs(60),
        envelope: envelope(),
        autonomy: Autonomy::Auto,
        saved_at: at(0),
    }
}

pub(crate) fn alert(key: &str, severity: Severity, secs: i64) -> Alert {
    Alert {
        id: AlertId::from_uuid(fresh_uuid(at(secs)).unwrap()),
        dedup_key: key.to_owned(),
        group_key: "shop".to_owned(),
        resource_id: Some(resource("service:shop/orders")),
        rule: "stability.low".to_owned(),
        severity,
        summary: "orders is unwell".to_owned(),
        detail: "memory".to_owned(),
        state: AlertState::Firing,
        started_at: at(secs),
        last_fired_at: at(secs),
        count: 1,
        labels: [("team", "shop")].into_iter().collect(),
    }
}
