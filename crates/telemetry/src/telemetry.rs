//! The handle: opening, appending, running.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use echobase_types::{ResourceId, SeriesId, SignalBatch, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::dictionary::{SeenResource, SeriesMeta};
use crate::file::{self, FOLDER, LiveFile};
use crate::log::recovery::{self, Found, NotUnderstood, Recovered, SegmentReader};
use crate::log::{Log, Segment, sync_folder};
use crate::maintain::Maintenance;
use crate::query::Engine;
use crate::rows::{Recalled, Rows};
use crate::state::Shared;
use crate::workers::Workers;
use crate::{AssessmentRow, Catalog, CatalogState, Table, TelemetryConfig, TelemetryError, codec};

/// Tells the time. The server hands its own in.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Folder of the log inside the data folder.
pub(crate) const LOG_FOLDER: &str = "log";
/// Folder for data files that nobody knows, if they look like more than the leftovers of a crash.
const ORPHANS: &str = "orphans";
/// How often `run` looks whether something is due.
const TICK: Duration = Duration::from_millis(250);

/// Signals at rest. A clone is the same telemetry.
#[derive(Clone)]
pub struct Telemetry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: TelemetryConfig,
    pub(crate) root: PathBuf,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) clock: Clock,
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Engine,
    pub(crate) workers: Workers,
    pub(crate) maintenance: tokio::sync::Mutex<Maintenance>,
    log: OnceLock<Log<Item>>,
    /// Keeps other processes out; let go when the last handle goes.
    _lock: File,
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, TelemetryError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(TelemetryError::file("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TelemetryError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(TelemetryError::file("lock", &path)(error)),
    }
}

/// What the log hands back once it is durable.
type Item = (TenantId, Rows);

impl Inner {
    /// The log; `None` while it is being recovered.
    pub(crate) fn log(&self) -> Option<&Log<Item>> {
        self.log.get()
    }
}

