//! Has what a model sees changed since it was made? The population stability index (Siddiqi 2006: Credit Risk
//! Scorecards): Σ (now − then) · ln (now / then) over the bins of a figure. Customary reading: below 0.1 as before,
//! 0.1 to 0.25 somewhat moved, above 0.25 another population than the one that was learned from.

use std::time::Duration;

use echobase_types::model::Distribution;

use crate::risk::{Evidence, ROLE_NAMES, log_odds};

/// Bins of a figure, at most.
const BINS: usize = 10;
/// The least share of a bin: empty ones would count without end.
const LEAST: f64 = 0.001;
/// Nothing is said of less time than this: a moment is no population.
const ENOUGH: Duration = Duration::from_secs(3_600);
/// What was seen this long ago counts for half.
const HALF_LIFE: Duration = Duration::from_secs(86_400);

/// The figures that are followed: what is said, and what it is said from.
pub(super) fn figures(evidence: &Evidence, risk: f64) -> impl Iterator<Item = f64> {
    let roles = evidence.roles.map(f64::from);
    let grain = f64::from(super::GRAIN);
    [log_odds(risk), f64::from(evidence.odds)]
        .into_iter()
        .chain(roles)
        .map(move |v| (v / grain).round() * grain)
}

fn names() -> impl Iterator<Item = String> {
    let roles = ROLE_NAMES.iter().map(|r| format!("role {r}"));
    ["risk".to_owned(), "shipped risk".to_owned()].into_iter().chain(roles)
}

/// How the figures were distributed over `(evidence, risk, weight)`: bins between the deciles that differ.
pub(super) fn profile(seen: &[(Evidence, f64, f64)]) -> Vec<Distribution> {
    names()
        .enumerate()
        .map(|(at, name)| {
            let value = |e: &Evidence, risk: f64| figures(e, risk).nth(at).unwrap_or(0.0);
            let mut values: Vec<(f64, f64)> = seen.iter().map(|(e, risk, w)| (value(e, *risk), *w)).collect();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let whole: f64 = values.iter().map(|v| v.1).sum();
            let (mut edges, mut passed): (Vec<f64>, f64) = (Vec::new(), 0.0);
            for (value, weight) in &values {
                passed += weight;
                let due = edges.len() + 1;
                let is_new = edges.last().is_none_or(|last| *value > last + 1e-6);
                if is_new && due < BINS && passed >= whole * due as f64 / BINS as f64 {
                    edges.push(*value);
                }
            }
            let mut shares = vec![0.0; edges.len() + 1];
            for (value, weight) in values {
                if let Some(share) = shares.get_mut(bin(&edges, value)) {
                    *share += weight / whole.max(1e-12);
                }
            }
            Distribution { name, edges, shares }
        })
        .collect()
}

/// The bin of a value; what is on an edge, but for rounding, is below it.
fn bin(edges: &[f64], value: f64) -> usize {
    edges.partition_point(|e| *e + 1e-6 < value)
}

/// The population stability index of one figure: `now` against `then`, both shares of the same bins.
pub fn population_stability(then: &[f64], now: &[f64]) -> f64 {
    let floor = |share: f64| share.max(LEAST);
    then.iter().zip(now).map(|(t, n)| (floor(*n) - floor(*t)) * (floor(*n) / floor(*t)).ln()).sum()
}

/// Counts what a model sees now, in the bins of what it saw while it was made. What was seen a day ago counts for
/// half.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    profile: Vec<Distribution>,
    counts: Vec<Vec<f64>>,
    seconds: f64,
}

