//! Lengths of time as people write them: `5s`, `10m`, `1h30m`, `7d`, `250ms`.

use std::time::Duration;

/// The text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time such as 250ms, 5s, 10m, 1h30m or 7d")]
pub struct InvalidDuration(pub String);

/// Units from long to short, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time: one or more whole numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`), added up.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(echobase_types::duration::parse("1h30m"), Ok(Duration::from_secs(5_400)));
/// assert!(echobase_types::duration::parse("5").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.chars().take(80).collect());
    let (mut rest, mut millis) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*scale)).ok_or_else(invalid)?;
        millis = millis.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a length of time so that `parse` reads it back; what is below a millisecond is cut.
pub fn format(length: Duration) -> String {
    let mut left = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if left >= scale {
            text.push_str(&format!("{}{unit}", left / scale));
            left %= scale;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written_back() {
        for (text, millis, written) in [
            ("5s", 5_000, "5s"),
            ("250ms", 250, "250ms"),
            (" 90m ", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("1h30m", 5_400_000, "1h30m"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(format(Duration::from_millis(millis)), written);
        }
        for text in ["", "5", "s", "5 s", "-1s", "1.5s", "5w", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
