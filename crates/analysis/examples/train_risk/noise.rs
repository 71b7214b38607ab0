//! Repeatable noise: the same seed gives the same runs on every machine.

/// A permuted congruential generator (O'Neill 2014).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        let mut noise = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d);
        for _ in 0..4 {
            noise.uniform();
        }
        noise
    }

    /// Between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let x = (self.0 >> 22) ^ self.0;
        let x = (x >> (22 + (self.0 >> 61))) as u32;
        f64::from(x) / f64::from(u32::MAX)
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Between both with an even chance per factor.
    pub(crate) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// Standard normal (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-12), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// How many of many rare events happen where `mean` are expected: Poisson by products (Knuth 1997, 3.4.1), above 30
    /// by the normal that it comes near to.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (floor, mut product, mut count) = ((-mean).exp(), self.uniform(), 0.0);
        while product > floor {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }

    pub(crate) fn is(&mut self, chance: f64) -> bool {
        self.uniform() < chance
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = (self.uniform() * all.len() as f64) as usize;
        all[at.min(all.len() - 1)]
    }
}
