//! Messages out: signed webhooks behind the egress guard.
//!
//! **Invariant:** nothing leaves for a URL that the guard has not let pass, and what leaves goes to the address that
//! was vetted. Of an answer only its status and `Retry-After` are looked at, never its body.

pub mod egress;
pub mod webhook;

pub use egress::{EgressConfig, EgressError, Guard, Origin};
pub use webhook::{Outcome, Secret, Webhook};
