//! How far ahead the risk of a row looks.

use std::time::Duration;

use echobase_types::Timestamp;

/// Steps of a table by which its usual step is known.
const ENOUGH: usize = 2_000;
/// The step of a table that has none yet.
const FIRST: Duration = Duration::from_secs(60);

/// How far ahead a risk looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// So many rows, each as far from the next as is usual of the rows until then.
    Rows(u32),
    /// So long.
    Span(Duration),
}

impl Horizon {
    /// Reads `60` (rows) or `15m`. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("a horizon of no rows says nothing".to_owned()),
            Ok(rows) => Ok(Self::Rows(rows)),
            Err(_) => echobase_types::duration::parse(text)
                .map(Self::Span)
                .map_err(|e| format!("{e}, nor a number of rows")),
        }
    }
}

/// The horizon of one row after the other, in the order of a table; that of a row depends on no later one.
#[derive(Debug)]
pub(crate) struct Ahead {
    horizon: Horizon,
    last: Option<Timestamp>,
    /// The first steps, the shortest first.
    steps: Vec<Duration>,
}

impl Ahead {
    pub(crate) fn new(horizon: Horizon) -> Self {
        Self { horizon, last: None, steps: Vec::new() }
    }

    /// How far the row of this time looks ahead.
    pub(crate) fn of_row(&mut self, time: Timestamp) -> Duration {
        match self.horizon {
            Horizon::Span(span) => span,
            Horizon::Rows(rows) => self.usual_step(time).saturating_mul(rows),
        }
    }

    /// The median distance of the first rows, this one included; a minute if there is none.
    fn usual_step(&mut self, time: Timestamp) -> Duration {
        if let Some(last) = self.last.replace(time)
            && self.steps.len() < ENOUGH
        {
            let step = time.since(last);
            self.steps.insert(self.steps.partition_point(|known| *known < step), step);
        }
        self.steps.get(self.steps.len() / 2).copied().filter(|step| !step.is_zero()).unwrap_or(FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizon_is_rows_or_a_length_of_time() {
        assert_eq!(Horizon::parse("30"), Ok(Horizon::Rows(30)));
        assert_eq!(Horizon::parse("15m"), Ok(Horizon::Span(Duration::from_secs(900))));
        assert!(Horizon::parse("soon").is_err() && Horizon::parse("0").is_err());
    }

    #[test]
    fn rows_are_as_long_as_those_until_then() {
        let mut ahead = Ahead::new(Horizon::Rows(60));
        let told = [0, 300, 600, 610, 620, 630].map(|at| ahead.of_row(Timestamp::from_secs(at)).as_secs());
        assert_eq!(told, [3_600, 18_000, 18_000, 18_000, 18_000, 600]);
    }
}
