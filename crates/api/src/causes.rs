//! What began an incident, with its evidence; and the path of a failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::change::ChangeEvent;

/// Which incident is asked about.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct CausesQuery {
    /// Begin of the incident. Default: when the oldest open anomaly of the resource or of what it depends on began, at
    /// most six hours ago; else 15 minutes before `to`.
    pub from: Option<Time>,
    /// End of the incident, at most a day after `from`. Default: now.
    pub to: Option<Time>,
    /// Id of an open anomaly, of an alert or of an incident of this resource: its times stand for `from` and `to` where
    /// they are not given.
    pub about: Option<String>,
    /// The metric in which the trouble was noticed, or how its name begins. Default: failures or slow answers, whichever
    /// is further outside its normal.
    pub metric: Option<String>,
}

/// The likely causes of an incident, best first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Causes {
    /// Where the trouble was noticed.
    pub resource_id: String,
    /// Begin of the incident.
    pub from: Time,
    /// End of the incident.
    pub to: Time,
    /// Begin of the time that was taken as normal.
    pub normal_from: Time,
    /// End of the time that was taken as normal.
    pub normal_to: Time,
    /// Seconds from row to row.
    pub step_s: f64,
    /// `determined`: the first is clearly ahead; `close`: the first few are about as likely; `not_determined`: nothing
    /// stands out, the order is only a place to start; `no_data`: there was too little to compare.
    pub verdict: String,
    /// The metric in which the trouble was noticed; absent where it shows in neither failures nor slow answers.
    pub symptom: Option<String>,
    /// The first three in words.
    pub words: Vec<String>,
    /// The causes, best first, at most ten.
    pub causes: Vec<Cause>,
    /// What was looked at.
    pub looked_at: LookedAt,
}

/// A resource as a cause, with its reasons.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The resource.
    pub resource_id: String,
    /// The metric that speaks for it most.
    pub metric: String,
    /// What it is ordered by; only comparable within one answer.
    pub score: f64,
    /// How far outside normal the metric was, in units of its usual spread.
    pub surprise: f64,
    /// How well it moves with the symptom, 0 to 1.
    pub alignment: f64,
    /// How much of the symptom it can account for, 0 to 1; absent where its calls and its kind do not tell.
    pub share: Option<f64>,
    /// When it left its normal.
    pub onset: Option<Time>,
    /// From the resource asked about to this one along calls, both included.
    pub path: Vec<String>,
    /// The change that speaks for it.
    pub change: Option<ChangeEvent>,
    /// The value in normal times, on average.
    pub usual: f64,
    /// The value furthest from normal.
    pub worst: f64,
    /// The cause with its reasons in one sentence.
    pub words: String,
    /// The rows that it was judged by.
    pub evidence: CauseEvidence,
}

/// The rows behind a cause.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CauseEvidence {
    /// `series`: one series as it is stored; `requests`: distributions or counters of requests, added up; `spans`: spans,
    /// added up; `callers`: calls to it as its callers measured them.
    pub origin: String,
    /// The series that the rows were made of, 16 hexadecimal digits each.
    pub series: Vec<String>,
    /// Rows of normal times that were used; the table shows the last of them.
    pub normal_rows: u64,
    /// Start of each row, milliseconds since the epoch: the last of normal, then the incident.
    pub times_ms: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
}

/// What the search for causes took in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LookedAt {
    /// Resources: the one asked about and what it depends on.
    pub resources: Vec<String>,
    /// Metrics of them with enough rows to compare.
    pub metrics: u32,
    /// Rows read.
    pub rows: u64,
    /// Changes of them that were weighed.
    pub changes: u32,
    /// What was left out, and why; empty if nothing was.
    pub left_out: Vec<String>,
}

/// Where the trouble of a resource comes from, and whom it hits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailurePath {
    /// Where it begins.
    pub origin: String,
    /// From there to this resource, each calling the one before it.
    pub chain: Vec<String>,
    /// Who depends on this resource, nearest first, at most 50.
    pub hit: Vec<FailureHit>,
    /// The same in words.
    pub words: String,
}

/// A resource that depends on one that fails.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailureHit {
    /// Which.
    pub resource_id: String,
    /// From the one that fails to this, both included, each calling the one before it.
    pub path: Vec<String>,
    /// Whether it ails already.
    pub ails: bool,
}
