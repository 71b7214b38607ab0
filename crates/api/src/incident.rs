//! Incidents as people label them, and the model card that holds verdicts against them.

use echobase_types::incident as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::model::FigureDrift;

/// Something that happened to a resource, as somebody labelled it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// What it happened to.
    pub resource_id: String,
    /// `real`, `noise` or `expected`.
    pub label: String,
    /// The metric it showed in, where the label is about one finding.
    pub metric: Option<String>,
    /// The anomaly it is about, where it is about one.
    pub anomaly_id: Option<String>,
    /// Of something expected: the kind of change that brought it, `deploy`, `configuration`,
    /// `model` or `prompt`.
    pub change: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// When it was over; absent while it lasts.
    pub ended_at: Option<Time>,
    /// Why it is labelled so.
    pub note: String,
    /// Id of the principal who labelled it.
    pub labelled_by: String,
    /// When it was labelled.
    pub labelled_at: Time,
}

/// A label to keep.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentDraft {
    /// What it happened to. May be left out where `anomaly_id` says it.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// The anomaly it is about: resource, metric, begin and end are then taken from it, where they are not given.
    #[serde(default)]
    pub anomaly_id: Option<String>,
    /// `real` (it failed or served badly), `noise` (nothing was wrong) or `expected` (planned, such as a deployment).
    pub label: String,
    /// The metric it showed in, with or without its attributes; `several metrics` for an anomaly of several. Default:
    /// none, the label is about the resource.
    #[serde(default)]
    pub metric: Option<String>,
    /// Of something expected: the kind of change that brought it: `deploy`, `configuration`, `model` or `prompt`. What
    /// is like it is then expected within half an hour after a change of that kind; else at the same time of the week.
    /// Default: the kind of the last change within half an hour before it began, if there was one.
    #[serde(default)]
    pub change: Option<String>,
    /// When it began; not in the future. Default: now.
    #[serde(default)]
    pub started_at: Option<Time>,
    /// When it was over; after it began. Default: it lasts.
    #[serde(default)]
    pub ended_at: Option<Time>,
    /// Why it is labelled so, at most 1,000 characters. Default: empty.
    #[serde(default)]
    pub note: String,
}

/// Which incidents are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct IncidentQuery {
    /// Only of this resource.
    pub resource_id: Option<String>,
    /// `real`, `noise` or `expected`; absent: all.
    pub label: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// How the collapse risk held on what was stored here: nothing of it is from elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelCard {
    /// The model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What its probability is of.
    pub predicts: String,
    /// What it was fitted on, and what it was not.
    pub provenance: String,
    /// What counted as a failure in this card.
    pub truth: String,
    /// Begin of the history.
    pub from: Time,
    /// End of the history.
    pub to: Time,
    /// Seconds that a prediction looks ahead.
    pub horizon_s: u64,
    /// Resources that something was said of.
    pub resources: u64,
    /// Hours of predictions that were held against the truth.
    pub hours: f64,
    /// Failures while something was said.
    pub failures: u64,
    /// The risk from which on alerts warn, and a warning counts here.
    pub alert_level: f64,
    /// Of them, those with a warning within the horizon before they began.
    pub warned: u64,
    /// Median time from the warning to the failure; absent where nothing was warned of.
    pub median_lead_s: Option<f64>,
    /// Each of the failures, newest first, at most 200: when the risk first crossed the alert level.
    pub leads: Vec<LeadTime>,
    /// Warnings after which no failure began within the horizon.
    pub false_warnings: u64,
    /// Expected calibration error, 0 to 1; absent without failures, since then no probability can be checked.
    pub ece: Option<f64>,
    /// Brier score, 0 (best) to 1; absent without failures.
    pub brier: Option<f64>,
    /// The reliability diagram: ten bars.
    pub bins: Vec<ReliabilityBin>,
    /// How what the version in use sees differs from what it was made from, most first; empty for the shipped model.
    pub drift: Vec<FigureDrift>,
    /// Hours for which that was counted since the version was put in use or the server started.
    pub drift_hours: f64,
}

/// Whether and how long before its begin a failure was announced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeadTime {
    /// Id of the incident.
    pub incident_id: String,
    /// What failed.
    pub resource_id: String,
    /// When it failed.
    pub failed_at: Time,
    /// Since when the risk had stood at the alert level without a break; absent where it did not within the horizon
    /// before. It is followed back for at most a day.
    pub warned_at: Option<Time>,
    /// Seconds from the one to the other.
    pub lead_s: Option<f64>,
    /// The highest risk that was said within the horizon before.
    pub highest_risk: f64,
}

/// One bar of the reliability diagram.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReliabilityBin {
    /// Lower end of the risks in it.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Hours for which such a risk was said.
    pub hours: f64,
    /// Mean risk that was said.
    pub said: f64,
    /// Share of that time after which a failure began within the horizon.
    pub came_true: f64,
}

/// Which history a model card is made of.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ModelCardQuery {
    /// Begin, at most ninety days before `to`. Default: seven days before it.
    pub from: Option<Time>,
    /// End. Default: now.
    pub to: Option<Time>,
}

impl From<&domain::Incident> for Incident {
    fn from(i: &domain::Incident) -> Self {
        Self {
            id: i.id.to_string(),
            resource_id: i.resource_id.to_string(),
            label: i.label.as_str().to_owned(),
            metric: i.metric.clone(),
            anomaly_id: i.anomaly_id.map(|id| id.to_string()),
            change: i.change.map(|kind| kind.as_str().to_owned()),
            started_at: i.started_at.into(),
            ended_at: i.ended_at.map(Into::into),
            note: i.note.clone(),
            labelled_by: i.labelled_by.to_string(),
            labelled_at: i.labelled_at.into(),
        }
    }
}
