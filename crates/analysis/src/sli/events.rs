//! Requests: from counters and distributions of one family, else from spans.

use std::collections::HashMap;
use std::time::Duration;

use echobase_types::assessment::Vital;
use echobase_types::signal::{HistogramPoint, MetricKind, Series, SignalBatch, Span, SpanKind, SpanStatus};
use echobase_types::slo::Sli;
use echobase_types::{SeriesId, Timestamp};

use super::{Count, Row, RowKind, spread};
use crate::counter::began_at_zero;
use crate::vital::{self, Reading, Vitals};

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

/// A series, with the time of its newest row.
#[derive(Debug)]
struct Known {
    seen: Timestamp,
    /// `None` for one that counts nothing here.
    part: Option<Part>,
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
    parts: HashMap<SeriesId, Known>,
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
                    self.report(sli, vitals, series, series.kind, point.time, |_| now, emit);
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
                    self.report(sli, vitals, series, kind, point.time, now, emit);
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
        time: Timestamp,
        now: impl Fn(&Role) -> Last,
        emit: &mut dyn FnMut(Count),
    ) {
        let is_known = self.reports >= 2;
        let family = &mut self.family;
        let known = self.parts.entry(series.id).or_insert_with(|| {
            let role = role(sli, vitals, series);
            if let Some(role) = &role
                && family.as_ref().is_none_or(|known| role.family < *known)
            {
                *family = Some(role.family.clone());
            }
            Known { seen: time, part: role.map(|role| Part { role, last: None }) }
        });
        known.seen = known.seen.max(time);
        let Some(part) = &mut known.part else { return };
        let now = now(&part.role);
        self.last = self.last.max(now.time);
        let from_zero = is_known && began_at_zero(now.all, self.usual);
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

    /// Forgets series that were silent since `before`; whether anything is left. Where all of a family fell silent, the next
    /// one counts, or spans do.
    pub(super) fn prune(&mut self, before: Timestamp) -> bool {
        let known = self.parts.len();
        self.parts.retain(|_, known| known.seen >= before);
        if self.parts.len() < known {
            let roles = self.parts.values().filter_map(|known| known.part.as_ref());
            self.family = roles.map(|part| &part.role.family).min().cloned();
        }
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

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;
    use crate::sli::tests::{points, series};

    #[test]
    fn series_that_come_and_go_are_forgotten_whatever_they_count() {
        let (mut events, vitals) = (Events::default(), Vitals::new(Vec::new()));
        let mut counted = 0.0;
        for day in 0..50_u64 {
            let from = day as i64 * 86_400;
            let told = |second| vec![(from, 0.0), (from + second, 60.0)];
            let instance = day.to_string();
            let of = |id, name| (series(id, name, MetricKind::Counter, &[("instance", &instance)]), told(60));
            let batch = points(vec![of(day * 2, "http_requests_total"), of(day * 2 + 1, "moons_total")]);
            let is_used =
                events.take(&Sli::Requests, &vitals, &batch, &rows(&batch, &[true]), &mut |count| {
                    counted += count.good;
                });
            assert!(is_used);
            assert!(events.prune(Timestamp::from_secs(from)));
        }
        assert_eq!((events.parts.len(), counted), (2, 3_000.0));
        assert!(!events.prune(Timestamp::from_secs(90 * 86_400)));
        assert_eq!((events.parts.len(), &events.family), (0, &None), "another family may count from now on");
    }
}
