//! Playbooks: every version is kept, one is in force.

use echobase_types::playbook::Playbook;
use echobase_types::{PlaybookId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use crate::body::{self, PlaybookBody, PlaybookColumns};
use crate::entity::{playbook as head, playbook_version as version};
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::{Page, PageRequest, Store, Trail, Tx};

const NOUN: &str = "playbook";

/// Whether a playbook is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    Enabled,
    /// It is not.
    Disabled,
}

/// Playbooks of the store.
pub struct Playbooks<'a> {
    pub(crate) store: &'a Store,
}

impl Playbooks<'_> {
    /// Saves a new version and returns it as saved. `playbook.version` is the version that the writer saw: 0 makes
    /// a new playbook; otherwise it must be the newest (`Conflict` if another writer was faster), and one more is
    /// saved. The name must be free in the tenant (`Conflict`).
    pub async fn save(
        &self,
        tenant: &TenantId,
        playbook: &Playbook,
        trail: impl FnOnce(&Playbook) -> Trail,
        now: Timestamp,
    ) -> Result<Playbook, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let saved = tx.save_playbook(playbook).await?;
        tx.leave(trail(&saved)).await?;
        tx.commit().await?;
        Ok(saved)
    }

    /// The newest version of a playbook.
    pub async fn get(&self, tenant: &TenantId, id: PlaybookId) -> Result<Playbook, StoreError> {
        let row = live(self.store.reader(), tenant, id).await?;
        newest(self.store.reader(), row).await
    }

    /// The newest version of the playbook of this name.
    pub async fn by_name(&self, tenant: &TenantId, name: &str) -> Result<Playbook, StoreError> {
        let row = head::Entity::find()
            .filter(head::Column::Tenant.eq(tenant.as_str()))
            .filter(head::Column::Name.eq(name))
            .filter(head::Column::DeletedAt.is_null())
            .one(self.store.reader())
            .await
            .map_err(failed("read playbook"))?
            .ok_or_else(|| StoreError::not_found(NOUN, name))?;
        newest(self.store.reader(), row).await
    }

    /// One version of a playbook, of a deleted one too, since interventions refer to it.
    pub async fn get_version(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        number: u32,
    ) -> Result<Playbook, StoreError> {
        let conn = self.store.reader();
        let row = head::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(conn)
            .await
            .map_err(failed("read playbook"))?
            .ok_or_else(|| StoreError::not_found(NOUN, id))?;
        let found = version::Entity::find_by_id((tenant.to_string(), id.to_string(), i64::from(number)))
            .one(conn)
            .await
            .map_err(failed("read playbook"))?
            .ok_or_else(|| StoreError::not_found("version of playbook", number))?;
        read(&row, &found)
    }

    /// The versions of a playbook, newest first.
    pub async fn versions(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        request: &PageRequest,
    ) -> Result<Page<Playbook>, StoreError> {
        let head_row = live(self.store.reader(), tenant, id).await?;
        let mut query = version::Entity::find()
            .filter(version::Column::Tenant.eq(tenant.as_str()))
            .filter(version::Column::Id.eq(id.to_string()))
            .order_by_desc(version::Column::Version)
            .limit(request.rows());
        if let Some(before) = request.sort_key()? {
            let before: i64 = before
                .parse()
                .map_err(|_| StoreError::invalid("cursor", "it was not given out by this list"))?;
            query = query.filter(version::Column::Version.lt(before));
        }
        let rows = query.all(self.store.reader()).await.map_err(failed("list versions of playbook"))?;
        Page::cut(rows, request, |row| row.version.to_string(), |row| read(&head_row, &row))
    }

    /// The newest version of each playbook, by name.
    pub async fn page(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page<Playbook>, StoreError> {
        let mut query = head::Entity::find()
            .filter(head::Column::Tenant.eq(tenant.as_str()))
            .filter(head::Column::DeletedAt.is_null())
            .order_by_asc(head::Column::Name)
            .limit(request.rows());
        if let Some(after) = request.sort_key()? {
            query = query.filter(head::Column::Name.gt(after));
        }
        let rows = query.all(self.store.reader()).await.map_err(failed("list playbooks"))?;
        let page = Page::cut(rows, request, |row| row.name.clone(), Ok)?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            items.push(newest(self.store.reader(), row).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// The newest version of each playbook that is in force.
    pub async fn enabled(&self, tenant: &TenantId) -> Result<Vec<Playbook>, StoreError> {
        let rows = head::Entity::find()
            .filter(head::Column::Tenant.eq(tenant.as_str()))
            .filter(head::Column::DeletedAt.is_null())
            .filter(head::Column::Enabled.eq(true))
            .order_by_asc(head::Column::Name)
            .all(self.store.reader())
            .await
            .map_err(failed("list playbooks"))?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(newest(self.store.reader(), row).await?);
        }
        Ok(all)
    }

    /// Puts a playbook in force or out of it.
    pub async fn switch(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        to: Switch,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.switch_playbook(id, to).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Deletes a playbook. Its versions stay readable by number; its name is free again.
    pub async fn delete(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        live(tx.conn(), tenant, id).await?;
        let deleted_at = Some(now.as_micros());
        let change =
            head::ActiveModel { deleted_at: Set(deleted_at), enabled: Set(false), ..Default::default() };
        change_head(tx.conn(), tenant, id, change).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Saves a new version; see [`Playbooks::save`].
    pub async fn save_playbook(&mut self, playbook: &Playbook) -> Result<Playbook, StoreError> {
        let (tenant, id) = (self.tenant().clone(), playbook.id);
        let number = playbook.version + 1;
        let taken = |e: sea_orm::DbErr| {
            if StoreError::is_duplicate(&e) {
                return StoreError::conflict(NOUN, &playbook.name, "the name is taken");
            }
            failed("save playbook")(e)
        };
        if playbook.version == 0 {
            let row = head::Model {
                tenant: tenant.to_string(),
                id: id.to_string(),
                name: playbook.name.clone(),
                version: i64::from(number),
                enabled: playbook.enabled,
                deleted_at: None,
            };
            head::Entity::insert(row.into_active_model())
                .exec_without_returning(self.conn())
                .await
                .map_err(taken)?;
        } else {
            let row = live(self.conn(), &tenant, id).await?;
            if row.version != i64::from(playbook.version) {
                let detail = format!("version {} is the newest, not {}", row.version, playbook.version);
                return Err(StoreError::conflict(NOUN, id, detail));
            }
            let change = head::ActiveModel {
                name: Set(playbook.name.clone()),
                version: Set(i64::from(number)),
                enabled: Set(playbook.enabled),
                ..Default::default()
            };
            head::Entity::update_many()
                .set(change)
                .filter(head::Column::Tenant.eq(tenant.as_str()))
                .filter(head::Column::Id.eq(id.to_string()))
                .exec(self.conn())
                .await
                .map_err(taken)?;
        }
        let row = version::Model {
            tenant: tenant.to_string(),
            id: id.to_string(),
            version: i64::from(number),
            saved_at: self.micros(),
            body: body::write(NOUN, &PlaybookBody::of(playbook))?,
        };
        version::Entity::insert(row.into_active_model())
            .exec_without_returning(self.conn())
            .await
            .map_err(failed("save playbook"))?;
        Ok(Playbook { version: number, saved_at: self.now(), ..playbook.clone() })
    }

    /// Puts a playbook in force or out of it.
    pub async fn switch_playbook(&mut self, id: PlaybookId, to: Switch) -> Result<(), StoreError> {
        let tenant = self.tenant().clone();
        live(self.conn(), &tenant, id).await?;
        let change = head::ActiveModel { enabled: Set(to == Switch::Enabled), ..Default::default() };
        change_head(self.conn(), &tenant, id, change).await
    }
}

async fn live<C: ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
    id: PlaybookId,
) -> Result<head::Model, StoreError> {
    head::Entity::find_by_id((tenant.to_string(), id.to_string()))
        .one(conn)
        .await
        .map_err(failed("read playbook"))?
        .filter(|row| row.deleted_at.is_none())
        .ok_or_else(|| StoreError::not_found(NOUN, id))
}

async fn newest<C: ConnectionTrait>(conn: &C, row: head::Model) -> Result<Playbook, StoreError> {
    let found = version::Entity::find_by_id((row.tenant.clone(), row.id.clone(), row.version))
        .one(conn)
        .await
        .map_err(failed("read playbook"))?
        .ok_or_else(|| StoreError::damaged(NOUN, &row.id, "its newest version is missing"))?;
    read(&row, &found)
}

async fn change_head<C: ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
    id: PlaybookId,
    change: head::ActiveModel,
) -> Result<(), StoreError> {
    head::Entity::update_many()
        .set(change)
        .filter(head::Column::Tenant.eq(tenant.as_str()))
        .filter(head::Column::Id.eq(id.to_string()))
        .exec(conn)
        .await
        .map(|_| ())
        .map_err(failed("change playbook"))
}

fn read(row: &head::Model, found: &version::Model) -> Result<Playbook, StoreError> {
    let number = u32::try_from(found.version).map_err(|e| StoreError::damaged(NOUN, &row.id, e))?;
    body::read::<PlaybookBody>(NOUN, &row.id, &found.body)?.value(&PlaybookColumns {
        id: &row.id,
        version: number,
        enabled: row.enabled,
        saved_at: found.saved_at,
    })
}
