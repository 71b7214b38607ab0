//! The tail of a statistic: how surprising is a value of this size?
//!
//! Source: peaks over threshold (Pickands 1975; Siffer et al., "SPOT", KDD 2017). The threshold is the 99 %
//! quantile, followed by a stochastic step; what exceeds it is fitted by a generalised Pareto distribution whose
//! shape (0 to 0.45) and scale come from the first two moments, with old exceedances fading. A heavy tail thereby
//! raises its own bar. Six floats of state.

const QUANTILE: f32 = 0.99;
/// Values after which the paces below are reached.
const SETTLED: u32 = 2_500;
/// Share of the threshold in one step of it.
const PACE: f32 = 0.02;
/// Share of a value in the rate of exceedances.
const RATE: f32 = 0.00025;
/// Values between two refreshes of the logarithm of the rate.
const REFRESH: u32 = 16;

/// The learned tail of one statistic (always ≥ 0).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tail {
    threshold: f32,
    rate: f32,
    /// −log₁₀ of the rate, refreshed now and then: a logarithm costs more than all the rest.
    rarity: f32,
    mean: f32,
    square: f32,
    count: f32,
}

impl Tail {
    /// −log₁₀ of the probability of a value of at least `z`, after `n` values; 0 while the tail is unknown.
    pub(crate) fn surprise(&self, z: f32, n: u32) -> f32 {
        if n <= 30 || self.count <= 3.0 {
            return 0.0;
        }
        if z <= self.threshold {
            return 0.3 * z / self.threshold.max(1e-9) * self.rarity;
        }
        let spread =
            (self.square - self.mean * self.mean).max(1e-9 * self.mean * self.mean + f32::MIN_POSITIVE);
        let shape = (0.5 * (1.0 - self.mean * self.mean / spread)).clamp(0.0, 0.45);
        let excess = (z - self.threshold) / (self.mean * (1.0 - shape)).max(1e-9);
        let log_tail = if shape < 1e-4 { -excess } else { -(1.0 + shape * excess).ln() / shape };
        self.rarity - log_tail / std::f32::consts::LN_10
    }

    /// Whether enough was exceeded for `surprise` to speak.
    pub(crate) fn is_known(&self) -> bool {
        self.count > 3.0
    }

    /// Learns `z`, the `n`-th value.
    pub(crate) fn learn(&mut self, z: f32, n: u32) {
        let pace = if n < SETTLED { (1.0 / (n as f32 + 1.0).sqrt()).max(PACE) } else { PACE };
        let step = self.threshold.max(1e-3) * pace;
        self.threshold = if z > self.threshold {
            self.threshold + step * QUANTILE
        } else {
            (self.threshold - step * (1.0 - QUANTILE)).max(1e-3)
        };
        let above = z > self.threshold;
        let a = if n < SETTLED { (1.0 / (n as f32 + 2.0)).max(RATE) } else { RATE };
        self.rate += a * (f32::from(u8::from(above)) - self.rate);
        if above {
            self.count = (self.count + 1.0).min(1e6);
            let mut excess = z - self.threshold;
            if self.count > 10.0 {
                excess = excess.min(20.0 * self.mean + 1e-9);
            }
            let b = (1.0 / self.count).max(0.01);
            self.mean += b * (excess - self.mean);
            self.square += b * (excess * excess - self.square);
        }
        if above || n.is_multiple_of(REFRESH) {
            self.rarity = -self.rate.max(1e-4).log10();
        }
    }
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
        let mut tail = Tail::default();
        for (i, z) in exponential(4_999).enumerate() {
            tail.learn(z, i as u32);
        }
        // P(Z > 9.21) = 1e-4, P(Z > 13.8) = 1e-6 for the exponential; the fit is generous to heavy tails.
        for (z, low, high) in [(9.21, 2.5, 4.6), (13.8, 3.3, 7.0)] {
            let s = tail.surprise(z, 5_000);
            assert!((low..high).contains(&s), "{z}: {s}");
        }
    }

    #[test]
    fn surprise_never_falls_when_the_value_grows() {
        let mut tail = Tail::default();
        for (i, z) in exponential(997).enumerate() {
            tail.learn(z, i as u32);
        }
        let mut last = 0.0;
        for i in 0..2_000 {
            let s = tail.surprise(i as f32 * 0.05, 1_000);
            assert!(s.is_finite() && s >= last - 1e-5, "{i}: {s} after {last}");
            last = s;
        }
    }

    #[test]
    fn an_unknown_tail_says_nothing() {
        let mut tail = Tail::default();
        assert_eq!(tail.surprise(1e30, 1_000), 0.0);
        tail.learn(0.0, 0);
        assert_eq!(tail.surprise(5.0, 1_000), 0.0);
        assert!(!tail.is_known());
    }
}
