//! SQL over the tenant's telemetry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A read-only question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// One SELECT statement.
    pub sql: String,
    /// Rows at most, 1 to 100,000. Default: 10,000.
    #[serde(default)]
    pub max_rows: Option<u32>,
    /// Seconds at most, 1 to 120. Default: 30.
    #[serde(default)]
    pub timeout_s: Option<u32>,
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct QueryAnswer {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with one value per column.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether rows were left out because of the limit.
    pub truncated: bool,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Data type, as the engine names it.
    pub data_type: String,
}
