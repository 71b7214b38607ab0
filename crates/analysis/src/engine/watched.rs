//! All that is known of one resource.

mod footprint;
mod informed;
mod memory;
mod outlook;
mod plain;
mod spans;
mod supposed;
mod touch;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::assessment::{Anomaly, Severity, Vital};
use echobase_types::signal::{HistogramPoint, MetricKind, MetricPoint, Series};
use echobase_types::{Resource, ResourceKind, SeriesId, Timestamp};

use super::Counts;
use super::together::{Together, Voice};
use crate::anomaly::Transition;
use crate::channel::{Channel, Limits, Seen};
use crate::counter::{Counter, Increase};
use crate::feedback::WHOLE;
use crate::informed::Informed;
use crate::risk::{Degradation, Evidence};
use crate::source::{Emptiness, Figures, Source};
use crate::stream::{Origin, Stream};
use crate::vital::{Mapped, Reading, Vitals};
use crate::waiting::Waiting;
use crate::wear::{Decline, Wear};
use crate::words::{self, Quantity};

pub(super) use memory::{Memory, NewReference};
use plain::{tell_closed, watch_plain};
use spans::SpanWindow;
pub use trace::Judged;
use trace::Tracer;

/// Points closer in time than this are one moment.
const MOMENT: Duration = Duration::from_millis(200);
/// Sources of one resource: beyond them vital signs are plain series.
const MAX_SOURCES: usize = 256;
/// Series that contribute to vital signs of one resource.
const MAX_PARTS: usize = 4_096;
/// Anomalies that wait to be told.
type Transitions = Waiting<Anomaly, 1_000>;
/// A series that is not watched.
pub(super) const UNWATCHED: u32 = u32::MAX;

/// A series of the resource.
#[derive(Debug)]
struct Slot {
    id: SeriesId,
    kind: MetricKind,
    last: Timestamp,
    role: Role,
}

#[derive(Debug)]
enum Role {
    /// It makes vital signs: (source, place within it).
    Vital(Vec<(u32, u32)>),
    /// It is watched for itself.
    Plain(Box<Plain>),
}

/// A series that is no vital sign.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) metric: String,
    pub(super) quantity: Quantity,
    counter: Counter,
    sum: Counter,
    pub(super) channel: Channel,
    wear: Wear,
}

#[derive(Debug)]
struct Placed {
    source: Source,
    key: u64,
    name: String,
    instance: String,
    origin: Origin,
    parts: u32,
    /// What it makes: no source makes more than two vital signs.
    streams: [Option<(Vital, u32)>; 2],
}

/// State of one resource.
#[derive(Debug)]
pub(super) struct Watched {
    kind: ResourceKind,
    slots: Vec<Option<Slot>>,
    by_id: BTreeMap<SeriesId, u32>,
    sources: Vec<Option<Placed>>,
    /// By the hash of what tells them apart.
    by_key: BTreeMap<u64, u32>,
    streams: Vec<Option<Box<Stream>>>,
    parts: usize,
    plains: usize,
    moment: Option<Timestamp>,
    dirty: Vec<u32>,
    last_signal: Timestamp,
    cpus: Option<f64>,
    spans: SpanWindow,
    transitions: Transitions,
    together: Together,
    pub(super) degradation: Degradation,
    /// What the shipped model said when it was last asked; `None` while the history is too short.
    pub(super) evidence: Option<Evidence>,
    informed: Informed,
    /// How the wear goes, and the signal up to which it was followed.
    decline: Decline,
    declined: Timestamp,
    pub(super) memory: Memory,
    tracer: Option<Box<Tracer>>,
}

impl Watched {
    pub(super) fn new(resource: &Resource, memory: Memory) -> Self {
        Self {
            kind: resource.kind,
            slots: Vec::new(),
            by_id: BTreeMap::new(),
            sources: Vec::new(),
            by_key: BTreeMap::new(),
            streams: Vec::new(),
            parts: 0,
            plains: 0,
            moment: None,
            dirty: Vec::new(),
            last_signal: Timestamp::from_micros(i64::MIN),
            cpus: None,
            spans: SpanWindow::default(),
            transitions: Transitions::default(),
            together: Together::new(),
            degradation: Degradation::default(),
            evidence: None,
            informed: Informed::default(),
            decline: Decline::default(),
            declined: Timestamp::from_micros(i64::MIN),
            memory,
            tracer: None,
        }
    }

