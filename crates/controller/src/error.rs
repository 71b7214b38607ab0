//! What can go wrong at the controller's door.

use echobase_store::StoreError;
use echobase_types::ErrorKind;

use crate::freeze::FlagError;
use crate::machine::Refused;

/// A failed act of the controller.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The state store refused or could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state of the intervention, or a rule of the machine, does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The freeze file cannot be written.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// The request breaks a stated rule.
    #[error("{0}")]
    Invalid(String),
    /// Well-formed, but the content breaks a rule.
    #[error("{0}")]
    Unprocessable(String),
    /// The principal may not do this.
    #[error("{0}")]
    Denied(String),
    /// The state does not allow it now.
    #[error("{0}")]
    Conflict(String),
}

impl ControllerError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(source) => source.kind(),
            Self::Refused(source) => source.kind(),
            Self::Flag(source) => source.kind(),
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Unprocessable(_) => ErrorKind::Unprocessable,
            Self::Denied(_) => ErrorKind::Denied,
            Self::Conflict(_) => ErrorKind::Conflict,
        }
    }
}
