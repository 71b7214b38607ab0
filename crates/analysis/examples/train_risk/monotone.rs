//! Learns a network that only rises ([`Network`]): by Adam (Kingma and Ba 2015) on the odds of failing within each horizon,
//! P(T ≤ h) = σ(aₕ + score), with what may not fall held at 0 after every step (projected gradient). Without neurons it
//! learns a logistic regression.

use echobase_analysis::precursor::FIGURES;
use echobase_analysis::risk::{Network, bend};

use crate::boost::{COUNTS, HORIZONS, Row, fails_within, is_mute, rises};
use crate::noise::Noise;

const ROUNDS: usize = 10;
const BATCH: usize = 1_024;
const RATE: f32 = 3e-3;
/// Pull of each weight to 0.
const RIDGE: f32 = 2e-4;
/// Rows that fail are few. They count so much of all, so that what is learned is the boundary and not the quiet.
pub(crate) const FAILING: f64 = 0.3;

/// Everything that is learned; also the slope of the loss by it, and the memory of both.
#[derive(Clone)]
struct Parts<const N: usize> {
    weights: [[f32; N]; FIGURES],
    straight: [f32; FIGURES],
    offsets: [f32; N],
    shares: [f32; N],
    odds: [f32; HORIZONS.len()],
}

impl<const N: usize> Parts<N> {
    const NONE: Self = Self {
        weights: [[0.0; N]; FIGURES],
        straight: [0.0; FIGURES],
        offsets: [0.0; N],
        shares: [0.0; N],
        odds: [0.0; HORIZONS.len()],
    };

    fn start(r: &mut Noise) -> Self {
        let mut parts = Self::NONE;
        for weight in parts.weights.iter_mut().flatten() {
            let size = 0.08 * r.normal().abs() as f32;
            *weight = if r.is(0.3) { size } else { 0.0 };
        }
        for (k, offset) in parts.offsets.iter_mut().enumerate() {
            *offset = 4.0 * k as f32 / N as f32 - 3.0;
        }
        parts.shares = [0.3; N];
        parts.odds = [-2.0; HORIZONS.len()];
        parts
    }

    fn all(&mut self) -> impl Iterator<Item = &mut f32> {
        let by_figure = self.weights.as_flattened_mut().iter_mut().chain(&mut self.straight);
        by_figure.chain(&mut self.offsets).chain(&mut self.shares).chain(&mut self.odds)
    }

    /// Holds what may not fall at 0.
    fn hold(&mut self) {
        for (figure, (weights, straight)) in self.weights.iter_mut().zip(&mut self.straight).enumerate() {
            for weight in weights.iter_mut().chain([straight]) {
                if is_mute(figure) {
                    *weight = 0.0;
                } else if rises(figure) {
                    *weight = weight.max(0.0);
                }
            }
        }
        self.shares.iter_mut().for_each(|s| *s = s.max(0.0));
    }
}

/// Learns from rows in which every figure is known.
pub(crate) fn train<const N: usize>(rows: &[Row]) -> Network<N> {
    let mut r = Noise::new(7);
    let mut network = Network {
        scale: scale(rows),
        straight: [0.0; FIGURES],
        weights: [[0.0; N]; FIGURES],
        offsets: [0.0; N],
        shares: [0.0; N],
    };
    let counts = counts(rows.iter().map(|r| (r.left, r.weight())));
    let mut parts = Parts::<N>::start(&mut r);
    let (mut first, mut second) = (Parts::<N>::NONE, Parts::<N>::NONE);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let steps = (ROUNDS * rows.len().div_ceil(BATCH)) as f32;
    let mut step = 0.0_f32;
    for _ in 0..ROUNDS {
        for at in (1..order.len()).rev() {
            order.swap(at, (r.uniform() * (at + 1) as f64) as usize % (at + 1));
        }
        for batch in order.chunks(BATCH) {
            let mut slope = Parts::<N>::NONE;
            (network.weights, network.offsets) = (parts.weights, parts.offsets);
            for &at in batch {
                descend(&network, &parts, &rows[at], &counts, &mut slope);
            }
            step += 1.0;
            let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * step / steps).cos());
            let size = 1.0 / batch.len() as f32;
            let memory = first.all().zip(second.all());
            for ((value, slope), (first, second)) in parts.all().zip(slope.all()).zip(memory) {
                adam(value, slope.mul_add(size, RIDGE * *value), first, second, step, rate);
            }
            parts.hold();
        }
    }
    let Parts { weights, straight, offsets, shares, .. } = parts;
    Network { weights, straight, offsets, shares, ..network }
}