impl Tally {
    /// Nothing seen yet.
    pub fn new(profile: Vec<Distribution>) -> Self {
        let counts = profile.iter().map(|d| vec![0.0; d.shares.len()]).collect();
        Self { profile, counts, seconds: 0.0 }
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let kept = 0.5_f64.powf(time.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.counts.iter_mut().flatten().for_each(|c| *c *= kept);
        self.seconds += time.as_secs_f64();
    }

    /// Takes in what was seen of one resource, and the risk that was said.
    pub fn observe(&mut self, evidence: &Evidence, risk: f64) {
        for ((value, distribution), counts) in
            figures(evidence, risk).zip(&self.profile).zip(&mut self.counts)
        {
            if let Some(count) = counts.get_mut(bin(&distribution.edges, value)) {
                *count += 1.0;
            }
        }
    }

    /// The index of each figure, by name; empty until an hour was counted.
    pub fn stability(&self) -> Vec<(&str, f64)> {
        if self.counted() < ENOUGH {
            return Vec::new();
        }
        let each = self.profile.iter().zip(&self.counts).filter_map(|(then, counts)| {
            let whole: f64 = counts.iter().sum();
            let now: Vec<f64> = counts.iter().map(|c| c / whole).collect();
            (whole > 0.0).then(|| (then.name.as_str(), population_stability(&then.shares, &now)))
        });
        each.collect()
    }

    /// For how long it was counted.
    pub fn counted(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.0, 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(odds: impl Fn(u32) -> f32) -> Vec<(Evidence, f64, f64)> {
        (0..1_000)
            .map(|i| {
                let evidence = Evidence {
                    odds: super::super::grained(Evidence { odds: odds(i), ..Evidence::default() }).odds,
                    ..Evidence::default()
                };
                (evidence, 0.01, 1.0)
            })
            .collect()
    }

    fn spread(i: u32) -> f32 {
        (i * 7_919 % 1_000) as f32 / 250.0 - 2.0
    }

    fn after(profile: Vec<Distribution>, seen: &[(Evidence, f64, f64)]) -> f64 {
        let mut tally = Tally::new(profile);
        seen.iter().for_each(|(e, risk, _)| tally.observe(e, *risk));
        assert_eq!(tally.stability(), [], "a moment is no population");
        tally.pass(ENOUGH);
        let told = tally.stability();
        assert_eq!(told.len(), 11);
        told.into_iter().find(|(name, _)| *name == "shipped risk").map_or(f64::NAN, |(_, psi)| psi)
    }

    #[test]
    fn the_same_population_is_stable_and_another_one_is_not() {
        let learned = profile(&seen(spread));
        assert_eq!(learned.len(), 11);
        for d in &learned {
            assert!((d.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && d.shares.len() == d.edges.len() + 1);
            assert!(d.edges.windows(2).all(|w| w[0] < w[1]), "{d:?}");
        }
        let same = after(learned.clone(), &seen(|i| spread(i + 17)));
        let moved = after(learned.clone(), &seen(|i| spread(i) + 0.4));
        let other = after(learned, &seen(|i| 0.2 * spread(i) + 1.8));
        assert!(same < 0.02 && moved > 0.05 && moved < other && other > 0.25, "{same} {moved} {other}");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let learned = profile(&seen(spread));
        let mut tally = Tally::new(learned);
        assert_eq!(tally.stability(), []);
        seen(|_| 2.0).iter().for_each(|(e, r, _)| tally.observe(e, *r));
        tally.pass(Duration::from_secs(20 * 86_400));
        seen(spread).iter().for_each(|(e, r, _)| tally.observe(e, *r));
        assert!(tally.stability().iter().all(|(_, psi)| *psi < 0.02), "{:?}", tally.stability());
        assert_eq!(tally.counted(), Duration::from_secs(20 * 86_400));
    }

    #[test]
    fn the_index_is_that_of_the_definition() {
        let psi = population_stability(&[0.5, 0.5], &[0.25, 0.75]);
        let by_hand = -0.25 * 0.5_f64.ln() + 0.25 * 1.5_f64.ln();
        assert!((psi - by_hand).abs() < 1e-12);
        assert!(population_stability(&[1.0, 0.0], &[0.0, 1.0]).is_finite());
    }
}
