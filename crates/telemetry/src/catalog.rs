//! The port to the list of live files: one transaction of the state store is the commit of a flush.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use echobase_types::{ErrorKind, TenantId, Timestamp};
use uuid::Uuid;

use crate::Table;

/// Id of a data file: the stem of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub Uuid);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FileId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// Number of the last log frame whose rows are in files. Grows, never repeats. Zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(pub u64);

/// A day of UTC, as days since 1970-01-01. Written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// The microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

impl Day {
    /// The day that `time` is in.
    pub fn of(time: Timestamp) -> Self {
        Self::of_micros(time.as_micros())
    }

    pub(crate) fn of_micros(micros: i64) -> Self {
        Self(i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(if micros < 0 {
            i32::MIN
        } else {
            i32::MAX
        }))
    }

    /// The first moment after the day.
    pub fn end(self) -> Timestamp {
        Timestamp::from_micros((i64::from(self.0) + 1).saturating_mul(DAY_MICROS))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::from(self.0).saturating_mul(DAY_MICROS);
        let text = Timestamp::from_micros(micros).to_string();
        f.write_str(text.split_once('T').map_or(text.as_str(), |(date, _)| date))
    }
}

impl FromStr for Day {
    type Err = echobase_types::time::InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}T00:00:00Z").parse().map(Self::of)
    }
}

/// A live Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its id.
    pub id: FileId,
    /// Whose rows.
    pub tenant: TenantId,
    /// Of which table.
    pub table: Table,
    /// The day that its rows are of.
    pub day: Day,
    /// Where it is, relative to the data folder.
    pub path: PathBuf,
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
    /// All live files.
    pub files: Vec<DataFile>,
    /// The frames up to here are in those files.
    pub log_position: LogPosition,
}

/// The catalog did not do as asked.
#[derive(Debug, thiserror::Error)]
#[error("{act}")]
pub struct CatalogError {
    /// The class of the failure.
    pub kind: ErrorKind,
    /// What was tried.
    pub act: &'static str,
    /// Why not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The list of live files and the log position they cover. Implemented on the state store.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Everything.
    async fn load(&self) -> Result<CatalogState, CatalogError>;

    /// In one transaction: adds and removes files and sets the log position. After `Ok` it is durable. On
    /// `Err` the caller asks `load` whether it happened, so an answer lost on the way does no harm.
    async fn commit(
        &self,
        add: Vec<DataFile>,
        remove: Vec<FileId>,
        log_position: LogPosition,
    ) -> Result<(), CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_a_date_and_reads_back() {
        for (micros, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (1_790_000_000_000_000, "2026-09-21")] {
            let day = Day::of(Timestamp::from_micros(micros));
            assert_eq!(day.to_string(), text);
            assert_eq!(text.parse(), Ok(day));
            assert!(day.end().as_micros() > micros && day.end().as_micros() - micros <= DAY_MICROS);
        }
    }
}
