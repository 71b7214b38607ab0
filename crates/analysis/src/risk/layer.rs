//! What a tenant's own labels teach: a small layer over the model that ships.
//!
//! ln odds(p') = a + b · ln odds(p) + Σ cᵣ · dᵣ, where p is the risk as shipped (hazards and learned model together)
//! and dᵣ what the log-odds of the learned model lose once role r is ordinary. a and b recalibrate (Platt 1999), the
//! cᵣ say which roles count for more here than where the shipped model was fitted. With b > 0 and all cᵣ ≥ 0 the
//! result rises with the shipped risk and with what each role adds. Fitted by [`crate::learning`].

use std::collections::BTreeMap;

use crate::precursor::ROLES;

/// The names of the roles, in their order, as weights and distributions are called by.
pub const ROLE_NAMES: [&str; ROLES] =
    ["store", "pool", "processor", "slowest", "median", "queue", "dependency", "errors", "traffic"];

/// The least and the most that a layer says.
const BOUNDS: (f64, f64) = (0.001, 0.99);

/// What the shipped model says of a resource at one time: the input of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Natural logarithm of the odds of the shipped risk within the configured horizon.
    pub odds: f32,
    /// What the log-odds of the learned model lose once a role is ordinary, at least 0; 0 where it does not speak.
    pub roles: [f32; ROLES],
}

/// A layer over the shipped model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskLayer {
    /// a.
    pub intercept: f64,
    /// b, above 0.
    pub slope: f64,
    /// cᵣ, at least 0.
    pub roles: [f64; ROLES],
}

impl RiskLayer {
    /// The layer that changes nothing.
    pub const NEUTRAL: Self = Self { intercept: 0.0, slope: 1.0, roles: [0.0; ROLES] };

    /// The log-odds of this evidence.
    pub fn log_odds(&self, evidence: &Evidence) -> f64 {
        let roles: f64 = self.roles.iter().zip(evidence.roles).map(|(c, d)| c * f64::from(d)).sum();
        self.intercept + self.slope * f64::from(evidence.odds) + roles
    }

    /// The probability of this evidence.
    pub fn probability(&self, evidence: &Evidence) -> f64 {
        let p = 1.0 / (1.0 + (-self.log_odds(evidence)).exp());
        if *self == Self::NEUTRAL { p } else { p.clamp(BOUNDS.0, BOUNDS.1) }
    }

    /// Its figures by name.
    pub fn weights(&self) -> BTreeMap<String, f64> {
        let roles = ROLE_NAMES.iter().zip(self.roles).map(|(name, c)| (format!("role.{name}"), c));
        let first = [("intercept".to_owned(), self.intercept), ("slope".to_owned(), self.slope)];
        first.into_iter().chain(roles).collect()
    }

    /// The layer of these figures; `None` if one is missing, or out of its range.
    pub fn from_weights(weights: &BTreeMap<String, f64>) -> Option<Self> {
        let figure = |name: &str| weights.get(name).copied().filter(|v| v.is_finite());
        let mut roles = [0.0; ROLES];
        for (role, name) in roles.iter_mut().zip(ROLE_NAMES) {
            *role = figure(&format!("role.{name}")).filter(|c| *c >= 0.0)?;
        }
        let slope = figure("slope").filter(|b| *b > 0.0)?;
        Some(Self { intercept: figure("intercept")?, slope, roles })
    }
}

/// Natural logarithm of the odds of a probability.
pub(crate) fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// A probability whose log-odds are moved by so much.
pub(crate) fn moved(probability: f64, by: f64) -> f64 {
    if by == 0.0 {
        return probability;
    }
    (1.0 / (1.0 + (-(log_odds(probability) + by)).exp())).clamp(BOUNDS.0, BOUNDS.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    fn layers() -> impl Strategy<Value = RiskLayer> {
        (-5.0..5.0_f64, 0.01..4.0_f64, prop::array::uniform9(0.0..2.0_f64))
            .prop_map(|(intercept, slope, roles)| RiskLayer { intercept, slope, roles })
    }

    proptest! {
        #[test]
        fn a_layer_reads_back_as_it_was_written(layer in layers()) {
            prop_assert_eq!(RiskLayer::from_weights(&layer.weights()), Some(layer));
        }

        #[test]
        fn it_rises_with_the_shipped_risk_and_with_every_role(
            layer in layers(), odds in -6.0..6.0_f32, more in 0.0..4.0_f32, role in 0..ROLES,
        ) {
            let evidence = Evidence { odds, ..Evidence::default() };
            let (mut riskier, mut louder) = (evidence, evidence);
            riskier.odds += more;
            louder.roles[role] += more;
            prop_assert!(layer.probability(&riskier) >= layer.probability(&evidence) - 1e-12);
            prop_assert!(layer.probability(&louder) >= layer.probability(&evidence) - 1e-12);
        }
    }

    #[test]
    fn the_neutral_layer_changes_nothing() {
        for p in [0.01, 0.3, 0.99] {
            let evidence = Evidence { odds: log_odds(p) as f32, ..Evidence::default() };
            assert!((RiskLayer::NEUTRAL.probability(&evidence) - p).abs() < 1e-6);
            assert_eq!(moved(p, 0.0), p);
        }
    }

    #[test]
    fn figures_that_are_missing_or_would_fall_are_no_layer() {
        let whole = RiskLayer::NEUTRAL.weights();
        for (name, value) in [("slope", -1.0), ("role.queue", -0.1), ("intercept", f64::NAN)] {
            let mut broken = whole.clone();
            broken.insert(name.to_owned(), value);
            assert_eq!(RiskLayer::from_weights(&broken), None, "{name}");
        }
        let mut short = whole;
        short.remove("role.store").unwrap();
        assert_eq!(RiskLayer::from_weights(&short), None);
    }
}
