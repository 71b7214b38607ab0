//! Where a figure is heading: level and slope at four speeds, each against what is usual for it.
//!
//! Two means in a row give level and slope of a line that forgets (Brown 1963), here at time constants of 5, 15, 45
//! and 135 points. A slope counts as far as it is larger than the slopes this figure usually has at that speed: a
//! daily swing or a saw-tooth is usual soon, a leak is not. It is believed as far ahead as it was looked at, times
//! three.

/// Time constants in points.
pub(crate) const SPEEDS: [f32; 4] = [5.0, 15.0, 45.0, 135.0];
/// How many usual slopes count for half.
const USUAL: f32 = 2.0;
/// How far ahead a slope is believed, in time constants.
const REACH: f32 = 3.0;
/// Points per block of the memory of heights.
const BLOCK: u16 = 32;
/// Weight of a point in what is usual, at least.
const SLOW: f32 = 0.001;

/// Streaming state of one figure: about 100 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    n: u32,
    once: [f32; 4],
    twice: [f32; 4],
    /// Usual size of the slope per point at each speed.
    usual: [f32; 4],
    /// Long-run mean and mean absolute deviation of the figure.
    mean: f32,
    spread: f32,
    /// The highest level of all blocks before the last four, of each of those, and of this one.
    heights: [f32; 6],
    filled: u16,
}

