//! The gate of every route: rate, who, forgery, decision, idempotency; then the handler.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use echobase_policy::{Action, Decision, ResourceRef};
use echobase_store::idempotency::{self as kept, Replay as Again};
use echobase_types::ledger::{Actor, ActorKind, EntryDraft, Outcome};
use echobase_types::principal::{Principal, PrincipalKind, Role, Scope};
use echobase_types::{ErrorKind, PrincipalId, TenantId};

use crate::app::App;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Replay};
use crate::session;

/// What the gate of one route knows.
#[derive(Clone)]
pub(crate) struct Gate {
    /// The application.
    pub app: App,
    /// Who may pass.
    pub access: Access,
    /// How repeats are answered.
    pub replay: Replay,
}

/// Who passed the gate. No such value without a decision.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The principal, with the tenant of its verified credential.
    pub principal: Principal,
    /// The browser session, if it came by one.
    pub session: Option<session::Known>,
}

impl Caller {
    /// The tenant.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.principal.tenant
    }

    /// As the ledger names it.
    pub(crate) fn actor(&self) -> Actor {
        let kind = match self.principal.kind {
            PrincipalKind::User => ActorKind::User,
            PrincipalKind::Service => ActorKind::Service,
        };
        Actor { kind, id: self.principal.id.to_string() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Failure::new(ErrorKind::Unauthenticated, "sign in, or send an API key"))
    }
}

/// The gate.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match admit(&gate, request).await {
        Ok(Admitted::Go(request, memory)) => {
            let response = next.run(request).await;
            match memory {
                Some(memory) => memory.keep(&gate.app, response).await,
                None => response,
            }
        }
        Ok(Admitted::Answered(response)) => response,
        Err(failure) => failure.into_response(),
    }
}

enum Admitted {
    Go(Request, Option<Memory>),
    Answered(Response),
}

async fn admit(gate: &Gate, mut request: Request) -> Answer<Admitted> {
    let app = &gate.app;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let Some(found) = authenticate(app, gate.access, request.headers(), peer).await? else {
        return match gate.access {
            Access::Public(_) => {
                app.limiter.take(&caller_key(None, peer), app.now())?;
                Ok(Admitted::Go(request, None))
            }
            _ => Err(Failure::new(
                ErrorKind::Unauthenticated,
                "sign in at /signin, or send an API key as `Authorization: Bearer eb_…`",
            )),
        };
    };
    let action = match gate.access {
        Access::Action(action) | Access::Local(action) => Some(action),
        Access::Public(_) | Access::SignedIn => None,
    };
    // Ingest is bounded by bytes, series and disk, not by the number of requests.
    if !matches!(action, Some(Action::Ingest)) {
        app.limiter.take(&caller_key(Some(found.principal.id), peer), app.now())?;
    }
    if let Some(session) = &found.session {
        session::refuse_forgery(request.method(), request.headers(), session)?;
    }
    refuse_other_tenant(request.headers(), found.tenant())?;
    if let Some(action) = action {
        decide(app, &found, action, None).await?;
    }
    let memory = if gate.replay == Replay::None || found.principal.id == local_id() {
        None
    } else {
        match Memory::claim(app, gate.replay, &found, request).await? {
            Claimed::Fresh(back, memory) => {
                request = back;
                memory
            }
            Claimed::Repeated(response) => return Ok(Admitted::Answered(response)),
        }
    };
    request.extensions_mut().insert(found);
    Ok(Admitted::Go(request, memory))
}

fn caller_key(principal: Option<PrincipalId>, peer: Option<IpAddr>) -> String {
    match (principal, peer) {
        (Some(id), _) => id.to_string(),
        (None, Some(ip)) => ip.to_string(),
        (None, None) => "unknown".to_owned(),
    }
}

