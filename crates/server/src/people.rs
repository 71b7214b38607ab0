//! Principals, keys and tenants, as the routes change them: each change with its ledger entry.

use std::time::Duration;

use echobase_api::principal::{
    ApiKeyCreated, ApiKeyDraft, Principal, PrincipalChange, PrincipalCreated, PrincipalDraft, RotateRequest,
    Tenant, TenantCreated, TenantDraft,
};
use echobase_policy::Action;
use echobase_store::fresh_uuid;
use echobase_store::key::{ApiKey, NewKey};
use echobase_store::password::PasswordHash;
use echobase_store::principal::{Account, NewPrincipal, Standing};
use echobase_store::{Page, PageRequest, Trail};
use echobase_types::ledger::{Actor, ActorKind, EntryDraft, Outcome};
use echobase_types::principal::{PrincipalKind, Role, Scope};
use echobase_types::{ErrorKind, KeyId, PrincipalId, TenantId};

use crate::app::App;
use crate::convert;
use crate::guard::Caller;
use crate::problem::{Answer, Failure};

/// An entry of a principal about itself.
pub(crate) fn entry(account: &Account, action: &str) -> EntryDraft {
    let kind = match account.kind {
        PrincipalKind::User => ActorKind::User,
        PrincipalKind::Service => ActorKind::Service,
    };
    let actor = Actor { kind, id: account.id.to_string() };
    EntryDraft::new(actor, action, "principal", account.id)
}

/// Records that somebody failed to sign in. The name is not entered: people type passwords into it.
pub(crate) async fn record_refused_sign_in(app: &App, tenant: &TenantId, name: &str) -> Answer<()> {
    let Ok(account) = app.store.principals().by_name(tenant, name).await else { return Ok(()) };
    let draft = entry(&account, "session.refuse").outcome(Outcome::Deny);
    app.store.ledger().append(tenant, vec![draft], app.now()).await?;
    Ok(())
}

fn role_of(word: &str) -> Answer<Role> {
    Role::parse(word).ok_or_else(|| {
        let all: Vec<&str> = Role::ALL.iter().map(|r| r.as_str()).collect();
        Failure::new(ErrorKind::Invalid, format!("`{word}` is no role; roles are {}", all.join(", ")))
    })
}

/// Makes a principal; without a password, with a one-time link.
pub(crate) async fn create(app: &App, caller: &Caller, draft: PrincipalDraft) -> Answer<PrincipalCreated> {
    let now = app.now();
    let kind = match draft.kind.as_deref() {
        None => PrincipalKind::User,
        Some(word) => PrincipalKind::parse(word).ok_or_else(|| {
            Failure::new(ErrorKind::Invalid, format!("`{word}` is no kind of principal; use user or service"))
        })?,
    };
    let password = match draft.password {
        Some(password) => Some(PasswordHash::new(password).await?),
        None => None,
    };
    let needs_link = kind == PrincipalKind::User && password.is_none();
    let id = PrincipalId::from_uuid(fresh_uuid(now)?);
    let new = NewPrincipal { id, kind, name: draft.name, role: role_of(&draft.role)?, password };
    let told = EntryDraft::new(caller.actor(), "principal.create", "principal", id)
        .fact("kind", kind.as_str())
        .fact("role", new.role.as_str());
    let mut tx = app.store.begin(caller.tenant(), now).await?;
    tx.create_principal(&new).await?;
    tx.append(&[told]).await?;
    let signin_path = if needs_link {
        let link = EntryDraft::new(caller.actor(), "signin_link.create", "principal", id);
        tx.append(&[link]).await?;
        Some(signin_path(&tx.create_signin_link(id).await?))
    } else {
        None
    };
    tx.commit().await?;
    let account = app.store.principals().get(caller.tenant(), id).await?;
    Ok(PrincipalCreated { principal: convert::principal(&account), signin_path })
}

