//! Reading stored signals back in time order, in windows small enough for memory: to rebuild the analysis after
//! a restart, and to back-test playbooks.

use std::collections::{BTreeMap, HashMap, VecDeque};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt8Type, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use echobase_types::resource::Resource;
use echobase_types::signal::{HistogramPoint, LogRecord, MetricPoint, Series, Span, SpanKind, SpanStatus};
use echobase_types::{ResourceId, ResourceKind, SeriesId, SignalBatch, TenantId, Timestamp};

use crate::dictionary::Dictionary;
use crate::read::{self, ascending, open, within};
use crate::state::Snapshot;
use crate::{AssessmentRow, Table, Telemetry, TelemetryError, attributes};

/// Longest window read in one go, and the shortest that it is cut to.
const LONGEST: i64 = 86_400_000_000;
const SHORTEST: i64 = 10_000_000;
/// About this many bytes of rows may be in one window.
const WINDOW_BYTES: u64 = 64 << 20;
/// Time that one batch spans.
const SLICE: i64 = 300_000_000;

/// Which rows of a history are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Points and distributions of these series.
    pub series: Vec<SeriesId>,
    /// Spans of these resources.
    pub spans_of: Vec<ResourceId>,
    /// Log records and events of these resources.
    pub logs_of: Vec<ResourceId>,
}

impl Wanted {
    /// The rows of a table; `None` if there are none.
    fn rows(&self, table: Table) -> Option<Expr> {
        let (column, ids): (_, Vec<Expr>) = match table {
            Table::MetricPoints | Table::Histograms => {
                ("series_id", self.series.iter().map(|id| lit(id.0)).collect())
            }
            Table::Spans => ("resource_id", self.spans_of.iter().map(|id| lit(id.as_str())).collect()),
            Table::Logs => ("resource_id", self.logs_of.iter().map(|id| lit(id.as_str())).collect()),
            _ => return None,
        };
        (!ids.is_empty()).then(|| col(column).in_list(ids, false))
    }
}

/// Stored signals, oldest first. Each batch spans at most five minutes and has its series and resources; its
/// rows are in order of time. A span is there when it ended, as it was when it was sent: one that began before the
/// replay, or ended after it, is not in it. What is appended after the start of a replay is not in it.
pub struct Replay {
    telemetry: Telemetry,
    tenant: TenantId,
    reader: SessionContext,
    windows: Windows,
    wanted: Option<Wanted>,
    /// Where the replay ends.
    to: i64,
    /// Spans that began and did not end yet, by their end.
    running: BTreeMap<i64, Vec<(ResourceId, Span)>>,
    ready: VecDeque<SignalBatch>,
}

/// Stored verdicts, oldest first, in batches.
pub struct AssessmentReplay {
    telemetry: Telemetry,
    reader: SessionContext,
    windows: Windows,
}

/// Windows of time that together hold all rows of some snapshots.
struct Windows {
    snapshots: Vec<Snapshot>,
    at: i64,
    end: i64,
}

impl Windows {
    fn new(snapshots: Vec<Snapshot>, from: i64, to: i64) -> Self {
        let times = snapshots.iter().filter_map(Snapshot::times);
        let (first, last) = times.reduce(|(a, b), (c, d)| (a.min(c), b.max(d))).unwrap_or((to, from));
        Self { snapshots, at: from.max(first), end: to.min(last.saturating_add(1)) }
    }

    fn bytes(&self, from: i64, to: i64) -> u64 {
        let each = |s: &Snapshot| {
            let row = match s.table {
                Table::MetricPoints => 32,
                Table::Histograms => 200,
                _ => 600,
            };
            s.rows_between(from, to) * row
        };
        self.snapshots.iter().map(each).sum()
    }

    /// The next window that may hold rows.
    fn next(&mut self) -> Option<(i64, i64)> {
        while self.at < self.end {
            let (from, mut width) = (self.at, LONGEST);
            while width > SHORTEST && self.bytes(from, from.saturating_add(width)) > WINDOW_BYTES {
                width /= 2;
            }
            let to = from.saturating_add(width).min(self.end);
            self.at = to;
            if self.bytes(from, to) > 0 {
                return Some((from, to));
            }
        }
        None
    }
}

impl Telemetry {
    /// The stored signals of a tenant since `since`.
    pub fn replay(&self, tenant: &TenantId, since: Timestamp) -> Result<Replay, TelemetryError> {
        self.history(tenant, since, Timestamp::from_micros(i64::MAX), None)
    }

    /// Of the stored signals of a tenant in `from..to` those that are wanted.
    pub fn replay_of(
        &self,
        tenant: &TenantId,
        (from, to): (Timestamp, Timestamp),
        wanted: Wanted,
    ) -> Result<Replay, TelemetryError> {
        self.history(tenant, from, to, Some(wanted))
    }

