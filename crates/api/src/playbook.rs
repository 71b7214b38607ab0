//! Playbooks.

use echobase_types::playbook as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::intervention::{Envelope, Step};
use crate::problem::Fault;

/// One version of a playbook.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Playbook {
    /// Its id, over all versions.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Version, from 1.
    pub version: u32,
    /// What it is for.
    pub description: String,
    /// The YAML source, as written.
    pub source: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// The kind of resource it looks at; absent: all.
    pub selector_kind: Option<String>,
    /// Id or pattern of the resources it looks at; absent: all.
    pub selector_resource: Option<String>,
    /// The condition (CEL).
    pub condition: String,
    /// Seconds the condition must hold.
    pub hold_for_s: u64,
    /// `proactive`, `reactive`, `recovery` or `optimisation`.
    pub kind: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// The actuator.
    pub actuator: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Success criteria (CEL).
    pub success: Vec<String>,
    /// Seconds success may take to show.
    pub verify_within_s: u64,
    /// Limits.
    pub envelope: Envelope,
    /// `observe`, `suggest`, `approve` or `auto`.
    pub autonomy: String,
    /// When this version was saved.
    pub saved_at: Time,
}

/// A new playbook or a new version.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaybookDraft {
    /// The YAML source.
    pub source: String,
    /// Whether it is to be in force. Default: true.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

const fn enabled() -> bool {
    true
}

/// What a validation found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlaybookCheck {
    /// Whether it could be saved.
    pub valid: bool,
    /// Faults with line and column.
    pub errors: Vec<Fault>,
}

/// A backtest: what would it have done?
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BacktestRequest {
    /// The YAML source.
    pub source: String,
    /// From. Default: seven days before `to`.
    #[serde(default)]
    pub from: Option<Time>,
    /// To. Default: now.
    #[serde(default)]
    pub to: Option<Time>,
}

/// The result of a backtest.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BacktestReport {
    /// From.
    pub from: Time,
    /// To.
    pub to: Time,
    /// Stored assessments looked at.
    pub evaluated: u64,
    /// Of these, how many could not be decided for want of data.
    pub unknown: u64,
    /// Of these, how many fulfilled the condition.
    pub matched: u64,
    /// What it would have done, oldest first, at most 1,000.
    pub actions: Vec<BacktestAction>,
    /// Actions beyond that limit.
    pub actions_folded: u64,
}

/// One thing it would have done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BacktestAction {
    /// When.
    pub at: Time,
    /// On what.
    pub resource_id: String,
    /// Score then.
    pub score: f64,
    /// Risk then.
    pub risk: f64,
    /// The guard that would have stopped it (`cooldown`, `rate`, …); absent: it would have acted.
    pub suppressed_by: Option<String>,
    /// In one sentence.
    pub words: String,
}

impl From<&domain::Playbook> for Playbook {
    fn from(p: &domain::Playbook) -> Self {
        Self {
            id: p.id.to_string(),
            name: p.name.clone(),
            version: p.version,
            description: p.description.clone(),
            source: p.source.clone(),
            enabled: p.enabled,
            selector_kind: p.selector.kind.map(|k| k.as_str().to_owned()),
            selector_resource: p.selector.resource.clone(),
            condition: p.condition.clone(),
            hold_for_s: p.hold_for.as_secs(),
            kind: p.kind.as_str().to_owned(),
            risk: p.risk.as_str().to_owned(),
            actuator: p.actuator.clone(),
            steps: p.steps.iter().map(Into::into).collect(),
            success: p.success.clone(),
            verify_within_s: p.verify_within.as_secs(),
            envelope: (&p.envelope).into(),
            autonomy: p.autonomy.as_str().to_owned(),
            saved_at: p.saved_at.into(),
        }
    }
}
