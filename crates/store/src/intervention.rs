//! Interventions: compare-and-set by version, along the transitions of `InterventionState` only.

use echobase_types::intervention::{Intervention, InterventionState, Proposer};
use echobase_types::{InterventionId, PlaybookId, ResourceId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _,
};

use crate::body::{self, InterventionBody, InterventionColumns};
use crate::column::{count, int, time};
use crate::entity::intervention as table;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::{Page, PageRequest, Store, Trail, Tx};

const NOUN: &str = "intervention";

/// Which interventions are wanted: all conditions that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct InterventionFilter {
    /// In one of these states; empty: in any.
    pub states: Vec<InterventionState>,
    /// On this target.
    pub target: Option<ResourceId>,
    /// By this playbook, of any version.
    pub playbook: Option<PlaybookId>,
    /// Proposed at or after this time.
    pub since: Option<Timestamp>,
}

/// What a limit of the envelope counts over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountScope {
    /// The whole tenant.
    Tenant,
    /// One target.
    Target(ResourceId),
    /// One playbook, over all its versions.
    Playbook(PlaybookId),
}

/// Interventions of the store.
pub struct Interventions<'a> {
    pub(crate) store: &'a Store,
}

impl Interventions<'_> {
    /// Records a new intervention, as it is given; its version becomes 1. `Conflict` if the id is there already.
    pub async fn create(
        &self,
        tenant: &TenantId,
        intervention: &Intervention,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Intervention, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let created = tx.create_intervention(intervention).await?;
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Writes a changed intervention over the one that was read, and returns it with its new version and time of
    /// change. `Conflict` if it was changed since (`intervention.version` is not the stored one), or if its state
    /// may not follow the stored one (`InterventionState::may_become`; the same state is allowed).
    pub async fn update(
        &self,
        tenant: &TenantId,
        intervention: &Intervention,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Intervention, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let updated = tx.update_intervention(intervention).await?;
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(updated)
    }

    /// As [`Interventions::update`], and returns also the entries that were appended, for receipts.
    pub async fn update_with_entries(
        &self,
        tenant: &TenantId,
        intervention: &Intervention,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(Intervention, Vec<EntryRef>), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let updated = tx.update_intervention(intervention).await?;
        tx.leave(trail).await?;
        Ok((updated, tx.commit().await?))
    }

    /// The intervention of this id.
    pub async fn get(&self, tenant: &TenantId, id: InterventionId) -> Result<Intervention, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read intervention"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Interventions, newest first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        filter: &InterventionFilter,
        request: &PageRequest,
    ) -> Result<Page<Intervention>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if !filter.states.is_empty() {
            all = all.add(table::Column::State.is_in(filter.states.iter().map(|s| s.as_str())));
        }
        if let Some(target) = &filter.target {
            all = all.add(table::Column::Target.eq(target.as_str()));
        }
        if let Some(playbook) = &filter.playbook {
            all = all.add(table::Column::PlaybookId.eq(playbook.to_string()));
        }
        if let Some(since) = filter.since {
            all = all.add(table::Column::CreatedAt.gte(since.as_micros()));
        }
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list interventions",
            read,
        )
        .await
    }

    /// All interventions that are not in a final state, oldest first.
    pub async fn open(&self, tenant: &TenantId) -> Result<Vec<Intervention>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::IsOpen.eq(true))
            .order_by_asc(table::Column::Id)
            .all(self.store.reader())
            .await
            .map_err(failed("list open interventions"))?
            .into_iter()
            .map(read)
            .collect()
    }

    /// How many interventions began to execute at or after `since`.
    pub async fn started_since(
        &self,
        tenant: &TenantId,
        scope: &CountScope,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        table::Entity::find()
            .filter(within(tenant, scope))
            .filter(table::Column::StartedAt.gte(since.as_micros()))
            .count(self.store.reader())
            .await
            .map_err(failed("count interventions"))
    }

    /// When the newest intervention in a scope began to execute.
    pub async fn last_started(
        &self,
        tenant: &TenantId,
        scope: &CountScope,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = table::Entity::find()
            .filter(within(tenant, scope))
            .filter(table::Column::StartedAt.is_not_null())
            .order_by_desc(table::Column::StartedAt)
            .one(self.store.reader())
            .await
            .map_err(failed("read newest intervention"))?;
        Ok(row.and_then(|row| row.started_at).map(time))
    }
}

