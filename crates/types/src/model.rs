//! Versions of the risk model that a tenant's own labels made: what was learned, from what, and how it was judged.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Timestamp;

/// One version of the risk model of a tenant: a layer over the model that ships.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// Its number, from 1. Number 0 is the model that ships, which is no row of the registry.
    pub version: u32,
    /// The version that it was made to replace.
    pub parent: u32,
    /// What became of it.
    pub state: ModelState,
    /// The version of the shipped model that it lies over: over another one it is not used.
    pub base: String,
    /// The horizon that it was made for: for another one it is not used.
    pub horizon: Duration,
    /// When it was made.
    pub trained_at: Timestamp,
    /// Begin of the history that it was made from.
    pub from: Timestamp,
    /// End of that history.
    pub to: Timestamp,
    /// What was before this time it was trained on, what came after it was judged on.
    pub split_at: Timestamp,
    /// The labels of that history.
    pub labels: LabelCounts,
    /// What was learned, by name.
    pub weights: BTreeMap<String, f64>,
    /// How it did on what it was not trained on.
    pub figures: ModelFigures,
    /// How its parent did on the same.
    pub parent_figures: ModelFigures,
    /// What it saw and said while it was trained: later inputs are held against it.
    pub profile: Vec<Distribution>,
    /// When its state was last decided.
    pub decided_at: Timestamp,
    /// Why it is in this state, in one sentence.
    pub decision: String,
}

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelState {
    /// Judged, and not in use: it waits in the shadow for labels that it has never seen.
    Challenger,
    /// In use. At most one of a tenant; without one the shipped model speaks.
    Champion,
    /// No longer in use, or never better.
    Retired,
}

impl ModelState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Challenger, Self::Champion, Self::Retired];

    /// The word in API, ledger and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenger => "challenger",
            Self::Champion => "champion",
            Self::Retired => "retired",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// Labels that a version was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// Failures that it was trained on.
    pub trained_on: u32,
    /// Failures that it was judged on.
    pub judged_on: u32,
    /// Labels `noise` among the history.
    pub noise: u32,
    /// Labels `expected` among the history: their time was left out.
    pub expected: u32,
}

/// How probabilities held on a stretch of history. Shares are of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFigures {
    /// Failures in it.
    pub failures: u32,
    /// Hours that were judged, all resources together.
    pub hours: f64,
    /// Mean of −ln of the probability given to what came, nats; 0 is best.
    pub log_loss: f64,
    /// Half of the share of the time before failures with a risk of at least one half, plus half of the share of the
    /// other time with less.
    pub balanced_accuracy: f64,
    /// Share of the time without a failure ahead for which the risk was at least one half.
    pub false_positive_rate: f64,
    /// Expected calibration error, 0..=1.
    pub ece: f64,
    /// The reliability diagram, from 0 to 1 in equal steps.
    pub bins: Vec<FigureBin>,
}

/// One bar of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FigureBin {
    /// Hours for which such a risk was said.
    pub hours: f64,
    /// Mean risk of them.
    pub said: f64,
    /// Share of them that a failure followed within the horizon.
    pub came_true: f64,
}

/// How a figure was distributed: shares of time between edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Which figure.
    pub name: String,
    /// Inner edges, rising; a value belongs above an edge if it is larger.
    pub edges: Vec<f64>,
    /// Share of time below the first edge, between each two, and above the last; one more than edges, sum 1.
    pub shares: Vec<f64>,
}
