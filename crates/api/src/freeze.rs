//! The freeze switch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// A freeze in force: nothing is executed in its scope, rollbacks excepted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// `tenant`, `resource:<id>` or `playbook:<id>`.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who (principal id, or `controller`).
    pub by: String,
    /// Since when.
    pub since: Time,
    /// Who asked for its release, if somebody did; a second person must confirm.
    pub release_requested_by: Option<String>,
}

/// Puts a freeze in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeRequest {
    /// `tenant`, `resource:<id>` or `playbook:<id>`. Default: `tenant`.
    #[serde(default)]
    pub scope: Option<String>,
    /// Why.
    pub reason: String,
}

/// Asks for, or confirms, the release of a freeze.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The scope.
    pub scope: String,
    /// Why.
    pub reason: String,
}
