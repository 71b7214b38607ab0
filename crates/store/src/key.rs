//! API keys: `eb_<env>_<id>_<secret>_<crc>`. Stored is an HMAC-SHA-256 of the secret under a pepper that is not in
//! the database; the secret has 256 random bits, so that no slow hash stands on the hot path.

use std::time::Duration;

use echobase_types::principal::{Principal, Scope};
use echobase_types::{KeyId, PrincipalId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _};
use subtle::ConstantTimeEq as _;

use crate::column::{self, micros, parse, time, word};
use crate::entity::api_key as table;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::principal;
use crate::secret::{fresh_token, fresh_uuid};
use crate::{Page, PageRequest, Store, Trail, Tx};

/// The longest life of a key.
pub const MAX_LIFE: Duration = Duration::from_secs(365 * 86_400);
/// The longest time for which a rotated key goes on working.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 86_400);
/// Last use is noted this coarsely, so that most requests write nothing.
pub const LAST_USED_STEP: Duration = Duration::from_secs(60);

const NOUN: &str = "API key";

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub principal: PrincipalId,
    /// What it is for.
    pub name: String,
    /// The first characters of the key, to find it again.
    pub prefix: String,
    /// What it may be used for, within its owner's role.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    pub rotated_to: Option<KeyId>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose.
    pub principal: PrincipalId,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// How long it works: at most a year.
    pub lasts: Duration,
}

/// A key just made. The secret text is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedKey {
    /// The key.
    pub key: ApiKey,
    /// The whole key, to be shown once.
    pub secret: String,
}

/// API keys of the store.
pub struct Keys<'a> {
    pub(crate) store: &'a Store,
}

impl Keys<'_> {
    /// Makes a key.
    pub async fn create(
        &self,
        tenant: &TenantId,
        new: &NewKey,
        trail: impl FnOnce(&ApiKey) -> Trail,
        now: Timestamp,
    ) -> Result<CreatedKey, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let created = tx.create_key(new).await?;
        tx.leave(trail(&created.key)).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// The principal of a key, with the key's scopes; `Unauthenticated` if the key is unknown, wrong, expired or
    /// revoked. Whether the principal is suspended is for the decision point.
    pub async fn authenticate(&self, text: &str, now: Timestamp) -> Result<Principal, StoreError> {
        let wrong = || StoreError::Unauthenticated(NOUN);
        let parts = Parts::read(text).ok_or_else(wrong)?;
        let row = table::Entity::find()
            .filter(table::Column::Id.eq(parts.id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read API key"))?
            .ok_or_else(wrong)?;
        let given = self.store.pepper().mac("api-key", parts.secret)?;
        let right: bool = given.as_bytes().ct_eq(row.secret_hash.as_bytes()).into();
        if !right || row.revoked_at.is_some() || now.as_micros() >= row.expires_at {
            return Err(wrong());
        }
        let tenant: TenantId = parse("tenant", &row.tenant)?;
        let stale = row.last_used_at.is_none_or(|at| now.since(time(at)) >= LAST_USED_STEP);
        let key = read(row)?;
        let account = principal::read(principal::row_of(self.store.reader(), &tenant, key.principal).await?)?;
        // A store that cannot be written must still let people in, to freeze and to look.
        if stale && let Err(error) = self.touch(&tenant, key.id, now).await {
            tracing::warn!(key = %key.id, error = %error, "use of API key not noted");
        }
        Ok(account.principal(Some(key.scopes), Some(key.id)))
    }

    /// The key of this id.
    pub async fn get(&self, tenant: &TenantId, id: KeyId) -> Result<ApiKey, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read API key"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// The keys of a tenant, or of one principal, newest first, revoked ones included.
    pub async fn page(
        &self,
        tenant: &TenantId,
        owner: Option<PrincipalId>,
        request: &PageRequest,
    ) -> Result<Page<ApiKey>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(owner) = owner {
            all = all.add(table::Column::PrincipalId.eq(owner.to_string()));
        }
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list API keys",
            read,
        )
        .await
    }

    /// Makes a successor with the same owner, name, scopes and life; the old key works for `overlap` (at most 7
    /// days) longer.
    pub async fn rotate(
        &self,
        tenant: &TenantId,
        id: KeyId,
        overlap: Duration,
        trail: impl FnOnce(&ApiKey) -> Trail,
        now: Timestamp,
    ) -> Result<CreatedKey, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let created = tx.rotate_key(id, overlap).await?;
        tx.leave(trail(&created.key)).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Revokes a key at once. Revoking it again is no error.
    pub async fn revoke(
        &self,
        tenant: &TenantId,
        id: KeyId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.revoke_key(id).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    async fn touch(&self, tenant: &TenantId, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        column::execute(
            tx.conn(),
            "UPDATE api_key SET last_used_at = $1 WHERE tenant = $2 AND id = $3",
            vec![now.as_micros().into(), tenant.as_str().into(), id.to_string().into()],
        )
        .await
        .map_err(failed("note use of API key"))?;
        tx.commit().await.map(|_| ())
    }
}

