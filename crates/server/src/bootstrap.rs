//! The first start: a tenant, its administrator, a way in. No default password, ever.

use std::path::Path;
use std::time::Duration;

use echobase_store::key::{ApiKey, NewKey};
use echobase_store::{PageRequest, Store, StoreError, Trail};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::principal::{Role, Scope};
use echobase_types::{ErrorKind, PrincipalId, TenantId, Timestamp};

use crate::people;

/// The name of the first administrator.
const ADMIN: &str = "admin";
/// How long the automation's key works.
const KEY_LASTS: Duration = Duration::from_secs(365 * 86_400);

/// The way in could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store failed.
    #[error("make the first administrator")]
    Store(#[from] StoreError),
    /// The key file cannot be written.
    #[error("write the administrator's key to {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Makes tenant and administrator if there are none. Answers the path of a one-time sign-in link as long as the
/// administrator has no password: who can start the server owns the data.
pub(crate) async fn way_in(store: &Store, now: Timestamp) -> Result<Option<String>, BootstrapError> {
    let tenant = TenantId::default_tenant();
    let actor = Actor::system("bootstrap");
    match store.tenants().get(&tenant).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (path, _) = people::first_administrator(now, store, &tenant, "Default", ADMIN, actor).await?;
            return Ok(Some(path));
        }
        found => found?,
    };
    let Ok(admin) = store.principals().by_name(&tenant, ADMIN).await else { return Ok(None) };
    if admin.has_password {
        return Ok(None);
    }
    let trail = EntryDraft::new(actor, "signin_link.create", "principal", admin.id).into();
    let token = store.signin_links().create(&tenant, admin.id, trail, now).await?;
    Ok(Some(people::signin_path(&token)))
}

/// Writes an administrator's API key for automation, if the file does not hold one that still works.
pub(crate) async fn key_file(store: &Store, path: &Path, now: Timestamp) -> Result<(), BootstrapError> {
    let tenant = TenantId::default_tenant();
    if let Ok(text) = std::fs::read_to_string(path)
        && store.keys().authenticate(text.trim(), now).await.is_ok()
    {
        return Ok(());
    }
    let owner = administrator(store, &tenant).await?;
    let new = NewKey {
        principal: owner,
        name: "bootstrap key file".to_owned(),
        scopes: Scope::ALL.to_vec(),
        lasts: KEY_LASTS,
    };
    let trail = |key: &ApiKey| -> Trail {
        EntryDraft::new(Actor::system("bootstrap"), "key.create", "key", key.id)
            .fact("principal", owner.to_string())
            .fact("scopes", "all")
            .into()
    };
    let made = store.keys().create(&tenant, &new, trail, now).await?;
    crate::files::write_secret(path, format!("{}\n", made.secret).as_bytes())
        .map_err(|source| BootstrapError::Write { path: path.display().to_string(), source })
}

async fn administrator(store: &Store, tenant: &TenantId) -> Result<PrincipalId, StoreError> {
    if let Ok(admin) = store.principals().by_name(tenant, ADMIN).await {
        return Ok(admin.id);
    }
    let all = store.principals().page(tenant, &PageRequest::largest()).await?;
    let other = all.items.into_iter().find(|a| a.role == Role::Admin);
    other.map(|a| a.id).ok_or(StoreError::NotFound { noun: "administrator", id: tenant.to_string() })
}
