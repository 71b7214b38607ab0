//! A seeded plant of real processes, load and fault plans: what the demo and the tests watch and steer.
//!
//! Four roles stand behind real sockets: a shop front calls an orders service and a model engine, and the orders
//! service calls a store. Each process exports OTLP over HTTP, answers `/metrics` and `/health`, and takes faults on
//! `POST /fault`. What a fault does, what cures it and when it would end in failure is stated in [`fault`].
//!
//! **Invariant:** same seed, same load, same faults, same order. Nothing here judges stability: the plant only
//! behaves, and [`report`] compares what was done to it with what the loop said and did.

pub mod demo;
pub mod fault;
pub mod load;
pub mod node;
pub mod plan;
pub mod plant;
pub mod report;

mod export;
mod exposition;
mod machine;
mod meter;
mod pool;
mod processor;
mod trace;
mod upstream;

use std::sync::Arc;

use echobase_types::Timestamp;

/// Where the time comes from: the one who starts a plant says so.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
