//! Numbers that are times: seconds, milliseconds, microseconds or nanoseconds since 1970.

use echobase_types::Timestamp;

/// The unit of a number that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Told from the size: below 10^11 seconds (up to the year 5138), below 10^14 milliseconds, below 10^17
    /// microseconds, else nanoseconds.
    Guess,
    /// Seconds, with a fraction.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Epoch {
    /// The time of a whole number; exact.
    pub fn of_whole(self, number: i64) -> Timestamp {
        match self.told(number.unsigned_abs() as f64) {
            Self::Seconds | Self::Guess => Timestamp::from_secs(number),
            Self::Millis => Timestamp::from_millis(number),
            Self::Micros => Timestamp::from_micros(number),
            Self::Nanos => Timestamp::from_micros(number.div_euclid(1_000)),
        }
    }

    /// The time of a number, to the nearest microsecond; `None` where it is no time.
    pub fn of_number(self, number: f64) -> Option<Timestamp> {
        let micros = match self.told(number.abs()) {
            Self::Seconds | Self::Guess => number * 1e6,
            Self::Millis => number * 1e3,
            Self::Micros => number,
            Self::Nanos => number / 1e3,
        };
        (micros.abs() < 9.2e18).then_some(Timestamp::from_micros(micros.round() as i64))
    }

    /// The time of a number written as text.
    pub fn parse(self, text: &str) -> Option<Timestamp> {
        match text.parse::<i64>() {
            Ok(whole) => Some(self.of_whole(whole)),
            Err(_) => self.of_number(text.parse().ok()?),
        }
    }

    fn told(self, size: f64) -> Self {
        match self {
            Self::Guess if size < 1e11 => Self::Seconds,
            Self::Guess if size < 1e14 => Self::Millis,
            Self::Guess if size < 1e17 => Self::Micros,
            Self::Guess => Self::Nanos,
            stated => stated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_told_in_every_unit() {
        let moment = Timestamp::from_micros(1_700_000_000_123_456);
        for text in ["1700000000.123456", "1700000000123.456", "1700000000123456", "1700000000123456789"] {
            let read = Epoch::Guess.parse(text).map(|t| t.since(moment).max(moment.since(t)).as_micros());
            assert!(read <= Some(1), "{text}: {read:?}");
        }
        for (epoch, number, micros) in [
            (Epoch::Guess, 1_700_000_000, 1_700_000_000_000_000),
            (Epoch::Seconds, -1, -1_000_000),
            (Epoch::Millis, 5, 5_000),
            (Epoch::Nanos, -1, -1),
            (Epoch::Guess, i64::MIN, i64::MIN / 1_000 - 1),
        ] {
            assert_eq!(epoch.of_whole(number), Timestamp::from_micros(micros), "{number}");
        }
        for text in ["", "x", "NaN", "inf", "1e300"] {
            assert_eq!(Epoch::Guess.parse(text), None, "{text}");
        }
    }
}
