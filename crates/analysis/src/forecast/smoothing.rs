//! Exponential smoothing of what has no season (any more): simple, damped trend, Theta, drift.
//!
//! Parameters are found on the history before the first cut and kept for all cuts, so that a back-test never sees
//! what it is judged on. Sources: Gardner and McKenzie (1985) for the damped trend, Assimakopoulos and Nikolopoulos
//! (2000) with Hyndman and Billah (2003) for Theta.

/// Rows that parameters are learned from at most.
pub(super) const LEARNED: usize = 2_000;

/// Parameters of the smoothers of a series without season.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    simple: f64,
    level: f64,
    trend: f64,
    damping: f64,
}

impl Level {
    /// The parameters with the smallest squared error one row ahead, out of a grid.
    pub(super) fn fit(y: &[f64]) -> Self {
        let y = tail(y);
        let gains: [f64; 19] = std::array::from_fn(|i| (i + 1) as f64 * 0.05);
        let simple = gains[least(&simple_errors(y, &gains))];
        // Level gains 0.1 to 0.9, trend gains up to 0.3 of them, two dampings.
        let grid: [(f64, f64, f64); 40] = std::array::from_fn(|i| {
            let level = 0.1 + 0.2 * (i / 8) as f64;
            (level, level * 0.1 * (i / 2 % 4) as f64, [0.8, 0.95][i % 2])
        });
        let (level, trend, damping) = grid[least(&damped_errors(y, &grid))];
        Self { simple, level, trend, damping }
    }

    /// Forecasts from the end of `y`: simple smoothing, damped trend, Theta, drift.
    pub(super) fn forecast(&self, y: &[f64], horizon: usize) -> [Vec<f64>; 4] {
        let y = tail(y);
        let level = simple(y, self.simple);
        let (last, slope) = damped(y, self.level, self.trend, self.damping);
        let half = 0.5 * line_slope(y);
        let mut grown = 0.0;
        let mut weight = 1.0;
        let damped = (0..horizon)
            .map(|_| {
                weight *= self.damping;
                grown += weight * slope;
                last + grown
            })
            .collect();
        let offset = (1.0 - (1.0 - self.simple).powi(y.len().min(1_000_000) as i32)) / self.simple;
        let theta = (0..horizon).map(|k| level + half * (k as f64 + offset)).collect();
        // The smoothed level lags behind a straight line by the drift over its gain.
        let step = 2.0 * half;
        let drift = (1..=horizon).map(|k| level + step * (k as f64 + 1.0 / self.simple - 1.0)).collect();
        [vec![level; horizon], damped, theta, drift]
    }
}

fn simple(y: &[f64], a: f64) -> f64 {
    let mut level = y.first().copied().unwrap_or(0.0);
    for value in y {
        level += a * (value - level);
    }
    level
}

/// Sums of squared errors of all gains, side by side: one pass, and no gain waits for another.
fn simple_errors<const N: usize>(y: &[f64], gains: &[f64; N]) -> [f64; N] {
    let mut levels = [y.first().copied().unwrap_or(0.0); N];
    let mut sums = [0.0; N];
    for value in y {
        for k in 0..N {
            let error = value - levels[k];
            sums[k] += error * error;
            levels[k] += gains[k] * error;
        }
    }
    sums
}

/// Where a damped trend begins: the first value and the slope of the first rows.
fn start(y: &[f64]) -> (f64, f64) {
    let level = y.first().copied().unwrap_or(0.0);
    (level, y.get(5).map_or(0.0, |then| (then - level) / 5.0))
}

/// Sums of squared errors of all level gains, trend gains and dampings, side by side.
fn damped_errors<const N: usize>(y: &[f64], grid: &[(f64, f64, f64); N]) -> [f64; N] {
    let (level, slope) = start(y);
    let (mut levels, mut slopes, mut sums) = ([level; N], [slope; N], [0.0; N]);
    for value in y.iter().skip(1) {
        for k in 0..N {
            let (a, b, damping) = grid[k];
            let forecast = levels[k] + damping * slopes[k];
            let error = value - forecast;
            sums[k] += error * error;
            levels[k] = forecast + a * error;
            slopes[k] = damping * slopes[k] + b * error;
        }
    }
    sums
}

/// Level and slope at the end.
fn damped(y: &[f64], a: f64, b: f64, damping: f64) -> (f64, f64) {
    let (mut level, mut slope) = start(y);
    for value in y.iter().skip(1) {
        let forecast = level + damping * slope;
        let error = value - forecast;
        level = forecast + a * error;
        slope = damping * slope + b * error;
    }
    (level, slope)
}

fn tail(y: &[f64]) -> &[f64] {
    &y[y.len().saturating_sub(LEARNED)..]
}

/// Place of the smallest.
fn least(values: &[f64]) -> usize {
    values.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at)
}

/// Slope of the least-squares line, per row.
pub(super) fn line_slope(y: &[f64]) -> f64 {
    let n = y.len() as f64;
    if n < 3.0 {
        return 0.0;
    }
    let middle = (n - 1.0) / 2.0;
    let mean = y.iter().sum::<f64>() / n;
    let (mut above, mut below) = (0.0, 0.0);
    for (i, value) in y.iter().enumerate() {
        let t = i as f64 - middle;
        above += t * (value - mean);
        below += t * t;
    }
    above / below
}
