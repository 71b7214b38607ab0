//! Differences of cumulative sums, with resets.

use echobase_types::Timestamp;
use echobase_types::signal::MetricKind;

/// A sum that appears beside known ones began at zero, if it shows no more than this, or ten times what is usual.
const SMALL_START: f64 = 50.0;

/// Whether a sum that is seen for the first time beside known ones began at zero a moment ago; `usual` is what came of late.
pub(crate) fn began_at_zero(sum: f64, usual: f64) -> bool {
    sum <= SMALL_START.max(10.0 * usual)
}

/// How much came since the point before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Increase {
    /// The amount, ≥ 0.
    pub(crate) amount: f64,
    /// Over so many seconds; `None` at the first point.
    pub(crate) seconds: Option<f64>,
    /// Whether the sum started again: its source restarted.
    pub(crate) is_reset: bool,
}

impl Increase {
    /// What of it came within the last `seconds`, as if all came evenly.
    pub(crate) fn within(self, seconds: f64) -> f64 {
        self.amount * self.seconds.map_or(1.0, |over| (seconds / over).min(1.0))
    }
}

/// The last point of a counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counter {
    last: Option<(Timestamp, f64)>,
}

impl Counter {
    /// Takes a point. The first point of a cumulative sum gives nothing; a sum that shrank started again from zero,
    /// so all of it is new. Points at or before the newest give nothing.
    pub(crate) fn observe(&mut self, kind: MetricKind, value: f64, time: Timestamp) -> Option<Increase> {
        let before = self.last;
        if before.is_some_and(|(t, _)| time <= t) {
            return None;
        }
        self.last = Some((time, value));
        let seconds = before.map(|(t, _)| time.since(t).as_secs_f64());
        if kind == MetricKind::Delta {
            return Some(Increase { amount: value.max(0.0), seconds, is_reset: false });
        }
        let (_, last) = before?;
        if value < last {
            return Some(Increase { amount: value.max(0.0), seconds, is_reset: true });
        }
        Some(Increase { amount: value - last, seconds, is_reset: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increases_resets_and_late_points_are_told_apart() {
        let mut counter = Counter::default();
        let mut seen = Vec::new();
        for (second, value) in [(0, 100.0), (10, 130.0), (10, 130.0), (5, 110.0), (20, 7.0), (30, 7.0)] {
            let said = counter.observe(MetricKind::Counter, value, Timestamp::from_secs(second));
            seen.push(said.map(|i| (i.amount, i.is_reset)));
        }
        assert_eq!(seen, [None, Some((30.0, false)), None, None, Some((7.0, true)), Some((0.0, false))]);
    }

    #[test]
    fn of_a_gap_only_the_last_part_is_new() {
        let increase = |seconds| Increase { amount: 300.0, seconds, is_reset: false };
        let within = |over, seconds| increase(over).within(seconds);
        assert_eq!(
            [within(Some(300.0), 10.0), within(Some(10.0), 10.0), within(Some(10.0), 60.0)],
            [10.0, 300.0, 300.0]
        );
        assert_eq!(within(None, 10.0), 300.0);
    }

    #[test]
    fn deltas_stand_for_themselves() {
        let mut counter = Counter::default();
        let first = counter.observe(MetricKind::Delta, 5.0, Timestamp::from_secs(1));
        assert_eq!(first, Some(Increase { amount: 5.0, seconds: None, is_reset: false }));
        let next = counter.observe(MetricKind::Delta, 3.0, Timestamp::from_secs(3));
        assert_eq!(next, Some(Increase { amount: 3.0, seconds: Some(2.0), is_reset: false }));
    }
}
