//! Has a series left its reference for good?
//!
//! # Method
//! The deviation y from the slow baseline (which knows the time of day) is prewhitened with its own lag-one
//! autocorrelation φ and scaled: e = ((y − m) − φ (y′ − m)) / s. Level m and scale s belong to the present segment and
//! are learned while it lasts, so the test starts itself (Hawkins 1987): small samples count by their t-distribution
//! (Wallace 1959). Then
//!
//! | sums | watch | slack |
//! |---|---|---|
//! | six cumulative sums of clipped e (Page 1954), up and down | the level | 0.25, 0.5 and 1 standard deviations |
//! | four sums of ln e², centred and scaled by what is usual | the variance | 0.4 and 0.8 |
//!
//! **Thresholds.** Each sum alone would speak falsely once in so many months as there are sums, so that all of them
//! together speak falsely about once per series and month on independent Gaussian noise (Siegmund 1985). Real tails
//! and left-over correlation raise the bar: it is multiplied by the ratio of the learned cumulant of e to that of a
//! Gaussian, and by the long-run variance of e.
//!
//! **Location.** The last 64 deviations are kept; at an announcement the split that explains them best, given φ, is
//! where it began. What came after the split is the new reference at once. A further change of the same direction
//! while one is listed is the same drift going on: a ramp.
//!
//! Measured with this one setting, see `docs/guide/analysis.md`.

mod recent;
mod reference;
mod sums;

use echobase_types::Timestamp;
use echobase_types::assessment::{DriftKind, Reference as Told};

use crate::words::Quantity;
use recent::Recent;
use reference::Reference;
use sums::{Bars, Sums};

/// Points that make the first reference, and points a later reference needs before it is tested.
const REFERENCE: u32 = 20;
const AGAIN: u32 = 8;
/// Points for which a drift stays listed after it was last seen going on.
const LINGER: u32 = 150;
/// Points after which it is plain whether the level moved or the values went apart.
const NAMED: u32 = 24;
/// The largest e that counts, in standard deviations.
const CLIP: f32 = 3.5;
/// Standard deviation of a Gaussian over its mean absolute deviation.
const GAUSS: f32 = 1.2533;
const WANDER: f32 = 16.0;
/// The least that long memories learn from one point.
const SLOW: f32 = 0.002;

/// What changed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The level, at once.
    Step,
    /// The level, bit by bit.
    Ramp,
    /// How restless it is.
    Variance,
}

/// A drift that was announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) change: Change,
    /// Where it began, by the test.
    pub(crate) since: Timestamp,
    /// When it was announced.
    pub(crate) at: Timestamp,
    pub(crate) statistic: f32,
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// The window it was found against: since when, and values in it; false drifts per month.
    from: Timestamp,
    points: u32,
    false_per_month: f32,
    is_seasonal: bool,
    is_up: bool,
    rows: u32,
    /// Usual deviation and level before, as the test knows them.
    usual: f32,
    level: f32,
    /// The level right after.
    first: f32,
}

/// A sum that passed its bar.
struct Found {
    statistic: f32,
    kind: sums::Kind,
    age: u32,
    false_per_month: f64,
}

/// Streaming state of one series: about 600 bytes. The order of the fields is kept: what every value needs comes first.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct DriftTest {
    /// Points of the present segment, and of all.
    n: u32,
    all: u32,
    /// Level and mean absolute innovation of the segment.
    level: f32,
    scale: f32,
    last: f32,
    /// Mean innovation of the segment: the slope, where a series wanders rather than keeps a level.
    slope: f32,
    variance: f32,
    covariance: f32,
    log_mean: f32,
    log_spread: f32,
    reference: Reference,
    /// When the present segment began.
    begun: Option<Timestamp>,
    bars: Bars,
    sums: Sums,
    recent: Recent,
    /// Rare, and large.
    announced: Option<Box<Announced>>,
}

impl DriftTest {
    /// Takes the deviation of `value` from `expected`. `step` in seconds; `factor` multiplies the threshold.
    pub(crate) fn observe(&mut self, value: f64, expected: f64, time: Timestamp, step: f64, factor: f64) {
        let deviation = self.reference.observe(value, expected, step);
        let (y, expected) = (deviation.value, deviation.from);
        if deviation.is_new {
            // The same series seen from elsewhere: no change, but a new beginning.
            self.restart();
        }
        self.all = self.all.saturating_add(1);
        self.n = self.n.saturating_add(1);
        self.recent.push(y, time);
        self.begun.get_or_insert(time);
        if self.n == 1 {
            (self.level, self.last) = (y, y);
            return;
        }
        let resolution = 3e-7 * ((expected.abs() as f32) + y.abs()) + 1e-12;
        let phi = self.correlation();
        let (off, before) = (y - self.level, self.last - self.level);
        let raw = off - phi * before;
        let innovation = raw - ((phi - 0.8) / 0.15).clamp(0.0, 1.0) * self.slope;
        let unit = self.scale * GAUSS + resolution;
        let e = student(innovation / unit, self.n as f32).clamp(-CLIP, CLIP);
        let log = (e * e + 0.01).ln();
        self.learn(y, off, before, raw, innovation, unit, log);
        self.last = y;
        let needed = if self.all == self.n { REFERENCE } else { AGAIN };
        if self.n > needed {
            self.bars.learn(e);
            let spread = ((log - self.log_mean) / (GAUSS * self.log_spread + 0.2)).clamp(-2.5, 2.5);
            self.sums.add(e, spread, phi);
            let wander = 1.0 + WANDER * (phi - 0.9).max(0.0);
            let rows = (30.0 * 86_400.0 / step.max(1e-3)) as f32;
            if let Some((statistic, kind, age)) =
                self.sums.strongest(&self.bars, rows, factor as f32 * wander)
            {
                let found = Found { statistic, kind, age, false_per_month: sums::false_rate(rows, factor) };
                self.announce(&found, expected, time);
            }
        }
        self.age(expected);
    }

