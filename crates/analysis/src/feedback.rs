//! What people say of alerts, and what becomes of them, moves the bar of a series.
//!
//! # Rule
//! The bar that follows from the false-alarm budget is multiplied by a factor f, 1 at first. On the scale of ln f:
//!
//! | what happened | step |
//! |---|---|
//! | an alert of the series is labelled `noise` | up by ln 1.1 |
//! | an alert is labelled `real` | down by ln 1.1 |
//! | a day with a *false* alert, while those of the last two weeks exceed the budget | up by a tenth of ln(rate / budget), at most ln 1.1 |
//! | a day on which they are less than 0.3 of it, where the budget foresaw three or more | down by 0.02, to 0.85 at the least |
//!
//! Within any 24 hours f moves by 10 % at most, up or down; what a day cannot take is taken the next. f stays within
//! 0.7 and 2, and what was learned halves in 30 days. Of several labels of one alert the last one counts.
//!
//! An alert counts as false if somebody called it noise, or if it closed although nothing went with it: no other
//! series of the resource was unusual, the stability score stayed at 0.7 and above, and nobody called it real or
//! expected.
//!
//! **Expected** alerts are not counted, and what is like them is not told again: within half an hour after a change of
//! the same kind on the resource if the label names one, else at the same time of the week (half an hour to either
//! side, for eight weeks).
//!
//! All is a pure function of labels, alerts and time: after a restart it is what it was.
//!
//! Source: the design's budget loop; steps on the logarithm, so that ups and downs cancel.

mod bend;
mod tally;

use std::collections::VecDeque;
use std::time::Duration;

use echobase_types::assessment::{Anomaly, Outcome};
use echobase_types::change::ChangeKind;
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::{AnomalyId, Timestamp};

use bend::Bend;

pub use bend::{DAILY, RANGE};
pub use tally::{SeriesTally, Tally};

/// What stands for the metric in labels of an anomaly of several metrics.
pub const WHOLE: &str = "several metrics";
/// How long after a change its alerts are expected, and how far to either side of a time of the week.
pub const NEAR: Duration = Duration::from_secs(30 * 60);
/// A label without an end expects for so long.
const LASTS: Duration = Duration::from_secs(3_600);
/// Weeks for which a time of the week stays expected.
const WEEKS: i64 = 8;
/// A kind of change stays expected for so long after the label.
const CHANGES_FOR: Duration = Duration::from_secs(90 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK_S: i64 = 7 * 86_400;
/// Alerts are counted over so long.
const WINDOW: Duration = Duration::from_secs(14 * 86_400);
/// Alerts and labels that are remembered of one resource.
const MOST: usize = 2_000;
/// Alerts older than this say nothing any more.
pub const MEMORY: Duration = Duration::from_secs(60 * 86_400);
/// Changes of one resource that are remembered.
const CHANGES: usize = 32;

/// What a person said of an alert of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lesson {
    label: IncidentLabel,
    /// None: of the resource.
    metric: Option<String>,
    change: Option<ChangeKind>,
    anomaly: Option<AnomalyId>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    labelled_at: Timestamp,
}

/// An alert that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    id: AnomalyId,
    metric: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    outcome: Option<Outcome>,
}

/// All that is known of the alerts of one resource.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    /// In the order in which they were given.
    labels: Vec<Lesson>,
    /// In the order in which they began.
    alerts: VecDeque<Alert>,
    /// In the order in which they were made.
    changes: VecDeque<(Timestamp, ChangeKind)>,
    since: Option<Timestamp>,
}

/// The metric by which an anomaly is known to labels.
pub fn subject(anomaly: &Anomaly) -> &str {
    if anomaly.evidence.drivers.is_empty() { &anomaly.metric } else { WHOLE }
}

/// Whether a label that names `named` is about `metric`: the same, or the name of a metric without its attributes.
pub fn covers(named: &str, metric: &str) -> bool {
    metric.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with(['{', ' ']))
}

