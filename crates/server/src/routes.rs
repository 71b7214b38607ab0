//! The routes, noun by noun. Each function is one call; what it decides is decided elsewhere.

mod alert;
mod change;
mod feedback;
mod freeze;
mod incident;
mod ingest;
mod intervention;
mod job;
mod ledger;
mod live;
mod model;
mod overview;
mod playbook;
mod principal;
mod promql;
mod query;
mod resource;
mod session;
mod slo;
mod system;

use echobase_api::openapi;
use echobase_store::{Cursor, PageRequest};
use echobase_types::{ErrorKind, Timestamp};

use crate::problem::{Answer, Failure};
use crate::route::Route;

/// Every route of the API listener.
pub(crate) fn table() -> Vec<Route> {
    let nouns = [
        session::routes(),
        overview::routes(),
        resource::routes(),
        change::routes(),
        playbook::routes(),
        intervention::routes(),
        freeze::routes(),
        alert::routes(),
        incident::routes(),
        model::routes(),
        job::routes(),
        slo::routes(),
        feedback::routes(),
        ledger::routes(),
        principal::routes(),
        query::routes(),
        promql::routes(),
        ingest::routes(),
        crate::push::api_routes(),
        live::routes(),
        system::routes(),
    ];
    nouns.into_iter().flatten().collect()
}

/// The OpenAPI document of the table.
pub(crate) fn document() -> serde_json::Value {
    let operations: Vec<_> = table().into_iter().map(|r| r.operation).collect();
    openapi::document(env!("CARGO_PKG_VERSION"), &operations)
}

/// The page that a caller asks for.
fn page(cursor: Option<String>, limit: Option<u32>) -> Answer<PageRequest> {
    Ok(PageRequest::new(cursor.map(Cursor::from_text), limit)?)
}

/// Steps of a chart that a caller may ask for.
fn steps(asked: Option<u32>) -> Answer<usize> {
    match asked {
        None => Ok(300),
        Some(n @ 1..=2_000) => Ok(n as usize),
        Some(n) => Err(Failure::new(ErrorKind::Invalid, format!("`max_points` must be 1 to 2000, not {n}"))),
    }
}

/// A time range with its defaults.
fn range(
    from: Option<echobase_api::Time>,
    to: Option<echobase_api::Time>,
    now: Timestamp,
    default_s: u64,
) -> Answer<(Timestamp, Timestamp)> {
    let to = to.map_or(now, |t| t.0);
    let from = from.map_or(to - std::time::Duration::from_secs(default_s), |t| t.0);
    if from >= to {
        return Err(Failure::new(ErrorKind::Invalid, format!("`from` ({from}) must be before `to` ({to})")));
    }
    Ok((from, to))
}
