//! SQL over the tenant's telemetry.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use echobase_api::query::{Column, QueryAnswer, QueryRequest};
use echobase_policy::Action;
use echobase_telemetry::QueryLimits;
use echobase_types::ErrorKind;

use crate::app::App;
use crate::extract::Body;
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/api/v1/query", "query", Access::Action(Action::Query), query)
            .says(
                "query",
                "One SELECT over the tenant's telemetry: metrics, logs, events, spans, assessments",
            )
            .takes::<QueryRequest>()
            .answers::<QueryAnswer>()
            .repeatable(),
    ]
}

async fn query(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<QueryRequest>,
) -> Answer<Json<QueryAnswer>> {
    let mut limits = QueryLimits::default();
    match request.max_rows {
        Some(n @ 1..=100_000) => limits.max_rows = n as usize,
        Some(n) => return Err(out_of_range("max_rows", n, "1 to 100000")),
        None => {}
    }
    match request.timeout_s {
        Some(n @ 1..=120) => limits.timeout = Duration::from_secs(u64::from(n)),
        Some(n) => return Err(out_of_range("timeout_s", n, "1 to 120")),
        None => {}
    }
    let found = app.telemetry.query(caller.tenant(), &request.sql, limits).await?;
    Ok(Json(QueryAnswer {
        columns: found.columns.into_iter().map(|c| Column { name: c.name, data_type: c.data_type }).collect(),
        rows: found.rows,
        truncated: found.truncated,
        elapsed_ms: u64::try_from(found.elapsed.as_millis()).unwrap_or(u64::MAX),
    }))
}

fn out_of_range(name: &str, given: u32, range: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{name}` must be {range}, not {given}"))
}
