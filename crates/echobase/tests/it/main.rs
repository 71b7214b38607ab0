//! The built binary, driven from outside: real sockets, real files, real kills.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]
#![allow(missing_docs, unreachable_pub, reason = "tests speak through their names")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests are the outside world: they have a clock and processes"
)]
#![allow(clippy::zombie_processes, reason = "`World` waits for its server when it is dropped")]

mod change;
mod durability;
mod feedback;
mod forecast;
mod incident;
mod ingest;
mod interventions;
mod ledger;
mod matrix;
mod model;
mod promql;
mod session;
mod slo;
mod surface;
mod world;
