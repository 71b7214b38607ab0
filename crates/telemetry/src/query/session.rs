//! The engine, and the catalog that is made for each question.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
    SchemaProvider, TableProvider,
};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::datasource::ViewTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{JoinType, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::memory::InMemory;
use datafusion::prelude::{SessionConfig, SessionContext, col, lit};
use echobase_types::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::QueryError;
use super::function::Attr;
use super::provider::{STORE, Scanned, SignalTable};
use crate::file::FOLDER;
use crate::state::{Shared, Snapshot};
use crate::{QueryConfig, Table};

/// Names that a question sees in `information_schema`.
pub(super) const CATALOG: &str = "echobase";
pub(super) const SCHEMA: &str = "public";

/// Functions that make much out of little in one step, past the memory limit, and so are not offered.
const REFUSED: [&str; 9] = [
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "array_resize",
    "range",
    "generate_series",
    "list_repeat",
    "list_resize",
];

/// What all questions share.
pub(crate) struct Engine {
    base: SessionState,
    runtime: RuntimeEnv,
    places: Arc<Semaphore>,
    root: PathBuf,
}

impl Engine {
    pub(crate) fn new(root: &Path, config: &QueryConfig) -> Result<Self> {
        let mut session = SessionConfig::new()
            .with_target_partitions(std::thread::available_parallelism().map_or(1, usize::from).min(8))
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(true);
        let options = session.options_mut();
        options.sql_parser.collect_spans = true;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        let mut functions = SessionStateDefaults::default_scalar_functions();
        functions.retain(|f| !REFUSED.contains(&f.name()));
        functions.push(Arc::new(ScalarUDF::from(Attr::new())));
        let base = SessionStateBuilder::new()
            .with_config(session)
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(functions)
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .build();
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build()?;
        let places = Arc::new(Semaphore::new(config.max_concurrent.max(1)));
        Ok(Self { base, runtime, places, root: root.join(FOLDER) })
    }

    /// Waits until a question may run.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        self.places.clone().acquire_owned().await.map_err(|_| QueryError::Stopped)
    }

    fn session(
        &self,
        tenant: &TenantId,
        memory_bytes: usize,
        catalogs: Arc<dyn CatalogProviderList>,
    ) -> Result<SessionContext> {
        let folder = self.root.join(tenant.as_str());
        let files: Arc<dyn ObjectStore> = match LocalFileSystem::new_with_prefix(&folder) {
            Ok(files) => Arc::new(files),
            Err(_) => Arc::new(InMemory::new()), // no file was written yet
        };
        let runtime = RuntimeEnv {
            memory_pool: Arc::new(GreedyMemoryPool::new(memory_bytes)),
            object_store_registry: Arc::new(OneStore(files)),
            ..self.runtime.clone()
        };
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_runtime_env(Arc::new(runtime))
            .with_catalog_list(catalogs)
            .build();
        Ok(SessionContext::new_with_state(state))
    }

    /// A context that knows that tenant's tables.
    pub(super) fn context(
        &self,
        tenant: &TenantId,
        shared: &Arc<Shared>,
        memory_bytes: usize,
        scanned: &Arc<Scanned>,
    ) -> Result<SessionContext, QueryError> {
        let tables = Tables {
            tenant: tenant.clone(),
            shared: shared.clone(),
            scanned: scanned.clone(),
            taken: Mutex::new(HashMap::new()),
        };
        let catalog = MemoryCatalogProvider::new();
        let failed = |e| QueryError::Failed(Box::new(e));
        catalog.register_schema(SCHEMA, Arc::new(tables)).map_err(failed)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        self.session(tenant, memory_bytes, Arc::new(catalogs)).map_err(failed)
    }

    /// A context without tables of its own, for reading snapshots of that tenant.
    pub(crate) fn reader(&self, tenant: &TenantId, memory_bytes: usize) -> Result<SessionContext> {
        self.session(tenant, memory_bytes, Arc::new(MemoryCatalogProviderList::new()))
    }
}

/// The one place where a question can open files.
#[derive(Debug)]
struct OneStore(Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OneStore {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().trim_end_matches('/') == STORE {
            return Ok(self.0.clone());
        }
        Err(exec_datafusion_err!("questions do not open `{url}`"))
    }
}

/// The tables of one tenant, each as it was when the question first named it.
struct Tables {
    tenant: TenantId,
    shared: Arc<Shared>,
    scanned: Arc<Scanned>,
    taken: Mutex<HashMap<Table, Arc<dyn TableProvider>>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

const METRICS: &str = "metrics";
const EVENTS: &str = "events";

impl Tables {
    fn physical(&self, table: Table) -> Result<Arc<dyn TableProvider>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = taken.get(&table) {
            return Ok(provider.clone());
        }
        let provider: Arc<dyn TableProvider> = match table {
            Table::Series => {
                let mut state = self.shared.write();
                let batches = match state.tenants.get_mut(&self.tenant) {
                    Some(tenant) => tenant.dictionary.series_table()?,
                    None => Vec::new(),
                };
                let columns: Vec<usize> = (0..table.schema().fields().len() - 1).collect();
                Arc::new(MemTable::try_new(Arc::new(table.schema().project(&columns)?), vec![batches])?)
            }
            Table::Resources => {
                let batches = match self.shared.read().tenants.get(&self.tenant) {
                    Some(tenant) => tenant.dictionary.resources_table()?,
                    None => Vec::new(),
                };
                Arc::new(MemTable::try_new(table.schema(), vec![batches])?)
            }
            _ => {
                let snapshot = self.shared.snapshot(&self.tenant, table);
                let snapshot = snapshot.unwrap_or_else(|| Snapshot::empty(table));
                Arc::new(SignalTable::new(snapshot, self.scanned.clone()))
            }
        };
        taken.insert(table, provider.clone());
        Ok(provider)
    }

    fn scan(&self, table: Table) -> Result<LogicalPlanBuilder> {
        LogicalPlanBuilder::scan(table.as_str(), provider_as_source(self.physical(table)?), None)
    }

    /// `metrics`: points with what their series say.
    fn metrics(&self) -> Result<LogicalPlan> {
        let series = self.scan(Table::Series)?.build()?;
        let on = (vec!["metric_points.series_id"], vec!["series.series_id"]);
        let columns = [
            "metric_points.time",
            "series.resource_id",
            "series.metric",
            "metric_points.value",
            "series.unit",
            "series.kind",
            "series.attributes",
            "metric_points.series_id",
        ];
        self.scan(Table::MetricPoints)?
            .join(series, JoinType::Inner, on, None)?
            .project(columns.map(col))?
            .build()
    }

    /// `events`: log records that have a name.
    fn events(&self) -> Result<LogicalPlan> {
        let columns =
            ["time", "resource_id", "event_name", "severity", "body", "attributes", "trace_id", "span_id"];
        self.scan(Table::Logs)?.filter(col("event_name").not_eq(lit("")))?.project(columns.map(col))?.build()
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<_> = Table::ALL.map(|t| t.as_str().to_owned()).into();
        names.extend([METRICS.to_owned(), EVENTS.to_owned()]);
        names.sort();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(match (name, Table::parse(name)) {
            (METRICS, _) => Some(Arc::new(ViewTable::new(self.metrics()?, None))),
            (EVENTS, _) => Some(Arc::new(ViewTable::new(self.events()?, None))),
            (_, Some(table)) => Some(self.physical(table)?),
            (_, None) => None,
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        name == METRICS || name == EVENTS || Table::parse(name).is_some()
    }
}
