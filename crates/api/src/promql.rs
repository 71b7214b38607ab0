//! The query API of Prometheus: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Its parameters come in the
//! query or as a form; a parameter that is not known is left unread, as clients of many versions send more.

use schemars::JsonSchema;
use serde::Serialize;

/// A question at one time.
#[derive(Clone, Debug, JsonSchema)]
pub struct PromqlInstantParameters {
    /// The question in PromQL.
    pub query: String,
    /// When it is asked: RFC 3339, or seconds since 1970. Default: now.
    pub time: Option<String>,
    /// How long it may take, such as `30s`; at most what the configuration says.
    pub timeout: Option<String>,
    /// How long a sample holds. Default: `5m`.
    pub lookback_delta: Option<String>,
}

/// A question over a range of times.
#[derive(Clone, Debug, JsonSchema)]
pub struct PromqlRangeParameters {
    /// The question in PromQL.
    pub query: String,
    /// The first time: RFC 3339, or seconds since 1970.
    pub start: String,
    /// The last time, inclusive.
    pub end: String,
    /// From one time to the next: seconds, or a length such as `15s`.
    pub step: String,
    /// How long it may take, such as `30s`; at most what the configuration says.
    pub timeout: Option<String>,
    /// How long a sample holds. Default: `5m`.
    pub lookback_delta: Option<String>,
}

/// Which series a list is about.
#[derive(Clone, Debug, JsonSchema)]
pub struct PromqlSeriesParameters {
    /// A series selector; may be given several times.
    #[schemars(rename = "match[]")]
    pub selector: Option<Vec<String>>,
    /// Only series with a value at or after this.
    pub start: Option<String>,
    /// Only buckets of distributions with a row at or before this.
    pub end: Option<String>,
    /// How many to list at most.
    pub limit: Option<u64>,
}

/// Which metrics are described.
#[derive(Clone, Debug, JsonSchema)]
pub struct PromqlMetadataParameters {
    /// Only this metric.
    pub metric: Option<String>,
    /// How many to list at most.
    pub limit: Option<u64>,
}

/// An answer of that API.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromqlEnvelope {
    /// `success` or `error`.
    pub status: &'static str,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    /// `bad_data`, `execution`, `timeout`, `canceled`, `unavailable` or `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'static str>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl PromqlEnvelope {
    /// An answer.
    pub fn success(data: serde_json::Value, warnings: Vec<String>) -> Self {
        Self { status: "success", data: Some(data), error_type: None, error: None, warnings }
    }

    /// A refusal.
    pub fn refusal(error_type: &'static str, error: String) -> Self {
        Self {
            status: "error",
            data: None,
            error_type: Some(error_type),
            error: Some(error),
            warnings: Vec::new(),
        }
    }
}
