//! Service level objectives: what share of the work must go well, over which time, and how fast the share that may
//! go wrong is being spent.

use std::time::Duration;

use crate::assessment::Vital;
use crate::playbook::Selector;
use crate::{SloId, Timestamp};

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Its id, over all versions.
    pub id: SloId,
    /// Version, from 1; each change makes one more.
    pub version: u32,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it promises and to whom, in words.
    pub description: String,
    /// Whose work it counts; that of several resources is counted together.
    pub selector: Selector,
    /// What it counts.
    pub sli: Sli,
    /// Share of it that must be good, between 0 and 1.
    pub target: f64,
    /// The rolling time over which that share is meant.
    pub window: Duration,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this version was saved.
    pub updated_at: Timestamp,
}

/// What an objective counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Sli {
    /// Requests; good are those that did not fail.
    Requests,
    /// Requests; good are those that took no longer.
    Latency {
        /// So many seconds.
        threshold_s: f64,
    },
    /// Seconds; good are those in which a vital sign keeps within its bound.
    Vital {
        /// Which.
        vital: Vital,
        /// Within what.
        bound: Bound,
    },
    /// Seconds; good are those in which every series of a metric, each for itself, keeps within its bound.
    Metric {
        /// The name, as its sender spells it.
        name: String,
        /// Within what.
        bound: Bound,
    },
}

impl Sli {
    /// The word of its sort in API and UI.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Latency { .. } => "latency",
            Self::Vital { .. } => "vital",
            Self::Metric { .. } => "metric",
        }
    }

    /// What is counted: `requests` or `seconds`.
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Requests | Self::Latency { .. } => "requests",
            Self::Vital { .. } | Self::Metric { .. } => "seconds",
        }
    }
}

/// The good side of a threshold; the threshold itself is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Which side.
    pub side: Side,
    /// Of what.
    pub threshold: f64,
}

impl Bound {
    /// Whether a value is on the good side.
    pub fn holds(self, value: f64) -> bool {
        match self.side {
            Side::AtMost => value <= self.threshold,
            Side::AtLeast => value >= self.threshold,
        }
    }
}

/// Which side of a threshold is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Up to it.
    AtMost,
    /// From it on.
    AtLeast,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::AtMost, Self::AtLeast];

    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtMost => "at_most",
            Self::AtLeast => "at_least",
        }
    }

    /// The side of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// How people are told that a budget burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// It can wait for the day.
    Ticket,
    /// Somebody has to look now.
    Page,
}

impl Urgency {
    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// How fast the budget burns, seen through one pair of windows. A rate of 1 spends the budget exactly in the window
/// of the objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnReading {
    /// Rate at or above which it fires, in both windows.
    pub rate: f64,
    /// The window that shows that enough is gone.
    pub long_window: Duration,
    /// The window that shows that it is still going.
    pub short_window: Duration,
    /// How people are told.
    pub urgency: Urgency,
    /// Rate over the long window; 0 without events.
    pub long: f64,
    /// Rate over the short window; absent without events, since nothing is not calm.
    pub short: Option<f64>,
    /// Whether both are at or above the rate.
    pub is_firing: bool,
}

/// When the budget is used up if things go on as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetForecast {
    /// The present burn rate.
    pub rate: f64,
    /// The calm and the fast end of recent burn rates: eight of ten recent stretches lie between.
    pub rates: (f64, f64),
    /// Time until the budget is used up at the present rate; absent if it lasts for a whole window.
    pub gone_in: Option<Duration>,
    /// The same at the fast end of the recent rates.
    pub gone_in_soonest: Option<Duration>,
    /// The same at the calm end.
    pub gone_in_latest: Option<Duration>,
    /// Share of the budget that is left one window from now, below 0 if overspent.
    pub left_at_end: f64,
    /// The same at the fast and at the calm end of the recent rates.
    pub left_at_end_range: (f64, f64),
}

/// What was counted in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnStretch {
    /// Its end.
    pub end: Timestamp,
    /// What was good.
    pub good: f64,
    /// What was bad.
    pub bad: f64,
    /// Burn rate in it; absent where nothing was counted.
    pub rate: Option<f64>,
    /// Share of the budget that was left after it, of the window that ends now.
    pub left: f64,
}

/// The verdict on an objective at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct SloVerdict {
    /// When.
    pub at: Timestamp,
    /// Good within the window, in the unit of the SLI.
    pub good: f64,
    /// Bad within the window.
    pub bad: f64,
    /// Share of the window's minutes of which anything was counted, 0..=1. The rest counts neither way.
    pub covered: f64,
    /// Resources that were counted.
    pub resources: u32,
    /// Time of the newest row that was counted.
    pub last_data_at: Option<Timestamp>,
    /// Every pair of windows, most urgent first.
    pub readings: Vec<BurnReading>,
    /// Share of the budget that is left, at most 1; below 0 when it is overspent.
    pub left: f64,
    /// When it is used up; absent as long as nothing was counted recently.
    pub forecast: Option<BudgetForecast>,
    /// The window in sixty stretches, oldest first.
    pub history: Vec<BurnStretch>,
    /// The last six hours in stretches of six minutes, oldest first.
    pub recent: Vec<BurnStretch>,
}

impl SloVerdict {
    /// The most urgent pair of windows that fires, if one does.
    pub fn firing(&self) -> Option<&BurnReading> {
        self.readings.iter().find(|r| r.is_firing)
    }

    /// Share that was good; absent if nothing was counted.
    pub fn attained(&self) -> Option<f64> {
        let all = self.good + self.bad;
        (all > 0.0).then(|| self.good / all)
    }
}
