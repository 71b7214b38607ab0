//! Exponential smoothing: simple, damped trend, Theta, and the two-season form.
//!
//! Parameters are found on the history before the first cut and kept for all cuts, so that a back-test never sees
//! what it is judged on. Sources: Gardner and McKenzie (1985) for the damped trend, Assimakopoulos and Nikolopoulos
//! (2000) with Hyndman and Billah (2003) for Theta, Taylor (2003) for two seasons with a correction of the last error.

use super::Seasons;
use super::profile::Profile;

/// Rows that parameters are learned from at most, whole cycles apart.
const LEARNED: usize = 2_000;

/// Parameters of the smoothers of a series without season.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    simple: f64,
    level: f64,
    trend: f64,
    damping: f64,
}

impl Level {
    /// The parameters with the smallest squared error one row ahead.
    pub(super) fn fit(y: &[f64]) -> Self {
        let y = &y[y.len().saturating_sub(LEARNED)..];
        let simple = best((1..20).map(|i| f64::from(i) * 0.05), |a| simple_error(y, *a)).unwrap_or(0.5);
        let grid = (1..10).step_by(2).flat_map(|a| {
            (0..4).flat_map(move |b| {
                [0.8, 0.95].map(move |damping| {
                    let level = f64::from(a) * 0.1;
                    (level, level * f64::from(b) * 0.1, damping)
                })
            })
        });
        let (level, trend, damping) =
            best(grid, |(a, b, p)| damped(y, *a, *b, *p).2).unwrap_or((0.5, 0.05, 0.9));
        Self { simple, level, trend, damping }
    }

    /// Forecasts from the end of `y`: simple smoothing, damped trend, Theta, drift.
    pub(super) fn forecast(&self, y: &[f64], horizon: usize) -> [Vec<f64>; 4] {
        let level = simple(y, self.simple);
        let (last, slope, _) = damped(y, self.level, self.trend, self.damping);
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

fn simple_error(y: &[f64], a: f64) -> f64 {
    let mut level = y.first().copied().unwrap_or(0.0);
    let mut sum = 0.0;
    for value in y {
        let error = value - level;
        sum += error * error;
        level += a * error;
    }
    sum
}

/// Level, slope and sum of squared errors.
fn damped(y: &[f64], a: f64, b: f64, damping: f64) -> (f64, f64, f64) {
    let (mut level, mut slope, mut sum) = (y.first().copied().unwrap_or(0.0), 0.0, 0.0);
    if let Some(then) = y.get(5) {
        slope = (then - level) / 5.0;
    }
    for value in y.iter().skip(1) {
        let forecast = level + damping * slope;
        let error = value - forecast;
        sum += error * error;
        level = forecast + a * error;
        slope = damping * slope + b * error;
    }
    (level, slope, sum)
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

fn best<T>(candidates: impl Iterator<Item = T>, error: impl Fn(&T) -> f64) -> Option<T> {
    candidates.map(|c| (error(&c), c)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, c)| c)
}

/// Two-season smoothing: level, short season, long season and the carried share of the last error.
#[derive(Clone, Debug)]
pub(super) struct TwoSeasons {
    seasons: Seasons,
    start: Start,
    gains: [f64; 4],
}

#[derive(Clone, Debug)]
struct Start {
    level: f64,
    short: Vec<f64>,
    long: Vec<f64>,
}

impl TwoSeasons {
    /// Learns starting states and gains; `None` without two whole seasons.
    pub(super) fn fit(y: &[f64], seasons: Seasons) -> Option<Self> {
        let short = seasons.short;
        if short < 2 || y.len() < 2 * short + 2 {
            return None;
        }
        let cycle = seasons.long.max(short);
        let begin = y.len().saturating_sub(LEARNED) / cycle * cycle;
        let y = &y[begin..];
        let profile = Profile::learn(y, seasons);
        let start = Start {
            level: y[..short].iter().sum::<f64>() / short as f64,
            short: profile.short.clone(),
            long: profile.long.clone(),
        };
        let mut fitted = Self { seasons, start, gains: [0.1, 0.05, 0.05, 0.5] };
        let bounds = [(0.001, 0.99), (0.0005, 0.9), (0.0005, 0.9), (0.0, 0.98)];
        let mut error = fitted.run(y, &[], 0).0;
        // Pattern search: each gain up and down by a factor that shrinks.
        for factor in [3.0, 1.6_f64] {
            for _ in 0..2 {
                let before = error;
                for at in 0..4 {
                    if at == 2 && seasons.long == 0 {
                        continue;
                    }
                    for way in [factor, 1.0 / factor] {
                        let old = fitted.gains[at];
                        let (low, high) = bounds[at];
                        fitted.gains[at] = if at == 3 {
                            (1.0 - (1.0 - old) / way).clamp(low, high)
                        } else {
                            (old * way).clamp(low, high)
                        };
                        let next = fitted.run(y, &[], 0).0;
                        if next < error {
                            error = next;
                            break;
                        }
                        fitted.gains[at] = old;
                    }
                }
                if error > before * 0.999 {
                    break;
                }
            }
        }
        Some(fitted)
    }

    /// Forecasts from each of the rising cuts.
    pub(super) fn forecast(&self, y: &[f64], cuts: &[usize], horizon: usize) -> Vec<Vec<f64>> {
        self.run(y, cuts, horizon).1
    }

    /// Mean squared error one row ahead, and the forecasts from each cut.
    fn run(&self, y: &[f64], cuts: &[usize], horizon: usize) -> (f64, Vec<Vec<f64>>) {
        let [a, g, w, carried] = self.gains;
        let Start { mut level, mut short, mut long } = self.start.clone();
        let (mut i, mut j) = (0, 0);
        let (mut last, mut sum) = (0.0_f64, 0.0);
        let mut out = Vec::with_capacity(cuts.len());
        let mut cuts = cuts.iter().peekable();
        for t in 0..=y.len() {
            while cuts.next_if(|cut| **cut == t).is_some() {
                let mut share = 1.0;
                out.push(
                    (0..horizon)
                        .map(|k| {
                            share *= carried;
                            let long = if long.is_empty() { 0.0 } else { long[(j + k) % long.len()] };
                            level + short[(i + k) % short.len()] + long + share * last
                        })
                        .collect(),
                );
            }
            let Some(value) = y.get(t) else { break };
            let weekly = long.get(j).copied().unwrap_or(0.0);
            let error = value - (level + short[i] + weekly + carried * last);
            sum += error * error;
            level += a * error;
            short[i] += g * error;
            if let Some(long) = long.get_mut(j) {
                *long += w * error;
            }
            last = value - (level + short[i] + long.get(j).copied().unwrap_or(0.0));
            // What the states did not take up.
            i = (i + 1) % self.seasons.short;
            j = if long.is_empty() { 0 } else { (j + 1) % long.len() };
        }
        (sum / y.len().max(1) as f64, out)
    }
}
