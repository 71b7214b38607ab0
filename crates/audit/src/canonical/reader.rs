//! A strict reader over canonical bytes. It borrows what it can and never accepts a second spelling.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{MAX_DEPTH, MAX_INTEGER, NonCanonical, Object, Value, compare_names, plain_prefix};

/// Position in a text that must be canonical JSON.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

type Read<T> = Result<T, NonCanonical>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        std::str::from_utf8(bytes)
            .map(|text| Self { text, at: 0 })
            .map_err(|e| NonCanonical { at: e.valid_up_to(), detail: "bytes are not UTF-8" })
    }

    /// Over a text that a reader has accepted before.
    pub(crate) const fn of_checked(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn fail<T>(&self, detail: &'static str) -> Read<T> {
        Err(NonCanonical { at: self.at, detail })
    }

    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The text between two positions.
    pub(crate) fn since(&self, from: usize) -> &'a str {
        &self.text[from..self.at]
    }

    /// The next byte, not consumed.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Consumes `byte` if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    pub(crate) fn expect(&mut self, byte: u8, detail: &'static str) -> Read<()> {
        if self.take(byte) { Ok(()) } else { self.fail(detail) }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Read<()> {
        if self.at == self.text.len() { Ok(()) } else { self.fail("bytes follow the value") }
    }

    pub(crate) fn string(&mut self) -> Read<Cow<'a, str>> {
        self.expect(b'"', "a string must begin")?;
        let from = self.at;
        match self.pass_plain()? {
            b'"' => {
                let text = &self.text[from..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(text))
            }
            _ => self.escaped(from).map(Cow::Owned),
        }
    }

    /// Passes what needs no escape and returns the quote or backslash behind it, not consumed.
    fn pass_plain(&mut self) -> Read<u8> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += plain_prefix(rest);
        match self.peek() {
            Some(special @ (b'"' | b'\\')) => Ok(special),
            Some(_) => self.fail("a control character must be escaped"),
            None => self.fail("the string does not end"),
        }
    }

    /// The rest of a string from its first escape on; `self.at` is at the backslash.
    fn escaped(&mut self, mut from: usize) -> Read<String> {
        let mut out = String::new();
        loop {
            let special = self.pass_plain()?;
            out.push_str(&self.text[from..self.at]);
            self.at += 1;
            if special == b'"' {
                return Ok(out);
            }
            out.push(self.escape()?);
            from = self.at;
        }
    }

    fn escape(&mut self) -> Read<char> {
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'b') => '\u{8}',
            Some(b't') => '\t',
            Some(b'n') => '\n',
            Some(b'f') => '\u{c}',
            Some(b'r') => '\r',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("this escape is not canonical"),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `\u00xx` is right only for control characters that have no short escape, in lower case.
    fn unicode_escape(&mut self) -> Read<char> {
        let Some(digits) = self.text.as_bytes().get(self.at + 1..self.at + 5) else {
            return self.fail("the escape is cut short");
        };
        let code = match digits {
            [b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f')] => {
                let low = if low.is_ascii_digit() { low - b'0' } else { low - b'a' + 10 };
                (high - b'0') * 16 + low
            }
            _ => return self.fail("this character must not be escaped so"),
        };
        if matches!(code, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d) {
            return self.fail("this character has a shorter escape");
        }
        self.at += 5;
        Ok(char::from(code))
    }

    pub(crate) fn integer(&mut self) -> Read<i64> {
        let negative = self.take(b'-');
        let from = self.at;
        let mut sum: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            sum = sum * 10 + i64::from(digit - b'0');
            if sum > MAX_INTEGER {
                return self.fail("an integer must lie within ±(2^53-1)");
            }
        }
        let digits = self.at - from;
        if digits == 0 {
            return self.fail("a number must have digits");
        }
        if self.text.as_bytes()[from] == b'0' && (digits > 1 || negative) {
            return self.fail("a number must not begin with a needless zero");
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return self.fail("fractions and exponents are not allowed");
        }
        Ok(if negative { -sum } else { sum })
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("this is no allowed value");
        }
        self.at += word.len();
        Ok(())
    }

    /// The next member's name, which must sort after `last`; `None` at the end of the object. Call after `{`.
    pub(crate) fn name(&mut self, last: &mut Option<Cow<'a, str>>) -> Read<Option<Cow<'a, str>>> {
        if self.take(b'}') {
            return Ok(None);
        }
        if last.is_some() {
            self.expect(b',', "a comma or the end of the object must follow")?;
        }
        let begin = self.at;
        let name = self.string()?;
        if last.as_ref().is_some_and(|last| compare_names(last, &name) != Ordering::Less) {
            return Err(NonCanonical { at: begin, detail: "names must be sorted and differ" });
        }
        self.expect(b':', "a colon must follow the name")?;
        *last = Some(name.clone());
        Ok(Some(name))
    }

    /// Checks one value without keeping it.
    pub(crate) fn skip(&mut self, depth: usize) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.integer().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'{') if depth < MAX_DEPTH => {
                self.at += 1;
                let mut last = None;
                while self.name(&mut last)?.is_some() {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') if depth < MAX_DEPTH => {
                self.at += 1;
                let mut first = true;
                while self.item(&mut first)? {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Some(b'{' | b'[') => self.fail("values are nested too deep"),
            _ => self.fail("this is no allowed value"),
        }
    }

    /// Whether an array has one more item. Call after `[`.
    pub(crate) fn item(&mut self, first: &mut bool) -> Read<bool> {
        if self.take(b']') {
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',', "a comma or the end of the array must follow")?;
            if self.peek() == Some(b']') {
                return self.fail("a comma must not end an array");
            }
        }
        Ok(true)
    }

    /// Reads one value.
    pub(crate) fn value(&mut self, depth: usize) -> Read<Value> {
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Text(text.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.integer().map(Value::Integer),
            Some(b't') => self.word("true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Value::Bool(false)),
            Some(b'{') if depth < MAX_DEPTH => self.object(depth).map(Value::Object),
            Some(b'[') if depth < MAX_DEPTH => {
                self.at += 1;
                let (mut first, mut items) = (true, Vec::new());
                while self.item(&mut first)? {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(items))
            }
            Some(b'{' | b'[') => self.fail("values are nested too deep"),
            _ => self.fail("this is no allowed value"),
        }
    }

    /// Reads an object.
    pub(crate) fn object(&mut self, depth: usize) -> Read<Object> {
        self.expect(b'{', "an object must begin")?;
        let (mut last, mut members) = (None, Object::new());
        while let Some(name) = self.name(&mut last)? {
            members.insert(name.into_owned(), self.value(depth + 1)?);
        }
        Ok(members)
    }
}
