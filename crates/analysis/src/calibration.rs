//! Do the probabilities hold? What was said of a resource, held against what happened to it.
//!
//! A risk that was said holds until the next one was said, or for as long as a verdict is fresh. Every such second is
//! held against the truth: *came true* if a failure began within the horizon after it. Seconds during a failure count
//! for nothing, since there is nothing left to foresee. Seconds, not verdicts, so that a resource whose verdict is
//! stored more often does not count for more.
//!
//! Sources: reliability diagram and expected calibration error (Naeini, Cooper, Hauskrecht 2015), Brier score
//! (Brier 1950).

use std::time::Duration;

use echobase_types::Timestamp;

/// Bars of the reliability diagram.
pub const BINS: usize = 10;
/// A warning is followed back to its begin for at most this time.
pub const LONGEST_LEAD: Duration = Duration::from_secs(86_400);

/// A risk that was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// Probability of a failure within the horizon.
    pub risk: f64,
}

/// A failure, from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub to: Timestamp,
}

/// One bar of the reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Seconds for which a risk of this bar was said.
    pub seconds: f64,
    /// Their mean risk.
    pub said: f64,
    /// The share of them after which a failure began within the horizon.
    pub came_true: f64,
}

/// How the risk held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reliability {
    /// Bars, from 0 to 1 in equal steps.
    pub bins: [Bin; BINS],
    /// Seconds that were held against the truth.
    pub seconds: f64,
    /// Expected calibration error: mean distance of said and came true, weighted by seconds, 0..=1.
    pub ece: f64,
    /// Brier score: mean squared distance of the risk from the truth, 0..=1.
    pub brier: f64,
    /// Failures while something was said.
    pub failures: usize,
    /// For each failure that was warned of within the horizon: for how long the warning had stood when it began.
    pub leads: Vec<Duration>,
    /// Warnings after which no failure began within the horizon.
    pub false_warnings: usize,
}

impl Reliability {
    /// The median lead time; `None` where nothing was warned of.
    pub fn median_lead(&self) -> Option<Duration> {
        let mut sorted = self.leads.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

/// Whether a failure was foreseen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foreseen {
    /// The failure.
    pub failure: Failure,
    /// Since when the risk had stood at the level of a warning, where it did within the horizon before.
    pub warned_at: Option<Timestamp>,
    /// The highest risk that was said within the horizon before.
    pub highest: f64,
}

impl Foreseen {
    /// How long before the failure the warning was given.
    pub fn lead(&self) -> Option<Duration> {
        self.warned_at.map(|at| self.failure.from.since(at))
    }
}

/// Sums over resources.
#[derive(Clone, Debug)]
pub struct Evaluation {
    horizon: Duration,
    fresh: Duration,
    level: f64,
    sums: [Bin; BINS],
    squared: f64,
    result: Reliability,
}

impl Evaluation {
    /// Of risks within `horizon`, each of which holds for `fresh` at most; a risk of `level` is a warning.
    pub fn new(horizon: Duration, fresh: Duration, level: f64) -> Self {
        Self { horizon, fresh, level, sums: Default::default(), squared: 0.0, result: Reliability::default() }
    }

    /// Takes one resource in: what was said of it in order of time, and its failures in order of begin. Says of each
    /// failure of which anything was said whether it was foreseen.
    pub fn resource(&mut self, said: &[Said], failures: &[Failure]) -> Vec<Foreseen> {
        let mut warned_since = None;
        for (i, one) in said.iter().enumerate() {
            let next = said.get(i + 1).map_or(one.at + self.fresh, |n| n.at);
            let until = next.min(one.at + self.fresh);
            self.hold(one, until, failures);
            let warns = one.risk >= self.level;
            match (warned_since, warns) {
                (None, true) => warned_since = Some(one.at),
                (Some(since), false) => {
                    self.warning(since, one.at, failures);
                    warned_since = None;
                }
                _ => {}
            }
        }
        if let (Some(since), Some(last)) = (warned_since, said.last()) {
            self.warning(since, last.at + self.fresh, failures);
        }
        let (Some(first), Some(last)) = (said.first(), said.last()) else { return Vec::new() };
        let spoken = failures.iter().filter(|f| f.from >= first.at && f.from <= last.at + self.fresh);
        let foreseen: Vec<Foreseen> = spoken.map(|failure| self.foreseen(said, failures, *failure)).collect();
        self.result.failures += foreseen.len();
        self.result.leads.extend(foreseen.iter().filter_map(Foreseen::lead));
        foreseen
    }

