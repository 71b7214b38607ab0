//! Split-conformal intervals: as wide as the back-test's errors were, by distance ahead.
//!
//! Errors at step k are divided by k^b, b from the back-test itself, so that all steps share one quantile (Vovk et
//! al. 2005; Lei et al. 2018 for the split form). The runs of a back-test overlap and are few, so their quantile is
//! too small on average: it is widened by 1 + 2/runs, a correction for the runs that were not seen.

/// Share of outcomes that the interval is to hold.
const COVERED: f64 = 0.95;

/// Half widths of the interval by distance ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Width {
    one: f64,
    growth: f64,
}

impl Width {
    /// From the absolute errors of each run, in order of distance ahead; `None` without any.
    pub(super) fn learn(runs: &[Vec<f64>]) -> Option<Self> {
        let growth = growth(runs);
        let mut scaled: Vec<f64> =
            runs.iter().flat_map(|run| run.iter().enumerate().map(|(k, e)| e / at(growth, k))).collect();
        let n = scaled.len();
        let rank = (COVERED * (n + 1) as f64).ceil() as usize;
        let at = rank.clamp(1, n.max(1)) - 1;
        if at >= n {
            return None;
        }
        let quantile = *scaled.select_nth_unstable_by(at, f64::total_cmp).1;
        Some(Self { one: quantile * (1.0 + 2.0 / runs.len() as f64), growth })
    }

    /// Where nothing could be tested: a random walk of the history's mean step.
    pub(super) fn of_steps(y: &[f64]) -> Self {
        let steps = y.len().saturating_sub(1);
        let sum: f64 = y.iter().zip(y.iter().skip(1)).map(|(a, b)| (b - a).abs()).sum();
        let level = y.last().map_or(0.0, |last| last.abs());
        let one = if steps == 0 { level } else { 3.0 * sum / steps as f64 };
        Self { one, growth: 0.5 }
    }

    /// Half width at `step` (0 is the first row ahead).
    pub(super) fn at(self, step: usize) -> f64 {
        self.one * at(self.growth, step)
    }
}

fn at(growth: f64, step: usize) -> f64 {
    ((step + 1) as f64).powf(growth)
}

/// The exponent with which errors grow by distance: slope of log mean error over log distance, 0..=1.
fn growth(runs: &[Vec<f64>]) -> f64 {
    let steps = runs.iter().map(Vec::len).min().unwrap_or(0);
    if steps < 3 {
        return 0.5;
    }
    let means: Vec<f64> = (0..steps).map(|k| runs.iter().map(|run| run[k]).sum::<f64>()).collect();
    let floor = 1e-9 * means.iter().copied().fold(0.0, f64::max) + f64::MIN_POSITIVE;
    let points: Vec<(f64, f64)> =
        means.iter().enumerate().map(|(k, mean)| (((k + 1) as f64).ln(), (mean + floor).ln())).collect();
    let n = steps as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (above, below) = points
        .iter()
        .fold((0.0, 0.0), |(above, below), p| (above + (p.0 - x) * (p.1 - y), below + (p.0 - x) * (p.0 - x)));
    (above / below).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_grow_give_intervals_that_grow() {
        let runs: Vec<Vec<f64>> = (0..8)
            .map(|r| (0..20).map(|k| f64::from(k + 1) * (1.0 + 0.01 * f64::from(r))).collect())
            .collect();
        let width = Width::learn(&runs).unwrap();
        assert!((width.growth - 1.0).abs() < 1e-6, "{width:?}");
        assert!((width.at(19) / width.at(0) - 20.0).abs() < 1e-4);
        assert!(width.at(0) > 1.07 * 1.2 && width.at(0) < 1.07 * 1.3, "{width:?}");
    }

    #[test]
    fn a_single_short_run_and_no_run_at_all_give_finite_widths() {
        assert!(Width::learn(&[vec![0.5]]).unwrap().at(1_000).is_finite());
        assert_eq!(Width::learn(&[]), None);
        assert_eq!(Width::learn(&[vec![]]), None);
        for y in [&[][..], &[3.0], &[1.0, 1.0], &[1.0, 4.0]] {
            assert!(Width::of_steps(y).at(9).is_finite());
        }
    }
}
