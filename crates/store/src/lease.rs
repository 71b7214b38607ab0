//! Leases with fencing numbers: one holder at a time, and each new holder gets a larger epoch. The epoch decides,
//! not the clock: whoever acts under an old one is refused by `effect`.

use std::time::Duration;

use echobase_types::{TenantId, Timestamp};

use crate::column::{self, count, int, micros, time};
use crate::error::{StoreError, failed};
use crate::{Store, Tx};

const NOUN: &str = "lease";

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is for, such as `controller`.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// The fencing number: larger with each new holder, from 1.
    pub epoch: u64,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
}

/// The answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Held(Lease),
    /// Another holds it.
    Busy(Lease),
}

/// Leases of the store.
pub struct Leases<'a> {
    pub(crate) store: &'a Store,
}

impl Leases<'_> {
    /// Asks for a lease: it is given if nobody holds it, if it has expired, or to the same holder again; each time
    /// with a larger epoch.
    pub async fn acquire(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: &str,
        lasts: Duration,
        now: Timestamp,
    ) -> Result<Acquired, StoreError> {
        let act = "acquire lease";
        let tx = self.store.begin(tenant, now).await?;
        let expires = now.as_micros().saturating_add(micros(lasts));
        let row = column::query_one(
            tx.conn(),
            "INSERT INTO lease (tenant, name, holder, epoch, expires_at) VALUES ($1, $2, $3, 1, $4)
             ON CONFLICT (tenant, name) DO UPDATE
             SET holder = excluded.holder, epoch = lease.epoch + 1, expires_at = excluded.expires_at
             WHERE lease.expires_at <= $5 OR lease.holder = excluded.holder
             RETURNING holder, epoch, expires_at",
            vec![tenant.as_str().into(), name.into(), holder.into(), expires.into(), now.as_micros().into()],
        )
        .await
        .map_err(failed(act))?;
        if let Some(row) = row {
            let lease = read(name, &row).map_err(failed(act))?;
            tx.commit().await?;
            return Ok(Acquired::Held(lease));
        }
        match find(&tx, name).await? {
            Some(lease) => Ok(Acquired::Busy(lease)),
            None => Err(StoreError::damaged(NOUN, name, "it is neither free nor held")),
        }
    }

    /// Extends a lease; `Conflict` if another holds it by now, or if it was released.
    pub async fn renew(
        &self,
        tenant: &TenantId,
        lease: &Lease,
        lasts: Duration,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        let expires_at = now + lasts;
        self.change(tenant, lease, expires_at, now).await?;
        Ok(Lease { expires_at, ..lease.clone() })
    }

    /// Gives a lease back; its epoch is never given out again. `Conflict` if another holds it by now.
    pub async fn release(&self, tenant: &TenantId, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        self.change(tenant, lease, now, now).await
    }

    /// Who holds a lease, expired or not; `None` if nobody ever did.
    pub async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Lease>, StoreError> {
        find_in(self.store.reader(), tenant, name).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        lease: &Lease,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        let done = column::execute(
            tx.conn(),
            "UPDATE lease SET expires_at = $1
             WHERE tenant = $2 AND name = $3 AND holder = $4 AND epoch = $5 AND expires_at > $6",
            vec![
                expires_at.as_micros().into(),
                tenant.as_str().into(),
                lease.name.as_str().into(),
                lease.holder.as_str().into(),
                int(lease.epoch).into(),
                now.as_micros().into(),
            ],
        )
        .await
        .map_err(failed("renew lease"))?;
        if done.rows_affected() != 1 {
            return Err(StoreError::conflict(
                NOUN,
                &lease.name,
                "it is lost: expired, released or held by another",
            ));
        }
        tx.commit().await.map(|_| ())
    }
}

async fn find(tx: &Tx, name: &str) -> Result<Option<Lease>, StoreError> {
    find_in(tx.conn(), tx.tenant(), name).await
}

async fn find_in<C: sea_orm::ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Lease>, StoreError> {
    let act = "read lease";
    column::query_one(
        conn,
        "SELECT holder, epoch, expires_at FROM lease WHERE tenant = $1 AND name = $2",
        vec![tenant.as_str().into(), name.into()],
    )
    .await
    .map_err(failed(act))?
    .map(|row| read(name, &row).map_err(failed(act)))
    .transpose()
}

fn read(name: &str, row: &sea_orm::QueryResult) -> Result<Lease, sea_orm::DbErr> {
    Ok(Lease {
        name: name.to_owned(),
        holder: row.try_get("", "holder")?,
        epoch: count(row.try_get("", "epoch")?),
        expires_at: time(row.try_get("", "expires_at")?),
    })
}