    fn history(
        &self,
        tenant: &TenantId,
        since: Timestamp,
        to: Timestamp,
        wanted: Option<Wanted>,
    ) -> Result<Replay, TelemetryError> {
        let tables = [Table::MetricPoints, Table::Histograms, Table::Logs, Table::Spans].into_iter();
        let is_wanted = |t: &Table| wanted.as_ref().is_none_or(|wanted| wanted.rows(*t).is_some());
        let snapshots = tables.filter(is_wanted).map(|table| self.table(tenant, table)).collect();
        Ok(Replay {
            wanted,
            telemetry: self.clone(),
            tenant: tenant.clone(),
            reader: self.reader(tenant)?,
            windows: Windows::new(snapshots, since.as_micros(), to.as_micros()),
            to: to.as_micros(),
            running: BTreeMap::new(),
            ready: VecDeque::new(),
        })
    }

    /// The stored verdicts of a tenant in `from..to`, on all resources, whole.
    pub fn assessments_all(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<AssessmentReplay, TelemetryError> {
        let snapshots = vec![self.table(tenant, Table::Assessments)];
        Ok(AssessmentReplay {
            telemetry: self.clone(),
            reader: self.reader(tenant)?,
            windows: Windows::new(snapshots, from.as_micros(), to.as_micros()),
        })
    }
}

impl AssessmentReplay {
    /// The next verdicts, in order of time; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<AssessmentRow>>, TelemetryError> {
        while let Some((from, to)) = self.windows.next() {
            let (reader, snapshot) = (self.reader.clone(), self.windows.snapshots[0].clone());
            let batches = self.telemetry.read(rows(reader, snapshot, from, to, None)).await?;
            let verdicts: Vec<_> = batches.iter().flat_map(read::assessments).collect();
            if !verdicts.is_empty() {
                return Ok(Some(verdicts));
            }
        }
        Ok(None)
    }
}

impl Replay {
    /// The next batch; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<SignalBatch>, TelemetryError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let window = self.windows.next();
            if window.is_none() && self.running.is_empty() {
                return Ok(None);
            }
            // After the last window there are only spans that still run.
            let (from, to) = window.unwrap_or((self.to, self.to));
            let snapshots = window.map(|_| self.windows.snapshots.clone()).unwrap_or_default();
            let mut read = Vec::new();
            for snapshot in snapshots {
                let table = snapshot.table;
                if snapshot.rows_between(from, to) == 0 {
                    continue;
                }
                let only = self.wanted.as_ref().and_then(|wanted| wanted.rows(table));
                let rows = rows(self.reader.clone(), snapshot, from, to, only);
                let batches = self.telemetry.read(rows).await?;
                read.push((table, batches));
            }
            let state = self.telemetry.inner.shared.read();
            let Some(tenant) = state.tenants.get(&self.tenant) else { return Ok(None) };
            let running = std::mem::take(&mut self.running);
            let mut slices =
                Slices { from, dictionary: &tenant.dictionary, running, slices: BTreeMap::new() };
            for (table, batches) in read {
                for batch in batches {
                    slices.add(table, &batch);
                }
            }
            slices.end_spans(to);
            if window.is_some() {
                self.running = slices.running;
            }
            let batches = slices.slices.into_values().map(|s| s.batch);
            self.ready = batches.filter(|b| !b.is_empty()).collect();
        }
    }
}

/// The rows of a window, or those of them that fit `only`, in order of time.
async fn rows(
    reader: SessionContext,
    snapshot: Snapshot,
    from: i64,
    to: i64,
    only: Option<Expr>,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let second = snapshot.table.order()[0];
    let rows = within(from, to);
    let rows = only.into_iter().fold(rows, |rows, only| only.and(rows));
    let frame = open(&reader, snapshot)?.filter(rows)?;
    frame.sort(vec![ascending("time"), ascending(second)])?.collect().await
}

/// A window cut into batches.
struct Slices<'a> {
    from: i64,
    dictionary: &'a Dictionary,
    running: BTreeMap<i64, Vec<(ResourceId, Span)>>,
    /// By how many times five minutes they are after `from`.
    slices: BTreeMap<i64, Slice>,
}

#[derive(Default)]
struct Slice {
    batch: SignalBatch,
    series: HashMap<u64, Option<u32>>,
    resources: HashMap<ResourceId, u32>,
}

impl Slice {
    fn resource(&mut self, id: &ResourceId, dictionary: &Dictionary) -> u32 {
        if let Some(at) = self.resources.get(id) {
            return *at;
        }
        let at = self.batch.resources.len() as u32;
        // A resource whose description was lost with a damaged frame still has its id.
        let found = dictionary.resource(id).unwrap_or_else(|| {
            let (kind, name) = id.as_str().split_once(':').unwrap_or(("", id.as_str()));
            Resource {
                id: id.clone(),
                kind: ResourceKind::parse(kind).unwrap_or(ResourceKind::Service),
                name: name.to_owned(),
                attributes: echobase_types::Attributes::new(),
            }
        });
        self.batch.resources.push(found);
        self.resources.insert(id.clone(), at);
        at
    }

