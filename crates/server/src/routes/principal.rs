//! Principals, API keys, tenants.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::page::PageQuery;
use echobase_api::principal::{
    ApiKey, ApiKeyCreated, ApiKeyDraft, Principal, PrincipalChange, PrincipalCreated, PrincipalDraft,
    RotateRequest, Tenant, TenantCreated, TenantDraft,
};
use echobase_policy::Action;
use echobase_types::{KeyId, PrincipalId};

use crate::app::App;
use crate::convert;
use crate::extract::{Body, Params, Segment};
use crate::guard::Caller;
use crate::people;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, delete, get, patch, post};

pub(super) fn routes() -> Vec<Route> {
    let read_people = Access::Action(Action::ReadPrincipals);
    let write_people = Access::Action(Action::WritePrincipals);
    let read_keys = Access::Action(Action::ReadKeys);
    let write_keys = Access::Action(Action::WriteKeys);
    vec![
        get("/api/v1/principals", "list_principals", read_people, list)
            .says("principals", "People and machines of the tenant, by name")
            .query::<PageQuery>()
            .answers_page::<Principal>(),
        post("/api/v1/principals", "create_principal", write_people, create)
            .says("principals", "Make one; without a password, a one-time sign-in link is answered")
            .takes::<PrincipalDraft>()
            .answers::<PrincipalCreated>()
            .status(201)
            .shows_secret(),
        patch("/api/v1/principals/{id}", "change_principal", write_people, change)
            .says("principals", "Change role, password, or switch off")
            .takes::<PrincipalChange>()
            .answers::<Principal>()
            .repeatable(),
        get("/api/v1/keys", "list_keys", read_keys, keys)
            .says("keys", "API keys, newest first")
            .query::<PageQuery>()
            .answers_page::<ApiKey>(),
        post("/api/v1/keys", "create_key", write_keys, create_key)
            .says("keys", "Make a key; its secret is shown once")
            .takes::<ApiKeyDraft>()
            .answers::<ApiKeyCreated>()
            .status(201)
            .shows_secret(),
        post("/api/v1/keys/{id}:rotate", "rotate_key", write_keys, rotate)
            .says("keys", "Make a new secret; the old one works on for the overlap")
            .takes::<RotateRequest>()
            .answers::<ApiKeyCreated>()
            .shows_secret(),
        delete("/api/v1/keys/{id}", "revoke_key", write_keys, revoke)
            .says("keys", "End a key now")
            .status(204),
        get("/api/v1/tenants", "list_tenants", Access::Action(Action::ReadTenants), tenants)
            .says("tenants", "Tenants, by id")
            .query::<PageQuery>()
            .answers_page::<Tenant>(),
        post("/api/v1/tenants", "create_tenant", Access::Action(Action::WriteTenants), create_tenant)
            .says("tenants", "Make a tenant with its first administrator")
            .takes::<TenantDraft>()
            .answers::<TenantCreated>()
            .status(201)
            .shows_secret(),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Principal>>> {
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.principals().page(caller.tenant(), &request).await?;
    Ok(Json(convert::page(page, convert::principal)))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<PrincipalDraft>,
) -> Answer<(StatusCode, Json<PrincipalCreated>)> {
    let made = people::create(&app, &caller, draft).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(change): Body<PrincipalChange>,
) -> Answer<Json<Principal>> {
    let id: PrincipalId = id.parse().map_err(|_| Failure::not_found("principal", &id))?;
    Ok(Json(people::change(&app, &caller, id, change).await?))
}

async fn keys(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<ApiKey>>> {
    let request = super::page(query.cursor, query.limit)?;
    Ok(Json(convert::page(people::keys(&app, &caller, &request).await?, convert::key)))
}

async fn create_key(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<ApiKeyDraft>,
) -> Answer<(StatusCode, Json<ApiKeyCreated>)> {
    let made = people::create_key(&app, &caller, draft).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

fn key_of(text: &str) -> Answer<KeyId> {
    text.parse().map_err(|_| Failure::not_found("key", text))
}

async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<RotateRequest>,
) -> Answer<Json<ApiKeyCreated>> {
    Ok(Json(people::rotate_key(&app, &caller, key_of(&id)?, request).await?))
}

async fn revoke(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<StatusCode> {
    people::revoke_key(&app, &caller, key_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tenants(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Tenant>>> {
    let request = super::page(query.cursor, query.limit)?;
    Ok(Json(people::tenants(&app, &caller, &request).await?))
}

async fn create_tenant(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<TenantDraft>,
) -> Answer<(StatusCode, Json<TenantCreated>)> {
    let made = people::create_tenant(&app, &caller, draft).await?;
    Ok((StatusCode::CREATED, Json(made)))
}
