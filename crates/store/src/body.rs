//! How nested values are written into text columns: serialisable twins of the domain types, which have no format
//! of their own. Fractions are written as texts, so that they read back bit by bit.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::intervention::{
    Approval, Intervention, InterventionState, InterventionType, Plan, Preview, Proposer, RiskClass, Step,
    StepReceipt, Verification,
};
use echobase_types::playbook::{Autonomy, Playbook, SafetyEnvelope, Selector};
use echobase_types::{AttributeValue, Attributes, ResourceKind, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::column::{parse, time, word};

/// Writes a twin as text.
pub(crate) fn write<T: Serialize>(noun: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::System(format!("write {noun}: {e}")))
}

/// Reads a twin.
pub(crate) fn read<T: DeserializeOwned>(noun: &'static str, id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::damaged(noun, id, e))
}

#[derive(Serialize, Deserialize)]
struct StepBody {
    action: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    arguments: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    argv: Vec<String>,
}

impl StepBody {
    fn of(step: &Step) -> Self {
        Self { action: step.action.clone(), arguments: step.arguments.clone(), argv: step.argv.clone() }
    }

    fn value(self) -> Step {
        Step { action: self.action, arguments: self.arguments, argv: self.argv }
    }
}

#[derive(Serialize, Deserialize)]
struct PreviewBody {
    summary: String,
    before: String,
    after: String,
    units: u32,
    units_total: u32,
    target_version: String,
    reversible: bool,
}

