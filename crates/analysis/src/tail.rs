//! The tail of a statistic: how surprising is a value of this size?
//!
//! Source: peaks over threshold (Pickands 1975; Siffer et al., "SPOT", KDD 2017). The threshold is the 99 %
//! quantile, followed by a stochastic step; what exceeds it is fitted by a generalised Pareto distribution whose
//! shape (0 to 0.45) and scale come from the first two moments, with old exceedances fading. A heavy tail thereby
//! raises its own bar. Six floats of state for each statistic.

const QUANTILE: f32 = 0.99;
/// Values after which the paces below are reached.
const SETTLED: u32 = 2_500;
/// Share of the threshold in one step of it.
const PACE: f32 = 0.02;
/// Share of a value in the rate of exceedances.
const RATE: f32 = 0.00025;
/// Values between two refreshes of the logarithm of the rate.
const REFRESH: u32 = 16;
/// Exceedances that a tail needs before it speaks: more than this.
const LEAST: f32 = 3.0;

/// The learned tails of `N` statistics (always ≥ 0) of one series, each figure of all of them side by side: what nearly
/// every value asks of a tail is then done for four at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tails<const N: usize> {
    threshold: [f32; N],
    rate: [f32; N],
    /// −log₁₀ of the rate, refreshed now and then: a logarithm costs more than all the rest.
    rarity: [f32; N],
    count: [f32; N],
    mean: [f32; N],
    square: [f32; N],
}

impl<const N: usize> Default for Tails<N> {
    fn default() -> Self {
        let none = [0.0; N];
        Self { threshold: none, rate: none, rarity: none, count: none, mean: none, square: none }
    }
}

impl<const N: usize> Tails<N> {
    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        [&self.threshold, &self.rate, &self.rarity, &self.count, &self.mean, &self.square]
            .iter()
            .fold(0, |sum, figures| sum ^ figures.first().map_or(0, |f| f.to_bits()))
    }

    /// For each statistic −log₁₀ of the probability of a value of at least `z`, after `n` values; 0 while the tail is
    /// unknown.
    pub(crate) fn surprises(&self, z: &[f32; N], n: u32) -> [f32; N] {
        let mut surprises = [0.0; N];
        if n <= 30 {
            return surprises;
        }
        if judge_within(&mut surprises, z, &self.threshold, &self.rarity, &self.count) {
            for (at, &z) in z.iter().enumerate() {
                let is_within = z <= self.threshold[at];
                if !is_within && self.is_known(at) {
                    surprises[at] = self.beyond(at, z);
                }
            }
        }
        surprises
    }

    /// The surprise of a value beyond the threshold.
    fn beyond(&self, at: usize, z: f32) -> f32 {
        let (mean, square) = (self.mean[at], self.square[at]);
        let spread = (square - mean * mean).max(1e-9 * mean * mean + f32::MIN_POSITIVE);
        let shape = (0.5 * (1.0 - mean * mean / spread)).clamp(0.0, 0.45);
        let excess = (z - self.threshold[at]) / (mean * (1.0 - shape)).max(1e-9);
        let log_tail = if shape < 1e-4 { -excess } else { -(1.0 + shape * excess).ln() / shape };
        self.rarity[at] - log_tail / std::f32::consts::LN_10
    }

    /// Whether enough was exceeded for `surprises` to speak of this statistic.
    pub(crate) fn is_known(&self, at: usize) -> bool {
        self.count[at] > LEAST
    }

    /// Learns the `n`-th value of each statistic.
    pub(crate) fn learn(&mut self, z: &[f32; N], n: u32) {
        let pace = if n < SETTLED { (1.0 / (n as f32 + 1.0).sqrt()).max(PACE) } else { PACE };
        let rate = if n < SETTLED { (1.0 / (n as f32 + 2.0)).max(RATE) } else { RATE };
        let any_above = follow(&mut self.threshold, &mut self.rate, z, pace, rate);
        let refresh = n.is_multiple_of(REFRESH);
        if !any_above && !refresh {
            return;
        }
        for (at, &z) in z.iter().enumerate() {
            let is_above = z > self.threshold[at];
            if is_above {
                self.exceed(at, z);
            }
            if is_above || refresh {
                self.rarity[at] = -self.rate[at].max(1e-4).log10();
            }
        }
    }

    /// Learns by how much `z` exceeds the threshold.
    fn exceed(&mut self, at: usize, z: f32) {
        let count = (self.count[at] + 1.0).min(1e6);
        let mut excess = z - self.threshold[at];
        if count > 10.0 {
            excess = excess.min(20.0 * self.mean[at] + 1e-9);
        }
        let share = (1.0 / count).max(0.01);
        self.mean[at] += share * (excess - self.mean[at]);
        self.square[at] += share * (excess * excess - self.square[at]);
        self.count[at] = count;
    }
}

