//! Cumulative sums of a standardised innovation, and the bars they must pass.

/// Slacks of the sums of the level, in standard deviations: half of the shift each is best at.
const LEVEL: [f32; 3] = [0.25, 0.5, 1.0];
/// Slacks of the sums of the variance.
const VARIANCE: [f32; 2] = [0.4, 0.8];
/// All sums, over both directions.
const COUNT: f32 = 5.0;
/// How much is unknown of a young series, in points.
const YOUNG: f32 = 10.0;
/// The least factor of a bar of the level.
const LEAST_LEVEL: f32 = 0.7;
/// Points per block for the long-run variance.
const BLOCK: u8 = 16;

/// What a sum speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Level,
    Variance,
}

/// A cumulative sum and how many points ago it last was zero.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f32,
    age: u32,
}

impl Sum {
    // Noise decides each of these questions anew: sums and products cost less than branches that are guessed wrongly.

    fn add(&mut self, by: f32) {
        let sum = self.value + by;
        let is_on = sum > 0.0;
        self.value = if is_on { sum } else { 0.0 };
        self.age = self.age.saturating_add(1) * u32::from(is_on);
    }

    fn add_or_start(&mut self, by: f32, start: f32) {
        self.add(by);
        let starts = start > self.value;
        self.value = if starts { start } else { self.value };
        self.age = self.age * u32::from(!starts) + u32::from(starts);
    }
}

/// All sums of one series: up and down for each slack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    level: [[Sum; 2]; LEVEL.len()],
    variance: [[Sum; 2]; VARIANCE.len()],
}

impl Sums {
    /// See [`crate::channel::Channel::touch`].
    pub(super) fn touch(&self) -> u32 {
        self.level[0][0].age ^ self.variance[0][0].age
    }

    /// Takes the standardised innovation and the standardised logarithm of its square. A step of an autocorrelated
    /// series by δ moves the innovation by δ once and by (1 − `phi`) δ from then on: a sum may start with that kick,
    /// weighed by its likelihood.
    pub(super) fn add(&mut self, e: f32, spread: f32, phi: f32) {
        for (pair, k) in self.level.iter_mut().zip(LEVEL) {
            let kick = (1.0 / (1.0 - phi)).min(1.5 / k).max(1.0);
            pair[0].add_or_start(e - k, kick * (e - kick * k));
            pair[1].add_or_start(-e - k, kick * (-e - kick * k));
        }
        for (pair, k) in self.variance.iter_mut().zip(VARIANCE) {
            pair[0].add(spread - k);
            pair[1].add(-spread - k);
        }
    }

    /// The sum that passes its bar the furthest, over its bar, with its age in points; `None` if none does. All of
    /// them together speak falsely about once in `rows`; `factor` multiplies the bars.
    pub(super) fn strongest(&self, bars: &Bars, rows: f32, factor: f32) -> Option<(f32, Kind, u32)> {
        let mut best: Option<(f32, Kind, u32)> = None;
        let mut offer = |sum: &Sum, bar: f32, kind| {
            let statistic = sum.value / bar;
            if statistic >= 1.0 && best.is_none_or(|b| statistic > b.0) {
                best = Some((statistic, kind, sum.age));
            }
        };
        // Most points end at a bar that is surely too low, and costs neither a logarithm nor a power.
        let may_pass =
            |pair: &[Sum; 2], low: f32| pair.iter().any(|s| s.value > 3.0 && s.value > factor * low);
        for (pair, k) in self.level.iter().zip(LEVEL) {
            if may_pass(pair, LEAST_LEVEL * low_threshold(k, COUNT * rows)) {
                let bar = factor * threshold(k, COUNT * rows) * bars.level(k);
                pair.iter().for_each(|s| offer(s, bar, Kind::Level));
            }
        }
        for (pair, k) in self.variance.iter().zip(VARIANCE) {
            if may_pass(pair, low_threshold(k, COUNT * rows)) {
                let bar = factor * threshold(k, COUNT * rows) * bars.variance();
                offer(&pair[0], bar, Kind::Variance);
                offer(&pair[1], 1.5 * bar, Kind::Variance);
            }
        }
        best
    }
}

