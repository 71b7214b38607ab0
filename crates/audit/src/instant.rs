//! The one text form of a time stamp in an entry: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, 27 bytes, so texts sort as times.

use echobase_types::Timestamp;

const DAY: i64 = 86_400_000_000;

/// Reads exactly that form; `None` for any other text or a day that does not exist.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let b = text.as_bytes();
    if b.len() != 27
        || [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')]
            .iter()
            .any(|&(at, want)| b[at] != want)
    {
        return None;
    }
    let number = |from: usize, to: usize| {
        b[from..to]
            .iter()
            .try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let micros = number(20, 26)?;
    if year == 0
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let days = days_from_civil(year, month, day);
    Some(Timestamp::from_micros(days * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros))
}

/// Writes the form; `None` outside the years 0001 to 9999.
pub(crate) fn format(at: Timestamp) -> Option<String> {
    let micros = at.as_micros();
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    if !(1..=9999).contains(&year) {
        return None;
    }
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (from, to, value) in [
        (0, 4, year),
        (5, 7, month),
        (8, 10, day),
        (11, 13, seconds / 3600),
        (14, 16, seconds / 60 % 60),
        (17, 19, seconds % 60),
        (20, 26, fraction),
    ] {
        let mut left = value;
        for digit in text[from..to].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    Some(text.iter().map(|&b| char::from(b)).collect())
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse (`civil_from_days` of the same source).
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn the_form_agrees_with_the_shared_time_type() {
        for days in (-719_162..2_932_896).step_by(997) {
            let at = Timestamp::from_micros(days * DAY + days.rem_euclid(DAY));
            let text = format(at).unwrap();
            assert_eq!(text, at.to_string());
            assert_eq!(parse(&text), Some(at));
        }
    }

    #[test]
    fn any_other_form_is_refused() {
        for text in [
            "2026-01-31T08:30:00Z",
            "2026-01-31 08:30:00.000000Z",
            "2026-02-29T08:30:00.000000Z",
            "2026-13-01T08:30:00.000000Z",
            "2026-00-01T08:30:00.000000Z",
            "2026-01-31T24:00:00.000000Z",
            "2026-01-31T08:60:00.000000Z",
            "2026-01-31T08:30:60.000000Z",
            "0000-01-31T08:30:00.000000Z",
            "2026-01-31T08:30:00.00000-Z",
            "2026-01-31T08:30:00.000000z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("2024-02-29T08:30:00.000000Z").is_some());
        assert_eq!(format(Timestamp::from_micros(i64::MAX)), None);
        assert_eq!(format(Timestamp::from_micros(i64::MIN)), None);
    }
}
