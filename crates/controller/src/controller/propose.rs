//! Proposing, and the dry run that fixes what would be done.

use std::time::Duration;

use echobase_store::Trail;
use echobase_types::assessment::Assessment;
use echobase_types::intervention::{
    Intervention, InterventionState, InterventionType, Plan, Preview, Proposer, RiskClass, Step,
};
use echobase_types::ledger::Actor;
use echobase_types::playbook::SafetyEnvelope;
use echobase_types::{InterventionId, PrincipalId, ResourceId, TenantId, Timestamp};

use super::{Controller, Inner};
use crate::actuator::Target;
use crate::condition::Condition;
use crate::error::ControllerError;
use crate::machine::{self, Event};
use crate::plan::{
    FLOOR_WITHOUT_AUTONOMY, Past, Rule, Wanted, blast_radius, first_that_stops_by_hand, storm,
};

/// An intervention that a person or a machine wants by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What to act on.
    pub target: ResourceId,
    /// What sort.
    pub kind: InterventionType,
    /// How much harm it could do: low counts as medium, since no playbook earned its autonomy; the dry run may find
    /// more.
    pub risk: RiskClass,
    /// What carries it out.
    pub actuator: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// CEL conditions that must all hold afterwards; at least one.
    pub success: Vec<String>,
    /// How long success may take to show.
    pub verify_within: Duration,
    /// Why.
    pub reason: String,
}

impl Controller {
    /// Proposes an intervention by hand and tries it dry at once. One that a guard or the dry run refuses is returned
    /// as rejected, with the reason. The target must be known.
    pub async fn propose(
        &self,
        tenant: &TenantId,
        proposal: Proposal,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let inner = &self.inner;
        let wrong = |words: String| ControllerError::Unprocessable(words);
        let by: PrincipalId =
            actor.id.parse().map_err(|_| wrong("only a principal can propose".to_owned()))?;
        if proposal.steps.is_empty() || proposal.success.is_empty() {
            return Err(wrong("name at least one step and one success criterion".to_owned()));
        }
        for source in &proposal.success {
            Condition::compile(source).map_err(|faults| {
                let words: Vec<_> = faults.iter().map(|f| f.detail.as_str()).collect();
                wrong(format!("success criterion `{source}`: {}", words.join("; ")))
            })?;
        }
        inner.store.resources().get(tenant, &proposal.target).await?;
        let history = inner.history(tenant, now).await?;
        let reason = match storm(&history, &inner.limits, now) {
            Some(words) => format!("{} · {words}", proposal.reason),
            None => proposal.reason,
        };
        let seen = inner.sensor.assessment(tenant, &proposal.target, now).await;
        let plan = Plan {
            target: proposal.target,
            actuator: proposal.actuator,
            steps: proposal.steps,
            previews: Vec::new(),
            success: proposal.success,
            verify_within: proposal.verify_within,
            envelope: SafetyEnvelope {
                cooldown: inner.limits.cooldown_floor,
                max_units: 1,
                max_share: 0.1,
                max_per_hour: inner.limits.tenant_per_hour,
                min_available: 0,
            },
            risk: proposal.risk.max(FLOOR_WITHOUT_AUTONOMY),
        };
        let id = inner.fresh_id(now)?;
        let proposer = Proposer::Principal { id: by };
        let _working = inner.working(id);
        let mut made = inner.new_intervention(id, plan, proposal.kind, proposer, reason, seen.as_ref(), now);
        made.state_reason = "its dry run follows".to_owned();
        let entry = machine::proposed(&made, actor.clone());
        let made = inner.store.interventions().create(tenant, &made, entry.into(), now).await?;
        inner.tell(tenant, &made);
        let tried = inner.dry_run(tenant, &made, actor, now).await?;
        inner.wake.notify_one();
        Ok(tried)
    }

    /// Takes a suggestion up: tries it dry and fixes its plan.
    pub async fn validate(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let found = self.inner.store.interventions().get(tenant, id).await?;
        let tried = self.inner.dry_run(tenant, &found, actor, now).await?;
        self.inner.wake.notify_one();
        Ok(tried)
    }
}

impl Inner {
    fn new_intervention(
        &self,
        id: InterventionId,
        plan: Plan,
        kind: InterventionType,
        proposer: Proposer,
        reason: String,
        seen: Option<&Assessment>,
        now: Timestamp,
    ) -> Intervention {
        Intervention {
            id,
            target: plan.target.clone(),
            kind,
            risk: plan.risk,
            proposer,
            reason,
            state: InterventionState::Proposed,
            state_reason: String::new(),
            plan,
            digest: None,
            approvals: Vec::new(),
            receipts: Vec::new(),
            verification: None,
            epoch: 0,
            score_before: seen.map(|a| a.stability.score),
            risk_before: seen.filter(|a| a.risk.predictable).map(|a| a.risk.probability),
            version: 0,
            created_at: now,
            updated_at: now,
            expires_at: now + self.config.suggestion_expiry,
            executed_at: None,
        }
    }

