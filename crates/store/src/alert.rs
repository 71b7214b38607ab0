//! Alerts: one open alert per dedup key, from firing to resolved.

use echobase_types::alert::{Alert, AlertState};
use echobase_types::assessment::Severity;
use echobase_types::{AlertId, PrincipalId, ResourceId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
};

use crate::body;
use crate::column::{self, count, int, parse, time};
use crate::entity::alert as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail, Tx};

const NOUN: &str = "alert";

/// What firing came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Fired {
    /// A new alert.
    New(Alert),
    /// One that was firing already is worse now.
    Worse(Alert),
    /// One that was firing already was seen again.
    Again(Alert),
}

impl Fired {
    /// The alert as it is stored now.
    pub fn alert(&self) -> &Alert {
        match self {
            Self::New(alert) | Self::Worse(alert) | Self::Again(alert) => alert,
        }
    }
}

/// Which alerts are wanted: all conditions that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// In which state.
    pub state: Option<StateFilter>,
    /// At least this bad.
    pub at_least: Option<Severity>,
    /// About this resource.
    pub resource: Option<ResourceId>,
    /// Of this group.
    pub group_key: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// With one of these dedup keys; empty: any.
    pub dedup_keys: Vec<String>,
}

/// A state to list by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// Holds now, taken or not.
    Open,
    /// Holds now, and nobody has taken it.
    Firing,
    /// Holds now, and somebody has taken it.
    Acknowledged,
    /// No longer holds.
    Resolved,
}

/// Open alerts of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertGroup {
    /// The group.
    pub group_key: String,
    /// How many alerts.
    pub alerts: u64,
    /// How many of them nobody has taken.
    pub firing: u64,
    /// The worst of them.
    pub worst: Severity,
    /// When the first began.
    pub started_at: Timestamp,
    /// When one of them was last seen firing.
    pub last_fired_at: Timestamp,
}

/// Alerts of the store.
pub struct Alerts<'a> {
    pub(crate) store: &'a Store,
}

