//! Wear: how far a resource of which no vital sign is known has moved from its own early life.
//!
//! Each metric is held against its level and its noise over its first forty points (followed slowly after that).
//! The resource is as worn as its metrics are away on the whole: their order statistics, and how fast their mean grows.

/// Points of early life.
const EARLY: f32 = 40.0;
/// Weight of a point in what is usual after that, and in the present.
const SLOW: f32 = 0.001;
const PRESENT: f32 = 0.125;
/// The furthest that counts, in usual deviations.
const FAR: f32 = 8.0;
/// Figures of [`figures`].
pub(crate) const FIGURES: usize = 7;

/// Streaming state of one metric.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wear {
    n: u32,
    usual: f64,
    noise: f64,
    present: f64,
}

impl Wear {
    pub(crate) fn observe(&mut self, value: f64) {
        let value = value.clamp(-1e100, 1e100);
        self.n = self.n.saturating_add(1);
        if self.n == 1 {
            (self.usual, self.present) = (value, value);
            return;
        }
        let n = self.n as f32;
        let is_early = n <= EARLY;
        let rate = f64::from(if is_early { 1.0 / n } else { SLOW });
        let off = value - self.usual;
        let (most, largest) =
            if is_early { (f64::MAX, f64::MAX) } else { (6.0 * self.noise + 1e-12, 3.0 * self.noise) };
        self.noise += rate * (off.abs().min(largest) - self.noise);
        self.usual += rate * off.clamp(-most, most);
        self.present += f64::from(PRESENT.max(1.0 / n)) * (value - self.present);
    }

    pub(crate) fn count(&self) -> u32 {
        self.n
    }

    /// How far the present is away, in usual deviations.
    pub(crate) fn away(&self) -> f32 {
        let resolution = 1e-9 + 1e-7 * self.usual.abs();
        (((self.present - self.usual).abs() / (1.2533 * self.noise + resolution)) as f32).min(FAR)
    }
}

/// The mean and the order statistics of how far metrics are away; `None` for fewer than three.
pub(crate) fn figures(away: &mut [f32]) -> Option<[f32; 5]> {
    if away.len() < 3 {
        return None;
    }
    away.sort_by(f32::total_cmp);
    let at = |q: f32| away.get(((away.len() - 1) as f32 * q).round() as usize).copied().unwrap_or(0.0);
    let mean = away.iter().sum::<f32>() / away.len() as f32;
    Some([mean, at(0.15), at(0.5), at(0.85), (mean + 0.2).ln()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wobble(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 255.0 - 0.5
    }

    fn after(n: u32, f: impl Fn(u32) -> f64) -> f32 {
        let mut wear = Wear::default();
        (0..n).for_each(|i| wear.observe(f(i)));
        wear.away()
    }

    #[test]
    fn what_moves_away_from_its_early_life_is_worn_in_any_unit() {
        let slope = |i: u32| wobble(i) + 0.01 * f64::from(i.max(60) - 60);
        assert!(after(200, wobble) < 1.0 && after(200, slope) > 3.0);
        let (plain, scaled) = (after(200, slope), after(200, |i| 1e6 * slope(i)));
        assert!((plain - scaled).abs() < 1e-3);
        assert_eq!(after(200, |_| 7.0), 0.0);
    }

    #[test]
    fn two_metrics_are_too_few_and_order_does_not_matter() {
        assert_eq!(figures(&mut [1.0, 2.0]), None);
        assert_eq!(figures(&mut [1.0, 2.0, 0.5, 3.0]), figures(&mut [3.0, 0.5, 2.0, 1.0]));
    }
}
