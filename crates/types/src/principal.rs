//! Who asks, and what they may hold.

use crate::{KeyId, PrincipalId, TenantId};

/// A principal as the decision point sees it. The tenant comes only from a verified credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub id: PrincipalId,
    /// Whose.
    pub tenant: TenantId,
    /// Person or machine.
    pub kind: PrincipalKind,
    /// The name people use.
    pub name: String,
    /// The role held in the tenant.
    pub role: Role,
    /// Whether the principal is switched off.
    pub suspended: bool,
    /// The scopes of the API key used; `None` for a browser session (all that the role allows).
    pub scopes: Option<Vec<Scope>>,
    /// The API key used, if any.
    pub key: Option<KeyId>,
}

/// Person or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A machine with an API key.
    Service,
}

impl PrincipalKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::Service].into_iter().find(|k| k.as_str() == word)
    }
}

/// The roles a fresh installation knows. What each may do is the table in `policy::role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything in the tenant, principals and keys included.
    Admin,
    /// Runs the loop: playbooks, interventions, freeze, alerts.
    Operator,
    /// Sends signals, reads everything of the loop, proposes.
    Developer,
    /// Reads signals and assessments, queries.
    Analyst,
    /// Reads everything, ledger and decisions included; changes nothing.
    Auditor,
    /// Reads the overview.
    Viewer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Operator, Self::Developer, Self::Analyst, Self::Auditor, Self::Viewer];

    /// The word in configuration, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Developer => "developer",
            Self::Analyst => "analyst",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == word)
    }
}

/// What an API key may be used for, within what its owner's role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Send signals.
    Ingest,
    /// Read.
    Read,
    /// Change what is not an intervention.
    Write,
    /// Propose, approve, roll back, freeze.
    Act,
    /// Principals, keys, tenants.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Ingest, Self::Read, Self::Write, Self::Act, Self::Admin];

    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Write => "write",
            Self::Act => "act",
            Self::Admin => "admin",
        }
    }

    /// The scope of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}
