//! When people are told, and how often.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Alerts and where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OncallConfig {
    /// A stability score below this for `hold` fires `stability.low`. Default: 0.7.
    pub low_score: f64,
    /// A score below this makes it critical. Default: 0.4.
    pub critical_score: f64,
    /// A risk above this for `hold` fires `risk.high`. Default: 0.5.
    pub high_risk: f64,
    /// How far the other way a figure must go before its alert resolves. Default: 0.1.
    pub hysteresis: f64,
    /// How long a condition must hold before it fires, and be gone before it resolves. Default: "20s".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub hold: Duration,
    /// A bounded resource that is used up within this time fires `exhaustion.soon`. Default: "30m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub exhaustion_within: Duration,
    /// A resource without a signal for this long fires `resource.silent`. Default: "5m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub silent_after: Duration,
    /// How long the first message of a group waits for more alerts of it. Default: "10s".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub group_wait: Duration,
    /// Least time between two messages of one group. Default: "5m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub group_interval: Duration,
    /// Names of `[[webhooks]]` that get the messages. Default: none; alerts are then in the log and the web app.
    pub webhooks: Vec<String>,
}

impl Default for OncallConfig {
    fn default() -> Self {
        Self {
            low_score: 0.7,
            critical_score: 0.4,
            high_risk: 0.5,
            hysteresis: 0.1,
            hold: Duration::from_secs(20),
            exhaustion_within: Duration::from_secs(1_800),
            silent_after: Duration::from_secs(300),
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
            webhooks: Vec::new(),
        }
    }
}

mod length {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&echobase_types::duration::format(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        echobase_types::duration::parse(&text).map_err(de::Error::custom)
    }
}
