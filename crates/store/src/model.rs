//! The registry of risk models: versions that a tenant's labels made, and which of them is in use.

mod body;

use echobase_types::model::{ModelState, ModelVersion};
use echobase_types::{TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::body::{read as read_body, write as write_body};
use crate::column::{time, word};
use crate::entity::risk_model as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail, Tx};
use body::ModelBody;

const NOUN: &str = "risk model";

/// A version whose state changes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which version.
    pub version: u32,
    /// The state it must be in: where it is not, somebody else decided meanwhile.
    pub from: ModelState,
    /// The state it comes to.
    pub to: ModelState,
    /// Why, in one sentence.
    pub words: String,
}

/// Risk models of the store.
pub struct Models<'a> {
    pub(crate) store: &'a Store,
}

impl Models<'_> {
    /// Registers a new version after these decisions on others, all or nothing. It gets the next number; `version`,
    /// `trained_at` and `decided_at` of `new` do not count. `trail` is asked with the version as it is stored.
    pub async fn register(
        &self,
        tenant: &TenantId,
        new: &ModelVersion,
        before: &[Decision],
        trail: impl FnOnce(&ModelVersion) -> Trail,
        now: Timestamp,
    ) -> Result<ModelVersion, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        for decision in before {
            tx.decide_model(decision).await?;
        }
        let newest = newest(&tx).await?;
        let new = ModelVersion { version: newest + 1, trained_at: now, decided_at: now, ..new.clone() };
        let row = write(tenant.as_str(), &new)?;
        table::Entity::insert(row.into_active_model())
            .exec_without_returning(tx.conn())
            .await
            .map_err(failed("register risk model"))?;
        tx.leave(trail(&new)).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Changes the states of versions in this order, all or nothing. `Conflict` if one is not in the state it must be
    /// in.
    pub async fn decide(
        &self,
        tenant: &TenantId,
        decisions: &[Decision],
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        for decision in decisions {
            tx.decide_model(decision).await?;
        }
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// The version of this number.
    pub async fn get(&self, tenant: &TenantId, version: u32) -> Result<ModelVersion, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), i64::from(version)))
            .one(self.store.reader())
            .await
            .map_err(failed("read risk model"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, version))?
    }

    /// The version in that state: the champion or the challenger.
    pub async fn in_state(
        &self,
        tenant: &TenantId,
        state: ModelState,
    ) -> Result<Option<ModelVersion>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::State.eq(state.as_str()))
            .order_by_desc(table::Column::Version)
            .one(self.store.reader())
            .await
            .map_err(failed("read risk model"))?
            .map(read)
            .transpose()
    }

    /// Versions, newest first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> Result<Page<ModelVersion>, StoreError> {
        let mut all = table::Entity::find().filter(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(before) = request.sort_key()? {
            let before: i64 =
                before.parse().map_err(|_| StoreError::invalid("cursor", "it is of another list"))?;
            all = all.filter(table::Column::Version.lt(before));
        }
        let rows = all
            .order_by_desc(table::Column::Version)
            .limit(request.rows())
            .all(self.store.reader())
            .await
            .map_err(failed("list risk models"))?;
        Page::cut(rows, request, |row| row.version.to_string(), read)
    }
}

impl Tx {
    /// Changes the state of a version. `Conflict` if it is not in the state it must be in.
    async fn decide_model(&mut self, decision: &Decision) -> Result<(), StoreError> {
        let changed = table::Entity::update_many()
            .set(table::ActiveModel {
                state: Set(decision.to.as_str().to_owned()),
                decided_at: Set(self.micros()),
                decision: Set(decision.words.clone()),
                ..Default::default()
            })
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Version.eq(i64::from(decision.version)))
            .filter(table::Column::State.eq(decision.from.as_str()))
            .exec(self.conn())
            .await
            .map_err(failed("change risk model"))?;
        if changed.rows_affected == 0 {
            let words = format!("it is not {} any more", decision.from.as_str());
            return Err(StoreError::conflict(NOUN, decision.version, words));
        }
        Ok(())
    }
}

async fn newest(tx: &Tx) -> Result<u32, StoreError> {
    let row = table::Entity::find()
        .filter(table::Column::Tenant.eq(tx.tenant().as_str()))
        .order_by_desc(table::Column::Version)
        .one(tx.conn())
        .await
        .map_err(failed("read risk model"))?;
    Ok(row.map_or(0, |r| number(r.version)))
}

fn number(version: i64) -> u32 {
    u32::try_from(version).unwrap_or(0)
}

fn write(tenant: &str, model: &ModelVersion) -> Result<table::Model, StoreError> {
    Ok(table::Model {
        tenant: tenant.to_owned(),
        version: i64::from(model.version),
        parent: i64::from(model.parent),
        state: model.state.as_str().to_owned(),
        trained_at: model.trained_at.as_micros(),
        decided_at: model.decided_at.as_micros(),
        decision: model.decision.clone(),
        body: write_body(NOUN, &ModelBody::of(model))?,
    })
}

fn read(row: table::Model) -> Result<ModelVersion, StoreError> {
    let body: ModelBody = read_body(NOUN, &row.version.to_string(), &row.body)?;
    let model = ModelVersion {
        version: number(row.version),
        parent: number(row.parent),
        state: word(NOUN, &row.state, ModelState::parse)?,
        trained_at: time(row.trained_at),
        decided_at: time(row.decided_at),
        decision: row.decision,
        ..body.value()?
    };
    Ok(model)
}