    /// A signal without figures.
    pub(super) fn saw(&mut self, time: Timestamp) {
        self.last_signal = self.last_signal.max(time);
    }

    pub(super) fn last_signal(&self) -> Timestamp {
        self.last_signal
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> + Clone {
        self.streams.iter().flatten().map(Box::as_ref)
    }

    pub(super) fn plains(&self) -> impl Iterator<Item = (SeriesId, &Plain)> {
        self.slots.iter().flatten().filter_map(|slot| match &slot.role {
            Role::Plain(plain) => Some((slot.id, plain.as_ref())),
            Role::Vital(_) => None,
        })
    }

    /// Number of series.
    pub(super) fn series(&self) -> usize {
        self.by_id.len()
    }

    /// The place of a series; made at its first sight.
    pub(super) fn place(&mut self, series: &Series, vitals: &Vitals, limit: u32) -> u32 {
        if let Some(&at) = self.by_id.get(&series.id) {
            return at;
        }
        let role = match self.vital_role(series, vitals) {
            Some(role) => role,
            None if self.plains < limit as usize => {
                self.plains += 1;
                Role::Plain(Box::new(Plain {
                    metric: words::metric(&series.name, &series.attributes),
                    quantity: match series.kind {
                        MetricKind::Counter | MetricKind::Delta => Quantity::PerSecond,
                        _ => Quantity::guess(&series.unit, &series.name),
                    },
                    counter: Counter::default(),
                    sum: Counter::default(),
                    channel: Channel::new(0.0),
                    wear: Wear::default(),
                }))
            }
            None => return UNWATCHED,
        };
        self.memory.touch();
        let slot = Slot { id: series.id, kind: series.kind, last: Timestamp::from_micros(i64::MIN), role };
        let at = match self.slots.iter().position(Option::is_none) {
            Some(free) => {
                self.slots[free] = Some(slot);
                free
            }
            None => push_snug(&mut self.slots, slot),
        } as u32;
        self.by_id.insert(series.id, at);
        at
    }

    fn vital_role(&mut self, series: &Series, vitals: &Vitals) -> Option<Role> {
        // A host reports on its largest processes too: they are part of it, not its vital signs.
        let is_process = series.name.starts_with("process.") || series.name.starts_with("process_");
        if (self.kind == ResourceKind::Host && is_process) || self.parts >= MAX_PARTS {
            return None;
        }
        let mapped = vitals.map(series);
        let mut places = Vec::with_capacity(mapped.len());
        for one in &mapped {
            if let Some(at) = self.source(one, &series.name, Origin::Metric)
                && let Some(Some(placed)) = self.sources.get_mut(at as usize)
            {
                places.push((at, placed.source.join(series.id, one) as u32));
                placed.parts += 1;
                if !matches!(one.reading, Reading::Limit | Reading::CoreCount | Reading::OtherState) {
                    placed.name.clone_from(&series.name);
                }
                self.parts += 1;
                if one.vital == Vital::CpuUtilization && has_processor(series) {
                    let count = placed.source.other_states() as f64;
                    self.cpus = Some(self.cpus.unwrap_or(0.0).max(count)).filter(|c| *c > 0.0);
                }
            }
        }
        (!places.is_empty()).then_some(Role::Vital(places))
    }

    fn source(&mut self, mapped: &Mapped, name: &str, origin: Origin) -> Option<u32> {
        let group = match mapped.reading {
            Reading::Duration => "duration",
            Reading::Requests | Reading::Failures => "traffic",
            _ => mapped.vital.as_str(),
        };
        let side = mapped.vital.as_str();
        let key = format!("{group}|{side}|{}|{}|{}", mapped.family, mapped.instance, origin as u8);
        let key = fnv(&key);
        if let Some(&at) = self.by_key.get(&key) {
            return Some(at);
        }
        if self.by_key.len() >= MAX_SOURCES {
            return None;
        }
        let placed = Placed {
            source: Source::new(mapped),
            key,
            name: name.to_owned(),
            instance: mapped.instance.clone(),
            origin,
            parts: 0,
            streams: [None; 2],
        };
        let at = match self.sources.iter().position(Option::is_none) {
            Some(free) => {
                self.sources[free] = Some(placed);
                free
            }
            None => push_snug(&mut self.sources, placed),
        } as u32;
        self.by_key.insert(key, at);
        Some(at)
    }

    /// Time moves on to `time`: what belongs to an earlier moment is evaluated.
    pub(super) fn advance(&mut self, time: Timestamp, limits: &Limits, counts: &mut Counts) {
        match self.moment {
            Some(moment) if time.since(moment) > MOMENT => {
                self.flush(limits, counts);
                self.moment = Some(time);
                self.heed(time, limits);
            }
            Some(_) => {}
            None => {
                self.moment = Some(time);
                self.heed(time, limits);
            }
        }
    }

    pub(super) fn take_point(
        &mut self,
        place: u32,
        point: &MetricPoint,
        limits: &Limits,
        counts: &mut Counts,
    ) {
        if !point.value.is_finite() {
            counts.not_finite += 1;
            return;
        }
        let Some(Some(slot)) = self.slots.get_mut(place as usize) else {
            counts.overflow += 1;
            return;
        };
        if point.time <= slot.last {
            counts.late += 1;
            return;
        }
        counts.taken += 1;
        slot.last = point.time;
        self.last_signal = self.last_signal.max(point.time);
        match &mut slot.role {
            Role::Vital(places) => {
                for &(at, within) in places.iter() {
                    if let Some(Some(placed)) = self.sources.get_mut(at as usize) {
                        placed.source.take(within as usize, slot.kind, point.value, point.time);
                        if self.dirty.last() != Some(&at) {
                            self.dirty.push(at);
                        }
                    }
                }
            }
            Role::Plain(plain) => {
                let value = match slot.kind {
                    MetricKind::Counter | MetricKind::Delta => {
                        match plain.counter.observe(slot.kind, point.value, point.time) {
                            Some(Increase { amount, seconds: Some(seconds), .. }) => amount / seconds,
                            _ => return,
                        }
                    }
                    _ => point.value,
                };
                let lessons = &self.memory.lessons;
                watch_plain(plain, slot.id, (value, point.time), limits, lessons, &mut self.transitions);
                if let Some(tracer) = &mut self.tracer {
                    tracer.note(&plain.metric, &plain.channel, point.time);
                }
            }
        }
    }

    pub(super) fn take_histogram(
        &mut self,
        place: u32,
        point: &HistogramPoint,
        limits: &Limits,
        counts: &mut Counts,
    ) {
        let Some(Some(slot)) = self.slots.get_mut(place as usize) else {
            counts.overflow += 1;
            return;
        };
        if point.time <= slot.last {
            counts.late += 1;
            return;
        }
        counts.taken += 1;
        slot.last = point.time;
        self.last_signal = self.last_signal.max(point.time);
        match &mut slot.role {
            Role::Vital(places) => {
                for &(at, within) in places.iter() {
                    if let Some(Some(placed)) = self.sources.get_mut(at as usize) {
                        placed.source.take_histogram(within as usize, point);
                        if self.dirty.last() != Some(&at) {
                            self.dirty.push(at);
                        }
                    }
                }
            }
            Role::Plain(plain) => {
                // A distribution that is no vital sign is watched by its mean.
                let kind = if point.cumulative { MetricKind::Counter } else { MetricKind::Delta };
                let count = plain.counter.observe(kind, point.count as f64, point.time);
                let sum = plain.sum.observe(kind, point.sum, point.time);
                if let (Some(count), Some(sum)) = (count, sum)
                    && count.amount > 0.0
                {
                    let mean = sum.amount / count.amount;
                    let lessons = &self.memory.lessons;
                    watch_plain(plain, slot.id, (mean, point.time), limits, lessons, &mut self.transitions);
                    if let Some(tracer) = &mut self.tracer {
                        tracer.note(&plain.metric, &plain.channel, point.time);
                    }
                }
            }
        }
    }

    /// Evaluates what came since the last moment; request rates first, because queues are measured in them.
    pub(super) fn flush(&mut self, limits: &Limits, counts: &mut Counts) {
        let Some(moment) = self.moment.take() else { return };
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for is_late_turn in [false, true] {
            for &at in &dirty {
                let Some(Some(placed)) = self.sources.get_mut(at as usize) else { continue };
                if placed.source.dirty().is_none() || placed.source.needs_rate() != is_late_turn {
                    continue;
                }
                if let Some((time, figures)) = placed.source.flush(self.cpus) {
                    self.learn(at, time, figures, limits, counts);
                }
            }
        }
        dirty.clear();
        self.dirty = dirty;
        self.judge_together(moment, limits);
        self.learn_weights(moment);
    }

    /// Judges all series of the moment together.
    fn judge_together(&mut self, moment: Timestamp, limits: &Limits) {
        let mut together = std::mem::replace(&mut self.together, Together::new());
        if let Some(changed) = together.observe(self.voices(), moment, limits) {
            if changed.ended_at.is_none() && self.memory.lessons.expected(WHOLE, moment).is_some() {
                together.hush();
            } else {
                self.transitions.push(changed);
            }
        }
        self.together = together;
    }

    /// The anomaly of the resource as a whole.
    pub(super) fn open_together(&self) -> Option<Anomaly> {
        self.together.open()
    }

    fn voices(&self) -> impl Iterator<Item = Voice<'_>> + Clone {
        let streams =
            self.streams().map(|s| Voice { series: s.series, metric: &s.metric, channel: &s.channel });
        let plains = self.slots.iter().flatten().filter_map(|slot| match &slot.role {
            Role::Plain(plain) => {
                Some(Voice { series: slot.id, metric: &plain.metric, channel: &plain.channel })
            }
            Role::Vital(_) => None,
        });
        streams.chain(plains)
    }

