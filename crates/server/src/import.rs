//! History files as the command line imports them: CSV and Parquet through one door.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use echobase_ingest::import::{Cell, CsvOptions, CsvRows, Dirty, ImportError, Rows};
use echobase_telemetry::import as columns;

pub use echobase_ingest::import::{
    Chunk, Import, InvalidMapping, InvalidTimeFormat, Mapping, MetricColumn, Place, TimeFormat,
};
pub use echobase_ingest::points::{Column, Row};

/// A file, read row by row.
pub type FileImport = Import<Box<dyn Rows>>;

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("open {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not the Parquet file that it looks like.
    #[error(transparent)]
    Parquet(#[from] columns::ImportError),
    /// Its columns do not fit the mapping.
    #[error(transparent)]
    Table(#[from] ImportError),
}

/// Opens a file: Parquet by its first bytes, else CSV, gzipped or not.
pub fn open(path: &Path, mapping: &Mapping) -> Result<FileImport, OpenError> {
    let fault = |source| OpenError::File { path: path.display().to_string(), source };
    let mut file = File::open(path).map_err(fault)?;
    let mut magic = [0_u8; 4];
    let is_parquet = std::io::Read::read_exact(&mut file, &mut magic).is_ok() && &magic == b"PAR1";
    let rows: Box<dyn Rows> = if is_parquet {
        Box::new(ParquetSource::new(columns::parquet_rows(path)?))
    } else {
        let file = File::open(path).map_err(fault)?;
        Box::new(CsvRows::open(file, &CsvOptions::default())?)
    };
    Ok(Import::new(rows, mapping)?)
}

/// Rows of a Parquet file, one at a time.
struct ParquetSource {
    names: Vec<String>,
    rows: columns::ParquetRows,
    ready: VecDeque<Vec<columns::Cell>>,
    read: u64,
}

impl ParquetSource {
    fn new(rows: columns::ParquetRows) -> Self {
        let names = rows.columns.iter().map(|c| c.name.clone()).collect();
        Self { names, rows, ready: VecDeque::new(), read: 0 }
    }
}

impl Rows for ParquetSource {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn next_row(&mut self, cells: &mut Vec<Cell>) -> Option<Result<Result<Place, Dirty>, ImportError>> {
        while self.ready.is_empty() {
            match self.rows.next()? {
                Ok(rows) => self.ready.extend(rows),
                Err(error) => {
                    let source = std::io::Error::other(error);
                    return Some(Err(ImportError::Read { line: self.read, source }));
                }
            }
        }
        let row = self.ready.pop_front()?;
        self.read += 1;
        cells.clear();
        cells.extend(row.into_iter().map(|cell| match cell {
            columns::Cell::Null => Cell::Missing,
            columns::Cell::Time(time) => Cell::Time(time),
            columns::Cell::Number(number) => Cell::Number(number),
            columns::Cell::Text(text) => Cell::Text(text),
        }));
        Some(Ok(Ok(Place { offset: self.read, line: self.read })))
    }
}
