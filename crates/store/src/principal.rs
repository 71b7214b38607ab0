//! Principals: people and machines, their roles and passwords.

use echobase_types::principal::{Principal, PrincipalKind, Role, Scope};
use echobase_types::{KeyId, PrincipalId, TenantId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};

use crate::column::{parse, time, word};
use crate::entity::principal as table;
use crate::error::{StoreError, failed};
use crate::ledger::EntryRef;
use crate::password::{self, Fit, PasswordHash};
use crate::{Page, PageRequest, Store, Trail, Tx};

const NOUN: &str = "principal";

/// A principal as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub id: PrincipalId,
    /// Whose.
    pub tenant: TenantId,
    /// Person or machine.
    pub kind: PrincipalKind,
    /// Name, unique in the tenant.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether it may do anything at all.
    pub standing: Standing,
    /// Whether it can sign in with a password.
    pub has_password: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub last_seen_at: Option<Timestamp>,
}

/// Whether a principal may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What its role allows.
    Active,
    /// Nothing.
    Suspended,
}

/// A principal to be made.
#[derive(Clone, Debug)]
pub struct NewPrincipal {
    /// Its id.
    pub id: PrincipalId,
    /// Person or machine.
    pub kind: PrincipalKind,
    /// Name, unique in the tenant: 1 to 64 of letters, digits and `._@-`.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Password, if it has one from the start.
    pub password: Option<PasswordHash>,
}

impl Account {
    /// The principal as the decision point sees it: by session (`scopes` and `key` absent) or by API key.
    pub fn principal(&self, scopes: Option<Vec<Scope>>, key: Option<KeyId>) -> Principal {
        Principal {
            id: self.id,
            tenant: self.tenant.clone(),
            kind: self.kind,
            name: self.name.clone(),
            role: self.role,
            suspended: self.standing == Standing::Suspended,
            scopes,
            key,
        }
    }
}

/// Principals of the store.
pub struct Principals<'a> {
    pub(crate) store: &'a Store,
}

