//! Browser sessions. Only the hash of a token is stored.

use std::time::Duration;

use echobase_types::{PrincipalId, SessionId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::column::{micros, parse, time};
use crate::entity::session as table;
use crate::error::{StoreError, failed};
use crate::principal::{self, Account, Standing};
use crate::secret::{fresh_token, fresh_uuid, hash_token};
use crate::{Store, Trail, Tx};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id; safe to log.
    pub id: SessionId,
    /// Whose.
    pub principal: PrincipalId,
    /// What unsafe requests must repeat in a header: a keyed hash of the session's id.
    pub csrf_token: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session just made, with the token for the cookie. The token is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The token, 64 hexadecimal digits.
    pub token: String,
}

/// Sessions of the store.
pub struct Sessions<'a> {
    pub(crate) store: &'a Store,
}

impl Sessions<'_> {
    /// Begins a session and notes that the principal signed in.
    pub async fn create(
        &self,
        tenant: &TenantId,
        principal: PrincipalId,
        lasts: Duration,
        trail: Trail,
        now: Timestamp,
    ) -> Result<NewSession, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let new = tx.create_session(principal, lasts).await?;
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// The live session of a token with its active principal, or `Unauthenticated`. The tenant comes from the
    /// session, never from the request.
    pub async fn find(&self, token: &str, now: Timestamp) -> Result<(Session, Account), StoreError> {
        let wrong = || StoreError::Unauthenticated("session");
        let row = table::Entity::find()
            .filter(table::Column::TokenHash.eq(hash_token(token)))
            .one(self.store.reader())
            .await
            .map_err(failed("read session"))?
            .filter(|row| now.as_micros() < row.expires_at)
            .ok_or_else(wrong)?;
        let tenant: TenantId = parse("tenant", &row.tenant)?;
        let id: PrincipalId = parse("principal", &row.principal_id)?;
        let account = principal::read(principal::row_of(self.store.reader(), &tenant, id).await?)?;
        if account.standing == Standing::Suspended {
            return Err(wrong());
        }
        Ok((read(self.store.pepper(), &row)?, account))
    }

    /// Ends the session of a token and begins another for the same principal, with the same end.
    pub async fn rotate(&self, token: &str, now: Timestamp) -> Result<NewSession, StoreError> {
        let (session, account) = self.find(token, now).await?;
        let mut tx = self.store.begin(&account.tenant, now).await?;
        tx.end_session(session.id).await?;
        let new = tx.create_session(account.id, session.expires_at.since(now)).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Ends one session.
    pub async fn end(
        &self,
        tenant: &TenantId,
        id: SessionId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.end_session(id).await?;
        tx.leave(trail).await?;
        tx.commit().await.map(|_| ())
    }

    /// Ends all sessions of a principal and says how many there were.
    pub async fn end_all(
        &self,
        tenant: &TenantId,
        principal: PrincipalId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let ended = tx.end_sessions(principal).await?;
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Removes sessions that ended before `now`, of all tenants.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let swept = table::Entity::delete_many()
            .filter(table::Column::ExpiresAt.lte(now.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("sweep sessions"))?
            .rows_affected;
        tx.commit().await?;
        Ok(swept)
    }
}

impl Tx {
    /// Begins a session and notes that the principal signed in.
    pub async fn create_session(
        &mut self,
        principal: PrincipalId,
        lasts: Duration,
    ) -> Result<NewSession, StoreError> {
        principal::row_of(self.conn(), self.tenant(), principal).await?;
        let token = fresh_token()?;
        let id = SessionId::from_uuid(fresh_uuid(self.now())?);
        let row = table::Model {
            tenant: self.tenant_text(),
            id: id.to_string(),
            principal_id: principal.to_string(),
            token_hash: hash_token(&token),
            created_at: self.micros(),
            expires_at: self.micros().saturating_add(micros(lasts)),
        };
        let session = read(self.pepper(), &row)?;
        let active = table::ActiveModel {
            tenant: Set(row.tenant),
            id: Set(row.id),
            principal_id: Set(row.principal_id),
            token_hash: Set(row.token_hash),
            created_at: Set(row.created_at),
            expires_at: Set(row.expires_at),
        };
        table::Entity::insert(active)
            .exec_without_returning(self.conn())
            .await
            .map_err(failed("make session"))?;
        self.seen_principal(principal).await?;
        Ok(NewSession { session, token })
    }

    /// Ends one session; ending it again is no error.
    pub async fn end_session(&mut self, id: SessionId) -> Result<(), StoreError> {
        table::Entity::delete_many()
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Id.eq(id.to_string()))
            .exec(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("end session"))
    }

    /// Ends all sessions of a principal and says how many there were.
    pub async fn end_sessions(&mut self, principal: PrincipalId) -> Result<u64, StoreError> {
        table::Entity::delete_many()
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::PrincipalId.eq(principal.to_string()))
            .exec(self.conn())
            .await
            .map(|done| done.rows_affected)
            .map_err(failed("end sessions"))
    }
}

fn read(pepper: &crate::secret::Pepper, row: &table::Model) -> Result<Session, StoreError> {
    Ok(Session {
        id: parse("session", &row.id)?,
        principal: parse("principal", &row.principal_id)?,
        csrf_token: pepper.mac("csrf", &row.id)?,
        created_at: time(row.created_at),
        expires_at: time(row.expires_at),
    })
}
