//! A real store in a temp folder, an actuator that leaves its effects in a file, and time as an argument.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use echobase_audit::EntryView;
use echobase_audit::semantic::Replay;
use echobase_store::principal::NewPrincipal;
use echobase_store::{Location, OpenMode, Store, Trail};
use echobase_types::assessment::Assessment;
use echobase_types::intervention::{
    Intervention, InterventionState, InterventionType, Preview, RiskClass, Step, StepReceipt,
};
use echobase_types::ledger::{Actor, ActorKind};
use echobase_types::principal::{PrincipalKind, Role};
use echobase_types::{
    Attributes, InterventionId, PrincipalId, Resource, ResourceId, ResourceKind, TenantId, Timestamp,
};
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::actuator::{Actuator, ActuatorError, Actuators, Call, Refusal, Settled, Target};
use crate::condition::facts::sample_assessment;
use crate::config::ControllerConfig;
use crate::controller::{Controller, Proposal};
use crate::planner::Surroundings;
use crate::playbook::parse;
use crate::sensor::Sensor;

pub(super) const T0: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(super) fn at(seconds: u64) -> Timestamp {
    T0 + Duration::from_secs(seconds)
}

pub(super) fn tenant() -> TenantId {
    TenantId::default_tenant()
}

pub(super) fn orders() -> ResourceId {
    ResourceId::new("service:shop/orders").unwrap()
}

pub(super) fn person(n: u128) -> PrincipalId {
    PrincipalId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn actor(n: u128) -> Actor {
    Actor { kind: ActorKind::User, id: person(n).to_string() }
}

/// Where a step stops, as if the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Never,
    Before,
    After,
}

/// Leaves each effect as a line of a real file.
pub(super) struct Recorder {
    pub(super) path: PathBuf,
    pub(super) knobs: Mutex<Knobs>,
    /// Told when a step has stopped.
    pub(super) stopped: Notify,
}

#[derive(Clone)]
pub(super) struct Knobs {
    pub(super) stop: Stop,
    pub(super) apply: fn(u32, StepReceipt) -> Result<StepReceipt, ActuatorError>,
    pub(super) revert_fails: bool,
    /// Whether the target can tell what became of a step.
    pub(super) knows: bool,
    pub(super) version: u32,
    pub(super) reversible: bool,
    pub(super) units: u32,
}

