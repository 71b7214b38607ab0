//! Requests: from counters and distributions of one family, else from spans.

use std::collections::HashMap;
use std::time::Duration;

use echobase_types::assessment::Vital;
use echobase_types::signal::{HistogramPoint, MetricKind, Series, SignalBatch, Span, SpanKind, SpanStatus};
use echobase_types::slo::Sli;
use echobase_types::{SeriesId, Timestamp};

use super::{Count, Row, RowKind, spread};
use crate::vital::{self, Reading, Vitals};

/// A counter that appears beside known ones counts from zero, if it shows no more than this, or ten times what they
/// usually grow by.
const SMALL_START: f64 = 50.0;

/// What a series counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Role {
    family: String,
    counts: Counts,
    factor: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// All requests, or those of one outcome.
    Requests { failed: bool },
    /// Failures among requests that another series counts.
    Failures,
    /// How long they took.
    Durations,
}

/// What a series counts for an indicator, if anything.
pub(super) fn role(sli: &Sli, vitals: &Vitals, series: &Series) -> Option<Role> {
    let wants_latency = matches!(sli, Sli::Latency { .. });
    vitals.map(series).into_iter().find_map(|mapped| {
        let counts = match (mapped.vital, mapped.reading) {
            (Vital::RequestRate, Reading::Requests) if !wants_latency => {
                Counts::Requests { failed: mapped.failed }
            }
            (Vital::RequestRate, Reading::Failures) if !wants_latency => Counts::Failures,
            (Vital::LatencyP99, Reading::Duration) if wants_latency => Counts::Durations,
            _ => return None,
        };
        Some(Role { family: mapped.family, counts, factor: mapped.factor })
    })
}

/// The last report of a series.
#[derive(Debug)]
struct Part {
    role: Role,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    time: Timestamp,
    all: f64,
    quick: f64,
}

/// What came since the report before.
#[derive(Clone, Copy, Debug)]
struct Growth {
    all: f64,
    quick: f64,
    over: Duration,
}

impl Part {
    /// Takes a report: so many in all, so many of them quick. The first of a cumulative sum gives nothing unless it is
    /// known to have begun at zero; a sum that shrank began again.
    fn grow(&mut self, kind: MetricKind, now: Last, from_zero: bool) -> Option<Growth> {
        let before = self.last;
        if kind == MetricKind::Delta {
            // A report that comes late still counts; the same once more does not.
            if before.is_some_and(|last| last.time == now.time) {
                return None;
            }
            let over = before.map_or(Duration::ZERO, |last| now.time.since(last.time));
            self.last = Some(before.filter(|last| last.time > now.time).unwrap_or(now));
            return Some(Growth { all: now.all, quick: now.quick, over });
        }
        if before.is_some_and(|last| now.time <= last.time) {
            return None;
        }
        self.last = Some(now);
        let Some(last) = before else {
            return from_zero.then_some(Growth { all: now.all, quick: now.quick, over: Duration::ZERO });
        };
        let over = now.time.since(last.time);
        if now.all < last.all {
            return Some(Growth { all: now.all, quick: now.quick, over });
        }
        Some(Growth { all: now.all - last.all, quick: (now.quick - last.quick).max(0.0), over })
    }
}

/// The requests of one resource.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// `None` for a series that counts nothing here.
    parts: HashMap<SeriesId, Option<Part>>,
    family: Option<String>,
    /// What a series usually grows by.
    usual: f64,
    reports: u32,
    has_spans: bool,
    last: Timestamp,
}

