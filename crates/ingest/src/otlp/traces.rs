//! OTLP traces.

use std::fmt::Write;

use echobase_types::Timestamp;
use echobase_types::signal::{LogRecord, RejectReason, Span, SpanKind, SpanStatus};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1 as otlp;

use crate::intake::{Faults, Intake, Refusal, Source};
use crate::otlp::value;
use crate::{Admission, Decoded, severity};

/// Traces from a decoded request: each span, and each of its events as a log record of the same resource.
pub fn traces(request: ExportTraceServiceRequest, admission: &Admission<'_>) -> Decoded {
    knowing(&Faults::default(), request, admission)
}

/// Traces from a request of which `faults` could not be read.
pub(super) fn knowing(
    faults: &Faults,
    request: ExportTraceServiceRequest,
    admission: &Admission<'_>,
) -> Decoded {
    let mut intake = Intake::new(admission);
    for (r, group) in request.resource_spans.into_iter().enumerate() {
        let place = format!("resourceSpans[{r}].resource");
        let source = match value::source(&mut intake, faults, &place, group.resource) {
            Ok(source) => source,
            Err(refusal) => {
                let rows = group.scope_spans.iter().map(|scope| scope.spans.len()).sum();
                intake.refuse(place, &refusal, rows);
                continue;
            }
        };
        for (s, scope) in group.scope_spans.into_iter().enumerate() {
            intake.reserve_spans(scope.spans.len());
            for (n, span) in scope.spans.into_iter().enumerate() {
                let at = format_args!("resourceSpans[{r}].scopeSpans[{s}].spans[{n}]").to_string();
                one(&mut intake, faults, &source, span, scope.scope.as_ref(), &at);
            }
        }
    }
    intake.finish()
}

/// A span and its events. Events of a refused span are refused with it and not counted apart.
fn one(
    intake: &mut Intake<'_>,
    faults: &Faults,
    source: &Source,
    mut read: otlp::Span,
    scope: Option<&InstrumentationScope>,
    at: &str,
) {
    if let Some((refusal, _)) = faults.at(at) {
        return intake.refuse(at, refusal, 1);
    }
    let events = std::mem::take(&mut read.events);
    let span = match span(read, scope) {
        Ok(span) => span,
        Err(refusal) => return intake.row(at, Err(refusal)),
    };
    let (trace_id, span_id) = (span.trace_id.clone(), span.span_id.clone());
    let outcome = intake.span(source, span);
    if outcome.is_err() {
        return intake.row(at, outcome);
    }
    for (e, event) in events.into_iter().enumerate() {
        let outcome = match faults.at(format_args!("{at}.events[{e}]")) {
            Some((refusal, _)) => Err(refusal.clone()),
            None => intake.log(source, log_of(event, &trace_id, &span_id, scope)),
        };
        intake.row(format_args!("{at}.events[{e}]"), outcome);
    }
}

fn span(read: otlp::Span, scope: Option<&InstrumentationScope>) -> Result<Span, Refusal> {
    let missing = |what: &str| Refusal::new(RejectReason::Missing, format!("span has no {what}"));
    let required = |what: &str, bytes: &[u8], size| {
        value::id(what, bytes, size).and_then(|id| if id.is_empty() { Err(missing(what)) } else { Ok(id) })
    };
    let trace_id = required("trace id", &read.trace_id, 16)?;
    let span_id = required("span id", &read.span_id, 8)?;
    let parent_span_id = value::id("parent span id", &read.parent_span_id, 8)?;
    if read.start_time_unix_nano == 0 || read.end_time_unix_nano == 0 {
        return Err(missing(if read.start_time_unix_nano == 0 { "start time" } else { "end time" }));
    }
    let kind = match otlp::span::SpanKind::try_from(read.kind) {
        Ok(otlp::span::SpanKind::Internal) => SpanKind::Internal,
        Ok(otlp::span::SpanKind::Server) => SpanKind::Server,
        Ok(otlp::span::SpanKind::Client) => SpanKind::Client,
        Ok(otlp::span::SpanKind::Producer) => SpanKind::Producer,
        Ok(otlp::span::SpanKind::Consumer) => SpanKind::Consumer,
        Ok(otlp::span::SpanKind::Unspecified) | Err(_) => SpanKind::Unspecified,
    };
    let status = read.status.unwrap_or_default();
    let mut attributes = value::scoped(read.attributes, scope);
    if !read.links.is_empty() {
        attributes.insert("otel.span.links", links(&read.links));
    }
    Ok(Span {
        resource: 0,
        trace_id,
        span_id,
        parent_span_id,
        name: read.name,
        kind,
        start: Timestamp::from_nanos(read.start_time_unix_nano),
        end: Timestamp::from_nanos(read.end_time_unix_nano),
        status: match otlp::status::StatusCode::try_from(status.code) {
            Ok(otlp::status::StatusCode::Ok) => SpanStatus::Ok,
            Ok(otlp::status::StatusCode::Error) => SpanStatus::Error,
            Ok(otlp::status::StatusCode::Unset) | Err(_) => SpanStatus::Unset,
        },
        status_message: status.message,
        attributes,
    })
}

/// The linked spans as JSON: `[{"trace_id":"…","span_id":"…"}]`.
fn links(all: &[otlp::span::Link]) -> String {
    let mut text = String::from("[");
    for (at, link) in all.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let (trace, span) = (value::hex(&link.trace_id), value::hex(&link.span_id));
        _ = write!(text, "{comma}{{\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}");
    }
    text.push(']');
    text
}

/// An event of a span. An exception is an error, everything else is information.
fn log_of(
    event: otlp::span::Event,
    trace_id: &str,
    span_id: &str,
    scope: Option<&InstrumentationScope>,
) -> LogRecord {
    let attributes = value::scoped(event.attributes, scope);
    let word = if event.name == "exception" { "error" } else { "info" };
    LogRecord {
        resource: 0,
        time: Timestamp::from_nanos(event.time_unix_nano),
        severity: severity::parse(word).unwrap_or_default(),
        body: attributes.text("exception.message").unwrap_or_default().to_owned(),
        event_name: event.name,
        trace_id: trace_id.to_owned(),
        span_id: span_id.to_owned(),
        attributes,
    }
}