impl Course {
    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.n ^ self.once[0].to_bits()
    }

    /// Takes a value of the figure; the caller has put it on a scale on which sums make sense.
    pub(crate) fn observe(&mut self, value: f64) {
        let z = (value as f32).clamp(-1e6, 1e6);
        self.n = self.n.saturating_add(1);
        if self.n == 1 {
            (self.once, self.twice, self.mean) = ([z; 4], [z; 4], z);
            self.heights = [z; 6];
            return;
        }
        let n = self.n as f32;
        for ((once, twice), speed) in self.once.iter_mut().zip(&mut self.twice).zip(SPEEDS) {
            let rate = (1.0 / speed).max(2.0 / n).min(0.5);
            *once += rate * (z - *once);
            *twice += rate * (*once - *twice);
        }
        let slopes = [0, 1, 2, 3].map(|k| self.slope(k).abs());
        for ((usual, slope), speed) in self.usual.iter_mut().zip(slopes).zip(SPEEDS) {
            let size = if n < 4.0 * speed { slope } else { slope.min(4.0 * *usual + 1e-9) };
            *usual += (1.0 / n).max(SLOW) * (size - *usual);
        }
        let off = z - self.mean;
        let most = if n < 30.0 { f32::MAX } else { 6.0 * self.spread + 1e-9 };
        self.mean += (1.0 / n).max(SLOW) * off.clamp(-most, most);
        self.spread += (1.0 / n).max(SLOW) * (off.abs().min(most) - self.spread);
        let level = self.level();
        self.heights[5] = if self.filled == 0 { level } else { self.heights[5].max(level) };
        self.filled += 1;
        if self.filled == BLOCK {
            self.heights[0] = self.heights[0].max(self.heights[1]);
            self.heights.copy_within(2.., 1);
            self.filled = 0;
        }
    }

    /// The same where the present were at `value`, with the slopes it has and the past it had.
    pub(crate) fn standing_at(mut self, value: f64) -> Self {
        let by = (value as f32).clamp(-1e6, 1e6) - self.level();
        for mean in self.once.iter_mut().chain(&mut self.twice) {
            *mean += by;
        }
        for height in &mut self.heights[4..] {
            *height += by;
        }
        self
    }

    pub(crate) fn count(&self) -> u32 {
        self.n
    }

    /// The present, over about five points.
    pub(crate) fn level(&self) -> f32 {
        self.once[0]
    }

    /// The long-run mean.
    pub(crate) fn mean(&self) -> f32 {
        self.mean
    }

    /// Slope per point at a speed.
    fn slope(&self, k: usize) -> f32 {
        let rate = (1.0 / SPEEDS[k]).max(2.0 / self.n as f32).min(0.5);
        (self.once[k] - self.twice[k]) * rate / (1.0 - rate)
    }

    /// What the slope at speed `k` adds within `ahead` points, as far as it is unusual and as far as it is believed.
    pub(crate) fn gain(&self, k: usize, ahead: f32) -> f32 {
        let slope = self.slope(k);
        let ratio = slope / (USUAL * self.usual[k] + 1e-9);
        let counts = ratio * ratio / (1.0 + ratio * ratio);
        slope * counts * ahead.min(REACH * SPEEDS[k].min(self.n as f32))
    }

    /// The same without heed of what is usual.
    pub(crate) fn plain_gain(&self, k: usize, ahead: f32) -> f32 {
        self.slope(k) * ahead.min(REACH * SPEEDS[k].min(self.n as f32))
    }

    /// How far the present is above the long-run mean, in long-run spreads.
    pub(crate) fn departure(&self) -> f32 {
        (self.level() - self.mean) / (self.spread + 1e-6)
    }

    /// How far the present is above the long-run mean.
    pub(crate) fn excess(&self) -> f32 {
        self.level() - self.mean
    }

    /// How far the present is above the highest level that was reached more than a block ago.
    pub(crate) fn novelty(&self) -> f32 {
        self.level() - self.heights[0].max(self.heights[1]).max(self.heights[2]).max(self.heights[3])
    }

    /// How far the crest of the last two blocks is above the long-run mean: bursts are seen between themselves.
    pub(crate) fn crest(&self) -> f32 {
        self.heights[4].max(self.heights[5]) - self.mean
    }

    /// What the growth from crest to crest adds within `ahead` points.
    pub(crate) fn crest_gain(&self, ahead: f32) -> f32 {
        if self.n < 4 * u32::from(BLOCK) {
            return 0.0;
        }
        let now = self.heights[4].max(self.heights[5]);
        let before = self.heights[2].max(self.heights[3]);
        (now - before) * (ahead / (2.0 * f32::from(BLOCK))).min(REACH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(n: i32, f: impl Fn(f64) -> f64) -> Course {
        let mut course = Course::default();
        (0..n).for_each(|i| course.observe(f(f64::from(i))));
        course
    }

    #[test]
    fn a_leak_gains_what_it_will_gain_and_a_level_gains_nothing() {
        let leak = after(400, |i| 0.3 + 0.001 * (i - 300.0).max(0.0));
        assert!((leak.plain_gain(1, 40.0) - 0.04).abs() < 0.005, "{}", leak.plain_gain(1, 40.0));
        assert!(leak.gain(2, 60.0) > 0.03 && leak.novelty() > 0.0 && leak.excess() > 0.05);
        let level = after(400, |_| 0.3);
        assert!((0..4).all(|k| level.gain(k, 1_000.0).abs() < 1e-6));
    }

    #[test]
    fn a_swing_that_is_usual_counts_less_than_one_that_is_not() {
        let tooth = |i: f64| 0.3 * (i % 60.0) / 60.0;
        let usual = after(640, tooth);
        let first = after(640, |i| if i < 600.0 { 0.0 } else { tooth(i) });
        assert!(usual.gain(1, 60.0) < 0.75 * first.gain(1, 60.0));
    }

    #[test]
    fn bursts_that_grow_are_seen_between_themselves() {
        let bursts = after(640, |i| if i % 60.0 < 15.0 { 0.001 * i } else { 0.1 });
        assert!(bursts.crest_gain(60.0) > 0.02, "{}", bursts.crest_gain(60.0));
    }

    #[test]
    fn extreme_values_leave_it_finite() {
        let course = after(500, |i| [0.0, 1e300, -1e300, 1e-300][i as usize % 4]);
        let figures = [course.level(), course.excess(), course.departure(), course.novelty(), course.crest()];
        assert!(figures.iter().all(|f| f.is_finite()));
        assert!((0..4).all(|k| course.gain(k, 60.0).is_finite() && course.plain_gain(k, 60.0).is_finite()));
    }
}
