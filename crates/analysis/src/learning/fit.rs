//! Logistic regression with bounds and a pull to what ships.
//!
//! Minimises Σ w · loss + ½ λ · (κ a² + (b − 1)² + Σ cᵣ²) over b ≥ 0.05 and cᵣ ≥ 0, one coordinate after another by
//! Newton's step cut to the bounds (Hsieh and others 2008; the problem is convex). Without examples the result is the
//! neutral layer. The intercept is pulled little (κ = 0.05): how often things fail differs most between places.

use super::Example;
use super::figures::merged;
use crate::precursor::ROLES;
use crate::risk::RiskLayer;

/// Rounds over the coordinates, and the move below which they end.
const ROUNDS: usize = 400;
const STILL: f64 = 1e-7;
/// How much less the intercept is pulled.
const INTERCEPT: f64 = 0.05;
/// The least and the most of the slope.
const SLOPE: (f64, f64) = (0.05, 5.0);
/// The most of a role.
const MOST: f64 = 3.0;

/// How a layer is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe {
    /// Pull to the neutral layer, in observations.
    pub(super) ridge: f64,
    /// Whether roles may count for more.
    pub(super) roles: Roles,
}

/// Whether roles may count for more than in the shipped model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roles {
    /// No: a recalibration.
    AsShipped,
    /// Yes.
    Learned,
}

const WIDTH: usize = 2 + ROLES;

/// Fits a layer.
pub(super) fn fit(examples: &[Example], recipe: Recipe) -> RiskLayer {
    let rows: Vec<([f64; WIDTH], f64, f64)> = merged(examples).iter().map(row).collect();
    let mut theta = [0.0; WIDTH];
    theta[1] = 1.0;
    let mut odds: Vec<f64> = rows.iter().map(|(x, _, _)| x[1]).collect();
    let width = if recipe.roles == Roles::Learned { WIDTH } else { 2 };
    for _ in 0..ROUNDS {
        let mut most = 0.0_f64;
        for j in 0..width {
            let (pull, (low, high)) = match j {
                0 => (INTERCEPT * recipe.ridge, (-8.0, 8.0)),
                1 => (recipe.ridge, SLOPE),
                _ => (recipe.ridge, (0.0, MOST)),
            };
            let home = if j == 1 { 1.0 } else { 0.0 };
            let (mut gradient, mut curvature) = (pull * (theta[j] - home), pull);
            for ((x, y, w), z) in rows.iter().zip(&odds) {
                let p = 1.0 / (1.0 + (-z).exp());
                gradient += w * (p - y) * x[j];
                curvature += w * p * (1.0 - p) * x[j] * x[j];
            }
            // Newton's step, at most one unit: the curvature of a far point is no guide.
            let step = (-gradient / curvature.max(1e-9)).clamp(-1.0, 1.0);
            let new = (theta[j] + step).clamp(low, high);
            let by = new - theta[j];
            if by != 0.0 {
                for ((x, _, _), z) in rows.iter().zip(&mut odds) {
                    *z += by * x[j];
                }
                theta[j] = new;
            }
            most = most.max(by.abs());
        }
        if most < STILL {
            break;
        }
    }
    let mut roles = [0.0; ROLES];
    roles.copy_from_slice(&theta[2..]);
    RiskLayer { intercept: theta[0], slope: theta[1], roles }
}

fn row(e: &Example) -> ([f64; WIDTH], f64, f64) {
    let mut x = [0.0; WIDTH];
    (x[0], x[1]) = (1.0, f64::from(e.evidence.odds));
    for (to, from) in x[2..].iter_mut().zip(e.evidence.roles) {
        *to = f64::from(from);
    }
    (x, if e.is_before_failure { 1.0 } else { 0.0 }, e.weight)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests may fail loudly")]
    use echobase_types::Timestamp;

    use super::*;
    use crate::risk::Evidence;

    const LEARNED: Recipe = Recipe { ridge: 1.0, roles: Roles::Learned };

    fn example(odds: f32, queue: f32, is_before_failure: bool, weight: f64) -> Example {
        let mut evidence = Evidence { odds, ..Evidence::default() };
        evidence.roles[5] = queue;
        Example { at: Timestamp::EPOCH, evidence, is_before_failure, weight, horizons: weight }
    }

    #[test]
    fn nothing_teaches_nothing() {
        assert_eq!(fit(&[], LEARNED), RiskLayer::NEUTRAL);
    }

    #[test]
    fn what_is_said_too_high_comes_down_to_what_came_true() {
        // Of a risk of 0.88 one in ten came true, of one of 0.12 one in a hundred.
        let all = [
            example(2.0, 0.0, true, 10.0),
            example(2.0, 0.0, false, 90.0),
            example(-2.0, 0.0, true, 5.0),
            example(-2.0, 0.0, false, 495.0),
        ];
        let layer = fit(&all, Recipe { ridge: 0.1, roles: Roles::AsShipped });
        let p = |odds| layer.probability(&Evidence { odds, ..Evidence::default() });
        assert!((p(2.0) - 0.1).abs() < 0.01 && (p(-2.0) - 0.01).abs() < 0.002, "{} {}", p(2.0), p(-2.0));
        assert_eq!(layer.roles, [0.0; ROLES]);
    }

    #[test]
    fn a_role_that_tells_failures_apart_here_counts_for_more_and_one_that_lies_for_nothing() {
        let mut all = Vec::new();
        for i in 0..20 {
            all.push(example(-3.0, 2.0, true, 1.0));
            all.push(example(-3.0, 0.0, false, 10.0));
            all.push(example(-3.0, if i == 0 { 2.0 } else { 0.1 }, false, 1.0));
        }
        let layer = fit(&all, LEARNED);
        assert!(layer.roles[5] > 0.5, "{layer:?}");
        let lying: Vec<Example> =
            all.iter().map(|e| Example { is_before_failure: !e.is_before_failure, ..*e }).collect();
        assert_eq!(fit(&lying, LEARNED).roles[5], 0.0);
    }

    #[test]
    fn few_failures_move_it_less_than_many() {
        let of = |n: f64| [example(-3.0, 0.0, true, n), example(-3.0, 0.0, false, n)];
        let moved = |n| fit(&of(n), LEARNED).log_odds(&Evidence { odds: -3.0, ..Evidence::default() });
        assert!(moved(1.0) < moved(4.0) && moved(4.0) < moved(100.0) && moved(100.0) < 0.1);
    }
}
