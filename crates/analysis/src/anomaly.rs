//! From surprises to anomalies: onset, state, shape, severity, words.
//!
//! An anomaly opens at an onset ([`crate::onset`]) that exceeds the bar which follows from the false-alarm budget. It
//! closes after three ordinary points. The id is a hash of series and onset, so that a replay of the same signals
//! names the same anomaly.

use std::time::Duration;

use echobase_types::assessment::{Anomaly, AnomalyShape, Evidence, Outcome, Severity, Witness};
use echobase_types::{AnomalyId, SeriesId, Timestamp};
use uuid::Builder;

use crate::detector::{Statistic, Verdict};
use crate::onset::{Bar, Onsets};
use crate::words::{self, Quantity};

/// Ordinary points that end an anomaly.
const CALM: u8 = 3;
/// A point is ordinary below this surprise: it comes up about once in a hundred.
const ORDINARY: f32 = 2.0;

/// A point is far from normal beyond so many σ; a few far points are a spike.
pub(crate) const FAR: f64 = 3.0;
const SHORT: u32 = 4;
/// Steps without a value that are a silence.
pub(crate) const SILENT: f32 = 5.0;

/// What a point changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    Opened,
    Closed,
}

/// Onset-and-state machine of one series.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Alarm {
    onsets: Onsets,
    rank: f32,
    calm: u8,
    open: Option<Box<Open>>,
    closed: Option<Box<Open>>,
}

/// An anomaly that is or was open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Open {
    pub(crate) started: Timestamp,
    ended: Option<Timestamp>,
    surprise: f32,
    value: f64,
    expected: f64,
    sigma: f64,
    first: Option<Statistic>,
    /// What the onset counted, and what it had to exceed.
    onset: f32,
    bar: f32,
    outcome: Option<Outcome>,
    /// Points that were themselves far above and far below what was expected.
    far: [u32; 2],
}

impl Alarm {
    /// Takes the verdict on one point.
    pub(crate) fn observe(
        &mut self,
        verdict: &Verdict,
        value: f64,
        time: Timestamp,
        bar: &Bar,
    ) -> Option<Transition> {
        let surprise = verdict.surprise;
        let onset = self.onsets.observe(surprise, bar);
        self.rank = onset.map_or(0.0, |o| o.rank);
        if let Some(open) = &mut self.open {
            open.count(verdict, value);
            if surprise > open.surprise {
                (open.surprise, open.value) = (surprise, value);
                (open.expected, open.sigma) = (verdict.expected, verdict.sigma);
            }
            self.calm = if surprise < ORDINARY { self.calm + 1 } else { 0 };
            return if self.calm >= CALM { self.close(time) } else { None };
        }
        let onset = onset?;
        let height = self.onsets.height(bar);
        if !self.onsets.opens(&onset, bar) {
            return None;
        }
        self.calm = 0;
        let mut open = Box::new(Open {
            started: time,
            ended: None,
            surprise,
            value,
            expected: verdict.expected,
            sigma: verdict.sigma,
            first: Some(verdict.statistic),
            onset: onset.size,
            bar: height,
            outcome: None,
            far: [0; 2],
        });
        open.count(verdict, value);
        self.open = Some(open);
        Some(Transition::Opened)
    }

    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.onsets.touch() ^ u32::from(self.calm)
    }

    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.open.iter().chain(&self.closed).map(|_| size_of::<Open>()).sum()
    }

    /// What an onset must exceed under this bar.
    pub(crate) fn height(&self, bar: &Bar) -> f32 {
        self.onsets.height(bar)
    }

    /// Severity of the onset at the newest point, by which alerts of all series are put in order; 0 if it is none.
    pub(crate) fn rank(&self) -> f32 {
        self.rank
    }

    /// Opens because values stopped coming; `step` and `age` in seconds.
    pub(crate) fn missing(&mut self, last: Timestamp, age: f64, step: f64) -> Option<Transition> {
        if self.open.is_some() {
            return None;
        }
        self.calm = 0;
        self.open = Some(Box::new(Open {
            started: last,
            ended: None,
            surprise: ((age / step.max(1e-3)) as f32).min(12.0),
            value: age,
            expected: step,
            sigma: step,
            first: None,
            onset: ((age / step.max(1e-3)) as f32).min(12.0),
            bar: SILENT,
            outcome: None,
            far: [0; 2],
        }));
        Some(Transition::Opened)
    }

    /// Keeps the figures of a silence up to date.
    pub(crate) fn still_missing(&mut self, age: f64) {
        if let Some(open) = &mut self.open
            && open.first.is_none()
        {
            open.value = age;
        }
    }

    /// Whether the open anomaly is a silence.
    pub(crate) fn is_missing(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.first.is_none())
    }

    /// Ends what is open.
    pub(crate) fn close(&mut self, time: Timestamp) -> Option<Transition> {
        let mut open = self.open.take()?;
        open.ended = Some(time);
        self.closed = Some(open);
        Some(Transition::Closed)
    }

    /// Forgets what has just opened: it was expected.
    pub(crate) fn hush(&mut self) {
        (self.open, self.closed) = (None, None);
    }

    /// What goes with the open anomaly at this time: other series that are unusual, and whether the resource suffers.
    pub(crate) fn witness(&mut self, companions: u32, harmed: bool) {
        if let Some(open) = &mut self.open {
            let seen = open.outcome.get_or_insert_default();
            seen.companions = seen.companions.max(companions);
            seen.harmed |= harmed;
        }
    }

    /// The open anomaly.
    pub(crate) fn open(&self) -> Option<&Open> {
        self.open.as_deref()
    }

    /// The anomaly that was closed last, once.
    pub(crate) fn take_closed(&mut self) -> Option<Box<Open>> {
        self.closed.take()
    }
}

