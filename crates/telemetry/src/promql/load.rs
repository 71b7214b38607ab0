//! Samples of series: all that a question needs of one stretch of time come from one scan of each table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionContext, col, lit};
use echobase_types::TenantId;
use futures::StreamExt;

use super::PromqlError;
use super::evaluate::{Sample, Series};
use super::labels::BOUND;
use super::plan::Selection;
use super::source::{Chosen, Part, bound_fits};
use crate::read::{open, within};
use crate::state::Snapshot;
use crate::{Table, Telemetry};

/// Samples that one question reads at most; at 16 bytes each.
const MAX_SAMPLES: usize = 10_000_000;

/// The samples of stored series in one stretch of time.
#[derive(Default)]
struct Loaded {
    values: HashMap<u64, Vec<Sample>>,
    distributions: HashMap<u64, Distribution>,
}

/// The samples of one distribution.
#[derive(Default)]
struct Distribution {
    sum: Vec<Sample>,
    count: Vec<Sample>,
    /// By upper bound, as the bits of its number.
    buckets: HashMap<u64, Vec<Sample>>,
}

/// The samples of what was chosen for each selection, in the same order.
pub(super) async fn load(
    telemetry: &Telemetry,
    tenant: &TenantId,
    selections: &[Selection],
    chosen: Vec<Vec<Chosen>>,
) -> Result<Vec<Vec<Series>>, PromqlError> {
    let mut stretches: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
    for (n, selection) in selections.iter().enumerate() {
        stretches.entry((selection.from, selection.to)).or_default().push(n);
    }
    let mut data: Vec<Vec<Series>> = selections.iter().map(|_| Vec::new()).collect();
    let mut left = MAX_SAMPLES;
    for ((from, to), members) in stretches {
        let mut loaded = Loaded::default();
        for chosen in members.iter().flat_map(|n| &chosen[*n]) {
            match chosen.part {
                Part::Value => drop(loaded.values.insert(chosen.id, Vec::new())),
                _ => drop(loaded.distributions.insert(chosen.id, Distribution::default())),
            }
        }
        let loaded = scan(telemetry, tenant, (from, to), loaded, left).await?;
        let Some((mut loaded, used)) = loaded else {
            return Err(PromqlError::TooLarge { what: "samples", limit: MAX_SAMPLES });
        };
        left -= used;
        let mut shared = HashMap::new();
        for n in members {
            for chosen in &chosen[n] {
                chosen.series(&mut loaded, &mut shared, &selections[n], &mut data[n]);
            }
        }
    }
    Ok(data)
}

