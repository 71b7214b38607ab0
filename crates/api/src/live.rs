//! The live stream: the same events by SSE and WebSocket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::assessment::{Anomaly, Assessment};
use crate::freeze::Freeze;
use crate::intervention::InterventionSummary;
use crate::ledger::LedgerState;

/// One event. Its name on the wire is `topic`; its sequence number is the SSE id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "topic", content = "data", rename_all = "snake_case")]
pub enum LiveEvent {
    /// New verdicts of one cycle, changed ones only.
    Assessments(Vec<Assessment>),
    /// An anomaly opened or ended.
    Anomaly(Anomaly),
    /// An intervention changed.
    Intervention(InterventionSummary),
    /// An alert changed.
    Alert(Alert),
    /// The freezes in force changed.
    Freezes(Vec<Freeze>),
    /// The ledger grew or was checked.
    Ledger(LedgerState),
    /// The reader was too slow: so many events were left out; load the page's data anew.
    Lagged(u64),
}

impl LiveEvent {
    /// The topic's name.
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Assessments(_) => "assessments",
            Self::Anomaly(_) => "anomaly",
            Self::Intervention(_) => "intervention",
            Self::Alert(_) => "alert",
            Self::Freezes(_) => "freezes",
            Self::Ledger(_) => "ledger",
            Self::Lagged(_) => "lagged",
        }
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct LiveQuery {
    /// Topics, separated by commas; absent: all.
    pub topics: Option<String>,
}