    fn learn(&mut self, at: u32, time: Timestamp, figures: Figures, limits: &Limits, counts: &mut Counts) {
        for figure in figures.into_iter().flatten() {
            let vital = figure.vital;
            let Some(Some(placed)) = self.sources.get_mut(at as usize) else { return };
            let known = placed.streams.iter().flatten().find(|(v, _)| *v == vital).map(|(_, stream)| *stream);
            let stream = match known {
                Some(stream) => stream,
                None => {
                    let metric = label(placed, vital);
                    let key = placed.key ^ fnv(vital.as_str());
                    let series = placed.source.main_series();
                    let new = Box::new(Stream::new(vital, placed.origin, metric, series, key));
                    let free = match self.streams.iter().position(Option::is_none) {
                        Some(free) => {
                            self.streams[free] = Some(new);
                            free
                        }
                        None => push_snug(&mut self.streams, new),
                    } as u32;
                    if let Some(none) = placed.streams.iter_mut().find(|s| s.is_none()) {
                        *none = Some((vital, free));
                    }
                    self.memory.touch();
                    free
                }
            };
            let restarted = placed.source.restarted();
            let rate = if vital == Vital::QueueLength { self.rate(time) } else { None };
            let Some(Some(stream)) = self.streams.get_mut(stream as usize) else { continue };
            match stream.observe(figure, time, rate, limits) {
                Seen::Dropped => counts.late += 1,
                Seen::Taken(Some(Transition::Closed)) => {
                    if let Some(closed) = stream.channel.alarm.take_closed() {
                        self.transitions.push(closed.describe(stream.subject(), stream.told));
                    }
                }
                Seen::Taken(Some(Transition::Opened)) => {
                    if self.memory.lessons.expected(&stream.metric, time).is_some() {
                        stream.channel.alarm.hush();
                    }
                }
                Seen::Taken(None) => {}
            }
            if let Some(tracer) = &mut self.tracer {
                tracer.note(&stream.metric, &stream.channel, time);
            }
            if let Some(restarted) = restarted {
                for stream in self.streams.iter_mut().flatten() {
                    let near = Duration::from_secs_f64(5.0 * stream.channel.pace.step() + 2.0);
                    if let Some(trend) = &mut stream.trend {
                        trend.restarted(restarted, near);
                    }
                }
            }
        }
    }

