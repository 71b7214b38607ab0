//! The web app's files: compressed as the browser likes, immutable where the name holds a hash, the index for
//! every deep link, and the security headers of every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use echobase_types::ErrorKind;
use echobase_ui::Asset;

use crate::problem::Failure;

/// What every answer carries. The policy allows nothing but our own files.
pub(crate) const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// Whatever no route takes: a file, the index for a deep link, or a problem document.
pub(crate) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return no_route(&uri).into_response();
    }
    if let Some(asset) = echobase_ui::asset(uri.path()) {
        return answer(&asset, &headers);
    }
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_page = accept.contains("text/html") && !uri.path().starts_with("/api/");
    if is_page { answer(&echobase_ui::index(), &headers) } else { no_route(&uri).into_response() }
}

fn no_route(uri: &Uri) -> Failure {
    let path: String = uri.path().chars().take(200).collect();
    Failure::new(
        ErrorKind::NotFound,
        format!("nothing answers at {path}; see /api/openapi.json for what does"),
    )
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut response = if known.split(',').any(|tag| tag.trim() == asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let accepts =
            |name: &str| accepted.split(',').any(|e| e.split(';').next().unwrap_or_default().trim() == name);
        let (bytes, encoding) = match (asset.brotli, asset.gzip) {
            (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
            _ => (asset.bytes, None),
        };
        let mut response = bytes.into_response();
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(asset.caching.header()));
    out.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}
