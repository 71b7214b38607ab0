//! Service level objectives.

use std::time::Duration;

use echobase_types::assessment::Vital;
use echobase_types::playbook::Selector;
use echobase_types::slo::{Bound, Side, Sli, Slo};
use echobase_types::{ResourceKind, SloId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use serde::{Deserialize, Serialize};

use crate::column::{parse, time, word};
use crate::entity::slo as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail, Tx, body};

const NOUN: &str = "objective";
/// Objectives of one tenant: each costs memory and a share of every cycle.
pub const MOST: u64 = 2_000;

/// Objectives of the store.
pub struct Slos<'a> {
    pub(crate) store: &'a Store,
}

impl Slos<'_> {
    /// Keeps a new objective. Its name must be free in the tenant (`Conflict`), and the tenant may have 2,000.
    pub async fn insert(&self, tenant: &TenantId, slo: &Slo, trail: Trail) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, slo.created_at).await?;
        let known = table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .count(tx.conn())
            .await
            .map_err(failed("count objectives"))?;
        if known >= MOST {
            let detail = format!("this tenant has {MOST}, which is the most; remove one first");
            return Err(StoreError::conflict(NOUN, &slo.name, detail));
        }
        let row = table::Model {
            tenant: tenant.to_string(),
            id: slo.id.to_string(),
            name: slo.name.clone(),
            version: i64::from(slo.version),
            body: body::write(NOUN, &SloBody::of(slo))?,
            created_at: slo.created_at.as_micros(),
            updated_at: slo.updated_at.as_micros(),
        };
        table::Entity::insert(row.into_active_model())
            .exec_without_returning(tx.conn())
            .await
            .map_err(|e| taken(&slo.name, e))?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Replaces an objective. `slo.version` is that of the new one; the stored one must be the version before it
    /// (`Conflict` if another writer was faster).
    pub async fn replace(&self, tenant: &TenantId, slo: &Slo, trail: Trail) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, slo.updated_at).await?;
        let known = one(&mut tx, slo.id).await?;
        unchanged(&known, slo.version.saturating_sub(1))?;
        let change = table::ActiveModel {
            name: Set(slo.name.clone()),
            version: Set(i64::from(slo.version)),
            body: Set(body::write(NOUN, &SloBody::of(slo))?),
            updated_at: Set(slo.updated_at.as_micros()),
            ..Default::default()
        };
        table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::Id.eq(slo.id.to_string()))
            .exec(tx.conn())
            .await
            .map_err(|e| taken(&slo.name, e))?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Removes an objective, if it still has that version (`Conflict`).
    pub async fn remove(
        &self,
        tenant: &TenantId,
        id: SloId,
        version: u32,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        unchanged(&one(&mut tx, id).await?, version)?;
        table::Entity::delete_by_id((tenant.to_string(), id.to_string()))
            .exec(tx.conn())
            .await
            .map_err(failed("remove objective"))?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// The objective of this id.
    pub async fn get(&self, tenant: &TenantId, id: SloId) -> Result<Slo, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read objective"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Objectives, by name.
    pub async fn page(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page<Slo>, StoreError> {
        let rows = self.rows(tenant, request, Some(request.rows())).await?;
        Page::cut(rows, request, |row| row.name.clone(), read)
    }

    /// Those objectives that fit, by name. What fits cannot be asked in SQL: all that come after the cursor are read.
    pub async fn page_of(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
        fits: impl Fn(&Slo) -> bool,
    ) -> Result<Page<Slo>, StoreError> {
        let rows = self.rows(tenant, request, None).await?;
        let all = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let fitting = all.into_iter().filter(|slo| fits(slo)).collect();
        Page::cut(fitting, request, |slo: &Slo| slo.name.clone(), Ok)
    }

    async fn rows(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
        limit: Option<u64>,
    ) -> Result<Vec<table::Model>, StoreError> {
        let mut query = table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(table::Column::Name)
            .limit(limit);
        if let Some(after) = request.sort_key()? {
            query = query.filter(table::Column::Name.gt(after));
        }
        query.all(self.store.reader()).await.map_err(failed("list objectives"))
    }

    /// All objectives of a tenant, by name.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<Slo>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(table::Column::Name)
            .all(self.store.reader())
            .await
            .map_err(failed("list objectives"))?
            .into_iter()
            .map(read)
            .collect()
    }
}