    /// The present request rate.
    fn rate(&self, now: Timestamp) -> Option<f64> {
        let rates = self.streams().filter(|s| s.vital == Vital::RequestRate && s.channel.pace.is_fresh(now));
        rates.map(Stream::value).reduce(f64::max)
    }

    /// Time has come to `now`: what waited for it is evaluated.
    pub(super) fn settle(
        &mut self,
        now: Timestamp,
        interval: Duration,
        limits: &Limits,
        counts: &mut Counts,
    ) {
        self.end_intervals(now, interval, limits, counts);
        self.heed(now, limits);
    }

    /// Looks for vital signs that fell silent. Silence of all others is the resource's own.
    pub(super) fn watch_silence(&mut self, now: Timestamp) {
        for stream in self.streams.iter_mut().flatten().filter(|s| s.origin == Origin::Metric) {
            if stream.channel.watch_silence(now) == Some(Transition::Opened)
                && self.memory.lessons.expected(&stream.metric, now).is_some()
            {
                stream.channel.alarm.hush();
            }
        }
    }

    /// Drops series that were silent for `after`; whether any is left.
    pub(super) fn forget_silent(&mut self, now: Timestamp, after: Duration) -> bool {
        let old = |t: Timestamp| now.since(t) > after;
        self.forget_peers(now, after);
        if !self.slots.iter().flatten().any(|s| old(s.last)) {
            return !self.by_id.is_empty() || !old(self.last_signal);
        }
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].take_if(|s| old(s.last)) else { continue };
            self.by_id.remove(&slot.id);
            match slot.role {
                Role::Plain(mut plain) => {
                    self.plains -= 1;
                    if plain.channel.alarm.close(now).is_some() {
                        tell_closed(&mut plain, slot.id, &mut self.transitions);
                    }
                }
                Role::Vital(places) => {
                    self.parts = self.parts.saturating_sub(places.len());
                    for (source, _) in places {
                        self.leave(source, slot.id, now);
                    }
                }
            }
        }
        !self.by_id.is_empty() || !old(self.last_signal)
    }

    fn leave(&mut self, at: u32, series: SeriesId, now: Timestamp) {
        let Some(Some(placed)) = self.sources.get_mut(at as usize) else { return };
        if placed.source.leave(series) == Emptiness::Empty {
            self.drop_source(at, now);
        }
    }

    fn drop_source(&mut self, at: u32, now: Timestamp) {
        let Some(Some(placed)) = self.sources.get_mut(at as usize) else { return };
        let streams = std::mem::take(&mut placed.streams);
        self.sources[at as usize] = None;
        self.by_key.retain(|_, source| *source != at);
        self.dirty.retain(|source| *source != at);
        for (_, stream) in streams.into_iter().flatten() {
            if let Some(mut stream) = self.streams.get_mut(stream as usize).and_then(Option::take)
                && stream.channel.alarm.close(now).is_some()
                && let Some(closed) = stream.channel.alarm.take_closed()
            {
                self.transitions.push(closed.describe(stream.subject(), stream.told));
            }
        }
    }

    /// What opened, closed or became graver, and how much more there was than is kept.
    pub(super) fn take_transitions(&mut self, sensitivity: f64) -> (Vec<Anomaly>, u64) {
        for stream in self.streams.iter_mut().flatten() {
            let severity = stream.severity(sensitivity);
            let Some(open) = stream.channel.alarm.open() else {
                stream.told = Severity::Info;
                stream.announced = None;
                continue;
            };
            let (started, is_new) = (open.started, stream.announced != Some(open.started));
            if is_new || severity > stream.told {
                let anomaly = open.describe(stream.subject(), severity);
                stream.told = severity;
                stream.announced = Some(started);
                self.transitions.push(anomaly);
            }
        }
        self.transitions.take()
    }
}

