//! What of a resource announces a failure: where its vital signs are heading, and how worn it is.

use std::time::Duration;

use echobase_types::{SeriesId, Timestamp};

use super::{Plain, Watched};
use crate::precursor::{self, Precursors};
use crate::wear::{Stand, Worn};

impl Watched {
    /// What announces a failure.
    pub(in crate::engine) fn precursors(&self, now: Timestamp) -> Precursors {
        let speaking = || {
            let fresh = self.streams().filter(|s| s.course.count() > 0 && s.channel.pace.is_fresh(now));
            fresh.filter_map(|s| Some((precursor::Role::of(s.vital)?, s)))
        };
        let step = speaking().map(|(_, s)| s.channel.pace.step()).fold(0.0, f64::max);
        let mut all = Precursors { step, ..Precursors::default() };
        let ahead = Duration::from_secs_f64(precursor::AHEAD * step);
        for (role, stream) in speaking() {
            let points = (ahead.as_secs_f64() / stream.channel.pace.step()) as f32;
            all.add(role, &stream.course, stream.outlook(ahead), points);
        }
        all
    }

    /// How worn it is: only of a resource of which no vital sign is known.
    pub(in crate::engine) fn worn(&self) -> Option<Worn> {
        if self.streams().next().is_some() {
            return None;
        }
        let mut stands: Vec<Stand> = self.plains().map(|(_, p)| p.wear.stand()).collect();
        let figures = self.decline.figures(&mut stands)?;
        let step = self.plains().map(|(_, p)| p.channel.pace.step()).fold(f64::MAX, f64::min);
        Some(Worn { figures, step })
    }

    /// Follows the wear from moment to moment.
    pub(in crate::engine) fn follow_wear(&mut self) {
        if self.last_signal <= self.declined || self.streams().next().is_some() {
            return;
        }
        self.declined = self.last_signal;
        let stands: Vec<Stand> = self.plains().map(|(_, p)| p.wear.stand()).collect();
        self.decline.observe(&stands);
    }

    /// The metrics that are most away from their early life, with how far and their share in the whole.
    pub(in crate::engine) fn most_worn(&self, most: usize) -> Vec<(String, SeriesId, f64, f64)> {
        let mut all: Vec<(&Plain, SeriesId, f64)> =
            self.plains().map(|(id, p)| (p, id, f64::from(p.wear.stand().away))).collect();
        all.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.metric.cmp(&b.0.metric)));
        all.truncate(most);
        let sum: f64 = all.iter().map(|(_, _, away)| away).sum();
        all.into_iter().map(|(p, id, away)| (p.metric.clone(), id, away, away / sum.max(1e-9))).collect()
    }

    /// Points of the shortest history among series that are no vital signs.
    pub(in crate::engine) fn wear_history(&self) -> u32 {
        self.plains().map(|(_, p)| p.wear.count()).min().unwrap_or(0)
    }
}