impl Alerts<'_> {
    /// Fires an alert. If one with the same dedup key is open, that one is updated: its text, severity, labels, time
    /// and count. `trail` is asked only if people should hear of it (`New` or `Worse`). Id, state, times and count of
    /// `alert` count only if it is new.
    pub async fn fire(
        &self,
        tenant: &TenantId,
        alert: &Alert,
        trail: impl FnOnce(&Fired) -> Trail,
        now: Timestamp,
    ) -> Result<Fired, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let fired = tx.fire_alert(alert).await?;
        if !matches!(fired, Fired::Again(_)) {
            tx.leave(trail(&fired)).await?;
        }
        tx.commit().await?;
        Ok(fired)
    }

    /// Resolves the open alert of a dedup key; `None` if there is none. `trail` is asked only if there is.
    pub async fn resolve(
        &self,
        tenant: &TenantId,
        dedup_key: &str,
        trail: impl FnOnce(&Alert) -> Trail,
        now: Timestamp,
    ) -> Result<Option<Alert>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let Some(alert) = tx.resolve_alert(dedup_key).await? else { return Ok(None) };
        tx.leave(trail(&alert)).await?;
        tx.commit().await?;
        Ok(Some(alert))
    }

    /// Takes an alert. `Conflict` if it is resolved; taking it again changes nothing.
    pub async fn acknowledge(
        &self,
        tenant: &TenantId,
        id: AlertId,
        by: PrincipalId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Alert, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let row = tx.alert_row(id).await?;
        if row.resolved_at.is_some() {
            return Err(StoreError::conflict(NOUN, id, "it is resolved"));
        }
        if row.acknowledged_at.is_some() {
            return read(row);
        }
        let change = table::ActiveModel {
            acknowledged_at: Set(Some(now.as_micros())),
            acknowledged_by: Set(Some(by.to_string())),
            ..Default::default()
        };
        tx.change_alert(&row.id, change).await?;
        tx.leave(trail).await?;
        let alert = read(tx.alert_row(id).await?)?;
        tx.commit().await?;
        Ok(alert)
    }

    /// The alert of this id.
    pub async fn get(&self, tenant: &TenantId, id: AlertId) -> Result<Alert, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read alert"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Who took an alert, if somebody did.
    pub async fn acknowledged_by(
        &self,
        tenant: &TenantId,
        id: AlertId,
    ) -> Result<Option<PrincipalId>, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read alert"))?
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
            .acknowledged_by
            .map(|who| parse("principal", &who))
            .transpose()
    }

    /// Alerts, newest first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        filter: &AlertFilter,
        request: &PageRequest,
    ) -> Result<Page<Alert>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        all = match filter.state {
            None => all,
            Some(StateFilter::Open) => all.add(table::Column::ResolvedAt.is_null()),
            Some(StateFilter::Firing) => {
                all.add(table::Column::ResolvedAt.is_null()).add(table::Column::AcknowledgedAt.is_null())
            }
            Some(StateFilter::Acknowledged) => {
                all.add(table::Column::ResolvedAt.is_null()).add(table::Column::AcknowledgedAt.is_not_null())
            }
            Some(StateFilter::Resolved) => all.add(table::Column::ResolvedAt.is_not_null()),
        };
        if let Some(severity) = filter.at_least {
            all = all.add(table::Column::Severity.gte(rank(severity)));
        }
        if let Some(resource) = &filter.resource {
            all = all.add(table::Column::ResourceId.eq(resource.as_str()));
        }
        if let Some(group) = &filter.group_key {
            all = all.add(table::Column::GroupKey.eq(group.as_str()));
        }
        if let Some(rule) = &filter.rule {
            all = all.add(table::Column::Rule.eq(rule.as_str()));
        }
        if !filter.dedup_keys.is_empty() {
            all = all.add(table::Column::DedupKey.is_in(filter.dedup_keys.iter().map(String::as_str)));
        }
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list alerts",
            read,
        )
        .await
    }

    /// All open alerts of a tenant, oldest first.
    pub async fn open(&self, tenant: &TenantId) -> Result<Vec<Alert>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::ResolvedAt.is_null())
            .order_by_asc(table::Column::Id)
            .all(self.store.reader())
            .await
            .map_err(failed("list open alerts"))?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The open alerts by group, worst group first.
    pub async fn groups(&self, tenant: &TenantId) -> Result<Vec<AlertGroup>, StoreError> {
        let act = "group alerts";
        let rows = column::query_all(
            self.store.reader(),
            "SELECT group_key, COUNT(*) AS alerts,
                    SUM(CASE WHEN acknowledged_at IS NULL THEN 1 ELSE 0 END) AS firing,
                    MAX(severity) AS worst, MIN(started_at) AS first, MAX(last_fired_at) AS newest
             FROM alert WHERE tenant = $1 AND resolved_at IS NULL
             GROUP BY group_key ORDER BY MAX(severity) DESC, MAX(last_fired_at) DESC, group_key",
            vec![tenant.as_str().into()],
        )
        .await
        .map_err(failed(act))?;
        rows.iter()
            .map(|row| {
                let int = |name| row.try_get::<i64>("", name).map_err(failed(act));
                let group_key: String = row.try_get("", "group_key").map_err(failed(act))?;
                Ok(AlertGroup {
                    worst: severity_of(&group_key, int("worst")?)?,
                    alerts: count(int("alerts")?),
                    firing: count(int("firing")?),
                    started_at: time(int("first")?),
                    last_fired_at: time(int("newest")?),
                    group_key,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Fires an alert; see [`Alerts::fire`].
    pub async fn fire_alert(&mut self, alert: &Alert) -> Result<Fired, StoreError> {
        let Some(row) = self.open_alert(&alert.dedup_key).await? else {
            let new = Alert {
                state: AlertState::Firing,
                started_at: self.now(),
                last_fired_at: self.now(),
                count: 1,
                ..alert.clone()
            };
            let row = write(&self.tenant_text(), &new)?;
            table::Entity::insert(row.into_active_model())
                .exec_without_returning(self.conn())
                .await
                .map_err(failed("fire alert"))?;
            return Ok(Fired::New(new));
        };
        let worse = i64::from(rank(alert.severity)) > i64::from(row.severity);
        let change = table::ActiveModel {
            group_key: Set(alert.group_key.clone()),
            severity: Set(rank(alert.severity)),
            summary: Set(alert.summary.clone()),
            detail: Set(alert.detail.clone()),
            labels: Set(body::write_attributes(&alert.labels)?),
            last_fired_at: Set(self.micros()),
            fired_count: Set(row.fired_count.saturating_add(1)),
            // Worse than what was taken: it must be taken again.
            acknowledged_at: Set(row.acknowledged_at.filter(|_| !worse)),
            ..Default::default()
        };
        self.change_alert(&row.id, change).await?;
        let updated = read(self.alert_row(parse(NOUN, &row.id)?).await?)?;
        Ok(if worse { Fired::Worse(updated) } else { Fired::Again(updated) })
    }

    /// Resolves the open alert of a dedup key; see [`Alerts::resolve`].
    pub async fn resolve_alert(&mut self, dedup_key: &str) -> Result<Option<Alert>, StoreError> {
        let Some(row) = self.open_alert(dedup_key).await? else { return Ok(None) };
        let resolved_at = Some(self.micros());
        self.change_alert(
            &row.id,
            table::ActiveModel { resolved_at: Set(resolved_at), ..Default::default() },
        )
        .await?;
        read(table::Model { resolved_at, ..row }).map(Some)
    }

    async fn open_alert(&self, dedup_key: &str) -> Result<Option<table::Model>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::DedupKey.eq(dedup_key))
            .filter(table::Column::ResolvedAt.is_null())
            .one(self.conn())
            .await
            .map_err(failed("read alert"))
    }

    async fn alert_row(&self, id: AlertId) -> Result<table::Model, StoreError> {
        table::Entity::find_by_id((self.tenant_text(), id.to_string()))
            .one(self.conn())
            .await
            .map_err(failed("read alert"))?
            .ok_or_else(|| StoreError::not_found(NOUN, id))
    }

    async fn change_alert(&mut self, id: &str, change: table::ActiveModel) -> Result<(), StoreError> {
        table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Id.eq(id))
            .exec(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("change alert"))
    }
}

/// Severities in order, as they are stored.
const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

fn rank(severity: Severity) -> i32 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

fn severity_of(id: &str, rank: i64) -> Result<Severity, StoreError> {
    usize::try_from(rank)
        .ok()
        .and_then(|at| SEVERITIES.get(at).copied())
        .ok_or_else(|| StoreError::damaged(NOUN, id, "unknown severity"))
}

fn write(tenant: &str, alert: &Alert) -> Result<table::Model, StoreError> {
    Ok(table::Model {
        tenant: tenant.to_owned(),
        id: alert.id.to_string(),
        dedup_key: alert.dedup_key.clone(),
        group_key: alert.group_key.clone(),
        resource_id: alert.resource_id.as_ref().map(ToString::to_string),
        rule: alert.rule.clone(),
        severity: rank(alert.severity),
        summary: alert.summary.clone(),
        detail: alert.detail.clone(),
        labels: body::write_attributes(&alert.labels)?,
        started_at: alert.started_at.as_micros(),
        last_fired_at: alert.last_fired_at.as_micros(),
        fired_count: int(u64::from(alert.count)),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
    })
}

fn read(row: table::Model) -> Result<Alert, StoreError> {
    let state = match (row.resolved_at, row.acknowledged_at) {
        (Some(at), _) => AlertState::Resolved { at: time(at) },
        (None, Some(at)) => AlertState::Acknowledged { at: time(at) },
        (None, None) => AlertState::Firing,
    };
    Ok(Alert {
        id: parse(NOUN, &row.id)?,
        dedup_key: row.dedup_key,
        group_key: row.group_key,
        resource_id: row.resource_id.map(|id| parse("resource", &id)).transpose()?,
        severity: severity_of(&row.id, i64::from(row.severity))?,
        labels: body::read_attributes(&row.id, &row.labels)?,
        rule: row.rule,
        summary: row.summary,
        detail: row.detail,
        state,
        started_at: time(row.started_at),
        last_fired_at: time(row.last_fired_at),
        count: u32::try_from(row.fired_count).unwrap_or(u32::MAX),
    })
}
