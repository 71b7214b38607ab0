//! The catalog of telemetry files: which files are live, and how far the log is covered by them, as one state.

use echobase_types::{TenantId, Timestamp};
use sea_orm::{ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _};
use uuid::Uuid;

use crate::Store;
use crate::column::{self, count, int, parse, time};
use crate::entity::data_file as table;
use crate::error::{StoreError, failed};
use crate::ledger::system_log;

const NOUN: &str = "data file";
/// Ids of one DELETE.
const CHUNK: usize = 500;

/// A live file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its id.
    pub id: Uuid,
    /// Whose rows.
    pub tenant: TenantId,
    /// The name of the table.
    pub table: String,
    /// The day that its rows are of, as days since 1970-01-01.
    pub day: i32,
    /// Where it is, relative to the data folder.
    pub path: String,
    /// How many rows.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The earliest time of a row.
    pub min_time: Timestamp,
    /// The latest time of a row.
    pub max_time: Timestamp,
}

/// What the catalog holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogState {
    /// All live files of all tenants, by id.
    pub files: Vec<DataFile>,
    /// The log frames up to here are in those files; 0: none.
    pub log_position: u64,
}

/// The catalog of the store. It spans tenants, because the log does.
pub struct Catalog<'a> {
    pub(crate) store: &'a Store,
}

impl Catalog<'_> {
    /// Everything, as of one moment. Reads across tenants.
    pub async fn load(&self) -> Result<CatalogState, StoreError> {
        use sea_orm::TransactionTrait as _;
        let act = "read file catalog";
        let snapshot = self.store.reader().begin().await.map_err(failed(act))?;
        let position = column::query_one(
            &snapshot,
            "SELECT position FROM log_position WHERE tenant = $1",
            vec![system_log().as_str().into()],
        )
        .await
        .map_err(failed(act))?;
        let rows = table::Entity::find()
            .order_by_asc(table::Column::Id)
            .all(&snapshot)
            .await
            .map_err(failed(act))?;
        snapshot.commit().await.map_err(failed(act))?;
        let log_position = match position {
            Some(row) => count(row.try_get("", "position").map_err(failed(act))?),
            None => 0,
        };
        let files = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(CatalogState { files, log_position })
    }

    /// In one transaction: adds and removes files and sets the log position. Durable when it returns. `Conflict` if
    /// an added id is there already; removing what is not there is no error.
    pub async fn commit(
        &self,
        add: &[DataFile],
        remove: &[Uuid],
        log_position: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let act = "commit file catalog";
        let tx = self.store.begin(&system_log(), now).await?;
        for ids in remove.chunks(CHUNK) {
            table::Entity::delete_many()
                .filter(table::Column::Id.is_in(ids.iter().map(Uuid::to_string)))
                .exec(tx.conn())
                .await
                .map_err(failed(act))?;
        }
        for file in add {
            match table::Entity::insert(write(file).into_active_model())
                .exec_without_returning(tx.conn())
                .await
            {
                Err(e) if StoreError::is_duplicate(&e) => {
                    return Err(StoreError::conflict(NOUN, file.id, "it is there already"));
                }
                other => other.map_err(failed(act))?,
            };
        }
        column::execute(
            tx.conn(),
            "INSERT INTO log_position (tenant, position) VALUES ($1, $2)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position",
            vec![system_log().as_str().into(), int(log_position).into()],
        )
        .await
        .map_err(failed(act))?;
        tx.commit().await.map(|_| ())
    }
}

fn write(file: &DataFile) -> table::Model {
    table::Model {
        tenant: file.tenant.to_string(),
        id: file.id.to_string(),
        kind: file.table.clone(),
        day: i64::from(file.day),
        path: file.path.clone(),
        row_count: int(file.rows),
        byte_count: int(file.bytes),
        min_time: file.min_time.as_micros(),
        max_time: file.max_time.as_micros(),
    }
}

fn read(row: table::Model) -> Result<DataFile, StoreError> {
    Ok(DataFile {
        id: parse(NOUN, &row.id)?,
        tenant: parse("tenant", &row.tenant)?,
        day: i32::try_from(row.day).map_err(|e| StoreError::damaged(NOUN, &row.id, e))?,
        table: row.kind,
        path: row.path,
        rows: count(row.row_count),
        bytes: count(row.byte_count),
        min_time: time(row.min_time),
        max_time: time(row.max_time),
    })
}
