//! What a version of the risk model holds, as text.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::model::{Distribution, FigureBin, LabelCounts, ModelFigures, ModelState, ModelVersion};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::column::parse;

/// A version, without what its columns say.
#[derive(Serialize, Deserialize)]
pub(super) struct ModelBody {
    base: String,
    horizon_us: u64,
    from: i64,
    to: i64,
    split_at: i64,
    labels: LabelsBody,
    /// As texts, so that they read back bit by bit.
    weights: BTreeMap<String, String>,
    figures: FiguresBody,
    parent_figures: FiguresBody,
    profile: Vec<DistributionBody>,
}

#[derive(Serialize, Deserialize)]
struct LabelsBody {
    trained_on: u32,
    judged_on: u32,
    noise: u32,
    expected: u32,
}

#[derive(Serialize, Deserialize)]
struct FiguresBody {
    failures: u32,
    hours: f64,
    log_loss: f64,
    balanced_accuracy: f64,
    false_positive_rate: f64,
    ece: f64,
    /// Hours, said, came true.
    bins: Vec<(f64, f64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct DistributionBody {
    name: String,
    edges: Vec<f64>,
    shares: Vec<f64>,
}

impl FiguresBody {
    fn of(f: &ModelFigures) -> Self {
        Self {
            failures: f.failures,
            hours: f.hours,
            log_loss: f.log_loss,
            balanced_accuracy: f.balanced_accuracy,
            false_positive_rate: f.false_positive_rate,
            ece: f.ece,
            bins: f.bins.iter().map(|b| (b.hours, b.said, b.came_true)).collect(),
        }
    }

    fn value(self) -> ModelFigures {
        let bin = |(hours, said, came_true)| FigureBin { hours, said, came_true };
        ModelFigures {
            failures: self.failures,
            hours: self.hours,
            log_loss: self.log_loss,
            balanced_accuracy: self.balanced_accuracy,
            false_positive_rate: self.false_positive_rate,
            ece: self.ece,
            bins: self.bins.into_iter().map(bin).collect(),
        }
    }
}

impl ModelBody {
    pub(super) fn of(m: &ModelVersion) -> Self {
        let distribution = |d: &Distribution| DistributionBody {
            name: d.name.clone(),
            edges: d.edges.clone(),
            shares: d.shares.clone(),
        };
        Self {
            base: m.base.clone(),
            horizon_us: u64::try_from(m.horizon.as_micros()).unwrap_or(u64::MAX),
            from: m.from.as_micros(),
            to: m.to.as_micros(),
            split_at: m.split_at.as_micros(),
            labels: LabelsBody {
                trained_on: m.labels.trained_on,
                judged_on: m.labels.judged_on,
                noise: m.labels.noise,
                expected: m.labels.expected,
            },
            weights: m.weights.iter().map(|(name, w)| (name.clone(), w.to_string())).collect(),
            figures: FiguresBody::of(&m.figures),
            parent_figures: FiguresBody::of(&m.parent_figures),
            profile: m.profile.iter().map(distribution).collect(),
        }
    }

    /// The version, with what its columns say left at nothing.
    pub(super) fn value(self) -> Result<ModelVersion, StoreError> {
        let distribution =
            |d: DistributionBody| Distribution { name: d.name, edges: d.edges, shares: d.shares };
        let weights = self.weights.into_iter().map(|(name, w)| Ok((name, parse("weight", &w)?)));
        Ok(ModelVersion {
            version: 0,
            parent: 0,
            state: ModelState::Retired,
            base: self.base,
            horizon: Duration::from_micros(self.horizon_us),
            trained_at: Timestamp::EPOCH,
            from: Timestamp::from_micros(self.from),
            to: Timestamp::from_micros(self.to),
            split_at: Timestamp::from_micros(self.split_at),
            labels: LabelCounts {
                trained_on: self.labels.trained_on,
                judged_on: self.labels.judged_on,
                noise: self.labels.noise,
                expected: self.labels.expected,
            },
            weights: weights.collect::<Result<_, StoreError>>()?,
            figures: self.figures.value(),
            parent_figures: self.parent_figures.value(),
            profile: self.profile.into_iter().map(distribution).collect(),
            decided_at: Timestamp::EPOCH,
            decision: String::new(),
        })
    }
}
