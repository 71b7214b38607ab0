//! Exponential smoothing with two seasons: level, day, week, and a carried share of the last error.
//!
//! Source: Taylor (2003), "Short-term electricity demand forecasting using double seasonal exponential smoothing".

use super::Seasons;
use super::profile::Profile;
use super::smoothing::LEARNED;

/// A fitted model: what it starts from and how fast each part follows.
#[derive(Clone, Debug)]
pub(super) struct TwoSeasons {
    start: State,
    gains: Gains,
}

#[derive(Clone, Debug)]
struct State {
    level: f64,
    /// The short season, and the next row's place in it.
    short: Vec<f64>,
    i: usize,
    /// The long season, empty if there is none, and the next row's place in it.
    long: Vec<f64>,
    j: usize,
    /// What the last row was off, after all parts followed.
    last: f64,
}

/// Of level, short season, long season; and the share of the last error that is carried to the next row.
type Gains = [f64; 4];

const FIRST: Gains = [0.1, 0.05, 0.05, 0.5];
const BOUNDS: [(f64, f64); 4] = [(0.001, 0.99), (0.0005, 0.9), (0.0005, 0.9), (0.0, 0.98)];

impl TwoSeasons {
    /// Learns starting state and gains; `None` without two whole seasons.
    pub(super) fn fit(y: &[f64], seasons: Seasons) -> Option<Self> {
        let m = seasons.short;
        if m < 2 || y.len() < 2 * m + 2 {
            return None;
        }
        let Profile { short, long } = Profile::learn(y, seasons);
        let level = y[..m].iter().sum::<f64>() / m as f64;
        let start = State { level, short, i: 0, long, j: 0, last: 0.0 };
        // Gains are judged on the newest rows, from their own level on.
        let begin = y.len().saturating_sub(LEARNED.max(2 * m));
        let rows = &y[begin..];
        let near = State {
            level: rows[..m].iter().sum::<f64>() / m as f64,
            i: begin % m,
            j: begin % start.long.len().max(1),
            ..start.clone()
        };
        let mut gains = FIRST;
        let mut error = near.clone().follow(rows, gains);
        // Pattern search: each gain up and down by a factor that shrinks.
        for factor in [3.0, 1.6] {
            for _ in 0..2 {
                let before = error;
                for at in 0..gains.len() {
                    if at == 2 && start.long.is_empty() {
                        continue;
                    }
                    for way in [factor, 1.0 / factor] {
                        let tried = moved(gains, at, way);
                        let next = near.clone().follow(rows, tried);
                        if next < error {
                            (error, gains) = (next, tried);
                            break;
                        }
                    }
                }
                if error > before * 0.999 {
                    break;
                }
            }
        }
        Some(Self { start, gains })
    }

    /// Forecasts from each of the rising cuts.
    pub(super) fn forecast(&self, y: &[f64], cuts: &[usize], horizon: usize) -> Vec<Vec<f64>> {
        let mut state = self.start.clone();
        let mut begin = 0;
        let ahead = |cut: &usize| {
            state.follow(y.get(begin..*cut).unwrap_or(&[]), self.gains);
            begin = *cut;
            state.ahead(self.gains, horizon)
        };
        cuts.iter().map(ahead).collect()
    }
}

/// One gain further up (`way` above 1) or down; the carried share moves by its distance to 1.
fn moved(gains: Gains, at: usize, way: f64) -> Gains {
    let mut moved = gains;
    let (low, high) = BOUNDS[at];
    let next = if at == 3 { 1.0 - (1.0 - gains[at]) / way } else { gains[at] * way };
    moved[at] = next.clamp(low, high);
    moved
}

impl State {
    /// Takes rows up; the sum of squared errors one row ahead.
    fn follow(&mut self, rows: &[f64], gains: Gains) -> f64 {
        let [to_level, to_short, to_long, carried] = gains;
        let (mut sum, mut level, mut last) = (0.0, self.level, self.last);
        let (mut i, mut j) = (self.i, self.j);
        let (short, long) = (self.short.as_mut_slice(), self.long.as_mut_slice());
        let (m, n) = (short.len(), long.len());
        let kept = 1.0 - to_level - to_short;
        for value in rows {
            let weekly = if n == 0 { 0.0 } else { long[j] };
            let error = value - (short[i] + weekly) - level - carried * last;
            sum += error * error;
            last = carried * last + kept * error;
            level += to_level * error;
            short[i] += to_short * error;
            // Places wrap by comparison: a division per row would cost more than all the rest.
            i = if i + 1 == m { 0 } else { i + 1 };
            if n > 0 {
                long[j] += to_long * error;
                last -= to_long * error;
                j = if j + 1 == n { 0 } else { j + 1 };
            }
        }
        (self.level, self.last, self.i, self.j) = (level, last, i, j);
        sum
    }

    fn ahead(&self, gains: Gains, horizon: usize) -> Vec<f64> {
        let mut last = self.last;
        let step = |k: usize| {
            last *= gains[3];
            let weekly = if self.long.is_empty() { 0.0 } else { self.long[(self.j + k) % self.long.len()] };
            self.level + self.short[(self.i + k) % self.short.len()] + weekly + last
        };
        (0..horizon).map(step).collect()
    }
}
