//! Interventions.

use std::collections::BTreeMap;

use echobase_types::intervention as domain;
use echobase_types::playbook::SafetyEnvelope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One planned action, whole.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Intervention {
    /// The short form.
    #[serde(flatten)]
    pub summary: InterventionSummary,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What each step would do, in the same order; empty before the dry run.
    pub previews: Vec<Preview>,
    /// Success criteria (CEL).
    pub success: Vec<String>,
    /// Seconds success may take to show.
    pub verify_within_s: u64,
    /// Limits that hold for it.
    pub envelope: Envelope,
    /// Yeses so far.
    pub approvals: Vec<Approval>,
    /// Receipts of steps done.
    pub receipts: Vec<StepReceipt>,
    /// Fencing number of the controller that executed it.
    pub epoch: u64,
    /// Score of the target when proposed.
    pub score_before: Option<f64>,
    /// Risk of the target when proposed.
    pub risk_before: Option<f64>,
}

/// An intervention as lists show it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InterventionSummary {
    /// Its id.
    pub id: String,
    /// What it acts on.
    pub target: String,
    /// `proactive`, `reactive`, `recovery` or `optimisation`.
    pub kind: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// `playbook` or `principal`.
    pub proposer_type: String,
    /// Id of the playbook or principal.
    pub proposer_id: String,
    /// Name of the playbook with its version, or of the principal.
    pub proposer_name: String,
    /// The actuator.
    pub actuator: String,
    /// One line of what it does.
    pub title: String,
    /// Why.
    pub reason: String,
    /// State.
    pub state: String,
    /// Why it is in this state.
    pub state_reason: String,
    /// What is approved, SHA-256 in hex; absent before the dry run.
    pub digest: Option<String>,
    /// Approvals needed and given.
    pub approvals_needed: u32,
    /// Approvals given.
    pub approvals_given: u32,
    /// `pass`, `fail` or `unknown`, once verified.
    pub verification: Option<String>,
    /// When it was proposed.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When an open approval ends.
    pub expires_at: Time,
    /// When the last step was done.
    pub executed_at: Option<Time>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The action, such as `restart`.
    pub action: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// Argument vector of a command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
}

/// What a step would do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// One sentence.
    pub summary: String,
    /// State before.
    pub before: String,
    /// State after.
    pub after: String,
    /// Units touched.
    pub units: u32,
    /// Units in all.
    pub units_total: u32,
    /// Version of the target's state.
    pub target_version: String,
    /// Whether it can be undone.
    pub reversible: bool,
}

/// Limits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Seconds after an intervention on a target before the next.
    pub cooldown_s: u64,
    /// Units one intervention may touch.
    pub max_units: u32,
    /// Share of units one intervention may touch.
    pub max_share: f64,
    /// Interventions of the playbook per hour.
    pub max_per_hour: u32,
    /// Units that must stay untouched.
    pub min_available: u32,
}

/// One yes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Id of the principal, or `envelope` where the policy envelope approved.
    pub by: String,
    /// When.
    pub at: Time,
    /// The digest approved.
    pub digest: String,
}

/// Receipt of a step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepReceipt {
    /// Which step, from 0.
    pub step: u32,
    /// What was done.
    pub summary: String,
    /// Output, cut to 16 kB.
    pub output: String,
}

/// A manual proposal. It goes the same way as any other: dry run, approval, execution, verification.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionDraft {
    /// What to act on.
    pub target: String,
    /// `proactive`, `reactive`, `recovery` or `optimisation`. Default: `reactive`.
    #[serde(default)]
    pub kind: Option<String>,
    /// `medium` or `high`; `low` counts as medium. Default: `medium`.
    #[serde(default)]
    pub risk: Option<String>,
    /// The actuator.
    pub actuator: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Success criteria (CEL). Default: the score is at least 0.7.
    #[serde(default)]
    pub success: Vec<String>,
    /// Seconds success may take to show. Default: 120.
    #[serde(default)]
    pub verify_within_s: Option<u64>,
    /// Why.
    pub reason: String,
}

