//! What can go wrong in the store, and which class of failure it is.

use echobase_types::ErrorKind;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A failed act of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not answer.
    #[error("{act}")]
    Database {
        /// What was tried.
        act: &'static str,
        /// What the database said.
        source: DbErr,
    },
    /// No such thing in this tenant.
    #[error("no {noun} `{id}`")]
    NotFound {
        /// What sort of thing.
        noun: &'static str,
        /// Its id as asked for.
        id: String,
    },
    /// The state does not allow it now.
    #[error("{noun} `{id}`: {detail}")]
    Conflict {
        /// What sort of thing.
        noun: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        detail: String,
    },
    /// An argument breaks a stated rule.
    #[error("{noun}: {detail}")]
    Invalid {
        /// Which argument.
        noun: &'static str,
        /// Which rule.
        detail: String,
    },
    /// Well-formed, but the content is refused.
    #[error("{noun} `{id}`: {detail}")]
    Unprocessable {
        /// What sort of thing.
        noun: &'static str,
        /// Its id.
        id: String,
        /// Why.
        detail: String,
    },
    /// The credential is unknown, expired, used up or wrong. Never says which.
    #[error("the {0} is not valid")]
    Unauthenticated(&'static str),
    /// A row does not read back as what it must be.
    #[error("{noun} `{id}` is damaged: {detail}")]
    Damaged {
        /// What sort of thing.
        noun: &'static str,
        /// Its id.
        id: String,
        /// What does not read back.
        detail: String,
    },
    /// The ledger cannot take the entry: no record, no action.
    #[error("append to ledger `{log}`")]
    Append {
        /// Which log.
        log: String,
        /// Why.
        #[source]
        source: echobase_audit::AppendError,
    },
    /// The ledger of a tenant does not verify, and the store was not told to accept damage.
    #[error("ledger `{log}` is damaged: {finding}")]
    LedgerDamaged {
        /// Which log.
        log: String,
        /// The first finding.
        finding: String,
    },
    /// A key or data file of the store cannot be used.
    #[error("{act} `{path}`")]
    File {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The schema is newer than this program.
    #[error("the database has schema {found}, this program knows up to {known}")]
    SchemaTooNew {
        /// Version found.
        found: i64,
        /// Newest known version.
        known: i64,
    },
    /// The write was cut short by another's cancellation; whether it happened is not known.
    #[error("the write was interrupted, and whether it happened is not known")]
    Interrupted,
    /// The machine gave no randomness, or a background thread ended.
    #[error("{0}")]
    System(String),
}

impl StoreError {
    /// The class of the failure. A full disk, a lock that does not come free and a lost disk are `Unavailable`.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Database { source, .. } => kind_of(source),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Unprocessable { .. } => ErrorKind::Unprocessable,
            Self::Unauthenticated(_) => ErrorKind::Unauthenticated,
            Self::Append { source, .. } => source.kind(),
            Self::File { .. } | Self::Interrupted => ErrorKind::Unavailable,
            Self::Damaged { .. }
            | Self::LedgerDamaged { .. }
            | Self::SchemaTooNew { .. }
            | Self::System(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn not_found(noun: &'static str, id: impl ToString) -> Self {
        Self::NotFound { noun, id: id.to_string() }
    }

    pub(crate) fn conflict(noun: &'static str, id: impl ToString, detail: impl Into<String>) -> Self {
        Self::Conflict { noun, id: id.to_string(), detail: detail.into() }
    }

    pub(crate) fn invalid(noun: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { noun, detail: detail.into() }
    }

    pub(crate) fn damaged(noun: &'static str, id: impl ToString, detail: impl ToString) -> Self {
        Self::Damaged { noun, id: id.to_string(), detail: detail.to_string() }
    }

    /// Whether a unique key stood in the way.
    pub(crate) fn is_duplicate(source: &DbErr) -> bool {
        matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
    }
}

/// Names the act that failed: `.map_err(failed("read alert"))`.
pub(crate) fn failed(act: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |source| StoreError::Database { act, source }
}

/// SQLite's primary result codes that mean "not now": busy, locked, read-only, I/O error, full, cannot open.
const NOT_NOW: [i64; 6] = [5, 6, 8, 10, 13, 14];

fn kind_of(source: &DbErr) -> ErrorKind {
    let runtime = match source {
        DbErr::ConnectionAcquire(_) => return ErrorKind::Unavailable,
        DbErr::Conn(r) | DbErr::Exec(r) | DbErr::Query(r) => r,
        _ => return ErrorKind::Internal,
    };
    let RuntimeErr::SqlxError(error) = runtime else { return ErrorKind::Internal };
    match error.as_ref() {
        sea_orm::SqlxError::PoolTimedOut | sea_orm::SqlxError::PoolClosed | sea_orm::SqlxError::Io(_) => {
            ErrorKind::Unavailable
        }
        sea_orm::SqlxError::Database(database) => {
            let code = database.code().and_then(|c| c.parse::<i64>().ok()).unwrap_or(0);
            // The low byte of an extended code is the primary one.
            if NOT_NOW.contains(&(code & 0xff)) { ErrorKind::Unavailable } else { ErrorKind::Internal }
        }
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use sea_orm::{ConnectionTrait as _, Database, TransactionTrait as _};

    use super::*;

    fn kind(answer: Result<sea_orm::ExecResult, DbErr>) -> ErrorKind {
        failed("try")(answer.unwrap_err()).kind()
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_a_broken_rule_is_a_defect() {
        let conn = Database::connect("sqlite::memory:").await.unwrap();
        conn.execute_unprepared("CREATE TABLE t (x TEXT NOT NULL); PRAGMA max_page_count = 10")
            .await
            .unwrap();
        let blob = "INSERT INTO t VALUES (zeroblob(1000000))";
        assert_eq!(kind(conn.execute_unprepared(blob).await), ErrorKind::Unavailable);
        assert_eq!(kind(conn.execute_unprepared("INSERT INTO t VALUES (NULL)").await), ErrorKind::Internal);
        assert_eq!(kind(conn.execute_unprepared("nonsense").await), ErrorKind::Internal);
    }

    #[tokio::test]
    async fn a_lock_that_does_not_come_free_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("x.db").display());
        let (one, two) =
            (Database::connect(url.clone()).await.unwrap(), Database::connect(url).await.unwrap());
        two.execute_unprepared("PRAGMA busy_timeout = 0").await.unwrap();
        let held = one.begin().await.unwrap();
        held.execute_unprepared("CREATE TABLE t (x TEXT)").await.unwrap();
        assert_eq!(kind(two.execute_unprepared("CREATE TABLE u (x TEXT)").await), ErrorKind::Unavailable);
        held.rollback().await.unwrap();
    }
}
