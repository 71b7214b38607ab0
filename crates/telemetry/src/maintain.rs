//! What is done beside answering: flush, merge, expire. One at a time, each ending in one catalog commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use echobase_types::{TenantId, Timestamp};

use crate::file::{self, LiveFile};
use crate::state::{Flushing, State};
use crate::{DataFile, FileId, LogPosition, Table, Telemetry, TelemetryError};

/// Least time between two looks for what to merge or expire.
const TEND_EVERY: Duration = Duration::from_secs(60);
/// Pause after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a call of `Telemetry::maintain` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Files written by a flush.
    pub flushed_files: usize,
    /// Files that merges replaced.
    pub merged_files: usize,
    /// Files dropped by retention.
    pub expired_files: usize,
}

/// Whoever holds it may change files.
pub(crate) struct Maintenance {
    committed: LogPosition,
    doubt: Option<Flush>,
    flushed_at: Option<Timestamp>,
    tended_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
}

/// Rows that a flush took, the files made of them, and the position they cover. As long as it is in `doubt`
/// nobody knows whether it was committed.
struct Flush {
    position: LogPosition,
    files: Vec<DataFile>,
    filed: Vec<(TenantId, RecordBatch, RecordBatch)>,
}

/// What one tenant has to write.
pub(crate) struct Part {
    tenant: TenantId,
    rows: Vec<Flushing>,
    series: RecordBatch,
    resources: RecordBatch,
}

impl Maintenance {
    pub(crate) fn new(committed: LogPosition) -> Self {
        Self { committed, doubt: None, flushed_at: None, tended_at: None, retry_at: None }
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.0
    }
}

impl Telemetry {
    /// Does what is due at `now`: a flush if memory is full or its rows are old, merges and retention at most
    /// once a minute. `run` calls it all the time. After a failure nothing is tried for five seconds.
    pub async fn maintain(&self, now: Timestamp) -> Result<Maintained, TelemetryError> {
        let mut keep = self.inner.maintenance.lock().await;
        if keep.retry_at.is_some_and(|at| now < at && at.since(now) <= RETRY_AFTER) {
            return Ok(Maintained::default());
        }
        let done = self.tend(&mut keep, now).await;
        keep.retry_at = done.is_err().then(|| now + RETRY_AFTER);
        if let Err(error) = &done {
            let error: &dyn std::error::Error = error;
            self.inner.shared.counters.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(error, "telemetry maintenance failed and will be tried again");
        }
        done
    }

    async fn tend(&self, keep: &mut Maintenance, now: Timestamp) -> Result<Maintained, TelemetryError> {
        let (config, counters) = (&self.inner.config, &self.inner.shared.counters);
        let mut done = Maintained::default();
        let flushed_at = *keep.flushed_at.get_or_insert(now);
        let held = counters.memory_bytes.load(Ordering::Relaxed);
        if held >= config.flush_bytes || (held > 0 && now.since(flushed_at) >= config.flush_after) {
            done.flushed_files = self.flush_with(keep).await?;
            keep.flushed_at = Some(now);
        }
        if keep.tended_at.is_none_or(|at| now.since(at) >= TEND_EVERY || now < at) {
            keep.tended_at = Some(now);
            self.resolve(keep).await?;
            done.expired_files = self.expire(keep, now).await?;
            done.merged_files = self.merge(keep.committed, now).await?;
        }
        Ok(done)
    }

    /// Writes everything in memory into files, now. Returns how many files.
    pub async fn flush(&self) -> Result<usize, TelemetryError> {
        let mut keep = self.inner.maintenance.lock().await;
        self.flush_with(&mut keep).await
    }

    async fn flush_with(&self, keep: &mut Maintenance) -> Result<usize, TelemetryError> {
        self.resolve(keep).await?;
        let inner = &self.inner;
        let (position, parts) = take(&mut inner.shared.write())?;
        if parts.is_empty() && position == keep.committed {
            return Ok(0);
        }
        if let Some(log) = inner.log() {
            log.rotate();
        }
        let root = inner.root.clone();
        let written = inner.workers.block(move || write(&root, parts)).await;
        let (files, filed) = written.map_err(|_| TelemetryError::ShuttingDown)??;
        let (count, add) = (files.len(), files.clone());
        keep.doubt = Some(Flush { position, files, filed });
        match inner.catalog.commit(add, Vec::new(), position).await {
            Ok(()) => {
                if let Some(flush) = keep.doubt.take() {
                    self.install(keep, flush)?;
                }
                Ok(count)
            }
            Err(error) => {
                // Perhaps only the answer was lost; if the catalog cannot be asked now, the next flush asks.
                if self.resolve(keep).await? { Ok(count) } else { Err(error.into()) }
            }
        }
    }

    /// Finds out whether the flush in doubt was committed, and ends it. Returns whether there was one that was.
    async fn resolve(&self, keep: &mut Maintenance) -> Result<bool, TelemetryError> {
        let Some(flush) = &keep.doubt else { return Ok(false) };
        let state = self.inner.catalog.load().await?;
        let committed = match flush.files.first() {
            Some(first) => state.files.iter().any(|f| f.id == first.id),
            None => state.log_position >= flush.position,
        };
        let Some(flush) = keep.doubt.take() else { return Ok(false) };
        if committed {
            self.install(keep, flush)?;
        } else {
            file::remove(&self.inner.root, &flush.files);
        }
        Ok(committed)
    }