/// The path of a sign-in link.
pub(crate) fn signin_path(token: &str) -> String {
    format!("/signin?token={token}")
}

/// Changes role, standing or password, all or nothing.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    id: PrincipalId,
    change: PrincipalChange,
) -> Answer<Principal> {
    let role = change.role.as_deref().map(role_of).transpose()?;
    let password = match change.password {
        Some(password) => Some(PasswordHash::new(password).await?),
        None => None,
    };
    let told = |action: &str| EntryDraft::new(caller.actor(), action, "principal", id);
    let mut tx = app.store.begin(caller.tenant(), app.now()).await?;
    if let Some(role) = role {
        tx.set_role(id, role).await?;
        tx.append(&[told("principal.role").fact("role", role.as_str())]).await?;
    }
    if let Some(suspended) = change.suspended {
        let standing = if suspended { Standing::Suspended } else { Standing::Active };
        tx.set_standing(id, standing).await?;
        tx.append(&[told("principal.suspend").fact("suspended", suspended)]).await?;
    }
    if let Some(hash) = &password {
        tx.set_password(id, hash).await?;
        tx.append(&[told("principal.password")]).await?;
    }
    tx.commit().await?;
    let account = app.store.principals().get(caller.tenant(), id).await?;
    Ok(convert::principal(&account))
}

/// Makes an API key, for the caller or, by who may write principals, for another.
pub(crate) async fn create_key(app: &App, caller: &Caller, draft: ApiKeyDraft) -> Answer<ApiKeyCreated> {
    let owner = match &draft.principal_id {
        Some(text) => text.parse().map_err(|_| Failure::not_found("principal", text))?,
        None => caller.principal.id,
    };
    if owner != caller.principal.id {
        crate::guard::decide(app, caller, Action::WritePrincipals, None).await?;
    }
    let scopes = draft.scopes.iter().map(|word| {
        Scope::parse(word).ok_or_else(|| {
            let words = format!("`{word}` is no scope; scopes are ingest, read, write, act, admin");
            Failure::new(ErrorKind::Invalid, words)
        })
    });
    let scopes = scopes.collect::<Answer<Vec<_>>>()?;
    // A key can never do more than the key it was made with.
    if let Some(held) = &caller.principal.scopes
        && let Some(missing) = scopes.iter().find(|s| !held.contains(s))
    {
        let words = format!("the key you use lacks the scope `{}`, so it cannot give it", missing.as_str());
        return Err(Failure::new(ErrorKind::Denied, words));
    }
    let days = u64::from(draft.expires_in_days.unwrap_or(90));
    let new = NewKey {
        principal: owner,
        name: draft.name,
        scopes,
        lasts: Duration::from_secs(days.saturating_mul(86_400)),
    };
    let told = |key: &ApiKey| trail(caller, "key.create", key);
    let made = app.store.keys().create(caller.tenant(), &new, told, app.now()).await?;
    Ok(ApiKeyCreated { key: convert::key(&made.key), secret: made.secret })
}

fn trail(caller: &Caller, action: &str, key: &ApiKey) -> Trail {
    let scopes: Vec<&str> = key.scopes.iter().map(|s| s.as_str()).collect();
    EntryDraft::new(caller.actor(), action, "key", key.id)
        .fact("principal", key.principal.to_string())
        .fact("scopes", scopes.join(" "))
        .fact("expires_at", key.expires_at.to_string())
        .into()
}

/// A key of the caller, or of anybody for who may write principals; otherwise it is not there.
async fn own_key(app: &App, caller: &Caller, id: KeyId) -> Answer<ApiKey> {
    let key = app.store.keys().get(caller.tenant(), id).await?;
    if key.principal == caller.principal.id || app.permits(&caller.principal, Action::WritePrincipals) {
        return Ok(key);
    }
    Err(Failure::not_found("API key", id))
}

