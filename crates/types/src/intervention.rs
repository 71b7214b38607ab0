//! Interventions: one planned action, from proposal to proof.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::playbook::SafetyEnvelope;
use crate::{InterventionId, PlaybookId, PrincipalId, ResourceId, Timestamp};

/// What sort of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterventionType {
    /// Before harm, on risk.
    Proactive,
    /// On harm.
    Reactive,
    /// After failure.
    Recovery,
    /// No harm, for gain.
    Optimisation,
}

impl InterventionType {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Proactive, Self::Reactive, Self::Recovery, Self::Optimisation];

    /// The word in playbooks, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proactive => "proactive",
            Self::Reactive => "reactive",
            Self::Recovery => "recovery",
            Self::Optimisation => "optimisation",
        }
    }

    /// The type of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }
}

/// How much harm an action could do; it decides how many people must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskClass {
    /// Reversible and small: the policy envelope is enough.
    Low,
    /// One approval.
    Medium,
    /// Two approvals by different people.
    High,
}

impl RiskClass {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word in playbooks, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The class of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == word)
    }

    /// How many distinct people must approve.
    pub const fn approvals_needed(self) -> u32 {
        match self {
            Self::Low => 0,
            Self::Medium => 1,
            Self::High => 2,
        }
    }
}

/// One step of a plan: an action of an actuator with its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The action, such as `restart` or `scale`.
    pub action: String,
    /// Its arguments; lists are in `argv`.
    pub arguments: BTreeMap<String, String>,
    /// The argument vector of a command; empty for other actuators.
    pub argv: Vec<String>,
}

/// What a step would do, found without doing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// One sentence.
    pub summary: String,
    /// State before, as shown to people.
    pub before: String,
    /// State after, as shown to people.
    pub after: String,
    /// Units that the step touches.
    pub units: u32,
    /// Units of the target in all.
    pub units_total: u32,
    /// Version of the target's state; if it changes before execution, the approval is void.
    pub target_version: String,
    /// Whether `revert` can undo it.
    pub reversible: bool,
}

/// What is approved and executed: exactly this, by digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it acts on.
    pub target: ResourceId,
    /// What carries it out.
    pub actuator: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What each step would do, in the same order.
    pub previews: Vec<Preview>,
    /// CEL conditions that must all hold afterwards.
    pub success: Vec<String>,
    /// How long success may take to show.
    pub verify_within: Duration,
    /// Limits that hold for it.
    pub envelope: SafetyEnvelope,
    /// How much harm it could do.
    pub risk: RiskClass,
}

/// State of an intervention (`docs/guide/interventions.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterventionState {
    /// Wanted; not yet tried dry.
    Proposed,
    /// Tried dry; the plan and its digest are fixed; it waits for approval.
    Validated,
    /// Approved; waits for its turn.
    Approved,
    /// Steps are being carried out, or their effect is awaited.
    Executing,
    /// Done, and the success criteria hold.
    Verified,
    /// Not verified; what was done is being undone.
    RollingBack,
    /// Undone.
    RolledBack,
    /// Undoing failed: a person is paged and the target is frozen.
    RollbackFailed,
    /// A step failed and nothing had been done that could be undone.
    Failed,
    /// Refused by the envelope, the dry run or a person.
    Rejected,
    /// Nobody approved in time.
    Expired,
    /// Taken back before execution.
    Cancelled,
    /// A newer one took its place.
    Superseded,
}

