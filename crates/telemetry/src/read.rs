//! What pages ask again and again, without SQL: points folded into steps, events by page, verdicts over time.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt8Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use echobase_types::signal::MetricKind;
use echobase_types::{Attributes, ResourceId, SeriesId, TenantId, Timestamp};
use futures::StreamExt;

use crate::query::{Scanned, SignalTable};
use crate::state::Snapshot;
use crate::{AssessmentRow, SeriesMeta, Table, Telemetry, TelemetryError, attributes};

/// Memory of one such read.
pub(crate) const MEMORY: usize = 256 << 20;
/// Points that are sorted in one go.
const WINDOW_ROWS: u64 = 2_000_000;
/// How far before the range a counter is read, so that its first step has a rate.
const LOOK_BACK: i64 = 60_000_000;

/// Which series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of a resource.
    Resource(ResourceId),
    /// These.
    Series(Vec<SeriesId>),
}

/// How values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// As they were sent.
    AsStored,
    /// Counters as growth per second (a fall is a restart at zero, as Prometheus counts it), others as sent.
    CountersAsRates,
}

/// Which points are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointsQuery {
    /// Of which series.
    pub selection: Selection,
    /// Only of this metric.
    pub metric: Option<String>,
    /// From (inclusive).
    pub from: Timestamp,
    /// To (exclusive).
    pub to: Timestamp,
    /// Steps per series; at least 1.
    pub max_points: usize,
    /// How values are shown.
    pub values: Values,
}

/// The points of one series, folded into steps. Steps without points are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesData {
    /// The series.
    pub series: SeriesMeta,
    /// The steps, oldest first.
    pub steps: Vec<Step>,
}

/// What the points of one stretch of time say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Start of the stretch.
    pub at: Timestamp,
    /// Mean of the values.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// How many values.
    pub count: u64,
}

/// A log record that has a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Of which resource.
    pub resource_id: ResourceId,
    /// When.
    pub time: Timestamp,
    /// OpenTelemetry severity number, 0 to 24.
    pub severity: u8,
    /// Its name.
    pub name: String,
    /// Its message.
    pub body: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Trace id, or empty.
    pub trace_id: String,
    /// Span id, or empty.
    pub span_id: String,
}

/// Which events are wanted, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this resource.
    pub resource: Option<ResourceId>,
    /// Only of this name.
    pub event_name: Option<String>,
    /// From (inclusive).
    pub from: Timestamp,
    /// To (exclusive).
    pub to: Timestamp,
    /// Events at most.
    pub limit: usize,
    /// Only what comes after the page that gave this.
    pub before: Option<EventCursor>,
}

/// Where a page of events ended. Its text form is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    time: i64,
    /// How many events of that very time were given already.
    given: usize,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time, self.given)
    }
}

impl FromStr for EventCursor {
    type Err = TelemetryError;
    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        let parts = text.split_once('.').and_then(|(time, given)| {
            let given = given.parse().ok().filter(|given| *given <= 1_000_000)?;
            Some(Self { time: time.parse().ok()?, given })
        });
        parts.ok_or_else(|| TelemetryError::Cursor(text.chars().take(80).collect()))
    }
}

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// The events, newest first.
    pub events: Vec<Event>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<EventCursor>,
}

impl Telemetry {
    /// The points of series, folded into at most `max_points` steps each. Series without points in the range
    /// are left out.
    pub async fn points(
        &self,
        tenant: &TenantId,
        query: PointsQuery,
    ) -> Result<Vec<SeriesData>, TelemetryError> {
        let (metas, all) = {
            let state = self.inner.shared.read();
            let Some(known) = state.tenants.get(tenant) else { return Ok(Vec::new()) };
            let mut metas = match &query.selection {
                Selection::Resource(id) => known.dictionary.series_of(id),
                Selection::Series(ids) => {
                    ids.iter().filter_map(|id| known.dictionary.series_meta(id.0)).collect()
                }
            };
            metas.retain(|m| query.metric.as_ref().is_none_or(|wanted| m.metric == *wanted));
            (metas, known.dictionary.series_count())
        };
        if metas.is_empty() || query.from >= query.to {
            return Ok(Vec::new());
        }
        let snapshot = self.table(tenant, Table::MetricPoints);
        let (from, to) = (query.from.as_micros(), query.to.as_micros());
        let rates = query.values == Values::CountersAsRates;
        let counter = |m: &SeriesMeta| rates && m.kind == MetricKind::Counter;
        let first = from.saturating_sub(if metas.iter().any(counter) { LOOK_BACK } else { 0 });
        let rows = snapshot.rows_between(first, to) / (all / metas.len()).max(1) as u64;
        let windows = i64::try_from(rows / WINDOW_ROWS + 1).unwrap_or(1);
        let width = (to.abs_diff(first) as i64 / windows + 1).max(1);
        let ids: Vec<_> = metas.iter().map(|m| lit(m.id.0)).collect();
        let step = (to.abs_diff(from).div_ceil(query.max_points.max(1) as u64) as i64).max(1);
        let folds = metas
            .into_iter()
            .map(|m| (m.id.0, Fold { counter: counter(&m), meta: m, before: None, steps: Vec::new() }));
        let mut folds: HashMap<u64, Fold> = folds.collect();
        let reader = self.reader(tenant)?;
        let work = async move {
            let mut at = first;
            while at < to {
                let end = at.saturating_add(width).min(to);
                let filter = col("series_id").in_list(ids.clone(), false).and(within(at, end));
                let frame = open(&reader, snapshot.clone())?.filter(filter)?;
                let frame = frame.sort(vec![ascending("series_id"), ascending("time")])?;
                let mut stream = frame.execute_stream().await?;
                while let Some(batch) = stream.next().await {
                    fold(&batch?, &mut folds, from, step);
                }
                at = end;
            }
            Ok(folds)
        };
        let mut found: Vec<_> = self
            .read(work)
            .await?
            .into_values()
            .filter(|f| !f.steps.is_empty())
            .map(|f| SeriesData { series: f.meta, steps: f.steps })
            .collect();
        found.sort_by(|a, b| a.series.metric.cmp(&b.series.metric).then(a.series.id.cmp(&b.series.id)));
        Ok(found)
    }

