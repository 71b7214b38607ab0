//! Attributes as JSON text: how they stand in columns, and back.

use echobase_types::{AttributeValue, Attributes};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// One flat JSON object in key order. Numbers that JSON has no word for (NaN, infinities) become texts.
pub(crate) fn to_json(attributes: &Attributes) -> String {
    let mut out = Vec::with_capacity(2 + attributes.len() * 32);
    out.push(b'{');
    for (n, (key, value)) in attributes.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        push(&mut out, key);
        out.push(b':');
        match value {
            AttributeValue::Str(v) => push(&mut out, v),
            AttributeValue::Int(v) => out.extend_from_slice(v.to_string().as_bytes()),
            AttributeValue::Float(v) => match serde_json::Number::from_f64(*v) {
                Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
                None => push(&mut out, &v.to_string()),
            },
            AttributeValue::Bool(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
        }
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// Appends `text` as a JSON string.
fn push(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    out.extend_from_slice(Value::from(text).to_string().as_bytes());
}

/// The attributes of such a text. What is not a flat object of plain values (never written here) is skipped.
pub(crate) fn from_json(text: &str) -> Attributes {
    let Ok(Value::Object(map)) = serde_json::from_str(text) else {
        return Attributes::new();
    };
    map.into_iter()
        .filter_map(|(key, value)| {
            let value = match value {
                Value::String(v) => AttributeValue::Str(v),
                Value::Bool(v) => AttributeValue::Bool(v),
                Value::Number(v) => match v.as_i64() {
                    Some(whole) => AttributeValue::Int(whole),
                    None => AttributeValue::Float(v.as_f64()?),
                },
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((key, value))
        })
        .collect()
}

/// The value of `key` in such a text, as text, without reading the rest into memory.
pub(crate) fn value_of(text: &str, key: &str) -> Option<String> {
    if !text.contains(key) && key.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        return None; // most rows do not have it, and that is seen without parsing
    }
    match serde_json::Deserializer::from_str(text).deserialize_map(Find(key)).ok()?? {
        Value::String(v) => Some(v),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

struct Find<'a>(&'a str);

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_from_their_text() {
        let attributes: Attributes = [
            ("text", AttributeValue::from("a \"quoted\"\n\u{1}é")),
            ("whole", AttributeValue::from(-3_i64)),
            ("large", AttributeValue::from(i64::MAX)),
            ("float", AttributeValue::from(1.0)),
            ("small", AttributeValue::from(1.5e-9)),
            ("yes", AttributeValue::from(true)),
            ("key \"odd\"", AttributeValue::from("")),
        ]
        .into_iter()
        .collect();
        let text = to_json(&attributes);
        assert_eq!(from_json(&text), attributes, "{text}");
        assert_eq!(to_json(&Attributes::new()), "{}");
        let odd: Attributes = [("n", f64::NAN)].into_iter().collect();
        assert_eq!(to_json(&odd), r#"{"n":"NaN"}"#);
    }

    #[test]
    fn one_value_is_found_by_its_key() {
        let text = r#"{"a":"x","b.c":1.5,"d":true,"e\"f":"q","g":"a"}"#;
        for (key, value) in [
            ("a", Some("x")),
            ("b.c", Some("1.5")),
            ("d", Some("true")),
            ("e\"f", Some("q")),
            ("x", None),
            ("b", None),
        ] {
            assert_eq!(value_of(text, key).as_deref(), value, "{key}");
        }
        assert_eq!(value_of("not json a", "a"), None);
    }
}