impl InterventionState {
    /// All states.
    pub const ALL: [Self; 13] = [
        Self::Proposed,
        Self::Validated,
        Self::Approved,
        Self::Executing,
        Self::Verified,
        Self::RollingBack,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Failed,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Validated => "validated",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Verified => "verified",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Proposed | Self::Validated | Self::Approved | Self::Executing | Self::RollingBack
        )
    }

    /// Whether `next` may follow. The whole machine, in one place.
    pub const fn may_become(self, next: Self) -> bool {
        use InterventionState as S;
        match self {
            S::Proposed => matches!(next, S::Validated | S::Rejected | S::Cancelled | S::Superseded),
            S::Validated => {
                matches!(next, S::Approved | S::Rejected | S::Expired | S::Cancelled | S::Superseded)
            }
            S::Approved => {
                matches!(next, S::Executing | S::Rejected | S::Expired | S::Cancelled | S::Superseded)
            }
            S::Executing => matches!(next, S::Verified | S::RollingBack | S::Failed),
            // A verified intervention may still be rolled back by a person.
            S::Verified => matches!(next, S::RollingBack),
            S::RollingBack => matches!(next, S::RolledBack | S::RollbackFailed),
            S::RolledBack
            | S::RollbackFailed
            | S::Failed
            | S::Rejected
            | S::Expired
            | S::Cancelled
            | S::Superseded => false,
        }
    }
}

/// Who wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposer {
    /// A playbook, at a version.
    Playbook {
        /// Which.
        id: PlaybookId,
        /// Its name.
        name: String,
        /// Its version.
        version: u32,
    },
    /// A person or machine.
    Principal {
        /// Who.
        id: PrincipalId,
    },
}

/// One yes, by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who; `None` is the policy envelope itself (risk class low, autonomy auto).
    pub by: Option<PrincipalId>,
    /// When.
    pub at: Timestamp,
    /// The digest that was approved.
    pub digest: String,
}

/// Three-valued: what cannot be seen never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verification {
    /// All success criteria held.
    Pass,
    /// At least one did not hold.
    Fail,
    /// No data, an error, or time ran out.
    Unknown,
}

impl Verification {
    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }

    /// The result of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Unknown].into_iter().find(|v| v.as_str() == word)
    }
}

/// What an actuator hands back after a step: all it needs to undo it, even after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReceipt {
    /// Which step.
    pub step: u32,
    /// What was done, in words.
    pub summary: String,
    /// What `revert` needs; opaque to all but the actuator.
    pub undo: String,
    /// Output, cut to 16 kB.
    pub output: String,
}

/// One planned action.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervention {
    /// Its id; also the idempotency key towards actuators.
    pub id: InterventionId,
    /// What it acts on.
    pub target: ResourceId,
    /// What sort.
    pub kind: InterventionType,
    /// How much harm it could do.
    pub risk: RiskClass,
    /// Who wanted it.
    pub proposer: Proposer,
    /// Why, in words (from the assessment's reasons, or a person's).
    pub reason: String,
    /// State.
    pub state: InterventionState,
    /// Why it is in this state, where that needs words.
    pub state_reason: String,
    /// The plan; before `Validated` its previews are empty.
    pub plan: Plan,
    /// SHA-256 of the canonical plan in hex, from `Validated` on.
    pub digest: Option<String>,
    /// Yeses so far.
    pub approvals: Vec<Approval>,
    /// Receipts of steps done.
    pub receipts: Vec<StepReceipt>,
    /// Result of the verification.
    pub verification: Option<Verification>,
    /// Fencing number of the controller that executes it.
    pub epoch: u64,
    /// Stability score of the target when proposed, where known.
    pub score_before: Option<f64>,
    /// Risk of the target when proposed, where known.
    pub risk_before: Option<f64>,
    /// Row version for compare-and-set; each write adds one.
    pub version: u64,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When an open approval ends.
    pub expires_at: Timestamp,
    /// When the last step was done, once executing.
    pub executed_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_lead_nowhere_but_from_verified_to_rollback() {
        for from in InterventionState::ALL {
            for to in InterventionState::ALL {
                if from.is_final() && from.may_become(to) {
                    assert_eq!((from, to), (InterventionState::Verified, InterventionState::RollingBack));
                }
            }
        }
    }

    #[test]
    fn every_open_state_has_a_way_out() {
        for from in InterventionState::ALL.into_iter().filter(|s| !s.is_final()) {
            assert!(InterventionState::ALL.into_iter().any(|to| from.may_become(to)), "{from:?}");
        }
    }
}
