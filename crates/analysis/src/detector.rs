//! The judge of one series: what was expected, and how surprising is what came?
//!
//! Five one-step predictors (last value, fast and slow mean, day profile with level, last value with profile step)
//! are blended by the inverse fourth power of their recent error: the *innovation*. A slow baseline (mean of about
//! a day, or the profile of the day type, whichever has erred less) gives the *deviation*. From these follow five
//! families of evidence:
//!
//! | family | statistics |
//! |---|---|
//! | fast | innovation; step of the logarithm |
//! | level | deviation; its mean over four values; fast mean against the baseline |
//! | slow | deviation from the profile; mean deviation over fifty values; slow step of the logarithm |
//! | spread | fast against slow variance; a level or a variance that was never seen |
//! | novelty | a mean level, or a path of three values, that was never seen |
//!
//! Each statistic has its own tail ([`crate::tail`], one for each side where sides differ) or its own memory of what
//! was seen ([`crate::novelty`]); a family speaks with its largest surprise. The *consensus* is the mean of the three
//! loudest families: one odd statistic is not enough, whatever it is. The surprise of the value lies halfway between
//! the consensus and the loudest family. A run of equal values that is
//! three times as long as any before is a stuck series. Everything that is learned is clipped, so that an incident
//! does not teach itself into the baseline.
//!
//! Sources: peaks over threshold (Siffer et al. 2017); blend by recent error (Bates and Granger 1969); chance of the
//! new (Good 1953). State: about 2.5 kB, f32 around the first value.

mod history;

use crate::profile::{BUCKETS, Place, Profile, Pull};
use crate::tail::Tails;
use history::{History, logarithm};

const PREDICTORS: usize = 5;
/// Surprise of a stuck series: beyond every bar of the default budget.
const STUCK: f32 = 7.5;
/// Families whose mean is the surprise.
const CONSENSUS: usize = 3;
/// A family is the reason where it is nearly as loud as the loudest; the order is that of the table above.
const NEARLY: f32 = 0.75;

/// Which statistic was the most surprising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    /// One value against the prediction.
    Innovation,
    /// The level against the slow baseline.
    Deviation,
    /// The mean of many values against the baseline.
    Creep,
    /// More restless than usual.
    Restless,
    /// More still than usual.
    Still,
    /// Never seen before.
    Novel,
    /// Several series at once; no statistic of a single one.
    Together,
}

/// What the detector says of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// −log₁₀ of the tail probability, halfway between the loudest family and the consensus; 0 while warming up.
    pub(crate) surprise: f32,
    /// The mean of the three loudest families: what counts where several series are judged together.
    pub(crate) consensus: f32,
    /// What the slow baseline expected.
    pub(crate) expected: f64,
    /// Usual size of a deviation from the baseline (mean absolute deviation × 1.25).
    pub(crate) sigma: f64,
    /// Which statistic was the most surprising.
    pub(crate) statistic: Statistic,
}

/// Places of the tails.
mod at {
    pub(super) const INNOVATION: usize = 0;
    pub(super) const LOG_STEP: usize = 1;
    pub(super) const DEVIATION: usize = 3;
    pub(super) const SHORT_MEAN: usize = 4;
    pub(super) const FAST_LEVEL: usize = 5;
    pub(super) const PROFILE: usize = 7;
    pub(super) const LONG_MEAN: usize = 9;
    pub(super) const LOG_TREND: usize = 11;
    pub(super) const VARIANCE: usize = 13;
    pub(super) const COUNT: usize = 14;
}

/// Streaming state of one series. The order of the fields is kept: what every value needs lies together.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Detector {
    profile: Profile,
    origin: f64,
    floor: f32,
    n: u32,
    last: f32,
    fast_mean: f32,
    slow_mean: f32,
    baseline: f32,
    level: f32,
    profile_level: f32,
    last_profile: f32,
    errors: [f32; PREDICTORS],
    baseline_errors: [f32; 2],
    fast_scale: f32,
    slow_scale: f32,
    short_mean: f32,
    long_mean: f32,
    fast_variance: f32,
    slow_variance: f32,
    run: u16,
    longest_run: u16,
    tails: Tails<{ at::COUNT }>,
    history: History,
}

