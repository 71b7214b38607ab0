//! Settings of the analysis. Every one has a default that suits a service with points every 1 s to 5 min.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::assessment::Vital;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How signals are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnalysisConfig {
    /// How far ahead the risk of failure looks. Default: 15m.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub horizon: Duration,
    /// False anomalies that you accept per series and week; fewer make the detector more careful. Allowed:
    /// 0.001 to 1000. Default: 2.
    pub false_alarms_per_week: f64,
    /// How strongly a departure from a resource's own normal (latency, queue) counts against its stability:
    /// 2 counts it twice, 0.5 half. Allowed: 0.1 to 10. Default: 1.
    pub sensitivity: f64,
    /// What the drift test must exceed, in multiples of the threshold that gives about one false drift per
    /// series and month on independent noise. Allowed: 0.2 to 10. Default: 1.
    pub drift_threshold: f64,
    /// Points of a series before an anomaly may open and before a resource's own normal counts. Allowed: 5 to
    /// 10000. Default: 30.
    pub warmup_points: u32,
    /// Series per resource that are watched; further ones are counted, not watched. Series that are vital
    /// signs have a place of their own beside these. Allowed: 1 to 100000. Default: 512.
    pub max_series_per_resource: u32,
    /// A series is forgotten after this silence, and a resource with its last series. Default: 1h.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub forget_after: Duration,
    /// Width of the interval over which spans become rates and latencies. Default: 5s.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub span_interval: Duration,
    /// Metrics of your own that are vital signs. They go before the built-in table.
    pub extra_vitals: Vec<VitalRule>,
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        Self {
            horizon: Duration::from_secs(900),
            false_alarms_per_week: 2.0,
            sensitivity: 1.0,
            drift_threshold: 1.0,
            warmup_points: 30,
            max_series_per_resource: 512,
            forget_after: Duration::from_secs(3_600),
            span_interval: Duration::from_secs(5),
            extra_vitals: Vec::new(),
        }
    }
}

impl AnalysisConfig {
    /// A horizon moved into the allowed range.
    pub(crate) fn horizon_within(horizon: Duration) -> Duration {
        horizon.clamp(Duration::from_secs(10), Duration::from_secs(30 * 86_400))
    }

    /// The same with every figure moved into its allowed range.
    pub(crate) fn clamped(mut self) -> Self {
        self.horizon = Self::horizon_within(self.horizon);
        self.false_alarms_per_week = finite_or(self.false_alarms_per_week, 2.0).clamp(0.001, 1_000.0);
        self.sensitivity = finite_or(self.sensitivity, 1.0).clamp(0.1, 10.0);
        self.drift_threshold = finite_or(self.drift_threshold, 1.0).clamp(0.2, 10.0);
        self.warmup_points = self.warmup_points.clamp(5, 10_000);
        self.max_series_per_resource = self.max_series_per_resource.clamp(1, 100_000);
        self.forget_after = self.forget_after.max(Duration::from_secs(10));
        self.span_interval = self.span_interval.clamp(Duration::from_secs(1), Duration::from_secs(600));
        self
    }
}

fn finite_or(value: f64, default: f64) -> f64 {
    if value.is_finite() { value } else { default }
}

/// A metric of your own that is a vital sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VitalRule {
    /// The metric name; `*` stands for any characters, `.` and `_` are the same, upper case is lower case.
    pub metric: String,
    /// Attributes that the series must have, with exactly these values.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The vital sign, for example `queue_length` or `memory_utilization`.
    #[serde(with = "text::vital")]
    #[schemars(with = "String")]
    pub vital: Vital,
    /// How the value becomes the vital sign.
    #[serde(default)]
    pub transform: Transform,
}

/// How the value of a metric becomes a vital sign. A counter is turned into its rate per second first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// As it is; the unit of the series (`%`, `ms`, `us`) is heeded.
    #[default]
    Value,
    /// 1 − value: a free share becomes a used share.
    Complement,
    /// value / 100.
    Percent,
    /// value / 1000: milliseconds become seconds.
    Milliseconds,
    /// The used amount of used / limit, with another rule that gives the limit of the same vital sign.
    Used,
    /// The limit of used / limit.
    Limit,
    /// The free amount of 1 − free / limit.
    Free,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn settings_are_written_as_people_write_them() {
        let text = r#"{"horizon":"1h","false_alarms_per_week":0.1,"extra_vitals":[
            {"metric":"kafka_lag*","vital":"queue_length","attributes":{"group":"orders"}}]}"#;
        let config: AnalysisConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.horizon, Duration::from_secs(3_600));
        assert_eq!(config.extra_vitals[0].vital, Vital::QueueLength);
        assert_eq!(config.extra_vitals[0].transform, Transform::Value);
        let again: AnalysisConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn unknown_keys_vital_signs_and_durations_are_refused_with_their_name() {
        for (text, word) in [
            (r#"{"horizn":"1h"}"#, "horizn"),
            (r#"{"horizon":"soon"}"#, "soon"),
            (r#"{"extra_vitals":[{"metric":"x","vital":"speed"}]}"#, "speed"),
        ] {
            let error = serde_json::from_str::<AnalysisConfig>(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn figures_out_of_range_are_moved_into_it() {
        let wild = AnalysisConfig { false_alarms_per_week: f64::NAN, warmup_points: 0, ..Default::default() };
        let tame = wild.clamped();
        assert_eq!((tame.false_alarms_per_week, tame.warmup_points), (2.0, 5));
    }
}
