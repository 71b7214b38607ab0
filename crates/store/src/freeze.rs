//! The freeze switch: where it is set, nothing is executed, rollbacks excepted. It survives a restart, and two
//! people release it.

use std::fmt;
use std::str::FromStr;

use echobase_types::{PlaybookId, PrincipalId, ResourceId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _};

use crate::column::{parse, time};
use crate::entity::freeze as table;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::{Store, Trail, Tx};

const NOUN: &str = "freeze";

/// What a freeze holds still. Its text is `tenant`, `resource:<id>` or `playbook:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreezeScope {
    /// Everything of the tenant.
    Tenant,
    /// One target.
    Resource(ResourceId),
    /// One playbook.
    Playbook(PlaybookId),
}

impl FreezeScope {
    /// Whether an intervention on this target by this playbook is held still.
    pub fn covers(&self, target: &ResourceId, playbook: Option<PlaybookId>) -> bool {
        match self {
            Self::Tenant => true,
            Self::Resource(id) => id == target,
            Self::Playbook(id) => playbook == Some(*id),
        }
    }
}

impl fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Resource(id) => write!(f, "resource:{id}"),
            Self::Playbook(id) => write!(f, "playbook:{id}"),
        }
    }
}

/// The text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `tenant`, `resource:<id>` or `playbook:<id>`")]
pub struct InvalidScope(pub String);

impl FromStr for FreezeScope {
    type Err = InvalidScope;
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let wrong = || InvalidScope(text.chars().take(80).collect());
        if text == "tenant" {
            return Ok(Self::Tenant);
        }
        match text.split_once(':').ok_or_else(wrong)? {
            ("resource", id) => id.parse().map(Self::Resource).map_err(|_| wrong()),
            ("playbook", id) => id.parse().map(Self::Playbook).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// A freeze in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// What it holds still.
    pub scope: FreezeScope,
    /// Why.
    pub reason: String,
    /// Who set it: a principal id, or `controller`.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for its release, if somebody did; a second person must confirm.
    pub release_requested_by: Option<PrincipalId>,
}

/// Freezes of the store.
pub struct Freezes<'a> {
    pub(crate) store: &'a Store,
}

impl Freezes<'_> {
    /// Sets a freeze. One that is set already stays as it is, but an open request for its release is void.
    pub async fn set(
        &self,
        tenant: &TenantId,
        scope: &FreezeScope,
        reason: &str,
        by: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.set_freeze(scope, reason, by).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Asks for the release of a freeze; it stays in force. Asking again replaces the one who asked.
    pub async fn request_release(
        &self,
        tenant: &TenantId,
        scope: &FreezeScope,
        by: PrincipalId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.freeze(scope).await?;
        let change = table::ActiveModel {
            release_requested_by: Set(Some(by.to_string())),
            release_requested_at: Set(Some(now.as_micros())),
            ..Default::default()
        };
        table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::Scope.eq(scope.to_string()))
            .exec(tx.conn())
            .await
            .map_err(failed("ask for release of freeze"))?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Releases a freeze; `Conflict` unless another person asked for it before.
    pub async fn confirm_release(
        &self,
        tenant: &TenantId,
        scope: &FreezeScope,
        by: PrincipalId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        match tx.freeze(scope).await?.release_requested_by {
            Some(first) if first != by => {}
            Some(_) => {
                return Err(StoreError::conflict(NOUN, scope, "a second person must confirm its release"));
            }
            None => return Err(StoreError::conflict(NOUN, scope, "nobody has asked for its release")),
        }
        tx.clear_freeze(scope).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Releases a freeze at once, for a tenant that has only one person who may. Whether it has is for the caller.
    pub async fn clear(
        &self,
        tenant: &TenantId,
        scope: &FreezeScope,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.freeze(scope).await?;
        tx.clear_freeze(scope).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// All freezes in force in a tenant, by scope.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Freeze>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(table::Column::Scope)
            .all(self.store.reader())
            .await
            .map_err(failed("list freezes"))?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The freeze that holds an intervention on this target by this playbook still, if any.
    pub async fn covering(
        &self,
        tenant: &TenantId,
        target: &ResourceId,
        playbook: Option<PlaybookId>,
    ) -> Result<Option<Freeze>, StoreError> {
        Ok(self.list(tenant).await?.into_iter().find(|f| f.scope.covers(target, playbook)))
    }
}

impl Tx {
    /// Sets a freeze; see [`Freezes::set`].
    pub async fn set_freeze(
        &mut self,
        scope: &FreezeScope,
        reason: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let row = table::Model {
            tenant: self.tenant_text(),
            scope: scope.to_string(),
            reason: reason.to_owned(),
            set_by: by.to_owned(),
            since: self.micros(),
            release_requested_by: None,
            release_requested_at: None,
        };
        let again = sea_orm::sea_query::OnConflict::columns([table::Column::Tenant, table::Column::Scope])
            .update_columns([table::Column::ReleaseRequestedBy, table::Column::ReleaseRequestedAt])
            .to_owned();
        table::Entity::insert(row.into_active_model())
            .on_conflict(again)
            .exec_without_returning(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("set freeze"))
    }

    /// The freeze of this scope, as this transaction sees it.
    pub async fn freeze(&self, scope: &FreezeScope) -> Result<Freeze, StoreError> {
        table::Entity::find_by_id((self.tenant_text(), scope.to_string()))
            .one(self.conn())
            .await
            .map_err(failed("read freeze"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, scope))?
    }

    /// The freeze that holds an intervention on this target by this playbook still, if any, as this transaction
    /// sees it: checked here, no freeze can come between the check and the start.
    pub async fn freeze_covering(
        &self,
        target: &ResourceId,
        playbook: Option<PlaybookId>,
    ) -> Result<Option<Freeze>, StoreError> {
        let rows = table::Entity::find()
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .order_by_asc(table::Column::Scope)
            .all(self.conn())
            .await
            .map_err(failed("list freezes"))?;
        let all = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().find(|f| f.scope.covers(target, playbook)))
    }

    /// Releases a freeze; releasing what is not set is no error.
    pub async fn clear_freeze(&mut self, scope: &FreezeScope) -> Result<(), StoreError> {
        table::Entity::delete_by_id((self.tenant_text(), scope.to_string()))
            .exec(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("release freeze"))
    }
}

fn read(row: table::Model) -> Result<Freeze, StoreError> {
    Ok(Freeze {
        scope: parse(NOUN, &row.scope)?,
        reason: row.reason,
        by: row.set_by,
        since: time(row.since),
        release_requested_by: row.release_requested_by.map(|id| parse("principal", &id)).transpose()?,
    })
}