// Slices, not arrays: loops of known length are unrolled, others are done for four values at a time.

/// The surprises of values below their threshold; whether some are not below it.
#[inline(never)]
fn judge_within(surprises: &mut [f32], z: &[f32], threshold: &[f32], rarity: &[f32], count: &[f32]) -> bool {
    let mut beyond = 0;
    let known = threshold.iter().zip(rarity).zip(count);
    for ((surprise, z), ((threshold, rarity), count)) in surprises.iter_mut().zip(z).zip(known) {
        let within = 0.3 * z / at_least(*threshold, 1e-9) * rarity;
        *surprise = if *count <= LEAST { 0.0 } else { within };
        beyond |= i32::from(*z > *threshold) | i32::from(z.is_nan());
    }
    beyond != 0
}

/// Moves thresholds and rates; whether some values exceed their threshold.
#[inline(never)]
fn follow(threshold: &mut [f32], rate: &mut [f32], z: &[f32], pace: f32, share: f32) -> bool {
    let mut any = 0;
    for ((threshold, rate), z) in threshold.iter_mut().zip(rate).zip(z) {
        let step = at_least(*threshold, 1e-3) * pace;
        let (up, down) = (*threshold + step * QUANTILE, at_least(*threshold - step * (1.0 - QUANTILE), 1e-3));
        *threshold = if *z > *threshold { up } else { down };
        let is_above = *z > *threshold;
        *rate += share * (if is_above { 1.0 } else { 0.0 } - *rate);
        any |= i32::from(is_above);
    }
    any != 0
}

/// The same as `max` where `least` is a number, in one instruction.
fn at_least(x: f32, least: f32) -> f32 {
    if x > least { x } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equally spread quantiles of the standard exponential, in a scrambled order.
    fn exponential(n: u32) -> impl Iterator<Item = f32> {
        (0..n).map(move |i| -(1.0 - ((i * 7_919 % n) as f32 + 0.5) / n as f32).ln())
    }

    #[test]
    fn surprise_is_the_order_of_magnitude_of_the_tail_probability() {
        let mut tail = Tails::<1>::default();
        for (i, z) in exponential(4_999).enumerate() {
            tail.learn(&[z], i as u32);
        }
        // P(Z > 9.21) = 1e-4, P(Z > 13.8) = 1e-6 for the exponential; the fit is generous to heavy tails.
        for (z, low, high) in [(9.21, 2.5, 4.6), (13.8, 3.3, 7.0)] {
            let s = tail.surprises(&[z], 5_000)[0];
            assert!((low..high).contains(&s), "{z}: {s}");
        }
    }

    #[test]
    fn surprise_never_falls_when_the_value_grows() {
        let mut tail = Tails::<1>::default();
        for (i, z) in exponential(997).enumerate() {
            tail.learn(&[z], i as u32);
        }
        let mut last = 0.0;
        for i in 0..2_000 {
            let s = tail.surprises(&[i as f32 * 0.05], 1_000)[0];
            assert!(s.is_finite() && s >= last - 1e-5, "{i}: {s} after {last}");
            last = s;
        }
    }

    #[test]
    fn an_unknown_tail_says_nothing() {
        let mut tail = Tails::<1>::default();
        assert_eq!(tail.surprises(&[1e30], 1_000), [0.0]);
        tail.learn(&[0.0], 0);
        assert_eq!(tail.surprises(&[5.0], 1_000), [0.0]);
        assert!(!tail.is_known(0));
    }
}