/// What the words of an anomaly need to know of its series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) series: SeriesId,
    /// Tells streams of one series apart.
    pub(crate) key: u64,
    pub(crate) metric: &'a str,
    pub(crate) quantity: Quantity,
}

impl Open {
    /// Counts a point that is far from normal.
    fn count(&mut self, verdict: &Verdict, value: f64) {
        let off = value - verdict.expected;
        let [above, below] = &mut self.far;
        if off > FAR * verdict.sigma {
            *above += 1;
        } else if off < -FAR * verdict.sigma {
            *below += 1;
        }
    }

    /// The reason it opened says how it began, the points since then what it became.
    fn shape(&self) -> AnomalyShape {
        let [above, below] = self.far;
        match self.first {
            None => AnomalyShape::Missing,
            Some(Statistic::Restless) => AnomalyShape::Variance,
            Some(Statistic::Still) => AnomalyShape::FlatLine,
            Some(Statistic::Creep) => AnomalyShape::Drift,
            Some(_) if above + below <= SHORT => AnomalyShape::Spike,
            Some(_) if above.min(below) * 4 >= above + below => AnomalyShape::Variance,
            Some(Statistic::Innovation | Statistic::Deviation | Statistic::Novel | Statistic::Together) => {
                AnomalyShape::LevelShift
            }
        }
    }

    fn words(&self, of: Subject<'_>) -> String {
        let (metric, quantity) = (of.metric, of.quantity);
        if self.first.is_none() {
            let age = words::span(Duration::from_secs_f64(self.value.clamp(0.0, 1e9)));
            let step = words::span(Duration::from_secs_f64(self.expected.clamp(0.0, 1e9)));
            return format!("{metric} has sent nothing for {age}, expected every {step}");
        }
        if self.first == Some(Statistic::Together) {
            return format!("{metric} are unusual together");
        }
        let (value, expected) = (quantity.show(self.value), quantity.show(self.expected));
        let is_up = self.value >= self.expected;
        let distance = (self.value - self.expected).abs() / self.sigma.max(1e-300);
        let side = if is_up { "above" } else { "below" };
        let distance = match distance {
            d if d >= 1_000.0 => format!("it hardly ever moved; far {side} normal"),
            d => format!("{}σ {side} normal", words::number(d)),
        };
        let verb = match (self.shape(), is_up) {
            (AnomalyShape::Spike, true) => "jumped to",
            (AnomalyShape::Spike, false) => "dropped to",
            (AnomalyShape::Drift, true) => "crept up to",
            (AnomalyShape::Drift, false) => "crept down to",
            (AnomalyShape::Variance, _) => {
                return format!("{metric} is more restless than usual, now {value}, expected {expected}");
            }
            (AnomalyShape::FlatLine, _) => return format!("{metric} is unusually still at {value}"),
            (_, true) => "rose to",
            (_, false) => "fell to",
        };
        format!("{metric} {verb} {value}, expected {expected} ({distance})")
    }

    fn evidence(&self) -> Evidence {
        let witness = match self.first {
            None => Witness::Silence,
            Some(Statistic::Innovation) => Witness::Prediction,
            Some(Statistic::Deviation) => Witness::Level,
            Some(Statistic::Creep) => Witness::Creep,
            Some(Statistic::Restless) => Witness::Restless,
            Some(Statistic::Still) => Witness::Still,
            Some(Statistic::Novel) => Witness::Novel,
            Some(Statistic::Together) => Witness::Together,
        };
        let (low, high) = match witness {
            Witness::Silence => (0.0, f64::from(SILENT) * self.expected),
            Witness::Together => (0.0, f64::from(self.bar)),
            _ => (self.expected - FAR * self.sigma, self.expected + FAR * self.sigma),
        };
        let (onset, bar) = (f64::from(self.onset), f64::from(self.bar));
        Evidence { witness, onset, bar, low, high, drivers: Vec::new() }
    }

