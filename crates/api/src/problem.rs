//! Problem documents (RFC 9457): every error that reaches a caller of the API.

use echobase_types::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A problem document. Says what failed, on what, and what to do next.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:echobase:problem:<class>`; the classes are listed in the error catalogue of the guide.
    #[serde(rename = "type")]
    pub kind: String,
    /// The class in words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What failed on what, and what to do next.
    pub detail: String,
    /// Id of this occurrence: quote it when you ask for help; the log has it too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Single faults within the request, with their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// Seconds after which a retry makes sense; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// One fault within a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// JSON pointer of the member, where the body is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line from 1, where the body is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong there.
    pub detail: String,
}

/// Status code and title of a class of failure: the one map from error to outcome.
pub const fn status(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Invalid => (400, "The request is malformed"),
        ErrorKind::Unprocessable => (422, "The request breaks a rule"),
        ErrorKind::Unauthenticated => (401, "Sign in first"),
        ErrorKind::Denied => (403, "Not allowed"),
        ErrorKind::NotFound => (404, "Not found"),
        ErrorKind::Conflict => (409, "The state does not allow it"),
        ErrorKind::TooLarge => (413, "Too large"),
        ErrorKind::RateLimited => (429, "Too many requests"),
        ErrorKind::Unavailable => (503, "Not available now"),
        ErrorKind::Timeout => (504, "It took too long"),
        ErrorKind::Unsupported => (501, "Not built yet"),
        ErrorKind::Internal => (500, "Internal error"),
    }
}

impl Problem {
    /// A problem of that class. Retryable classes carry a hint of one second.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let (code, title) = status(kind);
        Self {
            kind: format!("urn:echobase:problem:{}", kind.as_str()),
            title: title.to_owned(),
            status: code,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            retry_after_s: kind.is_retryable().then_some(1),
        }
    }

    /// With single faults.
    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retryable_classes_say_when_to_try_again() {
        for (kind, code, retry) in [
            (ErrorKind::Unavailable, 503, true),
            (ErrorKind::RateLimited, 429, true),
            (ErrorKind::Invalid, 400, false),
            (ErrorKind::Denied, 403, false),
        ] {
            let problem = Problem::new(kind, "x");
            assert_eq!((problem.status, problem.retry_after_s.is_some()), (code, retry));
        }
    }
}
