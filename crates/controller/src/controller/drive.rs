//! Carrying out, verifying and undoing. Makes no choice of its own: the plan says what, the machine says whether.
//!
//! Each step is admitted at the target before it is done and recorded after it, both under the fencing number; a step
//! that was admitted but has no receipt was under way when a controller ended, and its actuator says what became of
//! it. Whatever cannot be known is undone.

use echobase_store::effect::{Admit, Direction, EffectKey};
use echobase_store::freeze::FreezeScope;
use echobase_store::{Trail, Tx};
use echobase_types::assessment::Severity;
use echobase_types::intervention::{Intervention, InterventionState as S, Step, StepReceipt, Verification};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::{InterventionId, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::consider::{fire, new_alert};
use super::pass::playbook_of;
use super::switch::rollback_failed_key;
use super::{Clock, Inner};
use crate::actuator::{ActuatorError, Call, Settled, Target};
use crate::condition::{Condition, all_hold};
use crate::error::ControllerError;
use crate::machine::{self, Event, Last};

/// The intervention as it is now; `None`: not now, a later pass takes it up.
type Next = Option<Intervention>;

/// What is known of a step that has no receipt.
enum Begun {
    /// Nothing was done.
    No,
    /// Something was done, or may have been; this undoes it.
    Undo(StepReceipt),
    /// Something may have been done, and nothing undoes it.
    Lost(String),
    /// Another controller acts.
    Fenced,
}

/// What stands at the target for a step that failed without doing anything. Receipts of actuators always say what
/// undoes them.
fn untouched(step: u32) -> StepReceipt {
    StepReceipt { step, summary: "nothing was done".to_owned(), undo: String::new(), output: String::new() }
}

/// The first step without a receipt.
fn next_step(i: &Intervention) -> Option<(u32, &Step)> {
    (0_u32..).zip(&i.plan.steps).find(|(n, _)| !i.receipts.iter().any(|r| r.step == *n))
}

/// Several events, one after the other.
fn advance_all(
    before: &Intervention,
    events: Vec<Event>,
    now: Timestamp,
) -> Result<(Intervention, Vec<EntryDraft>), ControllerError> {
    let (mut next, mut entries) = (before.clone(), Vec::new());
    for event in events {
        let (after, told) = machine::advance(&next, event, Actor::controller(), now)?;
        next = after;
        entries.extend(told);
    }
    Ok((next, entries))
}

fn failed_key(target: &echobase_types::ResourceId) -> String {
    format!("intervention.failed/{target}")
}

impl Inner {
    /// Drives one intervention as far as it goes now.
    pub(super) async fn drive(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        clock: &Clock,
        shutdown: &CancellationToken,
    ) -> Result<(), ControllerError> {
        let mut i = self.store.interventions().get(tenant, id).await?;
        while !shutdown.is_cancelled() {
            let Some(epoch) = self.leases.may_begin(tenant).await else { return Ok(()) };
            let next = match i.state {
                S::Executing if i.executed_at.is_some() => self.verify(tenant, &i, clock()).await?,
                S::Executing => self.step(tenant, &i, epoch, clock).await?,
                S::RollingBack => self.undo(tenant, &i, epoch, clock).await?,
                _ => None,
            };
            match next {
                Some(changed) => i = changed,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn call(tenant: &TenantId, i: &Intervention, step: u32, epoch: u64) -> Call {
        let target = Target { tenant: tenant.clone(), resource: i.target.clone() };
        Call { target, intervention: i.id, step, epoch }
    }

    fn effect(i: &Intervention, step: u32, direction: Direction) -> EffectKey {
        EffectKey { target: i.target.clone(), intervention: i.id, step, direction }
    }

    /// Carries the next step out.
    async fn step(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        epoch: u64,
        clock: &Clock,
    ) -> Result<Next, ControllerError> {
        let now = clock();
        let Some((index, step)) = next_step(i) else {
            return self.give_up(tenant, i, "its plan has no such step".to_owned(), now).await;
        };
        if let Some(freeze) = self.frozen(tenant, &i.target, playbook_of(i)).await? {
            let why = format!("{} was frozen: {}", freeze.scope, freeze.reason);
            return self.give_up(tenant, i, why, now).await;
        }
        let actuator = match self.actuators.get(&i.plan.actuator) {
            Ok(actuator) => actuator,
            Err(e) => return self.give_up(tenant, i, e.reason, now).await,
        };
        let (key, call) = (Self::effect(i, index, Direction::Apply), Self::call(tenant, i, index, epoch));
        let done = match self.store.effects().admit(tenant, &key, epoch, now).await? {
            Admit::Fenced { epoch: other } => {
                warn!(intervention = %i.id, epoch, other, "fenced off: another controller acts");
                return Ok(None);
            }
            Admit::Already(receipt) => {
                // Recorded at the target, not in the intervention: the controller ended in between.
                return self.note_step(tenant, i, receipt, epoch, None, clock()).await;
            }
            Admit::First => actuator.apply(step, &call).await,
            Admit::Unfinished { epoch: before } => {
                info!(intervention = %i.id, step = index, before, epoch, "taking up a step that was under way");
                match actuator.settle(step, &call).await {
                    Settled::Done(receipt) => Ok(receipt),
                    Settled::NotDone => actuator.apply(step, &call).await,
                    Settled::InDoubt(Some(receipt)) => Err(ActuatorError::Partly {
                        detail: "the controller ended while it was done, and nobody knows how far it came"
                            .to_owned(),
                        receipt,
                    }),
                    Settled::InDoubt(None) => {
                        let words = "the controller ended while it was done, and nothing can undo it";
                        Err(ActuatorError::untouched(words))
                    }
                }
            }
        };
        match done {
            Ok(receipt) => self.note_step(tenant, i, receipt, epoch, Some(&key), clock()).await,
            Err(e) => self.note_failure(tenant, i, &key, epoch, e, clock()).await,
        }
    }

    /// Notes a step that failed, at the target and in the intervention, and turns to the way back.
    async fn note_failure(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        key: &EffectKey,
        epoch: u64,
        failure: ActuatorError,
        now: Timestamp,
    ) -> Result<Next, ControllerError> {
        let (why, receipt) = match failure {
            ActuatorError::Untouched { detail } => (detail, None),
            ActuatorError::Partly { detail, receipt } => (detail, Some(receipt)),
        };
        let step = key.step;
        let words = format!("step {step} failed: {why}");
        let noted = receipt.clone().unwrap_or_else(|| untouched(step));
        let mut tx = self.store.begin(tenant, now).await?;
        tx.record_effect(key, epoch, &noted).await?;
        // As it is stored now: a person may have asked for the way back meanwhile.
        let before = tx.intervention(i.id).await?;
        let failed = Event::StepFailed { step, epoch, why, receipt };
        let (after, mut entries) = advance_all(&before, vec![failed], now)?;
        let has_way_back = !after.receipts.is_empty();
        let mut written = tx.update_intervention(&after).await?;
        if written.state == S::Executing {
            let event =
                if has_way_back { Event::RollBack { why: words } } else { Event::Fail { why: words } };
            let (next, told) = advance_all(&written, vec![event], now)?;
            entries.extend(told);
            written = tx.update_intervention(&next).await?;
        }
        tx.leave(Trail::from(entries)).await?;
        if written.state == S::Failed {
            self.tell_people(&mut tx, &written, &format!("an intervention on {} failed", i.target), now)
                .await?;
        }
        tx.commit().await?;
        self.tell(tenant, &written);
        Ok(Some(written))
    }

    /// Lets several events happen in one transaction.
    async fn apply_all(
        &self,
        tenant: &TenantId,
        before: &Intervention,
        events: Vec<Event>,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let (next, entries) = advance_all(before, events, now)?;
        let written = self.store.interventions().update(tenant, &next, Trail::from(entries), now).await?;
        self.tell(tenant, &written);
        Ok(written)
    }

    /// Notes a step that is done: at the target and in the intervention, in one transaction.
    async fn note_step(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        receipt: StepReceipt,
        epoch: u64,
        key: Option<&EffectKey>,
        now: Timestamp,
    ) -> Result<Next, ControllerError> {
        let last = if i.receipts.len() + 1 >= i.plan.steps.len() { Last::Yes } else { Last::No };
        let event = Event::Step { receipt: receipt.clone(), epoch, last };
        let mut tx = self.store.begin(tenant, now).await?;
        if let Some(key) = key {
            tx.record_effect(key, epoch, &receipt).await?;
        }
        // As it is stored now: a person may have asked for the way back meanwhile.
        let before = tx.intervention(i.id).await?;
        let (next, entries) = machine::advance(&before, event, Actor::controller(), now)?;
        let written = tx.update_intervention(&next).await?;
        tx.leave(Trail::from(entries)).await?;
        tx.commit().await?;
        self.tell(tenant, &written);
        Ok(Some(written))
    }

    /// Ends an execution that cannot go on: by the way back, or at once where nothing was done.
    async fn give_up(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        why: String,
        now: Timestamp,
    ) -> Result<Next, ControllerError> {
        if !i.receipts.is_empty() {
            let event = Event::RollBack { why };
            return Ok(Some(self.apply(tenant, i, event, Actor::controller(), now).await?));
        }
        let summary = format!("an intervention on {} failed", i.target);
        let ended = self.end_badly(tenant, i, vec![Event::Fail { why }], &summary, now).await?;
        Ok(Some(ended))
    }

    /// Ends an intervention that did not help, and tells people in the same transaction.
    async fn end_badly(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        events: Vec<Event>,
        summary: &str,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let (next, entries) = advance_all(i, events, now)?;
        let mut tx = self.store.begin(tenant, now).await?;
        let written = tx.update_intervention(&next).await?;
        tx.leave(Trail::from(entries)).await?;
        self.tell_people(&mut tx, &written, summary, now).await?;
        tx.commit().await?;
        self.volatile().streaks.remove(&i.id);
        warn!(intervention = %i.id, target = %i.target, state = written.state.as_str(), "did not help");
        self.tell(tenant, &written);
        Ok(written)
    }

    /// Fires the alert on an intervention that did not help.
    async fn tell_people(
        &self,
        tx: &mut Tx,
        i: &Intervention,
        summary: &str,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let detail = format!("{} · intervention {}", i.state_reason, i.id);
        let (key, target) = (failed_key(&i.target), Some(i.target.clone()));
        let mut alert = new_alert(now, key, "intervention.failed", target, summary.to_owned(), detail)?;
        alert.severity = Severity::Warning;
        fire(tx, &alert).await
    }

    /// Judges the effect: once it held long enough, or at the deadline.
    async fn verify(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        now: Timestamp,
    ) -> Result<Next, ControllerError> {
        let Some(done_at) = i.executed_at else { return Ok(None) };
        // Only what was measured after the last step can speak about its effect.
        let seen = self.sensor.assessment(tenant, &i.target, now).await;
        let seen = seen.filter(|a| a.at > done_at && a.last_signal_at > done_at);
        let (mut result, mut words) = match &seen {
            None => (Verification::Unknown, "nothing was measured since".to_owned()),
            Some(assessment) => {
                let compiled: Result<Vec<Condition>, _> =
                    i.plan.success.iter().map(|source| Condition::compile(source)).collect();
                match compiled {
                    Ok(conditions) => all_hold(&conditions, assessment),
                    Err(_) => {
                        (Verification::Unknown, "a success criterion does not compile any more".to_owned())
                    }
                }
            }
        };
        let needed = self.config.confirmations.max(1);
        let count = self.count_streak(i.id, result, seen.map(|a| a.at));
        if result == Verification::Pass && count < needed {
            result = Verification::Unknown;
            words = format!("{words}, in {count} of {needed} assessments so far");
        }
        let deadline = done_at + i.plan.verify_within;
        if result != Verification::Pass && now < deadline {
            return Ok(None);
        }
        let event = Event::Verify { result, words: words.clone() };
        if result == Verification::Pass {
            return Ok(Some(self.end_well(tenant, i, event, now).await?));
        }
        let limit = echobase_types::duration::format(i.plan.verify_within);
        let why = format!("not verified within {limit} ({}): {words}", result.as_str());
        Ok(Some(self.apply_all(tenant, i, vec![event, Event::RollBack { why }], now).await?))
    }

    /// How many different assessments in a row held.
    fn count_streak(&self, id: InterventionId, result: Verification, at: Option<Timestamp>) -> u32 {
        let mut volatile = self.volatile();
        let (Verification::Pass, Some(at)) = (result, at) else {
            volatile.streaks.remove(&id);
            return 0;
        };
        let streak = volatile.streaks.entry(id).or_insert((at, 1));
        if streak.0 < at {
            *streak = (at, streak.1 + 1);
        }
        streak.1
    }

    async fn end_well(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        event: Event,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let (next, entries) = machine::advance(i, event, Actor::controller(), now)?;
        let mut tx = self.store.begin(tenant, now).await?;
        let written = tx.update_intervention(&next).await?;
        tx.leave(Trail::from(entries)).await?;
        self.resolve(&mut tx, &failed_key(&i.target)).await?;
        tx.commit().await?;
        self.volatile().streaks.remove(&i.id);
        info!(intervention = %i.id, target = %i.target, "verified");
        self.tell(tenant, &written);
        Ok(written)
    }

    /// Undoes the newest step that is not undone.
    async fn undo(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        epoch: u64,
        clock: &Clock,
    ) -> Result<Next, ControllerError> {
        self.volatile().streaks.remove(&i.id);
        let mut receipts = i.receipts.clone();
        match self.begun_without_receipt(tenant, i, epoch, clock).await? {
            Begun::No => {}
            Begun::Undo(receipt) => receipts.push(receipt),
            Begun::Lost(why) => return self.rollback_failed(tenant, i, &why, clock()).await,
            Begun::Fenced => return Ok(None),
        }
        receipts.sort_by_key(|r| std::cmp::Reverse(r.step));
        let mut current = i.clone();
        for receipt in receipts {
            if self.leases.may_begin(tenant).await != Some(epoch) {
                return Ok(None);
            }
            let key = Self::effect(i, receipt.step, Direction::Revert);
            match self.store.effects().admit(tenant, &key, epoch, clock()).await? {
                Admit::Already(_) => continue,
                Admit::Fenced { epoch: other } => {
                    warn!(intervention = %i.id, epoch, other, "fenced off: another controller acts");
                    return Ok(None);
                }
                Admit::First | Admit::Unfinished { .. } => {}
            }
            let done = match self.actuators.get(&i.plan.actuator) {
                Ok(actuator) => actuator.revert(&receipt, &Self::call(tenant, i, receipt.step, epoch)).await,
                Err(e) => Err(ActuatorError::untouched(e.reason)),
            };
            let words = match done {
                Ok(words) => words,
                Err(e) => return self.rollback_failed(tenant, &current, &e.to_string(), clock()).await,
            };
            let now = clock();
            let mut tx = self.store.begin(tenant, now).await?;
            let undone = StepReceipt { summary: words.clone(), ..receipt.clone() };
            tx.record_effect(&key, epoch, &undone).await?;
            let before = tx.intervention(i.id).await?;
            let event = Event::Reverted { step: receipt.step, epoch, words };
            let (next, entries) = machine::advance(&before, event, Actor::controller(), now)?;
            current = tx.update_intervention(&next).await?;
            tx.leave(Trail::from(entries)).await?;
            tx.commit().await?;
            self.tell(tenant, &current);
        }
        let summary = format!("an intervention on {} did not help and was undone", i.target);
        let ended = self.end_badly(tenant, &current, vec![Event::RolledBack], &summary, clock()).await?;
        Ok(Some(ended))
    }

    /// A step that was under way when its controller ended, and whose receipt nobody noted.
    async fn begun_without_receipt(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        epoch: u64,
        clock: &Clock,
    ) -> Result<Begun, ControllerError> {
        let Some((index, step)) = next_step(i) else { return Ok(Begun::No) };
        let Ok(actuator) = self.actuators.get(&i.plan.actuator) else { return Ok(Begun::No) };
        let key = Self::effect(i, index, Direction::Apply);
        // Admitted under this number, no late controller can begin it any more.
        match self.store.effects().admit(tenant, &key, epoch, clock()).await? {
            Admit::First => Ok(Begun::No),
            Admit::Already(receipt) if receipt.undo.is_empty() => Ok(Begun::No),
            Admit::Already(receipt) => Ok(Begun::Undo(receipt)),
            Admit::Fenced { .. } => Ok(Begun::Fenced),
            Admit::Unfinished { .. } => {
                Ok(match actuator.settle(step, &Self::call(tenant, i, index, epoch)).await {
                    Settled::NotDone => Begun::No,
                    Settled::Done(receipt) | Settled::InDoubt(Some(receipt)) => Begun::Undo(receipt),
                    Settled::InDoubt(None) => {
                        Begun::Lost(format!("step {index} was under way, and nobody knows how far it came"))
                    }
                })
            }
        }
    }

    /// Undoing failed: the target is frozen and people are told, in one transaction.
    async fn rollback_failed(
        &self,
        tenant: &TenantId,
        i: &Intervention,
        why: &str,
        now: Timestamp,
    ) -> Result<Next, ControllerError> {
        let event = Event::RollbackFailed { why: why.to_owned() };
        let (next, entries) = machine::advance(i, event, Actor::controller(), now)?;
        let scope = FreezeScope::Resource(i.target.clone());
        let reason = format!("undoing intervention {} failed: {why}", i.id);
        let mut tx = self.store.begin(tenant, now).await?;
        let written = tx.update_intervention(&next).await?;
        tx.leave(Trail::from(entries)).await?;
        self.freeze_in(&mut tx, &scope, &reason).await?;
        self.page(&mut tx, i, &reason, now).await?;
        tx.commit().await?;
        warn!(intervention = %i.id, target = %i.target, why, "rollback failed: the target is frozen");
        self.flag(tenant, scope, &reason, now);
        self.tell(tenant, &written);
        Ok(Some(written))
    }

    async fn page(
        &self,
        tx: &mut Tx,
        i: &Intervention,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let alert = new_alert(
            now,
            rollback_failed_key(&i.target),
            "intervention.rollback_failed",
            Some(i.target.clone()),
            format!("{} is in an unknown state: undoing an intervention failed", i.target),
            format!("{reason}; the target is frozen until two people release it"),
        )?;
        fire(tx, &alert).await
    }
}
