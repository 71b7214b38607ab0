//! Service level objectives: what was promised, how much of the error budget is left, how fast it burns.

use echobase_types::slo as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// A service level objective with its present state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Slo {
    /// Its id, over all versions.
    pub id: String,
    /// Version, from 1; also sent as `ETag`.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// What it promises and to whom.
    pub description: String,
    /// The kind of resource whose work it counts; absent: all.
    pub selector_kind: Option<String>,
    /// Id or pattern of the resources whose work it counts, together; absent: all.
    pub selector_resource: Option<String>,
    /// What it counts.
    pub sli: SloIndicator,
    /// Share of it that must be good.
    pub target: f64,
    /// Days over which that share is meant; the window rolls.
    pub window_days: u32,
    /// When it was made.
    pub created_at: Time,
    /// When this version was saved.
    pub updated_at: Time,
    /// How it stands.
    pub status: SloStatus,
    /// The window in about sixty stretches, oldest first; empty in lists.
    pub history: Vec<BurnStretch>,
    /// The last six hours in stretches of six minutes (of one minute where the window is a day), oldest first; empty
    /// in lists.
    pub recent: Vec<BurnStretch>,
}

/// What an objective counts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloIndicator {
    /// `requests` (good: did not fail), `latency` (good: took at most `threshold` seconds), `vital` or `metric` (good:
    /// the seconds in which it was `good_when` `threshold`).
    pub kind: String,
    /// The threshold; needed but for `requests`. Of latency in seconds, of a vital sign in its unit, of a metric as it
    /// is sent (a counter per second).
    #[serde(default)]
    pub threshold: Option<f64>,
    /// `at_most` or `at_least`; needed for `vital` and `metric`.
    #[serde(default)]
    pub good_when: Option<String>,
    /// The vital sign, such as `up` or `latency_p99`; needed for `vital`.
    #[serde(default)]
    pub vital: Option<String>,
    /// The metric name as its sender spells it; needed for `metric`.
    #[serde(default)]
    pub metric: Option<String>,
}

/// An objective to keep.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloDraft {
    /// Its name, 1 to 100 characters, unique in the tenant.
    pub name: String,
    /// What it promises and to whom, at most 1,000 characters. Default: empty.
    #[serde(default)]
    pub description: String,
    /// Count only resources of this kind: `host`, `service`, `agent`, `engine`, `process`. Default: all.
    #[serde(default)]
    pub selector_kind: Option<String>,
    /// Count only this resource, such as `service:shop/orders`, or those that fit a pattern with `*`. Default: all.
    #[serde(default)]
    pub selector_resource: Option<String>,
    /// What it counts.
    pub sli: SloIndicator,
    /// Share of it that must be good, 0.5 to 0.99999.
    pub target: f64,
    /// Days over which that share is meant, 1 to 90. Default: 30.
    #[serde(default = "month")]
    pub window_days: u32,
}

const fn month() -> u32 {
    30
}

/// How an objective stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SloStatus {
    /// `page` (the budget burns so fast that somebody must look now), `ticket` (it burns, and it can wait for the
    /// day), `spent` (nothing is left, and it does not burn), `ok`, `no_data` (nothing was counted in the window),
    /// `loading` (the history is being read).
    pub state: String,
    /// The same in one sentence.
    pub words: String,
    /// When it was judged; absent while loading.
    pub at: Option<Time>,
    /// What is counted: `requests` or `seconds`.
    pub unit: String,
    /// Good ones within the window.
    pub good: f64,
    /// Bad ones within the window.
    pub bad: f64,
    /// Share that was good; absent if nothing was counted.
    pub attained: Option<f64>,
    /// Share of the window's minutes of which anything was counted; the rest counts neither way.
    pub covered: f64,
    /// Resources that are counted.
    pub resources: u32,
    /// Time of the newest row that was counted.
    pub last_data_at: Option<Time>,
    /// Share of the error budget that is left; below 0 when it is overspent; absent while loading or without data.
    pub left: Option<f64>,
    /// Every pair of windows, most urgent first.
    pub windows: Vec<BurnWindow>,
    /// When the budget is used up if things go on as they are; absent if nothing was counted in the last six hours.
    pub forecast: Option<BudgetForecast>,
}

/// How fast the budget burns, seen through one pair of windows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BurnWindow {
    /// `page` or `ticket`.
    pub urgency: String,
    /// Burn rate at or above which it fires, in both windows; 1 spends the budget exactly in the objective's window.
    pub rate: f64,
    /// Seconds of the long window.
    pub long_s: u64,
    /// Burn rate over it.
    pub long: f64,
    /// Seconds of the short window.
    pub short_s: u64,
    /// Burn rate over it; absent where nothing was counted.
    pub short: Option<f64>,
    /// Whether it fires.
    pub firing: bool,
}