impl Lessons {
    /// Takes all labels of the resource; those that were known before are replaced.
    pub fn teach(&mut self, incidents: &[Incident]) {
        self.labels = incidents
            .iter()
            .map(|i| Lesson {
                label: i.label,
                metric: i.metric.clone(),
                change: i.change,
                anomaly: i.anomaly_id,
                started_at: i.started_at,
                ended_at: i.ended_at,
                labelled_at: i.labelled_at,
            })
            .collect();
        self.labels.sort_by_key(|l| l.labelled_at);
        let over = self.labels.len().saturating_sub(MOST);
        self.labels.drain(..over);
    }

    /// The resource is watched since `at`, or earlier if that is known.
    pub fn watched_since(&mut self, at: Timestamp) {
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }

    /// Takes an alert as it is now: told again, it replaces what was known of it.
    pub fn alert(&mut self, anomaly: &Anomaly) {
        let alert = Alert {
            id: anomaly.id,
            metric: subject(anomaly).to_owned(),
            started_at: anomaly.started_at,
            ended_at: anomaly.ended_at,
            outcome: anomaly.outcome,
        };
        let oldest = alert.started_at - MEMORY;
        match self.alerts.iter_mut().rev().find(|a| a.id == alert.id) {
            // An end that is known is not taken back by a replay.
            Some(known) if known.ended_at.is_none() => *known = alert,
            Some(_) => {}
            None => {
                let at = self.alerts.partition_point(|a| a.started_at <= alert.started_at);
                self.alerts.insert(at, alert);
            }
        }
        while self.alerts.len() > MOST || self.alerts.front().is_some_and(|a| a.started_at < oldest) {
            self.alerts.pop_front();
        }
    }

    /// A change of that kind was made on the resource. The same one may be told again.
    pub fn changed(&mut self, at: Timestamp, kind: ChangeKind) {
        let Err(place) = self.changes.binary_search(&(at, kind)) else { return };
        self.changes.insert(place, (at, kind));
        while self.changes.len() > CHANGES {
            self.changes.pop_front();
        }
    }

    /// Whether anybody said anything.
    pub(crate) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether anything is known of a metric by itself.
    pub(crate) fn knows(&self, metric: &str) -> bool {
        self.alerts.iter().any(|a| a.metric == metric)
            || self.labels.iter().any(|l| l.metric.as_deref().is_some_and(|m| covers(m, metric)))
    }

