//! Gradient boosting of trees of depth four with monotone constraints (Friedman 2001; constraints as in XGBoost).

use echobase_analysis::precursor::{FIGURES, PER_ROLE, Role};
use echobase_analysis::risk::Tree;

const TREES: usize = 360;
const RATE: f32 = 0.15;
/// Pull of each answer to 0, and the least curvature of a leaf.
const RIDGE: f64 = 2.0;
const LEAST: f64 = 15.0;
const BINS: usize = 64;
/// Every tree looks at a part of the figures: one of so many is left out in turn.
const TURNS: usize = 3;

/// What is learned from.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) figures: Vec<[f32; FIGURES]>,
    pub(crate) labels: Vec<bool>,
    pub(crate) weights: Vec<f32>,
}

impl Rows {
    /// What is not known is ordinary.
    pub(crate) fn fill(&mut self, ordinary: &[f32; FIGURES]) {
        for row in &mut self.figures {
            for (figure, ordinary) in row.iter_mut().zip(ordinary) {
                if !figure.is_finite() {
                    *figure = *ordinary;
                }
            }
        }
    }
}

/// Whether more of a figure may only raise the risk. Of traffic either may.
fn rises(figure: usize) -> bool {
    figure / PER_ROLE != Role::Traffic as usize
}

/// Figures without meaning: heights without a limit, outlooks of what has none.
fn is_mute(figure: usize) -> bool {
    let (role, kind) = (figure / PER_ROLE, figure % PER_ROLE);
    match kind {
        0 => role == Role::Dependency as usize || role == Role::Traffic as usize,
        2 | 12 => role == Role::Traffic as usize,
        14 => role > Role::Processor as usize,
        _ => false,
    }
}

/// What was learned.
pub(crate) struct Booster {
    pub(crate) base: f32,
    pub(crate) trees: Vec<Tree>,
}

/// Gradient and curvature of a bin or a leaf.
#[derive(Clone, Copy, Default)]
struct Sum {
    gradient: f64,
    curvature: f64,
}

impl Sum {
    fn minus(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, curvature: self.curvature - other.curvature }
    }

    fn answer(self, (low, high): (f64, f64)) -> f64 {
        (-self.gradient / (self.curvature + RIDGE)).clamp(low, high)
    }

    /// How much the loss falls with that answer.
    fn gain(self, answer: f64) -> f64 {
        -(self.gradient * answer + 0.5 * (self.curvature + RIDGE) * answer * answer)
    }
}

#[derive(Clone, Copy)]
struct Split {
    figure: usize,
    bin: usize,
    gain: f64,
    answers: (f64, f64),
}

impl Booster {
    pub(crate) fn log_odds(&self, figures: &[f32; FIGURES]) -> f32 {
        self.base + self.trees.iter().map(|t| leaf(t, figures).1).sum::<f32>()
    }

    pub(crate) fn train(rows: &Rows) -> Self {
        let edges: Vec<Vec<f32>> = (0..FIGURES).map(|f| edges(rows, f)).collect();
        let binned: Vec<Vec<u8>> = (0..FIGURES)
            .map(|f| rows.figures.iter().map(|r| edges[f].partition_point(|e| *e < r[f]) as u8).collect())
            .collect();
        let positive: f64 =
            rows.weights.iter().zip(&rows.labels).filter(|(_, l)| **l).map(|(w, _)| f64::from(*w)).sum();
        let all: f64 = rows.weights.iter().map(|w| f64::from(*w)).sum();
        let base = (positive / (all - positive)).ln() as f32;
        let mut odds = vec![base; rows.labels.len()];
        let mut trees = Vec::with_capacity(TREES);
        for turn in 0..TREES {
            let slopes: Vec<(f32, f32)> = odds
                .iter()
                .zip(&rows.labels)
                .zip(&rows.weights)
                .map(|((o, label), w)| {
                    let p = 1.0 / (1.0 + (-o).exp());
                    (w * (p - if *label { 1.0 } else { 0.0 }), w * (p * (1.0 - p)).max(1e-6))
                })
                .collect();
            let tree = grow(turn, &binned, &edges, &slopes);
            for (o, figures) in odds.iter_mut().zip(&rows.figures) {
                *o += leaf(&tree, figures).1;
            }
            trees.push(tree);
        }
        Self { base, trees }
    }
}

fn leaf(tree: &Tree, figures: &[f32; FIGURES]) -> (usize, f32) {
    let mut at = 0;
    for _ in 0..4 {
        let (figure, threshold) = tree.questions[at];
        at = 2 * at + 1 + usize::from(figures[usize::from(figure)] > threshold);
    }
    (at - 15, tree.answers[at - 15])
}

