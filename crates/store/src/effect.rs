//! What was done to targets: the target's side of fencing and idempotency. Before an actuator touches a target, the
//! action is admitted here under its epoch; after it, the receipt is recorded.
//!
//! An epoch below the largest one seen at the target is refused, so that an action of a controller that lost its
//! lease cannot land late; an action that has its receipt is not done again.

use echobase_types::intervention::StepReceipt;
use echobase_types::{InterventionId, ResourceId, TenantId, Timestamp};

use crate::body::{self, ReceiptBody};
use crate::column::{self, count, int};
use crate::error::{StoreError, failed};
use crate::{Store, Tx};

const NOUN: &str = "effect";

/// Doing or undoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Carry the step out.
    Apply,
    /// Undo it.
    Revert,
}

impl Direction {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Revert => "revert",
        }
    }
}

/// One action on one target, done at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectKey {
    /// What it acts on.
    pub target: ResourceId,
    /// Of which intervention.
    pub intervention: InterventionId,
    /// Which step, from 0.
    pub step: u32,
    /// Doing or undoing.
    pub direction: Direction,
}

/// Whether an action may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Nobody tried it before: do it.
    First,
    /// It was admitted before (under the epoch given), but there is no receipt: it may have been done or not. The
    /// new epoch now owns it.
    Unfinished {
        /// The epoch of the earlier attempt.
        epoch: u64,
    },
    /// It was done; this is its receipt. Do not do it again.
    Already(StepReceipt),
    /// A larger epoch was seen at the target: stop acting.
    Fenced {
        /// The largest epoch seen.
        epoch: u64,
    },
}

/// Effects of the store.
pub struct Effects<'a> {
    pub(crate) store: &'a Store,
}

impl Effects<'_> {
    /// Asks whether an action may go on under this epoch, and notes that it was asked. Durable when it returns.
    pub async fn admit(
        &self,
        tenant: &TenantId,
        key: &EffectKey,
        epoch: u64,
        now: Timestamp,
    ) -> Result<Admit, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let admit = tx.admit_effect(key, epoch).await?;
        tx.commit().await?;
        Ok(admit)
    }

    /// Records the receipt of an action that was admitted under this epoch; `Conflict` if another epoch owns it by
    /// now, or if it has a receipt already.
    pub async fn record(
        &self,
        tenant: &TenantId,
        key: &EffectKey,
        epoch: u64,
        receipt: &StepReceipt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.record_effect(key, epoch, receipt).await?;
        tx.commit().await.map(|_| ())
    }
}

impl Tx {
    /// Asks whether an action may go on; see [`Effects::admit`].
    pub async fn admit_effect(&mut self, key: &EffectKey, epoch: u64) -> Result<Admit, StoreError> {
        let act = "admit effect";
        let raised = column::query_one(
            self.conn(),
            "INSERT INTO effect_fence (tenant, target, epoch) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, target) DO UPDATE SET epoch = excluded.epoch
             WHERE effect_fence.epoch <= excluded.epoch
             RETURNING epoch",
            vec![self.tenant_text().into(), key.target.as_str().into(), int(epoch).into()],
        )
        .await
        .map_err(failed(act))?;
        if raised.is_none() {
            return Ok(Admit::Fenced { epoch: self.fence(&key.target).await? });
        }
        let earlier = column::query_one(
            self.conn(),
            "SELECT epoch, receipt FROM effect
             WHERE tenant = $1 AND target = $2 AND intervention_id = $3 AND step = $4 AND direction = $5",
            self.effect_key(key),
        )
        .await
        .map_err(failed(act))?;
        if let Some(row) = &earlier {
            let receipt: Option<String> = row.try_get("", "receipt").map_err(failed(act))?;
            if let Some(text) = receipt {
                let receipt: ReceiptBody = body::read(NOUN, &key.intervention.to_string(), &text)?;
                return Ok(Admit::Already(receipt.value()));
            }
        }
        let mut values = self.effect_key(key);
        values.extend([int(epoch).into(), self.micros().into()]);
        column::execute(
            self.conn(),
            "INSERT INTO effect (tenant, target, intervention_id, step, direction, epoch, admitted_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, target, intervention_id, step, direction)
             DO UPDATE SET epoch = excluded.epoch, admitted_at = excluded.admitted_at",
            values,
        )
        .await
        .map_err(failed(act))?;
        match earlier {
            Some(row) => {
                Ok(Admit::Unfinished { epoch: count(row.try_get("", "epoch").map_err(failed(act))?) })
            }
            None => Ok(Admit::First),
        }
    }

    /// Records the receipt of an action; see [`Effects::record`].
    pub async fn record_effect(
        &mut self,
        key: &EffectKey,
        epoch: u64,
        receipt: &StepReceipt,
    ) -> Result<(), StoreError> {
        let mut values = self.effect_key(key);
        values.extend([int(epoch).into(), body::write(NOUN, &ReceiptBody::of(receipt))?.into()]);
        let done = column::execute(
            self.conn(),
            "UPDATE effect SET receipt = $7
             WHERE tenant = $1 AND target = $2 AND intervention_id = $3 AND step = $4 AND direction = $5
             AND epoch = $6 AND receipt IS NULL",
            values,
        )
        .await
        .map_err(failed("record effect"))?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        Err(StoreError::conflict(NOUN, key.intervention, "another epoch owns this step, or it has a receipt"))
    }

    async fn fence(&self, target: &ResourceId) -> Result<u64, StoreError> {
        let act = "read fence";
        let row = column::query_one(
            self.conn(),
            "SELECT epoch FROM effect_fence WHERE tenant = $1 AND target = $2",
            vec![self.tenant_text().into(), target.as_str().into()],
        )
        .await
        .map_err(failed(act))?
        .ok_or_else(|| StoreError::not_found("fence", target))?;
        Ok(count(row.try_get("", "epoch").map_err(failed(act))?))
    }

    fn effect_key(&self, key: &EffectKey) -> Vec<sea_orm::Value> {
        vec![
            self.tenant_text().into(),
            key.target.as_str().into(),
            key.intervention.to_string().into(),
            i64::from(key.step).into(),
            key.direction.as_str().into(),
        ]
    }
}