/// One value with all that was expected of it.
struct Seen {
    value: f32,
    /// The value with its offset: logarithms need the true size.
    size: f32,
    before: f32,
    residuals: [f32; PREDICTORS],
    innovation: f32,
    deviation: f32,
    place: Place,
}

/// What the families say of one value.
#[derive(Clone, Copy, Debug)]
struct Said {
    surprise: f32,
    consensus: f32,
    statistic: Statistic,
}

impl Default for Said {
    fn default() -> Self {
        Self::alone(0.0, Statistic::Innovation)
    }
}

impl Said {
    /// One statistic that needs no other.
    fn alone(surprise: f32, statistic: Statistic) -> Self {
        Self { surprise, consensus: surprise, statistic }
    }
}

impl Detector {
    /// A detector that ignores deviations below `floor` (in the unit of the values; 0 where no such size is known).
    pub(crate) fn new(floor: f64) -> Self {
        Self {
            origin: 0.0,
            floor: floor as f32,
            n: 0,
            last: 0.0,
            fast_mean: 0.0,
            slow_mean: 0.0,
            baseline: 0.0,
            level: 0.0,
            profile_level: 0.0,
            last_profile: 0.0,
            errors: [1e-9; PREDICTORS],
            baseline_errors: [0.0; 2],
            fast_scale: 0.0,
            slow_scale: 0.0,
            short_mean: 0.0,
            long_mean: 0.0,
            fast_variance: 0.0,
            slow_variance: 0.0,
            run: 0,
            longest_run: 0,
            tails: Tails::default(),
            history: History::default(),
            profile: Profile::new(),
        }
    }

    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.profile.heap_bytes()
    }

    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.n ^ u32::from(self.run) ^ self.tails.touch() ^ self.history.touch() ^ self.profile.touch()
    }

    /// Values learned.
    pub(crate) fn count(&self) -> u32 {
        self.n
    }

    /// The slow baseline, in the unit of the values.
    pub(crate) fn baseline(&self) -> f64 {
        self.origin + f64::from(self.baseline)
    }

    /// Starts again at the next value as after a gap: the last value says nothing any more, the rest is kept.
    pub(crate) fn gap(&mut self) {
        self.last = self.baseline;
        self.fast_mean = self.baseline;
        self.short_mean = 0.0;
        self.long_mean = 0.0;
    }

    /// Takes the present level as the usual one: somebody said that it is here to stay.
    pub(crate) fn rebase(&mut self) {
        let present = self.fast_mean;
        (self.slow_mean, self.baseline) = (present, present);
        (self.level, self.profile_level) = (present - self.last_profile, present - self.last_profile);
        (self.short_mean, self.long_mean) = (0.0, 0.0);
    }

    /// Judges `value` (finite), then learns it. `second` is its time in seconds since 1970 in UTC, `step` the usual
    /// distance of values in seconds.
    pub(crate) fn observe(&mut self, value: f64, second: i64, step: f64) -> Verdict {
        if self.n == 0 {
            self.origin = value;
        }
        let v = ((value - self.origin) as f32).clamp(-1e18, 1e18);
        let i = self.n;
        let place = self.profile.at(second, self.slow_mean);
        let (profile, known) = (place.level, place.is_known);
        if i == 0 {
            self.last_profile = profile;
        }
        let before = if i == 0 { v } else { self.last };
        let season = if known && i > 0 { profile - self.last_profile } else { 0.0 };
        let residuals = [
            v - before,
            v - self.fast_mean,
            v - self.slow_mean,
            v - if known { profile + self.level } else { self.slow_mean },
            v - (before + season),
        ];
        let innovation = self.blend(&residuals);
        let with_profile = known && self.baseline_errors[1] < self.baseline_errors[0];
        let expected = if with_profile { profile + self.profile_level } else { self.baseline };
        let deviation = v - expected;
        let size = value.clamp(-1e18, 1e18) as f32;
        let seen = Seen { value: v, size, before, residuals, innovation, deviation, place };

        let said = if i > 2 { self.judge(&seen) } else { Said::default() };
        let verdict = Verdict {
            surprise: said.surprise,
            consensus: said.consensus,
            expected: self.origin + f64::from(expected),
            sigma: f64::from(self.slow_scale.max(self.floor)) * 1.25,
            statistic: said.statistic,
        };
        self.history.learn(&seen, i);
        self.learn(&seen, step);
        verdict
    }

    fn blend(&self, residuals: &[f32; PREDICTORS]) -> f32 {
        let best = self.errors.iter().copied().fold(f32::MAX, f32::min) + 1e-20;
        let (mut weights, mut sum) = (0.0, 0.0);
        for (error, residual) in self.errors.iter().zip(residuals) {
            let share = best / (error + 1e-20);
            let w = if self.n > 1 { (share * share) * (share * share) } else { 1.0 };
            weights += w;
            sum += w * residual;
        }
        sum / weights
    }

    /// Size below which nothing is told apart: the stated floor, or what f32 resolves at this level.
    fn resolution(&self) -> f32 {
        let size = self.origin.abs() as f32 + self.slow_mean.abs();
        (3e-7 * size + 1e-12).max(self.floor)
    }

    /// Surprise and reason of one value; the tails learn it.
    fn judge(&mut self, seen: &Seen) -> Said {
        let resolution = self.resolution();
        let slow_unit = self.slow_scale + resolution;
        let z = seen.deviation / slow_unit;
        let clipped = z.clamp(-8.0, 8.0);
        self.short_mean += 0.3 * (clipped - self.short_mean);
        self.long_mean += 0.02 * (clipped - self.long_mean);
        let least = resolution * resolution;
        let restless = 0.5 * ((self.fast_variance + least) / (self.slow_variance + least)).ln();
        let log_step = logarithm(seen.size, slow_unit) - logarithm(seen.size - seen.residuals[0], slow_unit);
        let fast_level = (self.fast_mean - self.baseline) / slow_unit;
        let profile = seen.residuals[3] / (self.errors[3] + resolution);
        let past = self.history.judge(seen, self.n, resolution);

        let mut z_of = [0.0; at::COUNT];
        let mut sided =
            |at: usize, value: f32| (z_of[at], z_of[at + 1]) = (value.max(0.0), (-value).max(0.0));
        sided(at::LOG_STEP, log_step);
        sided(at::FAST_LEVEL, fast_level);
        sided(at::PROFILE, profile);
        sided(at::LONG_MEAN, self.long_mean);
        sided(at::LOG_TREND, past.log_trend);
        z_of[at::INNOVATION] = seen.innovation.abs() / (self.fast_scale + resolution);
        z_of[at::DEVIATION] = z.abs();
        z_of[at::SHORT_MEAN] = self.short_mean.abs();
        z_of[at::VARIANCE] = restless.abs();
        let surprise = self.tails.surprises(&z_of, self.n);
        self.tails.learn(&z_of, self.n.saturating_sub(3));

        let one = |at: usize| surprise[at];
        let either = |at: usize| surprise[at].max(surprise[at + 1]);
        let spread = if restless > 0.0 { Statistic::Restless } else { Statistic::Still };
        let families = [
            (one(at::INNOVATION).max(either(at::LOG_STEP)), Statistic::Innovation),
            (one(at::DEVIATION).max(one(at::SHORT_MEAN)).max(either(at::FAST_LEVEL)), Statistic::Deviation),
            (either(at::PROFILE).max(either(at::LONG_MEAN)).max(either(at::LOG_TREND)), Statistic::Creep),
            (past.novelty, Statistic::Novel),
            (one(at::VARIANCE).max(past.spread), spread),
        ];
        let mut said = consensus(&families);
        if !self.tails.is_known(at::DEVIATION) && self.n > 30 && z.abs() > 6.0 {
            let first = self.first_departure(z.abs());
            said = Said::alone(first.max(said.surprise), Statistic::Deviation);
        }
        if let Some(still) = self.stillness(seen.value)
            && still > said.surprise
        {
            return Said::alone(still, Statistic::Still);
        }
        said
    }

    /// A run of equal values in a series that moves: stuck, once it is three times as long as any run before.
    fn stillness(&self, value: f32) -> Option<f32> {
        let is_stuck = self.n > 50
            && value == self.last
            && self.run >= 20
            && self.run > 3 * self.longest_run
            && self.slow_scale > 4.0 * self.resolution();
        is_stuck.then_some(STUCK)
    }

    /// A series that never moved moves. Where a size that matters is known, the size speaks (as an exponential
    /// tail); elsewhere only the rule of succession does: 1 in n + 1.
    fn first_departure(&self, z: f32) -> f32 {
        if self.floor > 0.0 { (z / std::f32::consts::LN_10).min(12.0) } else { (self.n as f32 + 1.0).log10() }
    }

    fn learn(&mut self, seen: &Seen, step: f64) {
        let Seen { value: v, residuals, innovation, deviation, place, .. } = seen;
        let (v, profile, known) = (*v, place.level, place.is_known);
        let i = self.n;
        let first = 1.0 / (i as f32 + 1.0);
        let warm = i <= 20;
        let clip = |value: f32, at: f32| if warm { value } else { value.min(at + 1e-12) };
        let day = ((step / 86_400.0) as f32).clamp(0.0005, 0.02);
        let profile_rate = 0.1 * ((step * BUCKETS as f64 / 86_400.0) as f32).min(1.0);

        self.fast_scale +=
            first.max(0.005) * (clip(innovation.abs(), 8.0 * self.fast_scale) - self.fast_scale);
        self.slow_scale +=
            first.max(0.002) * (clip(deviation.abs(), 8.0 * self.slow_scale) - self.slow_scale);
        for (error, residual) in self.errors.iter_mut().zip(residuals) {
            let size = if warm { residual.abs() } else { residual.abs().min(10.0 * *error + 1e-12) };
            *error += first.max(0.01) * (size - *error);
        }
        let plain = (v - self.baseline).abs();
        let seasonal = if known { (v - profile - self.profile_level).abs() } else { plain };
        let [e0, e1] = self.baseline_errors;
        let a = first.max(0.005);
        self.baseline_errors[0] += a * (clip(plain, 10.0 * e0) - e0);
        self.baseline_errors[1] += a * (if known { clip(seasonal, 10.0 * e1) } else { seasonal } - e1);
        let a = first.max(0.002);
        let square = innovation * innovation;
        if i > 1 {
            self.fast_variance += 0.1 * (square - self.fast_variance);
        }
        self.slow_variance += a * (clip(square, 16.0 * self.slow_variance) - self.slow_variance);
        self.fast_mean += first.max(0.2) * (v - self.fast_mean);
        self.slow_mean += first.max(0.02) * (v - self.slow_mean);
        let limit = if i > 50 { 6.0 * self.slow_scale } else { f32::MAX };
        let tame = |x: f32| x.clamp(-limit, limit);
        self.baseline += first.max(day) * tame(v - self.baseline);
        if known {
            self.level += 0.1 * (v - profile - self.level);
            self.profile_level += day * tame(v - profile - self.profile_level);
        }
        let pull = Pull {
            offset: self.profile_level,
            mean: self.slow_mean,
            unit: self.slow_scale + self.resolution(),
            rate: profile_rate,
            step,
        };
        self.profile.learn(place, v, &pull, tame);
        if i > 0 && v == self.last {
            self.run = self.run.saturating_add(1);
        } else {
            self.longest_run = self.longest_run.max(self.run.min(u16::MAX / 4));
            self.run = 0;
        }
        self.last_profile = profile;
        self.last = v;
        self.n = self.n.saturating_add(1);
    }
}

