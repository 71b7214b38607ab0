//! What an operator may set about signals at rest.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Table;

/// How signals are kept: log, memory, files, retention, limits of questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// How long each kind of signal is kept.
    pub retention: RetentionConfig,
    /// Bytes after which the write-ahead log begins a new segment. Default: 67108864 (64 MiB).
    pub segment_bytes: u64,
    /// Bytes of rows in memory after which they are written to Parquet files. Default: 134217728 (128 MiB).
    pub flush_bytes: u64,
    /// Longest time that rows stay in memory and log only. Default: `5m`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub flush_after: Duration,
    /// Bytes of rows in memory at which appends are refused until a flush has succeeded (a full disk, for
    /// example). Default: 536870912 (512 MiB).
    pub memory_bytes: u64,
    /// Bytes of one batch, encoded and not compressed; larger ones are refused. Default: 67108864 (64 MiB).
    pub max_batch_bytes: u64,
    /// Bytes that a merged Parquet file aims for. Default: 134217728 (128 MiB).
    pub compact_bytes: u64,
    /// Small files of one table and day that wait before they are merged. Default: 6.
    pub compact_files: usize,
    /// Limits of questions in SQL.
    pub query: QueryConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            retention: RetentionConfig::default(),
            segment_bytes: 64 << 20,
            flush_bytes: 128 << 20,
            flush_after: Duration::from_secs(300),
            memory_bytes: 512 << 20,
            max_batch_bytes: 64 << 20,
            compact_bytes: 128 << 20,
            compact_files: 6,
            query: QueryConfig::default(),
        }
    }
}

/// How long each kind of signal is kept, counted from the day of its time stamp: a day is dropped when its
/// last moment is older than this. `0s` keeps for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Metric points. Default: `30d`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub metric_points: Duration,
    /// Histogram points. Default: `30d`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub histograms: Duration,
    /// Log records and events. Default: `30d`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub logs: Duration,
    /// Spans. Default: `14d`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub spans: Duration,
    /// Assessments. Default: `90d`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub assessments: Duration,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            metric_points: days(30),
            histograms: days(30),
            logs: days(30),
            spans: days(14),
            assessments: days(90),
        }
    }
}

impl RetentionConfig {
    /// How long rows of `table` are kept; `None` is for ever. Series and resources follow the rows that
    /// refer to them: they are kept as long as the longest-lived of points, histograms, logs and spans.
    pub fn of(&self, table: Table) -> Option<Duration> {
        let kept = match table {
            Table::MetricPoints => self.metric_points,
            Table::Histograms => self.histograms,
            Table::Logs => self.logs,
            Table::Spans => self.spans,
            Table::Assessments => self.assessments,
            Table::Series => longest(&[self.metric_points, self.histograms]),
            Table::Resources => longest(&[self.metric_points, self.histograms, self.logs, self.spans]),
        };
        (!kept.is_zero()).then_some(kept)
    }
}

/// The longest of some retentions, where zero is for ever.
fn longest(all: &[Duration]) -> Duration {
    if all.iter().any(Duration::is_zero) {
        return Duration::ZERO;
    }
    all.iter().copied().max().unwrap_or_default()
}

/// Limits of questions in SQL and PromQL; a caller may ask for less, never for more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Rows of one answer. Default: 100000.
    pub max_rows: usize,
    /// Time of one question. Default: `2m`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Memory of one question in bytes. Default: 536870912 (512 MiB).
    pub memory_bytes: usize,
    /// Questions that run at the same time; further ones wait. Default: 4.
    pub max_concurrent: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            max_rows: 100_000,
            timeout: Duration::from_secs(120),
            memory_bytes: 512 << 20,
            max_concurrent: 4,
        }
    }
}

/// Lengths of time as texts such as `30d`.
mod duration_text {
    use std::time::Duration;

    use echobase_types::duration;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(length: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&duration::format(*length))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        duration::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn configuration_reads_lengths_of_time_and_refuses_unknown_keys() {
        let read = |text: &str| serde_json::from_str::<TelemetryConfig>(text);
        let config = read(r#"{"retention":{"spans":"2d"},"flush_after":"90s"}"#).unwrap();
        assert_eq!(config.retention.spans, Duration::from_secs(172_800));
        assert_eq!(config.flush_after, Duration::from_secs(90));
        assert_eq!(config.retention.logs, Duration::from_secs(30 * 86_400));
        assert!(read(r#"{"retention":{"span":"2d"}}"#).is_err());
        assert!(read(r#"{"flush_after":5}"#).is_err());
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config);
    }

    #[test]
    fn a_retention_of_zero_keeps_for_ever_and_so_keeps_the_series() {
        let config = RetentionConfig { metric_points: Duration::ZERO, ..RetentionConfig::default() };
        assert_eq!(config.of(Table::MetricPoints), None);
        assert_eq!(config.of(Table::Series), None);
        assert_eq!(RetentionConfig::default().of(Table::Series), Some(Duration::from_secs(30 * 86_400)));
    }
}
