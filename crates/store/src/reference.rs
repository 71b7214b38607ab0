//! Levels that people took as the new reference of a metric.

use echobase_types::incident::NewReference;
use echobase_types::{ResourceId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::column::{parse, time};
use crate::entity::new_reference as table;
use crate::error::{StoreError, failed};
use crate::{Store, Trail};

const NOUN: &str = "reference";
/// References that one reading gives; older ones are no part of a replay.
const MOST: u64 = 10_000;

/// References of the store.
pub struct References<'a> {
    pub(crate) store: &'a Store,
}

impl References<'_> {
    /// Keeps a new reference.
    pub async fn insert(
        &self,
        tenant: &TenantId,
        reference: &NewReference,
        trail: Trail,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, reference.taken_at).await?;
        let row = table::ActiveModel {
            tenant: Set(tenant.to_string()),
            id: Set(reference.id.to_string()),
            resource_id: Set(reference.resource_id.to_string()),
            metric: Set(reference.metric.clone()),
            note: Set(reference.note.clone()),
            taken_by: Set(reference.taken_by.to_string()),
            taken_at: Set(reference.taken_at.as_micros()),
        };
        row.insert(tx.conn()).await.map_err(failed("write reference"))?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// The newest 10,000 references taken since then, of one resource or of all, in order of time.
    pub async fn since(
        &self,
        tenant: &TenantId,
        resource: Option<&ResourceId>,
        since: Timestamp,
    ) -> Result<Vec<NewReference>, StoreError> {
        let mut wanted = Condition::all()
            .add(table::Column::Tenant.eq(tenant.as_str()))
            .add(table::Column::TakenAt.gte(since.as_micros()));
        if let Some(resource) = resource {
            wanted = wanted.add(table::Column::ResourceId.eq(resource.as_str()));
        }
        let mut rows = table::Entity::find()
            .filter(wanted)
            .order_by_desc(table::Column::TakenAt)
            .limit(MOST)
            .all(self.store.reader())
            .await
            .map_err(failed("read references"))?;
        rows.reverse();
        rows.into_iter().map(read).collect()
    }
}

fn read(row: table::Model) -> Result<NewReference, StoreError> {
    Ok(NewReference {
        id: parse(NOUN, &row.id)?,
        resource_id: parse(NOUN, &row.resource_id)?,
        metric: row.metric,
        note: row.note,
        taken_by: parse(NOUN, &row.taken_by)?,
        taken_at: time(row.taken_at),
    })
}
