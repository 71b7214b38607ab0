//! The risk over several horizons: monotone in the horizon, and honest about how far anybody can see.
//!
//! What is said for the configured horizon is not touched. Shorter horizons are held at or below it, longer ones at or
//! above, each against its neighbour: P(failed within h) never falls with h, by construction.
//!
//! Between two horizons the force of failure is taken to be even (the piecewise exponential model of survival: Friedman
//! 1982); from this follows the time by which a failure is as likely as not.

use std::time::Duration;

use echobase_types::assessment::{HorizonRisk, RiskBasis};

use super::force;
use crate::words;

/// The horizons of which every assessment speaks.
pub const HORIZONS: [Duration; 4] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(86_400),
];

/// A trend is believed so many times as far ahead as it was seen; see [`crate::exhaustion`].
const BELIEVED: u32 = 6;

/// What is known of one horizon before it is held against the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rung {
    pub(crate) horizon: Duration,
    pub(crate) probability: f64,
    /// How far ahead the learned model was measured here; `None` where it does not speak.
    pub(crate) reach: Option<Duration>,
    /// For how long the resource was watched.
    pub(crate) watched: Duration,
}

impl Rung {
    fn basis(&self) -> RiskBasis {
        if self.reach.is_some_and(|reach| self.horizon <= reach) {
            RiskBasis::Learned
        } else if self.watched.saturating_mul(BELIEVED) >= self.horizon {
            RiskBasis::Hazards
        } else {
            RiskBasis::Nothing
        }
    }

    fn words(&self) -> String {
        let ahead = words::span(self.horizon);
        match (self.basis(), self.reach) {
            (RiskBasis::Learned, _) => format!("within {ahead}: trends, present harm and the learned model"),
            (RiskBasis::Hazards, Some(reach)) => format!(
                "within {ahead}: trends and present harm alone speak; the learned model was measured up to {} \
                 ahead at these steps",
                words::span(reach)
            ),
            (RiskBasis::Hazards, None) => {
                format!(
                    "within {ahead}: trends and present harm alone speak; the learned model has nothing to go by"
                )
            }
            (RiskBasis::Nothing, _) => format!(
                "within {ahead}: not predictable yet; watched for {}, and a trend is believed {BELIEVED} times as \
                 far ahead as it was seen",
                words::span(self.watched)
            ),
        }
    }
}

/// The horizons held against each other around the configured one, in their order.
pub(crate) fn ladder(rungs: &[Rung], (configured, probability): (Duration, f64)) -> Vec<HorizonRisk> {
    let mut held: Vec<f64> = rungs.iter().map(|r| r.probability).collect();
    let mut above = probability;
    for (p, rung) in held.iter_mut().zip(rungs).rev().filter(|(_, r)| r.horizon <= configured) {
        *p = if rung.horizon == configured { probability } else { p.min(above) };
        above = *p;
    }
    let mut below = probability;
    for (p, _) in held.iter_mut().zip(rungs).filter(|(_, r)| r.horizon > configured) {
        *p = p.max(below);
        below = *p;
    }
    rungs
        .iter()
        .zip(held)
        .map(|(rung, probability)| HorizonRisk {
            horizon: rung.horizon,
            probability,
            basis: rung.basis(),
            words: rung.words(),
        })
        .collect()
}

/// When a failure is as likely as not to have come, within the horizons of which something can be said.
pub(crate) fn likely_in(horizons: &[HorizonRisk]) -> Option<Duration> {
    const HALF: f64 = std::f64::consts::LN_2;
    let (mut from, mut passed) = (0.0, 0.0);
    for rung in horizons.iter().take_while(|h| h.basis.is_predictable()) {
        let (to, reached) = (rung.horizon.as_secs_f64(), force(rung.probability));
        if reached >= HALF {
            let share = (HALF - passed) / (reached - passed).max(1e-12);
            return Some(Duration::from_secs_f64(from + (to - from) * share.clamp(0.0, 1.0)));
        }
        (from, passed) = (to, reached);
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    fn rungs(probabilities: [f64; 4], reach: Option<u64>, watched: u64) -> Vec<Rung> {
        HORIZONS
            .into_iter()
            .zip(probabilities)
            .map(|(horizon, probability)| Rung {
                horizon,
                probability,
                reach: reach.map(Duration::from_secs),
                watched: Duration::from_secs(watched),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn it_never_falls_with_the_horizon_and_leaves_the_configured_one_alone(
            p in prop::array::uniform4(0.01..0.99_f64),
            said in 0.01..0.99_f64,
            configured in prop_oneof![Just(300_u64), Just(900), Just(3_600), Just(86_400), 10..200_000_u64],
        ) {
            let configured = Duration::from_secs(configured);
            let held = ladder(&rungs(p, Some(3_600), 90_000), (configured, said));
            prop_assert!(held.windows(2).all(|w| w[0].probability <= w[1].probability), "{held:?}");
            for rung in &held {
                let is_right = match rung.horizon.cmp(&configured) {
                    std::cmp::Ordering::Less => rung.probability <= said,
                    std::cmp::Ordering::Equal => rung.probability == said,
                    std::cmp::Ordering::Greater => rung.probability >= said,
                };
                prop_assert!(is_right, "{rung:?}");
            }
        }

        #[test]
        fn a_likely_failure_comes_within_the_horizon_that_says_so(p in prop::array::uniform4(0.01..0.99_f64)) {
            let held = ladder(&rungs(p, Some(3_600), 90_000), (HORIZONS[1], p[1]));
            let first = held.iter().find(|h| h.probability >= 0.5 + 1e-9).map(|h| h.horizon);
            match (likely_in(&held), first) {
                (Some(likely), Some(first)) => prop_assert!(likely <= first),
                (None, None) => {}
                (found, expected) => prop_assert!(held.iter().any(|h| (h.probability - 0.5).abs() < 1e-6), "{found:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn who_speaks_depends_on_how_far_was_measured_and_how_long_was_watched() {
        let basis = |reach, watched| -> Vec<&str> {
            ladder(&rungs([0.1; 4], reach, watched), (HORIZONS[1], 0.1))
                .iter()
                .map(|h| h.basis.as_str())
                .collect()
        };
        assert_eq!(basis(Some(3_600), 15_000), ["learned", "learned", "learned", "hazards"]);
        assert_eq!(basis(Some(600), 7_200), ["learned", "hazards", "hazards", "nothing"]);
        assert_eq!(basis(None, 60), ["hazards", "nothing", "nothing", "nothing"]);
        let words = &ladder(&rungs([0.1; 4], Some(600), 7_200), (HORIZONS[1], 0.1))[3].words;
        assert!(words.contains("not predictable yet; watched for 2 h"), "{words}");
    }

    #[test]
    fn nothing_is_likely_beyond_what_can_be_said() {
        let short = ladder(&rungs([0.1, 0.2, 0.3, 0.9], None, 900), (HORIZONS[1], 0.2));
        assert_eq!(likely_in(&short), None, "of a day nothing can be said");
        let long = ladder(&rungs([0.1, 0.2, 0.3, 0.9], None, 90_000), (HORIZONS[1], 0.2));
        assert!(likely_in(&long).is_some_and(|d| d > HORIZONS[2] && d < HORIZONS[3]));
    }
}
