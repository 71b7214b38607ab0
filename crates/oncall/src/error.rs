//! What can go wrong.

use echobase_store::StoreError;
use echobase_types::ErrorKind;

/// A failed act on alerts.
#[derive(Debug, thiserror::Error)]
pub enum OncallError {
    /// The state store refused or could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OncallError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(source) => source.kind(),
        }
    }
}
