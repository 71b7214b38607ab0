//! Verdicts that can be followed, questioned and taught: evidence, budget and feedback, what-if, new references.

use std::collections::BTreeMap;

use echobase_types::incident::NewReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::assessment::{Anomaly, Assessment};
use crate::change::ChangeEvent;
use crate::incident::Incident;

/// One anomaly with all that stands behind it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AnomalyDetail {
    /// The anomaly.
    pub anomaly: Anomaly,
    /// What people said of it, newest first.
    pub labels: Vec<Incident>,
    /// Changes of the resource within half an hour before it began, newest first.
    pub changes: Vec<ChangeEvent>,
    /// The metric around it, judged value by value; of an anomaly of several metrics that of the first driver.
    pub judged: JudgedSeries,
}

/// A metric judged value by value: columns of equal length, folded into steps. It is judged again from stored signals, with
/// the history that a restart reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct JudgedSeries {
    /// The metric with its attributes.
    pub metric: String,
    /// Ends of the steps, milliseconds since the epoch.
    pub times_ms: Vec<i64>,
    /// Mean of the values; of a counter its growth per second.
    pub value: Vec<f64>,
    /// What was expected.
    pub expected: Vec<f64>,
    /// Lower end of what is usual: three usual deviations.
    pub low: Vec<f64>,
    /// Upper end.
    pub high: Vec<f64>,
    /// The highest surprise of the step (−log₁₀ of a probability); 0 while warming up.
    pub surprise: Vec<f64>,
    /// What an onset had to exceed.
    pub bar: Vec<f64>,
}

/// How one anomaly is wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct AnomalyDetailQuery {
    /// Steps at most, 1 to 2000. Default: 300.
    pub max_points: Option<u32>,
}

/// Which judgements are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct JudgedQuery {
    /// The metric with its attributes, as anomalies, drift and vital signs name it.
    pub metric: String,
    /// From (inclusive). Default: one hour before `to`.
    pub from: Option<Time>,
    /// To (exclusive). Default: now.
    pub to: Option<Time>,
    /// Steps at most, 1 to 2000. Default: 300.
    pub max_points: Option<u32>,
}

/// Alerts over some time, by what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct AlertTally {
    /// All that opened.
    pub alerts: u32,
    /// Labelled `real`.
    pub real: u32,
    /// Labelled `noise`.
    pub noise: u32,
    /// Labelled `expected`.
    pub expected: u32,
    /// Not labelled, and closed although nothing went with them.
    pub unconfirmed: u32,
    /// Alerts per series and week.
    pub per_series_week: f64,
    /// Of them those labelled noise or confirmed by nothing: the realised rate that stands beside the budget.
    pub false_per_series_week: f64,
}

/// One series: its bar, what feedback made of it, and its alerts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeriesFeedback {
    /// The metric with its attributes; `several metrics` for the resource as a whole.
    pub metric: String,
    /// The series (16 hexadecimal digits); of the whole none.
    pub series: Option<String>,
    /// What an onset must exceed now.
    pub bar: f64,
    /// What the budget alone would ask.
    pub bar_of_budget: f64,
    /// What feedback multiplies the bar by, 0.7 to 2.
    pub factor: f64,
    /// The last seven days.
    pub week: AlertTally,
    /// The last four weeks.
    pub month: AlertTally,
    /// Why alerts are expected now, and so not told, if they are.
    pub expected_now: Option<String>,
}

/// The budget of a resource and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResourceFeedback {
    /// False alerts accepted per series and week.
    pub budget_per_series_week: f64,
    /// Since when it is watched.
    pub watched_since: Option<Time>,
    /// The last seven days.
    pub week: AlertTally,
    /// The last four weeks.
    pub month: AlertTally,
    /// Series that are judged; the whole of the resource counts as one.
    pub series_judged: u64,
    /// Series that had alerts in the last four weeks or whose bar feedback moved, most alerts first; at most 200.
    pub series: Vec<SeriesFeedback>,
    /// Levels that people took as the new reference, newest first; at most 20.
    pub references: Vec<Reference>,
}

/// The budget of all resources and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Feedback {
    /// False alerts accepted per series and week.
    pub budget_per_series_week: f64,
    /// Series that are judged.
    pub series_judged: u64,
    /// The last seven days.
    pub week: AlertTally,
    /// The last four weeks.
    pub month: AlertTally,
    /// Resources with alerts in the last four weeks, most first; at most fifty.
    pub loudest: Vec<ResourceTally>,
}

/// The alerts of one resource in the last four weeks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResourceTally {
    /// The resource.
    pub resource_id: String,
    /// All its alerts.
    pub alerts: u32,
    /// Labelled `noise`, or confirmed by nothing.
    pub false_alerts: u32,
}

/// What is supposed to be otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfRequest {
    /// Vital signs by name, each in its own unit: shares 0..=1, seconds, bytes. None of its instances is then worse.
    #[serde(default)]
    pub vitals: BTreeMap<String, f64>,
    /// Stability scores of dependencies by their resource id, 0..=1: 1 is healthy.
    #[serde(default)]
    pub dependencies: BTreeMap<String, f64>,
}

/// The verdict as it is, and as it would be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhatIf {
    /// As it is.
    pub now: Assessment,
    /// As it would be.
    pub then: Assessment,
    /// Dependencies that can be supposed, with their scores.
    pub dependencies: BTreeMap<String, f64>,
    /// The difference in one or two sentences.
    pub words: String,
}

/// Takes the present level as the reference.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRequest {
    /// The metric, with or without its attributes. Default: every metric of the resource.
    #[serde(default)]
    pub metric: Option<String>,
    /// Why, at most 1,000 characters. Default: empty.
    #[serde(default)]
    pub note: String,
}

/// A level that somebody took as the reference.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its id.
    pub id: String,
    /// The resource.
    pub resource_id: String,
    /// The metric; absent: every metric.
    pub metric: Option<String>,
    /// Why.
    pub note: String,
    /// Id of the principal who took it.
    pub taken_by: String,
    /// When.
    pub taken_at: Time,
}

impl From<&NewReference> for Reference {
    fn from(r: &NewReference) -> Self {
        Self {
            id: r.id.to_string(),
            resource_id: r.resource_id.to_string(),
            metric: r.metric.clone(),
            note: r.note.clone(),
            taken_by: r.taken_by.to_string(),
            taken_at: r.taken_at.into(),
        }
    }
}
