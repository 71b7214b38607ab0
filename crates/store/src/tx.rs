//! One transaction: state, ledger entries and messages, all or nothing.

use echobase_types::ledger::EntryDraft;
use echobase_types::{TenantId, Timestamp};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::OwnedMutexGuard;

use crate::error::{StoreError, failed};
use crate::ledger::{self, EntryRef};
use crate::outbox::NewMessage;
use crate::secret::Pepper;

/// What a state change leaves behind: entries for the ledger and messages for the outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trail {
    pub(crate) entries: Vec<EntryDraft>,
    pub(crate) messages: Vec<NewMessage>,
}

impl Trail {
    /// Nothing: for bookkeeping that no auditor asks for, such as progress or a renewed lease.
    pub fn none() -> Self {
        Self::default()
    }

    /// With one entry more.
    pub fn entry(mut self, entry: EntryDraft) -> Self {
        self.entries.push(entry);
        self
    }

    /// With one message more.
    pub fn message(mut self, message: NewMessage) -> Self {
        self.messages.push(message);
        self
    }
}

impl From<EntryDraft> for Trail {
    fn from(entry: EntryDraft) -> Self {
        Self::none().entry(entry)
    }
}

impl From<Vec<EntryDraft>> for Trail {
    fn from(entries: Vec<EntryDraft>) -> Self {
        Self { entries, messages: Vec::new() }
    }
}

/// An open transaction of one tenant at one time. Each noun adds its methods in its own module. Dropped without
/// [`Tx::commit`], everything in it is rolled back.
pub struct Tx {
    conn: DatabaseTransaction,
    tenant: TenantId,
    now: Timestamp,
    pepper: Pepper,
    entries: Vec<EntryRef>,
    // Declared last, so that the connection goes back before the next writer gets its turn.
    _turn: OwnedMutexGuard<()>,
}

impl Tx {
    pub(crate) async fn open(
        writer: &DatabaseConnection,
        turn: OwnedMutexGuard<()>,
        tenant: TenantId,
        now: Timestamp,
        pepper: Pepper,
    ) -> Result<Self, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let conn = writer.begin_with_options(options).await.map_err(failed("begin a transaction"))?;
        Ok(Self { conn, tenant, now, pepper, entries: Vec::new(), _turn: turn })
    }

    /// Whose transaction it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The time of all it writes.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Appends to the tenant's log. The entries exist only if the transaction commits.
    pub async fn append(&mut self, drafts: &[EntryDraft]) -> Result<Vec<EntryRef>, StoreError> {
        let refs = ledger::append(&self.conn, &self.tenant, drafts, self.now).await?;
        self.entries.extend_from_slice(&refs);
        Ok(refs)
    }

    /// Appends the entries and enqueues the messages of a trail.
    pub async fn leave(&mut self, trail: Trail) -> Result<Vec<EntryRef>, StoreError> {
        self.enqueue(&trail.messages).await?;
        self.append(&trail.entries).await
    }

    /// Makes all of it durable, and returns the entries that were appended. When this returns, state and entries
    /// survive a crash.
    pub async fn commit(self) -> Result<Vec<EntryRef>, StoreError> {
        self.conn.commit().await.map_err(failed("commit a transaction"))?;
        Ok(self.entries)
    }

    pub(crate) async fn roll_back(self) -> Result<(), StoreError> {
        self.conn.rollback().await.map_err(failed("roll a transaction back"))
    }

    pub(crate) fn conn(&self) -> &DatabaseTransaction {
        &self.conn
    }

    pub(crate) fn tenant_text(&self) -> String {
        self.tenant.to_string()
    }

    pub(crate) fn micros(&self) -> i64 {
        self.now.as_micros()
    }

    pub(crate) fn pepper(&self) -> &Pepper {
        &self.pepper
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use sea_orm::ConnectionTrait as _;

    use super::*;
    use crate::{Location, OpenMode, Store};

    #[tokio::test]
    async fn what_is_committed_after_commits_failed_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("state.db"));
        let (tenant, now) = (TenantId::default_tenant(), Timestamp::from_secs(1));
        let store = Store::open(location.clone(), OpenMode::RefuseDamage, now).await.unwrap();
        for attempt in 0..3 {
            let mut tx = store.begin(&tenant, now).await.unwrap();
            tx.set_setting("lost", "1").await.unwrap();
            // What SQLite does by itself when a commit finds the disk full.
            tx.conn().execute_unprepared("ROLLBACK").await.unwrap();
            assert!(tx.commit().await.is_err(), "attempt {attempt}");
            // A rollback of what the driver takes for a savepoint would leave the savepoint open for good.
            drop(store.begin(&tenant, now).await.unwrap());
        }
        store.settings().set(&tenant, "kept", "1", Trail::none(), now).await.unwrap();
        let seen = store.settings().list(&tenant).await.unwrap();
        assert_eq!(seen, [("kept".to_owned(), "1".to_owned())]);
        store.close().await.unwrap();
        let again = Store::open(location, OpenMode::RefuseDamage, now).await.unwrap();
        assert_eq!(again.settings().list(&tenant).await.unwrap(), seen);
    }
}
