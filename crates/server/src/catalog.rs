//! The telemetry's list of live files, kept in the state store.

use std::path::PathBuf;

use async_trait::async_trait;
use echobase_store::catalog as stored;
use echobase_store::{Store, StoreError};
use echobase_telemetry::{Catalog, CatalogError, CatalogState, DataFile, Day, FileId, LogPosition, Table};
use echobase_types::ErrorKind;

use crate::clock::Clock;

/// The catalog of the store.
pub(crate) struct StoredCatalog {
    /// The store.
    pub store: Store,
    /// The wall clock.
    pub clock: Clock,
}

#[async_trait]
impl Catalog for StoredCatalog {
    async fn load(&self) -> Result<CatalogState, CatalogError> {
        let state = self.store.catalog().load().await.map_err(fault)?;
        let files = state.files.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(CatalogState { files, log_position: LogPosition(state.log_position) })
    }

    async fn commit(
        &self,
        add: Vec<DataFile>,
        remove: Vec<FileId>,
        position: LogPosition,
    ) -> Result<(), CatalogError> {
        let add: Vec<_> = add.into_iter().map(write).collect();
        let remove: Vec<_> = remove.into_iter().map(|id| id.0).collect();
        self.store.catalog().commit(&add, &remove, position.0, (self.clock)()).await.map_err(fault)
    }
}

fn fault(error: StoreError) -> CatalogError {
    CatalogError { kind: error.kind(), act: "keep the list of telemetry files", source: Box::new(error) }
}

fn read(file: stored::DataFile) -> Result<DataFile, CatalogError> {
    let table = Table::parse(&file.table).ok_or_else(|| CatalogError {
        kind: ErrorKind::Internal,
        act: "read the list of telemetry files",
        source: format!("there is no table `{}`", file.table).into(),
    })?;
    Ok(DataFile {
        id: FileId(file.id),
        tenant: file.tenant,
        table,
        day: Day(file.day),
        path: PathBuf::from(file.path),
        rows: file.rows,
        bytes: file.bytes,
        min_time: file.min_time,
        max_time: file.max_time,
    })
}

fn write(file: DataFile) -> stored::DataFile {
    stored::DataFile {
        id: file.id.0,
        tenant: file.tenant,
        table: file.table.as_str().to_owned(),
        day: file.day.0,
        path: file.path.to_string_lossy().into_owned(),
        rows: file.rows,
        bytes: file.bytes,
        min_time: file.min_time,
        max_time: file.max_time,
    }
}
