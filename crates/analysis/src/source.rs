//! A source: the series that together make one figure of one instance, and how they make it.
//!
//! Points of one moment are collected and evaluated together when time moves on (or the batch ends), so that used
//! and limit, or the states of a processor, belong to each other.

use echobase_types::assessment::Vital;
use echobase_types::signal::{HistogramPoint, MetricKind};
use echobase_types::{SeriesId, Timestamp};

use crate::counter::{Counter, Increase, began_at_zero};
use crate::sketch::Sketch;
use crate::vital::{Mapped, Reading, Scale};

/// Requests that are assumed to have gone well before any was seen: one failure out of one is no failure ratio of 1.
const PRIOR_REQUESTS: f64 = 5.0;
/// What is kept of durations, and of requests in the short window, from one moment to the next.
const KEEP: f32 = 0.75;
/// What is kept of requests in the long window.
const KEEP_LONG: f64 = 0.9;
/// Certainty of the lower bound of a failed share, in standard deviations.
const CERTAINTY: f64 = 1.5;
/// A counter was away if its report took longer than so many times its usual step.
const AWAY: f64 = 1.5;

/// One series of a source.
#[derive(Clone, Debug)]
struct Part {
    /// `None` once it left: its place is for the next one.
    series: Option<SeriesId>,
    reading: Reading,
    factor: f64,
    scale: Scale,
    percent: Percent,
    failed: bool,
    value: f64,
    time: Option<Timestamp>,
    counter: Counter,
    /// Usual seconds between two reports of a cumulative sum; 0 while it is not known.
    step: f64,
    buckets: Vec<u64>,
}

/// What is known of the scale of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Percent {
    No,
    Yes,
    NoShare,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Values that are the vital sign themselves.
    Direct,
    /// used / limit or 1 − free / limit.
    Ratio,
    /// used state / all states.
    States,
    /// busy processors / processors.
    Cores { most: f64 },
    /// Requests and failures.
    Traffic { requests: f64, failures: f64, short: Window, long: Window, usual: f64 },
    /// Durations.
    Durations { sketch: Sketch, is_new: bool },
}

/// Requests and failures with a fading memory.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    requests: f64,
    failures: f64,
}

impl Window {
    fn add(&mut self, keep: f64, requests: f64, failures: f64) {
        self.requests = self.requests * keep + requests;
        self.failures = self.failures * keep + failures;
    }

    fn ratio(self) -> f64 {
        if self.requests > 1e-6 { (self.failures / self.requests).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The failed share that is certain: the lower bound of Wilson (1927), after some requests that went well.
    fn certain_ratio(self) -> f64 {
        let n = self.requests + PRIOR_REQUESTS;
        let (p, z2) = ((self.failures / n).clamp(0.0, 1.0), CERTAINTY * CERTAINTY);
        let off = CERTAINTY * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((p + z2 / (2.0 * n) - off) / (1.0 + z2 / n)).max(0.0)
    }
}

/// What a source says of one vital sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) vital: Vital,
    pub(crate) value: f64,
    /// How much of it is certain: less than the value only for shares of few requests.
    pub(crate) certain: f64,
}

impl Figure {
    fn plain(vital: Vital, value: f64) -> Self {
        Self { vital, value, certain: value }
    }
}

/// What a source says at one moment.
pub(crate) type Figures = [Option<Figure>; 2];

/// Streaming state of one source.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    vital: Vital,
    kind: Kind,
    parts: Vec<Part>,
    flushed: Option<Timestamp>,
    flushes: u32,
    step: f64,
    dirty: Option<Timestamp>,
    restarted: Option<Timestamp>,
}

impl Source {
    pub(crate) fn new(mapped: &Mapped) -> Self {
        let kind = match mapped.reading {
            Reading::Value | Reading::Complement => Kind::Direct,
            Reading::Used | Reading::Limit | Reading::Free => Kind::Ratio,
            Reading::InState | Reading::OtherState => Kind::States,
            Reading::Cores | Reading::CoreCount => Kind::Cores { most: 1.0 },
            Reading::Requests | Reading::Failures => Kind::Traffic {
                requests: 0.0,
                failures: 0.0,
                short: Window::default(),
                long: Window::default(),
                usual: 0.0,
            },
            Reading::Duration => Kind::Durations { sketch: Sketch::default(), is_new: false },
        };
        Self {
            vital: mapped.vital,
            kind,
            parts: Vec::new(),
            flushed: None,
            flushes: 0,
            step: 60.0,
            dirty: None,
            restarted: None,
        }
    }

