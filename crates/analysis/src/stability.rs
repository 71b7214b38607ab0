//! The stability score.
//!
//! # Formula
//! Each vital sign has a *badness* b ≥ 0: nothing wrong is 0, and its gravity (0.5 to 6) is the most it can be.
//!
//! | vital sign | badness |
//! |---|---|
//! | bounded shares | gravity × s((u − from) / (1 − from)), s(t) = 3t² − 2t³ (head-room; smooth) |
//! | load per processor | gravity × s((load − 1) / 3) |
//! | error ratios | 6 × (1 − exp(−e / 0.12)) |
//! | latency, queue, memory without limit | gravity × (1 − exp(−x / scale)), x = excess of ln(value) over the own normal |
//! | up | 6 × (1 − share of instances that answer); silence counts as not answering |
//! | dependencies | half of the badness of the worst dependency's score in the cycle before, at most 3 |
//!
//! A component c of the four takes B = min(6, (Σ b³)^⅓) over its signs. Its score is exp(−B). The whole is
//!
//! S = exp(−Σ w·B),  w = f·p·exp(B / 6) / Σ f·p·exp(B / 6)
//!
//! over the components that have a sign at all, with the prior weights p = 0.3 resource, 0.3 error, 0.25
//! performance, 0.15 dependency, and the factors f that were learned on this resource, ⅔ to 1½
//! ([`crate::informed`]). So the weights adapt twice: slowly to what was informative here, and at once to what is in
//! trouble, which weighs up to e times as much against the others, never more (with all four known a weight stays within
//! 0.06 and 0.54 while nothing is learned, within 0.02 and 0.73 whatever is).
//!
//! # Properties, each tested
//! Bounded: 0 < S ≤ 1. Continuous: every step above is. Monotone: ∂(Σ wB)/∂B = w·(1 + (B − Σ wB)/6) ≥ 0, because
//! Σ wB ≤ 6 — this is what the choice of weights is for, and it holds for any p and f. Free of units: shares, ratios and logarithms only. Free of
//! order: sums and maxima only. Good news never lowers it: badness is one-sided.
//!
//! # Sources
//! The form exp(−Σ weight × badness) is the design's; the cubic head-room curve is the usual smooth step; saturation
//! against 1 − exp(−e/…) follows the SRE practice that a burning error budget is an emergency long before all fails
//! (Site Reliability Workbook, ch. 5); redescending normals: Hampel 1974.

use echobase_types::SeriesId;
use echobase_types::assessment::{Component, ComponentScore, Reason, Stability, Vital};

use crate::words::{Quantity, number};

/// The most that a badness can be.
pub const WORST: f64 = 6.0;

/// Weights before they adapt, in the order of [`Component::ALL`].
pub const PRIORS: [f64; 4] = [0.3, 0.3, 0.25, 0.15];

/// Where a vital sign counts.
pub const fn component(vital: Vital) -> Option<Component> {
    match vital {
        Vital::CpuUtilization
        | Vital::MemoryUtilization
        | Vital::DiskUtilization
        | Vital::FileDescriptorUtilization
        | Vital::PoolUtilization
        | Vital::LoadPerCpu
        | Vital::MemoryUsage => Some(Component::Resource),
        Vital::ErrorRatio | Vital::Up => Some(Component::Error),
        Vital::LatencyP50 | Vital::LatencyP99 | Vital::QueueLength => Some(Component::Performance),
        Vital::DependencyLatency | Vital::DependencyErrorRatio => Some(Component::Dependency),
        Vital::RequestRate => None,
    }
}

/// How grave the worst of a vital sign is.
const fn gravity(vital: Vital) -> f64 {
    match vital {
        Vital::CpuUtilization | Vital::LoadPerCpu => 3.0,
        Vital::MemoryUtilization
        | Vital::DiskUtilization
        | Vital::FileDescriptorUtilization
        | Vital::ErrorRatio
        | Vital::Up => WORST,
        Vital::PoolUtilization | Vital::LatencyP50 | Vital::LatencyP99 | Vital::DependencyErrorRatio => 5.0,
        Vital::QueueLength | Vital::DependencyLatency => 4.0,
        Vital::MemoryUsage => 1.0,
        Vital::RequestRate => 0.0,
    }
}

