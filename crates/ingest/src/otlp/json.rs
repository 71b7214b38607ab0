//! OTLP/JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.
//!
//! The usual body is read straight into the request. What that refuses though receivers must take it (enum names,
//! unknown members of a value, `null`s, numbers as texts) is put right in a second reading.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Malformed, Position};

pub(super) fn read<R: DeserializeOwned>(body: &[u8]) -> Result<R, Malformed> {
    serde_json::from_slice(body).or_else(|first| {
        let malformed = |error: &serde_json::Error| Malformed {
            position: Position::Line { line: first.line(), column: first.column() },
            detail: strip_position(&error.to_string()).to_owned(),
        };
        let mut value: Value = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        put_right(&mut value);
        serde_json::from_value(value).map_err(|error| malformed(&error))
    })
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

/// Members that are left out where they are `"NaN"` or an infinity, which JSON cannot hold: a point without
/// `asDouble` is then refused by itself; the others are not used.
const MAY_BE_LOST: [&str; 3] = ["asDouble", "min", "max"];

fn is_not_finite(value: &Value) -> bool {
    value.as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(|number| !number.is_finite())
}

/// Members that are numbers though their sender may have written texts.
const NUMBERS: [&str; 13] = [
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
];

fn put_member_right(key: String, mut value: Value) -> (String, Value) {
    let number = match &value {
        Value::String(text) if NUMBERS.contains(&key.as_str()) => enum_number(&key, text)
            .map(Value::from)
            .or_else(|| serde_json::from_str(text).ok().filter(Value::is_number)),
        _ => None,
    };
    match number {
        Some(number) => (key, number),
        None => {
            put_right(&mut value);
            (key, value)
        }
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
