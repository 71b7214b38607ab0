//! The port through which batches leave this crate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use echobase_types::{ErrorKind, SignalBatch, TenantId, Timestamp};

/// Reads the wall clock for a collector that runs by itself; the server owns the real one.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whoever keeps signals. The answer comes only after the batch is durable.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Keeps all of `batch` for `tenant`, or nothing of it.
    async fn append(&self, tenant: &TenantId, batch: SignalBatch) -> Result<(), SinkError>;
}

/// Why a batch was not kept. The sender should send it again later in every case: clients drop what is answered
/// with 500, so no variant maps to it.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Full disk, full queue or shutdown.
    #[error("store batch of signals: {reason}")]
    Unavailable {
        /// What is full or going down.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The storage failed.
    #[error("store batch of signals")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SinkError {
    /// Always `Unavailable`: see the note at the enum.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Failed(_) => ErrorKind::Unavailable,
        }
    }
}