/// Who the credential stands for; `None` without a credential.
async fn authenticate(
    app: &App,
    access: Access,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Answer<Option<Caller>> {
    if let Some(key) = key_of(headers) {
        let principal = app.store.keys().authenticate(&key, app.now()).await?;
        return Ok(Some(Caller { principal, session: None }));
    }
    if let Some(known) = session::of(app, headers).await? {
        return Ok(Some(Caller { principal: known.principal.clone(), session: Some(known) }));
    }
    let is_local = peer.is_some_and(|ip| ip.is_loopback()) && !from_browser(headers);
    if matches!(access, Access::Local(_)) && is_local && app.config.otlp.allow_local_without_key {
        return Ok(Some(Caller { principal: local_principal(), session: None }));
    }
    Ok(None)
}

/// The API key of a request: as `Bearer`, as `Token` (clients of line protocol), or as the password of `Basic` (RFC 7617;
/// whatever the user is called), which is all that some senders can be told.
fn key_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    let credential = credential.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(credential.to_owned()),
        "basic" => {
            let pair = String::from_utf8(STANDARD.decode(credential).ok()?).ok()?;
            pair.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

/// Whether a browser sent it: a page on any site can reach loopback, so such requests need a credential.
fn from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// The id of the built-in principal `local`.
pub(crate) fn local_id() -> PrincipalId {
    PrincipalId::from_uuid(uuid::Uuid::from_u128(1))
}

/// The built-in principal for senders on this machine: may send, and read the server's own metrics.
pub(crate) fn local_principal() -> Principal {
    Principal {
        id: local_id(),
        tenant: TenantId::default_tenant(),
        kind: PrincipalKind::Service,
        name: "local".to_owned(),
        role: Role::Developer,
        suspended: false,
        scopes: Some(vec![Scope::Ingest, Scope::Read]),
        key: None,
    }
}

/// The tenant comes from the credential alone; a header that says otherwise is refused.
fn refuse_other_tenant(headers: &HeaderMap, tenant: &TenantId) -> Answer<()> {
    for name in ["x-tenant", "x-scope-orgid", "x-echobase-tenant"] {
        let other = headers.get(name).filter(|v| v.as_bytes() != tenant.as_str().as_bytes());
        if other.is_some() {
            let words = format!("the header `{name}` names another tenant than the credential's `{tenant}`");
            return Err(Failure::new(ErrorKind::Denied, words));
        }
    }
    Ok(())
}

/// Asks the decision point; a denial is recorded before it is answered.
pub(crate) async fn decide(
    app: &App,
    caller: &Caller,
    action: Action,
    resource: Option<ResourceRef>,
) -> Answer<()> {
    let resource = resource.unwrap_or_else(|| ResourceRef::tenant(caller.tenant().clone()));
    let Decision::Deny { reasons } = app.policy.decide(&caller.principal, action, &resource) else {
        return Ok(());
    };
    let words = format!(
        "{} may not {} as {}: {}",
        caller.principal.name,
        action.as_str(),
        caller.principal.role.as_str(),
        reasons.join("; ")
    );
    let draft = EntryDraft::new(caller.actor(), "policy.deny", "route", action.as_str())
        .outcome(Outcome::Deny)
        .fact("role", caller.principal.role.as_str())
        .fact("reason", reasons.join("; "));
    app.store.ledger().append(caller.tenant(), vec![draft], app.now()).await?;
    Err(Failure::new(ErrorKind::Denied, words))
}

/// A remembered write.
struct Memory {
    tenant: TenantId,
    key: String,
    replay: Replay,
}

enum Claimed {
    Fresh(Request, Option<Memory>),
    Repeated(Response),
}

const KEY_HEADER: &str = "idempotency-key";
/// Bodies of writes that carry an idempotency key are read whole to be hashed; larger ones are refused.
const MAX_REMEMBERED: usize = 64 << 20;

impl Memory {
    async fn claim(app: &App, replay: Replay, caller: &Caller, request: Request) -> Answer<Claimed> {
        let Some(key) = request.headers().get(KEY_HEADER) else { return Ok(Claimed::Fresh(request, None)) };
        let key = key.to_str().ok().filter(|k| !k.is_empty() && k.len() <= 128).ok_or_else(|| {
            Failure::new(ErrorKind::Invalid, "`Idempotency-Key` must be 1 to 128 visible ASCII characters")
        })?;
        // One caller cannot meet another's answer by guessing a key.
        let key = format!("{}/{key}", caller.principal.id);
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, MAX_REMEMBERED).await.map_err(|_| {
            Failure::new(ErrorKind::TooLarge, "the body is too large for a write with an `Idempotency-Key`")
        })?;
        let request = [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &bytes].join(&0);
        match app.store.idempotency().begin(caller.tenant(), &key, &request, app.now()).await? {
            Again::First => {
                let memory = Self { tenant: caller.tenant().clone(), key, replay };
                Ok(Claimed::Fresh(Request::from_parts(parts, Body::from(bytes)), Some(memory)))
            }
            Again::Again(answer) => Ok(Claimed::Repeated(replayed(answer))),
        }
    }

    /// Keeps the first answer. A failure of ours is forgotten, so that a retry is carried out.
    async fn keep(self, app: &App, response: Response) -> Response {
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let _ = app.store.idempotency().forget(&self.tenant, &self.key, app.now()).await;
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(bytes) = axum::body::to_bytes(body, MAX_REMEMBERED).await else {
            return Failure::new(ErrorKind::Internal, "the answer could not be kept").into_response();
        };
        let media = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let answer = if self.replay == Replay::Conflict && status.is_success() {
            let failure = Failure::new(
                ErrorKind::Conflict,
                "this was done already; its answer held a secret that is shown once and never stored",
            );
            kept::Answer {
                status: 409,
                content_type: "application/problem+json".to_owned(),
                body: serde_json::to_string(&failure.0).unwrap_or_default(),
            }
        } else {
            kept::Answer {
                status: status.as_u16(),
                content_type: media.to_owned(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
            }
        };
        let kept = app.store.idempotency().answered(&self.tenant, &self.key, &answer, app.now()).await;
        if let Err(error) = kept {
            tracing::warn!(error = %error, "answer of an idempotent request not kept");
        }
        Response::from_parts(parts, Body::from(bytes))
    }
}

fn replayed(answer: kept::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    if let Ok(value) = HeaderValue::from_str(&answer.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// The caller of a gRPC export: the same gate as the HTTP routes of OTLP.
pub(crate) async fn ingest_caller(app: &App, headers: &HeaderMap, peer: Option<IpAddr>) -> Answer<Caller> {
    let found = authenticate(app, Access::Local(Action::Ingest), headers, peer).await?;
    let caller = found.ok_or_else(|| {
        Failure::new(
            ErrorKind::Unauthenticated,
            "send an API key with the scope `ingest` as `authorization: Bearer eb_…`",
        )
    })?;
    decide(app, &caller, Action::Ingest, None).await?;
    Ok(caller)
}