    fn foreseen(&self, said: &[Said], failures: &[Failure], failure: Failure) -> Foreseen {
        let begin = failure.from - self.horizon;
        let before = said.partition_point(|s| s.at < failure.from);
        let within = said.iter().take(before).enumerate().filter(|(_, s)| s.at + self.fresh > begin);
        let highest = within.clone().map(|(_, s)| s.risk).fold(0.0, f64::max);
        let first = within.into_iter().find(|(_, s)| s.risk >= self.level).map(|(at, _)| at);
        // What was said during the failure before was no warning of this one.
        let over = failures.iter().filter(|f| f.from < failure.from).map(|f| f.to).max();
        let earliest = over.map_or(failure.from - LONGEST_LEAD, |o| o.max(failure.from - LONGEST_LEAD));
        let warned_at = first.map(|mut at| {
            while let Some((earlier, now)) = at.checked_sub(1).and_then(|e| said.get(e).zip(said.get(at)))
                && earlier.risk >= self.level
                && earlier.at + self.fresh >= now.at
                && earlier.at >= earliest
            {
                at -= 1;
            }
            said.get(at).map_or(begin, |s| s.at.max(earliest)).min(failure.from)
        });
        Foreseen { failure, warned_at, highest }
    }

    fn hold(&mut self, said: &Said, until: Timestamp, failures: &[Failure]) {
        let span = |from: Timestamp, to: Timestamp| to.since(from).as_secs_f64();
        let (mut before, mut during) = (0.0, 0.0);
        let mut counted = said.at;
        for failure in failures {
            // Overlapping failures count once: each second is taken by the first that claims it.
            let ahead = (failure.from - self.horizon).max(counted);
            let begin = failure.from.max(counted).min(until);
            before += span(ahead.min(begin), begin);
            let end = failure.to.max(counted).min(until);
            during += span(begin, end);
            counted = counted.max(end);
        }
        let seconds = span(said.at, until) - during;
        if seconds <= 0.0 {
            return;
        }
        let risk = said.risk.clamp(0.0, 1.0);
        let index = ((risk * BINS as f64) as usize).min(BINS - 1);
        if let Some(bin) = self.sums.get_mut(index) {
            bin.seconds += seconds;
            bin.said += risk * seconds;
            bin.came_true += before;
        }
        self.squared += before * (1.0 - risk).powi(2) + (seconds - before) * risk.powi(2);
    }

    fn warning(&mut self, from: Timestamp, to: Timestamp, failures: &[Failure]) {
        let held = failures.iter().any(|f| f.to > from && f.from <= to + self.horizon);
        if !held {
            self.result.false_warnings += 1;
        }
    }