/// Rotates a key.
pub(crate) async fn rotate_key(
    app: &App,
    caller: &Caller,
    id: KeyId,
    request: RotateRequest,
) -> Answer<ApiKeyCreated> {
    own_key(app, caller, id).await?;
    let overlap = Duration::from_secs(u64::from(request.overlap_hours.unwrap_or(24)) * 3_600);
    let told = |key: &ApiKey| trail(caller, "key.rotate", key);
    let made = app.store.keys().rotate(caller.tenant(), id, overlap, told, app.now()).await?;
    Ok(ApiKeyCreated { key: convert::key(&made.key), secret: made.secret })
}

/// Ends a key.
pub(crate) async fn revoke_key(app: &App, caller: &Caller, id: KeyId) -> Answer<()> {
    let key = own_key(app, caller, id).await?;
    app.store.keys().revoke(caller.tenant(), id, trail(caller, "key.revoke", &key), app.now()).await?;
    Ok(())
}

/// The keys that the caller may see: its own, or all for who may write principals.
pub(crate) async fn keys(app: &App, caller: &Caller, request: &PageRequest) -> Answer<Page<ApiKey>> {
    let all = app.permits(&caller.principal, Action::WritePrincipals);
    let owner = if all { None } else { Some(caller.principal.id) };
    Ok(app.store.keys().page(caller.tenant(), owner, request).await?)
}

/// The tenants that the caller may see: all from the tenant `default`, else its own.
pub(crate) async fn tenants(
    app: &App,
    caller: &Caller,
    request: &PageRequest,
) -> Answer<echobase_api::Page<Tenant>> {
    if *caller.tenant() == TenantId::default_tenant() {
        return Ok(convert::page(app.store.tenants().page(request).await?, convert::tenant));
    }
    let own = app.store.tenants().get(caller.tenant()).await?;
    Ok(echobase_api::Page { items: vec![convert::tenant(&own)], next_cursor: None })
}

/// Makes a tenant with its first administrator.
pub(crate) async fn create_tenant(app: &App, caller: &Caller, draft: TenantDraft) -> Answer<TenantCreated> {
    if *caller.tenant() != TenantId::default_tenant() {
        let words = "tenants are made by an administrator of the tenant `default`";
        return Err(Failure::new(ErrorKind::Denied, words));
    }
    let id: TenantId = draft.id.parse()?;
    let (path, _) =
        first_administrator(app.now(), &app.store, &id, &draft.name, &draft.admin_name, caller.actor())
            .await?;
    let told = EntryDraft::new(caller.actor(), "tenant.create", "tenant", &id);
    app.store.ledger().append(caller.tenant(), vec![told], app.now()).await?;
    let made = app.store.tenants().get(&id).await?;
    Ok(TenantCreated { tenant: convert::tenant(&made), signin_path: path })
}

/// Makes a tenant, its administrator and a one-time link, in one transaction of the tenant's own log.
pub(crate) async fn first_administrator(
    now: echobase_types::Timestamp,
    store: &echobase_store::Store,
    tenant: &TenantId,
    name: &str,
    admin: &str,
    actor: Actor,
) -> Result<(String, PrincipalId), echobase_store::StoreError> {
    let id = PrincipalId::from_uuid(fresh_uuid(now)?);
    let new = NewPrincipal {
        id,
        kind: PrincipalKind::User,
        name: admin.to_owned(),
        role: Role::Admin,
        password: None,
    };
    let mut tx = store.begin(tenant, now).await?;
    tx.create_tenant(name).await?;
    tx.create_principal(&new).await?;
    let token = tx.create_signin_link(id).await?;
    tx.append(&[
        EntryDraft::new(actor.clone(), "tenant.create", "tenant", tenant),
        EntryDraft::new(actor.clone(), "principal.create", "principal", id)
            .fact("role", Role::Admin.as_str()),
        EntryDraft::new(actor, "signin_link.create", "principal", id),
    ])
    .await?;
    tx.commit().await?;
    Ok((signin_path(&token), id))
}