    /// Adds a series and returns its place.
    pub(crate) fn join(&mut self, series: SeriesId, mapped: &Mapped) -> usize {
        let is_it = |p: &Part| p.series == Some(series) && p.reading == mapped.reading;
        if let Some(at) = self.parts.iter().position(is_it) {
            return at;
        }
        let part = Part {
            series: Some(series),
            reading: mapped.reading,
            factor: mapped.factor,
            scale: mapped.scale,
            percent: Percent::No,
            failed: mapped.failed,
            value: 0.0,
            time: None,
            counter: Counter::default(),
            step: 0.0,
            buckets: Vec::new(),
        };
        if let Some((at, free)) = self.parts.iter_mut().enumerate().find(|(_, p)| p.series.is_none()) {
            *free = part;
            return at;
        }
        // Most sources have one part, and no more than is needed is kept in reserve.
        self.parts.reserve_exact(1);
        self.parts.push(part);
        self.parts.len() - 1
    }

    /// Reads what a point of the part at `place` will need; see [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self, place: usize) -> u32 {
        self.flushes ^ self.parts.get(place).map_or(0, |part| part.value.to_bits() as u32)
    }

    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let buckets: usize = self.parts.iter().map(|p| p.buckets.capacity() * size_of::<u64>()).sum();
        let sketch = if let Kind::Durations { .. } = self.kind { Sketch::BYTES } else { 0 };
        self.parts.capacity() * size_of::<Part>() + buckets + sketch
    }

    /// Removes a series; whether none is left.
    pub(crate) fn leave(&mut self, series: SeriesId) -> Emptiness {
        // The place of every other part must stay: the part is emptied, not removed.
        for part in self.parts.iter_mut().filter(|p| p.series == Some(series)) {
            part.series = None;
            part.time = None;
            part.buckets = Vec::new();
        }
        if self.parts.iter().all(|p| p.series.is_none()) { Emptiness::Empty } else { Emptiness::InUse }
    }

    /// The series that people look at for this figure: the smallest id of those that are not limits.
    pub(crate) fn main_series(&self) -> SeriesId {
        let main =
            |p: &&Part| !matches!(p.reading, Reading::Limit | Reading::CoreCount | Reading::OtherState);
        let id = |p: &Part| p.series;
        let any = self.parts.iter().filter_map(id).min().unwrap_or(SeriesId(0));
        self.parts.iter().filter(main).filter_map(id).min().unwrap_or(any)
    }

    /// Series that report an idle state: one per processor where processors report apart.
    pub(crate) fn other_states(&self) -> usize {
        let is_idle = |p: &&Part| matches!(p.reading, Reading::OtherState | Reading::Complement);
        self.parts.iter().filter(|p| p.series.is_some()).filter(is_idle).count()
    }

    /// When a counter of this source last started again.
    pub(crate) fn restarted(&self) -> Option<Timestamp> {
        self.restarted
    }

    /// Takes a point of the series at `place`. `value` is finite.
    pub(crate) fn take(&mut self, place: usize, kind: MetricKind, value: f64, time: Timestamp) {
        let is_established = self.flushes >= 2;
        let Some(part) = self.parts.get_mut(place) else { return };
        if part.time.is_some_and(|t| time <= t) {
            return;
        }
        let is_first = part.time.is_none();
        if let Kind::Traffic { requests, failures, usual, .. } = &mut self.kind {
            let mut amount = 0.0;
            match part.counter.observe(kind, value, time) {
                Some(increase) => {
                    // What came while this series alone was away belongs to moments that are judged already.
                    let elapsed = self.flushed.map_or(f64::INFINITY, |t| time.since(t).as_secs_f64());
                    amount = match increase.seconds.filter(|_| kind == MetricKind::Counter) {
                        Some(seconds) => increase.within(part.heed_step(seconds).max(elapsed)),
                        None => increase.amount,
                    };
                    if increase.is_reset {
                        self.restarted = Some(time);
                    }
                }
                None if is_first && is_established && began_at_zero(value, *usual) => amount = value.max(0.0),
                None => {}
            }
            part.time = Some(time);
            if part.reading == Reading::Requests {
                *requests += amount;
            }
            if part.failed {
                *failures += amount;
            }
            self.dirty = Some(time);
            return;
        }
        if matches!(kind, MetricKind::Counter | MetricKind::Delta) {
            let Some(Increase { amount, seconds: Some(seconds), is_reset }) =
                part.counter.observe(kind, value, time)
            else {
                return;
            };
            part.time = Some(time);
            if is_reset {
                self.restarted = Some(time);
            }
            part.value = amount / seconds * part.factor;
        } else {
            part.time = Some(time);
            part.value = value * part.factor;
        }
        part.heed_percent();
        self.dirty = Some(time);
    }

    /// Takes a distribution of the series at `place`.
    pub(crate) fn take_histogram(&mut self, place: usize, point: &HistogramPoint) {
        let kind = if point.cumulative { MetricKind::Counter } else { MetricKind::Delta };
        if let Kind::Traffic { .. } = self.kind {
            return self.take(place, kind, point.count as f64, point.time);
        }
        let is_established = self.flushes >= 2;
        let Some(part) = self.parts.get_mut(place) else { return };
        let Kind::Durations { sketch, is_new } = &mut self.kind else { return };
        if part.time.is_some_and(|t| point.time <= t) {
            return;
        }
        let is_first = part.time.is_none();
        part.time = Some(point.time);
        let is_reset = part.buckets.len() != point.counts.len()
            || part.buckets.iter().zip(&point.counts).any(|(before, now)| now < before);
        let from_zero = !point.cumulative
            || (is_reset && !is_first)
            || (is_first && is_established && began_at_zero(point.count as f64, sketch.total()));
        if is_first && !from_zero {
            part.buckets.clone_from(&point.counts);
            return;
        }
        for (i, &now) in point.counts.iter().enumerate() {
            let before = if from_zero { 0 } else { part.buckets.get(i).copied().unwrap_or(0) };
            let count = now.saturating_sub(before) as f64;
            let low = if i == 0 { None } else { point.bounds.get(i - 1).copied() };
            let high = point.bounds.get(i).copied();
            // The last bucket has no upper bound: assume twice its lower; the first none below: assume a fifth.
            let (low, high) = match (low, high) {
                (Some(low), Some(high)) => (low, high),
                (Some(low), None) => (low, low * 2.0),
                (None, Some(high)) => (high / 5.0, high),
                (None, None) => {
                    let mean = if point.count > 0 { point.sum / point.count as f64 } else { 0.0 };
                    (mean, mean)
                }
            };
            if count > 0.0 {
                sketch.add_between(low.max(0.0) * part.factor, high.max(0.0) * part.factor, count);
                *is_new = true;
            }
        }
        if point.cumulative {
            part.buckets.clone_from(&point.counts);
        }
        self.dirty = Some(point.time);
    }

    /// Takes the requests of an interval of spans, and how many of them failed.
    pub(crate) fn add_requests(&mut self, came: f64, failed: f64) {
        if let Kind::Traffic { requests, failures, .. } = &mut self.kind {
            *requests += came;
            *failures += failed;
        }
    }

    /// Takes how long they took, in seconds.
    pub(crate) fn add_durations(&mut self, seconds: &Sketch) {
        if let Kind::Durations { sketch, is_new } = &mut self.kind {
            sketch.merge(seconds);
            *is_new = true;
        }
    }

    /// Says that the interval of its spans ended.
    pub(crate) fn mark(&mut self, end: Timestamp) {
        self.dirty = Some(end);
    }

    /// Whether it must be evaluated after the request rate.
    pub(crate) fn needs_rate(&self) -> bool {
        self.vital == Vital::QueueLength
    }

    /// Whether it makes more than one vital sign, or one out of many values.
    pub(crate) fn makes_several(&self) -> bool {
        matches!(self.kind, Kind::Traffic { .. } | Kind::Durations { .. })
    }

    /// When the points came that were not evaluated yet.
    pub(crate) fn dirty(&self) -> Option<Timestamp> {
        self.dirty
    }

    /// Evaluates what came; `cpus` is the number of processors of the resource, where it is known from elsewhere.
    pub(crate) fn flush(&mut self, cpus: Option<f64>) -> Option<(Timestamp, Figures)> {
        let time = self.dirty.take()?;
        let elapsed = self.flushed.map(|t| time.since(t).as_secs_f64());
        self.flushed = Some(time);
        self.flushes = self.flushes.saturating_add(1);
        if let Some(elapsed) = elapsed.filter(|e| *e > 0.0) {
            let rate = (1.0 / f64::from(self.flushes)).max(0.05);
            self.step += if self.flushes <= 2 {
                elapsed - self.step
            } else {
                rate * (elapsed.min(3.0 * self.step) - self.step)
            };
        }
        let vital = self.vital;
        let figures = match &self.kind {
            Kind::Direct => [self.direct(time), None],
            Kind::Ratio => [self.ratio(time, cpus), None],
            Kind::States => [self.states(time), None],
            Kind::Cores { .. } => [self.cores(time), None],
            Kind::Traffic { .. } => return self.traffic(elapsed).map(|f| (time, f)),
            Kind::Durations { .. } => return self.durations().map(|f| (time, f)),
        };
        figures[0].map(|value: f64| (time, [Some(Figure::plain(vital, value)), None]))
    }

    /// Parts that still speak at `time`.
    fn fresh(&self, time: Timestamp) -> impl Iterator<Item = &Part> {
        let oldest = 3.5 * self.step + 1.0;
        self.parts.iter().filter(move |p| p.time.is_some_and(|t| time.since(t).as_secs_f64() <= oldest))
    }

    fn direct(&self, time: Timestamp) -> Option<f64> {
        let values = self.fresh(time).filter_map(Part::vital_value);
        let (mut count, mut sum, mut most) = (0.0, 0.0, f64::MIN);
        for value in values {
            count += 1.0;
            sum += value;
            most = most.max(value);
        }
        if count == 0.0 {
            return None;
        }
        Some(match self.vital {
            Vital::CpuUtilization | Vital::Up => sum / count,
            Vital::RequestRate | Vital::QueueLength | Vital::MemoryUsage => sum,
            _ => most,
        })
    }

    fn ratio(&self, time: Timestamp, cpus: Option<f64>) -> Option<f64> {
        let sum = |reading| {
            let mut parts = self.fresh(time).filter(|p| p.reading == reading).peekable();
            parts.peek()?;
            Some(parts.map(|p| p.value).sum::<f64>())
        };
        // A limit is sent rarely by some; it does not age.
        let limits = self.parts.iter().filter(|p| p.reading == Reading::Limit && p.time.is_some());
        let mut limit: f64 = limits.map(|p| p.value).sum();
        if limit <= 0.0 && self.vital == Vital::LoadPerCpu {
            limit = cpus.unwrap_or(0.0);
        }
        // "No limit" is written as 0, as -1 or as a number near 2^63.
        if limit <= 0.0 || limit > 9e18 {
            return None;
        }
        match (sum(Reading::Used), sum(Reading::Free)) {
            (Some(used), _) => Some(used / limit),
            (None, Some(free)) => Some(1.0 - free / limit),
            (None, None) => None,
        }
    }

    fn states(&self, time: Timestamp) -> Option<f64> {
        let (mut used, mut all, mut kinds) = (0.0, 0.0, [false; 2]);
        for part in self.fresh(time) {
            let is_used = part.reading == Reading::InState;
            kinds[usize::from(is_used)] = true;
            all += part.value.max(0.0);
            if is_used {
                used += part.value.max(0.0);
            }
        }
        (kinds == [true, true] && all > 0.0).then(|| used / all)
    }

    fn cores(&mut self, time: Timestamp) -> Option<f64> {
        let mut busy = 0.0;
        let mut any = false;
        for part in self.fresh(time).filter(|p| p.reading == Reading::Cores) {
            (busy, any) = (busy + part.value, true);
        }
        let known: f64 = self
            .parts
            .iter()
            .filter(|p| p.reading == Reading::CoreCount && p.time.is_some())
            .map(|p| p.value)
            .sum();
        let Kind::Cores { most } = &mut self.kind else { return None };
        // A quarter of tolerance: a scrape that comes late makes one busy processor look like 1.1.
        *most = most.max((busy - 0.25).ceil().min(4_096.0));
        any.then(|| busy / if known > 0.0 { known } else { *most })
    }

    fn traffic(&mut self, elapsed: Option<f64>) -> Option<Figures> {
        let is_client = self.vital == Vital::DependencyErrorRatio;
        let Kind::Traffic { requests, failures, short, long, usual } = &mut self.kind else { return None };
        let failed = std::mem::take(failures);
        let came = std::mem::take(requests).max(failed);
        short.add(f64::from(KEEP), came, failed);
        long.add(KEEP_LONG, came, failed);
        *usual += 0.2 * (came - *usual);
        // Both windows must agree (multi-window burn rate, Site Reliability Workbook ch. 5): the short one forgets
        // quickly, the long one is not impressed by a single failure.
        let certain = short.certain_ratio().min(long.certain_ratio());
        let elapsed = elapsed.filter(|e| *e > 0.0)?;
        let vital = if is_client { Vital::DependencyErrorRatio } else { Vital::ErrorRatio };
        let ratio = Some(Figure { vital, value: short.ratio(), certain });
        Some(if is_client {
            [ratio, None]
        } else {
            [Some(Figure::plain(Vital::RequestRate, came / elapsed)), ratio]
        })
    }

    fn durations(&mut self) -> Option<Figures> {
        let is_client = self.vital == Vital::DependencyLatency;
        let Kind::Durations { sketch, is_new } = &mut self.kind else { return None };
        if !std::mem::take(is_new) {
            return None;
        }
        let median = sketch.quantile(0.5);
        // A quantile that fewer than two values exceed is noise: with few requests a lower one stands for it.
        let p99 = sketch.quantile((1.0 - 2.0 / sketch.total().max(1.0)).clamp(0.5, 0.99));
        sketch.fade(KEEP);
        Some(if is_client {
            [median.map(|v| Figure::plain(Vital::DependencyLatency, v)), None]
        } else {
            [
                median.map(|v| Figure::plain(Vital::LatencyP50, v)),
                p99.map(|v| Figure::plain(Vital::LatencyP99, v)),
            ]
        })
    }
}

