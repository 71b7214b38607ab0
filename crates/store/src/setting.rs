//! Small settings: a text by name.

use echobase_types::{TenantId, Timestamp};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::column;
use crate::entity::setting as table;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::{Store, Trail, Tx};

/// Bytes of the longest value.
const MAX_VALUE_BYTES: usize = 65_536;

/// Settings of the store.
pub struct Settings<'a> {
    pub(crate) store: &'a Store,
}

impl Settings<'_> {
    /// The value of a setting, if it is set.
    pub async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, StoreError> {
        let row = table::Entity::find_by_id((tenant.to_string(), name.to_owned()))
            .one(self.store.reader())
            .await
            .map_err(failed("read setting"))?;
        Ok(row.map(|row| row.value))
    }

    /// All settings of a tenant, by name.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<(String, String)>, StoreError> {
        let rows = table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(table::Column::Name)
            .all(self.store.reader())
            .await
            .map_err(failed("list settings"))?;
        Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
    }

    /// Sets a value of at most 64 kB.
    pub async fn set(
        &self,
        tenant: &TenantId,
        name: &str,
        value: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.set_setting(name, value).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Removes a setting; removing what is not there is no error.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        name: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        column::execute(
            tx.conn(),
            "DELETE FROM setting WHERE tenant = $1 AND name = $2",
            vec![tenant.as_str().into(), name.into()],
        )
        .await
        .map_err(failed("remove setting"))?;
        tx.leave(trail).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Sets a value of at most 64 kB.
    pub async fn set_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::invalid("setting", "its value must be at most 65,536 bytes"));
        }
        column::execute(
            self.conn(),
            "INSERT INTO setting (tenant, name, value, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
            vec![self.tenant_text().into(), name.into(), value.into(), self.micros().into()],
        )
        .await
        .map(|_| ())
        .map_err(failed("write setting"))
    }
}
