//! The registry of risk models: what labels made, how it was judged, which version is in use.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::incident::ReliabilityBin;

/// A version of the risk model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// `risk-1`, `risk-2`, …; `shipped` is the model that ships.
    pub version: String,
    /// The version that it was made to replace; absent for the shipped one.
    pub parent: Option<String>,
    /// `challenger` (waits in the shadow), `champion` or `retired`.
    pub state: String,
    /// Whether verdicts are made with it now.
    pub in_use: bool,
    /// Why it cannot be used, if so: it was made over another shipped model, or for another horizon.
    pub unused_because: Option<String>,
    /// The version of the shipped model under it.
    pub base: String,
    /// What it was made from, in words.
    pub provenance: String,
    /// The horizon that it was made for, in seconds.
    pub horizon_s: u64,
    /// When it was made.
    pub trained_at: Option<Time>,
    /// Begin of the history that it was made from.
    pub from: Option<Time>,
    /// End of that history.
    pub to: Option<Time>,
    /// What came before was trained on, what came after judged on.
    pub split_at: Option<Time>,
    /// The labels of that history.
    pub labels: Option<ModelLabels>,
    /// How it did on what it was not trained on.
    pub figures: Option<ModelFigures>,
    /// How its parent did on the same.
    pub parent_figures: Option<ModelFigures>,
    /// What was learned: `intercept`, `slope`, and what each role counts for more. Empty for the shipped one.
    pub weights: BTreeMap<String, f64>,
    /// When its state was last decided.
    pub decided_at: Option<Time>,
    /// Why it is in this state.
    pub decision: String,
}

/// Labels that a version was made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelLabels {
    /// Failures that it was trained on.
    pub trained_on: u32,
    /// Failures that it was judged on.
    pub judged_on: u32,
    /// Labels `noise`.
    pub noise: u32,
    /// Labels `expected`: their time was left out.
    pub expected: u32,
}

/// How probabilities held on history that was not trained on. Shares are of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelFigures {
    /// Failures in it.
    pub failures: u32,
    /// Hours that were judged, all resources together.
    pub hours: f64,
    /// Mean of −ln of the probability given to what came; 0 is best.
    pub log_loss: f64,
    /// Balanced accuracy of a risk of one half as a warning, 0 to 1.
    pub balanced_accuracy: f64,
    /// Share of the time without a failure ahead for which the risk was at least one half.
    pub false_positive_rate: f64,
    /// Expected calibration error, 0 to 1.
    pub ece: f64,
    /// The reliability diagram: ten bars.
    pub bins: Vec<ReliabilityBin>,
}

/// How a figure that the model in use sees has changed since it was made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FigureDrift {
    /// Which figure: `risk`, `shipped risk`, or a role such as `role store`.
    pub name: String,
    /// Population stability index, at least 0.
    pub psi: f64,
    /// `as before` (below 0.1), `somewhat moved` or `another population` (from 0.25 on).
    pub reading: String,
}
