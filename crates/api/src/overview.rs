//! The first page: what needs me, and how everything is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::alert::Alert;
use crate::freeze::Freeze;
use crate::intervention::InterventionSummary;
use crate::resource::Resource;

/// The overview.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// When it was made.
    pub at: Time,
    /// Number of resources watched.
    pub resources_total: u32,
    /// Number of resources with a score below 0.7, a risk above 0.5 or a firing alert.
    pub resources_attention: u32,
    /// The resources, worst first, at most 200.
    pub resources: Vec<Resource>,
    /// Interventions that wait for a person.
    pub approvals: Vec<InterventionSummary>,
    /// Alerts that fire.
    pub alerts: Vec<Alert>,
    /// The last intervention that ended.
    pub last_intervention: Option<InterventionSummary>,
    /// Freezes in force.
    pub freezes: Vec<Freeze>,
    /// State of the ledger.
    pub ledger: crate::ledger::LedgerState,
    /// Seconds that the last analysis cycle took.
    pub cycle_s: f64,
    /// Rows accepted in the last minute.
    pub rows_last_minute: u64,
}
