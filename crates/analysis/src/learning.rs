//! What the labels of a tenant teach: a layer over the shipped risk model, judged on labels that it has not seen.
//!
//! A stretch of history is a list of [`Run`]s per resource: for how long the shipped model said what. Held against the
//! [`Truth`] each becomes [`Example`]s: time after which a failure began within the horizon, and other time. An example
//! weighs as much as its time is long, **one horizon of time being one observation**: what is said in a row is one
//! look at the same thing, not sixty. So ten failures weigh ten, and a quiet day at fifteen minutes 96.
//!
//! The time of failures and of what was expected (`expected`: a deployment, a load test) is left out. Time that somebody
//! looked at and called `noise` weighs four times. Time that nobody labelled counts as quiet.
//!
//! [`train`] splits by time: the older failures are learned from, the newer ones only judged on, with a horizon left out
//! between (embargo: López de Prado 2018), so that no label of the newer part is seen. [`better`] and [`worse`] are the
//! margins by which versions replace each other.

mod figures;
mod fit;
mod population;
mod train;

use std::time::Duration;

use echobase_types::Timestamp;

use crate::calibration::Failure;
use crate::risk::Evidence;

pub use figures::{MARGINS, better, judge, worse};
pub use population::{Tally, population_stability};
pub use train::{JUDGED, LEARNED, NotEnough, Trained, train};

/// How much time that a person called noise counts for.
const CHECKED: f64 = 4.0;
/// Evidence closer than this is the same.
const GRAIN: f32 = 0.05;

/// What the shipped model said of a resource over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// What it said.
    pub evidence: Evidence,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
}

impl Span {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// What people said happened to a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Failures (`real`), in order of begin.
    pub failures: Vec<Failure>,
    /// Time in which nothing was wrong (`noise`).
    pub noise: Vec<Span>,
    /// Time in which something was planned (`expected`).
    pub expected: Vec<Span>,
}

/// The history of one resource: what was said, and what happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    runs: Vec<Run>,
    /// What happened.
    pub truth: Truth,
}

impl Lesson {
    /// A history to be filled.
    pub fn new(truth: Truth) -> Self {
        Self { runs: Vec::new(), truth }
    }

    /// Adds what was said from `from` to `to`; call in order of time. What begins before the end of the one before is
    /// left out. Evidence that hardly differs from the one before lengthens its run, up to a horizon.
    pub fn said(&mut self, from: Timestamp, to: Timestamp, evidence: Evidence, horizon: Duration) {
        if self.runs.last().is_some_and(|last| from < last.to) {
            return;
        }
        let evidence = grained(evidence);
        if let Some(last) = self.runs.last_mut()
            && last.to == from
            && last.evidence == evidence
            && to.since(last.from) <= horizon
        {
            last.to = to;
            return;
        }
        self.runs.push(Run { from, to, evidence });
    }

    /// What was said, in order of time.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Failures that something was said before, within the horizon.
    fn usable(&self, horizon: Duration) -> impl Iterator<Item = &Failure> {
        self.truth.failures.iter().filter(move |f| {
            let window = Span { from: f.from - horizon, to: f.from };
            self.runs.iter().any(|r| r.from < window.to && r.to > window.from)
        })
    }
}

fn grained(evidence: Evidence) -> Evidence {
    let grain = |v: f32| (v / GRAIN).round() * GRAIN;
    Evidence { odds: grain(evidence.odds), roles: evidence.roles.map(grain) }
}

/// Evidence with what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Example {
    pub(crate) at: Timestamp,
    pub(crate) evidence: Evidence,
    pub(crate) is_before_failure: bool,
    /// In horizons of time.
    pub(crate) weight: f64,
    /// Of which a person did not ask for more weight.
    pub(crate) horizons: f64,
}

/// What a moment is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    BeforeFailure,
    Quiet,
    Checked,
    LeftOut,
}

