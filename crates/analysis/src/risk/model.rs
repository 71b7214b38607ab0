//! The learned part of the risk: a small monotone network over the precursors of a resource.
//!
//! The weights are data ([`weights`]) with a version, printed by the example `train_risk`.

use super::network::Network;
use super::{wear_weights, weights};
use crate::precursor::{FIGURES, Precursors, ROLES, Role};
use crate::wear;

/// Neurons of what ships.
pub const NEURONS: usize = 16;

/// What a score says about one horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// The horizon in points.
    pub points: f32,
    /// The probability at each knot of the model.
    pub probabilities: &'static [f32],
}

/// Everything that makes a risk of precursors.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskModel {
    /// Which model this is; told on the model card.
    pub version: &'static str,
    /// Makes the score of the figures: how near a failure is.
    pub network: &'static Network<NEURONS>,
    /// Each figure in ordinary operation: what is not known is taken to be so.
    pub ordinary: &'static [f32],
    /// Scores at which the curves are given; straight in between.
    pub knots: &'static [f32],
    /// Score to probability for each horizon that was learned, shortest first: rising with the score and from one to
    /// the next.
    pub curves: &'static [Curve],
    /// For resources without vital signs.
    pub wear: WearModel,
}

/// What wear says: log-odds of the end within a horizon, by proportional odds (McCullagh 1980).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WearModel {
    /// Horizon in points and its constant, rising in both.
    pub offsets: &'static [(f32, f32)],
    /// A weight for each figure.
    pub weights: [f32; wear::FIGURES],
}

/// What drives a probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    /// Share of each role in it; they sum to 1, or all are 0.
    pub(crate) shares: [f64; ROLES],
    /// What the score loses once a role is ordinary; 0 where the probability is below [`TOLD`].
    pub(crate) losses: [f64; ROLES],
}

/// From this probability on it is told what drives it.
const TOLD: f64 = 0.01;

impl RiskModel {
    /// The model that ships.
    pub fn shipped() -> Self {
        Self {
            version: weights::VERSION,
            network: &weights::NETWORK,
            ordinary: &weights::ORDINARY,
            knots: &weights::KNOTS,
            curves: &weights::CURVES,
            wear: wear_weights::WEAR,
        }
    }

    /// The figures, ordinary where they are not known.
    fn filled(&self, precursors: &Precursors) -> [f32; FIGURES] {
        let mut figures = precursors.figures;
        for (figure, ordinary) in figures.iter_mut().zip(self.ordinary.iter()) {
            if !figure.is_finite() {
                *figure = *ordinary;
            }
        }
        figures
    }

    /// How near a failure is, on the scale of the knots.
    pub(crate) fn score(&self, precursors: &Precursors) -> f32 {
        self.network.score(&self.filled(precursors))
    }

    /// What drives the probability within so many points: the share of a role is what the score loses once it is ordinary.
    pub(crate) fn tell(&self, precursors: &Precursors, points: f64) -> Told {
        let figures = self.filled(precursors);
        let all = self.network.score(&figures);
        let probability = self.within(all, points);
        let mut shares = [0.0; ROLES];
        if probability >= TOLD {
            for role in Role::ALL.into_iter().filter(|r| precursors.speaks(*r)) {
                let mut without = figures;
                let range = role.range();
                if let (Some(to), Some(from)) = (without.get_mut(range.clone()), self.ordinary.get(range)) {
                    to.copy_from_slice(from);
                }
                shares[role as usize] = f64::from((all - self.network.score(&without)).max(0.0));
            }
        }
        let losses = shares;
        let sum: f64 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter_mut().for_each(|s| *s /= sum);
        }
        Told { shares, losses }
    }

    /// The probability of failing within so many points. It never falls with the score nor with the horizon.
    pub(crate) fn within(&self, score: f32, points: f64) -> f64 {
        let learned = self.curves.iter().map(|c| {
            let probability = interpolated(self.knots, c.probabilities, score);
            (f64::from(c.points), f64::from(probability))
        });
        at_horizon(learned, points)
    }

    /// How many points ahead was learned: of vital signs, and of wear.
    pub(crate) fn reach(&self) -> (f64, f64) {
        let last = |points: Option<f32>| f64::from(points.unwrap_or(0.0));
        (last(self.curves.last().map(|c| c.points)), last(self.wear.offsets.last().map(|o| o.0)))
    }

    /// The probability that a resource without vital signs is at its end within so many points. It never falls with the
    /// horizon.
    pub(crate) fn worn_within(&self, figures: &[f32; wear::FIGURES], points: f64) -> f64 {
        let sum: f32 = self.wear.weights.iter().zip(figures).map(|(w, f)| w * f).sum();
        let learned = self.wear.offsets.iter().map(|(points, offset)| {
            let probability = 1.0 / (1.0 + (-(offset + sum)).exp());
            (f64::from(*points), f64::from(probability))
        });
        at_horizon(learned, points)
    }
}

/// The probability at a horizon, from those at the horizons that were learned (points, probability; both rising).
///
/// Between two of them the force of failure, −ln(1 − P), goes straight with the logarithm of the horizon, below the
/// first straight with the horizon itself. Beyond the last it stays: nothing was learned of what lies there, so that what
/// is said is the least.
fn at_horizon(learned: impl Iterator<Item = (f64, f64)>, points: f64) -> f64 {
    let survived = |force: f64| 1.0 - (-force).exp();
    let mut before = None;
    for (to, probability) in learned {
        let force = -(1.0 - probability.min(0.999)).ln();
        let (from, least) = before.unwrap_or((0.0, 0.0));
        if points <= to {
            let share =
                if from > 0.0 { (points / from).ln() / (to / from).ln() } else { points.max(0.0) / to };
            return survived(least + share * (force - least));
        }
        before = Some((to, force.max(least)));
    }
    survived(before.map_or(0.0, |(_, force)| force))
}

