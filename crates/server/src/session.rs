//! Browser sessions: the cookie, and protection against forged requests.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use echobase_types::principal::Principal;
use echobase_types::{ErrorKind, SessionId};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::problem::{Answer, Failure};

/// A session that was found and is in force.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub principal: Principal,
    /// What unsafe requests must repeat in `X-CSRF-Token`.
    pub csrf_token: String,
}

/// With TLS the cookie is bound to the host and never sent in the open; without, the server is on loopback only.
const SECURE_NAME: &str = "__Host-echobase";
const PLAIN_NAME: &str = "echobase";

fn name(app: &App) -> &'static str {
    if app.config.server.tls_certificate.is_some() { SECURE_NAME } else { PLAIN_NAME }
}

/// The session of the request's cookie. A cookie of a session that ended counts as none.
pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Answer<Option<Known>> {
    let Some(token) = cookie(headers, name(app)) else { return Ok(None) };
    match app.store.sessions().find(token, app.now()).await {
        Ok((session, account)) => {
            let principal = account.principal(None, None);
            Ok(Some(Known { id: session.id, principal, csrf_token: session.csrf_token }))
        }
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = all.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The header that sets the cookie of a new session.
pub(crate) fn set_cookie(app: &App, token: &str) -> Option<HeaderValue> {
    let secure = if name(app) == SECURE_NAME { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{secure}", name(app))).ok()
}

/// The header that removes it.
pub(crate) fn clear_cookie(app: &App) -> Option<HeaderValue> {
    let secure = if name(app) == SECURE_NAME { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}", name(app))).ok()
}

/// Refuses an unsafe request of a session that another site may have caused.
pub(crate) fn refuse_forgery(method: &Method, headers: &HeaderMap, session: &Known) -> Answer<()> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    refuse_cross_site(headers)?;
    let given = headers.get("x-csrf-token").map(HeaderValue::as_bytes).unwrap_or_default();
    if bool::from(given.ct_eq(session.csrf_token.as_bytes())) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorKind::Denied,
        "the request lacks the right `X-CSRF-Token`; take it from GET /api/v1/session",
    ))
}

/// Refuses what a browser says comes from another site.
pub(crate) fn refuse_cross_site(headers: &HeaderMap) -> Answer<()> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let refused = || Failure::new(ErrorKind::Denied, "requests from another site are refused");
    match text("sec-fetch-site") {
        Some("same-origin" | "none") | None => {}
        Some(_) => return Err(refused()),
    }
    let (Some(origin), Some(host)) = (text("origin"), text("host")) else { return Ok(()) };
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    if origin_host == Some(host) { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_named_cookie_is_found_among_others() {
        let all = headers(&[("cookie", "a=1; echobase=xyz; b=2")]);
        assert_eq!(cookie(&all, "echobase"), Some("xyz"));
        assert_eq!(cookie(&all, "base"), None);
    }

    #[test]
    fn only_our_own_pages_may_write() {
        for (pairs, ok) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://a:1"), ("host", "a:1")][..], true),
            (&[("sec-fetch-site", "cross-site")][..], false),
            (&[("sec-fetch-site", "same-site")][..], false),
            (&[("origin", "http://evil"), ("host", "a:1")][..], false),
            (&[("origin", "null"), ("host", "a:1")][..], false),
            (&[][..], true),
        ] {
            assert_eq!(refuse_cross_site(&headers(pairs)).is_ok(), ok, "{pairs:?}");
        }
    }
}
