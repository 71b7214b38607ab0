//! OTLP: metrics, logs and traces from protobuf, from JSON, and from requests that gRPC decoded already.
//!
//! Protocol: <https://opentelemetry.io/docs/specs/otlp/>. Exemplars and trace state have no place in a batch and
//! are left out. A span event becomes a log record with an event name, tied to its span. Links become the
//! attribute `otel.span.links`.

mod json;
mod logs;
mod metrics;
mod traces;
mod value;

use prost::Message;

pub use crate::otlp::logs::logs;
pub(crate) use crate::otlp::metrics::exponential;
pub use crate::otlp::metrics::metrics;
pub use crate::otlp::traces::traces;
use crate::{Admission, Decoded, Malformed, Position};

/// How an OTLP/HTTP body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`: hexadecimal ids, 64-bit numbers as texts or numbers, enums as numbers or names,
    /// unknown members ignored.
    Json,
}

impl Form {
    /// The form that a `Content-Type` header names.
    pub fn of_content_type(header: &str) -> Option<Self> {
        let kind = header.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-protobuf")
            || kind.eq_ignore_ascii_case("application/protobuf")
        {
            return Some(Self::Protobuf);
        }
        kind.eq_ignore_ascii_case("application/json").then_some(Self::Json)
    }
}

/// Metrics from an uncompressed body (`POST /v1/metrics`).
pub fn metrics_body(form: Form, body: &[u8], admission: &Admission<'_>) -> Result<Decoded, Malformed> {
    Ok(match form {
        Form::Protobuf => metrics(protobuf(body)?, admission),
        Form::Json => {
            let (request, faults) = json::read(body)?;
            metrics::knowing(&faults, request, admission)
        }
    })
}

/// Logs from an uncompressed body (`POST /v1/logs`).
pub fn logs_body(form: Form, body: &[u8], admission: &Admission<'_>) -> Result<Decoded, Malformed> {
    Ok(match form {
        Form::Protobuf => logs(protobuf(body)?, admission),
        Form::Json => {
            let (request, faults) = json::read(body)?;
            logs::knowing(&faults, request, admission)
        }
    })
}

/// Traces from an uncompressed body (`POST /v1/traces`).
pub fn traces_body(form: Form, body: &[u8], admission: &Admission<'_>) -> Result<Decoded, Malformed> {
    Ok(match form {
        Form::Protobuf => traces(protobuf(body)?, admission),
        Form::Json => {
            let (request, faults) = json::read(body)?;
            traces::knowing(&faults, request, admission)
        }
    })
}

fn protobuf<M: Message + Default>(body: &[u8]) -> Result<M, Malformed> {
    let mut rest = body;
    M::decode(&mut rest).map_err(|error| Malformed {
        position: Position::Byte(body.len() - rest.len()),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