/// What the families say together: the reason is the first that is nearly as loud as the loudest.
fn consensus(families: &[(f32, Statistic); 5]) -> Said {
    let loud = loudest(families.map(|(surprise, _)| surprise));
    let consensus = loud.iter().sum::<f32>() / CONSENSUS as f32;
    let [loudest, ..] = loud;
    let loud = NEARLY * loudest;
    let statistic =
        families.iter().find(|(s, _)| *s >= loud).map_or(Statistic::Deviation, |(_, reason)| *reason);
    Said { surprise: 0.5 * (loudest + consensus), consensus, statistic }
}

/// The three largest of five, largest first: by a network of comparisons (Knuth 1998, 5.3.4), whose outcomes the
/// processor need not guess.
fn loudest([a, b, c, d, e]: [f32; 5]) -> [f32; CONSENSUS] {
    let order = |x: f32, y: f32| if x > y { (x, y) } else { (y, x) };
    let ((a, b), (d, e)) = (order(a, b), order(d, e));
    let (c, e) = order(c, e);
    let (c, d) = order(c, d);
    let (b, e) = order(b, e);
    let (a, d) = order(a, d);
    let (a, c) = order(a, c);
    let (b, d) = order(b, d);
    let (b, c) = order(b, c);
    let _ = (d, e);
    [a, b, c]
}

#[cfg(test)]
mod tests;
