//! What class of failure an error is: the one map from error to status code, retry hint and metric label.

/// The class of a failure. Every error enum of ours has `fn kind(&self) -> ErrorKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed or breaks a stated rule (400; 422 when well-formed but not acceptable).
    Invalid,
    /// Well-formed, but the content is refused by a rule of the domain (422).
    Unprocessable,
    /// Nobody is signed in, or the credential is wrong (401).
    Unauthenticated,
    /// The principal may not do this (403).
    Denied,
    /// No such thing, or not in this tenant (404).
    NotFound,
    /// The state does not allow it now: stale version, digest mismatch, duplicate (409).
    Conflict,
    /// Larger than a stated limit (413).
    TooLarge,
    /// Too many requests of this caller (429).
    RateLimited,
    /// Full disk, full queue, shutdown: try again later (503 with `Retry-After`).
    Unavailable,
    /// It took longer than a stated limit (504).
    Timeout,
    /// Not built yet (501).
    Unsupported,
    /// A defect of ours or damaged data (500).
    Internal,
}

impl ErrorKind {
    /// The metric label and problem-type suffix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unprocessable => "unprocessable",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may succeed later without a change.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout)
    }
}