/// Straight between the knots; beyond their ends it stays where it ends.
fn interpolated(knots: &[f32], values: &[f32], at: f32) -> f32 {
    let above = knots.partition_point(|k| *k < at);
    let value = |i: usize| values.get(i).or(values.last()).copied().unwrap_or(0.0);
    let Some(below) = above.checked_sub(1).filter(|_| above < knots.len()) else {
        return value(above);
    };
    let share = (at - knots[below]) / (knots[above] - knots[below]).max(1e-6);
    value(below) + share * (value(above) - value(below))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::precursor::PER_ROLE;

    fn precursors() -> impl Strategy<Value = Precursors> {
        prop::collection::vec(prop::option::weighted(0.9, -5.0..5.0_f32), FIGURES).prop_map(|v| {
            let mut figures = [f32::NAN; FIGURES];
            for (to, from) in figures.iter_mut().zip(v) {
                *to = from.unwrap_or(f32::NAN);
            }
            Precursors { figures, history: 500, step: 60.0 }
        })
    }

    fn wear() -> impl Strategy<Value = [f32; wear::FIGURES]> {
        prop::collection::vec(-2.0..8.0_f32, wear::FIGURES).prop_map(|v| {
            let mut figures = [0.0; wear::FIGURES];
            figures.copy_from_slice(&v);
            figures
        })
    }

    proptest! {
        #[test]
        fn the_shares_of_the_roles_sum_to_one_or_none(p in precursors()) {
            let shares = RiskModel::shipped().tell(&p, 60.0).shares;
            let sum: f64 = shares.iter().sum();
            prop_assert!(shares.iter().all(|s| *s >= 0.0) && ((sum - 1.0).abs() < 1e-9 || sum == 0.0));
        }

        #[test]
        fn a_longer_horizon_never_lowers_it(
            p in precursors(), w in wear(), points in 0.0..3_000.0_f64, more in 0.0..3_000.0_f64,
        ) {
            let model = RiskModel::shipped();
            let score = model.score(&p);
            for (less, all) in [
                (model.within(score, points), model.within(score, points + more)),
                (model.worn_within(&w, points), model.worn_within(&w, points + more)),
            ] {
                prop_assert!((0.0..=0.999_001).contains(&less) && all >= less - 1e-12, "{less} {all}");
            }
        }

        #[test]
        fn worse_figures_never_lower_it_at_any_horizon(
            p in precursors(), at in 0..FIGURES, more in 0.0..5.0_f32, points in 1.0..3_000.0_f64,
        ) {
            prop_assume!(at / PER_ROLE != Role::Traffic as usize && p.figures[at].is_finite());
            let mut worse = p;
            worse.figures[at] += more;
            let model = RiskModel::shipped();
            let of = |p: &Precursors| model.within(model.score(p), points);
            prop_assert!(of(&worse) >= of(&p) - 1e-4);
        }
    }

    #[test]
    fn the_parts_of_what_ships_fit_together_and_are_quiet_where_nothing_is_known() {
        let model = RiskModel::shipped();
        assert_eq!(model.ordinary.len(), ROLES * PER_ROLE);
        let network = model.network;
        assert!(network.scale.iter().all(|(middle, spread)| middle.is_finite() && *spread > 0.0));
        assert!(network.shares.iter().all(|s| *s >= 0.0) && network.offsets.iter().all(|o| o.is_finite()));
        for (at, (straight, bent)) in network.straight.iter().zip(&network.weights).enumerate() {
            let may_fall = at / PER_ROLE == Role::Traffic as usize;
            let is_right = |w: &f32| w.is_finite() && (may_fall || *w >= 0.0);
            assert!(is_right(straight) && bent.iter().all(is_right), "figure {at}");
        }
        assert!(model.knots.is_sorted_by(|a, b| a < b), "{:?}", model.knots);
        for curve in model.curves {
            assert_eq!(curve.probabilities.len(), model.knots.len());
            assert!(
                curve.probabilities.is_sorted()
                    && curve.probabilities.iter().all(|p| (0.0..=1.0).contains(p))
            );
        }
        for pair in model.curves.windows(2) {
            assert!(pair[0].points < pair[1].points);
            assert!(pair[0].probabilities.iter().zip(pair[1].probabilities).all(|(a, b)| a <= b));
        }
        assert!(model.wear.offsets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{:?}", model.wear.offsets);
        let nothing = model.score(&Precursors::default());
        assert!(model.within(nothing, 60.0) < 0.05);
    }

    #[test]
    fn between_horizons_the_force_of_failure_is_straight_in_their_logarithm() {
        let learned = || [(10.0, 0.1), (40.0, 0.4)].into_iter();
        assert!((at_horizon(learned(), 10.0) - 0.1).abs() < 1e-12);
        assert!((at_horizon(learned(), 5.0) - (1.0 - 0.9_f64.sqrt())).abs() < 1e-12);
        assert!((at_horizon(learned(), 20.0) - (1.0 - (0.9 * 0.6_f64).sqrt())).abs() < 1e-12);
        assert!((at_horizon(learned(), 1e6) - 0.4).abs() < 1e-12, "nothing was learned of what lies beyond");
    }
}
