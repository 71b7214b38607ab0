//! What of a resource announces a failure: where its vital signs are heading, and how worn it is.

use std::time::Duration;

use echobase_types::{SeriesId, Timestamp};

use super::{Plain, Watched};
use crate::precursor::{self, Precursors};
use crate::wear;

impl Watched {
    /// What announces a failure within `horizon`.
    pub(in crate::engine) fn precursors(&self, horizon: Duration, now: Timestamp) -> Precursors {
        let mut all = Precursors::default();
        for stream in self.streams() {
            let Some(role) = precursor::Role::of(stream.vital)
                .filter(|_| stream.course.count() > 0 && stream.channel.pace.is_fresh(now))
            else {
                continue;
            };
            let points = (horizon.as_secs_f64() / stream.channel.pace.step()) as f32;
            let outlook = stream.trend.as_ref().and_then(|t| t.outlook(horizon));
            all.add(role, &stream.course, outlook, points);
        }
        all
    }

    /// How worn it is: only of a resource of which no vital sign is known.
    pub(in crate::engine) fn wear(&self, horizon: Duration) -> Option<[f32; wear::FIGURES]> {
        if self.streams().next().is_some() {
            return None;
        }
        let mut away: Vec<f32> = self.plains().map(|(_, p)| p.wear.away()).collect();
        let [mean, low, middle, high, log] = wear::figures(&mut away)?;
        let step = self.plains().map(|(_, p)| p.channel.pace.step()).fold(f64::MAX, f64::min);
        let points = (horizon.as_secs_f64() / step.max(1e-3)) as f32;
        let gain = |k| self.decline.plain_gain(k, points).clamp(-5.0, 5.0);
        Some([mean, low, middle, high, log, gain(1), gain(2)])
    }

    /// Follows the wear from moment to moment.
    pub(in crate::engine) fn follow_wear(&mut self) {
        if self.last_signal <= self.declined || self.streams().next().is_some() {
            return;
        }
        let mut away: Vec<f32> = self.plains().map(|(_, p)| p.wear.away()).collect();
        if let Some([mean, ..]) = wear::figures(&mut away) {
            self.declined = self.last_signal;
            self.decline.observe(f64::from(mean));
        }
    }

    /// The metrics that are most away from their early life, with how far and their share in the whole.
    pub(in crate::engine) fn most_worn(&self, most: usize) -> Vec<(String, SeriesId, f64, f64)> {
        let mut all: Vec<(&Plain, SeriesId, f64)> =
            self.plains().map(|(id, p)| (p, id, f64::from(p.wear.away()))).collect();
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
