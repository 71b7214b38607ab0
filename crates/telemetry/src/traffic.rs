//! Traffic over time: distributions and spans folded into counts and sums, for figures that no single series holds,
//! such as the mean duration of a service's requests.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt64Type};
use datafusion::prelude::{col, lit};
use echobase_types::signal::SpanKind;
use echobase_types::{ResourceId, SeriesId, TenantId, Timestamp};
use futures::StreamExt;

use crate::read::{ascending, open, within};
use crate::{SeriesMeta, Table, Telemetry, TelemetryError};

/// How far before the range cumulative distributions are read, so that the first step has an increase.
const LOOK_BACK: i64 = 60_000_000;
/// Rows that one question reads at most.
const MOST_ROWS: u64 = 4_000_000;

/// From when to when, and in how many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// From (inclusive).
    pub from: Timestamp,
    /// To (exclusive).
    pub to: Timestamp,
    /// Steps; at least 1.
    pub count: usize,
}

impl Steps {
    /// Microseconds of one step, at least 1.
    pub fn width(&self) -> i64 {
        let whole = self.to.as_micros().abs_diff(self.from.as_micros());
        i64::try_from(whole.div_ceil(self.count.max(1) as u64)).unwrap_or(i64::MAX).max(1)
    }

    /// The start of the step in which a time lies, in microseconds.
    fn start(&self, time: i64) -> i64 {
        let from = self.from.as_micros();
        from + (time - from) / self.width() * self.width()
    }
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// How many values or calls.
    pub count: f64,
    /// How many of them failed; 0 where that is not told.
    pub failed: f64,
    /// Sum of the values in the series' unit; of calls, of their seconds.
    pub sum: f64,
    /// Seconds that cumulative rows in this step tell of; 0 where that is not told.
    pub covered: f64,
}

/// A distribution over time. Steps in which nothing came are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct DistributionData {
    /// The series.
    pub series: SeriesMeta,
    /// Start of each step with what happened in it, oldest first.
    pub steps: Vec<(Timestamp, Traffic)>,
}

/// The calls that a resource answered or made, over time, from its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct CallData {
    /// The resource.
    pub resource_id: ResourceId,
    /// `Server` for calls that it answered, `Client` for calls that it made.
    pub kind: SpanKind,
    /// Start of each step with what happened in it, oldest first.
    pub steps: Vec<(Timestamp, Traffic)>,
}

/// A distribution on its way into steps.
struct Fold {
    meta: SeriesMeta,
    /// Time, count and sum of the row before.
    before: Option<(i64, u64, f64)>,
    steps: BTreeMap<i64, Traffic>,
}

impl Fold {
    /// A cumulative distribution counts from its last row; a count that fell began again at zero.
    fn grown(&mut self, time: i64, cumulative: bool, count: u64, sum: f64) -> Option<Traffic> {
        if !cumulative {
            return Some(Traffic { count: count as f64, sum, ..Traffic::default() });
        }
        let (then, count_before, sum_before) = self.before.replace((time, count, sum))?;
        let covered = time.abs_diff(then) as f64 / 1e6;
        let (count, sum) = match count.checked_sub(count_before) {
            Some(more) => (more as f64, sum - sum_before),
            None => (count as f64, sum),
        };
        Some(Traffic { count, sum, covered, failed: 0.0 })
    }
}

