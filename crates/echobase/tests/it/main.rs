//! The built binary, driven from outside: real sockets, real files, real kills.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]
#![allow(missing_docs, reason = "tests speak through their names")]

mod durability;
mod ingest;
mod ledger;
mod session;
mod surface;
mod world;
