//! The handle, and what it owns.

mod consider;
mod decide;
mod drive;
mod history;
mod lease;
mod pass;
mod playbook;
mod propose;
mod switch;
mod weigh;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use echobase_store::{Store, Trail, fresh_uuid};
use echobase_types::intervention::Intervention;
use echobase_types::ledger::Actor;
use echobase_types::{InterventionId, PlaybookId, ResourceId, TenantId, Timestamp};
use tokio::sync::{Notify, broadcast};

use crate::actuator::Actuators;
use crate::config::ControllerConfig;
use crate::error::ControllerError;
use crate::freeze::FlagFile;
use crate::machine::{self, Event};
use crate::plan::{Limits, Rule};
use crate::sensor::Sensor;
use lease::Leases;

pub use propose::Proposal;
pub use switch::Release;
pub use weigh::{Advice, Stands};

/// Changes that a slow reader may lag behind.
const LAG: usize = 1_024;

/// A source of the present.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Something changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// An intervention.
    Intervention {
        /// Whose.
        tenant: TenantId,
        /// As it is now.
        intervention: Arc<Intervention>,
    },
    /// The freezes in force.
    Freezes {
        /// Whose.
        tenant: TenantId,
    },
}

/// Act by machine. Cheap to clone.
#[derive(Clone)]
pub struct Controller {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    config: ControllerConfig,
    limits: Limits,
    sensor: Arc<dyn Sensor>,
    actuators: Actuators,
    flag: FlagFile,
    clock: Clock,
    leases: Leases,
    changes: broadcast::Sender<Change>,
    /// Wakes the loop when there is something to do at once.
    wake: Notify,
    volatile: Mutex<Volatile>,
}

/// What may be forgotten: it is found anew from the store and the next assessments.
#[derive(Default)]
struct Volatile {
    /// Since when a condition holds.
    held: HashMap<(TenantId, PlaybookId, ResourceId), Timestamp>,
    /// When a playbook that only observes was last noted for a resource.
    observed: HashMap<(TenantId, PlaybookId, ResourceId), Timestamp>,
    /// Compiled playbooks; `None`: its condition does not compile any more.
    rules: HashMap<(PlaybookId, u32), Option<Arc<Rule>>>,
    /// Interventions that a task of this process works on.
    busy: HashSet<InterventionId>,
    /// Assessments in a row in which the success criteria of an intervention held: when the last was made, how many.
    streaks: HashMap<InterventionId, (Timestamp, u32)>,
}

impl Controller {
    /// Of these parts. `data` is the data folder; `clock` is read only by [`Controller::run`] and while steps are
    /// carried out.
    pub fn new(
        store: Store,
        config: ControllerConfig,
        sensor: Arc<dyn Sensor>,
        actuators: Actuators,
        data: &Path,
        clock: Clock,
    ) -> Self {
        let inner = Inner {
            limits: Limits::from(&config),
            store,
            config,
            sensor,
            actuators,
            flag: FlagFile::within(data),
            clock,
            leases: Leases::new(data),
            changes: broadcast::channel(LAG).0,
            wake: Notify::new(),
            volatile: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The changes to come.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }
}

/// The mark of an intervention that is worked on.
struct Working<'a> {
    inner: &'a Inner,
    id: InterventionId,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.inner.volatile().busy.remove(&self.id);
    }
}

impl Inner {
    fn volatile(&self) -> std::sync::MutexGuard<'_, Volatile> {
        // What may be forgotten is not damaged by a panic elsewhere.
        self.volatile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an event happen: state and entry in one transaction.
    async fn apply(
        &self,
        tenant: &TenantId,
        before: &Intervention,
        event: Event,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let (next, entries) = machine::advance(before, event, actor, now)?;
        let written = self.store.interventions().update(tenant, &next, Trail::from(entries), now).await?;
        self.tell(tenant, &written);
        Ok(written)
    }

    /// Tells readers of a change. Nobody listening is fine.
    fn tell(&self, tenant: &TenantId, intervention: &Intervention) {
        let change =
            Change::Intervention { tenant: tenant.clone(), intervention: Arc::new(intervention.clone()) };
        let _ = self.changes.send(change);
    }

    fn tell_freezes(&self, tenant: &TenantId) {
        let _ = self.changes.send(Change::Freezes { tenant: tenant.clone() });
    }

    /// Marks an intervention as worked on, so that the loop leaves it alone until the mark is dropped.
    fn working(&self, id: InterventionId) -> Working<'_> {
        self.volatile().busy.insert(id);
        Working { inner: self, id }
    }

    fn fresh_id(&self, now: Timestamp) -> Result<InterventionId, ControllerError> {
        Ok(InterventionId::from_uuid(fresh_uuid(now)?))
    }
}

#[cfg(test)]
mod tests;
