//! Merging small files of one table and day into larger ones: a k-way merge of sorted streams that holds a few
//! batches per file, never whole files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{SortOptions, filter_record_batch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt64Type};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::prelude::SessionContext;
use echobase_types::{TenantId, Timestamp};
use futures::StreamExt;

use crate::file::{self, FileWriter, LiveFile};
use crate::query::sorted_scan;
use crate::{DataFile, Day, LogPosition, Table, Telemetry, TelemetryConfig, TelemetryError};

/// Files merged in one go: bounds the memory of a merge.
const MAX_INPUTS: usize = 16;
/// Memory of a merge.
const MEMORY: usize = 256 << 20;
/// Merges of one call, so that flushes get their turn.
const MAX_MERGES: usize = 8;

/// Files that one merge replaces.
struct Group {
    tenant: TenantId,
    table: Table,
    day: Day,
    files: Vec<Arc<LiveFile>>,
}

impl Telemetry {
    /// Does the merges that are due. Returns how many files they replaced.
    pub(crate) async fn merge(&self, position: LogPosition, now: Timestamp) -> Result<usize, TelemetryError> {
        let mut replaced = 0;
        for _ in 0..MAX_MERGES {
            let all: Vec<_> = self.inner.shared.read().files().cloned().collect();
            let Some(group) = choose(&self.inner.config, all, Day::of(now)) else { break };
            let old: Vec<_> = group.files.iter().map(|f| f.file.id).collect();
            let new = match group.table {
                Table::Series | Table::Resources => self.rewrite(&group).await?,
                _ => self.merge_group(group).await?,
            };
            let committed = self.inner.catalog.commit(new.clone(), old.clone(), position).await;
            if let Err(error) = committed {
                let happened = self.inner.catalog.load().await?.files;
                if !new.iter().all(|n| happened.iter().any(|f| f.id == n.id)) {
                    file::remove(&self.inner.root, &new);
                    return Err(error.into());
                }
            }
            self.replace(&old, new);
            replaced += old.len();
            self.inner.shared.counters.merges.fetch_add(1, Ordering::Relaxed);
        }
        Ok(replaced)
    }

    async fn merge_group(&self, group: Group) -> Result<Vec<DataFile>, TelemetryError> {
        let failed = || TelemetryError::columns("merge telemetry files");
        let reader = self.inner.engine.reader(&group.tenant, MEMORY).map_err(failed())?;
        let root = self.inner.root.clone();
        let work = async move {
            let mut writer = FileWriter::create(&root, &group.tenant, group.table, group.day)?;
            let plan = plan(&group).map_err(failed())?;
            let mut stream = execute(&reader, plan).map_err(failed())?;
            let mut before = None;
            while let Some(batch) = stream.next().await {
                let mut batch = batch.map_err(failed())?;
                if group.table == Table::MetricPoints {
                    batch = without_repeats(&batch, &mut before).map_err(failed())?;
                }
                writer.write(&batch)?;
            }
            let files = vec![writer.finish()?];
            file::sync_folders(&root, &files)?;
            Ok(files)
        };
        self.inner.workers.run(work).await.map_err(|_| TelemetryError::ShuttingDown)?
    }

    /// Writes a whole dictionary from memory.
    async fn rewrite(&self, group: &Group) -> Result<Vec<DataFile>, TelemetryError> {
        let failed = TelemetryError::columns("list series");
        // The guard ends with this block: the task must be able to change its thread while it waits below.
        let whole = {
            let state = self.inner.shared.read();
            state.tenants.get(&group.tenant).map(|tenant| tenant.dictionary.whole())
        };
        let Some(whole) = whole else { return Ok(Vec::new()) };
        let (series, resources) = whole.map_err(|e| failed(e.into()))?;
        let batch = if group.table == Table::Series { series } else { resources };
        let (root, id, table) = (self.inner.root.clone(), group.tenant.clone(), group.table);
        let work = move || {
            let mut files = Vec::new();
            file::write_rows(&root, &id, table, &[batch], &mut files)?;
            file::sync_folders(&root, &files)?;
            Ok(files)
        };
        self.inner.workers.block(work).await.map_err(|_| TelemetryError::ShuttingDown)?
    }
}

/// The group that has waited for its merge: enough small files of one table and day; or more than one once the
/// day is over. Dictionaries are one group whatever their days.
fn choose(config: &TelemetryConfig, files: Vec<Arc<LiveFile>>, today: Day) -> Option<Group> {
    let mut groups: BTreeMap<(TenantId, Table, Day), Vec<Arc<LiveFile>>> = BTreeMap::new();
    for live in files {
        let (file, whole) = (&live.file, matches!(live.file.table, Table::Series | Table::Resources));
        let day = if whole { today } else { file.day };
        if whole || file.bytes <= config.compact_bytes / 2 {
            groups.entry((file.tenant.clone(), file.table, day)).or_default().push(live);
        }
    }
    for ((tenant, table, day), mut files) in groups {
        let wanted = if day < today { 2 } else { config.compact_files.max(2) };
        if files.len() < wanted {
            continue;
        }
        if !matches!(table, Table::Series | Table::Resources) {
            files.sort_by_key(|f| f.file.bytes);
            let mut bytes = 0;
            files.retain(|f| {
                bytes += f.file.bytes;
                bytes <= config.compact_bytes
            });
            files.truncate(MAX_INPUTS);
        }
        if files.len() >= 2 {
            return Some(Group { tenant, table, day, files });
        }
    }
    None
}

