//! The settings of alerts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_text;

/// Alerts: when they fire, and who is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OncallConfig {
    /// When assessments become alerts.
    pub rules: RuleConfig,
    /// Names of `[[webhooks]]` that are told. Default: none; alerts then stand in the log and the web app alone.
    pub tell: Vec<String>,
    /// Wait before a new group of alerts is told, so that what fires together is told together. Default: "10s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub group_wait: Duration,
    /// Time between two messages on one group. Default: "5m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub group_interval: Duration,
    /// An alert of a resource that is heard of no more is resolved after this time. Default: "1h".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub forget_after: Duration,
}

impl Default for OncallConfig {
    fn default() -> Self {
        Self {
            rules: RuleConfig::default(),
            tell: Vec::new(),
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
            forget_after: Duration::from_secs(3_600),
        }
    }
}

/// When assessments become alerts. Each rule fires above one level and resolves below another, so that it does not
/// flap; in between it stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleConfig {
    /// `stability.low` warns below this score. Default: 0.5.
    pub stability_warning: f64,
    /// `stability.low` is critical below this score. Default: 0.3.
    pub stability_critical: f64,
    /// `stability.low` resolves at this score. Default: 0.65.
    pub stability_well: f64,
    /// `risk.high` warns from this probability on. Default: 0.7.
    pub risk_warning: f64,
    /// `risk.high` is critical from this probability on. Default: 0.9.
    pub risk_critical: f64,
    /// `risk.high` resolves below this probability. Default: 0.5.
    pub risk_well: f64,
    /// `exhaustion.soon` warns when a bounded resource is used up within this time. Default: "1h".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub exhaustion_warning: Duration,
    /// `exhaustion.soon` is critical within this time. Default: "15m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub exhaustion_critical: Duration,
    /// `exhaustion.soon` resolves when more than this time is left. Default: "2h".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub exhaustion_well: Duration,
    /// `resource.silent` warns when nothing was heard for this time. Default: "2m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub silent_after: Duration,
    /// How long a level must be passed before a rule fires. `resource.silent` has its own time. Default: "30s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub fire_after: Duration,
    /// How long a resource must be well before a rule resolves. Default: "1m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub resolve_after: Duration,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            stability_warning: 0.5,
            stability_critical: 0.3,
            stability_well: 0.65,
            risk_warning: 0.7,
            risk_critical: 0.9,
            risk_well: 0.5,
            exhaustion_warning: Duration::from_secs(3_600),
            exhaustion_critical: Duration::from_secs(900),
            exhaustion_well: Duration::from_secs(7_200),
            silent_after: Duration::from_secs(120),
            fire_after: Duration::from_secs(30),
            resolve_after: Duration::from_secs(60),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("oncall configuration `{key}`: {detail}")]
pub struct InvalidConfig {
    /// Which key.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub detail: String,
}

impl OncallConfig {
    /// What no single key can say.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let r = &self.rules;
        let wrong = |key: &str, detail: &str| {
            Err(InvalidConfig { key: format!("rules.{key}"), detail: detail.to_owned() })
        };
        let share = |v: f64| (0.0..=1.0).contains(&v);
        if ![r.stability_warning, r.stability_critical, r.stability_well].into_iter().all(share)
            || r.stability_critical > r.stability_warning
            || r.stability_warning >= r.stability_well
        {
            return wrong("stability_warning", "it must be: critical ≤ warning < well, all 0 to 1");
        }
        if ![r.risk_warning, r.risk_critical, r.risk_well].into_iter().all(share)
            || r.risk_critical < r.risk_warning
            || r.risk_warning <= r.risk_well
        {
            return wrong("risk_warning", "it must be: well < warning ≤ critical, all 0 to 1");
        }
        if r.exhaustion_critical > r.exhaustion_warning || r.exhaustion_warning >= r.exhaustion_well {
            return wrong("exhaustion_warning", "it must be: critical ≤ warning < well");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn levels_that_do_not_go_together_are_refused() {
        assert_eq!(OncallConfig::default().check(), Ok(()));
        let changes: [fn(&mut RuleConfig); 6] = [
            |r| r.stability_well = 0.5,
            |r| r.stability_critical = 0.6,
            |r| r.stability_warning = f64::NAN,
            |r| r.risk_well = 0.7,
            |r| r.risk_critical = 1.1,
            |r| r.exhaustion_well = Duration::from_secs(1),
        ];
        for change in changes {
            let mut config = OncallConfig::default();
            change(&mut config.rules);
            assert!(config.check().is_err(), "{:?}", config.rules);
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let read = |text: &str| serde_json::from_str::<OncallConfig>(text);
        assert_eq!(read(r#"{"group_wait":"1s"}"#).unwrap().group_wait, Duration::from_secs(1));
        assert!(read(r#"{"rules":{"stability":0.5}}"#).is_err());
    }
}
