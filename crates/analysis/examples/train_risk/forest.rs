//! Isolation forest (Liu, Ting and Zhou 2008): what few random questions tell apart from ordinary rows is strange. It hears
//! of no failure, and knows nothing of what is worse.

use echobase_analysis::precursor::FIGURES;

use crate::boost::{HORIZONS, Row, is_mute};
use crate::curve::MIDDLE;
use crate::noise::Noise;

const TREES: usize = 100;
const SAMPLE: usize = 256;
/// Deeper it is not asked: log₂ of the sample.
const DEPTH: usize = 8;

pub(crate) struct Forest {
    trees: Vec<Node>,
}

enum Node {
    Asks {
        figure: usize,
        threshold: f32,
        below: Box<Node>,
        above: Box<Node>,
    },
    /// So many rows of the sample came here.
    Ends(usize),
}

impl Forest {
    /// Learns from the ordinary ones of rows in which every figure is known.
    pub(crate) fn train(rows: &[Row]) -> Self {
        let mut r = Noise::new(11);
        let ordinary: Vec<&Row> = rows.iter().filter(|r| r.left > 2.0 * HORIZONS[MIDDLE]).collect();
        let tree = |_| {
            let sample = (0..SAMPLE).map(|_| &r.one_of(&ordinary).figures).collect();
            grow(sample, 0, &mut r)
        };
        Self { trees: (0..TREES).map(tree).collect() }
    }

    /// The shorter the way, the stranger.
    pub(crate) fn score(&self, figures: &[f32; FIGURES]) -> f32 {
        -self.trees.iter().map(|t| t.way(figures)).sum::<f32>() / TREES as f32
    }
}

impl Node {
    fn way(&self, figures: &[f32; FIGURES]) -> f32 {
        let (mut node, mut way) = (self, 0.0);
        loop {
            match node {
                Self::Asks { figure, threshold, below, above } => {
                    node = if figures[*figure] > *threshold { above } else { below };
                    way += 1.0;
                }
                Self::Ends(rows) => return way + further(*rows),
            }
        }
    }
}

/// The mean way that is left among so many rows.
fn further(rows: usize) -> f32 {
    const EULER: f32 = 0.577_215_7;
    match rows as f32 {
        n if n < 2.0 => 0.0,
        n => 2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n,
    }
}

fn grow(sample: Vec<&[f32; FIGURES]>, depth: usize, r: &mut Noise) -> Node {
    let range = |figure: usize| {
        sample.iter().fold((f32::MAX, f32::MIN), |(low, high), f| (low.min(f[figure]), high.max(f[figure])))
    };
    let open: Vec<usize> = (0..FIGURES).filter(|f| !is_mute(*f) && range(*f).0 < range(*f).1).collect();
    if depth == DEPTH || open.is_empty() {
        return Node::Ends(sample.len());
    }
    let figure = r.one_of(&open);
    let (low, high) = range(figure);
    let threshold = (low + (high - low) * r.uniform() as f32).min(high.next_down());
    let (above, below) = sample.into_iter().partition(|f: &&[f32; FIGURES]| f[figure] > threshold);
    Node::Asks {
        figure,
        threshold,
        below: Box::new(grow(below, depth + 1, r)),
        above: Box::new(grow(above, depth + 1, r)),
    }
}