impl Events {
    /// Whether it has anything to count.
    pub(super) fn take(
        &mut self,
        sli: &Sli,
        vitals: &Vitals,
        batch: &SignalBatch,
        rows: &[Row],
        emit: &mut dyn FnMut(Count),
    ) -> bool {
        for row in rows {
            let index = row.index as usize;
            match row.kind {
                RowKind::Point => {
                    let Some(point) = batch.points.get(index) else { continue };
                    let Some(series) = batch.series.get(point.series as usize) else { continue };
                    let now = Last { time: point.time, all: point.value.max(0.0), quick: 0.0 };
                    self.report(sli, vitals, series, series.kind, |_| now, emit);
                }
                RowKind::Histogram => {
                    let Some(point) = batch.histograms.get(index) else { continue };
                    let Some(series) = batch.series.get(point.series as usize) else { continue };
                    let kind = if point.cumulative { MetricKind::Counter } else { MetricKind::Delta };
                    let now = |role: &Role| Last {
                        time: point.time,
                        all: point.count as f64,
                        quick: match sli {
                            Sli::Latency { threshold_s } => within(point, *threshold_s / role.factor),
                            _ => 0.0,
                        },
                    };
                    self.report(sli, vitals, series, kind, now, emit);
                }
                RowKind::Span => {
                    let Some(span) = batch.spans.get(index) else { continue };
                    self.span(sli, span, emit);
                }
            }
        }
        self.has_spans || self.family.is_some()
    }

    fn report(
        &mut self,
        sli: &Sli,
        vitals: &Vitals,
        series: &Series,
        kind: MetricKind,
        now: impl Fn(&Role) -> Last,
        emit: &mut dyn FnMut(Count),
    ) {
        let is_known = self.reports >= 2;
        let family = &mut self.family;
        let part = self.parts.entry(series.id).or_insert_with(|| {
            let role = role(sli, vitals, series)?;
            if family.as_ref().is_none_or(|known| role.family < *known) {
                *family = Some(role.family.clone());
            }
            Some(Part { role, last: None })
        });
        let Some(part) = part else { return };
        let now = now(&part.role);
        self.last = self.last.max(now.time);
        let from_zero = is_known && now.all <= SMALL_START.max(10.0 * self.usual);
        let Some(growth) = part.grow(kind, now, from_zero) else { return };
        self.reports = self.reports.saturating_add(1);
        self.usual += 0.2 * (growth.all - self.usual);
        if self.family.as_ref() != Some(&part.role.family) {
            return;
        }
        let (good, bad) = match part.role.counts {
            Counts::Requests { failed: false } => (growth.all, 0.0),
            Counts::Requests { failed: true } => (0.0, growth.all),
            Counts::Failures => (-growth.all, growth.all),
            Counts::Durations => {
                let quick = growth.quick.min(growth.all);
                (quick, growth.all - quick)
            }
        };
        spread(now.time, growth.over, good, bad, emit);
    }

    fn span(&mut self, sli: &Sli, span: &Span, emit: &mut dyn FnMut(Count)) {
        if self.family.is_some() || !matches!(span.kind, SpanKind::Server | SpanKind::Consumer) {
            return;
        }
        self.has_spans = true;
        self.last = self.last.max(span.end);
        let is_bad = match sli {
            Sli::Latency { threshold_s } => span.end.since(span.start).as_secs_f64() > *threshold_s,
            _ => {
                span.status == SpanStatus::Error
                    || (span.status == SpanStatus::Unset && vital::failed(&span.attributes, false))
            }
        };
        let (good, bad) = if is_bad { (0.0, 1.0) } else { (1.0, 0.0) };
        emit(Count { at: span.end, good, bad });
    }

    /// Whether anything is left.
    pub(super) fn prune(&mut self, before: Timestamp) -> bool {
        let is_alive = |part: &Part| part.last.is_some_and(|last| last.time >= before);
        self.parts.retain(|_, part| part.as_ref().is_none_or(is_alive));
        self.last >= before
    }
}

/// How many values of a distribution are at most `limit`: whole buckets, and a share of the one that it lies in, as if
/// its values were spread evenly. Exact where the limit is a bound.
fn within(point: &HistogramPoint, limit: f64) -> f64 {
    let mut quick = 0.0;
    let mut low = 0.0_f64;
    for (at, count) in point.counts.iter().enumerate() {
        let count = *count as f64;
        match point.bounds.get(at) {
            Some(high) if *high <= limit => quick += count,
            Some(high) if low < limit => quick += count * ((limit - low) / (high - low)).clamp(0.0, 1.0),
            _ => break,
        }
        low = point.bounds.get(at).copied().unwrap_or(low).max(0.0);
    }
    quick
}
