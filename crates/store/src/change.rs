//! Changes: deploys, configurations, models and prompts, as they were reported or recognised.

use echobase_types::change::{ChangeEvent, ChangeKind, ChangeSource};
use echobase_types::{ResourceId, TenantId, Timestamp};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::column::{self, parse, time, word};
use crate::entity::change_event as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail};

const NOUN: &str = "change";
/// Changes that one question about causes reads; the newest count.
const WEIGHED: u64 = 500;

/// Which changes are wanted: all conditions that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Of one of these resources; empty: of any.
    pub resources: Vec<ResourceId>,
    /// Of this kind.
    pub kind: Option<ChangeKind>,
    /// Done at this time or later.
    pub from: Option<Timestamp>,
    /// Done before this time.
    pub to: Option<Timestamp>,
}

impl ChangeFilter {
    fn condition(&self, tenant: &TenantId) -> Condition {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if !self.resources.is_empty() {
            all = all.add(table::Column::ResourceId.is_in(self.resources.iter().map(ResourceId::as_str)));
        }
        if let Some(kind) = self.kind {
            all = all.add(table::Column::Kind.eq(kind.as_str()));
        }
        if let Some(from) = self.from {
            all = all.add(table::Column::DoneAt.gte(from.as_micros()));
        }
        if let Some(to) = self.to {
            all = all.add(table::Column::DoneAt.lt(to.as_micros()));
        }
        all
    }
}

/// Changes of the store.
pub struct Changes<'a> {
    pub(crate) store: &'a Store,
}

impl Changes<'_> {
    /// Keeps those of these changes that are not known yet, by id, each with its trail, and returns them.
    pub async fn note(
        &self,
        tenant: &TenantId,
        changes: &[ChangeEvent],
        trail: impl Fn(&ChangeEvent) -> Trail,
        now: Timestamp,
    ) -> Result<Vec<ChangeEvent>, StoreError> {
        let mut new = Vec::new();
        if changes.is_empty() {
            return Ok(new);
        }
        let mut tx = self.store.begin(tenant, now).await?;
        for change in changes {
            let written = column::execute(
                tx.conn(),
                "INSERT INTO change_event (tenant, id, resource_id, kind, what, before_value, after_value, done_by,
                     done_at, link, source, noted_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (tenant, id) DO NOTHING",
                vec![
                    tenant.as_str().into(),
                    change.id.to_string().into(),
                    change.resource_id.as_str().into(),
                    change.kind.as_str().into(),
                    change.what.as_str().into(),
                    change.before.clone().into(),
                    change.after.clone().into(),
                    change.by.as_str().into(),
                    change.at.as_micros().into(),
                    change.link.clone().into(),
                    change.source.as_str().into(),
                    change.noted_at.as_micros().into(),
                ],
            )
            .await
            .map_err(failed("note change"))?;
            if written.rows_affected() > 0 {
                tx.leave(trail(change)).await?;
                new.push(change.clone());
            }
        }
        tx.commit().await?;
        Ok(new)
    }

    /// Changes, the one that was done last first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        filter: &ChangeFilter,
        request: &PageRequest,
    ) -> Result<Page<ChangeEvent>, StoreError> {
        let mut all = filter.condition(tenant);
        if let Some(key) = request.sort_key()? {
            let wrong = || StoreError::invalid("cursor", "it was not given out by this list");
            let (at, id) = key.split_once(' ').ok_or_else(wrong)?;
            let at: i64 = at.parse().map_err(|_| wrong())?;
            let same = Condition::all().add(table::Column::DoneAt.eq(at)).add(table::Column::Id.lt(id));
            all = all.add(Condition::any().add(table::Column::DoneAt.lt(at)).add(same));
        }
        let rows = table::Entity::find()
            .filter(all)
            .order_by_desc(table::Column::DoneAt)
            .order_by_desc(table::Column::Id)
            .limit(request.rows())
            .all(self.store.reader())
            .await
            .map_err(failed("list changes"))?;
        Page::cut(rows, request, |row| format!("{} {}", row.done_at, row.id), read)
    }

    /// The newest 500 changes that fit, the one that was done last first: what causes are weighed with.
    pub async fn newest(
        &self,
        tenant: &TenantId,
        filter: &ChangeFilter,
    ) -> Result<Vec<ChangeEvent>, StoreError> {
        table::Entity::find()
            .filter(filter.condition(tenant))
            .order_by_desc(table::Column::DoneAt)
            .order_by_desc(table::Column::Id)
            .limit(WEIGHED)
            .all(self.store.reader())
            .await
            .map_err(failed("read changes"))?
            .into_iter()
            .map(read)
            .collect()
    }
}

fn read(row: table::Model) -> Result<ChangeEvent, StoreError> {
    Ok(ChangeEvent {
        id: parse(NOUN, &row.id)?,
        resource_id: parse(NOUN, &row.resource_id)?,
        kind: word("kind of change", &row.kind, ChangeKind::parse)?,
        what: row.what,
        before: row.before_value,
        after: row.after_value,
        by: row.done_by,
        at: time(row.done_at),
        link: row.link,
        source: word("source of change", &row.source, ChangeSource::parse)?,
        noted_at: time(row.noted_at),
    })
}
