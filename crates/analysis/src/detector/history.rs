//! The series without its seasons: overall level and spread over thousands of values, and what of it was ever seen.

use super::Seen;
use crate::novelty::{self, Novelty};

/// Least share of a value in the overall level, and in the spread and the usual step.
const CENTRE_RATE: f32 = 0.0003;
const SPREAD_RATE: f32 = 0.0002;
/// Values before the logarithm has a unit.
const UNIT: u32 = 6;

/// State of the history. The order of the fields is kept: what every value needs lies together.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct History {
    centre: f32,
    spread: f32,
    mean: f32,
    log_means: [f32; 2],
    step_scale: f32,
    step_variance: f32,
    path: [u32; 2],
    levels: Novelty<4>,
    means: Novelty<4>,
    variances: Novelty<4>,
    paths: Novelty<32>,
}

/// What the history says of one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remark {
    /// Surprise of a mean level or a path of three values that was never seen.
    pub(super) novelty: f32,
    /// Surprise of a level or a variance that was never seen.
    pub(super) spread: f32,
    /// How far the logarithm of the values has moved: its mean over ten values less that over thirty.
    pub(super) log_trend: f32,
}

impl History {
    /// See [`crate::channel::Channel::touch`].
    pub(super) fn touch(&self) -> u32 {
        self.centre.to_bits() ^ self.levels.touch() ^ self.variances.touch() ^ self.paths.touch()
    }

    /// Judges the `n`-th value, `resolution` being the least size that is told apart.
    pub(super) fn judge(&mut self, seen: &Seen, n: u32, resolution: f32) -> Remark {
        let unit = self.spread + resolution;
        let off = logarithm(seen.value - self.centre, unit);
        self.mean += (1.0 / (n as f32 + 1.0)).max(0.1) * (seen.value - self.mean);
        let mean_off = logarithm(self.mean - self.centre, unit);
        let step = seen.value - seen.before;
        self.step_variance += 0.1 * (step * step - self.step_variance);
        let least = resolution * resolution;
        let agility = ((self.step_variance + least) / (self.step_scale * self.step_scale + least)).ln();
        let log = logarithm(seen.size, unit);
        if n <= UNIT {
            self.log_means = [log; 2];
        }
        for (mean, rate) in self.log_means.iter_mut().zip([0.1, 0.03]) {
            *mean += rate * (log - *mean);
        }
        let [near, far] = self.log_means;

        let level = self.levels.enter(novelty::cell(off, 4.0, 256), n);
        let variance = self.variances.enter(novelty::cell(agility, 3.0, 256), n);
        let mean = self.means.enter(novelty::cell(mean_off, 8.0, 256), n);
        let here = novelty::cell(off, 3.0, 37);
        let [last, before_last] = self.path;
        let path = self.paths.enter((here * 37 + last) * 37 + before_last, n);
        self.path = [here, last];
        Remark { novelty: mean.max(path), spread: level.max(variance), log_trend: near - far }
    }

    /// Learns the `n`-th value.
    pub(super) fn learn(&mut self, seen: &Seen, n: u32) {
        let first = 1.0 / (n as f32 + 1.0);
        let clip = |x: f32, at: f32| if n <= 20 { x } else { x.min(8.0 * at + 1e-12) };
        let step = (seen.value - seen.before).abs();
        self.step_scale += first.max(SPREAD_RATE) * (clip(step, self.step_scale) - self.step_scale);
        let limit = if n > 50 { 6.0 * self.spread } else { f32::MAX };
        self.centre += first.max(CENTRE_RATE) * (seen.value - self.centre).clamp(-limit, limit);
        let off = (seen.value - self.centre).abs();
        self.spread += first.max(SPREAD_RATE) * (clip(off, self.spread) - self.spread);
    }
}

/// A logarithm for values of either sign: linear below `unit`, logarithmic above.
pub(super) fn logarithm(value: f32, unit: f32) -> f32 {
    // Below a ten-millionth of the unit it is 0, which is as well.
    (1.0 + value.abs() / unit).ln().copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_odd_and_grows() {
        let mut last = f32::NEG_INFINITY;
        for i in -50..=50 {
            let x = i as f32 * i as f32 * i as f32;
            let log = logarithm(x, 2.0);
            assert!(log > last, "{x}");
            assert!((log + logarithm(-x, 2.0)).abs() < 1e-6);
            last = log;
        }
    }
}
