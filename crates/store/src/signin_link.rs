//! One-time sign-in links. Only the hash of a token is stored.

use std::time::Duration;

use echobase_types::{PrincipalId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::column::{micros, parse};
use crate::entity::signin_link as table;
use crate::error::{StoreError, failed};
use crate::principal::{self, Account, Standing};
use crate::secret::{fresh_token, hash_token};
use crate::{Store, Trail, Tx};

/// How long a link works.
pub const LINK_LASTS: Duration = Duration::from_secs(15 * 60);

/// Sign-in links of the store.
pub struct SigninLinks<'a> {
    pub(crate) store: &'a Store,
}

impl SigninLinks<'_> {
    /// Makes a link for a principal and returns its token, 64 hexadecimal digits. It works once, for 15 minutes.
    pub async fn create(
        &self,
        tenant: &TenantId,
        principal: PrincipalId,
        trail: Trail,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        let token = tx.create_signin_link(principal).await?;
        tx.leave(trail).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Uses a link up and returns its active principal; `Unauthenticated` if it is unknown, used or expired. The
    /// entries of `trail` are left only on success.
    pub async fn redeem(
        &self,
        token: &str,
        trail: impl FnOnce(&Account) -> Trail,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        let wrong = || StoreError::Unauthenticated("sign-in link");
        let hash = hash_token(token);
        let row = table::Entity::find()
            .filter(table::Column::TokenHash.eq(hash.as_str()))
            .one(self.store.reader())
            .await
            .map_err(failed("read sign-in link"))?
            .ok_or_else(wrong)?;
        let tenant: TenantId = parse("tenant", &row.tenant)?;
        let id: PrincipalId = parse("principal", &row.principal_id)?;
        let mut tx = self.store.begin(&tenant, now).await?;
        let used = table::Entity::update_many()
            .set(table::ActiveModel { used_at: Set(Some(now.as_micros())), ..Default::default() })
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::TokenHash.eq(hash))
            .filter(table::Column::UsedAt.is_null())
            .filter(table::Column::ExpiresAt.gt(now.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("use sign-in link"))?;
        let account = principal::read(principal::row_of(tx.conn(), &tenant, id).await?)?;
        if used.rows_affected != 1 || account.standing == Standing::Suspended {
            return Err(wrong());
        }
        tx.leave(trail(&account)).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// Removes links that expired before `now`, of all tenants.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let tx = self.store.begin(&TenantId::default_tenant(), now).await?;
        let swept = table::Entity::delete_many()
            .filter(table::Column::ExpiresAt.lte(now.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("sweep sign-in links"))?
            .rows_affected;
        tx.commit().await?;
        Ok(swept)
    }
}

impl Tx {
    /// Makes a link for a principal and returns its token; see [`SigninLinks::create`].
    pub async fn create_signin_link(&mut self, principal: PrincipalId) -> Result<String, StoreError> {
        principal::row_of(self.conn(), self.tenant(), principal).await?;
        let token = fresh_token()?;
        let row = table::ActiveModel {
            tenant: Set(self.tenant_text()),
            token_hash: Set(hash_token(&token)),
            principal_id: Set(principal.to_string()),
            expires_at: Set(self.micros().saturating_add(micros(LINK_LASTS))),
            used_at: Set(None),
        };
        table::Entity::insert(row)
            .exec_without_returning(self.conn())
            .await
            .map_err(failed("make sign-in link"))?;
        Ok(token)
    }
}
