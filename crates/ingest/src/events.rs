//! Events as NDJSON: `POST /api/v1/events`, one JSON object a line.
//!
//! | member | meaning |
//! |---|---|
//! | `time` or `timestamp` | RFC 3339 text, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970 (told from its size); now where it is absent |
//! | `name` or `event_name` | the event name |
//! | `severity` or `level` | a word such as `warning`, or an OpenTelemetry number 0 to 24 |
//! | `body` or `message` | the text; other JSON is kept as its text. An event needs a name or a body |
//! | `resource` | OpenTelemetry resource attributes, or a resource id as text |
//! | `resource_id` | a resource id such as `service:shop/orders`; wins over `resource` |
//! | `trace_id`, `span_id` | 32 and 16 hexadecimal digits |
//! | `attributes` | more attributes |
//! | anything else | an attribute of that name; arrays and objects as their JSON text, `null` as none |

mod line;

use std::collections::HashMap;

use echobase_types::signal::RejectReason;
use echobase_types::{Attributes, ResourceId};
use xxhash_rust::xxh3::xxh3_64;

use crate::events::line::{Event, Owner};
use crate::identity::{Identified, attributes_hash, identify, of_id};
use crate::intake::{Intake, Refusal, Source, malformed, shown};
use crate::{Admission, Decoded, Malformed, Position};

/// Reads a body of events. A bad line is listed with its number, and the others are kept; the body is malformed
/// where no line is an event.
pub fn decode(body: &[u8], admission: &Admission<'_>) -> Result<Decoded, Malformed> {
    let mut intake = Intake::new(admission);
    let mut sources = Sources::default();
    let mut first_fault: Option<Malformed> = None;
    let mut is_event_found = false;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    for (n, line) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let outcome = match serde_json::from_slice::<Event>(line) {
            Err(error) => {
                let detail = match error.is_eof() {
                    true => "line ends within an object".to_owned(),
                    false => line::detail(&error),
                };
                let position = Position::Line { line: n + 1, column: error.column() };
                let refusal = malformed(format!("column {}: {detail}", error.column()));
                first_fault.get_or_insert(Malformed { position, detail });
                Err(refusal)
            }
            Ok(event) => {
                is_event_found = true;
                take(event, &mut intake, &mut sources)
            }
        };
        intake.row(format_args!("line {}", n + 1), outcome);
    }
    match first_fault {
        Some(fault) if !is_event_found => Err(fault),
        _ => Ok(intake.finish()),
    }
}

/// The resources named so far, by the hash of how they were named.
#[derive(Default)]
struct Sources(HashMap<u64, Result<Source, Refusal>>);

impl Sources {
    fn of(&mut self, owner: &Owner, intake: &mut Intake<'_>) -> Result<Source, Refusal> {
        let key = owner.key();
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let source = match owner {
            Owner::Unsaid => intake.source(identify(Attributes::new())),
            Owner::Attributes(attributes) => intake.source(identify(attributes.clone())),
            Owner::Id(text) => by_id(text).and_then(|known| intake.source(known)),
        };
        self.0.insert(key, source.clone());
        source
    }
}

fn by_id(text: &str) -> Result<Identified, Refusal> {
    let resource = ResourceId::new(text).ok().and_then(|id| of_id(&id)).ok_or_else(|| {
        malformed(format!("`{}` is no resource id such as service:shop/orders or host:db-3", shown(text)))
    })?;
    Ok(Identified { resource, instance: Attributes::new() })
}

fn take(event: Event, intake: &mut Intake<'_>, sources: &mut Sources) -> Result<(), Refusal> {
    if let Some(refusal) = event.fault {
        return Err(refusal);
    }
    if event.record.event_name.is_empty() && event.record.body.is_empty() {
        return Err(Refusal::new(RejectReason::Missing, "event has neither a name nor a body"));
    }
    let source = sources.of(&event.owner, intake)?;
    let mut record = event.record;
    record.time = event.time.unwrap_or(intake.now());
    intake.log(&source, record)
}

impl Owner {
    fn key(&self) -> u64 {
        match self {
            Self::Unsaid => 0,
            Self::Id(text) => xxh3_64(text.as_bytes()),
            Self::Attributes(attributes) => attributes_hash(attributes),
        }
    }
}

#[cfg(test)]
mod tests;