    /// A page of events, newest first.
    pub async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<EventPage, TelemetryError> {
        let (given, mut to) = (filter.before.map_or(0, |b| b.given), filter.to.as_micros());
        if let Some(before) = filter.before {
            to = to.min(before.time.saturating_add(1));
        }
        let mut wanted = within(filter.from.as_micros(), to).and(col("event_name").not_eq(lit("")));
        if let Some(resource) = &filter.resource {
            wanted = wanted.and(col("resource_id").eq(lit(resource.as_str())));
        }
        if let Some(name) = &filter.event_name {
            wanted = wanted.and(col("event_name").eq(lit(name.as_str())));
        }
        let (snapshot, reader) = (self.table(tenant, Table::Logs), self.reader(tenant)?);
        let limit = filter.limit.max(1);
        let work = async move {
            let order = ["resource_id", "event_name", "body", "trace_id", "span_id"].map(ascending);
            let order = std::iter::once(col("time").sort(false, false)).chain(order).collect();
            let frame = open(&reader, snapshot)?.filter(wanted)?.sort(order)?;
            frame.limit(0, Some(limit + given + 1))?.collect().await
        };
        let mut found: Vec<Event> = self.read(work).await?.iter().flat_map(events).collect();
        if let Some(before) = filter.before {
            let same = found.iter().take_while(|e| e.time.as_micros() == before.time).count();
            found.drain(..same.min(given));
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| {
            let time = last.time.as_micros();
            let same = found.iter().rev().take_while(|e| e.time == last.time).count();
            let earlier = filter.before.filter(|b| b.time == time).map_or(0, |b| b.given);
            EventCursor { time, given: same + earlier }
        });
        Ok(EventPage { events: found, next })
    }

    /// The verdicts on a resource in `from..to`, at most `max_points` of them: the last of each stretch of
    /// time. Without `body`, which may be long.
    pub async fn assessments(
        &self,
        tenant: &TenantId,
        resource: &ResourceId,
        from: Timestamp,
        to: Timestamp,
        max_points: usize,
    ) -> Result<Vec<AssessmentRow>, TelemetryError> {
        let (snapshot, reader) = (self.table(tenant, Table::Assessments), self.reader(tenant)?);
        let (from, to) = (from.as_micros(), to.as_micros());
        let filter = within(from, to).and(col("resource_id").eq(lit(resource.as_str())));
        let work = async move {
            let frame = open(&reader, snapshot)?.filter(filter)?;
            let schema = Table::Assessments.schema();
            let columns = schema.fields().iter().map(|f| match f.name().as_str() {
                "body" => lit("").alias("body"),
                name => col(name),
            });
            frame.select(columns.collect::<Vec<_>>())?.sort(vec![ascending("time")])?.collect().await
        };
        let step = (to.abs_diff(from).div_ceil(max_points.max(1) as u64) as i64).max(1);
        let place = |row: &AssessmentRow| (row.at.as_micros() - from) / step;
        let mut kept: Vec<AssessmentRow> = Vec::new();
        for row in self.read(work).await?.iter().flat_map(assessments) {
            match kept.last_mut() {
                Some(last) if place(last) == place(&row) => *last = row,
                _ => kept.push(row),
            }
        }
        Ok(kept)
    }

    /// The last verdict on a resource at or before `at`, whole; `None` if there is none in the day before it.
    pub async fn assessment_at(
        &self,
        tenant: &TenantId,
        resource: &ResourceId,
        at: Timestamp,
    ) -> Result<Option<AssessmentRow>, TelemetryError> {
        let (snapshot, reader) = (self.table(tenant, Table::Assessments), self.reader(tenant)?);
        let at = at.as_micros();
        let filter = within(at.saturating_sub(crate::catalog::DAY_MICROS), at.saturating_add(1))
            .and(col("resource_id").eq(lit(resource.as_str())));
        let work = async move {
            let frame = open(&reader, snapshot)?.filter(filter)?;
            frame.sort(vec![col("time").sort(false, false)])?.limit(0, Some(1))?.collect().await
        };
        Ok(self.read(work).await?.iter().flat_map(assessments).next())
    }