    /// The anomaly as others see it.
    pub(crate) fn describe(&self, of: Subject<'_>, severity: Severity) -> Anomaly {
        Anomaly {
            id: identify(of, self.started),
            series: of.series,
            metric: of.metric.to_owned(),
            started_at: self.started,
            ended_at: self.ended,
            severity,
            shape: self.shape(),
            surprise: f64::from(self.surprise),
            value: self.value,
            expected: self.expected,
            evidence: self.evidence(),
            outcome: self.outcome,
            words: self.words(of),
        }
    }
}

/// UUID version 8 (RFC 9562: custom) from a 128-bit FNV-1a hash of series, stream and onset.
fn identify(of: Subject<'_>, started: Timestamp) -> AnomalyId {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let parts = [of.series.0.to_be_bytes(), of.key.to_be_bytes(), started.as_micros().to_be_bytes()];
    for byte in parts.concat() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    AnomalyId::from_uuid(Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid())
}

/// Whether an id can be that of an anomaly; those of other things are of other versions.
pub fn is_anomaly_id(id: AnomalyId) -> bool {
    id.as_uuid().get_version_num() == 8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn verdict(surprise: f32) -> Verdict {
        Verdict {
            surprise,
            consensus: surprise,
            expected: 1.1e9,
            sigma: 1e8,
            statistic: Statistic::Deviation,
        }
    }

    fn bar() -> Bar {
        Bar::new(60.0, 2.0)
    }

    fn subject() -> Subject<'static> {
        Subject { series: SeriesId(7), key: 0, metric: "process.memory.usage", quantity: Quantity::Bytes }
    }

    #[test]
    fn an_anomaly_opens_once_and_closes_after_three_calm_points() {
        let mut alarm = Alarm::default();
        let mut seen = Vec::new();
        for (i, s) in [0.2, 5.0, 6.0, 5.0, 1.0, 1.0, 1.0, 0.5].into_iter().enumerate() {
            let value = if s > 2.0 { 1.9e9 } else { 1.1e9 };
            if let Some(t) = alarm.observe(&verdict(s), value, Timestamp::from_secs(i as i64), &bar()) {
                seen.push((i, t));
            }
        }
        assert_eq!(seen, [(1, Transition::Opened), (6, Transition::Closed)]);
        let closed = alarm.take_closed().unwrap();
        let told = closed.describe(subject(), Severity::Warning);
        assert_eq!(
            (told.started_at, told.ended_at),
            (Timestamp::from_secs(1), Some(Timestamp::from_secs(6)))
        );
        assert_eq!(told.words, "process.memory.usage jumped to 1.9 GB, expected 1.1 GB (8σ above normal)");
    }

    #[test]
    fn a_series_that_was_as_wild_before_does_not_open_again() {
        let mut alarm = Alarm::default();
        let t = Timestamp::from_secs;
        assert_eq!(alarm.observe(&verdict(6.0), 1.0, t(0), &bar()), Some(Transition::Opened));
        alarm.close(t(1));
        assert_eq!(alarm.observe(&verdict(5.5), 1.0, t(2), &bar()), None);
        assert_eq!(alarm.rank(), 0.0);
        assert_eq!(alarm.observe(&verdict(6.6), 1.0, t(3), &bar()), Some(Transition::Opened));
        assert!(alarm.rank() > 5.0);
    }

    #[test]
    fn the_same_onset_has_the_same_id_and_another_has_another() {
        let id = |series, secs| {
            identify(Subject { series: SeriesId(series), ..subject() }, Timestamp::from_secs(secs))
        };
        assert_eq!(id(1, 5), id(1, 5));
        assert_ne!(id(1, 5), id(2, 5));
        assert_ne!(id(1, 5), id(1, 6));
        assert_eq!(id(1, 5).as_uuid().get_version_num(), 8);
    }

    #[test]
    fn a_silence_is_told_with_its_step() {
        let mut alarm = Alarm::default();
        alarm.missing(Timestamp::from_secs(10), 35.0, 5.0);
        assert!(alarm.is_missing());
        let words = alarm.open().unwrap().describe(subject(), Severity::Warning).words;
        assert_eq!(words, "process.memory.usage has sent nothing for 35 s, expected every 5 s");
    }
}