    fn restart(&mut self) {
        let (reference, announced) = (self.reference, self.announced.take());
        *self = Self { reference, announced, ..Self::default() };
    }

    /// The lag-one autocorrelation, drawn to 0 while little is known.
    fn correlation(&self) -> f32 {
        let known = (self.all.min(500) as f32) / (self.all.min(500) as f32 + 3.0);
        (known * self.covariance / self.variance.max(f32::MIN_POSITIVE)).clamp(0.0, 0.99)
    }

    fn learn(&mut self, y: f32, off: f32, before: f32, raw: f32, innovation: f32, unit: f32, log: f32) {
        let long = (1.0 / self.all as f32).max(SLOW);
        let within = (1.0 / self.n as f32).max(SLOW);
        // Clipped, so that a change does not teach itself into the reference before it is found.
        let most = if self.n <= REFERENCE { f32::MAX } else { 6.0 * self.variance.max(0.0).sqrt() + unit };
        let centred = off.clamp(-most, most);
        self.variance += long * (centred * centred - self.variance);
        self.covariance += long * (centred * before.clamp(-most, most) - self.covariance);
        let size = if self.n <= AGAIN { innovation.abs() } else { innovation.abs().min(4.0 * unit) };
        self.scale += within * (size - self.scale);
        self.log_mean += long * (log - self.log_mean);
        self.log_spread += long * ((log - self.log_mean).abs() - self.log_spread);
        self.level += within * (y - self.level);
        let jump = 3.0 * unit;
        self.slope += within * (raw.clamp(self.slope - jump, self.slope + jump) - self.slope);
    }

    fn announce(&mut self, found: &Found, expected: f64, time: Timestamp) {
        let &Found { statistic, kind, age, false_per_month } = found;
        let phi = self.correlation();
        let split = self.recent.split(kind, self.level, phi, age.min(self.n));
        let usual = self.scale * GAUSS / (1.0 - phi * phi).sqrt();
        let (before, after) = match kind {
            sums::Kind::Level => (expected + f64::from(self.level), expected + f64::from(split.mean)),
            sums::Kind::Variance => (f64::from(usual), f64::from(split.spread)),
        };
        let (is_level, is_up) = (kind == sums::Kind::Level, after > before);
        let level = self.level;
        let from = self.begun.unwrap_or(split.since).min(split.since);
        let points = self.n.saturating_sub(split.rows);
        self.begin(&split, is_level);
        let change = if is_level { Change::Step } else { Change::Variance };
        match &mut self.announced {
            Some(known) if is_level == (known.change != Change::Variance) && is_up == known.is_up => {
                if is_level {
                    known.change = Change::Ramp;
                }
                known.statistic = known.statistic.max(statistic);
                (known.after, known.rows) = (after, 0);
            }
            known => {
                *known = Some(Box::new(Announced {
                    change,
                    since: split.since,
                    at: time,
                    statistic,
                    before,
                    after,
                    from,
                    points,
                    false_per_month: false_per_month as f32,
                    is_seasonal: self.reference.is_seasonal(),
                    is_up,
                    rows: 0,
                    usual,
                    level,
                    first: split.mean,
                }));
            }
        }
    }

    /// What came after the split is the new segment.
    fn begin(&mut self, split: &recent::Split, is_level: bool) {
        self.sums = Sums::default();
        if is_level {
            self.level = split.mean;
            self.slope = 0.0;
        } else {
            self.scale = split.innovation.max(0.1 * self.scale);
        }
        self.n = split.rows.max(2);
        self.begun = Some(split.since);
        if is_level {
            self.n = self.n.min(REFERENCE);
        }
    }

