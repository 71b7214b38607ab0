//! One watched series: pace, detector, alarm and drift test together.
//!
//! What happens to points that are not as they should be:
//!
//! | point | answer |
//! |---|---|
//! | NaN or infinite | never stored, counted |
//! | at or before the newest of its series (late, duplicate, out of order) | not judged, counted |
//! | irregular | the step is learned from the times; every point counts once |
//! | after a gap of more than five steps | learned, not judged: the last value says nothing about it any more |

use echobase_types::Timestamp;

use crate::anomaly::{Alarm, SILENT, Transition};
use crate::detector::{Detector, Verdict};
use crate::drift::DriftTest;
use crate::onset::Bar;
use crate::pace::{Pace, Tick};
use crate::profile::Profile;

/// The figures of the configuration that a series needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) false_alarms_per_week: f64,
    pub(crate) warmup_points: u32,
    pub(crate) drift_threshold: f64,
}

/// Streaming state of one series. The order of the fields is kept: what every value needs lies together.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Channel {
    detector: Detector,
    pub(crate) alarm: Alarm,
    pub(crate) pace: Pace,
    /// The bar, and the step it was made for.
    bar: Option<(f64, Bar)>,
    pub(crate) value: f64,
    /// What the newest point was expected to be, and its usual deviation.
    pub(crate) expected: f64,
    pub(crate) sigma: f32,
    surprise: f32,
    consensus: f32,
    /// What feedback makes of the bar.
    factor: f32,
    drift: DriftTest,
}

/// What a point changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was not counted.
    Dropped,
    /// It was learned; perhaps an anomaly opened or closed.
    Taken(Option<Transition>),
}

impl Channel {
    pub(crate) fn new(floor: f64) -> Self {
        Self {
            pace: Pace::default(),
            detector: Detector::new(floor),
            alarm: Alarm::default(),
            drift: DriftTest::default(),
            bar: None,
            value: 0.0,
            expected: 0.0,
            sigma: 0.0,
            surprise: 0.0,
            consensus: 0.0,
            factor: 1.0,
        }
    }

    /// What the judgement of one series costs, in bytes: detection, alarm and drift test, once it has seen weekdays and
    /// weekends.
    pub(crate) const fn bytes() -> usize {
        size_of::<Self>() + Profile::DAYS
    }