impl Telemetry {
    /// How distributions grew, step by step. `None` if there are more rows in the range than one question reads.
    pub async fn distributions(
        &self,
        tenant: &TenantId,
        series: &[SeriesId],
        steps: Steps,
    ) -> Result<Option<Vec<DistributionData>>, TelemetryError> {
        let metas: Vec<SeriesMeta> = series.iter().filter_map(|id| self.series(tenant, *id)).collect();
        if metas.is_empty() || steps.from >= steps.to {
            return Ok(Some(Vec::new()));
        }
        let snapshot = self.table(tenant, Table::Histograms);
        let (from, to) = (steps.from.as_micros(), steps.to.as_micros());
        let first = from.saturating_sub(LOOK_BACK);
        let share = (self.series_count(tenant) / metas.len()).max(1) as u64;
        if snapshot.rows_between(first, to) / share > MOST_ROWS {
            return Ok(None);
        }
        let ids: Vec<_> = metas.iter().map(|meta| lit(meta.id.0)).collect();
        let folds =
            metas.into_iter().map(|meta| (meta.id.0, Fold { meta, before: None, steps: BTreeMap::new() }));
        let mut folds: HashMap<u64, Fold> = folds.collect();
        let reader = self.reader(tenant)?;
        let work = async move {
            let filter = col("series_id").in_list(ids, false).and(within(first, to));
            let columns = ["series_id", "time", "cumulative", "count", "sum"].map(col);
            let frame = open(&reader, snapshot)?.filter(filter)?.select(columns.to_vec())?;
            let mut stream =
                frame.sort(vec![ascending("series_id"), ascending("time")])?.execute_stream().await?;
            while let Some(batch) = stream.next().await {
                fold(&batch?, &mut folds, steps);
            }
            Ok(folds)
        };
        let mut found: Vec<DistributionData> = (self.read(work).await?.into_values())
            .filter(|fold| !fold.steps.is_empty())
            .map(|fold| DistributionData { series: fold.meta, steps: in_order(fold.steps) })
            .collect();
        found.sort_by_key(|data| data.series.id);
        Ok(Some(found))
    }

    /// The calls that resources answered and made, step by step, from their spans. `None` if there are more spans in
    /// the range than one question reads.
    pub async fn calls(
        &self,
        tenant: &TenantId,
        resources: &[ResourceId],
        steps: Steps,
    ) -> Result<Option<Vec<CallData>>, TelemetryError> {
        if resources.is_empty() || steps.from >= steps.to {
            return Ok(Some(Vec::new()));
        }
        let snapshot = self.table(tenant, Table::Spans);
        let (from, to) = (steps.from.as_micros(), steps.to.as_micros());
        if snapshot.rows_between(from, to) > MOST_ROWS {
            return Ok(None);
        }
        let ids: Vec<_> = resources.iter().map(|id| lit(id.as_str())).collect();
        let kinds = [SpanKind::Server, SpanKind::Consumer, SpanKind::Client, SpanKind::Producer];
        let kinds: Vec<_> = kinds.iter().map(|kind| lit(kind.as_str())).collect();
        let reader = self.reader(tenant)?;
        let work = async move {
            let wanted = col("resource_id").in_list(ids, false).and(col("kind").in_list(kinds, false));
            let columns = ["time", "resource_id", "kind", "status", "duration_ms"].map(col);
            let frame = open(&reader, snapshot)?.filter(within(from, to).and(wanted))?;
            let mut stream = frame.select(columns.to_vec())?.execute_stream().await?;
            let mut calls: BTreeMap<(String, bool), BTreeMap<i64, Traffic>> = BTreeMap::new();
            while let Some(batch) = stream.next().await {
                count(&batch?, &mut calls, steps);
            }
            Ok(calls)
        };
        let read = |((resource, is_made), steps): ((String, bool), BTreeMap<i64, Traffic>)| {
            Some(CallData {
                resource_id: ResourceId::new(&resource).ok()?,
                kind: if is_made { SpanKind::Client } else { SpanKind::Server },
                steps: in_order(steps),
            })
        };
        Ok(Some(self.read(work).await?.into_iter().filter_map(read).collect()))
    }
}

fn in_order(steps: BTreeMap<i64, Traffic>) -> Vec<(Timestamp, Traffic)> {
    steps.into_iter().map(|(at, traffic)| (Timestamp::from_micros(at), traffic)).collect()
}

/// Adds rows that are sorted by series and time.
fn fold(batch: &RecordBatch, folds: &mut HashMap<u64, Fold>, steps: Steps) {
    let ids = batch.column(0).as_primitive::<UInt64Type>();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
    let cumulative = batch.column(2).as_boolean();
    let counts = batch.column(3).as_primitive::<UInt64Type>();
    let sums = batch.column(4).as_primitive::<Float64Type>();
    for at in 0..batch.num_rows() {
        let Some(fold) = folds.get_mut(&ids.value(at)) else { continue };
        let time = times.value(at);
        let grown = fold.grown(time, cumulative.value(at), counts.value(at), sums.value(at));
        let Some(grown) = grown.filter(|_| time >= steps.from.as_micros()) else { continue };
        let step = fold.steps.entry(steps.start(time)).or_default();
        step.count += grown.count;
        step.sum += grown.sum;
        step.covered += grown.covered;
    }
}

