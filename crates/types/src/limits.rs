//! Limits on what is accepted, stated once.

use std::time::Duration;

/// What one sender may send. Each limit has a stated answer: the row is listed as rejected, its neighbours kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestLimits {
    /// Rows older than this before `now` are `TooOld`. Default: 365 days (imports have no such limit).
    pub max_age: Duration,
    /// Rows further than this after `now` are `TooNew`. Default: 10 minutes.
    pub max_ahead: Duration,
    /// Bytes of a metric, attribute or span name. Default: 256.
    pub max_name_bytes: usize,
    /// Bytes of one attribute value. Default: 4096.
    pub max_value_bytes: usize,
    /// Attributes of one row. Default: 128.
    pub max_attributes: usize,
    /// Bytes of a log body. Default: 65,536.
    pub max_body_bytes: usize,
    /// New series per tenant and minute; further ones are `SeriesLimit`. Default: 20,000.
    pub max_new_series_per_minute: usize,
    /// Rejected rows that are listed in the answer; the rest is only counted. Default: 100.
    pub max_listed_rejections: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(365 * 86_400),
            max_ahead: Duration::from_secs(600),
            max_name_bytes: 256,
            max_value_bytes: 4_096,
            max_attributes: 128,
            max_body_bytes: 65_536,
            max_new_series_per_minute: 20_000,
            max_listed_rejections: 100,
        }
    }
}
