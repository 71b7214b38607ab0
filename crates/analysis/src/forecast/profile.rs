//! The mean shape of a season: classical decomposition, the long season on what the short one leaves.

use super::Seasons;

/// Mean deviation from the trend at each place of the season.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// One value per row of the short season; empty without season.
    pub(super) short: Vec<f64>,
    /// What the long season adds; empty without long season.
    pub(super) long: Vec<f64>,
}

impl Profile {
    /// No season at all.
    pub(super) const NONE: Self = Self { short: Vec::new(), long: Vec::new() };

    /// Learns from whole history; [`Profile::NONE`] where it is too short for the season.
    pub(super) fn learn(y: &[f64], seasons: Seasons) -> Self {
        let m = seasons.short;
        if m < 2 || y.len() < 2 * m + 2 {
            return Self::NONE;
        }
        let mut rest = detrend(y, m);
        let short = means(&rest, m, |_| 1.0);
        for season in rest.chunks_mut(m) {
            for (value, place) in season.iter_mut().zip(&short) {
                *value -= place;
            }
        }
        let long = if seasons.long > 0 && y.len() >= 2 * seasons.long {
            // A mean of few cycles is shrunk towards none.
            means(&rest, seasons.long, |count| count / (count + 1.5))
        } else {
            vec![0.0; seasons.long]
        };
        Self { short, long }
    }

    /// The values without their season.
    pub(super) fn removed(&self, y: &[f64]) -> Vec<f64> {
        let mut rest = y.to_vec();
        self.add(&mut rest, 0, -1.0);
        rest
    }

    /// Adds the season to values that begin at row `start` of the history.
    pub(super) fn put_back(&self, values: &mut [f64], start: usize) {
        self.add(values, start, 1.0);
    }

    fn add(&self, values: &mut [f64], start: usize, sign: f64) {
        for shape in [&self.short, &self.long] {
            if shape.is_empty() {
                continue;
            }
            let places = shape.iter().cycle().skip(start % shape.len());
            for (value, place) in values.iter_mut().zip(places) {
                *value += sign * place;
            }
        }
    }
}

/// Mean per place of the season, less their mean, times a factor of how often each place was seen.
fn means(y: &[f64], m: usize, shrink: impl Fn(f64) -> f64) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0.0; m], vec![0.0; m]);
    for season in y.chunks(m) {
        for ((sum, count), value) in sum.iter_mut().zip(&mut count).zip(season) {
            *sum += value;
            *count += 1.0;
        }
    }
    for (sum, count) in sum.iter_mut().zip(count) {
        *sum = *sum / f64::max(count, 1.0) * shrink(count);
    }
    let mean = sum.iter().sum::<f64>() / m as f64;
    sum.iter().map(|value| value - mean).collect()
}

/// The values less their centred mean over one season; the ends keep the nearest mean.
fn detrend(y: &[f64], m: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(y.len() + 1);
    let mut sum = 0.0;
    sums.push(0.0);
    for value in y {
        sum += value;
        sums.push(sum);
    }
    let (last, half) = (y.len() - 1, m / 2);
    y.iter()
        .enumerate()
        .map(|(i, value)| {
            let i = i.clamp(half, last - half);
            let trend = if m % 2 == 1 {
                (sums[i + half + 1] - sums[i - half]) / m as f64
            } else {
                // Half weight at both ends: the mean of the two windows of one season around the row.
                let inner = sums[i + half] - sums[i - half + 1];
                (inner + 0.5 * (y[i - half] + y[i + half])) / m as f64
            };
            value - trend
        })
        .collect()
}