/// The share from which on a bounded vital sign is short of head-room.
const fn head_room_from(vital: Vital) -> f64 {
    match vital {
        Vital::DiskUtilization => 0.9,
        Vital::CpuUtilization | Vital::MemoryUtilization => 0.85,
        _ => 0.8,
    }
}

/// How far ln(value) may be above normal before it counts, and how much further is grave; for vital signs that are
/// measured against their own normal.
pub(crate) const fn slack(vital: Vital) -> Option<(f64, f64)> {
    match vital {
        Vital::LatencyP50 | Vital::LatencyP99 | Vital::DependencyLatency => Some((0.4, 1.2)),
        Vital::QueueLength => Some((0.9, 1.5)),
        Vital::MemoryUsage => Some((0.7, 1.0)),
        _ => None,
    }
}

/// How much of the badness of a vital sign points ahead to a failure that is still to come. What has a limit has its own
/// forecast; failed requests are harm already. The factors follow from how often each was followed by a collapse within the
/// horizon in generated runs: a high 99th percentile or a full pool nearly always, a slow dependency rarely.
pub(crate) const fn foreboding(vital: Vital) -> f64 {
    match vital {
        Vital::LatencyP99 | Vital::QueueLength | Vital::PoolUtilization | Vital::DependencyErrorRatio => 1.0,
        Vital::CpuUtilization | Vital::LoadPerCpu => 0.7,
        Vital::LatencyP50 => 0.6,
        Vital::DependencyLatency => 0.5,
        _ => 0.0,
    }
}

fn smooth_step(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Badness of a vital sign with an absolute scale (0 for others). Not a number counts as 0.
pub fn absolute_badness(vital: Vital, value: f64) -> f64 {
    if value.is_nan() {
        return 0.0;
    }
    match vital {
        v if v.is_bounded() => {
            let from = head_room_from(v);
            gravity(v) * smooth_step((value - from) / (1.0 - from))
        }
        Vital::LoadPerCpu => gravity(vital) * smooth_step((value - 1.0) / 3.0),
        Vital::ErrorRatio | Vital::DependencyErrorRatio => {
            gravity(vital) * (1.0 - (-value.clamp(0.0, 1.0) / 0.12).exp())
        }
        Vital::Up => gravity(vital) * (1.0 - value.clamp(0.0, 1.0)),
        _ => 0.0,
    }
}

/// Badness of a vital sign that is measured against its own normal: `excess` is how far ln(value) is above what is
/// usual, `sensitivity` multiplies it.
pub fn relative_badness(vital: Vital, excess: f64, sensitivity: f64) -> f64 {
    let Some((_, scale)) = slack(vital) else { return 0.0 };
    gravity(vital) * (1.0 - (-(excess.max(0.0) * sensitivity) / scale).exp())
}

/// The whole from the badness of the four components (`None`: nothing speaks of it) and the factors that were learned (1
/// where nothing was), and the weights.
///
/// ```
/// use echobase_analysis::stability::combine;
/// let (score, weights) = combine([Some(0.0), Some(5.0), None, None], [1.0; 4]);
/// assert!(score < 0.1);
/// assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
/// assert_eq!(weights[2], 0.0);
/// ```
pub fn combine(badness: [Option<f64>; 4], factors: [f64; 4]) -> (f64, [f64; 4]) {
    let mut weights = [0.0; 4];
    for (i, b) in badness.iter().enumerate() {
        if let Some(b) = b {
            weights[i] = factors[i] * PRIORS[i] * (b.clamp(0.0, WORST) / WORST).exp();
        }
    }
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return (1.0, weights);
    }
    let mut total = 0.0;
    for (weight, b) in weights.iter_mut().zip(badness) {
        *weight /= sum;
        total += *weight * b.unwrap_or(0.0).clamp(0.0, WORST);
    }
    ((-total).exp(), weights)
}

