//! The learned part of the risk: a small forest of monotone trees over the precursors of a resource.
//!
//! The weights are data ([`weights`]) with a version, printed by the example `train_risk`.

use super::weights;
use crate::precursor::{FIGURES, Precursors, ROLES, Role};
use crate::wear;

/// A tree of depth four: fifteen questions, sixteen answers. The children of question `i` are `2 i + 1` (at most the
/// threshold) and `2 i + 2` (above it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tree {
    /// Figure and threshold of each question.
    pub questions: [(u8, f32); 15],
    /// What each answer adds to the log-odds.
    pub answers: [f32; 16],
}

impl Tree {
    fn answer(&self, figures: &[f32; FIGURES]) -> f32 {
        let mut at = 0;
        for _ in 0..4 {
            let Some((figure, threshold)) = self.questions.get(at) else { return 0.0 };
            let is_above = figures.get(usize::from(*figure)).is_some_and(|v| v > threshold);
            at = 2 * at + 1 + usize::from(is_above);
        }
        self.answers.get(at - 15).copied().unwrap_or(0.0)
    }
}

/// Everything that makes a risk of precursors.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskModel {
    /// Which model this is; told on the model card.
    pub version: &'static str,
    /// Log-odds before any tree.
    pub base: f32,
    /// The trees.
    pub trees: &'static [Tree],
    /// Each figure in ordinary operation: what is not known is taken to be so.
    pub ordinary: &'static [f32],
    /// Log-odds to probability, straight in between: rising in both.
    pub curve: &'static [(f32, f32)],
    /// Log-odds of the wear of a resource without vital signs: a constant, then a weight for each of its figures.
    pub wear: [f32; 1 + wear::FIGURES],
}

/// What the model says, and of what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) probability: f64,
    /// Share of each role in it; they sum to 1, or all are 0.
    pub(crate) shares: [f64; ROLES],
    /// What the log-odds lose once a role is ordinary; 0 where the probability is below [`TOLD`].
    pub(crate) losses: [f64; ROLES],
}

/// From this probability on it is told what drives it.
const TOLD: f64 = 0.01;

/// Log-odds of the wear, fitted by logistic regression (ridge 1) to the 100 engines of NASA's C-MAPSS FD001, which ran
/// to their end: a constant, mean, 15th, 50th and 85th percentile, ln(mean + 0.2), and what the mean gains at two speeds.
const WEAR: [f32; 1 + wear::FIGURES] = [-10.2, -0.814, -0.729, 2.184, 0.0426, 0.568, 3.916, 3.429];

impl RiskModel {
    /// The model that ships.
    pub fn shipped() -> Self {
        Self {
            version: weights::VERSION,
            base: weights::BASE,
            trees: &weights::TREES,
            ordinary: &weights::ORDINARY,
            curve: &weights::CURVE,
            wear: WEAR,
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

    /// The probability alone.
    pub(crate) fn probability(&self, precursors: &Precursors) -> f64 {
        f64::from(self.calibrated(self.log_odds(&self.filled(precursors))))
    }

    /// The probability and what drives it: the share of a role is what the log-odds lose once it is ordinary.
    pub(crate) fn tell(&self, precursors: &Precursors) -> Told {
        let figures = self.filled(precursors);
        let all = self.log_odds(&figures);
        let probability = f64::from(self.calibrated(all));
        let mut shares = [0.0; ROLES];
        if probability >= TOLD {
            for role in Role::ALL.into_iter().filter(|r| precursors.speaks(*r)) {
                let mut without = figures;
                let range = role.range();
                if let (Some(to), Some(from)) = (without.get_mut(range.clone()), self.ordinary.get(range)) {
                    to.copy_from_slice(from);
                }
                shares[role as usize] = f64::from((all - self.log_odds(&without)).max(0.0));
            }
        }
        let losses = shares;
        let sum: f64 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter_mut().for_each(|s| *s /= sum);
        }
        Told { probability, shares, losses }
    }

    fn log_odds(&self, figures: &[f32; FIGURES]) -> f32 {
        self.base + self.trees.iter().map(|t| t.answer(figures)).sum::<f32>()
    }

    /// Through the curve; beyond its ends it stays where it ends.
    fn calibrated(&self, log_odds: f32) -> f32 {
        let Some((first, last)) = self.curve.first().zip(self.curve.last()) else {
            return 1.0 / (1.0 + (-log_odds).exp());
        };
        if log_odds <= first.0 {
            return first.1;
        }
        for pair in self.curve.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            if log_odds <= x1 {
                return y0 + (y1 - y0) * (log_odds - x0) / (x1 - x0).max(1e-6);
            }
        }
        last.1
    }

    /// The probability that a resource without vital signs is at its end within the horizon.
    pub(crate) fn worn(&self, figures: &[f32; wear::FIGURES]) -> f64 {
        let [constant, weights @ ..] = self.wear;
        let odds: f32 = constant + weights.iter().zip(figures).map(|(w, f)| w * f).sum::<f32>();
        f64::from(1.0 / (1.0 + (-odds).exp()))
    }
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
            Precursors { figures, history: 500 }
        })
    }

    proptest! {
        #[test]
        fn it_is_a_probability_and_the_shares_of_its_roles_sum_to_one_or_none(p in precursors()) {
            let told = RiskModel::shipped().tell(&p);
            prop_assert!((0.0..=0.99).contains(&told.probability));
            let sum: f64 = told.shares.iter().sum();
            prop_assert!(told.shares.iter().all(|s| *s >= 0.0) && ((sum - 1.0).abs() < 1e-9 || sum == 0.0));
        }

        #[test]
        fn worse_figures_never_lower_it(p in precursors(), at in 0..FIGURES, more in 0.0..5.0_f32) {
            prop_assume!(at / PER_ROLE != Role::Traffic as usize && p.figures[at].is_finite());
            let mut worse = p;
            worse.figures[at] += more;
            let model = RiskModel::shipped();
            prop_assert!(model.tell(&worse).probability >= model.tell(&p).probability - 1e-4);
        }
    }

    #[test]
    fn the_parts_of_what_ships_fit_together_and_are_quiet_where_nothing_is_known() {
        let model = RiskModel::shipped();
        assert_eq!(model.ordinary.len(), ROLES * PER_ROLE);
        for tree in model.trees {
            assert!(tree.questions.iter().all(|(f, _)| usize::from(*f) < FIGURES), "{tree:?}");
            assert!(tree.answers.iter().all(|a| a.is_finite()), "{tree:?}");
        }
        let rises = |p: &[(f32, f32)]| p[0].0 < p[1].0 && p[0].1 <= p[1].1;
        assert!(model.curve.windows(2).all(rises), "{:?}", model.curve);
        assert!(model.curve.iter().all(|(x, y)| x.is_finite() && (0.0..=1.0).contains(y)));
        let told = model.tell(&Precursors::default());
        assert!(told.probability < 0.05, "{told:?}");
    }
}
