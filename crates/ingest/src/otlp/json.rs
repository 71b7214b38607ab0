//! OTLP/JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.
//!
//! The usual body is read straight into the request. What that refuses though receivers must take it (enum names,
//! unknown members of a value, `null`s, numbers as texts) is put right in a second reading, in which a row that
//! cannot be read costs only itself.

mod rows;

use serde_json::{Map, Value};

use crate::intake::Faults;
use crate::otlp::json::rows::Request;
use crate::{Malformed, Position};

/// The request, and the rows of it that could not be read.
pub(super) fn read<R: Request>(body: &[u8]) -> Result<(R, Faults), Malformed> {
    let first = serde_json::from_slice::<R>(body);
    match first {
        Ok(request) if request.is_whole() => Ok((request, Faults::default())),
        Ok(request) => Ok(carefully(body).unwrap_or_else(|_| (request, Faults::default()))),
        Err(first) => carefully(body).map_err(|error| Malformed {
            position: Position::Line { line: first.line(), column: first.column() },
            detail: strip_position(&error.to_string()).to_owned(),
        }),
    }
}

fn carefully<R: Request>(body: &[u8]) -> serde_json::Result<(R, Faults)> {
    let mut value: Value = serde_json::from_slice(body)?;
    put_right(&mut value);
    let mut faults = Faults::default();
    R::sift(&mut value, &mut faults);
    Ok((serde_json::from_value(value)?, faults))
}

fn strip_position(text: &str) -> &str {
    text.rfind(" at line ").map_or(text, |at| &text[..at])
}

/// Depth is bounded by the JSON reader (128).
fn put_right(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(put_right),
        Value::Object(members) => {
            let given = std::mem::take(members);
            let is_value = given.keys().any(|key| VALUES.contains(&key.as_str()));
            *members = given
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .filter(|(key, _)| !is_value || VALUES.contains(&key.as_str()))
                .filter(|(key, value)| !(MAY_BE_LOST.contains(&key.as_str()) && is_not_finite(value)))
                .map(|(key, value)| put_member_right(key, value))
                .collect::<Map<_, _>>();
        }
        _ => {}
    }
}

/// The members of an `AnyValue`.
const VALUES: [&str; 7] =
    ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"];

/// Members that are left out where they are `"NaN"` or an infinity, which JSON cannot hold: they are not used.
const MAY_BE_LOST: [&str; 2] = ["min", "max"];

fn is_not_finite(value: &Value) -> bool {
    value.as_str().is_some_and(is_not_finite_text)
}

fn is_not_finite_text(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// Members that are numbers though their sender may have written texts.
const NUMBERS: [&str; 17] = [
    "doubleValue",
    "asDouble",
    "sum",
    "min",
    "max",
    "scale",
    "offset",
    "flags",
    "zeroThreshold",
    "severityNumber",
    "kind",
    "code",
    "aggregationTemporality",
    "explicitBounds",
    "droppedAttributesCount",
    "droppedEventsCount",
    "droppedLinksCount",
];

fn put_member_right(key: String, mut value: Value) -> (String, Value) {
    match &mut value {
        Value::Array(items) if key == "explicitBounds" => {
            items.iter_mut().for_each(|item| number_right(&key, item));
        }
        // A text can say what a number of JSON cannot.
        Value::String(text) if key == "doubleValue" && is_not_finite_text(text) => {
            return ("stringValue".to_owned(), value);
        }
        Value::String(_) if NUMBERS.contains(&key.as_str()) => number_right(&key, &mut value),
        other => put_right(other),
    }
    (key, value)
}

fn number_right(key: &str, value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    let number = enum_number(key, text)
        .map(Value::from)
        .or_else(|| serde_json::from_str(text).ok().filter(Value::is_number));
    if let Some(number) = number {
        *value = number;
    }
}

fn enum_number(key: &str, name: &str) -> Option<i32> {
    use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
    use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
    use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
    use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
    match key {
        "kind" => SpanKind::from_str_name(name).map(|v| v as i32),
        "code" => StatusCode::from_str_name(name).map(|v| v as i32),
        "severityNumber" => SeverityNumber::from_str_name(name).map(|v| v as i32),
        "aggregationTemporality" => AggregationTemporality::from_str_name(name).map(|v| v as i32),
        _ => None,
    }
}