/// Samples that several selections share.
type SharedSamples = HashMap<(u64, &'static str, u64), Arc<[Sample]>>;

impl Chosen {
    /// Adds what was loaded of it.
    fn series(
        &self,
        loaded: &mut Loaded,
        shared: &mut SharedSamples,
        selection: &Selection,
        out: &mut Vec<Series>,
    ) {
        let mut known = |samples: &mut Vec<Sample>, bound: u64| {
            let key = (self.id, self.part.suffix(), bound);
            shared.entry(key).or_insert_with(|| in_order(std::mem::take(samples))).clone()
        };
        let samples = match self.part {
            Part::Value => loaded.values.get_mut(&self.id).map(|samples| known(samples, 0)),
            part => {
                let Some(distribution) = loaded.distributions.get_mut(&self.id) else { return };
                match part {
                    Part::Sum => Some(known(&mut distribution.sum, 0)),
                    Part::Count => Some(known(&mut distribution.count, 0)),
                    _ => {
                        for (bits, samples) in &mut distribution.buckets {
                            let bound = super::number(f64::from_bits(*bits));
                            if bound_fits(&selection.matchers, &bound) {
                                let labels = self.labels.with(BOUND, &bound);
                                out.push(Series { labels, samples: known(samples, *bits) });
                            }
                        }
                        None
                    }
                }
            }
        };
        if let Some(samples) = samples.filter(|samples| !samples.is_empty()) {
            out.push(Series { labels: self.labels.clone(), samples });
        }
    }
}

/// Oldest first. Of several at the same millisecond the largest stays, so that the answer is the same each time.
fn in_order(mut samples: Vec<Sample>) -> Arc<[Sample]> {
    samples.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    samples.dedup_by_key(|sample| sample.0);
    samples.into()
}

/// Reads the samples from `from` to `to`, milliseconds, both inclusive, and counts them. `None`: more than `most`.
async fn scan(
    telemetry: &Telemetry,
    tenant: &TenantId,
    (from, to): (i64, i64),
    mut loaded: Loaded,
    most: usize,
) -> Result<Option<(Loaded, usize)>, PromqlError> {
    if from > to || (loaded.values.is_empty() && loaded.distributions.is_empty()) {
        return Ok(Some((loaded, 0)));
    }
    let all = telemetry.series_count(tenant);
    let micros = (from.saturating_mul(1_000), to.saturating_add(1).saturating_mul(1_000));
    let snapshots = [Table::MetricPoints, Table::Histograms].map(|table| telemetry.table(tenant, table));
    let reader = telemetry.reader(tenant)?;
    let work = async move {
        let [points, histograms] = snapshots;
        let mut used = 0;
        if !loaded.values.is_empty() {
            let ids = loaded.values.keys().copied().collect();
            let mut stream = rows(&reader, points, ids, all, micros, &["series_id", "time", "value"]).await?;
            while let Some(batch) = stream.next().await {
                used += add_points(&batch?, &mut loaded.values);
                if used > most {
                    return Ok(None);
                }
            }
        }
        if !loaded.distributions.is_empty() {
            let ids = loaded.distributions.keys().copied().collect();
            let columns = ["series_id", "time", "cumulative", "count", "sum", "bounds", "counts"];
            let mut stream = rows(&reader, histograms, ids, all, micros, &columns).await?;
            while let Some(batch) = stream.next().await {
                used += add_distributions(&batch?, &mut loaded.distributions);
                if used > most {
                    return Ok(None);
                }
            }
        }
        Ok(Some((loaded, used)))
    };
    Ok(telemetry.read(work).await?)
}

async fn rows(
    reader: &SessionContext,
    snapshot: Snapshot,
    ids: Vec<u64>,
    all: usize,
    (from, to): (i64, i64),
    columns: &[&str],
) -> Result<datafusion::execution::SendableRecordBatchStream, DataFusionError> {
    let mut filter = within(from, to);
    // Where most series are wanted, a long list costs more than the rows that it would leave out.
    if ids.len() * 2 < all {
        filter = filter.and(col("series_id").in_list(ids.into_iter().map(lit).collect(), false));
    }
    let frame = open(reader, snapshot)?.filter(filter)?;
    frame.select(columns.iter().map(|column| col(*column)).collect::<Vec<_>>())?.execute_stream().await
}

fn add_points(batch: &RecordBatch, values: &mut HashMap<u64, Vec<Sample>>) -> usize {
    let ids = batch.column(0).as_primitive::<UInt64Type>().values();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
    let numbers = batch.column(2).as_primitive::<Float64Type>().values();
    let (mut at, mut used) = (0, 0);
    while at < ids.len() {
        let end = at + ids[at..].iter().take_while(|id| **id == ids[at]).count();
        if let Some(samples) = values.get_mut(&ids[at]) {
            samples.extend((at..end).map(|n| (times[n].div_euclid(1_000), numbers[n])));
            used += end - at;
        }
        at = end;
    }
    used
}

/// Adds cumulative rows; those that stand for an interval each are left out.
fn add_distributions(batch: &RecordBatch, distributions: &mut HashMap<u64, Distribution>) -> usize {
    let ids = batch.column(0).as_primitive::<UInt64Type>().values();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
    let cumulative = batch.column(2).as_boolean();
    let counts = batch.column(3).as_primitive::<UInt64Type>().values();
    let sums = batch.column(4).as_primitive::<Float64Type>().values();
    let [bounds, buckets] = [5, 6].map(|column| batch.column(column).as_list::<i32>());
    let mut used = 0;
    for row in (0..ids.len()).filter(|row| cumulative.value(*row)) {
        let Some(distribution) = distributions.get_mut(&ids[row]) else { continue };
        let time = times[row].div_euclid(1_000);
        distribution.count.push((time, counts[row] as f64));
        distribution.sum.push((time, sums[row]));
        let mut below = 0_u64;
        let (bounds, buckets) = (bounds.value(row), buckets.value(row));
        let pairs = bounds.as_primitive::<Float64Type>().values().iter();
        for (bound, count) in pairs.zip(buckets.as_primitive::<UInt64Type>().values()) {
            below += count;
            distribution.buckets.entry(bound.to_bits()).or_default().push((time, below as f64));
        }
        distribution.buckets.entry(f64::INFINITY.to_bits()).or_default().push((time, counts[row] as f64));
        used += bounds.len() + 3;
    }
    used
}
