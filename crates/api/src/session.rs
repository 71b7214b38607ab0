//! Signing in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The principal's id.
    pub principal_id: String,
    /// The principal's name.
    pub name: String,
    /// The principal's role.
    pub role: String,
    /// The tenant.
    pub tenant: String,
    /// The actions that the decision point permits: for greying out, never for deciding.
    pub permissions: Vec<String>,
    /// Send this as `X-CSRF-Token` with every unsafe request of a browser session.
    pub csrf_token: Option<String>,
    /// Version of the server.
    pub version: String,
}

/// Sign-in by name and password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Tenant. Default: `default`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Name.
    pub name: String,
    /// Password.
    pub password: String,
}

/// Sign-in by a one-time link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    /// The token of the link.
    pub token: String,
}

/// Setting one's own password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The new password, at least 12 characters.
    pub password: String,
}
