//! Reading requests: bodies and parameters whose faults become precise problem documents.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use echobase_api::problem::Fault;
use echobase_types::ErrorKind;
use serde::de::DeserializeOwned;

use crate::problem::Failure;

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        expect_json(request.headers())?;
        let bytes = whole_body(request, state).await?;
        // An empty body reads as an empty object, so that requests without required members need none.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| json_fault(&error))
    }
}

/// The whole body, whatever its media type.
pub(crate) struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        whole_body(request, state).await.map(Self)
    }
}

/// The whole body as bytes, within the route's limit.
pub(crate) async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            Failure::new(ErrorKind::TooLarge, "the body is larger than this route takes; send it in parts")
        } else {
            Failure::new(ErrorKind::Invalid, format!("read the body: {rejection}"))
        }
    })
}

fn expect_json(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let words = format!("send `application/json`, not `{media}`");
    Err(Failure::new(ErrorKind::Invalid, words).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// A JSON fault with its line and column.
pub(crate) fn json_fault(error: &serde_json::Error) -> Failure {
    let fault = Fault {
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column()).ok(),
        detail: error.to_string(),
        ..Fault::default()
    };
    Failure::malformed(format!("the JSON body does not fit: {error}"), fault)
}

/// Query parameters.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::new(ErrorKind::Invalid, rejection.body_text())),
        }
    }
}

/// A path parameter, decoded.
pub(crate) struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::<String>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::new(ErrorKind::Invalid, rejection.body_text())),
        }
    }
}