impl PreviewBody {
    fn of(p: &Preview) -> Self {
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

    fn value(self) -> Preview {
        Preview {
            summary: self.summary,
            before: self.before,
            after: self.after,
            units: self.units,
            units_total: self.units_total,
            target_version: self.target_version,
            reversible: self.reversible,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct EnvelopeBody {
    cooldown_us: u64,
    max_units: u32,
    max_share: String,
    max_per_hour: u32,
    min_available: u32,
}

impl EnvelopeBody {
    fn of(e: &SafetyEnvelope) -> Self {
        Self {
            cooldown_us: micros(e.cooldown),
            max_units: e.max_units,
            max_share: e.max_share.to_string(),
            max_per_hour: e.max_per_hour,
            min_available: e.min_available,
        }
    }

    fn value(self) -> Result<SafetyEnvelope, StoreError> {
        Ok(SafetyEnvelope {
            cooldown: Duration::from_micros(self.cooldown_us),
            max_units: self.max_units,
            max_share: parse("share", &self.max_share)?,
            max_per_hour: self.max_per_hour,
            min_available: self.min_available,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct PlanBody {
    target: String,
    actuator: String,
    steps: Vec<StepBody>,
    previews: Vec<PreviewBody>,
    success: Vec<String>,
    verify_within_us: u64,
    envelope: EnvelopeBody,
    risk: String,
}

impl PlanBody {
    fn of(p: &Plan) -> Self {
        Self {
            target: p.target.to_string(),
            actuator: p.actuator.clone(),
            steps: p.steps.iter().map(StepBody::of).collect(),
            previews: p.previews.iter().map(PreviewBody::of).collect(),
            success: p.success.clone(),
            verify_within_us: micros(p.verify_within),
            envelope: EnvelopeBody::of(&p.envelope),
            risk: p.risk.as_str().to_owned(),
        }
    }

    fn value(self) -> Result<Plan, StoreError> {
        Ok(Plan {
            target: parse("resource", &self.target)?,
            actuator: self.actuator,
            steps: self.steps.into_iter().map(StepBody::value).collect(),
            previews: self.previews.into_iter().map(PreviewBody::value).collect(),
            success: self.success,
            verify_within: Duration::from_micros(self.verify_within_us),
            envelope: self.envelope.value()?,
            risk: word("risk class", &self.risk, RiskClass::parse)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum ProposerBody {
    Playbook { id: String, name: String, version: u32 },
    Principal { id: String },
}

#[derive(Serialize, Deserialize)]
struct ApprovalBody {
    by: Option<String>,
    at: i64,
    digest: String,
}

/// The receipt of a step.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReceiptBody {
    step: u32,
    summary: String,
    undo: String,
    output: String,
}

impl ReceiptBody {
    pub(crate) fn of(r: &StepReceipt) -> Self {
        Self { step: r.step, summary: r.summary.clone(), undo: r.undo.clone(), output: r.output.clone() }
    }

    pub(crate) fn value(self) -> StepReceipt {
        StepReceipt { step: self.step, summary: self.summary, undo: self.undo, output: self.output }
    }
}

/// An intervention, without what its columns say.
#[derive(Serialize, Deserialize)]
pub(crate) struct InterventionBody {
    kind: String,
    risk: String,
    proposer: ProposerBody,
    reason: String,
    state_reason: String,
    plan: PlanBody,
    digest: Option<String>,
    approvals: Vec<ApprovalBody>,
    receipts: Vec<ReceiptBody>,
    verification: Option<String>,
    epoch: u64,
    score_before: Option<String>,
    risk_before: Option<String>,
    expires_at: i64,
    executed_at: Option<i64>,
}

/// What the columns of an intervention say.
pub(crate) struct InterventionColumns<'a> {
    pub(crate) id: &'a str,
    pub(crate) target: &'a str,
    pub(crate) state: &'a str,
    pub(crate) version: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl InterventionBody {
    pub(crate) fn of(i: &Intervention) -> Self {
        Self {
            kind: i.kind.as_str().to_owned(),
            risk: i.risk.as_str().to_owned(),
            proposer: match &i.proposer {
                Proposer::Playbook { id, name, version } => {
                    ProposerBody::Playbook { id: id.to_string(), name: name.clone(), version: *version }
                }
                Proposer::Principal { id } => ProposerBody::Principal { id: id.to_string() },
            },
            reason: i.reason.clone(),
            state_reason: i.state_reason.clone(),
            plan: PlanBody::of(&i.plan),
            digest: i.digest.clone(),
            approvals: i
                .approvals
                .iter()
                .map(|a| ApprovalBody {
                    by: a.by.map(|p| p.to_string()),
                    at: a.at.as_micros(),
                    digest: a.digest.clone(),
                })
                .collect(),
            receipts: i.receipts.iter().map(ReceiptBody::of).collect(),
            verification: i.verification.map(|v| v.as_str().to_owned()),
            epoch: i.epoch,
            score_before: i.score_before.map(|f| f.to_string()),
            risk_before: i.risk_before.map(|f| f.to_string()),
            expires_at: i.expires_at.as_micros(),
            executed_at: i.executed_at.map(Timestamp::as_micros),
        }
    }

    pub(crate) fn value(self, columns: &InterventionColumns<'_>) -> Result<Intervention, StoreError> {
        let float = |text: Option<String>| text.map(|t| parse("score", &t)).transpose();
        Ok(Intervention {
            id: parse("intervention", columns.id)?,
            target: parse("resource", columns.target)?,
            kind: word("type of intervention", &self.kind, InterventionType::parse)?,
            risk: word("risk class", &self.risk, RiskClass::parse)?,
            proposer: match self.proposer {
                ProposerBody::Playbook { id, name, version } => {
                    Proposer::Playbook { id: parse("playbook", &id)?, name, version }
                }
                ProposerBody::Principal { id } => Proposer::Principal { id: parse("principal", &id)? },
            },
            reason: self.reason,
            state: word("state of intervention", columns.state, InterventionState::parse)?,
            state_reason: self.state_reason,
            plan: self.plan.value()?,
            digest: self.digest,
            approvals: self
                .approvals
                .into_iter()
                .map(|a| {
                    let by = a.by.map(|id| parse("principal", &id)).transpose()?;
                    Ok(Approval { by, at: time(a.at), digest: a.digest })
                })
                .collect::<Result<_, StoreError>>()?,
            receipts: self.receipts.into_iter().map(ReceiptBody::value).collect(),
            verification: self
                .verification
                .map(|w| word("verification", &w, Verification::parse))
                .transpose()?,
            epoch: self.epoch,
            score_before: float(self.score_before)?,
            risk_before: float(self.risk_before)?,
            version: columns.version,
            created_at: time(columns.created_at),
            updated_at: time(columns.updated_at),
            expires_at: time(self.expires_at),
            executed_at: self.executed_at.map(time),
        })
    }
}

/// A version of a playbook, without what its columns say.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaybookBody {
    name: String,
    description: String,
    source: String,
    selector_kind: Option<String>,
    selector_resource: Option<String>,
    condition: String,
    hold_for_us: u64,
    kind: String,
    risk: String,
    actuator: String,
    steps: Vec<StepBody>,
    success: Vec<String>,
    verify_within_us: u64,
    envelope: EnvelopeBody,
    autonomy: String,
}

/// What the columns of a playbook say.
pub(crate) struct PlaybookColumns<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u32,
    pub(crate) enabled: bool,
    pub(crate) saved_at: i64,
}

impl PlaybookBody {
    pub(crate) fn of(p: &Playbook) -> Self {
        Self {
            name: p.name.clone(),
            description: p.description.clone(),
            source: p.source.clone(),
            selector_kind: p.selector.kind.map(|k| k.as_str().to_owned()),
            selector_resource: p.selector.resource.clone(),
            condition: p.condition.clone(),
            hold_for_us: micros(p.hold_for),
            kind: p.kind.as_str().to_owned(),
            risk: p.risk.as_str().to_owned(),
            actuator: p.actuator.clone(),
            steps: p.steps.iter().map(StepBody::of).collect(),
            success: p.success.clone(),
            verify_within_us: micros(p.verify_within),
            envelope: EnvelopeBody::of(&p.envelope),
            autonomy: p.autonomy.as_str().to_owned(),
        }
    }

    pub(crate) fn value(self, columns: &PlaybookColumns<'_>) -> Result<Playbook, StoreError> {
        Ok(Playbook {
            id: parse("playbook", columns.id)?,
            name: self.name,
            version: columns.version,
            description: self.description,
            source: self.source,
            enabled: columns.enabled,
            selector: Selector {
                kind: self
                    .selector_kind
                    .map(|w| word("kind of resource", &w, ResourceKind::parse))
                    .transpose()?,
                resource: self.selector_resource,
            },
            condition: self.condition,
            hold_for: Duration::from_micros(self.hold_for_us),
            kind: word("type of intervention", &self.kind, InterventionType::parse)?,
            risk: word("risk class", &self.risk, RiskClass::parse)?,
            actuator: self.actuator,
            steps: self.steps.into_iter().map(StepBody::value).collect(),
            success: self.success,
            verify_within: Duration::from_micros(self.verify_within_us),
            envelope: self.envelope.value()?,
            autonomy: word("autonomy", &self.autonomy, Autonomy::parse)?,
            saved_at: time(columns.saved_at),
        })
    }
}

#[derive(Serialize, Deserialize)]
enum ValueBody {
    #[serde(rename = "s")]
    Str(String),
    #[serde(rename = "i")]
    Int(i64),
    #[serde(rename = "f")]
    Float(String),
    #[serde(rename = "b")]
    Bool(bool),
}

/// Writes attributes.
pub(crate) fn write_attributes(attributes: &Attributes) -> Result<String, StoreError> {
    let twin: BTreeMap<&str, ValueBody> = attributes
        .iter()
        .map(|(key, value)| {
            let value = match value {
                AttributeValue::Str(v) => ValueBody::Str(v.clone()),
                AttributeValue::Int(v) => ValueBody::Int(*v),
                AttributeValue::Float(v) => ValueBody::Float(v.to_string()),
                AttributeValue::Bool(v) => ValueBody::Bool(*v),
            };
            (key, value)
        })
        .collect();
    write("attributes", &twin)
}

/// Reads attributes.
pub(crate) fn read_attributes(id: &str, text: &str) -> Result<Attributes, StoreError> {
    let twin: BTreeMap<String, ValueBody> = read("attributes", id, text)?;
    twin.into_iter()
        .map(|(key, value)| {
            let value = match value {
                ValueBody::Str(v) => AttributeValue::Str(v),
                ValueBody::Int(v) => AttributeValue::Int(v),
                ValueBody::Float(v) => AttributeValue::Float(parse("attribute", &v)?),
                ValueBody::Bool(v) => AttributeValue::Bool(v),
            };
            Ok((key, value))
        })
        .collect()
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
