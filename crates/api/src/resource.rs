//! Resources, their series and dependencies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::assessment::Assessment;
use crate::causes::FailurePath;

/// A watched thing with its latest verdict.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// `kind:name`, for example `service:shop/orders`. Percent-encode it in paths.
    pub id: String,
    /// `host`, `service`, `agent`, `engine` or `process`.
    pub kind: String,
    /// The name people use.
    pub name: String,
    /// OpenTelemetry resource attributes.
    pub attributes: BTreeMap<String, String>,
    /// When it was first seen.
    pub first_seen: Time,
    /// When its newest signal arrived.
    pub last_seen: Time,
    /// The latest verdict; absent until the first cycle has judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// Where its trouble comes from and whom it hits; absent while it is well, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_path: Option<FailurePath>,
    /// The stability score of the last hour in up to 60 steps, oldest first: for a spark line.
    pub trend: Vec<f64>,
}

/// Which resources are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ResourceQuery {
    /// Only this kind.
    pub kind: Option<String>,
    /// Only where id or name contains this text.
    pub q: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// An arrow: `from` calls or uses `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// The caller.
    pub from: String,
    /// The called.
    pub to: String,
    /// `spans` or `configuration`.
    pub source: String,
    /// When it was last seen.
    pub last_seen: Time,
}

/// Which dependencies are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct DependencyQuery {
    /// Only arrows from or to this resource.
    pub resource_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// A metric series of a resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// 16 hexadecimal digits.
    pub id: String,
    /// The metric name.
    pub metric: String,
    /// The UCUM unit, or empty.
    pub unit: String,
    /// `gauge`, `counter`, `delta`, `updowncounter` or `histogram`.
    pub kind: String,
    /// Attributes of the series.
    pub attributes: BTreeMap<String, String>,
}

/// Which points are wanted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct PointsQuery {
    /// Only this metric; absent: all of the resource.
    pub metric: Option<String>,
    /// Only this series (16 hexadecimal digits).
    pub series: Option<String>,
    /// From (inclusive). Default: one hour before `to`.
    pub from: Option<Time>,
    /// To (exclusive). Default: now.
    pub to: Option<Time>,
    /// Steps per series, 1 to 2,000; more points are folded. Default: 300.
    pub max_points: Option<u32>,
}

/// The points of one series, folded into steps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoints {
    /// The series.
    pub series: Series,
    /// Start of each step, milliseconds since the epoch.
    pub times_ms: Vec<i64>,
    /// Mean of each step (for counters: rate per second).
    pub mean: Vec<f64>,
    /// Smallest value of each step.
    pub min: Vec<f64>,
    /// Largest value of each step.
    pub max: Vec<f64>,
}

/// From when to when.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RangeQuery {
    /// From (inclusive). Default: one hour before `to`.
    pub from: Option<Time>,
    /// To (exclusive). Default: now.
    pub to: Option<Time>,
    /// Steps, 1 to 2,000. Default: 300.
    pub max_points: Option<u32>,
}