/// When the error budget is used up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BudgetForecast {
    /// The burn rate of the last hour.
    pub rate: f64,
    /// The calm end of the last six hours: one of ten half hours burned slower.
    pub rate_low: f64,
    /// The fast end of the last six hours: one of ten half hours burned faster.
    pub rate_high: f64,
    /// Seconds until the budget is used up at the present rate; absent if it lasts for a whole window.
    pub gone_in_s: Option<f64>,
    /// The same at the fast end.
    pub gone_in_soonest_s: Option<f64>,
    /// The same at the calm end.
    pub gone_in_latest_s: Option<f64>,
    /// Share of the budget that is left one window from now, below 0 if overspent.
    pub left_at_end: f64,
    /// The same at the fast end.
    pub left_at_end_low: f64,
    /// The same at the calm end.
    pub left_at_end_high: f64,
}

/// What was counted in a stretch of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BurnStretch {
    /// Its end, in milliseconds since 1970.
    pub end_ms: i64,
    /// Good ones.
    pub good: f64,
    /// Bad ones.
    pub bad: f64,
    /// Burn rate; absent where nothing was counted.
    pub rate: Option<f64>,
    /// Share of the budget that was left after it, of the window that ends now.
    pub left: f64,
}

/// Which objectives are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct SloQuery {
    /// Only those that count the work of this resource.
    pub resource_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// An objective to try on stored history.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloPreviewRequest {
    /// The objective.
    pub slo: SloDraft,
    /// Days of which the alerts are wanted, 1 to 90. Default: 7.
    #[serde(default = "week")]
    pub days: u32,
}

const fn week() -> u32 {
    7
}

/// What an objective would have told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SloPreview {
    /// Begin of the days of which the alerts are listed.
    pub from: Time,
    /// Their end.
    pub to: Time,
    /// The same in one sentence.
    pub words: String,
    /// Pages in those days.
    pub pages: u32,
    /// Tickets in those days.
    pub tickets: u32,
    /// The alerts, oldest first, at most 200.
    pub alerts: Vec<SloPreviewAlert>,
    /// How it would stand now.
    pub status: SloStatus,
    /// The window in about sixty stretches, oldest first.
    pub history: Vec<BurnStretch>,
}

/// An alert that would have been.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SloPreviewAlert {
    /// `page` or `ticket`.
    pub urgency: String,
    /// When it would have opened.
    pub from: Time,
    /// When it would have closed; absent if it would be open still.
    pub to: Option<Time>,
    /// The fastest burn over the long window while it was open.
    pub rate: f64,
}

impl From<&domain::Sli> for SloIndicator {
    fn from(sli: &domain::Sli) -> Self {
        let empty = Self {
            kind: sli.as_str().to_owned(),
            threshold: None,
            good_when: None,
            vital: None,
            metric: None,
        };
        let bounded = |bound: &domain::Bound| Self {
            threshold: Some(bound.threshold),
            good_when: Some(bound.side.as_str().to_owned()),
            ..empty.clone()
        };
        match sli {
            domain::Sli::Requests => empty,
            domain::Sli::Latency { threshold_s } => Self { threshold: Some(*threshold_s), ..empty },
            domain::Sli::Vital { vital, bound } => {
                Self { vital: Some(vital.as_str().to_owned()), ..bounded(bound) }
            }
            domain::Sli::Metric { name, bound } => Self { metric: Some(name.clone()), ..bounded(bound) },
        }
    }
}

impl From<&domain::BurnReading> for BurnWindow {
    fn from(r: &domain::BurnReading) -> Self {
        Self {
            urgency: r.urgency.as_str().to_owned(),
            rate: r.rate,
            long_s: r.long_window.as_secs(),
            long: r.long,
            short_s: r.short_window.as_secs(),
            short: r.short,
            firing: r.is_firing,
        }
    }
}

impl From<&domain::BudgetForecast> for BudgetForecast {
    fn from(f: &domain::BudgetForecast) -> Self {
        let seconds = |length: Option<std::time::Duration>| length.map(|l| l.as_secs_f64());
        Self {
            rate: f.rate,
            rate_low: f.rates.0,
            rate_high: f.rates.1,
            gone_in_s: seconds(f.gone_in),
            gone_in_soonest_s: seconds(f.gone_in_soonest),
            gone_in_latest_s: seconds(f.gone_in_latest),
            left_at_end: f.left_at_end,
            left_at_end_low: f.left_at_end_range.0,
            left_at_end_high: f.left_at_end_range.1,
        }
    }
}

impl From<&domain::BurnStretch> for BurnStretch {
    fn from(s: &domain::BurnStretch) -> Self {
        Self { end_ms: s.end.as_millis(), good: s.good, bad: s.bad, rate: s.rate, left: s.left }
    }
}
