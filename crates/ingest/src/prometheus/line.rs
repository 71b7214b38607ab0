//! One line of an exposition.

use std::borrow::Cow;

use echobase_types::Timestamp;

use crate::intake::shown;
use crate::prometheus::{Format, time_of};

#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Blank,
    Comment,
    Type { name: Cow<'a, str>, word: &'a str },
    Unit { name: Cow<'a, str>, unit: &'a str },
    Sample(Sample<'a>),
    End,
}

#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) value: f64,
    pub(super) time: Option<Timestamp>,
}

/// What is wrong with a line, and at which column (from 1, in bytes).
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(offset: usize, detail: impl Into<String>) -> Self {
        Self { column: offset + 1, detail: detail.into() }
    }
}

pub(super) fn parse(text: &str, format: Format) -> Result<Line<'_>, Fault> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.blanks();
    match cursor.peek() {
        None => Ok(Line::Blank),
        Some(b'#') => comment(cursor, format),
        Some(_) => sample(cursor, format).map(Line::Sample),
    }
}

fn comment(mut cursor: Cursor<'_>, format: Format) -> Result<Line<'_>, Fault> {
    cursor.at += 1;
    if format == Format::OpenMetrics && cursor.rest() == " EOF" {
        return Ok(Line::End);
    }
    cursor.blanks();
    let word = cursor.word();
    if word != "TYPE" && word != "UNIT" {
        return Ok(Line::Comment);
    }
    cursor.blanks();
    let name = match cursor.peek() {
        Some(b'"') => cursor.quoted()?,
        _ => Cow::Borrowed(cursor.word()),
    };
    if name.is_empty() {
        return Err(cursor.fault(format!("{word} has no metric name")));
    }
    cursor.blanks();
    let stated = cursor.rest().trim_end();
    if word == "UNIT" {
        return Ok(Line::Unit { name, unit: stated });
    }
    match stated {
        "counter" | "gauge" | "histogram" | "summary" | "untyped" | "unknown" | "gaugehistogram" | "info"
        | "stateset" => Ok(Line::Type { name, word: stated }),
        other => Err(cursor.fault(format!("`{}` is no metric type", shown(other)))),
    }
}

fn sample(mut cursor: Cursor<'_>, format: Format) -> Result<Sample<'_>, Fault> {
    let start = cursor.at;
    let mut name = Cow::Borrowed(cursor.name());
    let mut labels = Vec::new();
    cursor.blanks();
    if cursor.peek() == Some(b'{') {
        cursor.at += 1;
        braces(&mut cursor, &mut name, &mut labels)?;
    }
    if name.is_empty() {
        return Err(Fault::new(start, "expected a metric name"));
    }
    if labels.len() > 1 {
        let mut names: Vec<&str> = labels.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Fault::new(start, format!("label `{}` stands twice", shown(twice[0]))));
        }
    }
    cursor.blanks();
    let (at, text) = (cursor.at, cursor.word());
    if text.is_empty() {
        return Err(cursor.fault("expected a value".to_owned()));
    }
    let value = text.parse().map_err(|_| Fault::new(at, format!("`{}` is no number", shown(text))))?;
    cursor.blanks();
    let mut time = None;
    if cursor.peek().is_some_and(|byte| byte != b'#') {
        let (at, text) = (cursor.at, cursor.word());
        let read = time_of(text, format);
        time = Some(read.ok_or_else(|| Fault::new(at, format!("`{}` is no time stamp", shown(text))))?);
        cursor.blanks();
    }
    match cursor.peek() {
        None => {}
        // An exemplar.
        Some(b'#') if format == Format::OpenMetrics => {}
        Some(_) => return Err(cursor.fault("expected the end of the line".to_owned())),
    }
    Ok(Sample { name, labels, value, time })
}

/// Labels up to and with the closing brace; a name in quotes may stand first.
fn braces<'a>(
    cursor: &mut Cursor<'a>,
    name: &mut Cow<'a, str>,
    labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<(), Fault> {
    loop {
        cursor.blanks();
        let quoted = match cursor.peek() {
            Some(b'}') => {
                cursor.at += 1;
                return Ok(());
            }
            Some(b'"') => true,
            Some(_) => false,
            None => return Err(cursor.fault("expected `}`".to_owned())),
        };
        let key = if quoted { cursor.quoted()? } else { Cow::Borrowed(cursor.name()) };
        if key.is_empty() {
            return Err(cursor.fault("expected a label name".to_owned()));
        }
        cursor.blanks();
        if cursor.peek() == Some(b'=') {
            cursor.at += 1;
            cursor.blanks();
            if cursor.peek() != Some(b'"') {
                return Err(cursor.fault("expected `\"`".to_owned()));
            }
            let value = cursor.quoted()?;
            labels.push((key, value));
        } else if quoted && name.is_empty() && labels.is_empty() {
            *name = key;
        } else {
            return Err(cursor.fault("expected `=`".to_owned()));
        }
        cursor.blanks();
        match cursor.peek() {
            Some(b',') => cursor.at += 1,
            Some(b'}') => {}
            _ => return Err(cursor.fault("expected `,` or `}`".to_owned())),
        }
    }
}

/// A place in a line. It only ever stands before an ASCII byte or at the end, so slicing there is sound.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, detail: String) -> Fault {
        Fault::new(self.at, detail)
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        let (taken, _) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.at += taken.len();
        taken
    }

    fn blanks(&mut self) {
        self.take(|byte| byte == b' ' || byte == b'\t');
    }

    fn word(&mut self) -> &'a str {
        self.take(|byte| byte != b' ' && byte != b'\t')
    }

    fn name(&mut self) -> &'a str {
        self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
    }

    /// A text in quotes with the escapes `\\`, `\"` and `\n`; stands on the opening quote.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        self.at += 1;
        let plain = self.take(|byte| byte != b'"' && byte != b'\\');
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    match self.text.as_bytes().get(self.at + 1) {
                        Some(b'n') => text.push('\n'),
                        Some(b'"') => text.push('"'),
                        Some(b'\\') => text.push('\\'),
                        _ => return Err(self.fault("unknown escape: use \\\\, \\\" or \\n".to_owned())),
                    }
                    self.at += 2;
                }
                Some(_) => text.push_str(self.take(|byte| byte != b'"' && byte != b'\\')),
                None => return Err(Fault::new(start, "text in quotes does not end")),
            }
        }
    }
}
