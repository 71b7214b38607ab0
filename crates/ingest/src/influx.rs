//! InfluxDB line protocol: `POST /write` and `POST /api/v2/write`.
//!
//! Protocol: <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>.
//!
//! | line protocol | here |
//! |---|---|
//! | field that is a number or a truth value | gauge `<measurement>_<field>`; of the field `value` just `<measurement>` |
//! | tags | attributes; the resource by [`identity::of_labels`](crate::identity::of_labels), most often the tag `host` |
//! | fields that are texts beside others | left out |
//! | a line of texts only | an event named as the measurement, tags and texts as its attributes |

mod line;

use echobase_types::signal::{LogRecord, MetricKind, RejectReason};
use echobase_types::{AttributeValue, Attributes, Timestamp};

use crate::identity::of_labels;
use crate::influx::line::{Line, Value};
use crate::intake::{Intake, Metric, Refusal, malformed};
use crate::{Admission, Decoded, Malformed, Position};

/// The unit of times in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Billionths of a second.
    #[default]
    Nanoseconds,
    /// Millionths.
    Microseconds,
    /// Thousandths.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Precision {
    /// The unit that the parameter `precision` names; absent or empty: nanoseconds.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" | "n" | "ns" => Self::Nanoseconds,
            "u" | "us" | "µ" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    fn time(self, value: i64) -> Option<Timestamp> {
        let micros = match self {
            Self::Nanoseconds => Some(value.div_euclid(1_000)),
            Self::Microseconds => Some(value),
            Self::Milliseconds => value.checked_mul(1_000),
            Self::Seconds => value.checked_mul(1_000_000),
            Self::Minutes => value.checked_mul(60_000_000),
            Self::Hours => value.checked_mul(3_600_000_000),
        };
        micros.map(Timestamp::from_micros)
    }
}

/// Reads a body. A line that does not parse is listed with its number, and the others are kept; the body is malformed where
/// no line parses.
pub fn decode(body: &[u8], precision: Precision, admission: &Admission<'_>) -> Result<Decoded, Malformed> {
    let mut intake = Intake::new(admission);
    let mut first_fault: Option<Malformed> = None;
    let mut is_line_found = false;
    for (n, bytes) in body.split(|byte| *byte == b'\n').enumerate() {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() || bytes[0] == b'#' {
            continue;
        }
        let parsed = match std::str::from_utf8(bytes) {
            Ok(text) => line::parse(text),
            Err(error) => Err(line::Fault { column: error.valid_up_to() + 1, detail: "line is not UTF-8" }),
        };
        match parsed {
            Ok(line) => {
                is_line_found = true;
                take(&line, n + 1, precision, &mut intake);
            }
            Err(fault) => {
                let position = Position::Line { line: n + 1, column: fault.column };
                let detail = fault.detail.to_owned();
                let refusal = malformed(format!("column {}: {detail}", fault.column));
                first_fault.get_or_insert(Malformed { position, detail });
                intake.refuse(format_args!("line {}", n + 1), &refusal, 1);
            }
        }
    }
    match first_fault {
        Some(fault) if !is_line_found => Err(fault),
        _ => Ok(intake.finish()),
    }
}

fn take(line: &Line<'_>, n: usize, precision: Precision, intake: &mut Intake<'_>) {
    let numbers = line.fields.iter().filter(|(_, value)| !matches!(value, Value::Text(_)));
    let rows = numbers.clone().count().max(1);
    if let Err(refusal) = taken(line, n, precision, intake) {
        intake.refuse(format_args!("line {n}"), &refusal, rows);
    }
}

/// Takes a line in; what is wrong with one field is listed here, what is wrong with the line is answered.
fn taken(line: &Line<'_>, n: usize, precision: Precision, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let time = match line.time {
        None => intake.now(),
        Some(value) => {
            let wrong = || Refusal::new(RejectReason::TooNew, format!("time {value} is out of range"));
            precision.time(value).ok_or_else(wrong)?
        }
    };
    let tag = |name: &str| line.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
    let source = intake.source(of_labels(&line.measurement, tag))?;
    let kept = |key: &str, value: &str| !value.is_empty() && !key.starts_with("echobase_resource_");
    let tags = line.tags.iter().filter(|(key, value)| kept(key, value));
    let attributes: Attributes = tags.map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
    let mut numbers = 0;
    for (field, value) in &line.fields {
        let value = match value {
            Value::Number(value) => *value,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
            Value::Text(_) => continue,
        };
        numbers += 1;
        let joined;
        let name = match field.as_ref() {
            "value" => line.measurement.as_ref(),
            field => {
                joined = format!("{}_{field}", line.measurement);
                &joined
            }
        };
        let metric = Metric { name, unit: "", kind: MetricKind::Gauge };
        let outcome = intake.point(&source, metric, attributes.clone(), time, value);
        intake.row(format_args!("line {n} field {field}"), outcome);
    }
    if numbers > 0 {
        return Ok(());
    }
    let mut attributes = attributes;
    for (field, value) in &line.fields {
        if let Value::Text(text) = value {
            attributes.insert(field.as_ref(), AttributeValue::from(text.as_ref()));
        }
    }
    let record = LogRecord {
        resource: 0,
        time,
        severity: 0,
        event_name: line.measurement.to_string(),
        body: String::new(),
        trace_id: String::new(),
        span_id: String::new(),
        attributes,
    };
    intake.log(&source, record)
}

#[cfg(test)]
mod tests;
