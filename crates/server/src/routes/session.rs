//! Signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use echobase_api::session::{PasswordChange, Redeem, Session, SignIn};
use echobase_policy::Action;
use echobase_store::password::PasswordHash;
use echobase_store::principal::Account;
use echobase_types::ledger::EntryDraft;
use echobase_types::principal::Principal;
use echobase_types::{ErrorKind, TenantId};

use crate::app::App;
use crate::extract::Body;
use crate::guard::Caller;
use crate::people;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post, put};
use crate::session;

pub(super) fn routes() -> Vec<Route> {
    let open = Access::Public("signing in comes before being signed in");
    vec![
        get("/api/v1/session", "read_session", Access::SignedIn, read)
            .says("session", "Who is signed in, and what they may do")
            .answers::<Session>(),
        post("/api/v1/session", "sign_in", open, sign_in)
            .says("session", "Sign in by name and password")
            .takes::<SignIn>()
            .answers::<Session>()
            .repeatable(),
        post("/api/v1/session:redeem", "redeem_link", open, redeem)
            .says("session", "Sign in by a one-time link")
            .takes::<Redeem>()
            .answers::<Session>()
            .repeatable(),
        crate::route::delete("/api/v1/session", "sign_out", Access::SignedIn, sign_out)
            .says("session", "Sign out")
            .status(204)
            .repeatable(),
        put("/api/v1/session/password", "set_password", Access::SignedIn, set_password)
            .says("session", "Set one's own password; all other sessions end")
            .takes::<PasswordChange>()
            .answers::<Session>()
            .repeatable(),
    ]
}

fn describe(app: &App, principal: &Principal, csrf_token: Option<String>) -> Session {
    Session {
        principal_id: principal.id.to_string(),
        name: principal.name.clone(),
        role: principal.role.as_str().to_owned(),
        tenant: principal.tenant.to_string(),
        permissions: Action::ALL
            .iter()
            .filter(|action| app.permits(principal, **action))
            .map(|action| action.as_str().to_owned())
            .collect(),
        csrf_token,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn read(State(app): State<App>, caller: Caller) -> Json<Session> {
    let csrf_token = caller.session.as_ref().map(|s| s.csrf_token.clone());
    Json(describe(&app, &caller.principal, csrf_token))
}

async fn sign_in(State(app): State<App>, headers: HeaderMap, Body(form): Body<SignIn>) -> Answer<Response> {
    session::refuse_cross_site(&headers)?;
    let tenant = match form.tenant {
        Some(text) => text.parse()?,
        None => TenantId::default_tenant(),
    };
    // Guessing is slowed per name, wherever it comes from.
    app.limiter.take(&format!("sign-in {tenant}/{}", form.name), app.now())?;
    let account = match app.store.principals().sign_in(&tenant, &form.name, form.password).await {
        Ok(account) => account,
        Err(error) => {
            people::record_refused_sign_in(&app, &tenant, &form.name).await?;
            return Err(error.into());
        }
    };
    open(&app, &account, "password").await
}

async fn redeem(State(app): State<App>, headers: HeaderMap, Body(form): Body<Redeem>) -> Answer<Response> {
    session::refuse_cross_site(&headers)?;
    let used = |account: &Account| people::entry(account, "signin_link.redeem").into();
    let account = app.store.signin_links().redeem(&form.token, used, app.now()).await.map_err(|error| {
        let words = "this sign-in link was used already or has expired; ask an administrator for a new one, or \
                     restart the server to have one printed";
        match error.kind() {
            ErrorKind::Unauthenticated => Failure::new(ErrorKind::Unauthenticated, words),
            _ => error.into(),
        }
    })?;
    open(&app, &account, "link").await
}

async fn open(app: &App, account: &Account, way: &str) -> Answer<Response> {
    let trail = people::entry(account, "session.begin").fact("way", way).into();
    let length = app.config.server.session_length;
    let made = app.store.sessions().create(&account.tenant, account.id, length, trail, app.now()).await?;
    let body = Json(describe(app, &account.principal(None, None), Some(made.session.csrf_token)));
    let mut response = body.into_response();
    if let Some(cookie) = session::set_cookie(app, &made.token) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn sign_out(State(app): State<App>, caller: Caller) -> Answer<Response> {
    if let Some(known) = &caller.session {
        let trail = EntryDraft::new(caller.actor(), "session.end", "session", known.id).into();
        app.store.sessions().end(caller.tenant(), known.id, trail, app.now()).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = session::clear_cookie(&app) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Ends all sessions of the caller and answers a new one, so that a stolen cookie ends here.
async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Body(form): Body<PasswordChange>,
) -> Answer<Response> {
    let hash = PasswordHash::new(form.password).await?;
    let trail =
        EntryDraft::new(caller.actor(), "principal.password", "principal", caller.principal.id).into();
    let (tenant, id) = (caller.tenant(), caller.principal.id);
    app.store.principals().set_password(tenant, id, &hash, trail, app.now()).await?;
    let account = app.store.principals().get(tenant, id).await?;
    open(&app, &account, "password change").await
}