impl Telemetry {
    /// Opens what is stored in the folder `root` (made if missing) and recovers the log. Files that no catalog
    /// knows are removed. Damage of the log never fails the start.
    pub async fn open(
        config: TelemetryConfig,
        root: &Path,
        catalog: Arc<dyn Catalog>,
        clock: Clock,
    ) -> Result<Self, TelemetryError> {
        let log_folder = root.join(LOG_FOLDER);
        for folder in [root.join(FOLDER), log_folder.clone()] {
            std::fs::create_dir_all(&folder).map_err(TelemetryError::file("create folder", &folder))?;
        }
        sync_folder(root).map_err(TelemetryError::file("sync folder", root))?;
        let lock = lock(&log_folder)?;
        let state = catalog.load().await?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            engine: Engine::new(root, &config.query)
                .map_err(TelemetryError::columns("start the SQL engine"))?,
            workers: Workers::start(threads).map_err(TelemetryError::file("start threads for", root))?,
            maintenance: tokio::sync::Mutex::new(Maintenance::new(state.log_position)),
            root: root.to_owned(),
            shared: Arc::new(Shared::new()),
            log: OnceLock::new(),
            _lock: lock,
            config,
            catalog,
            clock,
        };
        let telemetry = Self { inner: Arc::new(inner) };
        telemetry.load_files(&state)?;
        let covered = state.log_position.0;
        let recovered = telemetry.recover(&log_folder, covered).await?;
        telemetry.start_log(&log_folder, covered.max(recovered.last) + 1, recovered.segments)?;
        if let Some(log) = telemetry.inner.log() {
            log.remove_covered(telemetry.inner.maintenance.lock().await.committed())?;
        }
        Ok(telemetry)
    }

    /// Takes in the live files, removes the others, reads the dictionaries.
    fn load_files(&self, state: &CatalogState) -> Result<(), TelemetryError> {
        let inner = &self.inner;
        let known: HashSet<&Path> = state.files.iter().map(|f| f.path.as_path()).collect();
        let found = file::list(&inner.root)?;
        // An empty catalog beside files is a lost catalog rather than a crash before the first commit: keep them.
        let lost = state.files.is_empty() && state.log_position.0 == 0;
        for orphan in found.iter().filter(|path| !known.contains(path.as_path())) {
            let path = inner.root.join(orphan);
            if lost {
                let aside = inner.root.join(ORPHANS).join(orphan);
                tracing::error!(file = %aside.display(), "the catalog is empty: telemetry file is put aside");
                file::move_to(&path, &aside)?;
            } else {
                tracing::info!(file = %path.display(), "telemetry file that was never committed is removed");
                std::fs::remove_file(&path).map_err(TelemetryError::file("remove", &path))?;
            }
        }
        let found: HashSet<PathBuf> = found.into_iter().collect();
        let mut all = inner.shared.write();
        all.applied = state.log_position.0;
        for data in &state.files {
            if !found.contains(&data.path) {
                tracing::error!(file = %data.path.display(), "telemetry file of the catalog is missing");
                inner.shared.counters.missing_files.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let live = Arc::new(LiveFile::new(&inner.root, data.clone()));
            let tenant = all.tenant(&data.tenant);
            let read = match data.table {
                Table::Series => file::read_all(&live.path, |b| tenant.dictionary.load_series(b)),
                Table::Resources => file::read_all(&live.path, |b| tenant.dictionary.load_resources(b)),
                _ => Ok(()),
            };
            if let Err(error) = read {
                tracing::error!(%error, file = %data.path.display(), "telemetry file cannot be read");
                inner.shared.counters.missing_files.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            tenant.files.entry(data.table).or_default().push(live);
        }
        Ok(())
    }

    /// Reads the log behind `covered` into memory, flushing when memory is full, so that a start needs no more
    /// memory than running.
    async fn recover(&self, folder: &Path, covered: u64) -> Result<Recovered, TelemetryError> {
        let (inner, mut all) = (&self.inner, Recovered::default());
        let shared = &inner.shared;
        let paths = recovery::segments(folder)?;
        for (n, path) in paths.iter().enumerate() {
            let mut reader = SegmentReader::open(path, n + 1 == paths.len());
            let each = |found: Found<'_>| {
                if found.sequence <= covered {
                    return Ok(());
                }
                let rows = codec::decode(found.payload).map_err(|_| NotUnderstood)?;
                shared.apply(found.sequence, &found.tenant, &rows);
                Ok(())
            };
            while reader.next(each) {
                if shared.counters.memory_bytes.load(Ordering::Relaxed) >= inner.config.flush_bytes
                    && let Err(error) = self.flush().await
                {
                    tracing::warn!(%error, "telemetry could not be flushed during the start");
                }
            }
            reader.close(&mut all);
        }
        shared.counters.quarantined.fetch_add(all.quarantined, Ordering::Relaxed);
        shared.counters.torn_bytes.fetch_add(all.torn_bytes, Ordering::Relaxed);
        Ok(all)
    }

    fn start_log(&self, folder: &Path, next: u64, closed: Vec<Segment>) -> Result<(), TelemetryError> {
        let shared = self.inner.shared.clone();
        let synced = move |sequence, (tenant, rows): Item| shared.apply(sequence, &tenant, &rows);
        let log = Log::start(folder, self.inner.config.segment_bytes, next, closed, synced)?;
        let _set = self.inner.log.set(log);
        Ok(())
    }

    /// Stores a batch. After `Ok` it survives a crash of the process and of the machine, and is in the answers
    /// to questions. On `Err` of kind `Unavailable` nothing counts as stored: try again later.
    pub async fn append(&self, tenant: &TenantId, batch: SignalBatch) -> Result<(), TelemetryError> {
        if !batch.check() {
            return Err(TelemetryError::Malformed(tenant.clone()));
        }
        if batch.is_empty() && batch.resources.is_empty() && batch.series.is_empty() {
            return Ok(());
        }
        let rows = Rows::of_batch(batch, |resources, texts, series| {
            match self.inner.shared.read().tenants.get(tenant) {
                Some(tenant) => tenant.dictionary.recall(resources, texts, series),
                None => Recalled { series: vec![false; series.len()], resources: vec![false; texts.len()] },
            }
        });
        self.store(tenant, rows).await
    }

    /// Stores verdicts, as durably as signals.
    pub async fn append_assessments(
        &self,
        tenant: &TenantId,
        rows: Vec<AssessmentRow>,
    ) -> Result<(), TelemetryError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.store(tenant, Rows::of_assessments(rows)).await
    }

    async fn store(&self, tenant: &TenantId, rows: Rows) -> Result<(), TelemetryError> {
        let (inner, counters) = (&self.inner, &self.inner.shared.counters);
        let held = counters.memory_bytes.load(Ordering::Relaxed);
        if held >= inner.config.memory_bytes {
            return Err(TelemetryError::MemoryFull { held, limit: inner.config.memory_bytes });
        }
        let (payload, n) = (codec::encode(&rows), rows.len() as u64);
        let (bytes, limit) = (payload.len() as u64, inner.config.max_batch_bytes);
        if bytes > limit {
            return Err(TelemetryError::BatchTooLarge { bytes, limit });
        }
        let log = inner.log().ok_or(TelemetryError::ShuttingDown)?;
        log.append(tenant, &payload, (tenant.clone(), rows)).await?;
        counters.rows_appended.fetch_add(n, Ordering::Relaxed);
        counters.batches_appended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Flushes, merges and expires what is due, until `shutdown`; then closes.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = tick.tick() => {}
            }
            let now = (self.inner.clock)();
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = self.maintain(now) => {} // failures are counted, told and tried again by `maintain`
            }
        }
        if let Err(error) = self.close().await {
            tracing::error!(%error, "telemetry could not be flushed on shutdown; its log keeps the rows");
        }
    }

    /// Refuses new batches, answers those that wait, and flushes. `run` ends with it.
    pub async fn close(&self) -> Result<(), TelemetryError> {
        let stopping = self.clone();
        let stopped = self.inner.workers.block(move || {
            if let Some(log) = stopping.inner.log() {
                log.stop();
            }
        });
        if stopped.await.is_err() {
            tracing::error!("the telemetry log could not be stopped in order");
        }
        self.flush().await.map(|_| ())
    }

    /// The tenants that have signals.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.inner.shared.read().tenants.keys().cloned().collect()
    }

    /// The resources of a tenant, by id.
    pub fn resources(&self, tenant: &TenantId) -> Vec<SeenResource> {
        let state = self.inner.shared.read();
        state.tenants.get(tenant).map(|t| t.dictionary.resources()).unwrap_or_default()
    }

    /// The series of a resource, by metric name.
    pub fn series_of(&self, tenant: &TenantId, resource: &ResourceId) -> Vec<SeriesMeta> {
        let state = self.inner.shared.read();
        state.tenants.get(tenant).map(|t| t.dictionary.series_of(resource)).unwrap_or_default()
    }

    /// One series.
    pub fn series(&self, tenant: &TenantId, series: SeriesId) -> Option<SeriesMeta> {
        self.inner.shared.read().tenants.get(tenant)?.dictionary.series_meta(series.0)
    }

    /// Whether the series is known: stored durably before.
    pub fn knows_series(&self, tenant: &TenantId, series: SeriesId) -> bool {
        self.inner.shared.read().tenants.get(tenant).is_some_and(|t| t.dictionary.knows_series(series))
    }

    /// How many series the tenant has.
    pub fn series_count(&self, tenant: &TenantId) -> usize {
        self.inner.shared.read().tenants.get(tenant).map_or(0, |t| t.dictionary.series_count())
    }
}

#[cfg(test)]
mod tests;