    /// What it holds on the heap now.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.detector.heap_bytes() + self.alarm.heap_bytes() + self.drift.heap_bytes()
    }

    /// Reads one figure from every stretch of memory that the next point will need. The states of many series
    /// do not fit into the caches of a processor: read one after another where each is needed, they cost more than all
    /// arithmetic; read together beforehand, they arrive side by side. The answer means nothing, and is only there so
    /// that the reads are not left out.
    pub(crate) fn touch(&self) -> u32 {
        let bar = self.bar.map_or(0, |(step, _)| step.to_bits() as u32);
        self.detector.touch() ^ self.drift.touch() ^ self.alarm.touch() ^ bar ^ self.surprise.to_bits()
    }

    /// Takes a point.
    pub(crate) fn observe(&mut self, value: f64, time: Timestamp, limits: &Limits) -> Seen {
        if !value.is_finite() {
            return Seen::Dropped;
        }
        let tick = self.pace.tick(time);
        if tick == Tick::Late {
            return Seen::Dropped;
        }
        let was_missing = if self.alarm.is_missing() { self.alarm.close(time) } else { None };
        let step = self.pace.step();
        let is_after_gap = matches!(tick, Tick::AfterGap(_));
        if is_after_gap {
            self.detector.gap();
        }
        self.value = value;
        let verdict = self.detector.observe(value, time.as_micros().div_euclid(1_000_000), step);
        let is_judged = !is_after_gap && self.detector.count() > limits.warmup_points;
        (self.surprise, self.consensus) =
            if is_judged { (verdict.surprise, verdict.consensus) } else { (0.0, 0.0) };
        let verdict = Verdict { surprise: self.surprise, ..verdict };
        (self.expected, self.sigma) = (verdict.expected, verdict.sigma as f32);
        let bar = self.bar(step, limits).times(self.factor);
        let changed = self.alarm.observe(&verdict, value, time, &bar);
        self.drift.observe(value, verdict.expected, time, step, limits.drift_threshold);
        Seen::Taken(changed.or(was_missing))
    }

    /// The bar at this step; made anew where the step has changed by more than a hundredth.
    fn bar(&mut self, step: f64, limits: &Limits) -> Bar {
        match self.bar {
            Some((known, bar)) if (step - known).abs() <= 0.01 * known => bar,
            _ => {
                let bar = Bar::new(step, limits.false_alarms_per_week);
                self.bar = Some((step, bar));
                bar
            }
        }
    }

    /// From now on the bar is so many times as high as the budget alone makes it.
    pub(crate) fn heed(&mut self, factor: f64) {
        self.factor = factor as f32;
    }

    /// What feedback multiplies the bar by.
    pub(crate) fn factor(&self) -> f64 {
        f64::from(self.factor)
    }

    /// What an onset must exceed now, and what the budget alone would ask; `None` before the first point.
    pub(crate) fn heights(&self) -> Option<(f64, f64)> {
        let (_, bar) = self.bar?;
        let with = self.alarm.height(&bar.times(self.factor));
        Some((f64::from(with), f64::from(bar.height)))
    }

    /// Takes the present level as the reference of baseline and drift.
    pub(crate) fn rereference(&mut self, at: Timestamp) {
        if self.detector.count() > 0 {
            self.detector.rebase();
            self.drift.rereference(at);
        }
    }

    /// Looks for silence: a series that was regular and sent nothing for five steps and three seconds.
    pub(crate) fn watch_silence(&mut self, now: Timestamp) -> Option<Transition> {
        let age = self.pace.age(now).as_secs_f64();
        if self.alarm.is_missing() {
            self.alarm.still_missing(age);
            return None;
        }
        let step = self.pace.step();
        let last = self.pace.last()?;
        (self.pace.is_regular() && age > f64::from(SILENT) * step + 3.0)
            .then(|| self.alarm.missing(last, age, step))
            .flatten()
    }

    /// The slow baseline, once it is known.
    pub(crate) fn baseline(&self) -> Option<f64> {
        (self.detector.count() >= crate::normal::READY).then(|| self.detector.baseline())
    }

    /// Surprise of the newest point.
    pub(crate) fn surprise(&self) -> f64 {
        f64::from(self.surprise)
    }

    /// What the newest point says where several series are judged together.
    pub(crate) fn consensus(&self) -> f32 {
        self.consensus
    }

    pub(crate) fn drift(&self) -> Option<&crate::drift::Announced> {
        self.drift.announced()
    }

    /// Points learned.
    pub(crate) fn count(&self) -> u32 {
        self.detector.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { false_alarms_per_week: 2.0, warmup_points: 30, drift_threshold: 1.0 };

    fn filled(n: i64) -> Channel {
        let mut channel = Channel::new(0.0);
        for i in 0..n {
            let wobble = f64::from((i * 37 % 11) as i32) / 11.0;
            channel.observe(10.0 + wobble, Timestamp::from_secs(i * 5), &LIMITS);
        }
        channel
    }

    #[test]
    fn what_is_no_number_and_what_is_late_changes_nothing() {
        let mut channel = filled(100);
        let before = (channel.count(), channel.value);
        for (value, second) in [(f64::NAN, 600), (f64::INFINITY, 600), (99.0, 495), (99.0, 10)] {
            assert_eq!(
                channel.observe(value, Timestamp::from_secs(second), &LIMITS),
                Seen::Dropped,
                "{value} {second}"
            );
        }
        assert_eq!((channel.count(), channel.value), before);
    }

    #[test]
    fn detection_and_drift_together_cost_less_than_four_kilobytes_a_series() {
        assert!(Channel::bytes() <= 4_096, "{}", Channel::bytes());
    }

    #[test]
    fn no_anomaly_opens_before_the_warm_up_is_over() {
        let mut channel = Channel::new(0.002);
        for i in 0..30 {
            let value = if i % 3 == 0 { 1.0 } else { 0.0 };
            assert_eq!(channel.observe(value, Timestamp::from_secs(i), &LIMITS), Seen::Taken(None));
            assert_eq!(channel.surprise(), 0.0);
        }
    }

    #[test]
    fn the_first_point_after_a_gap_is_learned_but_not_judged() {
        let mut channel = filled(200);
        let said = channel.observe(500.0, Timestamp::from_secs(5_000), &LIMITS);
        assert_eq!((said, channel.surprise()), (Seen::Taken(None), 0.0));
        assert_eq!(channel.value, 500.0);
    }

    #[test]
    fn silence_opens_an_anomaly_and_the_next_point_closes_it() {
        let mut channel = filled(50);
        assert_eq!(channel.watch_silence(Timestamp::from_secs(260)), None);
        assert_eq!(channel.watch_silence(Timestamp::from_secs(290)), Some(Transition::Opened));
        assert_eq!(channel.watch_silence(Timestamp::from_secs(300)), None, "once");
        let said = channel.observe(10.0, Timestamp::from_secs(305), &LIMITS);
        assert_eq!(said, Seen::Taken(Some(Transition::Closed)));
    }
}