    /// Keeps the new level up to date, and forgets the announcement in the end.
    fn age(&mut self, expected: f64) {
        let Some(known) = &mut self.announced else { return };
        known.rows += 1;
        if known.change != Change::Variance && known.rows < 50 {
            known.after = expected + f64::from(self.level);
        }
        if known.rows == NAMED && known.change == Change::Step {
            // Values that went apart pass the bar of the level as well: is the new mean away by the new spread?
            let (mean, spread) = self.recent.moments(NAMED as usize);
            let error = spread / (NAMED as f32).sqrt();
            if spread > 1.8 * known.usual && (mean - known.level).abs() < 3.0 * error {
                known.change = Change::Variance;
                (known.before, known.after) = (f64::from(known.usual), f64::from(spread));
            }
        }
        if known.rows == 2 * NAMED && known.change == Change::Step {
            let (mean, _) = self.recent.moments(NAMED as usize);
            let (moved, on) = (known.first - known.level, mean - known.first);
            if on * moved > 0.0 && on.abs() > known.usual.max(0.5 * moved.abs()) {
                known.change = Change::Ramp;
            }
        }
        if known.rows >= LINGER {
            self.announced = None;
        }
    }

    /// Takes the present as the reference: what is listed is forgotten, and the last values are the new segment.
    pub(crate) fn rereference(&mut self, at: Timestamp) {
        self.announced = None;
        self.sums = Sums::default();
        if self.n > 0 {
            let rows = self.n.min(REFERENCE);
            (self.level, _) = self.recent.moments(rows as usize);
            (self.slope, self.n) = (0.0, rows);
            self.begun = Some(at);
        }
    }

    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.n ^ self.log_mean.to_bits() ^ self.reference.touch() ^ self.sums.touch() ^ self.recent.touch()
    }

    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.recent.heap_bytes() + self.announced.as_ref().map_or(0, |_| size_of::<Announced>())
    }

    /// The drift that is listed now.
    pub(crate) fn announced(&self) -> Option<&Announced> {
        self.announced.as_deref()
    }
}

/// The standard normal value that is as improbable as `t` after `n` points (Wallace 1959).
fn student(t: f32, n: f32) -> f32 {
    let freedom = (n - 1.0).max(1.0);
    if freedom > 200.0 {
        return t;
    }
    let shrink = (n / (n + 1.0)).sqrt();
    let t = t * shrink;
    let z = (freedom * (1.0 + t * t / freedom).ln()).sqrt() * (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
    z.copysign(t)
}

impl Announced {
    /// What it was found against.
    pub(crate) fn reference(&self) -> Told {
        Told {
            from: self.from,
            points: self.points,
            seasonal: self.is_seasonal,
            false_per_month: f64::from(self.false_per_month),
        }
    }

    /// What changed.
    pub(crate) const fn kind(&self) -> DriftKind {
        match self.change {
            Change::Step => DriftKind::Step,
            Change::Ramp => DriftKind::Ramp,
            Change::Variance => DriftKind::Variance,
        }
    }

    /// The drift in one sentence.
    pub(crate) fn words(&self, metric: &str, quantity: Quantity) -> String {
        let (before, after) = (quantity.show(self.before), quantity.show(self.after));
        let way = if self.after > self.before { "higher" } else { "lower" };
        match self.change {
            Change::Step => format!("{metric} settled {way}: {before} before, {after} now"),
            Change::Ramp => format!("{metric} moves {way} bit by bit: {before} before, {after} now"),
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
        assert!((300..330).contains(&first), "{first}");
        // The first far values may be taken for a step; more of them tell.
        let named = seen.iter().position(|s| s.is_some_and(|d| d.change == Change::Variance)).unwrap();
        assert!(named < 360, "{named}");
    }

    #[test]
    fn a_change_that_goes_on_is_one_drift_and_a_ramp() {
        let mut noise = Noise(5);
        let seen = run((0..500).map(|i| noise.next() + 0.03 * f64::from((i - 200).clamp(0, 200))));
        let changes = seen.windows(2).filter(|p| p[1].is_some_and(|d| p[0].is_none_or(|b| b.at != d.at)));
        let told: Vec<_> = seen
            .iter()
            .enumerate()
            .step_by(10)
            .filter_map(|(i, s)| s.map(|d| (i, d.change, d.statistic)))
            .collect();
        assert_eq!(changes.count(), 1, "{told:?}");
        assert_eq!(seen[395].unwrap().change, Change::Ramp);
        assert!(seen[395].unwrap().words("m", Quantity::Number).contains("bit by bit"));
    }

    #[test]
    fn whatever_comes_in_it_stays_finite() {
        let values = [0.0, 1e300, -1e300, 1e-300, 1e12, 5.0];
        for drift in run((0..600).map(|i| values[i * 7 % 6])).into_iter().flatten() {
            assert!(drift.before.is_finite() && drift.after.is_finite() && drift.statistic.is_finite());
        }
    }

    #[test]
    fn scale_and_offset_do_not_matter() {
        let at = |scale: f64, offset: f64| {
            let mut noise = Noise(7);
            let values =
                (0..400).map(move |i| offset + scale * (noise.next() + if i >= 200 { 2.0 } else { 0.0 }));
            run(values).iter().position(Option::is_some)
        };
        assert_eq!(at(1.0, 0.0), at(1e6, 0.0));
        assert_eq!(at(1.0, 0.0), at(1e-3, 1.0));
    }
}
