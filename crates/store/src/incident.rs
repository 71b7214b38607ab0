//! Incidents: labels that people give to what happened.

use echobase_types::change::ChangeKind;
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::{IncidentId, ResourceId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::column::{parse, time, word};
use crate::entity::incident as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail};

const NOUN: &str = "incident";
/// Incidents that one evaluation reads; older ones count no more.
const EVALUATED: u64 = 10_000;

/// Which incidents are wanted: all conditions that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Of this resource.
    pub resource: Option<ResourceId>,
    /// With this label.
    pub label: Option<IncidentLabel>,
    /// Begun or ended at this time or later. Of one without an end its begin counts.
    pub reaching: Option<Timestamp>,
}

impl IncidentFilter {
    fn condition(&self, tenant: &TenantId) -> Condition {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(resource) = &self.resource {
            all = all.add(table::Column::ResourceId.eq(resource.as_str()));
        }
        if let Some(label) = self.label {
            all = all.add(table::Column::Label.eq(label.as_str()));
        }
        if let Some(from) = self.reaching {
            let (started, ended) = (table::Column::StartedAt, table::Column::EndedAt);
            let reaches =
                Condition::any().add(started.gte(from.as_micros())).add(ended.gte(from.as_micros()));
            all = all.add(reaches);
        }
        all
    }
}

/// Incidents of the store.
pub struct Incidents<'a> {
    pub(crate) store: &'a Store,
}

impl Incidents<'_> {
    /// Keeps a new label.
    pub async fn insert(
        &self,
        tenant: &TenantId,
        incident: &Incident,
        trail: Trail,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, incident.labelled_at).await?;
        let row = table::ActiveModel {
            tenant: Set(tenant.to_string()),
            id: Set(incident.id.to_string()),
            resource_id: Set(incident.resource_id.to_string()),
            label: Set(incident.label.as_str().to_owned()),
            metric: Set(incident.metric.clone()),
            started_at: Set(incident.started_at.as_micros()),
            ended_at: Set(incident.ended_at.map(|t| t.as_micros())),
            note: Set(incident.note.clone()),
            labelled_by: Set(incident.labelled_by.to_string()),
            labelled_at: Set(incident.labelled_at.as_micros()),
            anomaly_id: Set(incident.anomaly_id.map(|id| id.to_string())),
            change: Set(incident.change.map(|kind| kind.as_str().to_owned())),
        };
        row.insert(tx.conn()).await.map_err(failed("write incident"))?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Takes a label back.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        id: IncidentId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let removed = table::Entity::delete_by_id((tenant.to_string(), id.to_string()))
            .exec(tx.conn())
            .await
            .map_err(failed("remove incident"))?;
        if removed.rows_affected == 0 {
            return Err(StoreError::not_found(NOUN, id));
        }
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// The incident of this id.
    pub async fn get(&self, tenant: &TenantId, id: IncidentId) -> Result<Incident, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read incident"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Incidents, newest label first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        filter: &IncidentFilter,
        request: &PageRequest,
    ) -> Result<Page<Incident>, StoreError> {
        let all = filter.condition(tenant);
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list incidents",
            read,
        )
        .await
    }

    /// The newest 10,000 incidents that fit, in the order they began: what an evaluation holds verdicts against.
    pub async fn all(&self, tenant: &TenantId, filter: &IncidentFilter) -> Result<Vec<Incident>, StoreError> {
        let mut rows = table::Entity::find()
            .filter(filter.condition(tenant))
            .order_by_desc(table::Column::StartedAt)
            .limit(EVALUATED)
            .all(self.store.reader())
            .await
            .map_err(failed("read incidents"))?;
        rows.reverse();
        rows.into_iter().map(read).collect()
    }
}

fn read(row: table::Model) -> Result<Incident, StoreError> {
    Ok(Incident {
        id: parse(NOUN, &row.id)?,
        resource_id: parse(NOUN, &row.resource_id)?,
        label: word(NOUN, &row.label, IncidentLabel::parse)?,
        metric: row.metric,
        anomaly_id: row.anomaly_id.map(|id| parse(NOUN, &id)).transpose()?,
        change: row.change.map(|kind| word(NOUN, &kind, ChangeKind::parse)).transpose()?,
        started_at: time(row.started_at),
        ended_at: row.ended_at.map(time),
        note: row.note,
        labelled_by: parse(NOUN, &row.labelled_by)?,
        labelled_at: time(row.labelled_at),
    })
}
