//! Signals at rest: a write-ahead log, rows in memory, Parquet files, SQL and PromQL.
//!
//! The way of a batch: `Telemetry::append` writes it to the log and answers after the sync; from then on it is
//! in memory and in every answer. A flush sorts what is in memory into Parquet files, commits them to the
//! `Catalog` together with the log position they cover, and removes the covered log.
//!
//! **Invariant:** what was acknowledged is seen exactly once by every later question, whatever crashes in
//! between; and a question sees the rows of its own tenant only. Arrow, Parquet and DataFusion are used here
//! and nowhere else.

mod attributes;
mod buffer;
mod catalog;
mod codec;
mod config;
mod dictionary;
mod error;
mod file;
pub mod import;
pub mod ipc;
mod log;
mod maintain;
mod merge;
mod promql;
mod query;
mod read;
mod replay;
mod rows;
mod state;
mod stats;
mod table;
mod telemetry;
#[cfg(test)]
mod testing;
mod traffic;
mod workers;

pub use catalog::{Catalog, CatalogError, CatalogState, DataFile, Day, FileId, LogPosition};
pub use config::{QueryConfig, RetentionConfig, TelemetryConfig};
pub use dictionary::{SeenResource, SeriesMeta};
pub use error::TelemetryError;
pub use maintain::Maintained;
pub use promql::{
    Labels, MetricFamily, PromqlAnswer, PromqlError, PromqlQuery, PromqlSelection, PromqlTimes, Sample,
    SeriesList, promql_length,
};
pub use query::{Column, Position, QueryError, QueryLimits, QueryResult};
pub use read::{
    Event, EventCursor, EventFilter, EventPage, PointsQuery, Selection, SeriesData, Step, Values,
};
pub use replay::{AssessmentReplay, Replay, Wanted};
pub use rows::AssessmentRow;
pub use stats::TelemetryStats;
pub use table::Table;
pub use telemetry::{Clock, Telemetry};
pub use traffic::{CallData, DistributionData, Steps, Traffic};
