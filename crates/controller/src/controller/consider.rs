//! From assessments to proposals.

use std::sync::Arc;

use echobase_store::freeze::FreezeScope;
use echobase_store::fresh_uuid;
use echobase_types::alert::{Alert, AlertState};
use echobase_types::assessment::{Assessment, Severity};
use echobase_types::intervention::InterventionState;
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::playbook::Autonomy;
use echobase_types::{AlertId, Attributes, ResourceId, TenantId, Timestamp};
use tracing::{debug, info, warn};

use super::history::attempt;
use super::switch::playbook_frozen_key;
use super::{Controller, Inner};
use crate::condition::Facts;
use crate::error::ControllerError;
use crate::plan::{Decision, Guard, History, Rule, Situation, consider, hold};

impl Controller {
    /// Asks every playbook in force about these assessments, and proposes what they want within the envelope.
    pub async fn consider(
        &self,
        tenant: &TenantId,
        assessments: &[Assessment],
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let inner = &self.inner;
        if inner.leases.epoch(&inner.store, tenant, now).await?.is_none() {
            return Ok(());
        }
        let rules = inner.rules(tenant).await?;
        // The past is read once, and only if a condition holds.
        let mut past = None;
        for assessment in assessments {
            let mut looking = rules.iter().filter(|r| r.playbook.selector.takes_in(&assessment.resource_id));
            let Some(first) = looking.next() else { continue };
            let facts = Facts::of(assessment);
            let (mut holding, mut wanting) = (Vec::new(), Vec::new());
            for rule in std::iter::once(first).chain(looking) {
                let held = inner.note_hold(tenant, rule, &facts, assessment);
                if held.is_none() {
                    continue;
                }
                if past.is_none() {
                    past = Some((inner.history(tenant, now).await?, inner.freezes(tenant).await?));
                }
                let Some((history, freezes)) = &mut past else { continue };
                holding.push(rule.as_ref());
                if rule.playbook.autonomy == Autonomy::Auto {
                    let key = (rule.playbook.id, rule.playbook.version);
                    if !history.record.iter().any(|(k, _)| *k == key) {
                        history.record.push((key, inner.record(tenant, &rule.playbook).await?));
                    }
                }
                let decision = consider(
                    rule,
                    &Situation {
                        facts: &facts,
                        assessment,
                        held_since: held,
                        history,
                        freezes,
                        limits: &inner.limits,
                        now,
                    },
                );
                match decision {
                    Decision::Propose(wanted) => wanting.push((rule.as_ref(), wanted)),
                    other => {
                        let outcome = inner.follow(tenant, rule, assessment, other, history, now).await?;
                        if outcome == Outcome::Frozen {
                            *freezes = inner.freezes(tenant).await?;
                        }
                    }
                }
            }
            let Some((history, _)) = &mut past else { continue };
            let chosen = inner.choose(tenant, &holding, wanting, assessment, history, now).await?;
            if let Some((rule, wanted)) = chosen {
                let decision = Decision::Propose(wanted);
                inner.follow(tenant, rule, assessment, decision, history, now).await?;
            }
        }
        Ok(())
    }
}

/// Whether following a decision changed the freezes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Frozen,
    Other,
}

impl Inner {
    /// The playbooks in force, compiled.
    pub(super) async fn rules(&self, tenant: &TenantId) -> Result<Vec<Arc<Rule>>, ControllerError> {
        let all = self.store.playbooks().enabled(tenant).await?;
        let mut volatile = self.volatile();
        let mut rules = Vec::with_capacity(all.len());
        for playbook in all {
            let key = (playbook.id, playbook.version);
            let known = volatile.rules.get(&key).cloned();
            let rule = known.unwrap_or_else(|| {
                let name = playbook.name.clone();
                let compiled = Rule::compile(playbook).map(Arc::new);
                if let Err(faults) = &compiled {
                    warn!(playbook = name, ?faults, "a stored playbook does not compile any more");
                }
                let compiled = compiled.ok();
                volatile.rules.insert(key, compiled.clone());
                compiled
            });
            rules.extend(rule);
        }
        Ok(rules)
    }

    /// Notes whether the condition holds, and since when.
    fn note_hold(&self, tenant: &TenantId, rule: &Rule, facts: &Facts, a: &Assessment) -> Option<Timestamp> {
        let key = (tenant.clone(), rule.playbook.id, a.resource_id.clone());
        let mut volatile = self.volatile();
        let held = hold(rule, facts, a, volatile.held.get(&key).copied());
        match held {
            Some(since) => drop(volatile.held.insert(key, since)),
            None => drop(volatile.held.remove(&key)),
        }
        held
    }

