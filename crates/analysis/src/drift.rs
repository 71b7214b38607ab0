//! Has a series left its reference for good?
//!
//! The deviation from the slow baseline (which knows the time of day) minus an own reference level is prewhitened
//! with its lag-one autocorrelation and scaled: only then do cumulative sums keep their promise on telemetry. Two
//! pairs of cumulative sums (Page 1954) watch level and variance of that innovation. Thresholds follow from
//! Siegmund's approximation of the average run length for one false drift per series and month, with a factor of
//! 1.5 for tails heavier than a Gaussian's. Fifty points after an announcement the new level becomes the reference;
//! the drift stays listed for a hundred more.

use echobase_types::Timestamp;

use crate::words::Quantity;

/// Points that make the first reference.
const REFERENCE: u32 = 50;
/// Points after an announcement until the new level is the reference.
const SETTLE: u32 = 50;
/// Points after that for which the drift stays listed.
const LINGER: u32 = 100;
/// Half of the smallest shift worth finding, in standard deviations of the innovation.
const LEVEL_SLACK: f32 = 0.25;
const SPREAD_SLACK: f32 = 0.4;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Level,
    Variance,
}

/// A drift that was announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) change: Change,
    pub(crate) since: Timestamp,
    pub(crate) statistic: f32,
    pub(crate) before: f64,
    pub(crate) after: f64,
    rows: u32,
}

/// A cumulative sum and when it last was zero.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f32,
    since: Timestamp,
}

impl Sum {
    fn add(&mut self, by: f32, time: Timestamp) {
        if self.value <= 0.0 {
            self.since = time;
        }
        self.value = (self.value + by).max(0.0);
    }
}

/// Streaming state of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriftTest {
    n: u32,
    offset: f32,
    mean: f32,
    before: f32,
    variance: f32,
    covariance: f32,
    scale: f32,
    fast_scale: f32,
    log_mean: f32,
    log_scale: f32,
    up: Sum,
    down: Sum,
    wider: Sum,
    narrower: Sum,
    level: f32,
    announced: Option<Announced>,
}

/// The threshold of a one-sided pair of sums with slack `k`: one false alarm in `rows` on a Gaussian.
fn threshold(k: f32, rows: f32) -> f32 {
    1.5 * (((4.0 * k * k * rows).max(2.0)).ln() / (2.0 * k) - 1.166).max(4.0)
}

impl DriftTest {
    /// Takes the deviation of `value` from `expected`. `step` in seconds; `factor` multiplies the threshold.
    pub(crate) fn observe(&mut self, value: f64, expected: f64, time: Timestamp, step: f64, factor: f64) {
        let y = ((value - expected) as f32).clamp(-1e18, 1e18) - self.offset;
        self.n = self.n.saturating_add(1);
        let first = 1.0 / self.n as f32;
        let rate = if self.n <= REFERENCE { first } else { 0.002 };
        let (previous, quiet) = (self.before, self.announced.is_none());
        self.before = y;
        if self.n == 1 {
            return;
        }
        let correlation = (self.covariance / self.variance.max(f32::MIN_POSITIVE)).clamp(0.0, 0.95);
        let innovation = (y - self.mean) - correlation * (previous - self.mean);
        // Against the recent level: a step of the level must not look like restlessness for long.
        let wobble = y - self.level;
        self.level += first.max(0.1) * wobble;
        if self.n <= REFERENCE {
            self.mean += first * (y - self.mean);
        }
        let unit = self.scale * 1.25 + 1e-12 + 3e-7 * (expected.abs() as f32);
        // A series that became restless must not look as if its level had moved.
        self.fast_scale += first.max(0.1) * (innovation.abs() - self.fast_scale);
        let e = (innovation / unit.max(1.25 * self.fast_scale)).clamp(-4.0, 4.0);
        // The spread of log e² of a Gaussian is about 1.7; learned, because telemetry is none.
        let own = (wobble / unit).clamp(-4.0, 4.0);
        let log = (own * own + 1e-4).ln();
        if quiet {
            let centred = (y - self.mean).clamp(-6.0 * unit - 1e-12, 6.0 * unit + 1e-12);
            let centred = if self.n <= REFERENCE { y - self.mean } else { centred };
            self.variance += rate * (centred * centred - self.variance);
            self.covariance += rate * (centred * (previous - self.mean) - self.covariance);
            let size =
                if self.n <= 20 { innovation.abs() } else { innovation.abs().min(8.0 * self.scale + 1e-12) };
            self.scale += rate * (size - self.scale);
            self.log_mean += rate * (log - self.log_mean);
            self.log_scale += rate * ((log - self.log_mean).abs() - self.log_scale);
        }
        if self.n <= REFERENCE {
            return;
        }
        self.test(e, log, y, expected, time, step, factor);
        self.settle();
    }

