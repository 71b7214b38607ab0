//! The budget and what became of it, beside each other.

use std::time::Duration;

use echobase_types::incident::IncidentLabel;
use echobase_types::{SeriesId, Timestamp};

use super::{Alert, DAY, Lessons, WEEK_S};

/// Alerts over some time, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that opened.
    pub alerts: u32,
    /// Labelled `real`.
    pub real: u32,
    /// Labelled `noise`.
    pub noise: u32,
    /// Labelled `expected`.
    pub expected: u32,
    /// Not labelled, and closed although nothing went with them.
    pub unconfirmed: u32,
}

impl Tally {
    /// False alerts: noise, and what nothing confirmed.
    pub const fn false_alerts(self) -> u32 {
        self.noise + self.unconfirmed
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.alerts += other.alerts;
        self.real += other.real;
        self.noise += other.noise;
        self.expected += other.expected;
        self.unconfirmed += other.unconfirmed;
    }
}

/// One series: its bar, what feedback made of it, and its alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesTally {
    /// The metric with its attributes; [`super::WHOLE`] for the resource as a whole.
    pub metric: String,
    /// The series; of the whole none.
    pub series: Option<SeriesId>,
    /// What an onset must exceed now (−log₁₀ of a probability, less what the series does anyway).
    pub bar: f64,
    /// What the budget alone would ask.
    pub bar_of_budget: f64,
    /// What feedback multiplies the bar by.
    pub factor: f64,
    /// Alerts of the last seven days, and of the last four weeks.
    pub week: Tally,
    /// Of the last four weeks.
    pub month: Tally,
    /// Why onsets are expected now, if they are.
    pub expected_now: Option<String>,
}

impl Lessons {
    /// The alerts of a metric that began within `back` before `now`.
    pub fn tally(&self, metric: &str, back: Duration, now: Timestamp) -> Tally {
        self.count(self.alerts.iter().filter(|a| a.metric == metric), back, now)
    }

    /// The alerts of all metrics that began within `back` before `now`.
    pub fn tally_all(&self, back: Duration, now: Timestamp) -> Tally {
        self.count(self.alerts.iter(), back, now)
    }

    fn count<'a>(&self, alerts: impl Iterator<Item = &'a Alert>, back: Duration, now: Timestamp) -> Tally {
        let mut tally = Tally::default();
        for alert in alerts.filter(|a| a.started_at > now - back && a.started_at <= now) {
            tally.alerts += 1;
            match self.label_of(alert, now) {
                Some(IncidentLabel::Real) => tally.real += 1,
                Some(IncidentLabel::Noise) => tally.noise += 1,
                Some(IncidentLabel::Expected) => tally.expected += 1,
                None => tally.unconfirmed += u32::from(self.is_false(alert, now)),
            }
        }
        tally
    }

    /// How long the resource was watched within `back` before `now`, in weeks; a day at least, so that an hour with
    /// one alert is no flood.
    pub fn weeks(&self, back: Duration, now: Timestamp) -> f64 {
        let watched = self.since.map_or(Duration::ZERO, |since| now.since(since));
        watched.clamp(DAY, back.max(DAY)).as_secs_f64() / WEEK_S as f64
    }

    /// Since when the resource is watched.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }
}