fn kind(truth: &Truth, horizon: Duration, at: Timestamp) -> Kind {
    let during = |f: &Failure| f.from <= at && at < f.to;
    let before = |f: &Failure| f.from - horizon <= at && at < f.from;
    if truth.failures.iter().any(during) {
        Kind::LeftOut
    } else if truth.failures.iter().any(before) {
        Kind::BeforeFailure
    } else if truth.expected.iter().any(|s| s.holds(at)) {
        Kind::LeftOut
    } else if truth.noise.iter().any(|s| s.holds(at)) {
        Kind::Checked
    } else {
        Kind::Quiet
    }
}

/// The examples of a resource in `from..to`. A run is cut where what happened changes.
pub(crate) fn examples(
    lesson: &Lesson,
    horizon: Duration,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Example> {
    let truth = &lesson.truth;
    let mut cuts: Vec<Timestamp> = truth
        .failures
        .iter()
        .flat_map(|f| [f.from - horizon, f.from, f.to])
        .chain(truth.noise.iter().chain(&truth.expected).flat_map(|s| [s.from, s.to]))
        .chain([from, to])
        .collect();
    cuts.sort_unstable();
    let mut all = Vec::new();
    for run in lesson.runs.iter().filter(|r| r.from < to && r.to > from) {
        let first = cuts.partition_point(|c| *c <= run.from);
        let inner = cuts.iter().skip(first).copied().take_while(|c| *c < run.to);
        let ends: Vec<Timestamp> = std::iter::once(run.from).chain(inner).chain([run.to]).collect();
        for pair in ends.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            let horizons = b.since(a).as_secs_f64() / horizon.as_secs_f64();
            let kind = kind(truth, horizon, a);
            if a < from || a >= to || horizons <= 0.0 || kind == Kind::LeftOut {
                continue;
            }
            all.push(Example {
                at: a,
                evidence: run.evidence,
                is_before_failure: kind == Kind::BeforeFailure,
                weight: if kind == Kind::Checked { CHECKED * horizons } else { horizons },
                horizons,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    fn told(lesson: &Lesson) -> (f64, f64, f64) {
        let all = examples(lesson, HOUR, (at(0), at(10_000)));
        let of = |want: bool| all.iter().filter(move |e| e.is_before_failure == want);
        (
            of(true).map(|e| e.weight).sum(),
            of(false).map(|e| e.weight).sum(),
            all.iter().map(|e| e.horizons).sum(),
        )
    }

    fn lesson(truth: Truth, minutes: i64) -> Lesson {
        let mut lesson = Lesson::new(truth);
        for m in 0..minutes {
            lesson.said(at(m), at(m + 1), Evidence::default(), HOUR);
        }
        lesson
    }

    #[test]
    fn an_hour_is_one_observation_however_often_something_was_said() {
        let failures = vec![Failure { from: at(300), to: at(330) }];
        let lesson = lesson(Truth { failures, ..Truth::default() }, 600);
        assert_eq!(lesson.runs().len(), 10, "what does not change is kept once an hour");
        let (before, other, whole) = told(&lesson);
        assert!((before - 1.0).abs() < 1e-9 && (other - 8.5).abs() < 1e-9 && (whole - 9.5).abs() < 1e-9);
    }

    #[test]
    fn what_was_expected_is_left_out_and_noise_counts_four_times() {
        let span = |from, to| Span { from: at(from), to: at(to) };
        let truth = Truth { noise: vec![span(0, 60)], expected: vec![span(60, 180)], ..Truth::default() };
        let (before, other, whole) = told(&lesson(truth, 300));
        assert!(before == 0.0 && (other - 6.0).abs() < 1e-9 && (whole - 3.0).abs() < 1e-9, "{other} {whole}");
    }

    #[test]
    fn a_failure_goes_before_noise_and_a_failure_under_way_is_nothing_to_foresee() {
        let failures = vec![Failure { from: at(100), to: at(200) }, Failure { from: at(150), to: at(160) }];
        let noise = vec![Span { from: at(0), to: at(300) }];
        let (before, other, _) = told(&lesson(Truth { failures, noise, ..Truth::default() }, 300));
        assert!((before - 1.0).abs() < 1e-9, "{before}");
        assert!((other - 4.0 * 140.0 / 60.0).abs() < 1e-9, "{other}");
    }
}