/// A yes to exactly this plan.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The digest that is approved, as shown.
    pub digest: String,
}

/// A no, or a change of mind.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    /// Why.
    pub reason: String,
}

/// Which interventions are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct InterventionQuery {
    /// Only in this state; `open` for all that are not final.
    pub state: Option<String>,
    /// Only on this target.
    pub target: Option<String>,
    /// Only by this playbook.
    pub playbook_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

impl From<&domain::Step> for Step {
    fn from(s: &domain::Step) -> Self {
        Self { action: s.action.clone(), arguments: s.arguments.clone(), argv: s.argv.clone() }
    }
}

impl From<Step> for domain::Step {
    fn from(s: Step) -> Self {
        Self { action: s.action, arguments: s.arguments, argv: s.argv }
    }
}

impl From<&SafetyEnvelope> for Envelope {
    fn from(e: &SafetyEnvelope) -> Self {
        Self {
            cooldown_s: e.cooldown.as_secs(),
            max_units: e.max_units,
            max_share: e.max_share,
            max_per_hour: e.max_per_hour,
            min_available: e.min_available,
        }
    }
}

impl From<&domain::Preview> for Preview {
    fn from(p: &domain::Preview) -> Self {
        Self {
            summary: p.summary.clone(),
            before: p.before.clone(),
            after: p.after.clone(),
            units: p.units,
            units_total: p.units_total,
            target_version: p.target_version.clone(),
            reversible: p.reversible,
        }
    }
}

impl From<&domain::Intervention> for InterventionSummary {
    fn from(i: &domain::Intervention) -> Self {
        let (proposer_type, proposer_id, proposer_name) = match &i.proposer {
            domain::Proposer::Playbook { id, name, version } => {
                ("playbook", id.to_string(), format!("{name} v{version}"))
            }
            domain::Proposer::Principal { id } => ("principal", id.to_string(), id.to_string()),
        };
        let title = match i.plan.previews.first() {
            Some(preview) => preview.summary.clone(),
            None => {
                let actions: Vec<&str> = i.plan.steps.iter().map(|s| s.action.as_str()).collect();
                format!("{} {} on {}", i.plan.actuator, actions.join(", "), i.target)
            }
        };
        Self {
            id: i.id.to_string(),
            target: i.target.to_string(),
            kind: i.kind.as_str().to_owned(),
            risk: i.risk.as_str().to_owned(),
            proposer_type: proposer_type.to_owned(),
            proposer_id,
            proposer_name,
            actuator: i.plan.actuator.clone(),
            title,
            reason: i.reason.clone(),
            state: i.state.as_str().to_owned(),
            state_reason: i.state_reason.clone(),
            digest: i.digest.clone(),
            approvals_needed: i.risk.approvals_needed(),
            approvals_given: u32::try_from(i.approvals.len()).unwrap_or(u32::MAX),
            verification: i.verification.map(|v| v.as_str().to_owned()),
            created_at: i.created_at.into(),
            updated_at: i.updated_at.into(),
            expires_at: i.expires_at.into(),
            executed_at: i.executed_at.map(Into::into),
        }
    }
}

impl From<&domain::Intervention> for Intervention {
    fn from(i: &domain::Intervention) -> Self {
        Self {
            summary: i.into(),
            steps: i.plan.steps.iter().map(Into::into).collect(),
            previews: i.plan.previews.iter().map(Into::into).collect(),
            success: i.plan.success.clone(),
            verify_within_s: i.plan.verify_within.as_secs(),
            envelope: (&i.plan.envelope).into(),
            approvals: i
                .approvals
                .iter()
                .map(|a| Approval {
                    by: a.by.map_or_else(|| "envelope".to_owned(), |p| p.to_string()),
                    at: a.at.into(),
                    digest: a.digest.clone(),
                })
                .collect(),
            receipts: i
                .receipts
                .iter()
                .map(|r| StepReceipt { step: r.step, summary: r.summary.clone(), output: r.output.clone() })
                .collect(),
            epoch: i.epoch,
            score_before: i.score_before,
            risk_before: i.risk_before,
        }
    }
}