/// One vital sign that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) component: Component,
    pub(crate) badness: f64,
    /// The part of the badness that points ahead to a failure ([`foreboding`]).
    pub(crate) ahead: f64,
    pub(crate) metric: String,
    pub(crate) series: Option<SeriesId>,
    pub(crate) value: f64,
    pub(crate) expected: f64,
    pub(crate) words: String,
}

/// The badness of a component from those of its signs.
pub(crate) fn joined(badness: impl Iterator<Item = f64>) -> Option<f64> {
    let cubes = badness.map(|b| b.powi(3)).reduce(|a, b| a + b)?;
    Some(cubes.cbrt().min(WORST))
}

/// The score with its reasons. `factors` is what was learned of the weights.
pub(crate) fn judge(terms: &[Term], factors: [f64; 4]) -> Stability {
    let total = |component| joined(terms.iter().filter(|t| t.component == component).map(|t| t.badness));
    let badness = Component::ALL.map(total);
    let (score, weights) = combine(badness, factors);
    let weighted: f64 = badness.iter().zip(weights).map(|(b, w)| b.unwrap_or(0.0) * w).sum();
    let lost = 1.0 - score;
    let components = [0, 1, 2, 3].map(|i| {
        let component = Component::ALL[i];
        let own = badness[i].unwrap_or(0.0);
        let of_component: Vec<&Term> =
            terms.iter().filter(|t| t.component == component && t.badness > 0.005).collect();
        let cubes: f64 = of_component.iter().map(|t| t.badness.powi(3)).sum();
        let share = if weighted > 0.0 { lost * weights[i] * own / weighted } else { 0.0 };
        let mut reasons: Vec<Reason> = of_component
            .into_iter()
            .map(|term| Reason {
                metric: term.metric.clone(),
                series: term.series,
                value: term.value,
                expected: term.expected,
                contribution: share * term.badness.powi(3) / cubes.max(1e-300),
                words: term.words.clone(),
            })
            .collect();
        reasons
            .sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then_with(|| a.metric.cmp(&b.metric)));
        reasons.truncate(5);
        ComponentScore { component, score: badness[i].map(|b| (-b).exp()), weight: weights[i], reasons }
    });
    Stability { score, components }
}

