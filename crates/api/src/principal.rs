//! Principals, API keys and tenants.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// A person or machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    /// Its id.
    pub id: String,
    /// `user` or `service`.
    pub kind: String,
    /// Name, unique in the tenant.
    pub name: String,
    /// Role.
    pub role: String,
    /// Whether it is switched off.
    pub suspended: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it last signed in.
    pub last_seen_at: Option<Time>,
}

/// A new principal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrincipalDraft {
    /// Name, unique in the tenant: 1 to 64 of letters, digits and `._@-`.
    pub name: String,
    /// `user` or `service`. Default: `user`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Role.
    pub role: String,
    /// Password of a user, at least 12 characters; absent: a one-time sign-in link is made instead.
    #[serde(default)]
    pub password: Option<String>,
}

/// A made principal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PrincipalCreated {
    /// The principal.
    pub principal: Principal,
    /// Path of a one-time sign-in link (15 minutes), where no password was given. Shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signin_path: Option<String>,
}

/// A change of a principal; absent members stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrincipalChange {
    /// New role.
    #[serde(default)]
    pub role: Option<String>,
    /// Switch off or on.
    #[serde(default)]
    pub suspended: Option<bool>,
    /// New password; ends all sessions of the principal.
    #[serde(default)]
    pub password: Option<String>,
}

/// An API key, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub principal_id: String,
    /// The first characters of the key, to find it again.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// When it was last used (to the minute).
    pub last_used_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

/// A new API key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyDraft {
    /// What it is for.
    pub name: String,
    /// Whose; absent: the caller's own.
    #[serde(default)]
    pub principal_id: Option<String>,
    /// `ingest`, `read`, `write`, `act`, `admin`.
    pub scopes: Vec<String>,
    /// Days until it ends, 1 to 365. Default: 90.
    #[serde(default)]
    pub expires_in_days: Option<u32>,
}

/// A made or rotated API key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyCreated {
    /// The key without its secret.
    pub key: ApiKey,
    /// The key itself. Shown once.
    pub secret: String,
}

/// A rotation.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateRequest {
    /// Hours for which the old key still works, 0 to 168. Default: 24.
    pub overlap_hours: Option<u32>,
}

/// A tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// The name people use.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

/// A new tenant with its first administrator.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantDraft {
    /// 1 to 63 of a-z, 0-9 and `-`.
    pub id: String,
    /// The name people use.
    pub name: String,
    /// Name of its first administrator.
    pub admin_name: String,
}

/// A made tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantCreated {
    /// The tenant.
    pub tenant: Tenant,
    /// Path of a one-time sign-in link for its administrator (15 minutes). Shown once.
    pub signin_path: String,
}
