//! Everything of all tenants that questions see: rows in memory, live files, dictionaries. One lock, held for
//! memory copies only, so that each row is seen exactly once: in memory, or in a file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datafusion::arrow::array::RecordBatch;
use echobase_types::TenantId;

use crate::Table;
use crate::buffer::Buffer;
use crate::dictionary::Dictionary;
use crate::file::LiveFile;
use crate::rows::Rows;

/// The state and its lock.
pub(crate) struct Shared {
    state: RwLock<State>,
    pub(crate) counters: Counters,
}

/// Figures about telemetry itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Estimated bytes of rows in memory, those being flushed included.
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) rows_appended: AtomicU64,
    pub(crate) batches_appended: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) torn_bytes: AtomicU64,
    pub(crate) missing_files: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) expired_files: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) queries: AtomicU64,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) tenants: BTreeMap<TenantId, Tenant>,
    /// Number of the last frame whose rows are here.
    pub(crate) applied: u64,
}

pub(crate) struct Tenant {
    pub(crate) dictionary: Dictionary,
    pub(crate) buffers: [Buffer; 5],
    /// Rows on their way into files.
    pub(crate) flushing: Vec<Flushing>,
    pub(crate) files: BTreeMap<Table, Vec<Arc<LiveFile>>>,
}

/// Rows of one table that a flush took.
#[derive(Clone)]
pub(crate) struct Flushing {
    pub(crate) table: Table,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) bytes: u64,
    pub(crate) times: Option<(i64, i64)>,
}

/// The rows of one table at one moment. Holding it keeps its files on disk.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: Table,
    pub(crate) files: Vec<Arc<LiveFile>>,
    pub(crate) batches: Vec<RecordBatch>,
    /// The earliest and latest time of `batches`.
    pub(crate) memory_times: Option<(i64, i64)>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            dictionary: Dictionary::default(),
            buffers: Table::ROWS.map(Buffer::new),
            flushing: Vec::new(),
            files: BTreeMap::new(),
        }
    }
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { state: RwLock::new(State::default()), counters: Counters::default() }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is durable. Called in log order, by one thread.
    pub(crate) fn apply(&self, sequence: u64, tenant: &TenantId, rows: &Rows) {
        let mut state = self.write();
        state.applied = state.applied.max(sequence);
        let tenant = state.tenant(tenant);
        tenant.dictionary.learn(rows);
        let bytes: u64 = tenant.buffers.iter_mut().map(|buffer| buffer.append(rows)).sum();
        drop(state);
        self.counters.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The rows of one table, now. `None` if the tenant is not known.
    pub(crate) fn snapshot(&self, tenant: &TenantId, table: Table) -> Option<Snapshot> {
        self.read().tenants.get(tenant).map(|t| t.snapshot(table))
    }
}

impl State {
    pub(crate) fn tenant(&mut self, id: &TenantId) -> &mut Tenant {
        if !self.tenants.contains_key(id) {
            self.tenants.insert(id.clone(), Tenant::default());
        }
        self.tenants.entry(id.clone()).or_default()
    }

    /// All live files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<LiveFile>> {
        self.tenants.values().flat_map(|t| t.files.values().flatten())
    }
}

impl Tenant {
    pub(crate) fn snapshot(&self, table: Table) -> Snapshot {
        let mut snapshot = Snapshot {
            table,
            files: self.files.get(&table).cloned().unwrap_or_default(),
            batches: Vec::new(),
            memory_times: None,
        };
        let mut widen = |times: Option<(i64, i64)>| {
            if let Some((from, to)) = times {
                let (a, b) = snapshot.memory_times.unwrap_or((from, to));
                snapshot.memory_times = Some((a.min(from), b.max(to)));
            }
        };
        for part in self.flushing.iter().filter(|f| f.table == table) {
            snapshot.batches.extend(part.batches.iter().cloned());
            widen(part.times);
        }
        if let Some(at) = Table::ROWS.iter().position(|t| *t == table) {
            snapshot.batches.extend(self.buffers[at].snapshot());
            widen(self.buffers[at].times());
        }
        snapshot
    }
}

impl Snapshot {
    /// A table without rows.
    pub(crate) fn empty(table: Table) -> Self {
        Self { table, files: Vec::new(), batches: Vec::new(), memory_times: None }
    }

    /// The earliest and the latest time of any row.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let files = self.files.iter().map(|f| (f.file.min_time.as_micros(), f.file.max_time.as_micros()));
        files.chain(self.memory_times).reduce(|(a, b), (from, to)| (a.min(from), b.max(to)))
    }

    /// About how many rows lie in `from..to`, taking them as spread evenly over each file.
    pub(crate) fn rows_between(&self, from: i64, to: i64) -> u64 {
        let share = |(a, b): (i64, i64), rows: u64| {
            let (low, high) = (from.max(a), to.min(b.saturating_add(1)));
            if low >= high {
                return 0;
            }
            let part = high.abs_diff(low) as f64 / (b.abs_diff(a) + 1) as f64;
            (rows as f64 * part).ceil() as u64
        };
        let files = self
            .files
            .iter()
            .map(|f| share((f.file.min_time.as_micros(), f.file.max_time.as_micros()), f.file.rows));
        let held: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        files.sum::<u64>() + self.memory_times.map_or(0, |times| share(times, held as u64))
    }
}