async fn one(tx: &mut Tx, id: SloId) -> Result<table::Model, StoreError> {
    table::Entity::find_by_id((tx.tenant_text(), id.to_string()))
        .one(tx.conn())
        .await
        .map_err(failed("read objective"))?
        .ok_or_else(|| StoreError::not_found(NOUN, id))
}

fn unchanged(known: &table::Model, seen: u32) -> Result<(), StoreError> {
    if known.version == i64::from(seen) {
        return Ok(());
    }
    let detail = format!("version {} is the newest, not {seen}; read it again", known.version);
    Err(StoreError::conflict(NOUN, &known.id, detail))
}

fn taken(name: &str, error: sea_orm::DbErr) -> StoreError {
    if StoreError::is_duplicate(&error) {
        return StoreError::conflict(NOUN, name, "the name is taken");
    }
    failed("save objective")(error)
}

/// What is written into the body. Fractions are texts, so that they read back bit by bit.
#[derive(Serialize, Deserialize)]
struct SloBody {
    description: String,
    kind: Option<String>,
    resource: Option<String>,
    target: String,
    window_s: u64,
    sli: SliBody,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "counts", rename_all = "snake_case")]
enum SliBody {
    Requests,
    Latency { threshold_s: String },
    Vital { vital: String, side: String, threshold: String },
    Metric { name: String, side: String, threshold: String },
}

impl SloBody {
    fn of(slo: &Slo) -> Self {
        Self {
            description: slo.description.clone(),
            kind: slo.selector.kind.map(|k| k.as_str().to_owned()),
            resource: slo.selector.resource.clone(),
            target: slo.target.to_string(),
            window_s: slo.window.as_secs(),
            sli: SliBody::of(&slo.sli),
        }
    }
}

impl SliBody {
    fn of(sli: &Sli) -> Self {
        let bound = |b: &Bound| (b.side.as_str().to_owned(), b.threshold.to_string());
        match sli {
            Sli::Requests => Self::Requests,
            Sli::Latency { threshold_s } => Self::Latency { threshold_s: threshold_s.to_string() },
            Sli::Vital { vital, bound: b } => {
                let (side, threshold) = bound(b);
                Self::Vital { vital: vital.as_str().to_owned(), side, threshold }
            }
            Sli::Metric { name, bound: b } => {
                let (side, threshold) = bound(b);
                Self::Metric { name: name.clone(), side, threshold }
            }
        }
    }

    fn value(self) -> Result<Sli, StoreError> {
        let bound = |side: &str, threshold: &str| {
            Ok::<_, StoreError>(Bound {
                side: word(NOUN, side, Side::parse)?,
                threshold: parse(NOUN, threshold)?,
            })
        };
        Ok(match self {
            Self::Requests => Sli::Requests,
            Self::Latency { threshold_s } => Sli::Latency { threshold_s: parse(NOUN, &threshold_s)? },
            Self::Vital { vital, side, threshold } => {
                Sli::Vital { vital: word(NOUN, &vital, Vital::parse)?, bound: bound(&side, &threshold)? }
            }
            Self::Metric { name, side, threshold } => Sli::Metric { name, bound: bound(&side, &threshold)? },
        })
    }
}

fn read(row: table::Model) -> Result<Slo, StoreError> {
    let found: SloBody = body::read(NOUN, &row.id, &row.body)?;
    let kind = found.kind.as_deref().map(|kind| word(NOUN, kind, ResourceKind::parse)).transpose()?;
    Ok(Slo {
        id: parse(NOUN, &row.id)?,
        version: u32::try_from(row.version).map_err(|e| StoreError::damaged(NOUN, &row.id, e))?,
        name: row.name,
        description: found.description,
        selector: Selector { kind, resource: found.resource },
        sli: found.sli.value()?,
        target: parse(NOUN, &found.target)?,
        window: Duration::from_secs(found.window_s),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}
