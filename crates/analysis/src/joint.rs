//! How unusual is the combination of the metrics of one resource, whatever each of them says alone?
//!
//! The Mahalanobis distance (1936) of a row from the mean of all rows before it, by their correlations: a pair that
//! always moved together and no longer does is far away although each value is ordinary. Means and co-moments are
//! updated by every row (Welford 1962), the factor by which rows are whitened once a day of five-minute rows. A ridge
//! keeps directions apart that hardly ever varied. State for 38 metrics: 6 kB.

/// Metrics at most; further ones are judged alone only.
pub(crate) const MOST: usize = 38;
/// Rows between two refreshes, and before the first.
const REFRESH: u32 = 288;
/// Added to every variance of the correlations.
const RIDGE: f32 = 0.01;
/// Least share of a row in means and co-moments.
const RATE: f32 = 1.0 / 20_000.0;
/// A metric that varies by less than this share of its size does not vary.
const STILL: f32 = 1e-4;
/// Spreads beyond which one metric is simply far: also what the first move of a metric that never moved counts.
const FAR: f32 = 1e3;

/// Streaming state of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    n: u32,
    origin: Vec<f64>,
    mean: Vec<f32>,
    /// Lower triangle of the co-moments, row by row.
    moments: Vec<f32>,
    /// As last refreshed: means, 1 / spread of each metric, lower triangle of the Cholesky factor of the correlations.
    /// What moved since must not look far because the mean has moved already.
    centre: Vec<f32>,
    scale: Vec<f32>,
    factor: Vec<f32>,
    work: Vec<f32>,
}

impl Joint {
    /// For so many metrics (at most [`MOST`]).
    pub(crate) fn new(metrics: usize) -> Self {
        let m = metrics.min(MOST);
        let triangle = m * (m + 1) / 2;
        Self {
            n: 0,
            origin: vec![0.0; m],
            mean: vec![0.0; m],
            moments: vec![0.0; triangle],
            centre: Vec::new(),
            scale: Vec::new(),
            factor: Vec::new(),
            work: vec![0.0; m],
        }
    }

    /// The distance of a row per square root of the number of metrics (about 1 for an ordinary row; `None` while
    /// nothing is known), then learns it. What is not finite counts as its mean.
    pub(crate) fn observe(&mut self, row: &[f64]) -> Option<f32> {
        if self.n == 0 {
            for (origin, x) in self.origin.iter_mut().zip(row) {
                *origin = if x.is_finite() { *x } else { 0.0 };
            }
        }
        let values = row.iter().zip(&self.origin).zip(&self.mean);
        for (work, ((x, origin), mean)) in self.work.iter_mut().zip(values) {
            let off = ((x - origin) as f32).clamp(-1e15, 1e15) - mean;
            *work = if off.is_finite() { off } else { 0.0 };
        }
        let distance = self.distance();
        self.learn();
        if self.n.is_multiple_of(REFRESH) {
            self.refresh();
        }
        distance
    }

    /// Length of the whitened row: forward substitution.
    fn distance(&self) -> Option<f32> {
        if self.factor.is_empty() {
            return None;
        }
        let m = self.work.len();
        let mut white = [0.0_f32; MOST];
        let mut square = 0.0;
        let mut rows = self.factor.as_slice();
        let reference = self.centre.iter().zip(&self.mean).zip(&self.scale);
        for (i, (off, ((centre, mean), scale))) in self.work.iter().zip(reference).enumerate() {
            let (row, rest) = rows.split_at_checked(i + 1)?;
            rows = rest;
            let (diagonal, before) = row.split_last()?;
            let known: f32 = before.iter().zip(&white).map(|(l, w)| l * w).sum();
            let own = ((off + mean - centre) * scale).clamp(-FAR, FAR);
            let w = (own - known) / diagonal;
            *white.get_mut(i)? = w;
            square += w * w;
        }
        let distance = (square / m.max(1) as f32).sqrt();
        Some(if distance.is_finite() { distance } else { 1e6 })
    }

    fn learn(&mut self) {
        self.n = self.n.saturating_add(1);
        let rate = (1.0 / self.n as f32).max(RATE);
        let keep = 1.0 - rate;
        let mut moments = self.moments.iter_mut();
        for (i, x) in self.work.iter().enumerate() {
            for (y, moment) in self.work.iter().take(i + 1).zip(&mut moments) {
                *moment = keep * (*moment + rate * x * y);
            }
        }
        for (mean, off) in self.mean.iter_mut().zip(&self.work) {
            *mean += rate * off;
        }
    }

    /// Correlations and their Cholesky factor.
    fn refresh(&mut self) {
        let m = self.work.len();
        let at = |i: usize, j: usize| i * (i + 1) / 2 + j;
        let size = |i: usize| (self.origin[i] as f32 + self.mean[i]).abs();
        self.scale = (0..m)
            .map(|i| (1.0 / (self.moments[at(i, i)].max(0.0).sqrt() + STILL * size(i))).min(1e30))
            .collect();
        let mut factor = vec![0.0_f32; self.moments.len()];
        for i in 0..m {
            for j in 0..=i {
                let known: f32 = (0..j).map(|k| factor[at(i, k)] * factor[at(j, k)]).sum();
                let own = self.moments[at(i, j)] * self.scale[i] * self.scale[j];
                factor[at(i, j)] = if i == j {
                    (own + RIDGE - known).max(0.1 * RIDGE).sqrt()
                } else {
                    (own - known) / factor[at(j, j)]
                };
            }
        }
        self.factor = factor;
        self.centre.clone_from(&self.mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wobble(i: u32, k: u32) -> f64 {
        f64::from((i.wrapping_mul(7_919).wrapping_add(k * 104_729)) % 1_009) / 1_009.0 - 0.5
    }

    #[test]
    fn a_broken_correlation_is_far_away_although_each_value_is_ordinary() {
        let mut joint = Joint::new(3);
        for i in 0..600 {
            let load = wobble(i, 1);
            joint.observe(&[10.0 + load, 1e6 * (5.0 + load), wobble(i, 2)]);
        }
        let probe = |x: f64, y: f64| joint.clone().observe(&[10.0 + x, 1e6 * (5.0 + y), 0.0]).unwrap_or(0.0);
        let (usual, broken) = (probe(0.4, 0.4), probe(0.4, -0.4));
        assert!(usual < 1.5 && broken > 3.0 * usual, "{usual} {broken}");
    }

    #[test]
    fn units_and_offsets_do_not_matter() {
        let run = |unit: f64, offset: f64| {
            let mut joint = Joint::new(2);
            let mut last = None;
            for i in 0..700 {
                last = joint.observe(&[wobble(i, 1), offset + unit * (wobble(i, 1) + 0.3 * wobble(i, 2))]);
            }
            last.unwrap_or(0.0)
        };
        assert!((run(1.0, 0.0) - run(1e-6, 0.0)).abs() < 0.02, "{} {}", run(1.0, 0.0), run(1e-6, 0.0));
    }

    #[test]
    fn holes_and_extremes_leave_it_finite() {
        let mut joint = Joint::new(50);
        for i in 0..900_u32 {
            let row: Vec<f64> = (0..50)
                .map(|k| match (i + k) % 7 {
                    0 => f64::NAN,
                    1 => 1e300,
                    2 => -1e300,
                    _ => wobble(i, k),
                })
                .collect();
            assert!(joint.observe(&row).unwrap_or(0.0).is_finite());
        }
    }
}
