//! Act by people: alerts from assessments and from other parts, de-duplicated, grouped, acknowledged, resolved.
//!
//! **Invariant:** judging an assessment is pure ([`rule::judge`]); every change of an alert commits together with its
//! ledger entry and with the message that tells of it. This crate sends nothing: messages leave by the outbox.

pub mod config;
pub mod message;
pub mod oncall;
pub mod rule;

pub use config::OncallConfig;
pub use oncall::{Change, Oncall, OncallError, Raise};