fn plan(group: &Group) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let schema = group.table.schema();
    let sorted = |name: &&str| {
        let options = SortOptions::default();
        Ok(PhysicalSortExpr { expr: col(name, &schema)?, options })
    };
    let order: Vec<_> = group.table.order().iter().map(sorted).collect::<Result<_, DataFusionError>>()?;
    let order = LexOrdering::new(order)
        .ok_or_else(|| DataFusionError::Internal("a table without an order".to_owned()))?;
    let scan = sorted_scan(&schema, &group.files, order.clone())?;
    Ok(Arc::new(SortPreservingMergeExec::new(order, DataSourceExec::from_data_source(scan))))
}

fn execute(
    context: &SessionContext,
    plan: Arc<dyn ExecutionPlan>,
) -> Result<datafusion::execution::SendableRecordBatchStream, DataFusionError> {
    plan.execute(0, context.task_ctx())
}

/// Drops a point that equals the one before it. `before` carries over from batch to batch.
fn without_repeats(
    batch: &RecordBatch,
    before: &mut Option<(u64, i64, u64)>,
) -> Result<RecordBatch, DataFusionError> {
    let ids = batch.column(0).as_primitive::<UInt64Type>().values();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
    let values = batch.column(2).as_primitive::<Float64Type>().values();
    let mut repeats = 0;
    let new: BooleanArray = ids
        .iter()
        .zip(times.iter())
        .zip(values.iter())
        .map(|((id, time), value)| {
            let point = Some((*id, *time, value.to_bits()));
            let new = *before != point;
            *before = point;
            repeats += usize::from(!new);
            Some(new)
        })
        .collect();
    if repeats == 0 {
        return Ok(batch.clone());
    }
    Ok(filter_record_batch(batch, &new)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use std::path::{Path, PathBuf};

    use uuid::Uuid;

    use super::*;
    use crate::{DataFile, FileId};

    fn live(table: Table, day: i32, bytes: u64) -> Arc<LiveFile> {
        let file = DataFile {
            id: FileId(Uuid::new_v4()),
            tenant: TenantId::default_tenant(),
            table,
            day: Day(day),
            path: PathBuf::from("x"),
            rows: 1,
            bytes,
            min_time: Timestamp::EPOCH,
            max_time: Timestamp::EPOCH,
        };
        Arc::new(LiveFile::new(Path::new("/nowhere"), file))
    }

    #[test]
    fn files_are_merged_when_they_are_many_or_their_day_is_over_and_never_when_large() {
        let config = TelemetryConfig { compact_bytes: 100, compact_files: 3, ..TelemetryConfig::default() };
        for (files, chosen) in [
            (vec![(7, 10), (7, 10)], None),
            (vec![(7, 10), (7, 10), (7, 10)], Some(3)),
            (vec![(6, 10), (6, 10)], Some(2)),
            (vec![(6, 60), (6, 10)], None),
            (vec![(6, 40), (6, 45), (6, 50)], Some(2)),
            (vec![(6, 10), (7, 10)], None),
        ] {
            let live = files.iter().map(|(day, bytes)| live(Table::Logs, *day, *bytes)).collect();
            let group = choose(&config, live, Day(7));
            assert_eq!(group.map(|g| g.files.len()), chosen, "{files:?}");
        }
        let dictionaries = (0..3).map(|day| live(Table::Series, day, 1_000)).collect();
        assert_eq!(choose(&config, dictionaries, Day(7)).map(|g| g.files.len()), Some(3));
    }

    #[test]
    fn a_point_that_repeats_over_the_edge_of_a_batch_is_dropped() {
        use datafusion::arrow::array::{Float64Array, TimestampMicrosecondArray, UInt64Array};
        let batch = |points: &[(u64, i64, f64)]| {
            let times = TimestampMicrosecondArray::from_iter_values(points.iter().map(|p| p.1));
            RecordBatch::try_new(
                Table::MetricPoints.schema(),
                vec![
                    Arc::new(UInt64Array::from_iter_values(points.iter().map(|p| p.0))),
                    Arc::new(times.with_timezone("UTC")),
                    Arc::new(Float64Array::from_iter_values(points.iter().map(|p| p.2))),
                ],
            )
            .unwrap()
        };
        let mut before = None;
        let first = without_repeats(&batch(&[(1, 1, 1.0), (1, 1, 1.0), (1, 2, 1.0)]), &mut before).unwrap();
        let second = without_repeats(&batch(&[(1, 2, 1.0), (1, 2, 2.0)]), &mut before).unwrap();
        assert_eq!((first.num_rows(), second.num_rows()), (2, 1));
    }
}