fn count(batch: &RecordBatch, calls: &mut BTreeMap<(String, bool), BTreeMap<i64, Traffic>>, steps: Steps) {
    let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    let [resources, kinds, statuses] = [1, 2, 3].map(|column| batch.column(column).as_string::<i32>());
    let durations = batch.column(4).as_primitive::<Float64Type>();
    for at in 0..batch.num_rows() {
        let kind = SpanKind::parse(kinds.value(at));
        let is_made = matches!(kind, Some(SpanKind::Client | SpanKind::Producer));
        let of = calls.entry((resources.value(at).to_owned(), is_made)).or_default();
        let step = of.entry(steps.start(times.value(at))).or_default();
        step.count += 1.0;
        step.failed += f64::from(u8::from(statuses.value(at) == "error"));
        step.sum += durations.value(at) / 1e3;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::signal::{HistogramPoint, MetricKind, Span, SpanStatus};
    use echobase_types::{Attributes, SignalBatch};

    use super::*;
    use crate::testing::{Bench, START, at, gauge, resource, tenant};

    fn second(n: i64) -> Timestamp {
        at(START + n * 1_000_000)
    }

    fn steps(seconds: i64, count: usize) -> Steps {
        Steps { from: at(START), to: second(seconds), count }
    }

    #[tokio::test]
    async fn distributions_are_what_came_in_each_step_over_restarts() {
        let (bench, all) = (Bench::new(), tenant("default"));
        let telemetry = bench.open().await;
        let mut series = gauge(7, "request.duration");
        series.kind = MetricKind::Histogram;
        // One row before the range; then 2 and 3 requests, a restart that counts 1, and 4 more.
        let rows = [(-1, 10, 1.0), (0, 12, 2.0), (1, 15, 5.0), (2, 1, 0.5), (3, 5, 2.5)];
        let histogram = |(time, count, sum): (i64, u64, f64)| HistogramPoint {
            series: 0,
            time: second(time),
            cumulative: true,
            count,
            sum,
            bounds: vec![1.0],
            counts: vec![count, 0],
        };
        let batch = SignalBatch {
            resources: vec![resource("a")],
            series: vec![series],
            histograms: rows.map(histogram).to_vec(),
            ..SignalBatch::default()
        };
        telemetry.append(&all, batch).await.unwrap();
        let found =
            telemetry.distributions(&all, &[SeriesId(7), SeriesId(8)], steps(4, 2)).await.unwrap().unwrap();
        let seen: Vec<_> = found[0].steps.iter().map(|(_, t)| (t.count, t.sum, t.covered)).collect();
        assert_eq!((found.len(), seen), (1, vec![(5.0, 4.0, 2.0), (5.0, 2.5, 2.0)]));
    }

    #[tokio::test]
    async fn calls_are_counted_by_side_with_failures_and_seconds() {
        let (bench, all) = (Bench::new(), tenant("default"));
        let telemetry = bench.open().await;
        let span = |n: i64, kind: SpanKind, status: SpanStatus| Span {
            resource: 0,
            trace_id: format!("{n:032x}"),
            span_id: format!("{n:016x}"),
            parent_span_id: String::new(),
            name: "call".to_owned(),
            kind,
            start: second(n),
            end: second(n + 2),
            status,
            status_message: String::new(),
            attributes: Attributes::new(),
        };
        let batch = SignalBatch {
            resources: vec![resource("a")],
            spans: vec![
                span(0, SpanKind::Server, SpanStatus::Ok),
                span(1, SpanKind::Server, SpanStatus::Error),
                span(2, SpanKind::Client, SpanStatus::Unset),
                span(3, SpanKind::Internal, SpanStatus::Error),
            ],
            ..SignalBatch::default()
        };
        telemetry.append(&all, batch).await.unwrap();
        let wanted = [resource("a").id, resource("b").id];
        let found = telemetry.calls(&all, &wanted, steps(4, 2)).await.unwrap().unwrap();
        let seen: Vec<_> = (found.iter())
            .map(|c| (c.kind, c.steps.iter().map(|(_, t)| (t.count, t.failed, t.sum)).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            seen,
            [(SpanKind::Server, vec![(2.0, 1.0, 4.0)]), (SpanKind::Client, vec![(1.0, 0.0, 2.0)])]
        );
    }
}
