//! One line of the line protocol.

use std::borrow::Cow;

/// A line; texts borrow from it unless something in them was escaped.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) measurement: Cow<'a, str>,
    pub(super) tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) fields: Vec<(Cow<'a, str>, Value<'a>)>,
    pub(super) time: Option<i64>,
}

/// The value of a field.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(f64),
    Truth(bool),
    Text(Cow<'a, str>),
}

/// Why a line does not parse, and where: columns count bytes from 1.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) detail: &'static str,
}

/// Reads a line that is neither empty nor a comment.
pub(super) fn parse(text: &str) -> Result<Line<'_>, Fault> {
    let mut reader = Reader { text, at: 0 };
    let measurement = reader.word(b", ");
    if measurement.is_empty() {
        return Err(reader.fault("line begins with no measurement"));
    }
    let mut tags = Vec::new();
    while reader.eat(b',') {
        let key = reader.word(b",= ");
        if !reader.eat(b'=') || key.is_empty() {
            return Err(reader.fault("a tag wants a key, = and a value"));
        }
        tags.push((key, reader.word(b", ")));
    }
    reader.spaces("after measurement and tags a space must follow, then the fields")?;
    let mut fields = Vec::new();
    loop {
        let key = reader.word(b",= ");
        if !reader.eat(b'=') || key.is_empty() {
            return Err(reader.fault("a field wants a key, = and a value"));
        }
        let value = reader.value()?;
        fields.push((key, value));
        if !reader.eat(b',') {
            break;
        }
    }
    let time = match reader.rest() {
        "" => None,
        _ => {
            reader.spaces("after the fields only a space and a time may follow")?;
            let begin = reader.fault("the time is no whole number");
            Some(reader.rest().trim_end().parse().map_err(|_| begin)?)
        }
    };
    Ok(Line { measurement, tags, fields, time })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fault(&self, detail: &'static str) -> Fault {
        Fault { column: self.at + 1, detail }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn spaces(&mut self, detail: &'static str) -> Result<(), Fault> {
        if !self.eat(b' ') {
            return Err(self.fault(detail));
        }
        while self.eat(b' ') {}
        Ok(())
    }

    /// Up to one of `ends` that no backslash escapes. Only the characters that end words can be escaped; any other
    /// backslash is one.
    fn word(&mut self, ends: &[u8]) -> Cow<'a, str> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let (mut end, mut escaped) = (0, false);
        while let Some(byte) = bytes.get(end) {
            if *byte == b'\\' && bytes.get(end + 1).is_some_and(|next| b",= ".contains(next)) {
                escaped = true;
                end += 2;
            } else if ends.contains(byte) {
                break;
            } else {
                end += 1;
            }
        }
        self.at += end;
        let word = &rest[..end];
        if escaped { Cow::Owned(plain(word, &[',', '=', ' '])) } else { Cow::Borrowed(word) }
    }

    fn value(&mut self) -> Result<Value<'a>, Fault> {
        let begin =
            self.fault("a field's value is neither a number, nor a truth value, nor a text in quotes");
        if self.eat(b'"') {
            return self.quoted().map(Value::Text);
        }
        let rest = self.rest();
        let long = rest.bytes().position(|byte| byte == b',' || byte == b' ').unwrap_or(rest.len());
        let word = &rest[..long];
        self.at += long;
        match word {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(Value::Truth(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(Value::Truth(false)),
            _ => {}
        }
        if let Some(whole) = word.strip_suffix('i') {
            return whole.parse::<i64>().map(|n| Value::Number(n as f64)).map_err(|_| begin);
        }
        if let Some(whole) = word.strip_suffix('u') {
            return whole.parse::<u64>().map(|n| Value::Number(n as f64)).map_err(|_| begin);
        }
        // Words such as `inf` and `nan` are no numbers here.
        let is_number = word.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        word.parse().ok().filter(|_| is_number).map(Value::Number).ok_or(begin)
    }

    /// After the quote, up to the next that is not escaped.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let (mut end, mut escaped) = (0, false);
        loop {
            match bytes.get(end) {
                None => return Err(self.fault("a text has no closing quote")),
                Some(b'"') => break,
                Some(b'\\') if matches!(bytes.get(end + 1), Some(b'"' | b'\\')) => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        self.at += end + 1;
        let text = &rest[..end];
        Ok(if escaped { Cow::Owned(plain(text, &['"', '\\'])) } else { Cow::Borrowed(text) })
    }
}

/// The text without the backslashes before those characters.
fn plain(text: &str, escapable: &[char]) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.next_if(|next| character == '\\' && escapable.contains(next)) {
            Some(next) => plain.push(next),
            None => plain.push(character),
        }
    }
    plain
}
