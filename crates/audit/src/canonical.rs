//! JSON in the one canonical form of RFC 8785, for the subset that ELX/1 allows: objects, arrays, strings,
//! booleans and integers within ±(2^53−1). No `null`, no fractions, no exponents: decimals are strings.
//!
//! Members are sorted by the UTF-16 code units of their names (RFC 8785 §3.2.3), strings carry only the escapes
//! that they must (§3.2.2.2), there is no white space.

mod reader;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use echobase_types::ErrorKind;
use echobase_types::ledger::Fact;

pub(crate) use reader::Reader;

/// The largest integer that every JSON reader keeps exact: 2^53 − 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// A JSON value of the allowed subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number; beyond ±[`MAX_INTEGER`] it cannot be encoded.
    Integer(i64),
    /// A text.
    Text(String),
    /// Values in order.
    Array(Vec<Value>),
    /// Named values; the encoder puts the names in canonical order.
    Object(BTreeMap<String, Value>),
}

/// Named values.
pub type Object = BTreeMap<String, Value>;

/// Bytes that are not the canonical form of any allowed value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read canonical JSON: {detail} at byte {at}")]
pub struct NonCanonical {
    /// Where, counted from 0.
    pub at: usize,
    /// The rule that is broken.
    pub detail: &'static str,
}

impl NonCanonical {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// A number beyond ±(2^53−1), which has no canonical form here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("encode {0}: an integer must lie within ±(2^53-1)")]
pub struct OutOfRange(pub i64);

impl OutOfRange {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl Value {
    /// Reads canonical bytes and refuses all others.
    ///
    /// ```
    /// use echobase_audit::canonical::Value;
    /// assert!(Value::parse(br#"{"a":1,"b":["x"]}"#).is_ok());
    /// assert!(Value::parse(br#"{"b":1,"a":2}"#).is_err());
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, NonCanonical> {
        let mut reader = Reader::new(bytes)?;
        let value = reader.value(0)?;
        reader.end()?;
        Ok(value)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Result<Vec<u8>, OutOfRange> {
        let mut out = Vec::new();
        write_value(&mut out, self)?;
        Ok(out)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&Fact> for Value {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Text(text) => Self::Text(text.clone()),
            Fact::Int(number) => Self::Integer(*number),
            Fact::Bool(flag) => Self::Bool(*flag),
            Fact::List(texts) => Self::Array(texts.iter().cloned().map(Self::Text).collect()),
        }
    }
}

/// Order of member names: by UTF-16 code units.
pub(crate) fn compare_names(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), OutOfRange> {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => write_integer(out, *number)?,
        Value::Text(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(out, members)?,
    }
    Ok(())
}

pub(crate) fn write_object(out: &mut Vec<u8>, members: &Object) -> Result<(), OutOfRange> {
    let mut sorted: Vec<_> = members.iter().collect();
    if !sorted.iter().all(|(name, _)| name.is_ascii()) {
        sorted.sort_by(|a, b| compare_names(a.0, b.0));
    }
    out.push(b'{');
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        write_value(out, value)?;
    }
    out.push(b'}');
    Ok(())
}

pub(crate) fn write_integer(out: &mut Vec<u8>, number: i64) -> Result<(), OutOfRange> {
    if !(-MAX_INTEGER..=MAX_INTEGER).contains(&number) {
        return Err(OutOfRange(number));
    }
    out.extend_from_slice(number.to_string().as_bytes());
    Ok(())
}

pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_prefix(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        let short = match byte {
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..=0x1f => b'u',
            _ => *byte,
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(format!("{byte:04x}").as_bytes());
        }
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes at the beginning need no escape in a string. Looks at eight bytes at a time: a byte is special
/// when it is below 0x20, a quote or a backslash (the "has less" and "has zero" tests of Sean Anderson's "Bit
/// Twiddling Hacks"; their first hit is exact, and only the first is used).
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let (words, tail) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let special = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let special = special & HIGHS;
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let tail_at = words.len() * 8;
    tail.iter().position(|byte| is_special(*byte)).map_or(bytes.len(), |at| tail_at + at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_sorted_by_utf_16_code_units() {
        // The example of RFC 8785 §3.2.3.
        let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let object = names.iter().map(|n| ((*n).to_owned(), Value::Integer(1))).collect();
        let bytes = Value::Object(object).encode().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            "{\"\\r\":1,\"1\":1,\"\u{80}\":1,\"\u{f6}\":1,\"\u{20ac}\":1,\"\u{1f600}\":1,\"\u{fb33}\":1}"
        );
        assert!(Value::parse(&bytes).is_ok());
    }

    #[test]
    fn strings_carry_only_the_escapes_they_must() {
        // The string of RFC 8785 §3.2.2.
        let text = "\u{20ac}$\u{0F}\nA'B\"\\\\\"/\u{7f}\u{2028}";
        let bytes = Value::Text(text.to_owned()).encode().unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\u{2028}\""
        );
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_lies() {
        for byte in 0..=255_u8 {
            for at in 0..20 {
                let mut bytes = vec![0xc3; 20];
                bytes[at] = byte;
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(plain_prefix(&bytes), if special { at } else { 20 }, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "01",
            "-0",
            "1.0",
            "1e3",
            "+1",
            "9007199254740992",
            "-9007199254740992",
            "99999999999999999999",
            "null",
            "True",
            "nul",
            "tru",
            "[1,]",
            "[1 ,2]",
            "[,]",
            "[",
            "{",
            "{}x",
            r#"{"a":1,}"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a" :1}"#,
            r#"{a:1}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#""\/""#,
            r#""\u0041""#,
            r#""\u000A""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\x""#,
            r#""\ud83d\ude00""#,
            r#""\u00"#,
            "\"\t\"",
            "\"a",
            "\"a\\",
            "{\"\u{fb33}\":1,\"\u{1f600}\":1}",
            "-",
            "--1",
            "1,2",
        ] {
            assert!(Value::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Value::parse(b"\"\xff\"").is_err());
        assert!(Value::parse(b"\xef\xbb\xbf1").is_err());
        assert!(Value::parse("[".repeat(60_000).as_bytes()).is_err(), "deep nesting ends in an error");
    }

    #[test]
    fn integers_end_where_json_readers_lose_them() {
        for number in [0, 1, -1, MAX_INTEGER, -MAX_INTEGER] {
            let bytes = Value::Integer(number).encode().unwrap();
            assert_eq!(Value::parse(&bytes), Ok(Value::Integer(number)));
        }
        assert_eq!(Value::Integer(MAX_INTEGER + 1).encode(), Err(OutOfRange(MAX_INTEGER + 1)));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::Integer),
            any::<String>().prop_map(Value::Text),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_written_reads_back(value in values()) {
            let bytes = value.encode().unwrap();
            prop_assert_eq!(Value::parse(&bytes).unwrap(), value.clone());
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(json.is_object(), matches!(value, Value::Object(_)));
        }

        #[test]
        fn what_is_read_is_written_the_same(bytes in "[\\[\\]{}\",:0-9a-c\\\\u -]{0,12}") {
            if let Ok(value) = Value::parse(bytes.as_bytes()) {
                prop_assert_eq!(value.encode().unwrap(), bytes.into_bytes());
            }
        }
    }
}
