//! What an objective would have told on stored counts.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::slo::{BurnReading, Urgency};

use super::{Burn, MINUTE, Objective};

/// An alert that would have been open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// How people would have been told.
    pub urgency: Urgency,
    /// When it would have opened.
    pub from: Timestamp,
    /// When it would have closed; absent if it would be open still.
    pub to: Option<Timestamp>,
    /// The fastest burn over the long window while it was open.
    pub rate: f64,
}

/// What an objective would have told.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// The alerts, in the order they would have opened.
    pub episodes: Vec<Episode>,
    /// The state in which it would be now.
    pub burn: Burn,
}

/// Runs an objective minute by minute over counts (start of the minute → good and bad events) up to `now`. Alerts that
/// would have opened before `from` are left out; what was counted then still fills the windows. As live, a ticket is
/// not opened beside a page.
pub fn backtest(
    objective: Objective,
    minutes: &BTreeMap<Timestamp, (f64, f64)>,
    from: Timestamp,
    now: Timestamp,
) -> Backtest {
    let mut burn = Burn::new(objective);
    let mut open: [Option<Episode>; 2] = [None, None];
    let mut episodes = Vec::new();
    let Some((first, _)) = minutes.first_key_value() else { return Backtest { episodes, burn } };
    let mut counts = minutes.iter().peekable();
    let mut minute = *first;
    while minute < now {
        while let Some((at, (good, bad))) = counts.next_if(|(at, _)| **at <= minute) {
            burn.observe(*at, *good, *bad);
        }
        let end = minute + MINUTE - Duration::from_micros(1);
        // Where nothing is open and nothing bad is in sight, nothing can change.
        let is_quiet = open.iter().all(Option::is_none) && burn.counted(end).1 <= 0.0;
        if !is_quiet {
            step(&burn.readings(end), end.min(now), &mut open, &mut episodes);
        }
        minute = minute + MINUTE;
    }
    episodes.extend(open.into_iter().flatten());
    episodes.retain(|episode| episode.to.is_none_or(|to| to >= from) && episode.from >= from);
    episodes.sort_by_key(|episode| episode.from);
    Backtest { episodes, burn }
}

fn step(
    readings: &[BurnReading],
    now: Timestamp,
    open: &mut [Option<Episode>; 2],
    episodes: &mut Vec<Episode>,
) {
    for (slot, urgency) in [Urgency::Page, Urgency::Ticket].into_iter().enumerate() {
        let firing = readings.iter().find(|r| r.urgency == urgency && r.is_firing);
        let is_muted = urgency == Urgency::Ticket && open[0].is_some();
        match (&mut open[slot], firing) {
            (Some(episode), Some(reading)) => episode.rate = episode.rate.max(reading.long),
            (None, Some(reading)) if !is_muted => {
                open[slot] = Some(Episode { urgency, from: now, to: None, rate: reading.long });
            }
            (Some(_), None) if !is_unknown(readings, urgency) => {
                episodes.extend(open[slot].take().map(|episode| Episode { to: Some(now), ..episode }));
            }
            _ => {}
        }
    }
}

/// Whether a pair of windows would fire but for the silence of its short one: that does not close an alert.
fn is_unknown(readings: &[BurnReading], urgency: Urgency) -> bool {
    readings.iter().any(|r| r.urgency == urgency && r.long >= r.rate && r.short.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    #[test]
    fn a_burst_pages_once_and_what_was_before_the_history_is_left_out() {
        let objective = Objective::new(0.99, Duration::from_secs(30 * 86_400)).unwrap();
        let day = 24 * 60;
        // Ten minutes of nothing but errors at the end of the first and of the third day.
        let is_bad = |minute: i64| minute % (2 * day) >= day && minute % (2 * day) < day + 10;
        let minutes: BTreeMap<Timestamp, (f64, f64)> =
            (0..4 * day).map(|m| (at(m), if is_bad(m) { (0.0, 100.0) } else { (100.0, 0.0) })).collect();
        let pages = |from: i64| {
            let test = backtest(objective, &minutes, at(from), at(4 * day));
            let pages = test.episodes.iter().filter(|e| e.urgency == Urgency::Page);
            pages.map(|e| (e.from.as_millis() / 60_000, e.to.is_some())).collect::<Vec<_>>()
        };
        let all = pages(0);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!((day + 8..day + 12).contains(&all[0].0) && all[0].1, "{all:?}");
        assert_eq!(pages(2 * day).len(), 1);
    }

    #[test]
    fn silence_does_not_close_an_alert_and_nothing_counted_tells_nothing() {
        let objective = Objective::new(0.99, Duration::from_secs(30 * 86_400)).unwrap();
        let minutes: BTreeMap<Timestamp, (f64, f64)> = (0..20).map(|m| (at(m), (0.0, 10.0))).collect();
        let test = backtest(objective, &minutes, at(0), at(40));
        assert_eq!(test.episodes.len(), 1);
        assert_eq!(test.episodes[0].to, None);
        assert!(backtest(objective, &BTreeMap::new(), at(0), at(9)).episodes.is_empty());
    }
}
