//! A table as the engine reads it: rows in memory and those files that the catalog's times do not rule out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;

use crate::file::{FOLDER, LiveFile};
use crate::state::Snapshot;

/// Where the engine finds the files of a question's tenant.
pub(super) const STORE: &str = "telemetry://files";

/// What a question touched.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) files: AtomicU64,
    pub(crate) pruned: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// One table at one moment.
#[derive(Debug)]
pub(crate) struct SignalTable {
    snapshot: Snapshot,
    schema: SchemaRef,
    scanned: Arc<Scanned>,
}

impl SignalTable {
    pub(crate) fn new(snapshot: Snapshot, scanned: Arc<Scanned>) -> Self {
        Self { schema: snapshot.table.schema(), snapshot, scanned }
    }

    /// The files that may hold rows for these filters.
    fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&Arc<LiveFile>>> {
        let files: Vec<_> = self.snapshot.files.iter().collect();
        let Some(filter) = conjunction(filters.to_vec()) else {
            return Ok(files);
        };
        let columns = DFSchema::try_from(self.schema.clone())?;
        let filter = state.create_physical_expr(filter, &columns)?;
        // What cannot be understood as a statement about times rules nothing out.
        let builder = PruningPredicateBuilder::new().with_file_schema(self.schema.clone());
        let Ok(predicate) = builder.try_build(filter) else {
            return Ok(files);
        };
        let kept = predicate.prune(&Times { files: &files, column: self.snapshot.table.time_column() })?;
        Ok(files.into_iter().zip(kept).filter_map(|(file, kept)| kept.then_some(file)).collect())
    }
}

#[async_trait]
impl TableProvider for SignalTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The engine filters again above: rows in memory are not filtered here.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.prune(state, filters)?;
        let pruned = self.snapshot.files.len() - files.len();
        self.scanned.files.fetch_add(files.len() as u64, Ordering::Relaxed);
        self.scanned.pruned.fetch_add(pruned as u64, Ordering::Relaxed);
        self.scanned.bytes.fetch_add(files.iter().map(|f| f.file.bytes).sum(), Ordering::Relaxed);
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.snapshot.batches.is_empty() {
            let partitions = [self.snapshot.batches.clone()];
            inputs.push(MemorySourceConfig::try_new_exec(
                &partitions,
                self.schema.clone(),
                projection.cloned(),
            )?);
        }
        if !files.is_empty() {
            let files = files.iter().map(|f| partitioned(f)).collect();
            let groups = FileGroup::new(files).split_files(state.config().target_partitions());
            let scan = files_scan(&self.schema, groups)?
                .with_projection_indices(projection.cloned())?
                .with_limit(limit)
                .build();
            inputs.push(DataSourceExec::from_data_source(scan));
        }
        match inputs.len() {
            0 => {
                let schema = match projection {
                    Some(columns) => Arc::new(self.schema.project(columns)?),
                    None => self.schema.clone(),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            1 => Ok(inputs.remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }
}

fn partitioned(live: &LiveFile) -> PartitionedFile {
    // The store of a question begins at the tenant's folder.
    let below = live.file.path.strip_prefix(FOLDER).unwrap_or(&live.file.path);
    let below = below.strip_prefix(live.file.tenant.as_str()).unwrap_or(below);
    PartitionedFile::new(below.to_string_lossy(), live.file.bytes)
}

fn files_scan(schema: &SchemaRef, groups: Vec<FileGroup>) -> Result<FileScanConfigBuilder> {
    let source = Arc::new(ParquetSource::new(schema.clone()));
    Ok(FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, source).with_file_groups(groups))
}

/// A scan of files each of which is sorted: one stream per file.
pub(crate) fn sorted_scan(
    schema: &SchemaRef,
    files: &[Arc<LiveFile>],
    order: LexOrdering,
) -> Result<FileScanConfig> {
    let groups = files.iter().map(|f| FileGroup::new(vec![partitioned(f)])).collect();
    let scan = files_scan(schema, groups)?.with_output_ordering(vec![order]).with_preserve_order(true);
    Ok(scan.build())
}

/// The times of files, for pruning.
struct Times<'a> {
    files: &'a [&'a Arc<LiveFile>],
    column: &'static str,
}

impl Times<'_> {
    fn of(&self, column: &Column, time: fn(&LiveFile) -> i64) -> Option<ArrayRef> {
        (column.name == self.column).then(|| {
            let times = self.files.iter().map(|f| time(f));
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef
        })
    }
}

impl PruningStatistics for Times<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |f| f.file.min_time.as_micros())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |f| f.file.max_time.as_micros())
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.files.iter().map(|f| f.file.rows))))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
