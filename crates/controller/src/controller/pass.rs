//! One pass over what is open: expire, begin, and hand to a task what is under way.

use std::time::Duration;

use echobase_store::Trail;
use echobase_types::intervention::{Intervention, InterventionState as S, Plan, Proposer};
use echobase_types::ledger::Actor;
use echobase_types::playbook::Autonomy;
use echobase_types::{ErrorKind, InterventionId, PlaybookId, ResourceId, TenantId, Timestamp};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Clock, Controller, Inner};
use crate::error::ControllerError;
use crate::machine::{self, Event};

/// How often the loop looks by itself.
const EVERY: Duration = Duration::from_millis(500);

/// An intervention that a task of this process works on; given back when the task ends.
struct Busy {
    controller: Controller,
    id: InterventionId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.controller.inner.volatile().busy.remove(&self.id);
    }
}

impl Controller {
    /// Runs until shutdown. What was begun is brought to the end of its step, and taken up again after the next
    /// start.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => {}
                () = self.inner.wake.notified() => {}
            }
            while tasks.try_join_next().is_some() {}
            let clock = self.inner.clock.clone();
            if let Err(error) = self.pass_all(&clock, &shutdown, &mut tasks).await {
                warn!(error = %error, "interventions not looked at; tried again");
            }
        }
        while tasks.join_next().await.is_some() {}
        self.inner.leases.release(&self.inner.store, (self.inner.clock)()).await;
    }

    /// Does all that is due at `now`, once, and returns when it is done.
    pub async fn tick(&self, now: Timestamp) -> Result<(), ControllerError> {
        let clock: Clock = std::sync::Arc::new(move || now);
        let mut tasks = JoinSet::new();
        let done = self.pass_all(&clock, &CancellationToken::new(), &mut tasks).await;
        while tasks.join_next().await.is_some() {}
        done
    }

    async fn pass_all(
        &self,
        clock: &Clock,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), ControllerError> {
        for tenant in self.inner.store.tenants().ids().await? {
            // One tenant's trouble does not stop another's.
            if let Err(error) = self.pass(&tenant, clock, shutdown, tasks).await {
                warn!(tenant = %tenant, error = %error, "interventions not looked at; tried again");
            }
        }
        Ok(())
    }

    async fn pass(
        &self,
        tenant: &TenantId,
        clock: &Clock,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), ControllerError> {
        let inner = &self.inner;
        let now = clock();
        let Some(epoch) = inner.leases.epoch(&inner.store, tenant, now).await? else { return Ok(()) };
        inner.catch_up(tenant, now).await?;
        let open = inner.store.interventions().open(tenant).await?;
        let mut acting: Vec<ResourceId> = open
            .iter()
            .filter(|i| matches!(i.state, S::Executing | S::RollingBack))
            .map(|i| i.target.clone())
            .collect();
        for found in open {
            if self.inner.volatile().busy.contains(&found.id) {
                continue;
            }
            let i = match found.state {
                S::Proposed | S::Validated | S::Approved => {
                    match inner.wait(tenant, found, epoch, &mut acting, now).await {
                        Ok(i) => i,
                        // Somebody was faster; the next pass sees what they made of it.
                        Err(e) if e.kind() == ErrorKind::Conflict => continue,
                        Err(e) => return Err(e),
                    }
                }
                _ => found,
            };
            if !matches!(i.state, S::Executing | S::RollingBack) || !inner.volatile().busy.insert(i.id) {
                continue;
            }
            let busy = Busy { controller: self.clone(), id: i.id };
            let (tenant, clock, shutdown) = (tenant.clone(), clock.clone(), shutdown.clone());
            tasks.spawn(async move {
                let inner = &busy.controller.inner;
                if let Err(error) = inner.drive(&tenant, busy.id, &clock, &shutdown).await {
                    let waits = error.kind() == ErrorKind::Conflict;
                    warn!(intervention = %busy.id, error = %error, waits, "not driven on; taken up again");
                }
            });
        }
        Ok(())
    }
}