/// One step of Adam.
pub(crate) fn adam(value: &mut f32, slope: f32, first: &mut f32, second: &mut f32, step: f32, rate: f32) {
    *first += 0.1 * (slope - *first);
    *second += 0.001 * (slope * slope - *second);
    let (mean, square) = (*first / (1.0 - 0.9_f32.powf(step)), *second / (1.0 - 0.999_f32.powf(step)));
    *value -= rate * mean / (square.sqrt() + 1e-8);
}

/// Adds the slope of the loss at one row.
fn descend<const N: usize>(
    network: &Network<N>,
    parts: &Parts<N>,
    row: &Row,
    counts: &[(f32, f32); HORIZONS.len()],
    slope: &mut Parts<N>,
) {
    let scaled = network.scaled(&row.figures);
    let heard = network.heard(&scaled);
    let straight: f32 = parts.straight.iter().zip(&scaled).map(|(w, z)| w * z).sum();
    let score = straight + parts.shares.iter().zip(heard).map(|(s, x)| s * bend(x)).sum::<f32>();
    let of_score = asked(score, row.left, row.weight(), &parts.odds, counts, &mut slope.odds);
    let mut of_heard = [0.0; N];
    for k in 0..N {
        let says = bend(heard[k]);
        slope.shares[k] += of_score * says;
        of_heard[k] = of_score * parts.shares[k] * (1.0 - says * says).powf(1.5);
        slope.offsets[k] += of_heard[k];
    }
    for ((z, straight), weights) in scaled.iter().zip(&mut slope.straight).zip(&mut slope.weights) {
        *straight += of_score * z;
        for (weight, heard) in weights.iter_mut().zip(&of_heard) {
            *weight += heard * z;
        }
    }
}

/// The slope of the loss by the score of a row, over all horizons; that by the odds of each is added to `of_odds`.
pub(crate) fn asked(
    score: f32,
    left: f32,
    weight: f32,
    odds: &[f32; HORIZONS.len()],
    counts: &[(f32, f32); HORIZONS.len()],
    of_odds: &mut [f32; HORIZONS.len()],
) -> f32 {
    let mut all = 0.0;
    for (k, horizon) in HORIZONS.into_iter().enumerate() {
        let Some(fails) = fails_within(left, horizon) else { continue };
        let said = 1.0 / (1.0 + (-(score + odds[k])).exp());
        let (count, truth) = if fails { (counts[k].0, 1.0) } else { (counts[k].1, 0.0) };
        let slope = weight * count * (said - truth);
        of_odds[k] += slope;
        all += slope;
    }
    all
}

/// How much a row counts that fails within each horizon, and one that does not: from time left and weight of each row.
pub(crate) fn counts(rows: impl Iterator<Item = (f32, f32)>) -> [(f32, f32); HORIZONS.len()] {
    let mut sums = [(0.0_f64, 0.0_f64); HORIZONS.len()];
    let mut all = 0.0;
    for (left, weight) in rows {
        all += 1.0;
        for (sum, horizon) in sums.iter_mut().zip(HORIZONS) {
            match fails_within(left, horizon) {
                Some(true) => sum.0 += f64::from(weight),
                Some(false) => sum.1 += f64::from(weight),
                None => {}
            }
        }
    }
    std::array::from_fn(|k| {
        let count = |share: f64, sum: f64| (f64::from(COUNTS[k]) * all * share / sum.max(1e-9)) as f32;
        (count(FAILING, sums[k].0), count(1.0 - FAILING, sums[k].1))
    })
}

/// Mean and standard deviation of each figure.
fn scale(rows: &[Row]) -> [(f32, f32); FIGURES] {
    let all: f64 = rows.iter().map(|r| f64::from(r.weight())).sum();
    std::array::from_fn(|figure| {
        let mean = |of: &dyn Fn(f64) -> f64| {
            rows.iter().map(|r| f64::from(r.weight()) * of(f64::from(r.figures[figure]))).sum::<f64>() / all
        };
        let middle = mean(&|v| v);
        let spread = mean(&|v| (v - middle) * (v - middle)).sqrt();
        (middle as f32, if spread < 1e-6 { 1.0 } else { spread as f32 })
    })
}
