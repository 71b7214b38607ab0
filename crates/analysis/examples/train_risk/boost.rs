//! Gradient boosting of trees of depth four with monotone constraints (Friedman 2001; constraints as in XGBoost) for
//! the time that is left: one score for all horizons.
//!
//! P(T ≤ h) = σ(aₕ + score): proportional odds (McCullagh 1980). Each row is asked about every horizon of [`HORIZONS`];
//! whether it fails between one and two horizons ahead is not asked.

use echobase_analysis::precursor::{FIGURES, PER_ROLE, Role};

use crate::runs::Family;

/// Horizons in rows, and how much each counts. How often something fails within longer ones depends on how often it fails
/// at all, which no generator knows.
pub(crate) const HORIZONS: [f32; 5] = [5.0, 15.0, 30.0, 60.0, 120.0];
pub(crate) const COUNTS: [f32; 5] = [0.1, 0.2, 0.3, 1.0, 0.3];

const RATE: f32 = 0.15;
/// Pull of each answer to 0, and the least curvature of a leaf.
const RIDGE: f64 = 2.0;
const LEAST: f64 = 15.0;
const BINS: usize = 64;
/// Every tree sees one of so many rows in turn (stochastic boosting, Friedman 2002).
const ROWS: usize = 2;
/// Every tree looks at a part of the figures: one of so many is left out in turn.
const TURNS: usize = 3;

/// What is learned from: a row of a run.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) figures: [f32; FIGURES],
    /// Rows to the collapse; infinite where none came.
    pub(crate) left: f32,
    /// How many rows it stands for.
    pub(crate) thin: f32,
    pub(crate) family: Family,
    /// Which run, and which row of it.
    pub(crate) place: (u32, u32),
}

impl Row {
    pub(crate) fn weight(&self) -> f32 {
        self.family.weight() * self.thin
    }
}

/// What is not known is ordinary.
pub(crate) fn fill(rows: &mut [Row], ordinary: &[f32; FIGURES]) {
    for row in rows {
        for (figure, ordinary) in row.figures.iter_mut().zip(ordinary) {
            if !figure.is_finite() {
                *figure = *ordinary;
            }
        }
    }
}

/// Whether a row fails within a horizon; `None` where it is not asked: between one and two horizons.
pub(crate) fn fails_within(left: f32, horizon: f32) -> Option<bool> {
    (left <= horizon || left > 2.0 * horizon).then_some(left <= horizon)
}

/// Whether more of a figure may only raise the risk. Of traffic either may.
pub(crate) fn rises(figure: usize) -> bool {
    figure / PER_ROLE != Role::Traffic as usize
}

/// Figures without meaning: heights without a limit, outlooks of what has none.
pub(crate) fn is_mute(figure: usize) -> bool {
    let (role, kind) = (figure / PER_ROLE, figure % PER_ROLE);
    match kind {
        0 => role == Role::Dependency as usize || role == Role::Traffic as usize,
        2 | 12 => role == Role::Traffic as usize,
        14 => role > Role::Processor as usize,
        _ => false,
    }
}

/// A tree of depth four: fifteen questions, sixteen answers. The children of question `i` are `2 i + 1` (at most the
/// threshold) and `2 i + 2` (above it).
struct Tree {
    /// Figure and threshold of each question.
    questions: [(u8, f32); 15],
    /// What each answer adds to the log-odds.
    answers: [f32; 16],
}

/// What was learned.
pub(crate) struct Booster {
    trees: Vec<Tree>,
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
    pub(crate) fn score(&self, figures: &[f32; FIGURES]) -> f32 {
        self.trees.iter().map(|t| leaf(t, figures)).sum()
    }

