//! Why a PromQL question was not answered.

use std::time::Duration;

use echobase_types::ErrorKind;

use crate::TelemetryError;

/// A question that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PromqlError {
    /// The text is no PromQL, or its parts do not fit together.
    #[error("{0}")]
    Invalid(String),
    /// PromQL that is not offered here. Never answered by something near to it.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The question fits, but not the data: two series with one set of labels, or a match that is not one to one.
    #[error("{0}")]
    Execution(String),
    /// It needs more than one question may use.
    #[error(
        "question needs more than {limit} {what}; narrow its time range, use a longer step or select fewer series"
    )]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("question took longer than {} s; narrow its time range", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// Shutdown, or whoever asked went away.
    #[error("question was stopped")]
    Stopped,
    /// The signals could not be read.
    #[error("read the signals of a question")]
    Read(#[from] TelemetryError),
}

impl PromqlError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Unsupported(_) | Self::Execution(_) | Self::TooLarge { .. } => ErrorKind::Unprocessable,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Stopped => ErrorKind::Unavailable,
            Self::Read(source) => source.kind(),
        }
    }

    /// Two elements of one vector cannot be told apart.
    pub(super) fn same_labels() -> Self {
        Self::Execution("vector cannot contain metrics with the same labelset".to_owned())
    }
}