    async fn follow(
        &self,
        tenant: &TenantId,
        rule: &Rule,
        assessment: &Assessment,
        decision: Decision,
        history: &mut History,
        now: Timestamp,
    ) -> Result<Outcome, ControllerError> {
        let (playbook, target) = (&rule.playbook, &assessment.resource_id);
        match decision {
            Decision::No | Decision::Holding | Decision::Unknown(_) => {}
            Decision::WouldAct { reason } => self.note_would_act(tenant, rule, target, &reason, now).await?,
            Decision::Suppressed { guard: Guard::Ineffective, words } => {
                self.freeze_playbook(tenant, rule, &words, now).await?;
                return Ok(Outcome::Frozen);
            }
            Decision::Suppressed { guard, words } => {
                debug!(playbook = playbook.name, target = %target, guard = guard.as_str(), words, "suppressed");
            }
            Decision::Propose(wanted) => {
                let id = self.fresh_id(now)?;
                let _working = self.working(id);
                let made = self.propose_for(tenant, id, rule, &wanted, assessment, now).await?;
                info!(playbook = playbook.name, target = %target, intervention = %made.id, "proposed");
                let made = match wanted.autonomy {
                    Autonomy::Observe | Autonomy::Suggest => made,
                    Autonomy::Approve | Autonomy::Auto => {
                        self.dry_run(tenant, &made, Actor::controller(), now).await?
                    }
                };
                for old in history.attempts.iter_mut().filter(|a| wanted.supersedes.contains(&a.id)) {
                    old.state = InterventionState::Superseded;
                }
                history.attempts.push(attempt(&made));
                self.wake.notify_one();
            }
        }
        Ok(Outcome::Other)
    }

    /// Records that a playbook would have acted: once for each cool-down, so that the ledger tells and does not drone.
    async fn note_would_act(
        &self,
        tenant: &TenantId,
        rule: &Rule,
        target: &ResourceId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let key = (tenant.clone(), rule.playbook.id, target.clone());
        let cooldown = rule.playbook.envelope.cooldown.max(self.limits.cooldown_floor);
        let last = self.volatile().observed.get(&key).copied();
        if last.is_some_and(|last| now.since(last) < cooldown) {
            return Ok(());
        }
        let entry = EntryDraft::new(Actor::controller(), "playbook.would_act", "playbook", rule.playbook.id)
            .fact("playbook", rule.playbook.name.as_str())
            .fact("version", i64::from(rule.playbook.version))
            .fact("target", target.as_str())
            .fact("reason", reason);
        self.store.ledger().append(tenant, vec![entry], now).await?;
        self.volatile().observed.insert(key, now);
        Ok(())
    }

    /// The breaker of ineffective loops: freezes the playbook and tells people, in one transaction.
    async fn freeze_playbook(
        &self,
        tenant: &TenantId,
        rule: &Rule,
        words: &str,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let playbook = &rule.playbook;
        let scope = FreezeScope::Playbook(playbook.id);
        let mut tx = self.store.begin(tenant, now).await?;
        self.freeze_in(&mut tx, &scope, words).await?;
        let alert = new_alert(
            now,
            playbook_frozen_key(playbook.id),
            "playbook.frozen",
            None,
            format!("the playbook {} was frozen: it acts without lasting effect", playbook.name),
            words.to_owned(),
        )?;
        fire(&mut tx, &alert).await?;
        tx.commit().await?;
        warn!(playbook = playbook.name, words, "playbook frozen");
        self.flag(tenant, scope, words, now);
        Ok(())
    }
}

/// A critical alert of the controller.
pub(super) fn new_alert(
    now: Timestamp,
    dedup_key: String,
    rule: &str,
    resource_id: Option<ResourceId>,
    summary: String,
    detail: String,
) -> Result<Alert, ControllerError> {
    let group_key = resource_id.as_ref().map_or_else(|| dedup_key.clone(), ToString::to_string);
    Ok(Alert {
        id: AlertId::from_uuid(fresh_uuid(now)?),
        dedup_key,
        group_key,
        resource_id,
        rule: rule.to_owned(),
        severity: Severity::Critical,
        summary,
        detail,
        state: AlertState::Firing,
        started_at: now,
        last_fired_at: now,
        count: 1,
        labels: Attributes::new(),
    })
}

/// Fires an alert in the transaction of the change that it tells of. `oncall` finds it there and tells people.
pub(super) async fn fire(tx: &mut echobase_store::Tx, alert: &Alert) -> Result<(), ControllerError> {
    let fired = tx.fire_alert(alert).await?;
    let alert = fired.alert();
    let entry = EntryDraft::new(Actor::controller(), "alert.fire", "alert", alert.id)
        .fact("rule", alert.rule.as_str())
        .fact("severity", alert.severity.as_str())
        .fact("dedup_key", alert.dedup_key.as_str());
    tx.leave(entry.into()).await?;
    Ok(())
}