    /// The next time after `now` at which a factor may be another: a label that is yet to be given, or an hour on.
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let given = self.labels.iter().map(|l| l.labelled_at).find(|at| *at > now);
        let soon = now + Duration::from_secs(3_600);
        given.map_or(soon, |at| at.min(soon))
    }

    /// The factor of the bar of a series at `now`, within [`RANGE`]; only what was known by then counts. `budget` in
    /// false alerts per week.
    pub fn factor(&self, metric: &str, budget: f64, now: Timestamp) -> f64 {
        let labels = self.votes(metric, now);
        let watched = self.since.map_or(Duration::ZERO, |since| now.since(since));
        let alerts: Vec<&Alert> = self.alerts.iter().filter(|a| a.metric == metric).collect();
        if labels.is_empty() && alerts.is_empty() && watched < WINDOW {
            return 1.0;
        }
        let first = labels.iter().map(|l| l.labelled_at).chain(alerts.iter().map(|a| a.started_at)).min();
        let begin = first.into_iter().chain(self.since).min().unwrap_or(now).max(now - MEMORY);
        let mut bend = Bend::new(begin);
        let mut labels = labels.into_iter().peekable();
        let mut day = begin + DAY;
        loop {
            let until = day.min(now);
            while let Some(vote) = labels.next_if(|l| l.labelled_at <= until) {
                let step = if vote.label == IncidentLabel::Noise { DAILY } else { -DAILY };
                bend.want(vote.labelled_at, step);
            }
            if day > now {
                return bend.factor(now);
            }
            self.judge_day(&mut bend, &alerts, budget, day);
            day = day + DAY;
        }
    }

    /// The part of the budget loop that follows from one day.
    fn judge_day(&self, bend: &mut Bend, alerts: &[&Alert], budget: f64, day: Timestamp) {
        let watched = self.since.map_or(WINDOW, |since| day.since(since)).min(WINDOW);
        let weeks = (watched.as_secs_f64() / WEEK_S as f64).max(1.0);
        let within = |back: Duration| {
            let ended = alerts.iter().filter(|a| a.ended_at.is_some_and(|t| t <= day && t > day - back));
            ended.filter(|a| self.is_false(a, day)).count() as f64
        };
        let rate = within(WINDOW) / weeks;
        bend.settle(day);
        // Only a day that adds to it: the bar may have become high enough since the others.
        if rate > budget && within(DAY) > 0.0 {
            bend.want(day, (0.1 * (rate / budget).ln()).min(DAILY));
        } else if watched >= WINDOW && budget * weeks >= 3.0 && rate < 0.3 * budget {
            bend.lower(day);
        }
    }

    /// Whether an alert was false, as far as was known at `by`.
    fn is_false(&self, alert: &Alert, by: Timestamp) -> bool {
        match self.label_of(alert, by) {
            Some(label) => label == IncidentLabel::Noise,
            None => alert.ended_at.is_some() && alert.outcome.is_some_and(|o| !o.is_confirmed()),
        }
    }

    /// What was said last of an alert.
    fn label_of(&self, alert: &Alert, by: Timestamp) -> Option<IncidentLabel> {
        let of = |l: &&Lesson| {
            l.labelled_at <= by
                && (l.anomaly == Some(alert.id)
                    || (l.anomaly.is_none()
                        && l.started_at == alert.started_at
                        && l.metric.as_deref().is_some_and(|m| covers(m, &alert.metric))))
        };
        self.labels.iter().rev().find(of).map(|l| l.label)
    }

    /// Labels that move the bar of a metric, the last one of each alert, in the order in which they were given.
    fn votes(&self, metric: &str, now: Timestamp) -> Vec<&Lesson> {
        let about = |l: &Lesson| l.metric.as_deref().is_some_and(|m| covers(m, metric));
        let known: Vec<&Lesson> = self.labels.iter().filter(|l| l.labelled_at <= now && about(l)).collect();
        let is_last = |(at, l): (usize, &&Lesson)| {
            !known.iter().skip(at + 1).any(|later| later.started_at == l.started_at)
        };
        let last = known.iter().enumerate().filter(|(at, l)| is_last((*at, l))).map(|(_, l)| *l);
        last.filter(|l| l.label != IncidentLabel::Expected).collect()
    }

    /// Why an onset of a metric at `at` is expected, in words; `None` if it is not.
    pub fn expected(&self, metric: &str, at: Timestamp) -> Option<String> {
        let mine = |l: &&Lesson| {
            l.label == IncidentLabel::Expected
                && l.labelled_at <= at
                && l.metric.as_deref().is_none_or(|m| covers(m, metric))
        };
        self.labels.iter().filter(mine).find_map(|l| self.matches(l, at))
    }

    fn matches(&self, lesson: &Lesson, at: Timestamp) -> Option<String> {
        let ends = lesson.ended_at.unwrap_or(lesson.started_at + LASTS);
        if at >= lesson.started_at && at <= ends {
            return Some("it goes on, as labelled".to_owned());
        }
        if let Some(kind) = lesson.change {
            let is_near = |(t, k): &&(Timestamp, ChangeKind)| *k == kind && *t <= at && at.since(*t) <= NEAR;
            let is_young = at.since(lesson.labelled_at) <= CHANGES_FOR;
            let found = self.changes.iter().rev().find(is_near).filter(|_| is_young)?;
            return Some(format!("a change of kind `{}` at {}", kind.as_str(), found.0));
        }
        let away = at.as_micros() - lesson.started_at.as_micros();
        let week = WEEK_S * 1_000_000;
        let weeks = (away + week / 2).div_euclid(week);
        let off = (away - weeks * week).unsigned_abs();
        let is_near = (1..=WEEKS).contains(&weeks) && u128::from(off) <= NEAR.as_micros();
        is_near.then(|| format!("the same time of the week as {}", lesson.started_at))
    }
}

#[cfg(test)]
mod tests;
