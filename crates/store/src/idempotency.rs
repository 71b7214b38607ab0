//! Answers to repeated requests: the first answer under a key is kept for 24 hours and given again; the same key with
//! another body is refused.

use std::time::Duration;

use echobase_types::{TenantId, Timestamp};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use sha2::{Digest as _, Sha256};

use crate::Store;
use crate::column;
use crate::entity::idempotency as table;
use crate::error::{StoreError, failed};
use crate::secret::hex;

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// A request that has not answered for so long has died; its key may be used again.
pub const ABANDONED: Duration = Duration::from_secs(5 * 60);
/// Characters of the longest key.
const MAX_KEY_CHARS: usize = 255;

const NOUN: &str = "idempotency key";

/// What a request with a key should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Nobody used the key: do the work, then [`Idempotency::answered`], or [`Idempotency::forget`] if it failed in
    /// a way that a repeat may mend.
    First,
    /// Give this answer again.
    Again(Answer),
}

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The content type, or empty.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Idempotency keys of the store.
pub struct Idempotency<'a> {
    pub(crate) store: &'a Store,
}

impl Idempotency<'_> {
    /// Takes a key (1 to 255 characters) for a request. `request` is all that must be the same in a repeat: method,
    /// path and body. `Unprocessable` if the key was used with another request; `Conflict` while the first one
    /// still runs.
    pub async fn begin(
        &self,
        tenant: &TenantId,
        key: &str,
        request: &[u8],
        now: Timestamp,
    ) -> Result<Replay, StoreError> {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(StoreError::invalid(NOUN, "it must have 1 to 255 characters"));
        }
        let act = "take idempotency key";
        let request_hash = hex(&Sha256::digest(request));
        let tx = self.store.begin(tenant, now).await?;
        let taken = column::execute(
            tx.conn(),
            "INSERT INTO idempotency (tenant, idempotency_key, request_hash, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash,
                 created_at = excluded.created_at, status = NULL, content_type = NULL, answer = NULL
             WHERE idempotency.created_at <= $5 OR (idempotency.status IS NULL AND idempotency.created_at <= $6)",
            vec![
                tenant.as_str().into(),
                key.into(),
                request_hash.as_str().into(),
                now.as_micros().into(),
                (now - KEPT).as_micros().into(),
                (now - ABANDONED).as_micros().into(),
            ],
        )
        .await
        .map_err(failed(act))?;
        if taken.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Replay::First);
        }
        let row = table::Entity::find_by_id((tenant.to_string(), key.to_owned()))
            .one(tx.conn())
            .await
            .map_err(failed(act))?
            .ok_or_else(|| StoreError::not_found(NOUN, key))?;
        if row.request_hash != request_hash {
            return Err(StoreError::Unprocessable {
                noun: NOUN,
                id: key.to_owned(),
                detail: "it was used with another request".to_owned(),
            });
        }
        let Some(status) = row.status else {
            return Err(StoreError::conflict(NOUN, key, "the first request with it is still running"));
        };
        Ok(Replay::Again(Answer {
            status: u16::try_from(status).map_err(|e| StoreError::damaged(NOUN, key, e))?,
            content_type: row.content_type.unwrap_or_default(),
            body: row.answer.unwrap_or_default(),
        }))
    }

    /// Keeps the answer of the request that took the key.
    pub async fn answered(
        &self,
        tenant: &TenantId,
        key: &str,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        column::execute(
            tx.conn(),
            "UPDATE idempotency SET status = $1, content_type = $2, answer = $3
             WHERE tenant = $4 AND idempotency_key = $5",
            vec![
                i32::from(answer.status).into(),
                answer.content_type.as_str().into(),
                answer.body.as_str().into(),
                tenant.as_str().into(),
                key.into(),
            ],
        )
        .await
        .map_err(failed("keep answer"))?;
        tx.commit().await.map(|_| ())
    }

    /// Gives a key back whose request did not do its work.
    pub async fn forget(&self, tenant: &TenantId, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        table::Entity::delete_by_id((tenant.to_string(), key.to_owned()))
            .exec(tx.conn())
            .await
            .map_err(failed("give idempotency key back"))?;
        tx.commit().await.map(|_| ())
    }

    /// Removes answers older than 24 hours, of all tenants; says how many.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let swept = table::Entity::delete_many()
            .filter(table::Column::CreatedAt.lte((now - KEPT).as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("sweep answers"))?
            .rows_affected;
        tx.commit().await?;
        Ok(swept)
    }
}
