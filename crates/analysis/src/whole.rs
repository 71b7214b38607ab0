//! One verdict for all metrics of a resource, with the metrics that drive it.
//!
//! The mean of the three largest surprises of the metrics, plus a tenth of the surprise of their combination
//! ([`crate::joint`]): metrics that fail together are what an incident looks like, while one odd metric among many is
//! what every week looks like. Onsets, habituation and the budget are those of a single series ([`crate::onset`]); the
//! budget counts for the resource as a whole.

use echobase_types::Timestamp;

use crate::anomaly::{Alarm, Transition};
use crate::detector::{Statistic, Verdict};
use crate::joint::Joint;
use crate::onset::Bar;
use crate::tail::Tails;

/// Metrics whose mean surprise counts, and metrics that are named as drivers.
pub(crate) const DRIVERS: usize = 3;
/// Weight of the surprise of the combination.
const JOINT_WEIGHT: f32 = 0.1;
/// Share of a row in the smoothed score.
const SMOOTHING: f32 = 0.4;

/// Streaming state of a resource as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    joint: Joint,
    tail: Tails<1>,
    rows: u32,
    score: f32,
    pub(crate) alarm: Alarm,
    drivers: [Option<(u32, f32)>; DRIVERS],
}

impl Whole {
    /// For so many metrics.
    pub(crate) fn new(metrics: usize) -> Self {
        Self {
            joint: Joint::new(metrics),
            tail: Tails::default(),
            rows: 0,
            score: 0.0,
            alarm: Alarm::default(),
            drivers: [None; DRIVERS],
        }
    }

    /// Takes the values of one moment and the surprise of each.
    pub(crate) fn observe(
        &mut self,
        values: &[f64],
        surprises: &[f32],
        time: Timestamp,
        bar: &Bar,
    ) -> Option<Transition> {
        self.rank(surprises);
        let loud: f32 = self.drivers.iter().flatten().map(|(_, s)| s).sum::<f32>() / DRIVERS as f32;
        let distance = self.joint.observe(values);
        let mut surprise = loud;
        if let Some(distance) = distance {
            let [far] = self.tail.surprises(&[distance], self.rows);
            surprise += JOINT_WEIGHT * far;
            self.tail.learn(&[distance], self.rows);
            self.rows = self.rows.saturating_add(1);
        }
        let far = (10.0 * distance.unwrap_or(0.1)).max(1.0).ln();
        self.score += SMOOTHING * (loud + far - self.score);
        let verdict = Verdict {
            surprise,
            consensus: surprise,
            expected: 0.0,
            sigma: 1.0,
            statistic: Statistic::Together,
        };
        self.alarm.observe(&verdict, f64::from(surprise), time, bar)
    }

    /// How unusual the present is: the three loudest metrics and the logarithm of the distance, smoothed over about
    /// three rows. At least 0.
    pub(crate) fn score(&self) -> f32 {
        self.score
    }

    /// The loudest metrics of the newest moment (place and surprise), loudest first.
    pub(crate) fn drivers(&self) -> impl Iterator<Item = (u32, f32)> {
        self.drivers.iter().flatten().copied()
    }

    /// Finds the loudest metrics.
    fn rank(&mut self, surprises: &[f32]) {
        self.drivers = [None; DRIVERS];
        for (i, &surprise) in surprises.iter().enumerate() {
            let mut new = Some((i as u32, surprise));
            for place in &mut self.drivers {
                let is_louder = match (*place, new) {
                    (Some((_, known)), Some((_, s))) => s > known,
                    (None, _) => true,
                    (_, None) => false,
                };
                if is_louder {
                    std::mem::swap(place, &mut new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_metrics_are_named_in_order() {
        let mut whole = Whole::new(5);
        let bar = Bar::of_many(60.0, 2.0);
        whole.observe(&[0.0; 5], &[0.1, 4.0, 0.0, 6.0, 5.0], Timestamp::from_secs(0), &bar);
        let drivers: Vec<u32> = whole.drivers().map(|(i, _)| i).collect();
        assert_eq!(drivers, [3, 4, 1]);
        assert!(whole.alarm.open().is_some());
    }

    #[test]
    fn one_odd_metric_among_many_is_not_enough() {
        let mut whole = Whole::new(5);
        let bar = Bar::of_many(60.0, 2.0);
        let changed = whole.observe(&[0.0; 5], &[0.1, 0.2, 0.0, 6.0, 0.3], Timestamp::from_secs(0), &bar);
        assert_eq!(changed, None);
    }
}