    fn test(&mut self, e: f32, log: f32, y: f32, expected: f64, time: Timestamp, step: f64, factor: f64) {
        self.up.add(e - LEVEL_SLACK, time);
        self.down.add(-e - LEVEL_SLACK, time);
        let spread = ((log - self.log_mean) / (1.25 * self.log_scale + 0.1)).clamp(-2.0, 2.0);
        self.wider.add(spread - SPREAD_SLACK, time);
        self.narrower.add(-spread - SPREAD_SLACK, time);
        let rows = (30.0 * 86_400.0 / step.max(1e-3)) as f32;
        let factor = factor as f32;
        let (level, variance) =
            (factor * threshold(LEVEL_SLACK, rows), factor * threshold(SPREAD_SLACK, rows));
        let base = expected + f64::from(self.offset);
        if let Some(known) = &mut self.announced {
            known.rows += 1;
            if known.rows < SETTLE {
                known.after = match known.change {
                    Change::Level => base + f64::from(self.level),
                    Change::Variance => {
                        known.after + 0.05 * (f64::from((y - self.mean).abs()) * 1.25 - known.after)
                    }
                };
            }
            return;
        }
        let strongest = [(self.up, level, Change::Level), (self.down, level, Change::Level)]
            .into_iter()
            .chain([
                (self.wider, variance, Change::Variance),
                (self.narrower, variance * 1.5, Change::Variance),
            ])
            .map(|(sum, bar, change)| (sum.value / bar, sum.since, change))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((statistic, since, change)) = strongest else { return };
        if statistic < 1.0 {
            return;
        }
        let usual = f64::from(self.variance.max(0.0).sqrt());
        let (before, after) = match change {
            Change::Level => (base + f64::from(self.mean), base + f64::from(self.level)),
            Change::Variance => (usual, f64::from((y - self.mean).abs()) * 1.25),
        };
        self.announced = Some(Announced { change, since, statistic, before, after, rows: 0 });
    }

    /// Makes the new level the reference, and in the end forgets the announcement.
    fn settle(&mut self) {
        let Some(known) = self.announced else { return };
        if known.rows == SETTLE {
            self.offset += self.level;
            self.before -= self.level;
            self.level = 0.0;
            self.mean = 0.0;
            (self.up, self.down, self.wider, self.narrower) = Default::default();
            if known.change == Change::Variance {
                let ratio = (known.after / known.before.max(1e-12)).clamp(0.1, 10.0) as f32;
                self.scale *= ratio;
                self.variance *= ratio * ratio;
                self.covariance *= ratio * ratio;
            }
        }
        if known.rows > SETTLE && known.rows < SETTLE + LINGER {
            (self.up, self.down, self.wider, self.narrower) = Default::default();
        }
        if known.rows >= SETTLE + LINGER {
            self.announced = None;
        }
    }

    /// The drift that is listed now.
    pub(crate) fn announced(&self) -> Option<&Announced> {
        self.announced.as_ref()
    }
}

impl Announced {
    /// The drift in one sentence.
    pub(crate) fn words(&self, metric: &str, quantity: Quantity) -> String {
        let (before, after) = (quantity.show(self.before), quantity.show(self.after));
        match self.change {
            Change::Level if self.after > self.before => {
                format!("{metric} settled higher: {before} before, {after} now")
            }
            Change::Level => format!("{metric} settled lower: {before} before, {after} now"),
            Change::Variance if self.after > self.before => {
                format!("{metric} became more restless: ±{before} before, ±{after} now")
            }
            Change::Variance => format!("{metric} became calmer: ±{before} before, ±{after} now"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    /// Sum of three uniform values of a linear generator: near a Gaussian of unit variance.
    struct Noise(u64);
    impl Noise {
        fn next(&mut self) -> f64 {
            (0..3)
                .map(|_| {
                    self.0 = self
                        .0
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (self.0 >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
                })
                .sum()
        }
    }

    fn run(values: impl Iterator<Item = f64>) -> Vec<Option<Announced>> {
        let mut test = DriftTest::default();
        values
            .enumerate()
            .map(|(i, v)| {
                test.observe(v, 5.0, Timestamp::from_secs(i as i64 * 60), 60.0, 1.0);
                test.announced().copied()
            })
            .collect()
    }

    #[test]
    fn a_step_of_two_sigma_is_announced_with_its_levels_and_its_time() {
        let mut noise = Noise(7);
        let seen = run((0..400).map(|i| 5.0 + noise.next() + if i >= 200 { 2.0 } else { 0.0 }));
        assert!(seen[..200].iter().all(Option::is_none));
        let at = seen.iter().position(Option::is_some).unwrap();
        assert!((205..240).contains(&at), "announced at {at}");
        let drift = seen[at + 40].unwrap();
        let since = drift.since.as_micros() / 60_000_000;
        assert!((180..215).contains(&since), "since row {since}");
        assert!((drift.before - 5.0).abs() < 0.5 && (drift.after - 7.0).abs() < 1.0, "{drift:?}");
        assert!(drift.words("m", Quantity::Number).contains("settled higher"));
        assert!(seen[399].is_none(), "the new level is the reference by now");
    }

    #[test]
    fn autocorrelated_noise_is_no_drift() {
        let mut noise = Noise(11);
        let mut ar = 0.0;
        let seen = run((0..10_000).map(|_| {
            ar = 0.7 * ar + noise.next();
            5.0 + ar
        }));
        let mut rises = 0;
        for pair in seen.windows(2) {
            rises += usize::from(pair[0].is_none() && pair[1].is_some());
        }
        assert!(rises <= 2, "{rises} false drifts in 10,000 rows; classic detectors announce 18 to 371");
    }

    #[test]
    fn growing_restlessness_is_a_drift_of_variance() {
        let mut noise = Noise(3);
        let seen = run((0..600).map(|i| 5.0 + noise.next() * if i >= 300 { 4.0 } else { 1.0 }));
        let first = seen.iter().position(Option::is_some).unwrap();
        assert!((300..400).contains(&first), "{first}");
        assert_eq!(seen[first].unwrap().change, Change::Variance);
    }
}