impl Tx {
    /// Makes a key; see [`Keys::create`].
    pub async fn create_key(&mut self, new: &NewKey) -> Result<CreatedKey, StoreError> {
        if new.lasts.is_zero() || new.lasts > MAX_LIFE {
            return Err(StoreError::invalid(
                "life of the key",
                "it must be more than nothing and at most 365 days",
            ));
        }
        if new.scopes.is_empty() {
            return Err(StoreError::invalid("scopes", "name at least one"));
        }
        principal::row_of(self.conn(), self.tenant(), new.principal).await?;
        let mut scopes = new.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        let id = fresh_uuid(self.now())?;
        let secret = fresh_token()?;
        let text = Parts { id: KeyId::from_uuid(id), secret: &secret }.write();
        let row = table::Model {
            tenant: self.tenant_text(),
            id: id.to_string(),
            principal_id: new.principal.to_string(),
            name: new.name.clone(),
            prefix: text.chars().take(PREFIX_CHARS).collect(),
            secret_hash: self.pepper().mac("api-key", &secret)?,
            scopes: scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "),
            created_at: self.micros(),
            expires_at: self.micros().saturating_add(micros(new.lasts)),
            last_used_at: None,
            revoked_at: None,
            rotated_to: None,
        };
        let key = read(row.clone())?;
        table::Entity::insert(sea_orm::IntoActiveModel::into_active_model(row))
            .exec_without_returning(self.conn())
            .await
            .map_err(failed("make API key"))?;
        Ok(CreatedKey { key, secret: text })
    }

    /// Makes a successor of a key; see [`Keys::rotate`].
    pub async fn rotate_key(&mut self, id: KeyId, overlap: Duration) -> Result<CreatedKey, StoreError> {
        if overlap > MAX_OVERLAP {
            return Err(StoreError::invalid("overlap", "it must be at most 7 days"));
        }
        let old = self.live_key(id).await?;
        let created = self
            .create_key(&NewKey {
                principal: old.principal,
                name: old.name.clone(),
                scopes: old.scopes.clone(),
                lasts: old.expires_at.since(old.created_at).min(MAX_LIFE),
            })
            .await?;
        let ends = (self.now() + overlap).min(old.expires_at);
        let change = table::ActiveModel {
            expires_at: Set(ends.as_micros()),
            rotated_to: Set(Some(created.key.id.to_string())),
            ..Default::default()
        };
        self.change_key(id, change).await?;
        Ok(created)
    }

    /// Revokes a key; see [`Keys::revoke`].
    pub async fn revoke_key(&mut self, id: KeyId) -> Result<(), StoreError> {
        let row = self.key_row(id).await?;
        if row.revoked_at.is_some() {
            return Ok(());
        }
        let at = Some(self.micros());
        self.change_key(id, table::ActiveModel { revoked_at: Set(at), ..Default::default() }).await
    }

    async fn live_key(&self, id: KeyId) -> Result<ApiKey, StoreError> {
        let key = read(self.key_row(id).await?)?;
        if key.revoked_at.is_some() || key.rotated_to.is_some() || self.now() >= key.expires_at {
            return Err(StoreError::conflict(NOUN, id, "it is revoked, expired or rotated already"));
        }
        Ok(key)
    }

    async fn key_row(&self, id: KeyId) -> Result<table::Model, StoreError> {
        table::Entity::find_by_id((self.tenant_text(), id.to_string()))
            .one(self.conn())
            .await
            .map_err(failed("read API key"))?
            .ok_or_else(|| StoreError::not_found(NOUN, id))
    }

    async fn change_key(&mut self, id: KeyId, change: table::ActiveModel) -> Result<(), StoreError> {
        table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Id.eq(id.to_string()))
            .exec(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("change API key"))
    }
}

/// Characters of the prefix that is stored and shown: `eb_live_` and eight digits of the random part of the id.
const PREFIX_CHARS: usize = 8 + 16;

/// The readable parts of a key.
struct Parts<'a> {
    id: KeyId,
    secret: &'a str,
}

impl<'a> Parts<'a> {
    /// The environment part; a place for test keys, so that a scanner can tell them apart.
    const ENVIRONMENT: &'static str = "live";

    fn write(&self) -> String {
        let head = format!("eb_{}_{}_{}", Self::ENVIRONMENT, self.id.as_uuid().simple(), self.secret);
        let crc = crc32fast::hash(head.as_bytes());
        format!("{head}_{crc:08x}")
    }

    /// Reads a key; `None` if it is misspelt, which the checksum tells without asking the database.
    fn read(text: &'a str) -> Option<Self> {
        let (head, crc) = text.rsplit_once('_')?;
        if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(head.as_bytes()) {
            return None;
        }
        let mut parts = head.split('_');
        let (brand, _environment, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if brand != "eb" || parts.next().is_some() || secret.len() != 64 {
            return None;
        }
        Some(Self { id: id.parse().ok()?, secret })
    }
}

fn read(row: table::Model) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: parse(NOUN, &row.id)?,
        principal: parse("principal", &row.principal_id)?,
        name: row.name,
        prefix: row.prefix,
        scopes: row.scopes.split(' ').map(|s| word("scope", s, Scope::parse)).collect::<Result<_, _>>()?,
        created_at: time(row.created_at),
        expires_at: time(row.expires_at),
        last_used_at: row.last_used_at.map(time),
        revoked_at: row.revoked_at.map(time),
        rotated_to: row.rotated_to.as_deref().map(|id| parse(NOUN, id)).transpose()?,
    })
}