/// The threshold of a one-sided sum with slack `k` that is passed falsely once in `rows` of a Gaussian: Siegmund's
/// approximation, (exp(2kb) − 2kb − 1) / 2k² = rows, threshold b − 1.166, solved by one step of iteration.
fn threshold(k: f32, rows: f32) -> f32 {
    let target = (2.0 * k * k * rows).max(8.0);
    let x = target.ln();
    let x = (target + x + 1.0).ln();
    (x / (2.0 * k) - 1.166).max(3.0)
}

/// A little less than [`threshold`]: with the natural logarithm of the power of two below.
fn low_threshold(k: f32, rows: f32) -> f32 {
    let target = (2.0 * k * k * rows).max(8.0);
    let power = (target.to_bits() >> 23) as i32 - 127;
    0.999 * (std::f32::consts::LN_2 * power as f32 / (2.0 * k) - 1.166).max(3.0)
}

/// False drifts per `rows` points of independent noise where `factor` multiplies the bars: one at 1. By the same
/// approximation, in which the time between them grows exponentially with the bar.
pub(super) fn false_rate(rows: f32, factor: f64) -> f64 {
    f64::from(COUNT * rows).max(8.0).powf(1.0 - factor)
}

/// How much real noise raises the bars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bars {
    n: u32,
    /// Mean of e² and of cosh(2e) − what a Gaussian's tail would give, for the cumulant.
    square: f32,
    cosh: f32,
    block: f32,
    filled: u8,
    blocks: u32,
    long_run: f32,
}

/// Weight of one point, at least.
const SLOW: f32 = 0.002;
/// Mean of cosh(2e) of a standard Gaussian: e².
const GAUSS_COSH: f32 = 7.389;

impl Bars {
    /// Learns from an innovation that was judged.
    pub(super) fn learn(&mut self, e: f32) {
        self.n = self.n.saturating_add(1);
        // As if 50 Gaussian points had been seen before.
        let rate = (1.0 / (self.n as f32 + 30.0)).max(SLOW);
        if self.n == 1 {
            (self.square, self.cosh, self.long_run) = (1.0, GAUSS_COSH, 1.0);
        }
        self.square += rate * (e * e - self.square);
        self.cosh += rate * ((2.0 * e).cosh() - self.cosh);
        self.block += e;
        self.filled += 1;
        if self.filled == BLOCK {
            let variance = (self.block * self.block / f32::from(BLOCK)).min(9.0);
            self.blocks += 1;
            let rate = (1.0 / (self.blocks as f32 + 8.0)).max(0.02);
            self.long_run += rate * (variance - self.long_run);
            (self.block, self.filled) = (0.0, 0);
        }
    }

    /// Factor for a sum of the level: near 1 for a Gaussian.
    fn level(&self, k: f32) -> f32 {
        // ln E cosh(2e) is 2 for a Gaussian. Small slacks sum many points: their tails matter less, correlation more.
        let tail = (self.cosh.max(1.0).ln() / 2.0).max(self.square);
        let own = self.square + (tail - self.square) * k.min(1.0);
        own.max(LEAST_LEVEL) * self.misfit()
    }

    /// Factor for a sum of the variance.
    fn variance(&self) -> f32 {
        self.misfit()
    }

    /// How much longer sums of e grow than sums of independent values: 1 where level and lag-one autocorrelation say
    /// all there is, more where a series wanders. The power makes up for bars that grow slower than such sums do; of a
    /// young series more is unknown.
    fn misfit(&self) -> f32 {
        let long = (self.long_run / self.square.max(0.1)).clamp(1.0, 6.0);
        long.powf(1.5) * (1.0 + YOUNG / (self.n as f32 + 20.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarer_false_alarms_and_smaller_slacks_need_higher_bars() {
        for k in LEVEL {
            assert!(threshold(k, 1e5) > threshold(k, 1e4));
        }
        assert!(threshold(0.25, 1e5) > threshold(0.5, 1e5) && threshold(0.5, 1e5) > threshold(1.0, 1e5));
        for k in LEVEL.into_iter().chain(VARIANCE) {
            for rows in [1.0, 50.0, 1e3, 1.3e6, 1e9] {
                assert!(low_threshold(k, rows) < threshold(k, rows), "{k} {rows}");
            }
        }
        // Tabled: k = 0.5, threshold 4 gives about 336 one-sided, 5 gives about 930.
        assert!((threshold(0.5, 336.0) - 4.0).abs() < 0.15 && (threshold(0.5, 930.0) - 5.0).abs() < 0.15);
    }
}
