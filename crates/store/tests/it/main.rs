//! The store against real SQLite files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod crash;
mod fixture;
mod identity;
mod incident;
mod isolation;
mod ledger;
mod model;
mod noun;
mod outbox;
mod slo;
