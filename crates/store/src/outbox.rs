//! Messages on their way out: enqueued in the transaction of the change that causes them, claimed by a dispatcher
//! under a lease, delivered at least once, each outcome kept.

use std::time::Duration;

use echobase_types::{MessageId, TenantId, Timestamp};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _};

use crate::column::{self, count, int, micros, parse, time, word};
use crate::entity::outbox as table;
use crate::error::{StoreError, failed};
use crate::secret::fresh_uuid;
use crate::{Page, PageRequest, Store, Trail, Tx};

/// After so many failed attempts a message is dead.
pub const MAX_ATTEMPTS: u32 = 12;
/// Wait after the first failed attempt; it doubles with each further one.
pub const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait between attempts.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The name of the channel that carries it, as configured.
    pub channel: String,
    /// What it is about, such as `alert:<id>`; for people and for grouping.
    pub subject: String,
    /// The body, as the channel takes it.
    pub body: String,
    /// Not to be sent before; absent: at once.
    pub not_before: Option<Timestamp>,
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStatus {
    /// Waits.
    Ready,
    /// A dispatcher has it.
    Claimed,
    /// Sent.
    Delivered,
    /// Given up.
    Dead,
}

impl MessageStatus {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Claimed, Self::Delivered, Self::Dead];

    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Claimed => "claimed",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id; also the idempotency key towards the receiver.
    pub id: MessageId,
    /// Whose.
    pub tenant: TenantId,
    /// The channel that carries it.
    pub channel: String,
    /// What it is about.
    pub subject: String,
    /// The body.
    pub body: String,
    /// Where it is on its way.
    pub status: MessageStatus,
    /// Attempts begun, the running one included.
    pub attempts: u32,
    /// When it is due (again).
    pub run_at: Timestamp,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
}

/// What becomes of a message after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// It is given up.
    Dead,
}

/// Whether a failed attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Later it may succeed; not before `after`, if the receiver said so.
    Passing {
        /// What the receiver asked for (`Retry-After`).
        after: Option<Duration>,
    },
    /// It never will.
    Lasting,
}

/// The outbox of the store.
pub struct Outbox<'a> {
    pub(crate) store: &'a Store,
}

/// The same text on both engines, but for `{skip_locked}`: SQLite has one writer and needs none.
const CLAIM: &str = "UPDATE outbox SET status = 'claimed', attempts = attempts + 1, claimed_by = $1, lease_until = $2
     WHERE (tenant, id) IN (
         SELECT tenant, id FROM outbox WHERE status = 'ready' AND run_at <= $3
         ORDER BY run_at, id LIMIT $4 {skip_locked}
     )
     RETURNING tenant, id, channel, subject, body, status, attempts, run_at, created_at, finished_at, last_error";

impl Outbox<'_> {
    /// Claims up to `limit` due messages of all tenants for a worker, oldest first. Whoever does not report within
    /// `lease` loses them to [`Outbox::return_expired`].
    pub async fn claim(
        &self,
        worker: &str,
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        let act = "claim messages";
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let rows = column::query_all(
            tx.conn(),
            CLAIM.replace("{skip_locked}", "").trim_end(),
            vec![
                worker.into(),
                now.as_micros().saturating_add(micros(lease)).into(),
                now.as_micros().into(),
                i64::from(limit).into(),
            ],
        )
        .await
        .map_err(failed(act))?;
        let mut claimed = rows
            .iter()
            .map(|row| {
                use sea_orm::FromQueryResult as _;
                Claimed::from_query_result(row, "").map_err(failed(act)).and_then(Claimed::message)
            })
            .collect::<Result<Vec<_>, _>>()?;
        tx.commit().await?;
        claimed.sort_by_key(|m| (m.run_at, m.id));
        Ok(claimed)
    }

    /// Notes that a claimed message was delivered. `Conflict` if this worker lost it.
    pub async fn delivered(
        &self,
        message: &Message,
        worker: &str,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(&message.tenant, now).await?;
        tx.end_claim(message, worker, MessageStatus::Delivered, now, None).await?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Notes that an attempt failed and says what becomes of the message: again after 5 s, 10 s, 20 s, … at most 15
    /// minutes, or dead after 12 attempts or a lasting failure. `Conflict` if this worker lost it. `trail` is asked
    /// with the fate.
    pub async fn failed(
        &self,
        message: &Message,
        worker: &str,
        failure: Failure,
        error: &str,
        trail: impl FnOnce(Fate) -> Trail,
        now: Timestamp,
    ) -> Result<Fate, StoreError> {
        let fate = fate(message.attempts, failure, now);
        let mut tx = self.store.begin(&message.tenant, now).await?;
        let (status, at) = match fate {
            Fate::Retry { at } => (MessageStatus::Ready, at),
            Fate::Dead => (MessageStatus::Dead, now),
        };
        let error: String = error.chars().take(1_000).collect();
        tx.end_claim(message, worker, status, at, Some(error)).await?;
        tx.leave(trail(fate)).await?;
        tx.commit().await?;
        Ok(fate)
    }

    /// Makes messages ready again whose worker did not report in time; says how many. Of all tenants.
    pub async fn return_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let returned = column::execute(
            tx.conn(),
            "UPDATE outbox SET status = 'ready', claimed_by = NULL, lease_until = NULL
             WHERE status = 'claimed' AND lease_until <= $1",
            vec![now.as_micros().into()],
        )
        .await
        .map_err(failed("return messages"))?
        .rows_affected();
        tx.commit().await?;
        Ok(returned)
    }

    /// Removes delivered and dead messages that ended before `before`; says how many. Of all tenants.
    pub async fn sweep(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let swept = table::Entity::delete_many()
            .filter(table::Column::FinishedAt.lt(before.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("sweep messages"))?
            .rows_affected;
        tx.commit().await?;
        Ok(swept)
    }

    /// Messages of a tenant, newest first, of one state or of any.
    pub async fn page(
        &self,
        tenant: &TenantId,
        status: Option<MessageStatus>,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(status) = status {
            all = all.add(table::Column::Status.eq(status.as_str()));
        }
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list messages",
            |row| Claimed::from(row).message(),
        )
        .await
    }
}