    pub(crate) fn table(&self, tenant: &TenantId, table: Table) -> Snapshot {
        self.inner.shared.snapshot(tenant, table).unwrap_or_else(|| Snapshot::empty(table))
    }

    pub(crate) fn reader(&self, tenant: &TenantId) -> Result<SessionContext, TelemetryError> {
        self.inner.engine.reader(tenant, MEMORY).map_err(TelemetryError::columns("open telemetry tables"))
    }

    /// Runs a read on the threads of telemetry.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DataFusionError>> + Send + 'static,
    ) -> Result<T, TelemetryError> {
        let done = self.inner.workers.run(work).await.map_err(|_| TelemetryError::ShuttingDown)?;
        done.map_err(TelemetryError::columns("read telemetry tables"))
    }
}

/// A snapshot as a frame.
pub(crate) fn open(reader: &SessionContext, snapshot: Snapshot) -> Result<DataFrame, DataFusionError> {
    reader.read_table(Arc::new(SignalTable::new(snapshot, Arc::new(Scanned::default()))))
}

pub(crate) fn ascending(column: &str) -> datafusion::logical_expr::SortExpr {
    col(column).sort(true, false)
}

/// `from <= time < to`.
pub(crate) fn within(from: i64, to: i64) -> Expr {
    let time = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
    col("time").gt_eq(time(from)).and(col("time").lt(time(to)))
}

/// A series on its way into steps.
struct Fold {
    meta: SeriesMeta,
    counter: bool,
    before: Option<(i64, f64)>,
    steps: Vec<Step>,
}

impl Fold {
    /// The value to show for a point, if there is one.
    fn shown(&mut self, time: i64, value: f64) -> Option<f64> {
        if !self.counter {
            return Some(value);
        }
        let (then, before) = self.before.replace((time, value))?;
        let seconds = (time - then) as f64 / 1e6;
        let grown = if value >= before { value - before } else { value };
        (seconds > 0.0).then(|| grown / seconds)
    }

    fn add(&mut self, at: i64, value: f64) {
        let at = Timestamp::from_micros(at);
        match self.steps.last_mut() {
            Some(step) if step.at == at => {
                step.count += 1;
                step.mean += (value - step.mean) / step.count as f64;
                step.min = step.min.min(value);
                step.max = step.max.max(value);
            }
            _ => self.steps.push(Step { at, mean: value, min: value, max: value, count: 1 }),
        }
    }
}

/// Adds points that are sorted by series and time.
fn fold(batch: &RecordBatch, folds: &mut HashMap<u64, Fold>, from: i64, step: i64) {
    let ids = batch.column(0).as_primitive::<UInt64Type>().values();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
    let values = batch.column(2).as_primitive::<Float64Type>().values();
    let mut at = 0;
    while at < ids.len() {
        let end = at + ids[at..].iter().take_while(|id| **id == ids[at]).count();
        if let Some(fold) = folds.get_mut(&ids[at]) {
            for n in at..end {
                let shown = fold.shown(times[n], values[n]);
                if let Some(value) = shown.filter(|_| times[n] >= from) {
                    fold.add(from + (times[n] - from) / step * step, value);
                }
            }
        }
        at = end;
    }
}

fn events(batch: &RecordBatch) -> Vec<Event> {
    let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    let severities = batch.column(2).as_primitive::<UInt8Type>();
    let text = |column: usize, at: usize| batch.column(column).as_string::<i32>().value(at).to_owned();
    let event = |at| {
        Some(Event {
            resource_id: ResourceId::new(&text(1, at)).ok()?,
            time: Timestamp::from_micros(times.value(at)),
            severity: severities.value(at),
            name: text(3, at),
            body: text(4, at),
            trace_id: text(5, at),
            span_id: text(6, at),
            attributes: attributes::from_json(batch.column(7).as_string::<i32>().value(at)),
        })
    };
    (0..batch.num_rows()).filter_map(event).collect()
}

/// The rows of a batch of the table `assessments`.
pub(crate) fn assessments(batch: &RecordBatch) -> Vec<AssessmentRow> {
    let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    let float = |column: usize, at: usize| {
        let column = batch.column(column).as_primitive::<Float64Type>();
        (!column.is_null(at)).then(|| column.value(at))
    };
    let row = |at| {
        Some(AssessmentRow {
            resource_id: ResourceId::new(batch.column(1).as_string::<i32>().value(at)).ok()?,
            at: Timestamp::from_micros(times.value(at)),
            score: float(2, at)?,
            resource_score: float(3, at),
            error_score: float(4, at),
            performance_score: float(5, at),
            dependency_score: float(6, at),
            resource_weight: float(7, at)?,
            error_weight: float(8, at)?,
            performance_weight: float(9, at)?,
            dependency_weight: float(10, at)?,
            risk: float(11, at)?,
            body: batch.column(12).as_string::<i32>().value(at).to_owned(),
        })
    };
    (0..batch.num_rows()).filter_map(row).collect()
}

#[cfg(test)]
mod tests;