/// Upper ends of the bins of a figure: quantiles.
fn edges(rows: &Rows, figure: usize) -> Vec<f32> {
    let mut values: Vec<f32> = rows.figures.iter().map(|r| r[figure]).collect();
    // Positive rows are few and far out: their quantiles count as well.
    let mut rare: Vec<f32> =
        rows.figures.iter().zip(&rows.labels).filter(|(_, l)| **l).map(|(r, _)| r[figure]).collect();
    values.sort_by(f32::total_cmp);
    rare.sort_by(f32::total_cmp);
    let half = BINS / 2;
    let mut all: Vec<f32> = Vec::new();
    for sorted in [&values, &rare] {
        all.extend((1..half).filter_map(|k| sorted.get(sorted.len() * k / half)).copied());
    }
    all.sort_by(f32::total_cmp);
    all.dedup();
    all
}

fn grow(turn: usize, binned: &[Vec<u8>], edges: &[Vec<f32>], slopes: &[(f32, f32)]) -> Tree {
    let mut tree = Tree { questions: [(0, 1e30); 15], answers: [0.0; 16] };
    let mut place = vec![0_u8; slopes.len()];
    let mut bounds = [(f64::MIN, f64::MAX); 31];
    let mut answers = [0.0_f64; 31];
    for level in 0..4 {
        let (first, count) = ((1 << level) - 1, 1 << level);
        let mut best: Vec<Option<Split>> = vec![None; count];
        for figure in (0..FIGURES).filter(|f| !is_mute(*f) && !(f + turn).is_multiple_of(TURNS)) {
            let mut bins = vec![[Sum::default(); BINS + 1]; count];
            for ((at, bin), (g, h)) in place.iter().zip(&binned[figure]).zip(slopes) {
                let sum = &mut bins[usize::from(*at) - first][usize::from(*bin)];
                sum.gradient += f64::from(*g);
                sum.curvature += f64::from(*h);
            }
            for (node, bins) in bins.iter().enumerate() {
                let found = split(figure, bins, edges[figure].len(), bounds[first + node]);
                if let Some(found) = found.filter(|s| best[node].is_none_or(|b| s.gain > b.gain)) {
                    best[node] = Some(found);
                }
            }
        }
        for (node, found) in best.iter().enumerate() {
            let at = first + node;
            let (left, right) = (2 * at + 1, 2 * at + 2);
            (bounds[left], bounds[right]) = (bounds[at], bounds[at]);
            (answers[left], answers[right]) = (answers[at], answers[at]);
            let Some(found) = found else { continue };
            tree.questions[at] = (found.figure as u8, edges[found.figure][found.bin]);
            (answers[left], answers[right]) = found.answers;
            if rises(found.figure) {
                let middle = 0.5 * (found.answers.0 + found.answers.1);
                bounds[left].1 = bounds[left].1.min(middle);
                bounds[right].0 = bounds[right].0.max(middle);
            }
        }
        for (row, at) in place.iter_mut().enumerate() {
            let node = usize::from(*at) - first;
            let is_above = best[node].is_some_and(|s| usize::from(binned[s.figure][row]) > s.bin);
            *at = 2 * *at + 1 + u8::from(is_above);
        }
    }
    for (leaf, answer) in tree.answers.iter_mut().zip(&answers[15..]) {
        *leaf = RATE * *answer as f32;
    }
    tree
}

fn split(figure: usize, bins: &[Sum; BINS + 1], edges: usize, bounds: (f64, f64)) -> Option<Split> {
    let mut all = Sum::default();
    for bin in bins {
        all.gradient += bin.gradient;
        all.curvature += bin.curvature;
    }
    let whole = all.gain(all.answer(bounds));
    let mut left = Sum::default();
    let mut best: Option<Split> = None;
    for (bin, sum) in bins.iter().enumerate().take(edges) {
        left.gradient += sum.gradient;
        left.curvature += sum.curvature;
        let right = all.minus(left);
        if left.curvature < LEAST || right.curvature < LEAST {
            continue;
        }
        let answers = (left.answer(bounds), right.answer(bounds));
        if rises(figure) && answers.0 > answers.1 {
            continue;
        }
        let gain = left.gain(answers.0) + right.gain(answers.1) - whole;
        if gain > 1e-6 && best.is_none_or(|b| gain > b.gain) {
            best = Some(Split { figure, bin, gain, answers });
        }
    }
    best
}