impl Tx {
    /// Enqueues messages; they exist only if the transaction commits.
    pub async fn enqueue(&mut self, messages: &[NewMessage]) -> Result<Vec<MessageId>, StoreError> {
        let mut ids = Vec::with_capacity(messages.len());
        for message in messages {
            let id = MessageId::from_uuid(fresh_uuid(self.now())?);
            column::execute(
                self.conn(),
                "INSERT INTO outbox (tenant, id, channel, subject, body, status, attempts, run_at, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'ready', 0, $6, $7)",
                vec![
                    self.tenant_text().into(),
                    id.to_string().into(),
                    message.channel.as_str().into(),
                    message.subject.as_str().into(),
                    message.body.as_str().into(),
                    message.not_before.unwrap_or(self.now()).as_micros().into(),
                    self.micros().into(),
                ],
            )
            .await
            .map_err(failed("enqueue message"))?;
            ids.push(id);
        }
        Ok(ids)
    }

    async fn end_claim(
        &mut self,
        message: &Message,
        worker: &str,
        status: MessageStatus,
        at: Timestamp,
        error: Option<String>,
    ) -> Result<(), StoreError> {
        let finished = (status != MessageStatus::Ready).then(|| self.micros());
        let done = column::execute(
            self.conn(),
            "UPDATE outbox SET status = $1, run_at = $2, finished_at = $3, last_error = COALESCE($4, last_error),
                 claimed_by = NULL, lease_until = NULL
             WHERE tenant = $5 AND id = $6 AND status = 'claimed' AND claimed_by = $7 AND attempts = $8",
            vec![
                status.as_str().into(),
                at.as_micros().into(),
                finished.into(),
                error.into(),
                message.tenant.as_str().into(),
                message.id.to_string().into(),
                worker.into(),
                int(u64::from(message.attempts)).into(),
            ],
        )
        .await
        .map_err(failed("report on message"))?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        Err(StoreError::conflict("message", message.id, "another worker has it, or it has ended"))
    }
}

/// What becomes of a message after this many attempts.
fn fate(attempts: u32, failure: Failure, now: Timestamp) -> Fate {
    let Failure::Passing { after } = failure else { return Fate::Dead };
    if attempts >= MAX_ATTEMPTS {
        return Fate::Dead;
    }
    let doubled = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    Fate::Retry { at: now + doubled.min(LONGEST_WAIT).max(after.unwrap_or_default()) }
}

/// The columns of a message.
#[derive(sea_orm::FromQueryResult)]
struct Claimed {
    tenant: String,
    id: String,
    channel: String,
    subject: String,
    body: String,
    status: String,
    attempts: i64,
    run_at: i64,
    created_at: i64,
    finished_at: Option<i64>,
    last_error: Option<String>,
}

impl From<table::Model> for Claimed {
    fn from(row: table::Model) -> Self {
        Self {
            tenant: row.tenant,
            id: row.id,
            channel: row.channel,
            subject: row.subject,
            body: row.body,
            status: row.status,
            attempts: row.attempts,
            run_at: row.run_at,
            created_at: row.created_at,
            finished_at: row.finished_at,
            last_error: row.last_error,
        }
    }
}

impl Claimed {
    fn message(self) -> Result<Message, StoreError> {
        Ok(Message {
            id: parse("message", &self.id)?,
            tenant: parse("tenant", &self.tenant)?,
            channel: self.channel,
            subject: self.subject,
            body: self.body,
            status: word("state of message", &self.status, MessageStatus::parse)?,
            attempts: u32::try_from(count(self.attempts)).unwrap_or(u32::MAX),
            run_at: time(self.run_at),
            created_at: time(self.created_at),
            finished_at: self.finished_at.map(time),
            last_error: self.last_error,
        })
    }
}