    /// Records what a playbook wants. Waiting interventions whose place it takes are closed in the same transaction.
    pub(super) async fn propose_for(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        rule: &Rule,
        wanted: &Wanted,
        assessment: &Assessment,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let playbook = &rule.playbook;
        let plan = Plan {
            target: assessment.resource_id.clone(),
            actuator: playbook.actuator.clone(),
            steps: playbook.steps.clone(),
            previews: Vec::new(),
            success: playbook.success.clone(),
            verify_within: playbook.verify_within,
            envelope: playbook.envelope.clone(),
            risk: wanted.risk,
        };
        let proposer =
            Proposer::Playbook { id: playbook.id, name: playbook.name.clone(), version: playbook.version };
        let reason = wanted.reason.clone();
        let mut made =
            self.new_intervention(id, plan, playbook.kind, proposer, reason, Some(assessment), now);
        made.state_reason = "a person must take it up".to_owned();
        let mut tx = self.store.begin(tenant, now).await?;
        let mut changed = Vec::new();
        let mut entries = Vec::new();
        for old in &wanted.supersedes {
            let before = tx.intervention(*old).await?;
            let event = Event::Supersede { by: made.id };
            let (next, told) = machine::advance(&before, event, Actor::controller(), now)?;
            changed.push(tx.update_intervention(&next).await?);
            entries.extend(told);
        }
        entries.push(machine::proposed(&made, Actor::controller()));
        let made = tx.create_intervention(&made).await?;
        tx.leave(Trail::from(entries)).await?;
        tx.commit().await?;
        for old in &changed {
            self.tell(tenant, old);
        }
        self.tell(tenant, &made);
        Ok(made)
    }

    /// Tries an intervention dry: its plan is fixed, or it is rejected. A plan of low risk is approved by the
    /// envelope in the same transaction.
    pub(super) async fn dry_run(
        &self,
        tenant: &TenantId,
        proposed: &Intervention,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let event = match self.try_dry(tenant, proposed, now).await? {
            Ok((previews, risk)) => {
                Event::Validate { previews, risk, expires_at: now + self.config.approval_expiry }
            }
            Err(why) => Event::Reject { why },
        };
        let (mut next, mut entries) = machine::advance(proposed, event, actor, now)?;
        let mut tx = self.store.begin(tenant, now).await?;
        let mut written = tx.update_intervention(&next).await?;
        let digest = written.digest.clone().filter(|_| written.state == InterventionState::Validated);
        if let Some(digest) = digest.filter(|_| written.risk.approvals_needed() == 0) {
            let event = Event::Approve { by: None, digest, expires_at: now + self.config.approval_expiry };
            let (approved, told) = machine::advance(&written, event, Actor::controller(), now)?;
            next = approved;
            entries.extend(told);
            written = tx.update_intervention(&next).await?;
        }
        tx.leave(Trail::from(entries)).await?;
        tx.commit().await?;
        self.tell(tenant, &written);
        Ok(written)
    }

    /// What each step would do and the class of risk of the whole, or why not.
    async fn try_dry(
        &self,
        tenant: &TenantId,
        proposed: &Intervention,
        now: Timestamp,
    ) -> Result<Result<(Vec<Preview>, RiskClass), String>, ControllerError> {
        let plan = &proposed.plan;
        if proposed.state != InterventionState::Proposed {
            // The machine says so in its own words.
            return Ok(Ok((Vec::new(), plan.risk)));
        }
        let by_hand = matches!(proposed.proposer, Proposer::Principal { .. });
        if by_hand && let Some(words) = self.stops_by_hand(tenant, proposed, now).await? {
            return Ok(Err(words));
        }
        let previews = match self.previews(tenant, plan).await {
            Ok(previews) => previews,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = blast_radius(&plan.envelope, &previews) {
            return Ok(Err(why));
        }
        let mut risk = plan.risk;
        if let Ok(actuator) = self.actuators.get(&plan.actuator) {
            risk = plan.steps.iter().map(|step| actuator.risk_floor(step)).fold(risk, RiskClass::max);
        }
        // What cannot be undone is never automatic, and what no playbook stands behind has earned no autonomy.
        if by_hand || previews.iter().any(|p| !p.reversible) {
            risk = risk.max(FLOOR_WITHOUT_AUTONOMY);
        }
        Ok(Ok((previews, risk)))
    }

    /// The words of the guard that stops what somebody wants by hand; the guards are those of playbooks.
    async fn stops_by_hand(
        &self,
        tenant: &TenantId,
        proposed: &Intervention,
        now: Timestamp,
    ) -> Result<Option<String>, ControllerError> {
        let mut history = self.history(tenant, now).await?;
        history.attempts.retain(|a| a.id != proposed.id);
        let freezes = self.freezes(tenant).await?;
        let seen = Past { history: &history, freezes: &freezes, limits: &self.limits, now };
        let cooldown = proposed.plan.envelope.cooldown;
        Ok(first_that_stops_by_hand(&proposed.target, cooldown, &seen).map(|(_, words)| words))
    }

    /// What each step would do now.
    pub(super) async fn previews(&self, tenant: &TenantId, plan: &Plan) -> Result<Vec<Preview>, String> {
        let actuator = self.actuators.get(&plan.actuator).map_err(|e| e.reason)?;
        let target = Target { tenant: tenant.clone(), resource: plan.target.clone() };
        let mut previews = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            previews.push(actuator.preview(&target, step).await.map_err(|e| e.reason)?);
        }
        Ok(previews)
    }
}
