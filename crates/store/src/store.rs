//! Opening the database, and the handles onto its nouns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use echobase_types::{TenantId, Timestamp};
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::sqlite::SqliteConnection;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{StoreError, failed};
use crate::ledger::Queue;
use crate::secret::Pepper;
use crate::tx::Tx;
use crate::{column, migration};

/// How long a connection waits for a lock of another process before it answers `Unavailable`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS: u32 = 4;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file; it and its folder are made if absent. The pepper of API keys lies beside it in `pepper.key`.
    File(PathBuf),
    /// Memory of this process; gone when the last clone of the store is dropped. Reads wait for an open
    /// transaction, since there is only one connection.
    Memory,
}

/// What to do on opening if a ledger does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Refuse to open.
    RefuseDamage,
    /// Write a `ledger.damage` entry into the damaged log first, then go on.
    AcceptDamage,
}

/// The store. A clone is a cheap handle on the same database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    /// One transaction writes at a time, in the order of asking.
    turn: Arc<Mutex<()>>,
    queue: Queue,
    pepper: Pepper,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the database, brings its schema to the newest version and checks the tail of every ledger against
    /// its recorded head. `now` stamps the migration and, in [`OpenMode::AcceptDamage`], the `ledger.damage` entry.
    pub async fn open(location: Location, mode: OpenMode, now: Timestamp) -> Result<Self, StoreError> {
        let (writer, reader, pepper) = match &location {
            Location::Memory => {
                let only = connect("sqlite::memory:".to_owned(), 1, Access::Write).await?;
                (only.clone(), only, Pepper::fresh()?)
            }
            Location::File(path) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(|source| StoreError::File {
                    act: "make folder",
                    path: folder.display().to_string(),
                    source,
                })?;
                let pepper = Pepper::load_or_make(&folder.join("pepper.key"))?;
                let url = format!("sqlite://{}?mode=rwc", path.display());
                let writer = connect(url.clone(), 1, Access::Write).await?;
                (writer, connect(url, READERS, Access::Read).await?, pepper)
            }
        };
        migration::run(&writer, now.as_micros()).await?;
        let store = Self {
            inner: Arc::new(Inner {
                writer,
                reader,
                turn: Arc::new(Mutex::new(())),
                queue: Queue::default(),
                pepper,
            }),
        };
        store.ledger().check_on_open(mode, now).await?;
        Ok(store)
    }

    /// Opens a transaction of one tenant, and waits its turn to write. Dropped without [`Tx::commit`], it is
    /// rolled back. While it is open, use its methods and not the handles of the store.
    pub async fn begin(&self, tenant: &TenantId, now: Timestamp) -> Result<Tx, StoreError> {
        let turn = self.turn().await;
        self.begin_in(turn, tenant, now).await
    }

    /// Waits for the turn to write.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.inner.turn.clone().lock_owned().await
    }

    /// Opens a transaction in a turn that was waited for.
    pub(crate) async fn begin_in(
        &self,
        turn: OwnedMutexGuard<()>,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Tx, StoreError> {
        Tx::open(&self.inner.writer, turn, tenant.clone(), now, self.inner.pepper.clone()).await
    }

    /// Whether the database answers, to reads and to the lock for writing.
    pub async fn check(&self) -> Result<(), StoreError> {
        column::query_one(self.reader(), "SELECT 1 AS one", vec![])
            .await
            .map_err(failed("ask the database"))?;
        self.begin(&TenantId::default_tenant(), Timestamp::EPOCH).await?.roll_back().await
    }

    /// Closes all connections; what is still open is rolled back.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.reader.clone().close().await.map_err(failed("close the database"))?;
        self.inner.writer.clone().close().await.map_err(failed("close the database"))
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.inner.reader
    }

    pub(crate) fn pepper(&self) -> &Pepper {
        &self.inner.pepper
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.inner.queue
    }
}

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

async fn connect(url: String, connections: u32, access: Access) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .record_stmt_in_spans(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_before_acquire(|conn, _| Box::pin(outside_transaction(conn)))
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .busy_timeout(BUSY_TIMEOUT)
                .statement_cache_capacity(256)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("foreign_keys", "ON")
                .pragma("temp_store", "MEMORY")
                .pragma("cache_size", "-16384");
            if access == Access::Read { sqlite.pragma("query_only", "ON") } else { sqlite }
        });
    Database::connect(options).await.map_err(failed("open the database"))
}

/// Whether a connection may be used again: not if it takes itself to be in a transaction.
///
/// When a commit fails because the disk is full, SQLite ends the transaction by itself, and the driver goes on
/// counting it as open. The next transaction on that connection would be a savepoint within one that never commits:
/// acknowledged and lost. Such a connection is closed, and a new one opened.
async fn outside_transaction(conn: &mut SqliteConnection) -> Result<bool, sea_orm::sqlx::Error> {
    // Behind the rollback of a transaction that was dropped, which the driver does later.
    conn.ping().await?;
    let is_outside = !conn.is_in_transaction();
    if !is_outside {
        tracing::warn!("a transaction ended in disorder; its connection is replaced");
    }
    Ok(is_outside)
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident => $module:ident :: $handle:ident;)*) => {
        impl Store {$(
            $(#[$doc])*
            pub fn $name(&self) -> crate::$module::$handle<'_> {
                crate::$module::$handle { store: self }
            }
        )*}
    };
}

handles! {
    /// Alerts.
    alerts => alert::Alerts;
    /// The catalog of telemetry files.
    catalog => catalog::Catalog;
    /// Changes: deploys, configurations, models, prompts.
    changes => change::Changes;
    /// What was done to targets: fences and receipts.
    effects => effect::Effects;
    /// The freeze switch.
    freezes => freeze::Freezes;
    /// Answers to repeated requests.
    idempotency => idempotency::Idempotency;
    /// Incidents as people labelled them.
    incidents => incident::Incidents;
    /// Levels that people took as the new reference.
    references => reference::References;
    /// Interventions.
    interventions => intervention::Interventions;
    /// Long work in the background.
    jobs => job::Jobs;
    /// API keys.
    keys => key::Keys;
    /// Leases with fencing numbers.
    leases => lease::Leases;
    /// The ledger.
    ledger => ledger::Ledger;
    /// The registry of risk models.
    models => model::Models;
    /// Messages on their way out.
    outbox => outbox::Outbox;
    /// Playbooks.
    playbooks => playbook::Playbooks;
    /// Principals.
    principals => principal::Principals;
    /// Watched things and their dependencies.
    resources => resource::Resources;
    /// Browser sessions.
    sessions => session::Sessions;
    /// Small settings.
    settings => setting::Settings;
    /// One-time sign-in links.
    signin_links => signin_link::SigninLinks;
    /// Service level objectives.
    slos => slo::Slos;
    /// Tenants.
    tenants => tenant::Tenants;
}
