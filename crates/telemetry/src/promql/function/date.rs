//! Parts of dates.

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::promql::expression::Date;

/// A part of the date and time, in UTC, that lies this many seconds after 1970; NaN beyond the years -9999 to 9999.
pub(super) fn part(part: Date, seconds: f64) -> f64 {
    // Infinities and NaN become seconds that no date has, and 0: neither is a date.
    let when = seconds.is_finite().then(|| Timestamp::from_second(seconds as i64));
    let Some(Ok(when)) = when else { return f64::NAN };
    let when = Offset::UTC.to_datetime(when);
    match part {
        Date::Minute => f64::from(when.minute()),
        Date::Hour => f64::from(when.hour()),
        Date::DayOfWeek => f64::from(when.weekday().to_sunday_zero_offset()),
        Date::DayOfMonth => f64::from(when.day()),
        Date::DayOfYear => f64::from(when.day_of_year()),
        Date::DaysInMonth => f64::from(when.days_in_month()),
        Date::Month => f64::from(when.month()),
        Date::Year => f64::from(when.year()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_calendar() {
        use Date::{DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, Year};
        let parts = [Minute, Hour, DayOfWeek, DayOfMonth, DayOfYear, DaysInMonth, Month, Year];
        for (seconds, expected) in [
            (0.0, [0.0, 0.0, 4.0, 1.0, 1.0, 31.0, 1.0, 1970.0]),
            // 2024-02-29T23:59:59Z, a Thursday.
            (1_709_251_199.0, [59.0, 23.0, 4.0, 29.0, 60.0, 29.0, 2.0, 2024.0]),
            // 2026-09-20T13:34:00.5Z, a Sunday.
            (1_789_911_240.5, [34.0, 13.0, 0.0, 20.0, 263.0, 30.0, 9.0, 2026.0]),
        ] {
            assert_eq!(parts.map(|of| part(of, seconds)), expected, "{seconds}");
        }
        assert!(
            part(Year, f64::NAN).is_nan() && part(Hour, f64::INFINITY).is_nan() && part(Hour, 1e17).is_nan()
        );
    }
}
