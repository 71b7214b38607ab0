//! Figures of telemetry about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Telemetry;

/// Figures since the start, except where it says now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetryStats {
    /// Rows appended: points, histograms, log records, spans, assessments.
    pub rows_appended: u64,
    /// Batches appended.
    pub batches_appended: u64,
    /// Appends that failed to reach the disk.
    pub append_failures: u64,
    /// Syncs of the log: batches over syncs is the size of a group commit.
    pub syncs: u64,
    /// Bytes written to the log.
    pub log_bytes_written: u64,
    /// Bytes of log on disk, now.
    pub log_bytes: u64,
    /// Damaged stretches of log found at the start and copied aside.
    pub quarantined_frames: u64,
    /// Bytes of unfinished writes cut off at the start.
    pub torn_bytes: u64,
    /// Estimated bytes of rows in memory, now.
    pub memory_bytes: u64,
    /// Series known, of all tenants, now.
    pub series: u64,
    /// Live Parquet files, now.
    pub files: u64,
    /// Their bytes, now.
    pub file_bytes: u64,
    /// Files that the catalog names and the disk does not have, seen at the start.
    pub missing_files: u64,
    /// Flushes done.
    pub flushes: u64,
    /// Merges done.
    pub merges: u64,
    /// Files dropped by retention.
    pub expired_files: u64,
    /// Flushes, merges and expiries that failed and will be tried again.
    pub maintenance_failures: u64,
    /// Questions asked in SQL.
    pub queries: u64,
}

impl Telemetry {
    /// The figures, now.
    pub fn stats(&self) -> TelemetryStats {
        let (inner, of) = (&self.inner, |counter: &AtomicU64| counter.load(Ordering::Relaxed));
        let (counters, log) = (&inner.shared.counters, inner.log().map(crate::log::Log::counters));
        let state = inner.shared.read();
        TelemetryStats {
            rows_appended: of(&counters.rows_appended),
            batches_appended: of(&counters.batches_appended),
            append_failures: log.map_or(0, |l| of(&l.failures)),
            syncs: log.map_or(0, |l| of(&l.syncs)),
            log_bytes_written: log.map_or(0, |l| of(&l.bytes)),
            log_bytes: inner.log().map_or(0, crate::log::Log::bytes),
            quarantined_frames: of(&counters.quarantined),
            torn_bytes: of(&counters.torn_bytes),
            memory_bytes: of(&counters.memory_bytes),
            series: state.tenants.values().map(|t| t.dictionary.series_count() as u64).sum(),
            files: state.files().count() as u64,
            file_bytes: state.files().map(|f| f.file.bytes).sum(),
            missing_files: of(&counters.missing_files),
            flushes: of(&counters.flushes),
            merges: of(&counters.merges),
            expired_files: of(&counters.expired_files),
            maintenance_failures: of(&counters.failures),
            queries: of(&counters.queries),
        }
    }
}
