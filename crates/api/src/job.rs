//! Long work in the background.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Which jobs are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct JobQuery {
    /// Only of this kind.
    pub kind: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What sort of work.
    pub kind: String,
    /// What on.
    pub title: String,
    /// `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Share done, 0..=1, where known.
    pub progress: Option<f64>,
    /// In words.
    pub message: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}
