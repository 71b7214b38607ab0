//! Schema versions: each file of `migrations/` is applied once, in order, in one transaction.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};

use crate::error::{StoreError, failed};

const MIGRATIONS: [&str; 6] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_incident.sql"),
    include_str!("../migrations/0003_risk_model.sql"),
    include_str!("../migrations/0004_slo.sql"),
    include_str!("../migrations/0005_change.sql"),
    include_str!("../migrations/0006_feedback.sql"),
];

const ACT: &str = "migrate schema";

/// Brings the schema to the newest version and returns it.
pub(crate) async fn run(conn: &DatabaseConnection, now: i64) -> Result<i64, StoreError> {
    let known = MIGRATIONS.len() as i64;
    let tx = conn.begin().await.map_err(failed(ACT))?;
    tx.execute_unprepared(
        "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)",
    )
    .await
    .map_err(failed(ACT))?;
    let backend = tx.get_database_backend();
    let row = tx
        .query_one_raw(Statement::from_string(
            backend,
            "SELECT COALESCE(MAX(version), 0) AS v FROM schema_version",
        ))
        .await
        .map_err(failed(ACT))?;
    let found = match row {
        Some(row) => row.try_get::<i64>("", "v").map_err(failed(ACT))?,
        None => 0,
    };
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (version, text) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        tx.execute_unprepared(text).await.map_err(failed(ACT))?;
        tx.execute_raw(Statement::from_sql_and_values(
            backend,
            "INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)",
            [version.into(), now.into()],
        ))
        .await
        .map_err(failed(ACT))?;
    }
    tx.commit().await.map_err(failed(ACT))?;
    Ok(known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    #[tokio::test]
    async fn every_column_of_every_row_type_is_in_the_schema() {
        let conn = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        super::run(&conn, 0).await.unwrap();
        assert_eq!(super::run(&conn, 1).await.unwrap(), super::MIGRATIONS.len() as i64);
        crate::entity::probe(&conn).await.unwrap();
    }
}
