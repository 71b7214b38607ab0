//! One request: its span, its measurement, its work and its calls.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use echobase_types::Timestamp;
use echobase_types::signal::SpanKind;
use serde_json::Value;

use super::state::{CLIENT_DURATION, Node, SERVER_DURATION};
use crate::fault::FaultKind;
use crate::meter::Labels;
use crate::plant::Role;
use crate::trace::{SpanRecord, TraceContext};
use crate::upstream::Upstream;

/// A dead process holds a request this long before the connection is given up.
const DEAD: Duration = Duration::from_secs(30);

/// A request being served. Measured when it ends, also where its caller has hung up.
pub(super) struct Served {
    node: Arc<Node>,
    context: TraceContext,
    parent: Option<TraceContext>,
    start: Timestamp,
    status: Option<StatusCode>,
}

impl Served {
    pub(super) fn begin(node: Arc<Node>, traceparent: Option<&str>) -> Self {
        let parent = traceparent.and_then(TraceContext::parse);
        let (context, start) = (node.tracer.begin(parent), (node.clock)());
        Self { node, context, parent, start, status: None }
    }

    /// Works the request off.
    pub(super) async fn work(mut self, body: &str) -> StatusCode {
        let node = Arc::clone(&self.node);
        let status = self.answer(&node, body).await;
        self.status = Some(status);
        status
    }

    async fn answer(&self, node: &Node, body: &str) -> StatusCode {
        if node.fault_level(FaultKind::DeadDependency) > 0.0 {
            let _worker = node.pool.enter().await;
            tokio::time::sleep(DEAD).await;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let _worker = node.pool.enter().await;
        node.processor.burn(node.processor_cost()).await;
        tokio::time::sleep(node.service_time()).await;
        if node.fails() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let Some(called) = callee(node.role, body) else { return StatusCode::OK };
        let Some(upstream) = node.upstreams.iter().find(|upstream| upstream.role() == called) else {
            return StatusCode::OK;
        };
        match self.call(upstream, body).await {
            Ok(()) => StatusCode::OK,
            Err(()) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Calls another part, with a span and a measurement of its own.
    async fn call(&self, upstream: &Upstream, body: &str) -> Result<(), ()> {
        let node = &self.node;
        let (context, start) = (node.tracer.begin(Some(self.context)), (node.clock)());
        let answer = upstream.call(body, &context.header()).await;
        let end = (node.clock)();
        let route = upstream.role().route();
        let mut labels: Labels =
            vec![("http.request.method", "POST".to_owned()), ("server.address", upstream.role().to_string())];
        labels.extend(answer.error.clone().map(|error| ("error.type", error)));
        labels.extend(answer.status.map(|status| ("http.response.status_code", status.to_string())));
        labels.sort_unstable();
        node.meter.record(CLIENT_DURATION, labels.clone(), end.since(start));
        let failed = answer.error.is_some();
        node.tracer.end(SpanRecord {
            context,
            parent: Some(self.context.span),
            name: format!("POST {route}"),
            kind: SpanKind::Client,
            start,
            end,
            error: answer.error,
            attributes: labels,
        });
        if failed { Err(()) } else { Ok(()) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let end = (self.node.clock)();
        let route = self.node.role.route();
        let error = match self.status {
            // The caller hung up before there was an answer.
            None => Some("cancelled".to_owned()),
            Some(status) if status.is_server_error() => Some(status.as_u16().to_string()),
            Some(_) => None,
        };
        let mut labels: Labels =
            vec![("http.request.method", "POST".to_owned()), ("http.route", route.to_owned())];
        labels.extend(error.clone().map(|error| ("error.type", error)));
        labels.extend(self.status.map(|status| ("http.response.status_code", status.as_u16().to_string())));
        labels.sort_unstable();
        self.node.meter.record(SERVER_DURATION, labels.clone(), end.since(self.start));
        self.node.tracer.end(SpanRecord {
            context: self.context,
            parent: self.parent.map(|parent| parent.span),
            name: format!("POST {route}"),
            kind: SpanKind::Server,
            start: self.start,
            end,
            error,
            attributes: labels,
        });
    }
}

/// Whom a role calls for this request.
fn callee(role: Role, body: &str) -> Option<Role> {
    match role {
        Role::Front => {
            let request: Value = serde_json::from_str(body).unwrap_or_default();
            let question = request.get("kind").and_then(Value::as_str) == Some("question");
            Some(if question { Role::Engine } else { Role::Orders })
        }
        Role::Orders => Some(Role::Stock),
        Role::Stock | Role::Engine => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_goes_to_the_engine_and_all_else_at_the_front_is_an_order() {
        for (role, body, called) in [
            (Role::Front, r#"{"kind":"question"}"#, Some(Role::Engine)),
            (Role::Front, r#"{"kind":"order"}"#, Some(Role::Orders)),
            (Role::Front, "not json", Some(Role::Orders)),
            (Role::Orders, "", Some(Role::Stock)),
            (Role::Stock, "", None),
        ] {
            assert_eq!(callee(role, body), called, "{role} {body}");
        }
    }
}
