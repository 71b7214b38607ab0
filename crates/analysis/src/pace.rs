//! The pace of a series: its usual step, its gaps, its silence.

use std::time::Duration;

use echobase_types::Timestamp;

/// What a new point is in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tick {
    /// The first of its series.
    First,
    /// At or before the newest: too late to count.
    Late,
    /// The next, so many seconds after the one before.
    Next(f64),
    /// The next after a gap of more than five steps.
    AfterGap(f64),
}

/// Learns the usual distance of points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    last: Option<Timestamp>,
    step: f32,
    longest: f32,
    count: u32,
}

impl Pace {
    /// Takes the time of a point.
    pub(crate) fn tick(&mut self, time: Timestamp) -> Tick {
        let Some(last) = self.last else {
            self.last = Some(time);
            self.count = 1;
            return Tick::First;
        };
        if time <= last {
            return Tick::Late;
        }
        let seconds = time.since(last).as_secs_f64();
        let distance = seconds as f32;
        self.last = Some(time);
        self.count = self.count.saturating_add(1);
        if self.count == 2 {
            (self.step, self.longest) = (distance, distance);
            return Tick::Next(seconds);
        }
        let is_gap = distance > 5.0 * self.step;
        self.longest = (self.longest * 0.995).max(distance.min(10.0 * self.step));
        let rate = (1.0 / self.count as f32).max(0.05);
        self.step += rate * (distance.clamp(0.2 * self.step, 3.0 * self.step) - self.step);
        if is_gap && self.count > 3 { Tick::AfterGap(seconds) } else { Tick::Next(seconds) }
    }

    /// The usual step in seconds; 60 while unknown.
    pub(crate) fn step(&self) -> f64 {
        if self.count < 2 { 60.0 } else { f64::from(self.step).max(1e-3) }
    }

    /// When the newest point was measured.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Whether points come so evenly that their absence says something: ten or more, none later than 3.5 steps.
    pub(crate) fn is_regular(&self) -> bool {
        self.count >= 10 && self.longest <= 3.5 * self.step
    }

    /// Time since the newest point.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        self.last.map_or(Duration::ZERO, |last| now.since(last))
    }

    /// Whether the newest point still speaks for now: younger than four steps and two seconds.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.age(now).as_secs_f64() <= 4.0 * self.step() + 2.0
    }

    /// How silent it is, from 0 (a point is due at most four steps and two seconds ago) to 1 (ten steps and five
    /// seconds), in between linear.
    pub(crate) fn silence(&self, now: Timestamp) -> f64 {
        let (from, to) = (4.0 * self.step() + 2.0, 10.0 * self.step() + 5.0);
        ((self.age(now).as_secs_f64() - from) / (to - from)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn the_step_follows_the_points_and_late_ones_do_not_count() {
        let mut pace = Pace::default();
        assert_eq!(pace.tick(at(0)), Tick::First);
        for i in 1..=20 {
            assert_eq!(pace.tick(at(i * 5)), Tick::Next(5.0));
        }
        assert_eq!(pace.tick(at(100)), Tick::Late, "a duplicate");
        assert_eq!(pace.tick(at(50)), Tick::Late, "out of order");
        assert!((pace.step() - 5.0).abs() < 0.01 && pace.is_regular());
        assert_eq!(pace.tick(at(160)), Tick::AfterGap(60.0));
        assert!(!pace.is_regular(), "just after a gap nobody is called missing");
    }

    #[test]
    fn silence_grows_from_nothing_to_all() {
        let mut pace = Pace::default();
        for i in 0..=20 {
            pace.tick(at(i));
        }
        assert_eq!(pace.silence(at(25)), 0.0);
        assert!(pace.silence(at(30)) > 0.3 && pace.silence(at(30)) < 0.8);
        assert_eq!(pace.silence(at(40)), 1.0);
        assert!(pace.is_fresh(at(25)) && !pace.is_fresh(at(28)));
        assert_eq!(pace.silence(at(0)), 0.0, "a clock that is behind is no silence");
    }
}
