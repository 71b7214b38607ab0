//! Ridge regression on the recent rows and on the same rows of the last seasons, stepped forward row by row.

use super::Seasons;

/// A linear recursion over given distances back.
#[derive(Clone, Debug)]
pub(super) struct Autoregression {
    lags: Vec<usize>,
    weights: Vec<f64>,
    centre: f64,
}

/// How hard the weights are pulled towards the prior, in rows of evidence.
const PULL: f64 = 1.0;

impl Autoregression {
    /// The distances back that a season suggests, as far as the history carries them.
    pub(super) fn lags(seasons: Seasons, rows: usize) -> Vec<usize> {
        let m = seasons.short;
        let mut lags: Vec<usize> = if m > 1 && m <= 26 { (1..=m + 1).collect() } else { (1..=6).collect() };
        if m > 26 {
            lags.extend([m / 24, m / 12, m / 6, m - 2, m - 1, m, m + 1, m + 2]);
        }
        if m > 1 {
            lags.extend([2 * m - 1, 2 * m, 2 * m + 1]);
        }
        if seasons.long > 0 {
            lags.extend([seasons.long - 1, seasons.long, seasons.long + 1]);
        }
        lags.sort_unstable();
        lags.dedup();
        lags.retain(|lag| *lag > 0 && rows > lag + lag / 2 + 20);
        lags
    }

    /// Least squares with a pull towards no weight on any lag but the season's.
    pub(super) fn fit(y: &[f64], seasons: Seasons) -> Option<Self> {
        let lags = Self::lags(seasons, y.len());
        let first = *lags.last()?;
        let p = lags.len();
        let rows = y.len() - first;
        if rows < 2 * p + 10 {
            return None;
        }
        let centre = y.iter().sum::<f64>() / y.len() as f64;
        let spread = y.iter().map(|v| (v - centre) * (v - centre)).sum::<f64>() / y.len() as f64;
        if spread <= 0.0 {
            return None;
        }
        let z: Vec<f64> = y.iter().map(|v| v - centre).collect();
        let dot = |a: usize, b: usize| -> f64 {
            let (x, w) = (&z[first - a..z.len() - a], &z[first - b..z.len() - b]);
            product(x, w)
        };
        let mut matrix = vec![0.0; p * p];
        let mut right = vec![0.0; p];
        for (i, a) in lags.iter().enumerate() {
            for (j, b) in lags.iter().enumerate().take(i + 1) {
                // The product of two lags is that of the two before them, one row earlier: only the ends differ.
                let is_next = j > 0 && lags[i - 1] + 1 == *a && lags[j - 1] + 1 == *b;
                let value = if is_next {
                    let enters = z[first - a] * z[first - b];
                    let leaves = z[z.len() - a] * z[z.len() - b];
                    matrix[(i - 1) * p + j - 1] + enters - leaves
                } else {
                    dot(*a, *b)
                };
                matrix[i * p + j] = value;
                matrix[j * p + i] = value;
            }
            right[i] = dot(*a, 0);
        }
        let ridge = PULL * spread;
        for i in 0..p {
            matrix[i * p + i] += ridge;
        }
        let weights = solve(matrix, right)?;
        Some(Self { lags, weights, centre })
    }

    /// Steps forward from the end of `y`.
    pub(super) fn forecast(&self, y: &[f64], horizon: usize) -> Vec<f64> {
        let reach = self.lags.last().copied().unwrap_or(0).min(y.len());
        let mut z: Vec<f64> = y[y.len() - reach..].iter().map(|v| v - self.centre).collect();
        for _ in 0..horizon {
            let now = z.len();
            let next: f64 = self.lags.iter().zip(&self.weights).map(|(lag, w)| w * z[now - lag]).sum();
            z.push(next);
        }
        z[reach..].iter().map(|v| v + self.centre).collect()
    }
}

/// Sum of products in four lanes, which lets the compiler use wide registers.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (x, y) in left.by_ref().zip(right.by_ref()) {
        for k in 0..8 {
            lanes[k] += x[k] * y[k];
        }
    }
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Solves a symmetric positive system by Cholesky's method; `None` where it is not positive.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let p = b.len();
    for i in 0..p {
        for j in 0..=i {
            let mut sum = a[i * p + j];
            for k in 0..j {
                sum -= a[i * p + k] * a[j * p + k];
            }
            if i == j {
                if sum <= 0.0 || !sum.is_finite() {
                    return None;
                }
                a[i * p + i] = sum.sqrt();
            } else {
                a[i * p + j] = sum / a[j * p + j];
            }
        }
    }
    for i in 0..p {
        let known: f64 = (0..i).map(|k| a[i * p + k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i * p + i];
    }
    for i in (0..p).rev() {
        let known: f64 = (i + 1..p).map(|k| a[k * p + i] * b[k]).sum();
        b[i] = (b[i] - known) / a[i * p + i];
    }
    Some(b)
}