impl Recorder {
    pub(super) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.knobs.lock().unwrap());
    }

    fn knobs(&self) -> Knobs {
        self.knobs.lock().unwrap().clone()
    }

    pub(super) fn effects(&self) -> Vec<String> {
        std::fs::read_to_string(&self.path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn write(&self, line: String) {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

#[async_trait]
impl Actuator for Recorder {
    fn name(&self) -> &str {
        // Of the actuators that playbooks can name, the one that takes any action.
        "webhook"
    }

    async fn preview(&self, _target: &Target, step: &Step) -> Result<Preview, Refusal> {
        if step.action == "refuse" {
            return Err(Refusal::new("this step is never done"));
        }
        let knobs = self.knobs();
        Ok(Preview {
            summary: step.action.clone(),
            before: "a".into(),
            after: "b".into(),
            units: knobs.units,
            units_total: 1,
            target_version: knobs.version.to_string(),
            reversible: knobs.reversible,
        })
    }

    async fn apply(&self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError> {
        let knobs = self.knobs();
        let stop = || async {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        };
        if knobs.stop == Stop::Before {
            stop().await;
        }
        let receipt = StepReceipt {
            step: call.step,
            summary: step.action.clone(),
            undo: step.action.clone(),
            output: String::new(),
        };
        let done = (knobs.apply)(call.step, receipt);
        if !matches!(done, Err(ActuatorError::Untouched { .. })) {
            self.write(format!("apply {} {}", call.step, step.action));
        }
        if knobs.stop == Stop::After {
            stop().await;
        }
        done
    }

    async fn revert(&self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError> {
        if self.knobs().revert_fails {
            return Err(ActuatorError::untouched("it does not go back"));
        }
        self.write(format!("revert {} {}", call.step, receipt.undo));
        Ok(format!("undid {}", receipt.undo))
    }

    async fn settle(&self, step: &Step, call: &Call) -> Settled {
        let receipt = StepReceipt {
            step: call.step,
            summary: step.action.clone(),
            undo: step.action.clone(),
            output: String::new(),
        };
        if !self.knobs().knows {
            return Settled::InDoubt(Some(receipt));
        }
        let line = format!("apply {} {}", call.step, step.action);
        if self.effects().contains(&line) { Settled::Done(receipt) } else { Settled::NotDone }
    }
}

/// What was measured last.
#[derive(Default)]
pub(super) struct Meter(Mutex<HashMap<ResourceId, Assessment>>);

#[async_trait]
impl Sensor for Meter {
    async fn assessment(&self, _: &TenantId, resource: &ResourceId, _: Timestamp) -> Option<Assessment> {
        self.0.lock().unwrap().get(resource).cloned()
    }

    async fn surroundings(&self, _: &TenantId, _: &ResourceId, _: Timestamp) -> Surroundings {
        Surroundings::default()
    }
}

/// The parts of a test.
pub(super) struct Plant {
    pub(super) folder: Arc<TempDir>,
    pub(super) store: Store,
    pub(super) recorder: Arc<Recorder>,
    pub(super) meter: Arc<Meter>,
    pub(super) config: ControllerConfig,
    pub(super) controller: Controller,
}

pub(super) const PLAYBOOK: &str = "\
name: restart
when: stability.score < 0.5
risk: low
actuator: webhook
steps: [{ action: one, arguments: { webhook: x } }, { action: two, arguments: { webhook: x } }]
success: [stability.score >= 0.7]
verify_within: 60s
envelope: { cooldown: 10m, max_per_hour: 10 }
autonomy: auto
";

impl Plant {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ControllerConfig)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let store = open(&folder).await;
        store.tenants().create(&tenant(), "Default", Trail::none(), T0).await.unwrap();
        for (n, kind, role) in [
            (1, PrincipalKind::User, Role::Admin),
            (2, PrincipalKind::User, Role::Operator),
            (3, PrincipalKind::User, Role::Operator),
            (4, PrincipalKind::Service, Role::Operator),
        ] {
            let new = NewPrincipal { id: person(n), kind, name: format!("p{n}"), role, password: None };
            store.principals().create(&tenant(), &new, Trail::none(), T0).await.unwrap();
        }
        let known = Resource {
            id: orders(),
            kind: ResourceKind::Service,
            name: "shop/orders".to_owned(),
            attributes: Attributes::default(),
        };
        store.resources().seen(&tenant(), &[known], &[], T0).await.unwrap();
        let recorder = Arc::new(Recorder {
            path: folder.path().join("effects"),
            knobs: Mutex::new(Knobs {
                stop: Stop::Never,
                apply: |_, receipt| Ok(receipt),
                revert_fails: false,
                knows: true,
                version: 1,
                reversible: true,
                units: 1,
            }),
            stopped: Notify::new(),
        });
        let mut config = ControllerConfig { autonomy_successes: 0, ..ControllerConfig::default() };
        change(&mut config);
        let meter = Arc::new(Meter::default());
        let controller = controller_of(&folder, &store, &recorder, &meter, &config);
        Self { folder, store, recorder, meter, config, controller }
    }

    /// As after a kill: nothing of the old process is left but its folder.
    pub(super) async fn restart(self) -> Self {
        let Self { folder, store, recorder, meter, config, controller } = self;
        drop(controller);
        store.close().await.unwrap();
        let store = open(&folder).await;
        recorder.set(|k| k.stop = Stop::Never);
        let controller = controller_of(&folder, &store, &recorder, &meter, &config);
        Self { folder, store, recorder, meter, config, controller }
    }

    pub(super) async fn save(&self, source: &str) -> echobase_types::playbook::Playbook {
        let parsed = parse(source).unwrap();
        self.controller.save_playbook(&tenant(), None, parsed, source, true, actor(1), T0).await.unwrap()
    }

    /// What the analysis says of the target at a time.
    pub(super) fn measure(&self, score: f64, now: Timestamp) -> Assessment {
        self.measure_of(&orders(), score, now)
    }

    pub(super) fn measure_of(&self, target: &ResourceId, score: f64, now: Timestamp) -> Assessment {
        let mut a = sample_assessment();
        (a.resource_id, a.at, a.last_signal_at, a.stability.score) = (target.clone(), now, now, score);
        self.meter.0.lock().unwrap().insert(target.clone(), a.clone());
        a
    }

    /// One cycle: measured, considered, driven.
    pub(super) async fn cycle(&self, score: f64, now: Timestamp) {
        let a = self.measure(score, now);
        self.controller.consider(&tenant(), &[a], now).await.unwrap();
        self.controller.tick(now).await.unwrap();
    }

    pub(super) fn proposal(&self, risk: RiskClass) -> Proposal {
        Proposal {
            target: orders(),
            kind: InterventionType::Reactive,
            risk,
            actuator: "webhook".into(),
            steps: vec![Step { action: "one".into(), ..Step::default() }],
            success: vec!["stability.score >= 0.7".into()],
            verify_within: Duration::from_secs(60),
            reason: "it looks bad".into(),
        }
    }

    pub(super) async fn propose(&self, risk: RiskClass, now: Timestamp) -> Intervention {
        self.controller.propose(&tenant(), self.proposal(risk), actor(1), now).await.unwrap()
    }

    /// Proposed by one person and approved by another.
    pub(super) async fn propose_and_approve(&self, now: Timestamp) -> Intervention {
        let made = self.propose(RiskClass::Medium, now).await;
        let digest = made.digest.unwrap();
        self.controller.approve(&tenant(), made.id, person(2), &digest, now).await.unwrap()
    }

    pub(super) async fn get(&self, id: InterventionId) -> Intervention {
        self.store.interventions().get(&tenant(), id).await.unwrap()
    }

    /// All interventions, oldest first.
    pub(super) async fn all(&self) -> Vec<Intervention> {
        let request = echobase_store::PageRequest::largest();
        let mut all =
            self.store.interventions().page(&tenant(), &Default::default(), &request).await.unwrap().items;
        all.reverse();
        all
    }

    pub(super) async fn states(&self) -> Vec<InterventionState> {
        self.all().await.iter().map(|i| i.state).collect()
    }

    /// The actions of the ledger with this prefix, oldest first; refused ones end in `!`. Checks on the way that the log is
    /// sound and that no rule of interventions is broken.
    pub(super) async fn ledger(&self, prefix: &str) -> Vec<String> {
        let report = self.store.ledger().verify(&tenant()).await.unwrap();
        assert_eq!(report.findings, []);
        let mut replay = Replay::default();
        let mut actions = Vec::new();
        for entry in self.store.ledger().entries_from(&tenant(), 0, 10_000).await.unwrap() {
            let view = EntryView::parse(&entry.bytes).unwrap();
            assert_eq!(replay.observe(&view), [], "{}", String::from_utf8_lossy(&entry.bytes));
            if let Some(verb) = view.action.strip_prefix(prefix) {
                let refused = if view.outcome == echobase_types::ledger::Outcome::Deny { "!" } else { "" };
                actions.push(format!("{verb}{refused}"));
            }
        }
        actions
    }

    pub(super) async fn alerts(&self) -> Vec<String> {
        self.store.alerts().open(&tenant()).await.unwrap().into_iter().map(|a| a.rule).collect()
    }
}

async fn open(folder: &TempDir) -> Store {
    let path = folder.path().join("state.db");
    Store::open(Location::File(path), OpenMode::RefuseDamage, T0).await.unwrap()
}

pub(super) fn controller_of(
    folder: &TempDir,
    store: &Store,
    recorder: &Arc<Recorder>,
    meter: &Arc<Meter>,
    config: &ControllerConfig,
) -> Controller {
    let actuators = Actuators::new().with(recorder.clone());
    Controller::new(store.clone(), config.clone(), meter.clone(), actuators, folder.path(), Arc::new(|| T0))
}
