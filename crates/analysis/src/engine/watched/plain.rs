//! Series that are no vital signs: watched for themselves.

use echobase_types::assessment::Severity;
use echobase_types::{SeriesId, Timestamp};

use super::{Plain, Transitions};
use crate::anomaly::{Subject, Transition};
use crate::channel::{Limits, Seen};
use crate::feedback::Lessons;

impl Plain {
    pub(in crate::engine) fn subject(&self, series: SeriesId) -> Subject<'_> {
        Subject { series, key: 0, metric: &self.metric, quantity: self.quantity }
    }
}

/// Takes a value of a series that is no vital sign.
pub(super) fn watch_plain(
    plain: &mut Plain,
    series: SeriesId,
    (value, time): (f64, Timestamp),
    limits: &Limits,
    lessons: &Lessons,
    transitions: &mut Transitions,
) {
    let seen = plain.channel.observe(value, time, limits);
    if seen != Seen::Dropped {
        plain.wear.observe(value);
    }
    match seen {
        Seen::Taken(Some(Transition::Opened)) if lessons.expected(&plain.metric, time).is_some() => {
            plain.channel.alarm.hush();
        }
        Seen::Taken(Some(Transition::Opened)) => {
            if let Some(open) = plain.channel.alarm.open() {
                transitions.push(open.describe(plain.subject(series), Severity::Info));
            }
        }
        Seen::Taken(Some(Transition::Closed)) => tell_closed(plain, series, transitions),
        Seen::Taken(None) | Seen::Dropped => {}
    }
}

/// Hands out what has just closed.
pub(super) fn tell_closed(plain: &mut Plain, series: SeriesId, transitions: &mut Transitions) {
    if let Some(closed) = plain.channel.alarm.take_closed() {
        transitions.push(closed.describe(plain.subject(series), Severity::Info));
    }
}