    /// Learns so many trees from rows in which every figure is known.
    pub(crate) fn train(rows: &[Row], trees: usize) -> Self {
        let edges: Vec<Vec<f32>> = (0..FIGURES).map(|f| edges(rows, f)).collect();
        let binned: Vec<Vec<u8>> = edges
            .iter()
            .enumerate()
            .map(|(f, edges)| {
                rows.iter().map(|row| edges.partition_point(|e| *e < row.figures[f]) as u8).collect()
            })
            .collect();
        let mut offsets = HORIZONS.map(|h| {
            let (mut hits, mut all) = (1.0, 2.0);
            for row in rows {
                if let Some(fails) = fails_within(row.left, h) {
                    all += row.weight();
                    hits += if fails { row.weight() } else { 0.0 };
                }
            }
            (hits / (all - hits)).ln()
        });
        let mut scores = vec![0.0_f32; rows.len()];
        let mut slopes = vec![(0.0_f32, 0.0_f32); rows.len()];
        let mut all = Vec::with_capacity(trees);
        for turn in 0..trees {
            let mut of_offsets = [Sum::default(); HORIZONS.len()];
            for (at, slope) in slopes.iter_mut().enumerate() {
                *slope = (0.0, 0.0);
                if !(at + turn).is_multiple_of(ROWS) {
                    continue;
                }
                let weight = rows[at].weight();
                for (k, horizon) in HORIZONS.into_iter().enumerate() {
                    let Some(fails) = fails_within(rows[at].left, horizon) else { continue };
                    let p = 1.0 / (1.0 + (-(scores[at] + offsets[k])).exp());
                    let (g, h) = (p - f32::from(u8::from(fails)), (p * (1.0 - p)).max(1e-6));
                    slope.0 += weight * COUNTS[k] * g;
                    slope.1 += weight * COUNTS[k] * h;
                    of_offsets[k].gradient += f64::from(weight * g);
                    of_offsets[k].curvature += f64::from(weight * h);
                }
            }
            for (offset, sum) in offsets.iter_mut().zip(of_offsets) {
                *offset -= (0.3 * sum.gradient / (sum.curvature + 1.0)) as f32;
            }
            let seen: Vec<usize> = (0..rows.len()).filter(|at| (at + turn).is_multiple_of(ROWS)).collect();
            let tree = grow(turn, &binned, &edges, &slopes, &seen);
            for (score, row) in scores.iter_mut().zip(rows) {
                *score += leaf(&tree, &row.figures);
            }
            all.push(tree);
        }
        Self { trees: all }
    }
}

fn leaf(tree: &Tree, figures: &[f32; FIGURES]) -> f32 {
    let mut at = 0;
    for _ in 0..4 {
        let (figure, threshold) = tree.questions[at];
        at = 2 * at + 1 + usize::from(figures[usize::from(figure)] > threshold);
    }
    tree.answers[at - 15]
}

/// Upper ends of the bins of a figure: quantiles.
fn edges(rows: &[Row], figure: usize) -> Vec<f32> {
    let mut values: Vec<f32> = rows.iter().map(|r| r.figures[figure]).collect();
    // Rows before a collapse are few and far out: their quantiles count as well.
    let mut rare: Vec<f32> = rows.iter().filter(|r| r.left <= 60.0).map(|r| r.figures[figure]).collect();
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

/// The best split of each node of a level by some of the figures.
fn splits(
    figures: &[usize],
    binned: &[Vec<u8>],
    edges: &[Vec<f32>],
    slopes: &[(f32, f32)],
    seen: &[usize],
    place: &[u8],
    bounds: &[(f64, f64)],
    first: usize,
) -> Vec<Option<Split>> {
    let mut best: Vec<Option<Split>> = vec![None; bounds.len()];
    for &figure in figures {
        let mut bins = vec![[Sum::default(); BINS + 1]; bounds.len()];
        let of_figure = &binned[figure];
        for (at, row) in place.iter().zip(seen) {
            let (g, h) = slopes[*row];
            let sum = &mut bins[usize::from(*at) - first][usize::from(of_figure[*row])];
            sum.gradient += f64::from(g);
            sum.curvature += f64::from(h);
        }
        for (node, bins) in bins.iter().enumerate() {
            let found = split(figure, bins, edges[figure].len(), bounds[node]);
            if let Some(found) = found.filter(|s| best[node].is_none_or(|b| s.gain > b.gain)) {
                best[node] = Some(found);
            }
        }
    }
    best
}

fn grow(turn: usize, binned: &[Vec<u8>], edges: &[Vec<f32>], slopes: &[(f32, f32)], seen: &[usize]) -> Tree {
    let mut tree = Tree { questions: [(0, 1e30); 15], answers: [0.0; 16] };
    let mut place = vec![0_u8; seen.len()];
    let mut bounds = [(f64::MIN, f64::MAX); 31];
    let mut answers = [0.0_f64; 31];
    let figures: Vec<usize> =
        (0..FIGURES).filter(|f| !is_mute(*f) && !(f + turn).is_multiple_of(TURNS)).collect();
    let (one, other) = figures.split_at(figures.len() / 2);
    for level in 0..4 {
        let (first, count) = ((1 << level) - 1, 1 << level);
        let of_level = bounds[first..first + count].to_vec();
        let look = |figures| splits(figures, binned, edges, slopes, seen, &place, &of_level, first);
        let (mut best, rest) = std::thread::scope(|scope| {
            let rest = scope.spawn(|| look(other));
            (look(one), rest.join().unwrap_or_default())
        });
        for (best, other) in best.iter_mut().zip(rest) {
            if other.is_some_and(|o| best.is_none_or(|b| o.gain > b.gain)) {
                *best = other;
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
        for (at, row) in place.iter_mut().zip(seen) {
            let node = usize::from(*at) - first;
            let is_above = best[node].is_some_and(|s| usize::from(binned[s.figure][*row]) > s.bin);
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
