//! Forecasts out of memory: the same time of earlier seasons, and what followed the most similar stretches.

/// The last season once more.
pub(super) fn seasonal(y: &[f64], m: usize, horizon: usize) -> Option<Vec<f64>> {
    let last = y.get(y.len().checked_sub(m.max(1))?..)?;
    Some((0..horizon).map(|k| last[k % last.len()]).collect())
}

/// The recent seasons, each half as heavy as the one after it, moved to the level of the last.
pub(super) fn recent(y: &[f64], m: usize, horizon: usize) -> Option<Vec<f64>> {
    let seasons = (y.len() / m).min(5);
    if m < 2 || seasons < 1 {
        return None;
    }
    let mut shape = vec![0.0; m];
    let mut level = 0.0;
    let (mut weight, mut total) = (1.0, 0.0);
    for season in 0..seasons {
        let end = y.len() - season * m;
        let rows = &y[end - m..end];
        let mean = rows.iter().sum::<f64>() / m as f64;
        if season == 0 {
            level = mean;
        }
        for (shape, value) in shape.iter_mut().zip(rows) {
            *shape += weight * (value - mean);
        }
        total += weight;
        weight *= 0.5;
    }
    Some((0..horizon).map(|k| level + shape[k % m] / total).collect())
}

/// What followed the stretches most like the last one, moved to its level.
pub(super) fn similar(y: &[f64], length: usize, horizon: usize) -> Option<Vec<f64>> {
    const NEIGHBOURS: usize = 5;
    let n = y.len();
    if length < 4 || n < 3 * length + 2 * horizon {
        return None;
    }
    let own = &y[n - length..];
    let own_mean = own.iter().sum::<f64>() / length as f64;
    let mut nearest: Vec<(f64, usize, f64)> = Vec::with_capacity(NEIGHBOURS + 1);
    let mut sum: f64 = y[..length].iter().sum();
    for end in length..=n - horizon {
        if end > length {
            sum += y[end - 1] - y[end - 1 - length];
        }
        let mean = sum / length as f64;
        let shift = own_mean - mean;
        let worst = if nearest.len() < NEIGHBOURS { f64::INFINITY } else { nearest[NEIGHBOURS - 1].0 };
        let mut distance = 0.0;
        for (x, own) in y[end - length..end].chunks(32).zip(own.chunks(32)) {
            distance += x.iter().zip(own).map(|(x, own)| (own - x - shift) * (own - x - shift)).sum::<f64>();
            if distance >= worst {
                break;
            }
        }
        if distance < worst {
            // Neighbouring stretches are one memory.
            if let Some(near) = nearest.iter_mut().find(|near| near.1.abs_diff(end) < 3) {
                if distance < near.0 {
                    *near = (distance, end, mean);
                }
            } else {
                nearest.push((distance, end, mean));
            }
            nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
            nearest.truncate(NEIGHBOURS);
        }
    }
    let scale = nearest.first()?.0.max(1e-12);
    let mut out = vec![0.0; horizon];
    let mut total = 0.0;
    for (distance, end, mean) in nearest {
        let weight = 1.0 / (distance + scale);
        for (out, value) in out.iter_mut().zip(&y[end..end + horizon]) {
            *out += weight * (value - mean);
        }
        total += weight;
    }
    Some(out.iter().map(|value| own_mean + value / total).collect())
}

/// The middle value at each place of the recent seasons: what a spike or a lost day does not move.
pub(super) fn middle(y: &[f64], m: usize, horizon: usize) -> Option<Vec<f64>> {
    let seasons = (y.len() / m).min(7);
    if m < 2 || seasons < 3 {
        return None;
    }
    let mut values = Vec::with_capacity(seasons);
    let places = horizon.min(m);
    let shape: Vec<f64> = (0..places)
        .map(|k| {
            values.clear();
            values.extend((1..=seasons).filter_map(|back| y.get(y.len() + k - back * m)));
            median(&mut values)
        })
        .collect();
    Some((0..horizon).map(|k| shape[k % m]).collect())
}

/// The middle of the last rows.
pub(super) fn flat(y: &[f64], rows: usize, horizon: usize) -> Option<Vec<f64>> {
    let mut values = y.get(y.len().checked_sub(rows.max(1))?..)?.to_vec();
    Some(vec![median(&mut values); horizon])
}

fn median(values: &mut [f64]) -> f64 {
    let (at, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, middle, _) = values.select_nth_unstable_by(at, f64::total_cmp);
    let middle = *middle;
    if is_odd {
        return middle;
    }
    let below = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * (below + middle)
}