    /// Lets questions see the new files in place of the rows they were made of, and removes the covered log.
    fn install(&self, keep: &mut Maintenance, flush: Flush) -> Result<(), TelemetryError> {
        let inner = &self.inner;
        keep.committed = flush.position;
        let mut state = inner.shared.write();
        let mut freed = 0;
        for tenant in state.tenants.values_mut() {
            freed += tenant.flushing.drain(..).map(|f| f.bytes).sum::<u64>();
        }
        for data in flush.files {
            let live = Arc::new(LiveFile::new(&inner.root, data));
            let tenant = state.tenant(&live.file.tenant);
            tenant.files.entry(live.file.table).or_default().push(live.clone());
        }
        for (tenant, series, resources) in &flush.filed {
            state.tenant(tenant).dictionary.mark_filed(series, resources);
        }
        drop(state);
        inner.shared.counters.memory_bytes.fetch_sub(freed, Ordering::Relaxed);
        inner.shared.counters.flushes.fetch_add(1, Ordering::Relaxed);
        match inner.log() {
            Some(log) => log.remove_covered(keep.committed.0).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Drops the days that retention no longer keeps.
    async fn expire(&self, keep: &Maintenance, now: Timestamp) -> Result<usize, TelemetryError> {
        let (inner, retention) = (&self.inner, &self.inner.config.retention);
        let old: Vec<FileId> = inner
            .shared
            .read()
            .files()
            .filter(|f| Table::ROWS.contains(&f.file.table))
            .filter(|f| retention.of(f.file.table).is_some_and(|kept| f.file.day.end() + kept <= now))
            .map(|f| f.file.id)
            .collect();
        if !old.is_empty() {
            inner.catalog.commit(Vec::new(), old.clone(), keep.committed).await?;
            self.replace(&old, Vec::new());
            inner.shared.counters.expired_files.fetch_add(old.len() as u64, Ordering::Relaxed);
        }
        // Series and resources go a day later than the rows that may refer to them.
        let before = |table| {
            let kept = retention.of(table)?;
            Some((now - kept - Duration::from_secs(2 * 86_400)).as_micros())
        };
        let (series, resources) = (before(Table::Series), before(Table::Resources));
        for tenant in inner.shared.write().tenants.values_mut() {
            tenant.dictionary.forget(series, resources);
        }
        Ok(old.len())
    }

    /// Takes files out of what questions see and puts others in; the old ones go when nobody reads them.
    pub(crate) fn replace(&self, old: &[FileId], new: Vec<DataFile>) {
        let mut state = self.inner.shared.write();
        for files in state.tenants.values_mut().flat_map(|t| t.files.values_mut()) {
            files.retain(|live| {
                let goes = old.contains(&live.file.id);
                if goes {
                    live.doom();
                }
                !goes
            });
        }
        for data in new {
            let live = Arc::new(LiveFile::new(&self.inner.root, data));
            state.tenant(&live.file.tenant).files.entry(live.file.table).or_default().push(live.clone());
        }
    }
}

/// Moves all rows of memory into `flushing` and says what is to be written, and up to which frame that is all.
/// Rows of a flush that failed are in `flushing` already and go with it.
pub(crate) fn take(state: &mut State) -> Result<(LogPosition, Vec<Part>), TelemetryError> {
    let mut parts = Vec::new();
    for (id, tenant) in &mut state.tenants {
        for (table, buffer) in Table::ROWS.into_iter().zip(&mut tenant.buffers) {
            if buffer.rows > 0 {
                let (bytes, times) = (buffer.bytes, buffer.times());
                tenant.flushing.push(Flushing { table, batches: buffer.take(), bytes, times });
            }
        }
        let failed = TelemetryError::columns("list new series");
        let (series, resources) = tenant.dictionary.unfiled().map_err(|e| failed(e.into()))?;
        if !tenant.flushing.is_empty() || series.num_rows() > 0 || resources.num_rows() > 0 {
            parts.push(Part { tenant: id.clone(), rows: tenant.flushing.clone(), series, resources });
        }
    }
    Ok((LogPosition(state.applied), parts))
}

type Written = (Vec<DataFile>, Vec<(TenantId, RecordBatch, RecordBatch)>);

/// Writes and syncs the files of a flush; on failure none is left.
pub(crate) fn write(root: &Path, parts: Vec<Part>) -> Result<Written, TelemetryError> {
    let (mut files, mut filed) = (Vec::new(), Vec::new());
    let work = || {
        for part in parts {
            for table in Table::ROWS {
                let of_table = part.rows.iter().filter(|f| f.table == table);
                let batches: Vec<_> = of_table.flat_map(|f| f.batches.iter().cloned()).collect();
                if !batches.is_empty() {
                    file::write_rows(root, &part.tenant, table, &batches, &mut files)?;
                }
            }
            for (table, batch) in [(Table::Series, &part.series), (Table::Resources, &part.resources)] {
                if batch.num_rows() > 0 {
                    file::write_rows(root, &part.tenant, table, std::slice::from_ref(batch), &mut files)?;
                }
            }
            filed.push((part.tenant, part.series, part.resources));
        }
        file::sync_folders(root, &files)
    };
    match work() {
        Ok(()) => Ok((files, filed)),
        Err(error) => {
            file::remove(root, &files);
            Err(error)
        }
    }
}
