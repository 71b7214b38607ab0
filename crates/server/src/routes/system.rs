//! The server about itself: health, metrics, OpenAPI.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use echobase_policy::Action;
use serde_json::{Value, json};

use crate::app::App;
use crate::route::{Access, Route, get};

pub(super) fn routes() -> Vec<Route> {
    let probe = Access::Public("probes have no credential, and the answer says nothing but alive or ready");
    vec![
        get("/health/live", "live_probe", probe, alive)
            .says("system", "Whether the process runs")
            .answers::<Value>(),
        get("/health/ready", "ready_probe", probe, ready)
            .says("system", "Whether it can take signals and answer questions")
            .answers::<Value>(),
        get("/metrics", "self_metrics", Access::Local(Action::ReadSelfMetrics), metrics)
            .says("system", "The server's own metrics in the Prometheus text format")
            .answers_media("text/plain"),
        get(
            "/api/openapi.json",
            "openapi",
            Access::Public("the description of the API is no secret"),
            openapi,
        )
        .says("system", "This document")
        .answers::<Value>(),
    ]
}

async fn alive() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

async fn ready(State(app): State<App>) -> Response {
    let checks = app.readiness().await;
    let is_ready = checks.iter().all(|(_, fault)| fault.is_none());
    let detail: serde_json::Map<String, Value> = checks
        .into_iter()
        .map(|(part, fault)| (part.to_owned(), Value::from(fault.unwrap_or("ok"))))
        .collect();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if is_ready { "ready" } else { "not ready" };
    (status, Json(json!({ "status": word, "checks": detail }))).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], crate::metrics::render(&app))
        .into_response()
}

async fn openapi() -> Json<Value> {
    Json(super::document())
}
