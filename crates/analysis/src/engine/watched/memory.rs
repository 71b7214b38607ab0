//! What people said of a resource: labels of its alerts, and levels that are its reference from then on.

use echobase_types::Timestamp;
use echobase_types::assessment::Anomaly;

use super::{Role, Watched};
use crate::channel::{Channel, Limits};
use crate::feedback::{Lessons, SeriesTally, WHOLE, covers};

/// From this surprise on a series is unusual company: one point in a thousand.
const COMPANY: f64 = 3.0;
/// A score below this is harm.
const HARMED: f64 = 0.7;
const DAY_S: u64 = 86_400;

/// From `at` on the present level is the reference of a metric, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct NewReference {
    pub(in crate::engine) at: Timestamp,
    pub(in crate::engine) metric: Option<String>,
}

/// What stays known of a resource although its series are forgotten.
#[derive(Debug, Default)]
pub(in crate::engine) struct Memory {
    pub(in crate::engine) lessons: Lessons,
    /// New references that are still to come, in order of time.
    references: Vec<NewReference>,
    /// When something of this is due; `None`: at once.
    due: Option<Timestamp>,
}

impl Memory {
    /// Something changed: the bars are made anew at the next point.
    pub(in crate::engine) fn touch(&mut self) {
        self.due = None;
    }

    /// Remembers a new reference until its time comes.
    pub(in crate::engine) fn rereference(&mut self, new: NewReference) {
        let place = self.references.partition_point(|r| r.at <= new.at);
        self.references.insert(place, new);
        self.touch();
    }

    /// Whether anybody said anything.
    pub(in crate::engine) fn is_worth_keeping(&self) -> bool {
        !self.references.is_empty() || self.lessons.has_labels()
    }
}

impl Watched {
    /// Applies what is due at `time`: new references, and what feedback makes of the bars.
    pub(in crate::engine) fn heed(&mut self, time: Timestamp, limits: &Limits) {
        if self.memory.due.is_some_and(|due| time < due) {
            return;
        }
        let mut memory = std::mem::take(&mut self.memory);
        memory.lessons.watched_since(time);
        let passed = memory.references.partition_point(|r| r.at <= time);
        for new in memory.references.drain(..passed) {
            self.take_reference(&new);
        }
        let budget = limits.false_alarms_per_week;
        let lessons = &memory.lessons;
        let unheard = lessons.factor("", budget, time);
        let factor =
            |metric: &str| if lessons.knows(metric) { lessons.factor(metric, budget, time) } else { unheard };
        for stream in self.streams.iter_mut().flatten() {
            stream.channel.heed(factor(&stream.metric));
        }
        for slot in self.slots.iter_mut().flatten() {
            if let Role::Plain(plain) = &mut slot.role {
                plain.channel.heed(factor(&plain.metric));
            }
        }
        self.together.heed(factor(WHOLE));
        let next = memory.lessons.next_after(time);
        memory.due = Some(memory.references.first().map_or(next, |r| r.at.min(next)));
        self.memory = memory;
    }

    /// Takes the present level of the metrics meant as their reference.
    fn take_reference(&mut self, new: &NewReference) {
        let is_meant = |metric: &str| new.metric.as_deref().is_none_or(|named| covers(named, metric));
        for stream in self.streams.iter_mut().flatten().filter(|s| is_meant(&s.metric)) {
            stream.rereference(new.at);
        }
        for slot in self.slots.iter_mut().flatten() {
            if let Role::Plain(plain) = &mut slot.role
                && is_meant(&plain.metric)
            {
                plain.channel.rereference(new.at);
            }
        }
    }

    /// Whether a metric of that name, with or without attributes, is watched.
    pub(in crate::engine) fn has_metric(&self, named: &str) -> bool {
        self.streams().any(|s| covers(named, &s.metric))
            || self.plains().any(|(_, p)| covers(named, &p.metric))
    }

    /// The metrics that are watched, each once, by name.
    pub(in crate::engine) fn metrics(&self) -> Vec<String> {
        let streams = self.streams().map(|stream| stream.metric.clone());
        let mut all: Vec<String> =
            streams.chain(self.plains().map(|(_, plain)| plain.metric.clone())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Notes what goes with the open anomalies at this time.
    pub(in crate::engine) fn witness(&mut self, score: f64) {
        let is_loud = |c: &Channel| c.alarm.open().is_some() || c.surprise() >= COMPANY;
        let loud = self.streams().map(|s| &s.channel).chain(self.plains().map(|(_, p)| &p.channel));
        let loud = loud.filter(|c| is_loud(c)).count() as u32;
        if loud == 0 && !self.together.is_open() {
            return;
        }
        let harmed = score < HARMED;
        for stream in self.streams.iter_mut().flatten() {
            stream.channel.alarm.witness(loud.saturating_sub(1), harmed);
        }
        for slot in self.slots.iter_mut().flatten() {
            if let Role::Plain(plain) = &mut slot.role {
                plain.channel.alarm.witness(loud.saturating_sub(1), harmed);
            }
        }
        // Several are unusual at once: that is what it says.
        self.together.witness(loud, harmed);
    }

    /// Remembers alerts that opened or ended.
    pub(in crate::engine) fn remember<'a>(&mut self, transitions: impl Iterator<Item = &'a Anomaly>) {
        for anomaly in transitions {
            self.memory.lessons.alert(anomaly);
        }
    }

    /// Series that are judged, and the whole as one more where it is.
    pub(in crate::engine) fn judged(&self) -> usize {
        self.streams().count() + self.plains().count() + usize::from(self.together.heights().is_some())
    }

    /// Every bar with the alerts that passed it, most alerts first.
    pub(in crate::engine) fn tallies(&self, now: Timestamp) -> Vec<SeriesTally> {
        let lessons = &self.memory.lessons;
        let days = |n: u64| std::time::Duration::from_secs(n * DAY_S);
        let tally = |metric: &str, series, heights: Option<(f64, f64)>, factor| {
            let (bar, bar_of_budget) = heights?;
            Some(SeriesTally {
                metric: metric.to_owned(),
                series,
                bar,
                bar_of_budget,
                factor,
                week: lessons.tally(metric, days(7), now),
                month: lessons.tally(metric, days(28), now),
                expected_now: lessons.expected(metric, now),
            })
        };
        let streams = self.streams().map(|s| (s.metric.as_str(), Some(s.series), &s.channel));
        let plains = self.plains().map(|(id, p)| (p.metric.as_str(), Some(id), &p.channel));
        let each = streams.chain(plains).map(|(m, id, c)| tally(m, id, c.heights(), c.factor()));
        let whole = tally(WHOLE, None, self.together.heights(), self.together.factor());
        let mut all: Vec<SeriesTally> = each.chain([whole]).flatten().collect();
        all.sort_by(|a, b| b.month.alerts.cmp(&a.month.alerts).then_with(|| a.metric.cmp(&b.metric)));
        all
    }
}
