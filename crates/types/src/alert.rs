//! Alerts: what people are told.

use crate::assessment::Severity;
use crate::{AlertId, Attributes, ResourceId, Timestamp};

/// Something people should know, from firing to resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Same key, same alert: while it fires, a second firing only updates it.
    pub dedup_key: String,
    /// Alerts of one group are told in one message.
    pub group_key: String,
    /// What it is about, where it is one resource.
    pub resource_id: Option<ResourceId>,
    /// Which rule fired, such as `stability.low`, `risk.high`, `ledger.damage`, `intervention.failed`.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// The reasons, in words.
    pub detail: String,
    /// State.
    pub state: AlertState,
    /// When it began to fire.
    pub started_at: Timestamp,
    /// When it was last seen firing.
    pub last_fired_at: Timestamp,
    /// How often it was seen firing.
    pub count: u32,
    /// Labels for routing.
    pub labels: Attributes,
}

/// State of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It holds now, and nobody has taken it.
    Firing,
    /// It holds now, and somebody has taken it.
    Acknowledged {
        /// When.
        at: Timestamp,
    },
    /// It no longer holds.
    Resolved {
        /// When.
        at: Timestamp,
    },
}

impl AlertState {
    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Resolved { .. } => "resolved",
        }
    }
}