impl Principals<'_> {
    /// Makes a principal.
    pub async fn create(
        &self,
        tenant: &TenantId,
        new: &NewPrincipal,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.create_principal(new).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// The principal of this id.
    pub async fn get(&self, tenant: &TenantId, id: PrincipalId) -> Result<Account, StoreError> {
        read(row_of(self.store.reader(), tenant, id).await?)
    }

    /// The principal of this name.
    pub async fn by_name(&self, tenant: &TenantId, name: &str) -> Result<Account, StoreError> {
        let row = self.row_by_name(tenant, name).await?;
        row.map(read).ok_or_else(|| StoreError::not_found(NOUN, name))?
    }

    /// The principals of a tenant, newest first.
    pub async fn page(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page<Account>, StoreError> {
        let all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        Page::newest::<table::Entity>(
            self.store,
            all,
            table::Column::Id,
            |row| row.id.clone(),
            request,
            "list principals",
            read,
        )
        .await
    }

    /// How many principals a tenant has.
    pub async fn count(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .count(self.store.reader())
            .await
            .map_err(failed("count principals"))
    }

    /// Gives another role. The last active administrator of a tenant keeps its role (`Conflict`).
    pub async fn set_role(
        &self,
        tenant: &TenantId,
        id: PrincipalId,
        role: Role,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.set_role(id, role).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Suspends or reinstates; suspending ends all sessions. The last active administrator of a tenant cannot be
    /// suspended (`Conflict`).
    pub async fn set_standing(
        &self,
        tenant: &TenantId,
        id: PrincipalId,
        standing: Standing,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.set_standing(id, standing).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// Sets the password and ends all sessions of the principal.
    pub async fn set_password(
        &self,
        tenant: &TenantId,
        id: PrincipalId,
        password: &PasswordHash,
        trail: Trail,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        let mut tx = self.store.begin(tenant, now).await?;
        tx.set_password(id, password).await?;
        tx.leave(trail).await?;
        tx.commit().await
    }

    /// The active principal with this name and password, or `Unauthenticated`. An unknown name takes as long as a
    /// wrong password.
    pub async fn sign_in(
        &self,
        tenant: &TenantId,
        name: &str,
        password: String,
    ) -> Result<Account, StoreError> {
        let row = self.row_by_name(tenant, name).await?;
        let stored = row.as_ref().and_then(|r| r.password_hash.clone()).map(PasswordHash::from_column);
        let fit = password::check(stored, password).await?;
        match row.map(read).transpose()? {
            Some(account) if fit == Fit::Right && account.standing == Standing::Active => Ok(account),
            _ => Err(StoreError::Unauthenticated("name or password")),
        }
    }

    async fn row_by_name(&self, tenant: &TenantId, name: &str) -> Result<Option<table::Model>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::Name.eq(name))
            .one(self.store.reader())
            .await
            .map_err(failed("read principal"))
    }
}

impl Tx {
    /// Makes a principal.
    pub async fn create_principal(&mut self, new: &NewPrincipal) -> Result<(), StoreError> {
        let ok = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
        if new.name.is_empty() || new.name.chars().count() > 64 || !new.name.chars().all(ok) {
            return Err(StoreError::invalid("name", "use 1 to 64 of letters, digits and `._@-`"));
        }
        let row = table::ActiveModel {
            tenant: Set(self.tenant_text()),
            id: Set(new.id.to_string()),
            kind: Set(new.kind.as_str().to_owned()),
            name: Set(new.name.clone()),
            role: Set(new.role.as_str().to_owned()),
            suspended: Set(false),
            password_hash: Set(new.password.as_ref().map(|p| p.as_str().to_owned())),
            created_at: Set(self.micros()),
            last_seen_at: Set(None),
        };
        match table::Entity::insert(row).exec_without_returning(self.conn()).await {
            Err(e) if StoreError::is_duplicate(&e) => {
                Err(StoreError::conflict(NOUN, &new.name, "the name is taken"))
            }
            other => other.map(|_| ()).map_err(failed("make principal")),
        }
    }

    /// Gives another role; see [`Principals::set_role`].
    pub async fn set_role(&mut self, id: PrincipalId, role: Role) -> Result<(), StoreError> {
        let row = row_of(self.conn(), self.tenant(), id).await?;
        if role != Role::Admin {
            self.keep_an_admin(&row).await?;
        }
        let change = table::ActiveModel { role: Set(role.as_str().to_owned()), ..Default::default() };
        self.change_principal(id, change).await
    }

    /// Suspends or reinstates; see [`Principals::set_standing`].
    pub async fn set_standing(&mut self, id: PrincipalId, standing: Standing) -> Result<(), StoreError> {
        let row = row_of(self.conn(), self.tenant(), id).await?;
        let suspended = standing == Standing::Suspended;
        if suspended {
            self.keep_an_admin(&row).await?;
            self.end_sessions(id).await?;
        }
        let change = table::ActiveModel { suspended: Set(suspended), ..Default::default() };
        self.change_principal(id, change).await
    }

    /// Sets the password and ends all sessions; see [`Principals::set_password`].
    pub async fn set_password(&mut self, id: PrincipalId, password: &PasswordHash) -> Result<(), StoreError> {
        row_of(self.conn(), self.tenant(), id).await?;
        self.end_sessions(id).await?;
        let hash = Some(password.as_str().to_owned());
        self.change_principal(id, table::ActiveModel { password_hash: Set(hash), ..Default::default() }).await
    }

    /// Notes that the principal signed in.
    pub async fn seen_principal(&mut self, id: PrincipalId) -> Result<(), StoreError> {
        let seen = Some(self.micros());
        self.change_principal(id, table::ActiveModel { last_seen_at: Set(seen), ..Default::default() }).await
    }

    async fn change_principal(
        &mut self,
        id: PrincipalId,
        change: table::ActiveModel,
    ) -> Result<(), StoreError> {
        table::Entity::update_many()
            .set(change)
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Id.eq(id.to_string()))
            .exec(self.conn())
            .await
            .map(|_| ())
            .map_err(failed("change principal"))
    }

    async fn keep_an_admin(&self, row: &table::Model) -> Result<(), StoreError> {
        if row.role != Role::Admin.as_str() || row.suspended {
            return Ok(());
        }
        let admins = table::Entity::find()
            .filter(table::Column::Tenant.eq(self.tenant().as_str()))
            .filter(table::Column::Role.eq(Role::Admin.as_str()))
            .filter(table::Column::Suspended.eq(false))
            .count(self.conn())
            .await
            .map_err(failed("count administrators"))?;
        if admins > 1 {
            return Ok(());
        }
        Err(StoreError::conflict(NOUN, &row.name, "it is the last active administrator of its tenant"))
    }
}

pub(crate) async fn row_of<C: ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
    id: PrincipalId,
) -> Result<table::Model, StoreError> {
    table::Entity::find_by_id((tenant.to_string(), id.to_string()))
        .one(conn)
        .await
        .map_err(failed("read principal"))?
        .ok_or_else(|| StoreError::not_found(NOUN, id))
}

pub(crate) fn read(row: table::Model) -> Result<Account, StoreError> {
    Ok(Account {
        id: parse(NOUN, &row.id)?,
        tenant: parse("tenant", &row.tenant)?,
        kind: word("kind of principal", &row.kind, PrincipalKind::parse)?,
        name: row.name,
        role: word("role", &row.role, Role::parse)?,
        standing: if row.suspended { Standing::Suspended } else { Standing::Active },
        has_password: row.password_hash.is_some(),
        created_at: time(row.created_at),
        last_seen_at: row.last_seen_at.map(time),
    })
}
