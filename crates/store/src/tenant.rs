//! Tenants.

use echobase_types::{TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::column::{parse, time};
use crate::entity::tenant;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::{Page, PageRequest, Store, Trail, Tx};

/// An isolated customer or team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The name people use.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The name of the system log; no tenant may have it.
pub const SYSTEM_LOG: &str = "system";

/// Tenants of the store.
pub struct Tenants<'a> {
    pub(crate) store: &'a Store,
}

impl Tenants<'_> {
    /// Makes a tenant. The entries of `trail` go to the new tenant's own log.
    pub async fn create(
        &self,
        id: &TenantId,
        name: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(id, now).await?;
        tx.create_tenant(name).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// The tenant of this id.
    pub async fn get(&self, id: &TenantId) -> Result<Tenant, StoreError> {
        tenant::Entity::find_by_id(id.to_string())
            .one(self.store.reader())
            .await
            .map_err(failed("read tenant"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found("tenant", id))?
    }

    /// All tenants, by id. Reads across tenants.
    pub async fn page(&self, request: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        let mut query = tenant::Entity::find().order_by_asc(tenant::Column::Tenant).limit(request.rows());
        if let Some(after) = request.sort_key()? {
            query = query.filter(tenant::Column::Tenant.gt(after));
        }
        let rows = query.all(self.store.reader()).await.map_err(failed("list tenants"))?;
        Page::cut(rows, request, |row| row.tenant.clone(), read)
    }

    /// The ids of all tenants, in order. Reads across tenants.
    pub async fn ids(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows = tenant::Entity::find()
            .order_by_asc(tenant::Column::Tenant)
            .all(self.store.reader())
            .await
            .map_err(failed("list tenants"))?;
        rows.iter().map(|row| parse("tenant", &row.tenant)).collect()
    }
}

impl Tx {
    /// Makes the tenant of this transaction.
    pub async fn create_tenant(&mut self, name: &str) -> Result<(), StoreError> {
        let id = self.tenant_text();
        if id == SYSTEM_LOG {
            return Err(StoreError::invalid("tenant id", "`system` names the system log"));
        }
        let row = tenant::ActiveModel {
            tenant: Set(id.clone()),
            name: Set(name.to_owned()),
            created_at: Set(self.micros()),
        };
        match tenant::Entity::insert(row).exec_without_returning(self.conn()).await {
            Err(e) if StoreError::is_duplicate(&e) => {
                Err(StoreError::conflict("tenant", id, "it is there already"))
            }
            other => other.map(|_| ()).map_err(failed("make tenant")),
        }
    }
}

fn read(row: tenant::Model) -> Result<Tenant, StoreError> {
    Ok(Tenant { id: parse("tenant", &row.tenant)?, name: row.name, created_at: time(row.created_at) })
}
