//! Act by machine: assess, plan, envelope, approve, execute, verify, roll back.
//!
//! **Invariant:** nothing is done to a target that was not previewed, digested and approved by that digest; at most
//! one execution of an intervention is ever recorded; what is not proved to have worked is undone. Deciding
//! ([`plan`], [`condition`]) is pure; doing ([`machine`], [`actuator`]) makes no choice of its own. No clock: `now`
//! is an argument, and [`Controller::run`] is handed one.

pub mod actuator;
pub mod backtest;
pub mod condition;
pub mod config;
pub mod controller;
pub mod digest;
pub mod error;
pub mod freeze;
pub mod machine;
pub mod plan;
pub mod planner;
pub mod playbook;
pub mod sensor;

mod duration_text;

pub use actuator::{Actuator, Actuators};
pub use backtest::{Backtest, BacktestAction, BacktestReport};
pub use condition::{Condition, Truth};
pub use config::{CommandConfig, ControllerConfig, ProcessConfig, ReadinessConfig};
pub use controller::{Advice, Change, Clock, Controller, Proposal, Release, Stands};
pub use error::ControllerError;
pub use sensor::Sensor;