/// Adds to a list, with an eighth of it in reserve rather than as much again: most resources soon have what they will
/// have. Answers its place.
fn push_snug<T>(list: &mut Vec<Option<T>>, new: T) -> usize {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 8);
    }
    list.push(Some(new));
    list.len() - 1
}

/// Whether processors report apart.
fn has_processor(series: &Series) -> bool {
    ["cpu", "cpu.logical_number", "cpu_logical_number", "system.cpu.logical_number"]
        .iter()
        .any(|key| series.attributes.get(key).is_some())
}

fn label(placed: &Placed, vital: Vital) -> String {
    let base = if placed.instance.is_empty() {
        placed.name.clone()
    } else {
        format!("{}{{{}}}", placed.name, placed.instance)
    };
    let is_one_of_two = placed.origin == Origin::Spans || placed.source.makes_several();
    match vital {
        Vital::LatencyP50 if is_one_of_two => format!("{base} p50"),
        Vital::LatencyP99 if is_one_of_two => format!("{base} p99"),
        Vital::DependencyLatency if is_one_of_two => format!("{base} median"),
        Vital::RequestRate if is_one_of_two => format!("{base} rate"),
        Vital::ErrorRatio | Vital::DependencyErrorRatio if is_one_of_two => format!("{base} failed share"),
        _ => base,
    }
}

/// 64-bit FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
