//! What senders of other systems push: Prometheus remote write and InfluxDB lines. Answers follow what those clients do
//! with them: 400 drops a batch for good, 503 is sent again, and 429 would be dropped by Prometheus, so it is never said.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use echobase_api::ingest::LineQuery;
use echobase_ingest::Decoded;
use echobase_ingest::influx::{self, Precision};
use echobase_ingest::remote_write::{self, Version};
use echobase_policy::Action;
use echobase_types::ErrorKind;
use echobase_types::signal::RejectReason;

use crate::app::App;
use crate::extract::{Params, Whole};
use crate::guard::Caller;
use crate::intake::inflated;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};

const LOCAL: Access = Access::Local(Action::Ingest);

/// The routes beside OTLP on its HTTP listener, where senders are pointed at.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        remote("/api/v1/write", "remote_write"),
        lines("/write", "write_lines"),
        lines("/api/v2/write", "write_lines_v2"),
        get(
            "/ping",
            "ping_lines",
            Access::Public("clients of line protocol ask it before they have a key"),
            ping,
        )
        .says("push", "Answers clients of line protocol that somebody is there")
        .status(204),
    ]
}

/// The routes under the address of the web app.
pub(crate) fn api_routes() -> Vec<Route> {
    vec![remote("/prometheus/api/v1/write", "prometheus_remote_write")]
}

fn remote(path: &'static str, id: &'static str) -> Route {
    post(path, id, LOCAL, remote_write)
        .says("push", "Prometheus remote write, 1.0 and 2.0")
        .takes_media("application/x-protobuf")
        .status(204)
        .repeatable()
}

fn lines(path: &'static str, id: &'static str) -> Route {
    post(path, id, LOCAL, write_lines)
        .says("push", "InfluxDB line protocol")
        .query::<LineQuery>()
        .takes_media("text/plain")
        .status(204)
        .repeatable()
}

async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn remote_write(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Answer<Response> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(version) = Version::of_content_type(media) else {
        let words = format!(
            "send application/x-protobuf, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request, not \
             `{media}`"
        );
        return Err(Failure::new(ErrorKind::Invalid, words).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    };
    let body = inflated(&app, &headers, body)?;
    let (mut decoded, taken) =
        remote_write::decode(version, &body, &app.intake.admission(caller.tenant(), app.now()))?;
    app.intake.keep(caller.tenant(), &mut decoded).await?;
    let mut response = answer(&decoded);
    // 2.0 reads from these what was written, also where something was refused.
    for (name, count) in [
        ("x-prometheus-remote-write-samples-written", taken.samples),
        ("x-prometheus-remote-write-histograms-written", taken.histograms),
        ("x-prometheus-remote-write-exemplars-written", 0),
    ] {
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    Ok(response)
}

async fn write_lines(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<LineQuery>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Answer<Response> {
    let word = query.precision.unwrap_or_default();
    let precision = Precision::parse(&word).ok_or_else(|| {
        let words = format!("`{word}` is no precision of times; use ns, us, ms, s, m or h");
        Failure::new(ErrorKind::Invalid, words)
    })?;
    let body: Bytes = inflated(&app, &headers, body)?.into();
    let mut decoded = influx::decode(&body, precision, &app.intake.admission(caller.tenant(), app.now()))?;
    app.intake.keep(caller.tenant(), &mut decoded).await?;
    Ok(answer(&decoded))
}

/// Nothing to say, or which rows were refused while the others are kept. What is no finite number is common (a quantile
/// of nothing) and no fault of the sender: it is counted only.
fn answer(decoded: &Decoded) -> Response {
    let faults = decoded.rejected_count.keys().any(|reason| *reason != RejectReason::NotFinite);
    match decoded.partial_success() {
        Some((_, words)) if faults => {
            let words = format!("partial write: the other rows are kept; refused: {words}");
            Failure::new(ErrorKind::Invalid, words).into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}
