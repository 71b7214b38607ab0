//! Act by machine: assess, plan, envelope, approve, execute, verify, roll back.
//!
//! **Invariant:** nothing is done to a target that was not previewed, digested and approved by that digest; at most
//! one execution of an intervention is ever recorded; what is not proved to have worked is undone. Deciding
//! ([`plan`], [`condition`]) is pure; doing ([`machine`], [`actuator`]) makes no choice of its own. No clock: `now`
//! is an argument, and [`Controller::run`] is handed one.

pub mod condition;
pub mod playbook;

pub use condition::{Condition, Truth};
