//! Long work in the background.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

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