    /// `None` for a series that nothing describes any more.
    fn series(&mut self, id: u64, dictionary: &Dictionary) -> Option<u32> {
        if let Some(at) = self.series.get(&id) {
            return *at;
        }
        let at = dictionary.series_meta(id).map(|meta| {
            let resource = self.resource(&meta.resource_id, dictionary);
            self.batch.series.push(Series {
                id: meta.id,
                resource,
                name: meta.metric,
                unit: meta.unit,
                kind: meta.kind,
                attributes: meta.attributes,
            });
            self.batch.series.len() as u32 - 1
        });
        self.series.insert(id, at);
        at
    }
}

impl Slices<'_> {
    fn at(&mut self, time: i64) -> &mut Slice {
        self.slices.entry((time.saturating_sub(self.from)).div_euclid(SLICE)).or_default()
    }

    /// Hands out the spans that ended before `to`.
    fn end_spans(&mut self, to: i64) {
        let still = self.running.split_off(&to);
        let dictionary = self.dictionary;
        for (end, spans) in std::mem::replace(&mut self.running, still) {
            let slice = self.at(end);
            for (id, mut span) in spans {
                span.resource = slice.resource(&id, dictionary);
                slice.batch.spans.push(span);
            }
        }
    }

    fn add(&mut self, table: Table, batch: &RecordBatch) {
        match table {
            Table::MetricPoints => self.points(batch),
            Table::Histograms => self.histograms(batch),
            Table::Logs => self.logs(batch),
            Table::Spans => self.spans(batch),
            Table::Series | Table::Resources | Table::Assessments => {}
        }
    }

    fn points(&mut self, batch: &RecordBatch) {
        let ids = batch.column(0).as_primitive::<UInt64Type>().values();
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
        let values = batch.column(2).as_primitive::<Float64Type>().values();
        let dictionary = self.dictionary;
        for ((id, time), value) in ids.iter().zip(times.iter()).zip(values.iter()) {
            let slice = self.at(*time);
            if let Some(series) = slice.series(*id, dictionary) {
                let time = Timestamp::from_micros(*time);
                slice.batch.points.push(MetricPoint { series, time, value: *value });
            }
        }
    }

    fn histograms(&mut self, batch: &RecordBatch) {
        let ids = batch.column(0).as_primitive::<UInt64Type>();
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        let (cumulative, count) =
            (batch.column(2).as_boolean(), batch.column(3).as_primitive::<UInt64Type>());
        let sum = batch.column(4).as_primitive::<Float64Type>();
        let (bounds, counts) = (batch.column(5).as_list::<i32>(), batch.column(6).as_list::<i32>());
        let dictionary = self.dictionary;
        for at in 0..batch.num_rows() {
            let slice = self.at(times.value(at));
            let Some(series) = slice.series(ids.value(at), dictionary) else { continue };
            slice.batch.histograms.push(HistogramPoint {
                series,
                time: Timestamp::from_micros(times.value(at)),
                cumulative: cumulative.value(at),
                count: count.value(at),
                sum: sum.value(at),
                bounds: bounds.value(at).as_primitive::<Float64Type>().values().to_vec(),
                counts: counts.value(at).as_primitive::<UInt64Type>().values().to_vec(),
            });
        }
    }

    fn logs(&mut self, batch: &RecordBatch) {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let severities = batch.column(2).as_primitive::<UInt8Type>();
        let dictionary = self.dictionary;
        for at in 0..batch.num_rows() {
            let text = |column: usize| text(batch.column(column), at);
            let Ok(id) = ResourceId::new(text(1)) else { continue };
            let slice = self.at(times.value(at));
            let resource = slice.resource(&id, dictionary);
            slice.batch.logs.push(LogRecord {
                resource,
                time: Timestamp::from_micros(times.value(at)),
                severity: severities.value(at),
                event_name: text(3).to_owned(),
                body: text(4).to_owned(),
                trace_id: text(5).to_owned(),
                span_id: text(6).to_owned(),
                attributes: attributes::from_json(text(7)),
            });
        }
    }

    fn spans(&mut self, batch: &RecordBatch) {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let ends = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        for at in 0..batch.num_rows() {
            let text = |column: usize| text(batch.column(column), at);
            let Ok(id) = ResourceId::new(text(3)) else { continue };
            let span = Span {
                // Known when it ends, and with it its batch.
                resource: 0,
                trace_id: text(4).to_owned(),
                span_id: text(5).to_owned(),
                parent_span_id: text(6).to_owned(),
                name: text(7).to_owned(),
                kind: SpanKind::parse(text(8)).unwrap_or(SpanKind::Unspecified),
                start: Timestamp::from_micros(times.value(at)),
                end: Timestamp::from_micros(ends.value(at)),
                status: SpanStatus::parse(text(9)).unwrap_or(SpanStatus::Unset),
                status_message: text(10).to_owned(),
                attributes: attributes::from_json(text(11)),
            };
            // A clock that went back leaves a span that ends before it began.
            let end = ends.value(at).max(times.value(at));
            self.running.entry(end).or_default().push((id, span));
        }
    }
}

fn text(column: &ArrayRef, at: usize) -> &str {
    column.as_string::<i32>().value(at)
}
