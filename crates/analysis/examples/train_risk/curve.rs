//! From a score to a probability for every horizon.

use crate::boost::{HORIZONS, Row, fails_within};

/// Share of the rows that do not fail within two horizons above the threshold of the decision, where the curve of a
/// horizon says one half: at [`MIDDLE`] and above. Below it falls with the root of the horizon, as fewer rows fail so soon.
const FALSE_ALARMS: f64 = 0.0175;
pub(crate) const MIDDLE: usize = 3;

/// The curves of all horizons over the same knots, rising with the score and with the horizon.
pub(crate) struct Curves {
    pub(crate) knots: Vec<f32>,
    pub(crate) of_horizon: Vec<Vec<f32>>,
}

impl Curves {
    /// Pools adjacent violators over blocks of rows (Ayer et al. 1955), with one half at the threshold of the decision: a
    /// risk of one half is where alarms are worth their price, not where half of them come true.
    pub(crate) fn fit(rows: &[Row], scores: &[f32]) -> Self {
        let order = ranked(scores);
        let thresholds: Vec<f32> = HORIZONS.iter().map(|h| threshold(rows, scores, &order, *h)).collect();
        let middle = thresholds[MIDDLE];
        let mut knots: Vec<f32> =
            [-9.0, -7.0, -5.0, -4.0, -3.0, -2.0, -1.3, -0.7, 0.5, 1.0, 1.7, 2.5, 3.5, 5.0, 7.0]
                .iter()
                .map(|d| middle + d)
                .chain(thresholds.iter().copied())
                .collect();
        knots.sort_by(f32::total_cmp);
        knots.dedup_by(|a, b| *a - *b < 0.02);
        let mut below = vec![0.0005_f32; knots.len()];
        let mut of_horizon = Vec::new();
        for (horizon, threshold) in HORIZONS.into_iter().zip(&thresholds) {
            let truth = truth(rows, scores, &order, horizon);
            let mut highest = 0.0005_f32;
            let mut curve: Vec<f32> = knots
                .iter()
                .map(|x| {
                    let y = match x - threshold {
                        d if d.abs() < 0.02 => 0.5,
                        d if d < 0.0 => truth(*x).min(0.45),
                        d => truth(*x).max(0.5 + 0.01 * d),
                    };
                    highest = highest.max(y).min(0.985);
                    highest
                })
                .collect();
            for (y, below) in curve.iter_mut().zip(&below) {
                *y = y.max(*below);
            }
            below.clone_from(&curve);
            of_horizon.push(curve);
        }
        Self { knots, of_horizon }
    }

    /// The probability of failing within the horizon of that place.
    pub(crate) fn probability(&self, score: f32, horizon: usize) -> f32 {
        at(&self.knots, &self.of_horizon[horizon], score)
    }
}

/// Straight between knots; beyond their ends it stays.
fn at(knots: &[f32], values: &[f32], x: f32) -> f32 {
    let above = knots.partition_point(|k| *k < x);
    if above == 0 || above == knots.len() {
        return values[above.min(values.len() - 1)];
    }
    let share = (x - knots[above - 1]) / (knots[above] - knots[above - 1]);
    values[above - 1] + share * (values[above] - values[above - 1])
}

/// Rows from the lowest score to the highest.
fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    order
}

/// The score above which the decision within [`MIDDLE`] is to warn.
pub(crate) fn decision(rows: &[Row], scores: &[f32]) -> f32 {
    threshold(rows, scores, &ranked(scores), HORIZONS[MIDDLE])
}

fn threshold(rows: &[Row], scores: &[f32], order: &[usize], horizon: f32) -> f32 {
    let is_ordinary =
        |i: &&usize| rows[**i].family.is_kind() && fails_within(rows[**i].left, horizon) == Some(false);
    let weight = |i: &usize| f64::from(rows[*i].thin);
    let allowed = FALSE_ALARMS
        * f64::from(horizon / HORIZONS[MIDDLE]).min(1.0).sqrt()
        * order.iter().filter(is_ordinary).map(weight).sum::<f64>();
    let mut above = 0.0;
    for i in order.iter().rev().filter(is_ordinary) {
        above += weight(i);
        if above > allowed {
            return scores[*i];
        }
    }
    0.0
}

/// The share of rows of a score that failed within the horizon; rows between one and two horizons did not.
fn truth(rows: &[Row], scores: &[f32], order: &[usize], horizon: f32) -> impl Fn(f32) -> f32 {
    // (sum of weight × label, sum of weight, largest score) of each block, merged while they fall.
    let mut blocks: Vec<(f64, f64, f32)> = Vec::new();
    for chunk in order.chunks(400) {
        let weight = |i: &usize| f64::from(rows[*i].weight());
        let hits: f64 = chunk.iter().filter(|i| rows[**i].left <= horizon).map(weight).sum();
        let mut block =
            (hits, chunk.iter().map(weight).sum::<f64>(), chunk.last().map_or(0.0, |i| scores[*i]));
        while let Some(last) = blocks.last().filter(|l| l.0 / l.1 >= block.0 / block.1) {
            block = (block.0 + last.0, block.1 + last.1, block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    move |x| {
        let at = blocks.partition_point(|b| b.2 < x).min(blocks.len() - 1);
        (blocks[at].0 / blocks[at].1) as f32
    }
}
