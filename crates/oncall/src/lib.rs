//! Act by people: alerts, grouping, de-duplication.
//!
//! **Invariant:** an alert, its ledger entry and the message that tells people of it commit in one transaction; one
//! open alert per dedup key; what is told is rendered when it is sent, so that a message never tells of a state that
//! is over as if it still held. Judging ([`rule`], [`burn`]) is pure. No clock: `now` is an argument.

pub mod burn;
pub mod config;
pub mod error;
pub mod message;
pub mod oncall;
pub mod rule;

mod duration_text;

pub use config::{OncallConfig, RuleConfig};
pub use error::OncallError;
pub use oncall::{Change, Oncall, Raise};
