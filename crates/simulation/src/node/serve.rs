//! The routes of a process of the plant.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::request::Served;
use super::state::Node;
use crate::exposition;
use crate::fault::Fault;
use crate::plant::Role;

/// Serves until told to stop; requests under way are then ended.
pub(super) async fn run(
    node: Arc<Node>,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let work = node.role.route();
    let router = Router::new()
        .route(work, post(serve))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/fault", post(begin_fault))
        .with_state(node);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn serve(State(node): State<Arc<Node>>, headers: HeaderMap, body: Bytes) -> Response {
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(&body);
    let role = node.role;
    let status = Served::begin(node, traceparent).work(&body).await;
    (status, [(header::CONTENT_TYPE, "application/json")], answer(role, status, &body).to_string())
        .into_response()
}

/// What a caller gets: a completion from the engine, a word from all others.
fn answer(role: Role, status: StatusCode, asked: &str) -> Value {
    if !status.is_success() {
        return json!({ "error": { "message": status.canonical_reason(), "code": status.as_u16() } });
    }
    if role != Role::Engine {
        return json!({ "status": "ok" });
    }
    let words = asked.len().max(1);
    json!({
        "object": "chat.completion",
        "model": "plant-1",
        "choices": [{
            "index": 0,
            "finish_reason": "stop",
            "message": { "role": "assistant", "content": "In stock, and two others like it." }
        }],
        "usage": { "prompt_tokens": words, "completion_tokens": 8, "total_tokens": words + 8 }
    })
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    node.sample();
    let page = exposition::text(&node.meter.read());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}

async fn begin_fault(State(node): State<Arc<Node>>, body: Bytes) -> Response {
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    match Fault::from_json(&value) {
        Ok(fault) => {
            node.begin(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