    /// The result over all resources.
    pub fn finish(mut self) -> Reliability {
        let seconds: f64 = self.sums.iter().map(|b| b.seconds).sum();
        self.result.seconds = seconds;
        if seconds <= 0.0 {
            return self.result;
        }
        for (bin, sum) in self.result.bins.iter_mut().zip(&self.sums).filter(|(_, sum)| sum.seconds > 0.0) {
            *bin = Bin {
                seconds: sum.seconds,
                said: sum.said / sum.seconds,
                came_true: sum.came_true / sum.seconds,
            };
            self.result.ece += (bin.said - bin.came_true).abs() * sum.seconds / seconds;
        }
        self.result.brier = self.squared / seconds;
        self.result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const FRESH: Duration = Duration::from_secs(60);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    fn every_minute(minutes: std::ops::Range<i64>, risk: impl Fn(i64) -> f64) -> Vec<Said> {
        minutes.map(|m| Said { at: at(m), risk: risk(m) }).collect()
    }

    fn evaluated(said: &[Said], failures: &[Failure]) -> Reliability {
        let mut evaluation = Evaluation::new(HOUR, FRESH, 0.5);
        evaluation.resource(said, failures);
        evaluation.finish()
    }

    #[test]
    fn who_knows_has_no_error_and_a_lead_of_the_whole_horizon() {
        let failure = Failure { from: at(300), to: at(330) };
        let said = every_minute(0..600, |m| if (240..300).contains(&m) { 1.0 } else { 0.0 });
        let held = evaluated(&said, &[failure]);
        assert_eq!((held.failures, held.false_warnings), (1, 0));
        assert_eq!(held.median_lead(), Some(HOUR));
        assert!(held.ece < 1e-9 && held.brier < 1e-9, "{held:?}");
        assert!((held.seconds - 570.0 * 60.0).abs() < 1e-6, "the failure itself is not counted");
    }

    #[test]
    fn who_always_cries_is_wrong_most_of_the_time() {
        let failure = Failure { from: at(300), to: at(330) };
        let held = evaluated(&every_minute(0..600, |_| 0.9), &[failure]);
        let bin = held.bins[9];
        assert!((bin.came_true - 60.0 / 570.0).abs() < 1e-9, "{bin:?}");
        assert!((held.ece - (0.9 - 60.0 / 570.0)).abs() < 1e-9);
    }

    #[test]
    fn a_warning_that_nothing_follows_is_false_and_a_silent_failure_has_no_lead() {
        let said = every_minute(0..600, |m| if (10..20).contains(&m) { 0.8 } else { 0.0 });
        let held = evaluated(&said, &[Failure { from: at(500), to: at(510) }]);
        assert_eq!((held.failures, held.false_warnings, held.leads.len()), (1, 1, 0));
    }

    #[test]
    fn a_warning_counts_from_its_begin_however_early_and_not_from_the_failure_before() {
        let mut evaluation = Evaluation::new(HOUR, FRESH, 0.7);
        let failures = [Failure { from: at(100), to: at(120) }, Failure { from: at(600), to: at(601) }];
        let said = every_minute(0..700, |m| match m {
            90..200 => 0.9,
            450..590 => 0.8,
            590..600 => 0.69,
            _ => 0.1,
        });
        let foreseen = evaluation.resource(&said, &failures);
        let leads: Vec<Option<Duration>> = foreseen.iter().map(Foreseen::lead).collect();
        assert_eq!(leads, [Some(Duration::from_secs(600)), Some(Duration::from_secs(9_000))]);
        assert_eq!(foreseen[1].highest, 0.8);
        let silent = Evaluation::new(HOUR, FRESH, 0.95).resource(&said, &failures);
        assert!(silent.iter().all(|f| f.warned_at.is_none()) && silent.len() == 2);
    }

    #[test]
    fn what_nobody_said_is_not_counted() {
        let said = [Said { at: at(0), risk: 0.2 }, Said { at: at(500), risk: 0.2 }];
        assert!((evaluated(&said, &[]).seconds - 120.0).abs() < 1e-9, "each holds for a minute");
        assert_eq!(evaluated(&[], &[Failure { from: at(1), to: at(2) }]), Reliability::default());
    }

    proptest! {
        #[test]
        fn every_figure_stays_in_its_range(
            risks in prop::collection::vec(0.0..=1.0_f64, 0..80),
            begins in prop::collection::btree_set(0..200_i64, 0..5),
            length in 1..90_i64,
        ) {
            let said: Vec<Said> =
                (0..).zip(&risks).map(|(m, risk)| Said { at: at(m * 2), risk: *risk }).collect();
            let failures: Vec<Failure> =
                begins.iter().map(|b| Failure { from: at(*b), to: at(b + length) }).collect();
            let held = evaluated(&said, &failures);
            prop_assert!((0.0..=1.0).contains(&held.ece) && (0.0..=1.0).contains(&held.brier));
            prop_assert!(held.bins.iter().all(|b| (0.0..=1.0 + 1e-9).contains(&b.came_true)));
            prop_assert!(held.leads.len() <= held.failures && held.leads.iter().all(|l| *l <= LONGEST_LEAD));
            prop_assert!(held.seconds <= risks.len() as f64 * 60.0 + 1e-6);
        }
    }
}