impl Inner {
    /// What becomes of an intervention that waits.
    async fn wait(
        &self,
        tenant: &TenantId,
        i: Intervention,
        epoch: u64,
        acting: &mut Vec<ResourceId>,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let controller = Actor::controller;
        if now >= i.expires_at {
            let event = match i.state {
                S::Proposed => Event::Cancel { why: "nobody took it up in time".to_owned() },
                _ => Event::Expire,
            };
            return self.apply(tenant, &i, event, controller(), now).await;
        }
        match i.state {
            S::Proposed if self.goes_by_itself(tenant, &i).await? => {
                // The controller ended between the proposal and its dry run.
                self.dry_run(tenant, &i, controller(), now).await
            }
            S::Approved if !acting.contains(&i.target) => {
                let begun = self.begin(tenant, &i, epoch, now).await?;
                if begun.state == S::Executing {
                    acting.push(begun.target.clone());
                }
                Ok(begun)
            }
            _ => Ok(i),
        }
    }

    async fn goes_by_itself(&self, tenant: &TenantId, i: &Intervention) -> Result<bool, ControllerError> {
        let Proposer::Playbook { id, version, .. } = &i.proposer else { return Ok(true) };
        match self.store.playbooks().get_version(tenant, *id, *version).await {
            Ok(playbook) => Ok(matches!(playbook.autonomy, Autonomy::Approve | Autonomy::Auto)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Begins an approved intervention, unless it is frozen, or the state of its target is no longer the approved
    /// one. The freeze is looked at in the transaction that begins it: none can come in between.
    async fn begin(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        epoch: u64,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let playbook = playbook_of(i);
        if let Some(why) = self.out_of_force(tenant, playbook).await? {
            return self.apply(tenant, i, Event::Cancel { why }, Actor::controller(), now).await;
        }
        if self.frozen(tenant, &i.target, playbook).await?.is_some() {
            return Ok(i.clone());
        }
        if let Some(why) = self.changed(tenant, &i.plan).await {
            return self.apply(tenant, i, Event::Reject { why }, Actor::controller(), now).await;
        }
        let mut tx = self.store.begin(tenant, now).await?;
        if tx.freeze_covering(&i.target, playbook).await?.is_some() {
            return Ok(i.clone());
        }
        let before = tx.intervention(i.id).await?;
        if before.version != i.version {
            return Ok(before);
        }
        let (next, entries) = machine::advance(&before, Event::Execute { epoch }, Actor::controller(), now)?;
        let begun = tx.update_intervention(&next).await?;
        tx.leave(Trail::from(entries)).await?;
        tx.commit().await?;
        info!(intervention = %begun.id, target = %begun.target, epoch, "executing");
        self.tell(tenant, &begun);
        Ok(begun)
    }

    /// Why the playbook that wanted it no longer stands behind it; `None` if it does.
    async fn out_of_force(
        &self,
        tenant: &TenantId,
        playbook: Option<PlaybookId>,
    ) -> Result<Option<String>, ControllerError> {
        let Some(id) = playbook else { return Ok(None) };
        match self.store.playbooks().get(tenant, id).await {
            Ok(found) if found.enabled => Ok(None),
            Ok(_) => Ok(Some("its playbook was taken out of force".to_owned())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Some("its playbook was deleted".to_owned())),
            Err(e) => Err(e.into()),
        }
    }

    /// Why the approved plan no longer fits its target; `None` if it does.
    async fn changed(&self, tenant: &TenantId, plan: &Plan) -> Option<String> {
        match self.previews(tenant, plan).await {
            Err(why) => Some(format!("it can no longer be done: {why}")),
            Ok(now) => {
                let version = |previews: &[echobase_types::intervention::Preview]| {
                    previews.iter().map(|p| p.target_version.clone()).collect::<Vec<_>>()
                };
                let (approved, found) = (version(&plan.previews), version(&now));
                (approved != found).then(|| {
                    format!(
                        "its target has changed since it was approved (version {} then, {} now): the approval is void",
                        approved.join(", "),
                        found.join(", ")
                    )
                })
            }
        }
    }
}

/// The playbook that wanted it.
pub(super) fn playbook_of(i: &Intervention) -> Option<PlaybookId> {
    match &i.proposer {
        Proposer::Playbook { id, .. } => Some(*id),
        Proposer::Principal { .. } => None,
    }
}
