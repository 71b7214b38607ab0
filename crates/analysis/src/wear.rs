//! Wear: how far a resource of which no vital sign is known has moved from its own early life.
//!
//! Each metric is held against its level and its noise over its first sixty points (followed slowly after that). The
//! resource is as worn as its metrics are away on the whole: their order statistics, how far they go the way that they
//! have gone before, and how fast both grow. Neither units nor the order of the metrics matter.

use crate::course::Course;

/// Points of early life.
const EARLY: f32 = 60.0;
/// Weight of a point in what is usual after that, in the present, and in the way that it goes.
const SLOW: f32 = 0.001;
const PRESENT: f32 = 0.125;
const WAY: f32 = 1.0 / 30.0;
/// The furthest that counts, in usual deviations, and the furthest of a single point.
const FAR: f32 = 8.0;
const NEAR: f32 = 4.0;
/// How many points ahead its growth is followed.
const AHEAD: f32 = 30.0;
/// Figures of wear.
pub const FIGURES: usize = 15;

/// Streaming state of one metric.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wear {
    n: u32,
    usual: f64,
    noise: f64,
    present: f64,
    way: f64,
    last: f64,
}

/// How one metric stands, in usual deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stand {
    /// How far its present is away, either way.
    pub(crate) away: f32,
    /// The way it has gone, from −1 to 1.
    way: f32,
    /// Where its newest point is.
    point: f32,
}

impl Wear {
    pub(crate) fn observe(&mut self, value: f64) {
        let value = value.clamp(-1e100, 1e100);
        self.n = self.n.saturating_add(1);
        self.last = value;
        if self.n == 1 {
            (self.usual, self.present, self.way) = (value, value, value);
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
        self.way += f64::from(WAY.max(1.0 / n)) * (value - self.way);
    }

    pub(crate) fn count(&self) -> u32 {
        self.n
    }

    pub(crate) fn stand(&self) -> Stand {
        let resolution = 1e-9 + 1e-7 * self.usual.abs();
        let deviations = |value: f64| ((value - self.usual) / (1.2533 * self.noise + resolution)) as f32;
        Stand {
            away: deviations(self.present).abs().min(FAR),
            way: deviations(self.way).clamp(-1.0, 1.0),
            point: deviations(self.last).clamp(-NEAR, NEAR),
        }
    }
}

/// How the wear of a resource goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decline {
    /// Of the mean distance.
    mean: Course,
    /// Of how far the metrics go the way that they have gone: over all of them, and over those that have gone any.
    along: Course,
    gone: Course,
}

/// How worn a resource is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worn {
    /// How far its metrics are away, which way, and how fast that grows.
    pub figures: [f32; FIGURES],
    /// Seconds between two points: of its fastest metric.
    pub step: f64,
}

impl Decline {
    /// Takes a moment; fewer than three metrics say nothing.
    pub(crate) fn observe(&mut self, stands: &[Stand]) {
        if stands.len() < 3 {
            return;
        }
        let all = stands.len() as f32;
        self.mean.observe(f64::from(stands.iter().map(|s| s.away).sum::<f32>() / all));
        let along: f32 = stands.iter().map(|s| s.way * s.point).sum();
        let ways: f32 = stands.iter().map(|s| s.way.abs()).sum();
        self.along.observe(f64::from(along / all));
        self.gone.observe(f64::from(along / (ways + 1.0)));
    }

    /// The figures of the present; `None` for fewer than three metrics.
    pub(crate) fn figures(&self, stands: &mut [Stand]) -> Option<[f32; FIGURES]> {
        if stands.len() < 3 {
            return None;
        }
        stands.sort_by(|a, b| a.away.total_cmp(&b.away));
        let last = (stands.len() - 1) as f32;
        let at = |q: f32| stands.get((last * q).round() as usize).map_or(0.0, |s| s.away);
        let mean = stands.iter().map(|s| s.away).sum::<f32>() / (last + 1.0);
        let moved = stands.iter().map(|s| (0.5 * s.away).tanh()).sum::<f32>() / (last + 1.0);
        let gain = |course: &Course, speed| course.plain_gain(speed, AHEAD).clamp(-5.0, 5.0);
        let along = self.along.level().clamp(-FAR, FAR);
        Some([
            mean,
            at(0.15),
            at(0.3),
            at(0.5),
            at(0.7),
            at(0.85),
            (mean + 0.2).ln(),
            moved * moved,
            along,
            (along.max(0.0) + 0.2).ln(),
            gain(&self.mean, 1),
            gain(&self.mean, 2),
            gain(&self.along, 1),
            gain(&self.along, 2),
            gain(&self.gone, 2),
        ])
    }
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
        wear.stand().away
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
        let of = |stands: &[f32]| {
            let mut stands: Vec<Stand> =
                stands.iter().map(|a| Stand { away: *a, way: 0.5, point: 2.0 * a }).collect();
            let mut decline = Decline::default();
            decline.observe(&stands);
            decline.figures(&mut stands)
        };
        assert_eq!(of(&[1.0, 2.0]), None);
        assert!(of(&[1.0, 2.0, 0.5, 3.0]).is_some_and(|f| Some(f) == of(&[3.0, 0.5, 2.0, 1.0])));
    }
}
