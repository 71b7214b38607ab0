//! Verdicts on a table that somebody hands in, with the code of the live engine: CSV or Arrow comes in, one row goes out
//! for each that came, and it depends on no later one. Nothing is kept.

mod answer;
mod detect;
mod forecast;
mod rows;
mod sheet;
mod verdicts;

use std::io;

use echobase_telemetry::ipc::IpcError;
pub use echobase_telemetry::ipc::Layout;

pub use detect::{Budget, Told, detect};
pub use echobase_analysis::Horizon;
pub use forecast::forecast;
pub use verdicts::{drift, risk};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with a header.
    Csv,
    /// Arrow's IPC format.
    Arrow(Layout),
}

/// A table that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The input failed.
    #[error("read the table")]
    Read(#[source] io::Error),
    /// The CSV cannot be read.
    #[error("read the table")]
    Csv(#[source] csv::Error),
    /// The Arrow table cannot be read or written.
    #[error(transparent)]
    Arrow(#[from] IpcError),
    /// Something in the table is not as it must be; says what, and where.
    #[error("{0}")]
    Table(String),
    /// The answer cannot be written.
    #[error("write the verdicts")]
    Write(#[source] io::Error),
}

impl JudgeError {
    /// Whether the reader of the answer has seen enough and went away (`| head`).
    pub fn is_closed(&self) -> bool {
        let (Self::Write(source) | Self::Arrow(IpcError::Write(source))) = self else { return false };
        source.kind() == io::ErrorKind::BrokenPipe
    }
}

fn table<T>(what: impl Into<String>) -> Result<T, JudgeError> {
    Err(JudgeError::Table(what.into()))
}
