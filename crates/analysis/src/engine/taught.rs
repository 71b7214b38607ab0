//! What people teach the engine: labels, new references; and what it makes of them.

use std::time::Duration;

use echobase_types::assessment::Anomaly;
use echobase_types::change::ChangeKind;
use echobase_types::incident::Incident;
use echobase_types::{ResourceId, Timestamp};

use super::Engine;
use super::watched::{Judged, Memory, NewReference};
use crate::feedback::{SeriesTally, Tally};

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const MONTH: Duration = Duration::from_secs(28 * 86_400);

/// The budget of one resource and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceTally {
    /// False alerts accepted per series and week.
    pub budget: f64,
    /// Since when it is watched.
    pub since: Option<Timestamp>,
    /// How long it was watched within the last seven days and the last four weeks, in weeks.
    pub weeks: (f64, f64),
    /// Each series, and the resource as a whole; most alerts first.
    pub series: Vec<SeriesTally>,
}

/// The budget of all resources and what became of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantTally {
    /// False alerts accepted per series and week.
    pub budget: f64,
    /// Series that are judged; the whole of a resource counts as one.
    pub series: u64,
    /// Weeks of series that were watched within the last seven days, and within the last four weeks.
    pub series_weeks: (f64, f64),
    /// Alerts of the last seven days.
    pub week: Tally,
    /// Of the last four weeks.
    pub month: Tally,
    /// Resources with alerts in the last four weeks, most first, at most fifty.
    pub loudest: Vec<(ResourceId, Tally)>,
}

/// Resources that a tenant's tally names.
const NAMED: usize = 50;

impl Engine {
    fn memory(&mut self, resource: &ResourceId) -> &mut Memory {
        match self.resources.get_mut(resource) {
            Some(watched) => &mut watched.memory,
            None => self.kept.entry(resource.clone()).or_default(),
        }
    }

    /// Takes all labels of a resource; those that were known before are replaced. Labels count from when they were
    /// given, so that a replay comes to the same bars.
    pub fn teach(&mut self, resource: &ResourceId, labels: &[Incident]) {
        let memory = self.memory(resource);
        memory.lessons.teach(labels);
        memory.touch();
    }

    /// Takes an alert of the past, from the store after a start.
    pub fn remember(&mut self, resource: &ResourceId, alert: &Anomaly) {
        let memory = self.memory(resource);
        memory.lessons.alert(alert);
        memory.touch();
    }

    /// A change of that kind was made on a resource at `at`: what is expected after it is silent from then on, so tell it
    /// before the signals that follow it. The same one may be told again.
    pub fn changed(&mut self, resource: &ResourceId, at: Timestamp, kind: ChangeKind) {
        self.memory(resource).lessons.changed(at, kind);
    }

    /// A resource is watched since `at`, from the store after a start.
    pub fn watched_since(&mut self, resource: &ResourceId, at: Timestamp) {
        self.memory(resource).lessons.watched_since(at);
    }

    /// From `at` on the present level of a metric (`None`: of every metric) of a resource is its reference: of the
    /// drift test, of the slow baseline and of the own normal. Points before `at` that come later (a replay) still count
    /// for the level.
    pub fn rereference(&mut self, resource: &ResourceId, metric: Option<&str>, at: Timestamp) {
        self.memory(resource).rereference(NewReference { at, metric: metric.map(str::to_owned) });
    }

    /// Whether a metric of that name, with or without its attributes, is watched on a resource.
    pub fn has_metric(&self, resource: &ResourceId, metric: &str) -> bool {
        self.resources.get(resource).is_some_and(|w| w.has_metric(metric))
    }

    /// The budget of a resource and what became of it; `None` for a resource that is not watched.
    pub fn tally(&self, resource: &ResourceId, now: Timestamp) -> Option<ResourceTally> {
        let watched = self.resources.get(resource)?;
        let lessons = &watched.memory.lessons;
        Some(ResourceTally {
            budget: self.config.false_alarms_per_week,
            since: lessons.since(),
            weeks: (lessons.weeks(WEEK, now), lessons.weeks(MONTH, now)),
            series: watched.tallies(now),
        })
    }

    /// The budget of all resources and what became of it.
    pub fn tally_all(&self, now: Timestamp) -> TenantTally {
        let mut all = TenantTally { budget: self.config.false_alarms_per_week, ..TenantTally::default() };
        for (id, watched) in &self.resources {
            let lessons = &watched.memory.lessons;
            let series = watched.judged();
            all.series += series as u64;
            all.series_weeks.0 += series as f64 * lessons.weeks(WEEK, now);
            all.series_weeks.1 += series as f64 * lessons.weeks(MONTH, now);
            let (week, month) = (lessons.tally_all(WEEK, now), lessons.tally_all(MONTH, now));
            all.week.add(week);
            all.month.add(month);
            if month.alerts > 0 {
                all.loudest.push((id.clone(), month));
            }
        }
        all.loudest.sort_by(|a, b| b.1.alerts.cmp(&a.1.alerts).then_with(|| a.0.cmp(&b.0)));
        all.loudest.truncate(NAMED);
        all
    }

    /// Follows a metric of a resource from `from` on, through every judgement: for what a page draws around an anomaly.
    /// Told before the first batch of the resource.
    pub fn follow(&mut self, resource: &ResourceId, metric: &str, from: Timestamp) {
        self.followed.insert(resource.clone(), (metric.to_owned(), from));
    }

    /// The metrics of a resource that are judged, by name and with their attributes.
    pub fn metrics(&self, resource: &ResourceId) -> Vec<String> {
        self.resources.get(resource).map(super::watched::Watched::metrics).unwrap_or_default()
    }

    /// Judges what of a resource waits for the moment to be over: no later row comes.
    pub fn finish(&mut self, resource: &ResourceId) {
        if let Some(watched) = self.resources.get_mut(resource) {
            watched.close_spans(&self.limits, &mut self.counts);
        }
    }

    /// What was followed on a resource, in order of time.
    pub fn take_trace(&mut self, resource: &ResourceId) -> Vec<Judged> {
        self.resources.get_mut(resource).map(super::watched::Watched::take_trace).unwrap_or_default()
    }
}
