//! What the deviation of a series is measured from: nothing, or the slow baseline that knows the time of day.

/// Weight of one point in the means and in the errors.
const MEAN: f32 = 0.005;
const ERROR: f32 = 0.01;
/// The baseline is taken when it leaves less than this share of the deviation, and given up when it leaves more.
const TAKE: f32 = 0.6;
const LEAVE: f32 = 0.85;
/// Days before the baseline can know the time of day.
const DAYS: f64 = 1.2;

/// Chooses between the value itself and its deviation from the baseline, whichever is the steadier. A baseline that is
/// still learning the day jumps from one kind of knowledge to another; a plain series needs none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reference {
    origin: f64,
    means: [f32; 2],
    errors: [f32; 2],
    n: u32,
    is_baseline: bool,
}

/// A deviation, and whether what it is measured from is another than before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deviation {
    pub(super) value: f32,
    /// What it is measured from.
    pub(super) from: f64,
    pub(super) is_new: bool,
}

impl Reference {
    /// See [`crate::channel::Channel::touch`].
    pub(super) const fn touch(&self) -> u32 {
        self.n
    }

    /// Whether the deviation is that from the baseline.
    pub(super) const fn is_seasonal(&self) -> bool {
        self.is_baseline
    }

    /// Takes a value and what the baseline expected; `step` in seconds.
    pub(super) fn observe(&mut self, value: f64, expected: f64, step: f64) -> Deviation {
        if self.n == 0 {
            self.origin = value;
        }
        self.n = self.n.saturating_add(1);
        let each = [value - self.origin, value - expected].map(|d| (d as f32).clamp(-1e18, 1e18));
        let first = 1.0 / self.n as f32;
        for ((mean, error), d) in self.means.iter_mut().zip(&mut self.errors).zip(each) {
            *error += first.max(ERROR) * ((d - *mean).abs() - *error);
            *mean += first.max(MEAN) * (d - *mean);
        }
        let bar = if self.is_baseline { LEAVE } else { TAKE };
        let knows_day = f64::from(self.n) * step >= DAYS * 86_400.0;
        let is_baseline = knows_day && self.errors[1] < bar * self.errors[0];
        let is_new = is_baseline != self.is_baseline;
        self.is_baseline = is_baseline;
        if is_baseline {
            Deviation { value: each[1], from: expected, is_new }
        } else {
            Deviation { value: each[0], from: self.origin, is_new }
        }
    }
}
