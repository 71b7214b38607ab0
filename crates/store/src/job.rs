//! Long work in the background: what it is, how far it is, whether somebody wants it stopped.

use echobase_types::{JobId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};

use crate::column::{parse, time, word};
use crate::entity::job as table;
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store, Trail, Tx};

const NOUN: &str = "job";

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It failed, or its process ended.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What sort of work, such as `import`.
    pub kind: String,
    /// What on.
    pub title: String,
    /// State.
    pub state: JobState,
    /// Share done, 0..=1, where it is known.
    pub progress: Option<f64>,
    /// How it goes, or how it ended, in words.
    pub message: String,
    /// What came of it, as the kind of work defines.
    pub result: Option<String>,
    /// Whether somebody wants it stopped.
    pub cancel: Cancel,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Whether somebody wants a job stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Nobody.
    NotAsked,
    /// Somebody: the work stops at its next look.
    Asked,
}

/// Jobs of the store.
pub struct Jobs<'a> {
    pub(crate) store: &'a Store,
}

impl Jobs<'_> {
    /// Begins a job.
    pub async fn create(
        &self,
        tenant: &TenantId,
        id: JobId,
        kind: &str,
        title: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Job, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let row = table::Model {
            tenant: tenant.to_string(),
            id: id.to_string(),
            kind: kind.to_owned(),
            title: title.to_owned(),
            state: JobState::Running.as_str().to_owned(),
            progress: None,
            message: String::new(),
            result: None,
            cancel_requested: false,
            started_at: now.as_micros(),
            updated_at: now.as_micros(),
            ended_at: None,
        };
        let job = read(row.clone())?;
        match table::Entity::insert(row.into_active_model()).exec_without_returning(tx.conn()).await {
            Err(e) if StoreError::is_duplicate(&e) => {
                return Err(StoreError::conflict(NOUN, id, "it is there already"));
            }
            other => other.map_err(failed("begin job"))?,
        };
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// Notes progress of a running job and says whether somebody wants it stopped. `Conflict` if it has ended.
    pub async fn progress(
        &self,
        tenant: &TenantId,
        id: JobId,
        share: Option<f64>,
        message: &str,
        now: Timestamp,
    ) -> Result<Cancel, StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        let row = running(&tx, id).await?;
        let change = table::ActiveModel {
            progress: Set(share),
            message: Set(message.to_owned()),
            updated_at: Set(now.as_micros()),
            ..Default::default()
        };
        change_row(&tx, id, change).await?;
        tx.commit().await?;
        Ok(if row.cancel_requested { Cancel::Asked } else { Cancel::NotAsked })
    }

    /// Ends a running job. `Conflict` if it has ended already, `Invalid` if `state` is `Running`.
    pub async fn end(
        &self,
        tenant: &TenantId,
        id: JobId,
        state: JobState,
        message: &str,
        result: Option<String>,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Job, StoreError> {
        if state == JobState::Running {
            return Err(StoreError::invalid("state of job", "a job does not end by running"));
        }
        let mut tx = self.store.begin(tenant, now).await?;
        let row = running(&tx, id).await?;
        let progress = if state == JobState::Done { Some(1.0) } else { row.progress };
        let change = table::ActiveModel {
            state: Set(state.as_str().to_owned()),
            progress: Set(progress),
            message: Set(message.to_owned()),
            result: Set(result),
            updated_at: Set(now.as_micros()),
            ended_at: Set(Some(now.as_micros())),
            ..Default::default()
        };
        change_row(&tx, id, change).await?;
        tx.leave(trail).await?;
        let job = read(row_of(&tx, id).await?)?;
        tx.commit().await?;
        Ok(job)
    }

    /// Asks a running job to stop. `Conflict` if it has ended.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        id: JobId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        running(&tx, id).await?;
        change_row(&tx, id, table::ActiveModel { cancel_requested: Set(true), ..Default::default() }).await?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Fails all running jobs of all tenants: on start, no work of the process before is running. Says how many.
    pub async fn fail_orphans(&self, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let change = table::ActiveModel {
            state: Set(JobState::Failed.as_str().to_owned()),
            message: Set("the process that ran it has ended".to_owned()),
            updated_at: Set(now.as_micros()),
            ended_at: Set(Some(now.as_micros())),
            ..Default::default()
        };
        let failed_jobs = table::Entity::update_many()
            .set(change)
            .filter(table::Column::State.eq(JobState::Running.as_str()))
            .exec(tx.conn())
            .await
            .map_err(failed("fail orphaned jobs"))?
            .rows_affected;
        tx.commit().await?;
        Ok(failed_jobs)
    }

    /// The job of this id.
    pub async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Job, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read job"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Jobs, newest first, of one kind or of any.
    pub async fn page(
        &self,
        tenant: &TenantId,
        kind: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<Job>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(kind) = kind {
            all = all.add(table::Column::Kind.eq(kind));
        }
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list jobs",
            read,
        )
        .await
    }
}

async fn row_of(tx: &Tx, id: JobId) -> Result<table::Model, StoreError> {
    table::Entity::find_by_id((tx.tenant_text(), id.to_string()))
        .one(tx.conn())
        .await
        .map_err(failed("read job"))?
        .ok_or_else(|| StoreError::not_found(NOUN, id))
}

async fn running(tx: &Tx, id: JobId) -> Result<table::Model, StoreError> {
    let row = row_of(tx, id).await?;
    if row.state != JobState::Running.as_str() {
        return Err(StoreError::conflict(NOUN, id, format!("it has ended: {}", row.state)));
    }
    Ok(row)
}

async fn change_row(tx: &Tx, id: JobId, change: table::ActiveModel) -> Result<(), StoreError> {
    table::Entity::update_many()
        .set(change)
        .filter(table::Column::Tenant.eq(tx.tenant().as_str()))
        .filter(table::Column::Id.eq(id.to_string()))
        .exec(tx.conn())
        .await
        .map(|_| ())
        .map_err(failed("change job"))
}

fn read(row: table::Model) -> Result<Job, StoreError> {
    Ok(Job {
        id: parse(NOUN, &row.id)?,
        state: word("state of job", &row.state, JobState::parse)?,
        kind: row.kind,
        title: row.title,
        progress: row.progress,
        message: row.message,
        result: row.result,
        cancel: if row.cancel_requested { Cancel::Asked } else { Cancel::NotAsked },
        started_at: time(row.started_at),
        updated_at: time(row.updated_at),
        ended_at: row.ended_at.map(time),
    })
}
