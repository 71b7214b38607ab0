//! Errors on their way out: one map from error kind to problem document.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use echobase_api::Problem;
use echobase_api::problem::Fault;
use echobase_types::ErrorKind;
use tracing::{error, warn};
use uuid::Uuid;

/// A failed request. `?` turns every error of ours into one.
#[derive(Debug)]
pub(crate) struct Failure(pub Problem);

/// The result of a route.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    /// A failure of that class.
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Problem::new(kind, detail))
    }

    /// A malformed request with the place of the fault.
    pub(crate) fn malformed(detail: impl Into<String>, fault: Fault) -> Self {
        Self(Problem::new(ErrorKind::Invalid, detail).with_errors(vec![fault]))
    }

    /// No such thing in this tenant.
    pub(crate) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no {what} `{id}`"))
    }

    /// With another status, where the class of the error has a more precise one.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status.as_u16();
        self.0.title = status.canonical_reason().unwrap_or("The request does not fit").to_owned();
        self
    }

    /// From any error of ours: its own words and those of its sources. What is our own fault is logged whole and
    /// answered without its inner words.
    pub(crate) fn of(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let words = whole_words(error);
        let mut problem = Problem::new(kind, words.clone());
        problem.instance = format!("urn:uuid:{}", Uuid::new_v4());
        match kind {
            ErrorKind::Internal => {
                error!(instance = problem.instance, error = words, "request failed");
                problem.detail = format!("{error}; look for {} in the server's log", problem.instance);
            }
            ErrorKind::Unavailable | ErrorKind::Timeout => {
                warn!(instance = problem.instance, error = words, "request not served");
            }
            _ => {}
        }
        Self(problem)
    }
}

/// The words of an error and of all its sources.
pub(crate) fn whole_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        source = inner.source();
    }
    words
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut problem = self.0;
        if problem.instance.is_empty() {
            problem.instance = format!("urn:uuid:{}", Uuid::new_v4());
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = problem.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Makes `?` work for errors that know their kind.
macro_rules! failures_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(error.kind(), &error)
            }
        }
    )*};
}

failures_from! {
    echobase_controller::ControllerError,
    echobase_ingest::SinkError,
    echobase_ingest::inflate::InflateError,
    echobase_oncall::OncallError,
    echobase_store::StoreError,
    echobase_telemetry::QueryError,
    echobase_telemetry::TelemetryError,
}

impl From<echobase_types::InvalidId> for Failure {
    fn from(error: echobase_types::InvalidId) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}
