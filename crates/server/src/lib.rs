//! The roof: HTTP, gRPC, live stream, policy enforcement, configuration, wiring.
//!
//! **Invariant:** this crate plugs the others together and holds no rule of the domain. Every route passes the guard;
//! every task is owned by [`serve`], which joins it and can stop it.

mod actuator;
mod advice;
mod analysis;
mod app;
mod backtest;
mod bootstrap;
mod catalog;
mod causes;
mod change;
pub mod clock;
pub mod config;
mod convert;
pub mod environment;
mod evidence;
mod extract;
mod feedback;
mod files;
mod forecast;
mod graph;
mod guard;
mod history;
pub mod import;
mod incident;
mod intake;
pub mod judge;
mod keeper;
mod learning;
mod limiter;
mod listen;
mod live;
pub mod log;
mod metrics;
mod otlp;
mod outbox;
mod people;
mod problem;
mod push;
#[cfg(test)]
mod quiet;
mod route;
mod routes;
mod searches;
mod serve;
mod session;
mod slo;
mod ui;
mod whatif;

pub use serve::{BootstrapError, KeyError, ListenError, ServeError, Start, serve};

/// The OpenAPI document.
pub fn openapi() -> serde_json::Value {
    routes::document()
}
