//! Versions of the risk model as the wire shows them.

use echobase_analysis::calibration::BINS;
use echobase_analysis::risk::{PROVENANCE, RiskModel};
use echobase_api::incident::ReliabilityBin;
use echobase_api::model::{FigureDrift, Model, ModelFigures, ModelLabels};
use echobase_types::model as domain;
use echobase_types::model::{ModelState, ModelVersion};
use echobase_types::{ErrorKind, TenantId};

use super::{Drifted, unusable};
use crate::app::App;
use crate::problem::{Answer, Failure};

/// The name of the model that ships.
const SHIPPED: &str = "shipped";

/// The name of a version; number 0 is the model that ships.
pub(crate) fn name(version: u32) -> String {
    match version {
        0 => SHIPPED.to_owned(),
        n => format!("risk-{n}"),
    }
}

/// The number of a name.
pub(crate) fn number(name: &str) -> Answer<u32> {
    let number = name.strip_prefix("risk-").and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    let number = if name == SHIPPED { Some(0) } else { number };
    number.ok_or_else(|| Failure::new(ErrorKind::NotFound, format!("there is no risk model `{name}`")))
}

/// The model that ships, as the first of every tenant's versions.
pub(crate) fn shipped(app: &App, tenant: &TenantId) -> Model {
    let in_use = app.learning.version(tenant).is_none();
    Model {
        version: name(0),
        parent: None,
        state: if in_use { ModelState::Champion } else { ModelState::Retired }.as_str().to_owned(),
        in_use,
        unused_because: None,
        base: RiskModel::shipped().version.to_owned(),
        provenance: PROVENANCE.to_owned(),
        horizon_s: app.config.analysis.horizon.as_secs(),
        trained_at: None,
        from: None,
        to: None,
        split_at: None,
        labels: None,
        figures: None,
        parent_figures: None,
        weights: std::collections::BTreeMap::new(),
        decided_at: None,
        decision: if in_use { "nothing lies over it" } else { "a version learned from labels lies over it" }
            .to_owned(),
    }
}

/// A version of the registry.
pub(crate) fn model(app: &App, tenant: &TenantId, m: &ModelVersion) -> Model {
    let unused_because = unusable(app, m);
    Model {
        version: name(m.version),
        parent: Some(name(m.parent)),
        state: m.state.as_str().to_owned(),
        in_use: app.learning.version(tenant) == Some(m.version),
        unused_because,
        base: m.base.clone(),
        provenance:
            "Learned here, from labels: a recalibration of the shipped model and what its roles count for \
                     more. Nothing of it leaves this tenant."
                .to_owned(),
        horizon_s: m.horizon.as_secs(),
        trained_at: Some(m.trained_at.into()),
        from: Some(m.from.into()),
        to: Some(m.to.into()),
        split_at: Some(m.split_at.into()),
        labels: Some(ModelLabels {
            trained_on: m.labels.trained_on,
            judged_on: m.labels.judged_on,
            noise: m.labels.noise,
            expected: m.labels.expected,
        }),
        figures: Some(figures(&m.figures)),
        parent_figures: Some(figures(&m.parent_figures)),
        weights: m.weights.clone(),
        decided_at: Some(m.decided_at.into()),
        decision: m.decision.clone(),
    }
}

fn figures(f: &domain::ModelFigures) -> ModelFigures {
    let bin = |(i, b): (usize, &domain::FigureBin)| ReliabilityBin {
        low: i as f64 / BINS as f64,
        high: (i + 1) as f64 / BINS as f64,
        hours: b.hours,
        said: b.said,
        came_true: b.came_true,
    };
    ModelFigures {
        failures: f.failures,
        hours: f.hours,
        log_loss: f.log_loss,
        balanced_accuracy: f.balanced_accuracy,
        false_positive_rate: f.false_positive_rate,
        ece: f.ece,
        bins: f.bins.iter().enumerate().map(bin).collect(),
    }
}

/// What changed since the version in use was made, the most first.
pub(crate) fn drift(drifted: &Drifted) -> Vec<FigureDrift> {
    let mut all: Vec<FigureDrift> = drifted
        .figures
        .iter()
        .map(|(name, psi)| FigureDrift {
            name: name.clone(),
            psi: *psi,
            reading: match psi {
                p if *p < 0.1 => "as before",
                p if *p < 0.25 => "somewhat moved",
                _ => "another population",
            }
            .to_owned(),
        })
        .collect();
    all.sort_by(|a, b| b.psi.total_cmp(&a.psi));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_its_number_and_nothing_else_is_one() {
        for version in [0, 1, 42] {
            assert_eq!(number(&name(version)).ok(), Some(version));
        }
        for text in ["risk", "risk-0", "risk-", "risk-x", "collapse-1", "shipped-1"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