/// Whether a source still has a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptiness {
    Empty,
    InUse,
}

impl Part {
    /// Learns the usual step; how many of the seconds since the report before count as the present.
    fn heed_step(&mut self, seconds: f64) -> f64 {
        let usual = if self.step > 0.0 { self.step } else { seconds };
        self.step = usual + 0.2 * (seconds.min(3.0 * usual) - usual);
        if seconds > AWAY * usual { usual } else { seconds }
    }

    fn heed_percent(&mut self) {
        self.percent = match (self.scale, self.percent, self.value) {
            (_, Percent::NoShare, _) => Percent::NoShare,
            (Scale::MaybePercent, _, v) if v > 100.5 => Percent::NoShare,
            (Scale::MaybePercent, Percent::No, v) if v > 1.5 => Percent::Yes,
            (Scale::ShareOnly, _, v) if v > 1.5 => Percent::NoShare,
            (_, known, _) => known,
        };
    }

    fn vital_value(&self) -> Option<f64> {
        let value = match self.percent {
            Percent::No => self.value,
            Percent::Yes => self.value / 100.0,
            Percent::NoShare => return None,
        };
        Some(if self.reading == Reading::Complement { 1.0 - value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(vital: Vital, reading: Reading) -> Mapped {
        Mapped {
            vital,
            reading,
            family: "f".into(),
            instance: String::new(),
            scale: Scale::Unit,
            factor: 1.0,
            failed: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[test]
    fn used_over_limit_and_free_of_total_agree() {
        for (reading, amount) in [(Reading::Used, 30.0), (Reading::Free, 70.0)] {
            let part = mapped(Vital::MemoryUtilization, reading);
            let limit = mapped(Vital::MemoryUtilization, Reading::Limit);
            let mut source = Source::new(&part);
            let (a, b) = (source.join(SeriesId(2), &part), source.join(SeriesId(1), &limit));
            source.take(a, MetricKind::Gauge, amount, at(1));
            assert_eq!(source.flush(None), None, "no limit known yet");
            source.take(b, MetricKind::Gauge, 100.0, at(2));
            source.take(a, MetricKind::Gauge, amount, at(2));
            let said = source.flush(None).and_then(|(_, f)| f[0]).map(|f| (f.value * 1e6).round() / 1e6);
            assert_eq!(said, Some(0.3));
            assert_eq!(source.main_series(), SeriesId(2));
        }
    }

    #[test]
    fn a_processor_that_is_never_idle_is_busy() {
        let (user, idle) = (
            mapped(Vital::CpuUtilization, Reading::InState),
            mapped(Vital::CpuUtilization, Reading::OtherState),
        );
        let mut source = Source::new(&user);
        let (u, i) = (source.join(SeriesId(1), &user), source.join(SeriesId(2), &idle));
        let mut said = Vec::new();
        for (t, busy, free) in [(0, 0.0, 0.0), (10, 2.0, 8.0), (20, 11.0, 9.0)] {
            source.take(u, MetricKind::Counter, busy, at(t));
            source.take(i, MetricKind::Counter, free, at(t));
            said.push(source.flush(None).and_then(|(_, f)| f[0]).map(|f| f.value));
        }
        assert_eq!(said, [None, Some(0.2), Some(0.9)]);
    }

    #[test]
    fn failures_of_a_counter_that_appears_late_are_counted_from_zero() {
        let ok = mapped(Vital::RequestRate, Reading::Requests);
        let bad = Mapped { failed: true, ..ok.clone() };
        let mut source = Source::new(&ok);
        let o = source.join(SeriesId(1), &ok);
        for t in 0..10 {
            source.take(o, MetricKind::Counter, f64::from(t) * 100.0, at(t.into()));
            source.flush(None);
        }
        let b = source.join(SeriesId(2), &bad);
        source.take(o, MetricKind::Counter, 960.0, at(10));
        source.take(b, MetricKind::Counter, 40.0, at(10));
        let figures = source.flush(None).map(|(_, f)| f);
        let rate = figures.and_then(|f| f[0]).map(|f| f.value);
        let ratio = figures.and_then(|f| f[1]).map_or(0.0, |f| f.value);
        assert_eq!(rate, Some(100.0));
        assert!(ratio > 0.08 && ratio < 0.2, "{ratio}");
    }

    /// Request rates as said from second 100 on: three instances that each serve ten requests a second and report every ten
    /// seconds, at their own second, but for those of `away` from 300 to 600.
    fn rates(shift: i64, away: &[usize]) -> Vec<f64> {
        let all = mapped(Vital::RequestRate, Reading::Requests);
        let mut source = Source::new(&all);
        let places: Vec<usize> = (0..3).map(|n| source.join(SeriesId(n), &all)).collect();
        let mut said = Vec::new();
        for t in 0..900 {
            for (n, place) in places.iter().enumerate() {
                let is_away = away.contains(&n) && (300..600).contains(&t);
                if (t - shift * n as i64).rem_euclid(10) == 0 && !is_away {
                    source.take(*place, MetricKind::Counter, 10.0 * t as f64, at(t));
                }
            }
            if source.dirty().is_some() {
                let rate = source.flush(None).and_then(|(_, f)| f[0]).map(|f| f.value);
                said.extend(rate.filter(|_| t > 100));
            }
        }
        said
    }

    #[test]
    fn a_counter_that_was_away_brings_no_rush_of_requests() {
        for shift in [0, 3] {
            assert!(rates(shift, &[]).iter().all(|r| (24.0..36.0).contains(r)), "nobody was away");
            let one: Vec<f64> =
                rates(shift, &[1]).into_iter().filter(|r| !(24.0..36.0).contains(r)).collect();
            assert!(one.iter().all(|r| (13.0..24.0).contains(r)), "two of three: {one:?}");
            let all = rates(shift, &[0, 1, 2]);
            assert!(all.iter().all(|r| (9.0..36.0).contains(r)), "all came back: {all:?}");
        }
        assert!(
            rates(0, &[0, 1, 2]).iter().all(|r| (29.9..30.1).contains(r)),
            "together away, together back"
        );
    }

    #[test]
    fn the_place_of_a_series_that_left_is_taken_by_the_next() {
        let value = mapped(Vital::QueueLength, Reading::Value);
        let mut source = Source::new(&value);
        let stays = source.join(SeriesId(1), &value);
        for n in 2..500 {
            let place = source.join(SeriesId(n), &value);
            source.take(stays, MetricKind::Gauge, 1.0, at(n as i64));
            source.take(place, MetricKind::Gauge, 2.0, at(n as i64));
            let said = source.flush(None).and_then(|(_, f)| f[0]).map(|f| f.value);
            assert_eq!(said, Some(3.0), "only those that are there count");
            assert_eq!(source.leave(SeriesId(n)), Emptiness::InUse);
        }
        assert_eq!((source.parts.len(), source.main_series()), (2, SeriesId(1)));
    }

    #[test]
    fn a_cumulative_histogram_gives_the_quantiles_of_what_is_new() {
        let duration = mapped(Vital::LatencyP99, Reading::Duration);
        let mut source = Source::new(&duration);
        let place = source.join(SeriesId(1), &duration);
        let mut counts = vec![0_u64; 4];
        let mut last = None;
        for t in 0..40 {
            // Until 20 all requests take 10 to 100 ms, later all take 1 to 10 s.
            counts[if t < 20 { 1 } else { 3 }] += 100;
            let point = HistogramPoint {
                series: 0,
                time: at(t),
                cumulative: true,
                count: counts.iter().sum(),
                sum: 0.0,
                bounds: vec![0.01, 0.1, 1.0],
                counts: counts.clone(),
            };
            source.take_histogram(place, &point);
            last = source.flush(None).or(last);
            if t == 19 {
                let p50 = last.and_then(|(_, f)| f[0]).map_or(0.0, |f| f.value);
                assert!((0.01..0.1).contains(&p50), "{p50}");
            }
        }
        let p50 = last.and_then(|(_, f)| f[0]).map_or(0.0, |f| f.value);
        assert!((1.0..2.0).contains(&p50), "{p50}");
    }

    #[test]
    fn shares_in_per_cent_are_told_from_shares_and_from_counts() {
        let maybe = Mapped { scale: Scale::MaybePercent, ..mapped(Vital::CpuUtilization, Reading::Value) };
        for (value, vital) in [(0.7, Some(0.7)), (70.0, Some(0.7)), (7_000.0, None)] {
            let mut source = Source::new(&maybe);
            let place = source.join(SeriesId(1), &maybe);
            source.take(place, MetricKind::Gauge, value, at(1));
            assert_eq!(source.flush(None).and_then(|(_, f)| f[0]).map(|f| f.value), vital, "{value}");
        }
    }

    #[test]
    fn busy_seconds_are_measured_against_the_processors_ever_needed() {
        let cores = mapped(Vital::CpuUtilization, Reading::Cores);
        let mut source = Source::new(&cores);
        let place = source.join(SeriesId(1), &cores);
        let mut said = Vec::new();
        for (t, seconds) in [(0, 0.0), (10, 5.0), (20, 25.0), (30, 30.0)] {
            source.take(place, MetricKind::Counter, seconds, at(t));
            said.push(source.flush(None).and_then(|(_, f)| f[0]).map(|f| f.value));
        }
        assert_eq!(said, [None, Some(0.5), Some(1.0), Some(0.25)]);
    }
}
