//! Act by machine: assess, plan, envelope, approve, execute, verify, roll back.
//!
//! **Invariant:** nothing is done to a target that was not previewed, digested and approved by that digest; at most
//! one execution of an intervention is ever recorded; what is not proved to have worked is undone. Deciding
//! ([`plan`], [`condition`]) is pure; doing ([`machine`], [`actuator`]) makes no choice of its own. No clock: `now`
//! is an argument, and [`Controller::run`] is handed one.

pub mod actuator;
pub mod condition;
pub mod config;
pub mod digest;
pub mod playbook;

mod duration_text;

pub use actuator::{Actuator, Actuators};
pub use condition::{Condition, Truth};
pub use config::{CommandConfig, ControllerConfig, ProcessConfig, ReadinessConfig};
