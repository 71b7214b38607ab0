//! Sending signals by our own routes.

use std::collections::BTreeMap;

use echobase_types::signal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to accepted rows. When it arrives, the accepted rows are on disk.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IngestAnswer {
    /// Rows accepted.
    pub accepted: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Rejected rows by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// The first rejected rows (at most 100), each with its place and reason.
    pub rejections: Vec<Rejection>,
}

/// One rejected row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// Where it stood: a line number or a path.
    pub at: String,
    /// The class of the reason.
    pub reason: String,
    /// In words.
    pub detail: String,
}

impl From<&signal::Rejected> for Rejection {
    fn from(r: &signal::Rejected) -> Self {
        Self { at: r.at.clone(), reason: r.reason.as_str().to_owned(), detail: r.detail.clone() }
    }
}

/// How lines are to be read. Whatever else clients of line protocol say (`db`, `org`, `bucket`, …) means nothing here.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct LineQuery {
    /// The unit of times: `ns` (the default), `us`, `ms`, `s`, `m`, `h`.
    #[serde(default)]
    pub precision: Option<String>,
}

/// A table of metric values: one row per time, one column per metric.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointTable {
    /// What the values speak about.
    pub resource: PointResource,
    /// One per value column.
    pub columns: Vec<PointColumn>,
    /// Times, microseconds since the epoch; one per row.
    pub times_us: Vec<i64>,
    /// Values by row, then by column; null where there is none.
    pub rows: Vec<Vec<Option<f64>>>,
}

/// What imported values speak about.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointResource {
    /// `host`, `service`, `agent`, `engine` or `process`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A value column.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointColumn {
    /// The metric name.
    pub metric: String,
    /// The UCUM unit, or empty.
    #[serde(default)]
    pub unit: String,
    /// `gauge`, `counter`, `delta` or `updowncounter`. Default: `gauge`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Attributes of the series.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}
