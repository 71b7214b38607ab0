//! Times as tables write them.

use echobase_types::{ErrorKind, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use crate::epoch::Epoch;
use crate::import::Cell;

/// How times are written. A time without an offset is in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Whatever can be told without a doubt: RFC 3339, `2024-01-31 08:30:00`, `2024-01-31`, `2024/01/31 08:30`,
    /// `20240131`, `2024-01`, or a number since 1970. Never `01/02/2024`: name a pattern for that.
    Any,
    /// RFC 3339.
    Rfc3339,
    /// A number since 1970.
    Epoch(Epoch),
    /// A pattern of `strptime`, such as `%d.%m.%Y %H:%M`.
    Pattern(String),
}

/// A time format that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no time format: use auto, rfc3339, epoch, s, ms, us, ns or a pattern such as %Y-%m-%d %H:%M:%S"
)]
pub struct InvalidTimeFormat {
    /// What was given.
    pub text: String,
}

impl InvalidTimeFormat {
    /// `Invalid`.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl TimeFormat {
    /// Reads the value of `--time-format`: `auto`, `rfc3339`, `epoch` (unit told from the size), `s`, `ms`, `us`, `ns`,
    /// or a pattern with `%`.
    pub fn parse(text: &str) -> Result<Self, InvalidTimeFormat> {
        match text {
            "auto" => Ok(Self::Any),
            "rfc3339" => Ok(Self::Rfc3339),
            "epoch" => Ok(Self::Epoch(Epoch::Guess)),
            "s" => Ok(Self::Epoch(Epoch::Seconds)),
            "ms" => Ok(Self::Epoch(Epoch::Millis)),
            "us" => Ok(Self::Epoch(Epoch::Micros)),
            "ns" => Ok(Self::Epoch(Epoch::Nanos)),
            pattern if pattern.contains('%') => Ok(Self::Pattern(pattern.to_owned())),
            other => Err(InvalidTimeFormat { text: other.chars().take(80).collect() }),
        }
    }

    /// The time of a cell; `None` where it is none.
    pub fn read(&self, cell: &Cell) -> Option<Timestamp> {
        match (cell, self) {
            (Cell::Missing, _) => None,
            (Cell::Time(time), _) => Some(*time),
            (Cell::Number(number), Self::Any) => Epoch::Guess.of_number(*number),
            (Cell::Number(number), Self::Epoch(unit)) => unit.of_number(*number),
            (Cell::Number(_), _) => None,
            (Cell::Text(text), Self::Any) => any(text.trim()),
            (Cell::Text(text), Self::Rfc3339) => text.trim().parse().ok(),
            (Cell::Text(text), Self::Epoch(unit)) => unit.parse(text.trim()),
            (Cell::Text(text), Self::Pattern(pattern)) => by_pattern(pattern, text.trim()),
        }
    }
}

fn any(text: &str) -> Option<Timestamp> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number && text.len() == 8 && (text.starts_with("19") || text.starts_with("20")) {
        return by_pattern("%Y%m%d", text);
    }
    if is_number {
        return Epoch::Guess.parse(text);
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if text.len() == 7 && text.as_bytes().get(4) == Some(&b'-') {
        return of_date(format!("{text}-01").parse().ok()?);
    }
    if text.as_bytes().get(4) == Some(&b'/') {
        return ["%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M", "%Y/%m/%d"]
            .iter()
            .find_map(|p| by_pattern(p, text));
    }
    // Both readers go past an offset, which the first attempt would have taken, or a zone that is not known.
    let tail = text.get(10..).unwrap_or_default();
    if tail.bytes().any(|byte| matches!(byte, b'+' | b'-' | b'[' | b'Z' | b'z')) {
        return None;
    }
    match text.len() {
        10 => of_date(text.parse().ok()?),
        _ => of_civil(text.parse().ok()?),
    }
}

fn by_pattern(pattern: &str, text: &str) -> Option<Timestamp> {
    let broken = BrokenDownTime::parse(pattern, text).ok()?;
    if let Ok(time) = broken.to_timestamp() {
        return Some(Timestamp::from_micros(time.as_microsecond()));
    }
    match broken.to_datetime() {
        Ok(civil) => of_civil(civil),
        Err(_) => of_date(broken.to_date().ok()?),
    }
}

fn of_civil(civil: DateTime) -> Option<Timestamp> {
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

fn of_date(date: Date) -> Option<Timestamp> {
    of_civil(date.at(0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use super::*;

    #[test]
    fn times_are_told_by_their_form() {
        for (format, text, expected) in [
            ("auto", "2024-01-31T08:30:00Z", Some("2024-01-31T08:30:00.000000Z")),
            ("auto", "2024-01-31 08:30:00+02:00", Some("2024-01-31T06:30:00.000000Z")),
            ("auto", "2024-01-31 08:30:00", Some("2024-01-31T08:30:00.000000Z")),
            ("auto", "2024-01-31T08:30:00.25", Some("2024-01-31T08:30:00.250000Z")),
            ("auto", "2024-01-31 08:30", Some("2024-01-31T08:30:00.000000Z")),
            ("auto", "2024-01-31", Some("2024-01-31T00:00:00.000000Z")),
            ("auto", "2024/01/31 08:30:00", Some("2024-01-31T08:30:00.000000Z")),
            ("auto", "2024/01/31 08:30", Some("2024-01-31T08:30:00.000000Z")),
            ("auto", "2024/01/31", Some("2024-01-31T00:00:00.000000Z")),
            ("auto", "20240131", Some("2024-01-31T00:00:00.000000Z")),
            ("auto", "2024-01", Some("2024-01-01T00:00:00.000000Z")),
            ("auto", "1700000000", Some("2023-11-14T22:13:20.000000Z")),
            ("auto", "1700000000.5", Some("2023-11-14T22:13:20.500000Z")),
            ("auto", "1700000000123", Some("2023-11-14T22:13:20.123000Z")),
            ("auto", "01/02/2024", None),
            ("auto", "2024-13-01", None),
            ("auto", "2024-01-31 08:30:00 Mars/Olympus", None),
            ("auto", "soon", None),
            ("auto", "", None),
            ("rfc3339", "2024-01-31T08:30:00+01:00", Some("2024-01-31T07:30:00.000000Z")),
            ("rfc3339", "1700000000", None),
            ("ms", "5", Some("1970-01-01T00:00:00.005000Z")),
            ("%d.%m.%Y %H:%M", "31.01.2024 08:30", Some("2024-01-31T08:30:00.000000Z")),
            ("%m/%d/%Y", "01/31/2024", Some("2024-01-31T00:00:00.000000Z")),
            ("%Y-%m-%d %H:%M:%S %z", "2024-01-31 08:30:00 +0100", Some("2024-01-31T07:30:00.000000Z")),
        ] {
            let read = TimeFormat::parse(format).unwrap().read(&Cell::Text(text.to_owned()));
            assert_eq!(read.map(|time| time.to_string()).as_deref(), expected, "{format} {text}");
        }
        assert!(TimeFormat::parse("iso").is_err());
    }
}
