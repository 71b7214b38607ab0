//! OTLP logs.

use echobase_types::Timestamp;
use echobase_types::signal::LogRecord;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1 as otlp;

use crate::intake::{Faults, Intake, Refusal, malformed};
use crate::otlp::value;
use crate::severity;
use crate::{Admission, Decoded};

/// Logs from a decoded request. The time is `timeUnixNano`, else `observedTimeUnixNano`, else now.
pub fn logs(request: ExportLogsServiceRequest, admission: &Admission<'_>) -> Decoded {
    knowing(&Faults::default(), request, admission)
}

/// Logs from a request of which `faults` could not be read.
pub(super) fn knowing(
    faults: &Faults,
    request: ExportLogsServiceRequest,
    admission: &Admission<'_>,
) -> Decoded {
    let mut intake = Intake::new(admission);
    for (r, group) in request.resource_logs.into_iter().enumerate() {
        let place = format!("resourceLogs[{r}].resource");
        let source = match value::source(&mut intake, faults, &place, group.resource) {
            Ok(source) => source,
            Err(refusal) => {
                let rows = group.scope_logs.iter().map(|scope| scope.log_records.len()).sum();
                intake.refuse(place, &refusal, rows);
                continue;
            }
        };
        for (s, scope) in group.scope_logs.into_iter().enumerate() {
            intake.reserve_logs(scope.log_records.len());
            for (l, record) in scope.log_records.into_iter().enumerate() {
                let outcome =
                    match faults.at(format_args!("resourceLogs[{r}].scopeLogs[{s}].logRecords[{l}]")) {
                        Some((refusal, _)) => Err(refusal.clone()),
                        None => log(record, scope.scope.as_ref(), intake.now())
                            .and_then(|record| intake.log(&source, record)),
                    };
                intake.row(format_args!("resourceLogs[{r}].scopeLogs[{s}].logRecords[{l}]"), outcome);
            }
        }
    }
    intake.finish()
}

fn log(
    record: otlp::LogRecord,
    scope: Option<&InstrumentationScope>,
    now: Timestamp,
) -> Result<LogRecord, Refusal> {
    let time = match (record.time_unix_nano, record.observed_time_unix_nano) {
        (0, 0) => now,
        (0, nanos) | (nanos, _) => Timestamp::from_nanos(nanos),
    };
    let stated = u8::try_from(record.severity_number).ok().filter(|number| *number <= 24);
    let number = stated.ok_or_else(|| {
        malformed(format!("severity number {} is not between 0 and 24", record.severity_number))
    })?;
    let mut attributes = value::scoped(record.attributes, scope);
    let by_text = severity::parse(&record.severity_text);
    let severity = if number == 0 { by_text.unwrap_or(0) } else { number };
    if !record.severity_text.is_empty() && by_text != Some(severity) {
        attributes.insert("severity_text", record.severity_text);
    }
    let mut event_name = record.event_name;
    if event_name.is_empty()
        && let Some(name) = attributes.remove("event.name")
    {
        event_name = name.to_string();
    }
    Ok(LogRecord {
        resource: 0,
        time,
        severity,
        event_name,
        body: value::text(record.body),
        trace_id: value::id("trace id", &record.trace_id, 16)?,
        span_id: value::id("span id", &record.span_id, 8)?,
        attributes,
    })
}