/// The sentence of a vital sign that counts.
pub(crate) fn sentence(vital: Vital, metric: &str, value: f64, normal: Option<f64>) -> String {
    let quantity = Quantity::of(vital);
    let shown = quantity.show(value);
    match (vital, normal) {
        (v, _) if v.is_bounded() => format!("{metric} is at {shown} of its limit"),
        (Vital::ErrorRatio, _) => format!("{shown} of requests fail ({metric})"),
        (Vital::DependencyErrorRatio, _) => format!("{shown} of calls to a dependency fail ({metric})"),
        (Vital::Up, _) if value <= 0.0 => format!("it does not answer ({metric})"),
        (Vital::Up, _) => format!("{shown} of its instances answer ({metric})"),
        (Vital::LoadPerCpu, _) => format!("{shown} runnable tasks per processor ({metric})"),
        (_, Some(normal)) if normal > 0.0 && value > 0.0 => {
            format!(
                "{metric} is {shown}, {} times its normal {}",
                number(value / normal),
                quantity.show(normal)
            )
        }
        (_, Some(normal)) => format!("{metric} is {shown}, normal is {}", quantity.show(normal)),
        (_, None) => format!("{metric} is {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn badness() -> impl Strategy<Value = [Option<f64>; 4]> {
        prop::array::uniform4(prop::option::weighted(0.8, 0.0..=WORST))
    }

    proptest! {
        #[test]
        fn the_score_is_bounded_and_the_weights_sum_to_one_within_their_bounds(b in badness()) {
            let (score, weights) = combine(b, [1.0; 4]);
            prop_assert!(score > 0.0 && score <= 1.0);
            let sum: f64 = weights.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9 || (sum == 0.0 && b.iter().all(Option::is_none)));
            if b.iter().all(Option::is_some) {
                prop_assert!(weights.iter().all(|w| (0.06..=0.54).contains(w)), "{weights:?}");
            }
            for (w, b) in weights.iter().zip(b) {
                prop_assert_eq!(*w == 0.0, b.is_none());
            }
        }

        #[test]
        fn more_badness_never_raises_the_score(b in badness(), which in 0_usize..4, more in 0.0..WORST) {
            let mut worse = b;
            if let Some(value) = &mut worse[which] {
                *value = (*value + more).min(WORST);
            }
            prop_assert!(combine(worse, [1.0; 4]).0 <= combine(b, [1.0; 4]).0 + 1e-12);
        }

        #[test]
        fn a_small_change_of_badness_is_a_small_change_of_the_score(b in badness(), which in 0_usize..4) {
            let mut near = b;
            if let Some(value) = &mut near[which] {
                *value = (*value + 1e-4).min(WORST);
            }
            prop_assert!((combine(near, [1.0; 4]).0 - combine(b, [1.0; 4]).0).abs() <= 1e-4);
        }

        #[test]
        fn every_absolute_badness_is_bounded_continuous_and_monotone(
            value in -10.0..10.0_f64, more in 0.0..5.0_f64, at in 0_usize..15,
        ) {
            let vital = Vital::ALL[at];
            let (low, high) = (absolute_badness(vital, value), absolute_badness(vital, value + more));
            prop_assert!((0.0..=WORST).contains(&low));
            if vital == Vital::Up {
                prop_assert!(high <= low);
            } else {
                prop_assert!(high >= low, "{vital:?} {value} {more}");
            }
            prop_assert!((absolute_badness(vital, value + 1e-6) - low).abs() < 1e-3);
        }

        #[test]
        fn every_relative_badness_is_bounded_continuous_and_monotone(
            excess in -5.0..50.0_f64, more in 0.0..5.0_f64, at in 0_usize..15,
        ) {
            let vital = Vital::ALL[at];
            let low = relative_badness(vital, excess, 1.0);
            prop_assert!((0.0..=WORST).contains(&low));
            prop_assert!(relative_badness(vital, excess + more, 1.0) >= low);
            prop_assert!((relative_badness(vital, excess + 1e-6, 1.0) - low).abs() < 1e-3);
        }
    }

    #[test]
    fn a_single_saturated_component_is_clearly_visible_among_four() {
        for i in 0..4 {
            let mut b = [Some(0.0); 4];
            b[i] = Some(5.0);
            let (score, weights) = combine(b, [1.0; 4]);
            assert!(score < 0.3, "{i}: {score} {weights:?}");
        }
    }

    #[test]
    fn the_contributions_of_the_reasons_sum_to_what_is_lost() {
        let term = |component, badness: f64, metric: &str| Term {
            component,
            badness,
            ahead: 0.0,
            metric: metric.into(),
            series: None,
            value: 1.0,
            expected: 0.0,
            words: String::new(),
        };
        let said = judge(
            &[
                term(Component::Error, 3.0, "errors"),
                term(Component::Resource, 1.0, "disk"),
                term(Component::Resource, 0.5, "cpu"),
            ],
            [1.2, 0.8, 1.0, 1.0],
        );
        let sum: f64 = said.components.iter().flat_map(|c| &c.reasons).map(|r| r.contribution).sum();
        assert!((sum - (1.0 - said.score)).abs() < 1e-9, "{sum} {}", said.score);
        assert_eq!(said.components[0].reasons[0].metric, "disk");
        assert_eq!((said.components[2].score, said.components[2].weight), (None, 0.0));
    }

    #[test]
    fn one_not_answering_is_near_zero_even_if_all_else_looks_well() {
        let badness = [Some(0.0), Some(absolute_badness(Vital::Up, 0.0)), Some(0.0), Some(0.0)];
        assert!(combine(badness, [1.0; 4]).0 < 0.05);
        assert!(combine(badness, [1.5, 1.0 / 1.5, 1.5, 1.5]).0 < 0.2, "whatever was learned");
    }
}
