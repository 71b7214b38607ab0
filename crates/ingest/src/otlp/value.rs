//! Values and ids of OTLP.

use std::fmt::Write;

use echobase_types::{AttributeValue, Attributes};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::identity::identify;
use crate::intake::{Faults, Intake, Refusal, Source, malformed};

/// Lets the resource in that a group of rows names.
pub(super) fn source(
    intake: &mut Intake<'_>,
    faults: &Faults,
    at: &str,
    resource: Option<Resource>,
) -> Result<Source, Refusal> {
    match faults.at(at) {
        Some((refusal, _)) => Err(refusal.clone()),
        None => intake.source(identify(attributes(resource.map(|r| r.attributes).unwrap_or_default()))),
    }
}

/// Attributes of OTLP; a pair without a key or a value is left out.
pub(super) fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs
        .into_iter()
        .filter(|pair| !pair.key.is_empty())
        .filter_map(|pair| Some((pair.key, attribute(pair.value?.value?))))
        .collect()
}

/// The attributes of a row with the name of the scope that made it.
pub(super) fn scoped(pairs: Vec<KeyValue>, scope: Option<&InstrumentationScope>) -> Attributes {
    let mut all = attributes(pairs);
    if let Some(scope) = scope.filter(|scope| !scope.name.is_empty()) {
        all.insert("otel.scope.name", scope.name.as_str());
    }
    all
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::StringValue(text) => AttributeValue::Str(text),
        Value::BoolValue(v) => AttributeValue::Bool(v),
        Value::IntValue(v) => AttributeValue::Int(v),
        Value::DoubleValue(v) => AttributeValue::Float(v),
        other => AttributeValue::Str(text_of(&other)),
    }
}

/// Any value as text: a text as it is, everything else as JSON; empty where there is none.
pub(super) fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(other) => text_of(&other),
    }
}

fn text_of(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

/// Depth is bounded by the reader: 100 in protobuf, 128 in JSON.
fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::StringValue(text) => quoted(text, out),
        Value::BoolValue(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::IntValue(v) => _ = write!(out, "{v}"),
        Value::DoubleValue(v) if v.is_finite() => _ = write!(out, "{v}"),
        Value::DoubleValue(v) => _ = write!(out, "\"{v}\""),
        Value::BytesValue(bytes) => quoted(&hex(bytes), out),
        Value::StringValueStrindex(_) => out.push_str("null"),
        Value::ArrayValue(all) => {
            out.push('[');
            for (at, item) in all.values.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                nested(Some(item), out);
            }
            out.push(']');
        }
        Value::KvlistValue(all) => {
            out.push('{');
            for (at, pair) in all.values.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                quoted(&pair.key, out);
                out.push(':');
                nested(pair.value.as_ref(), out);
            }
            out.push('}');
        }
    }
}

fn nested(value: Option<&AnyValue>, out: &mut String) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(value) => write_json(value, out),
        None => out.push_str("null"),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// An id of `size` bytes as hexadecimal digits; empty for no id (no bytes, or zeros only).
pub(super) fn id(what: &str, bytes: &[u8], size: usize) -> Result<String, Refusal> {
    if bytes.iter().all(|b| *b == 0) && (bytes.is_empty() || bytes.len() == size) {
        return Ok(String::new());
    }
    if bytes.len() != size {
        return Err(malformed(format!("{what} has {} bytes instead of {size}", bytes.len())));
    }
    Ok(hex(bytes))
}
