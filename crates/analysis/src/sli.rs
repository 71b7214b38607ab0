//! Service level indicators: what of the signals an objective counts as good and as bad.
//!
//! Requests and latency count requests, from the metrics that the table of vital signs reads as requests and durations
//! ([`crate::vital`]), or from server and consumer spans where a resource has no such metric. Of several metrics that
//! count the same requests one is taken: the family that is first in the alphabet. Vital signs and plain metrics count
//! seconds: each value stands for the time since the value before, unless that is longer than ten minutes, which is a
//! gap and counts neither way.
//!
//! Counts go to the minute to which they belong, so that late rows count where they should.

mod book;
mod events;
mod values;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use echobase_types::signal::{Series, SignalBatch};
use echobase_types::slo::Sli;
use echobase_types::{ResourceId, SeriesId, Timestamp};

use crate::config::VitalRule;
use crate::vital::Vitals;
pub use book::Book;
use events::Events;
use values::Values;

const MINUTE: i64 = 60_000_000;
/// A longer time between two values is a gap.
const GAP: Duration = Duration::from_secs(600);

/// What was counted of one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// When.
    pub at: Timestamp,
    /// Good events or seconds; below zero takes back what was counted as good and was found to be bad.
    pub good: f64,
    /// Bad events or seconds.
    pub bad: f64,
}

/// What of a resource's history must be read to count it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These series.
    pub series: BTreeSet<SeriesId>,
    /// Its spans.
    pub spans: bool,
}

/// One row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) resource: u32,
    pub(crate) time: Timestamp,
    pub(crate) kind: RowKind,
    pub(crate) index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKind {
    Point,
    Histogram,
    Span,
}

/// The rows of the resources that are wanted, by resource and time. Rows whose indices are out of range are left out.
fn rows(batch: &SignalBatch, wanted: &[bool]) -> Vec<Row> {
    let is_wanted = |resource: u32| wanted.get(resource as usize).copied().unwrap_or(false);
    let of_series = |series: u32| batch.series.get(series as usize).map(|s| s.resource);
    let row = |resource, time, kind, index| Row { resource, time, kind, index: index as u32 };
    let points = batch
        .points
        .iter()
        .enumerate()
        .filter_map(|(at, p)| Some(row(of_series(p.series)?, p.time, RowKind::Point, at)));
    let histograms = batch
        .histograms
        .iter()
        .enumerate()
        .filter_map(|(at, h)| Some(row(of_series(h.series)?, h.time, RowKind::Histogram, at)));
    let spans = batch.spans.iter().enumerate().map(|(at, s)| row(s.resource, s.end, RowKind::Span, at));
    let mut rows: Vec<Row> =
        points.chain(histograms).chain(spans).filter(|row| is_wanted(row.resource)).collect();
    if !rows.is_sorted() {
        rows.sort_unstable();
    }
    rows
}

/// Spreads what came over the time since the report before onto its minutes.
fn spread(at: Timestamp, over: Duration, good: f64, bad: f64, emit: &mut dyn FnMut(Count)) {
    if good == 0.0 && bad == 0.0 {
        return;
    }
    let over = over.as_micros() as i64;
    if over <= MINUTE || over > GAP.as_micros() as i64 {
        return emit(Count { at, good, bad });
    }
    let (begin, end) = (at.as_micros() - over, at.as_micros());
    let mut from = begin;
    while from < end {
        let to = ((from.div_euclid(MINUTE) + 1) * MINUTE).min(end);
        let share = (to - from) as f64 / over as f64;
        // Just within its minute: a minute's end belongs to the next.
        let at = Timestamp::from_micros(if to == end { end } else { to - 1 });
        emit(Count { at, good: good * share, bad: bad * share });
        from = to;
    }
}

#[derive(Debug)]
enum Tracker {
    Events(Events),
    Values(Values),
}

/// Counts for one objective. Pure and streaming; about 100 bytes for a series.
///
/// ```
/// use echobase_analysis::sli::Meter;
/// use echobase_types::slo::Sli;
/// use echobase_types::SignalBatch;
///
/// let mut meter = Meter::new(Sli::Requests, Vec::new());
/// meter.observe(&SignalBatch::default(), |_| true, &mut |_| unreachable!("an empty batch counts nothing"));
/// assert_eq!(meter.resources(), 0);
/// ```
#[derive(Debug)]
pub struct Meter {
    sli: Sli,
    vitals: Vitals,
    trackers: HashMap<ResourceId, Tracker>,
}

impl Meter {
    /// Counts for an indicator; `extra` are the vital signs of the configuration.
    pub fn new(sli: Sli, extra: Vec<VitalRule>) -> Self {
        Self { sli, vitals: Vitals::new(extra), trackers: HashMap::new() }
    }

    /// What it counts of a resource that has `series`: spans only where none of them counts its requests.
    pub fn wanted(&self, series: &[Series]) -> Wanted {
        let series: BTreeSet<SeriesId> = series.iter().filter(|s| self.reads(s)).map(|s| s.id).collect();
        let counts_requests = matches!(self.sli, Sli::Requests | Sli::Latency { .. });
        Wanted { spans: counts_requests && series.is_empty(), series }
    }

    fn reads(&self, series: &Series) -> bool {
        match &self.sli {
            Sli::Requests | Sli::Latency { .. } => events::role(&self.sli, &self.vitals, series).is_some(),
            Sli::Vital { vital, .. } => !values::sources(*vital, &self.vitals, series).is_empty(),
            Sli::Metric { name, .. } => series.name == *name,
        }
    }

    /// Resources that were counted.
    pub fn resources(&self) -> usize {
        self.trackers.len()
    }

    /// Counts a batch; `selects` says of which resources.
    pub fn observe(
        &mut self,
        batch: &SignalBatch,
        selects: impl Fn(&ResourceId) -> bool,
        emit: &mut dyn FnMut(Count),
    ) {
        let wanted: Vec<bool> = batch.resources.iter().map(|r| selects(&r.id)).collect();
        let rows = rows(batch, &wanted);
        for of_resource in rows.chunk_by(|a, b| a.resource == b.resource) {
            let found = of_resource.first().and_then(|row| batch.resources.get(row.resource as usize));
            if let Some(resource) = found {
                self.take(batch, &resource.id, of_resource, emit);
            }
        }
    }

    /// Counts rows of one resource, in order of time.
    fn take(
        &mut self,
        batch: &SignalBatch,
        resource: &ResourceId,
        rows: &[Row],
        emit: &mut dyn FnMut(Count),
    ) {
        if !self.trackers.contains_key(resource) {
            let tracker = match &self.sli {
                Sli::Requests | Sli::Latency { .. } => Tracker::Events(Events::default()),
                Sli::Vital { .. } | Sli::Metric { .. } => Tracker::Values(Values::default()),
            };
            self.trackers.insert(resource.clone(), tracker);
        }
        let is_used = match self.trackers.get_mut(resource) {
            Some(Tracker::Events(events)) => events.take(&self.sli, &self.vitals, batch, rows, emit),
            Some(Tracker::Values(values)) => values.take(&self.sli, &self.vitals, batch, rows, emit),
            None => false,
        };
        if !is_used {
            self.trackers.remove(resource);
        }
    }

    /// Forgets series that were silent since `before`, and resources with their last one.
    fn prune(&mut self, before: Timestamp) {
        self.trackers.retain(|_, tracker| match tracker {
            Tracker::Events(events) => events.prune(before),
            Tracker::Values(values) => values.prune(before),
        });
    }
}

#[cfg(test)]
mod tests;
