//! The decision point: roles and base rules as validated policies.
//!
//! **Invariant:** every decision is computed from the request alone; nothing is cached, nothing is read, and any
//! error while deciding is a denial. Policies are checked against the schema, strictly, when the decision point is
//! made.
//!
//! ```
//! use echobase_policy::{Action, Decision, DecisionPoint, ResourceRef};
//! use echobase_types::principal::{Principal, PrincipalKind, Role};
//! use echobase_types::{PrincipalId, TenantId};
//!
//! let point = DecisionPoint::new()?;
//! let tenant = TenantId::default_tenant();
//! let viewer = Principal {
//!     id: "018f0000-0000-7000-8000-000000000001".parse::<PrincipalId>()?,
//!     tenant: tenant.clone(),
//!     kind: PrincipalKind::User,
//!     name: "vera".to_owned(),
//!     role: Role::Viewer,
//!     suspended: false,
//!     scopes: None,
//!     key: None,
//! };
//! let whole = ResourceRef::tenant(tenant);
//! assert!(matches!(point.decide(&viewer, Action::ViewOverview, &whole), Decision::Permit));
//! assert!(matches!(point.decide(&viewer, Action::Freeze, &whole), Decision::Deny { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod action;
pub mod point;
pub mod table;

pub use action::Action;
pub use point::{Decision, DecisionPoint, PolicyError, ResourceRef};
