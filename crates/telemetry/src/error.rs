//! What can go wrong while signals are kept.

use std::io;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use echobase_types::{ErrorKind, TenantId};

use crate::CatalogError;

/// A failure of storing or reading signals. Failures of a question asked in SQL are `QueryError`.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log could not be written or synced; nothing of the batch counts as stored. Full disks end here.
    #[error("write the telemetry log")]
    Log(#[source] std::sync::Arc<io::Error>),
    /// Shutdown has begun.
    #[error("telemetry is shutting down")]
    ShuttingDown,
    /// Rows in memory could not be flushed for so long that no more are taken.
    #[error("telemetry holds {held} bytes in memory, its limit is {limit}, and waits for a flush")]
    MemoryFull {
        /// Bytes held.
        held: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// An index of the batch points outside of it.
    #[error("signal batch of tenant `{0}` refers to a row outside of itself")]
    Malformed(TenantId),
    /// The batch is larger than `TelemetryConfig::max_batch_bytes`.
    #[error("signal batch of {bytes} bytes is larger than {limit}")]
    BatchTooLarge {
        /// Its size, encoded.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file or folder could not be written or read.
    #[error("{act} `{}`", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has the data folder open.
    #[error("telemetry of `{}` is open in another process", .0.display())]
    InUse(PathBuf),
    /// The catalog did not answer or refused.
    #[error("use the catalog of telemetry files")]
    Catalog(#[from] CatalogError),
    /// Reading or writing columns failed.
    #[error("{act}")]
    Columns {
        /// What was tried.
        act: &'static str,
        /// Why not.
        #[source]
        source: Box<DataFusionError>,
    },
    /// A page cursor that this crate did not make.
    #[error("`{0}` is not a cursor of events")]
    Cursor(String),
}

impl TelemetryError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(_) | Self::ShuttingDown | Self::MemoryFull { .. } => ErrorKind::Unavailable,
            Self::Malformed(_) => ErrorKind::Internal,
            Self::BatchTooLarge { .. } => ErrorKind::TooLarge,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
            Self::InUse(_) => ErrorKind::Conflict,
            Self::Catalog(source) => source.kind,
            Self::Columns { source, .. } => match source.find_root() {
                DataFusionError::ResourcesExhausted(_) => ErrorKind::TooLarge,
                _ => ErrorKind::Internal,
            },
            Self::Cursor(_) => ErrorKind::Invalid,
        }
    }

    pub(crate) fn columns(act: &'static str) -> impl FnOnce(DataFusionError) -> Self {
        move |source| Self::Columns { act, source: Box::new(source) }
    }

    pub(crate) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }
}