impl Tx {
    /// Records a new intervention; see [`Interventions::create`].
    pub async fn create_intervention(
        &mut self,
        intervention: &Intervention,
    ) -> Result<Intervention, StoreError> {
        let created = Intervention { version: 1, updated_at: self.now(), ..intervention.clone() };
        let started_at = (created.state == InterventionState::Executing).then(|| self.micros());
        let row = table::Model {
            tenant: self.tenant_text(),
            id: created.id.to_string(),
            target: created.target.to_string(),
            playbook_id: match &created.proposer {
                Proposer::Playbook { id, .. } => Some(id.to_string()),
                Proposer::Principal { .. } => None,
            },
            state: created.state.as_str().to_owned(),
            is_open: !created.state.is_final(),
            version: 1,
            created_at: created.created_at.as_micros(),
            updated_at: self.micros(),
            started_at,
            body: body::write(NOUN, &InterventionBody::of(&created))?,
        };
        match table::Entity::insert(row.into_active_model()).exec_without_returning(self.conn()).await {
            Err(e) if StoreError::is_duplicate(&e) => {
                Err(StoreError::conflict(NOUN, created.id, "it is there already"))
            }
            other => other.map(|_| created).map_err(failed("record intervention")),
        }
    }

    /// The intervention of this id, as this transaction sees it.
    pub async fn intervention(&self, id: InterventionId) -> Result<Intervention, StoreError> {
        read(self.intervention_row(id).await?)
    }

    /// Writes a changed intervention; see [`Interventions::update`].
    pub async fn update_intervention(
        &mut self,
        intervention: &Intervention,
    ) -> Result<Intervention, StoreError> {
        let id = intervention.id;
        let row = self.intervention_row(id).await?;
        if count(row.version) != intervention.version {
            let detail =
                format!("it was changed: version {} is stored, not {}", row.version, intervention.version);
            return Err(StoreError::conflict(NOUN, id, detail));
        }
        let before = crate::column::word("state of intervention", &row.state, InterventionState::parse)?;
        if before != intervention.state && !before.may_become(intervention.state) {
            let detail =
                format!("it is {} and cannot become {}", before.as_str(), intervention.state.as_str());
            return Err(StoreError::conflict(NOUN, id, detail));
        }
        let updated = Intervention {
            version: intervention.version + 1,
            updated_at: self.now(),
            ..intervention.clone()
        };
        let starts = updated.state == InterventionState::Executing && row.started_at.is_none();
        let change = table::ActiveModel {
            state: Set(updated.state.as_str().to_owned()),
            is_open: Set(!updated.state.is_final()),
            version: Set(int(updated.version)),
            updated_at: Set(self.micros()),
            started_at: Set(if starts { Some(self.micros()) } else { row.started_at }),
            body: Set(body::write(NOUN, &InterventionBody::of(&updated))?),
            ..Default::default()
        };
        let done = table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Id.eq(id.to_string()))
            .filter(table::Column::Version.eq(row.version))
            .exec(self.conn())
            .await
            .map_err(failed("update intervention"))?;
        if done.rows_affected != 1 {
            return Err(StoreError::conflict(NOUN, id, "it was changed"));
        }
        Ok(updated)
    }

    async fn intervention_row(&self, id: InterventionId) -> Result<table::Model, StoreError> {
        table::Entity::find_by_id((self.tenant_text(), id.to_string()))
            .one(self.conn())
            .await
            .map_err(failed("read intervention"))?
            .ok_or_else(|| StoreError::not_found(NOUN, id))
    }
}

fn within(tenant: &TenantId, scope: &CountScope) -> Condition {
    let all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
    match scope {
        CountScope::Tenant => all,
        CountScope::Target(target) => all.add(table::Column::Target.eq(target.as_str())),
        CountScope::Playbook(id) => all.add(table::Column::PlaybookId.eq(id.to_string())),
    }
}

fn read(row: table::Model) -> Result<Intervention, StoreError> {
    body::read::<InterventionBody>(NOUN, &row.id, &row.body)?.value(&InterventionColumns {
        id: &row.id,
        target: &row.target,
        state: &row.state,
        version: count(row.version),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
