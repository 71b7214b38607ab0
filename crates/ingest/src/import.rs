//! Files of history: tables of a time and metric columns, read in chunks for `echobase import`.
//!
//! Where rows come from is the port [`Rows`]: CSV is read here ([`CsvRows`]), Parquet comes as cells from whoever can
//! read it. An import goes on where it stopped: hand the [`Place`] of the last stored chunk to [`Import::resume`].

mod csv;
mod mapping;
mod time;

use std::collections::HashMap;

use echobase_types::signal::RejectReason;
use echobase_types::{Attributes, ErrorKind, Resource, ResourceId, Timestamp};

use crate::identity;
use crate::intake::shown;
use crate::points::{Column, Row};

pub use crate::import::csv::{CsvOptions, CsvRows, Header};
pub use crate::import::mapping::{InvalidMapping, Mapping, MetricColumn};
pub use crate::import::time::{InvalidTimeFormat, TimeFormat};

/// Rows that are looked at before it is decided what the columns are.
const SAMPLE: usize = 200;

/// Column names that are taken for the time where none is named.
const TIME_NAMES: [&str; 9] =
    ["time", "timestamp", "ts", "@timestamp", "_time", "datetime", "date_time", "date", "ds"];

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing.
    #[default]
    Missing,
    /// A number.
    Number(f64),
    /// A time.
    Time(Timestamp),
    /// A text, which may be a number or a time in writing.
    Text(String),
}

/// How far a table was read: what to hand to [`Import::resume`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Bytes of the unpacked text, or rows where the table is no text.
    pub offset: u64,
    /// The line the last row ended on, from 1; of a table that is no text, the row.
    pub line: u64,
}

/// Whoever reads the rows of a table.
pub trait Rows {
    /// The names of the columns.
    fn columns(&self) -> &[String];

    /// Reads the next row into `cells`, one per column, and says where it stands; `None` after the last. A row that
    /// cannot be read is an `Err` within `Ok`, and the next may be asked for; an `Err` outside ends the import.
    fn next_row(&mut self, cells: &mut Vec<Cell>) -> Option<Result<Result<Place, Dirty>, ImportError>>;
}

impl<R: Rows + ?Sized> Rows for Box<R> {
    fn columns(&self) -> &[String] {
        (**self).columns()
    }

    fn next_row(&mut self, cells: &mut Vec<Cell>) -> Option<Result<Result<Place, Dirty>, ImportError>> {
        (**self).next_row(cells)
    }
}

/// A row that was skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirty {
    /// Its line, from 1.
    pub line: u64,
    /// The column, or empty where it is the row as a whole.
    pub column: String,
    /// What stands there, cut to 80 characters.
    pub cell: String,
    /// The class of the reason.
    pub reason: RejectReason,
    /// What is wrong, in words.
    pub detail: String,
}

/// Rows of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The resource.
    pub resource: Resource,
    /// Its rows, with a value per column of [`Import::columns`].
    pub rows: Vec<Row>,
}

/// A part of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// Good rows, by resource.
    pub tables: Vec<Table>,
    /// Rows that were skipped.
    pub dirty: Vec<Dirty>,
    /// How far the file was read.
    pub place: Place,
}

impl Chunk {
    /// How many rows are good.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("read table after line {line}")]
    Read {
        /// The last good line.
        line: u64,
        /// What the reader says.
        #[source]
        source: std::io::Error,
    },
    /// A column that was named is not there.
    #[error("table has no column `{column}`; it has {known}")]
    UnknownColumn {
        /// The column that was named.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// No column looks like a time.
    #[error("no column is a time: name it with --time-column; the columns are {known}")]
    NoTime {
        /// The columns there are.
        known: String,
    },
    /// No column looks like a metric.
    #[error("no column holds numbers: name one with --metric; the columns are {known}")]
    NoMetric {
        /// The columns there are.
        known: String,
    },
}

impl ImportError {
    /// `Unavailable` where reading failed, else `Invalid`.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Unavailable,
            Self::UnknownColumn { .. } | Self::NoTime { .. } | Self::NoMetric { .. } => ErrorKind::Invalid,
        }
    }
}

/// An import from CSV.
pub type CsvImport<R> = Import<CsvRows<R>>;

impl<R: std::io::Read> CsvImport<R> {
    /// Opens CSV text, as it is or packed by gzip.
    pub fn open(reader: R, options: &CsvOptions, mapping: &Mapping) -> Result<Self, ImportError> {
        Self::new(CsvRows::open(reader, options)?, mapping)
    }
}

/// What a column of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Time,
    Resource,
    Metric(usize),
    LeftOut,
}

type Sampled = (Result<Place, Dirty>, Vec<Cell>);

/// A table being imported: an iterator of chunks.
#[derive(Debug)]
pub struct Import<S> {
    source: S,
    mapping: Mapping,
    uses: Vec<Use>,
    columns: Vec<Column>,
    sampled: std::vec::IntoIter<Sampled>,
    resume: Place,
    place: Place,
    cells: Vec<Cell>,
    is_over: bool,
}

impl<S: Rows> Import<S> {
    /// Decides what each column is, by the mapping and by the first rows.
    pub fn new(mut source: S, mapping: &Mapping) -> Result<Self, ImportError> {
        let mut sampled = Vec::new();
        while sampled.len() < SAMPLE {
            let mut cells = Vec::new();
            match source.next_row(&mut cells) {
                None => break,
                Some(row) => sampled.push((row?, cells)),
            }
        }
        let (uses, columns) = decide(source.columns(), mapping, &sampled)?;
        Ok(Self {
            source,
            mapping: mapping.clone(),
            uses,
            columns,
            sampled: sampled.into_iter(),
            resume: Place::default(),
            place: Place::default(),
            cells: Vec::new(),
            is_over: false,
        })
    }

    /// Goes on behind `place`: what stands before is read over, not told again.
    #[must_use]
    pub fn resume(self, place: Place) -> Self {
        Self { resume: place, ..self }
    }

    /// The metric columns, in the order of the values of a row.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns of the file that are not taken.
    pub fn left_out(&self) -> Vec<&str> {
        let all = self.source.columns().iter().zip(&self.uses);
        all.filter(|(_, used)| **used == Use::LeftOut).map(|(name, _)| name.as_str()).collect()
    }

    fn next_row(&mut self) -> Option<Result<Result<Place, Dirty>, ImportError>> {
        if let Some((row, cells)) = self.sampled.next() {
            self.cells = cells;
            return Some(Ok(row));
        }
        self.source.next_row(&mut self.cells)
    }

    fn chunk(&mut self) -> Result<Chunk, ImportError> {
        let (mut chunk, mut places) = (Chunk::default(), HashMap::new());
        let mut read = 0;
        while read < self.mapping.rows_per_chunk.max(1) {
            let Some(row) = self.next_row() else {
                self.is_over = true;
                break;
            };
            let outcome = row.inspect_err(|_| self.is_over = true)?;
            match outcome {
                Ok(place) => {
                    self.place = place;
                    if place.offset <= self.resume.offset {
                        continue;
                    }
                    match self.row(place.line) {
                        Ok((name, row)) => self.keep(&mut chunk, &mut places, name, row),
                        Err(dirty) => chunk.dirty.push(dirty),
                    }
                }
                Err(dirty) if dirty.line <= self.resume.line => continue,
                Err(dirty) => chunk.dirty.push(dirty),
            }
            read += 1;
        }
        chunk.place = self.place.max(self.resume);
        Ok(chunk)
    }

    fn keep(&self, chunk: &mut Chunk, places: &mut HashMap<String, usize>, name: String, row: Row) {
        let place = *places.entry(name).or_insert_with_key(|name| {
            chunk.tables.push(Table { resource: self.resource(name), rows: Vec::new() });
            chunk.tables.len() - 1
        });
        chunk.tables[place].rows.push(row);
    }

    /// A name with a kind before it, such as `host:db-3`, is an id; else it is a name of the mapping's kind.
    fn resource(&self, name: &str) -> Resource {
        let by_id = ResourceId::new(name).ok().and_then(|id| identity::of_id(&id));
        by_id.unwrap_or_else(|| identity::named(self.mapping.resource_kind, name, Attributes::new()))
    }

    fn row(&self, line: u64) -> Result<(String, Row), Dirty> {
        let mut time = None;
        let mut name = self.mapping.resource.clone();
        let mut values = vec![None; self.columns.len()];
        for (c, (cell, used)) in self.cells.iter().zip(&self.uses).enumerate() {
            let dirty = |reason, detail: &str| Dirty {
                line,
                column: self.source.columns().get(c).cloned().unwrap_or_default(),
                cell: shown(&text_of(cell)),
                reason,
                detail: detail.to_owned(),
            };
            match used {
                Use::LeftOut => {}
                Use::Time if *cell == Cell::Missing => {
                    return Err(dirty(RejectReason::Missing, "row has no time"));
                }
                Use::Time => {
                    let read = self.mapping.time_format.read(cell);
                    time = Some(read.ok_or_else(|| dirty(RejectReason::Malformed, "cell is no time"))?);
                }
                Use::Resource => match cell {
                    Cell::Missing => return Err(dirty(RejectReason::Missing, "row has no resource")),
                    other => name = text_of(other),
                },
                Use::Metric(place) => match number(cell) {
                    Number::Missing => {}
                    Number::Is(value) => values[*place] = Some(value),
                    Number::NotFinite => return Err(dirty(RejectReason::NotFinite, "cell is infinite")),
                    Number::No => return Err(dirty(RejectReason::Malformed, "cell is no number")),
                },
            }
        }
        let missing = || Dirty {
            line,
            column: String::new(),
            cell: String::new(),
            reason: RejectReason::Missing,
            detail: "row has no time".to_owned(),
        };
        Ok((name, Row { time: time.ok_or_else(missing)?, values }))
    }
}

impl<S: Rows> Iterator for Import<S> {
    type Item = Result<Chunk, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let chunk = self.chunk();
        match &chunk {
            Ok(empty) if self.is_over && empty.tables.is_empty() && empty.dirty.is_empty() => None,
            _ => Some(chunk),
        }
    }
}

enum Number {
    Missing,
    Is(f64),
    NotFinite,
    No,
}

/// NaN is how tables write that there is no value; an infinity is a fault.
fn number(cell: &Cell) -> Number {
    let value = match cell {
        Cell::Missing => return Number::Missing,
        Cell::Number(value) => *value,
        Cell::Time(_) => return Number::No,
        Cell::Text(text) => match text.parse() {
            Ok(value) => value,
            Err(_) => return Number::No,
        },
    };
    if value.is_nan() {
        return Number::Missing;
    }
    if value.is_finite() { Number::Is(value) } else { Number::NotFinite }
}

fn text_of(cell: &Cell) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Number(value) => value.to_string(),
        Cell::Time(time) => time.to_string(),
        Cell::Text(text) => text.clone(),
    }
}

fn decide(
    names: &[String],
    mapping: &Mapping,
    sampled: &[Sampled],
) -> Result<(Vec<Use>, Vec<Column>), ImportError> {
    let known = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let place = |column: &String| {
        names
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| ImportError::UnknownColumn { column: column.clone(), known: known() })
    };
    let share = |c: usize, fits: &dyn Fn(&Cell) -> bool| {
        let cells =
            || sampled.iter().filter_map(|(_, cells)| cells.get(c)).filter(|cell| **cell != Cell::Missing);
        let (all, good) = (cells().count(), cells().filter(|cell| fits(cell)).count());
        if all == 0 { 0.0 } else { good as f64 / all as f64 }
    };
    let is_time = |cell: &Cell| mapping.time_format.read(cell).is_some();
    let named_time = |name: &String| TIME_NAMES.iter().any(|known| name.trim().eq_ignore_ascii_case(known));
    let time = match &mapping.time_column {
        Some(column) => place(column)?,
        None => names
            .iter()
            .position(named_time)
            .or_else(|| (0..names.len()).find(|c| share(*c, &is_time) > 0.9))
            .ok_or_else(|| ImportError::NoTime { known: known() })?,
    };
    let mut uses = vec![Use::LeftOut; names.len()];
    let mut columns = Vec::new();
    for metric in &mapping.metrics {
        uses[place(&metric.column)?] = Use::Metric(columns.len());
        columns.push(metric.target());
    }
    let skipped: Vec<usize> = mapping.skip.iter().map(place).collect::<Result<_, _>>()?;
    let resource = mapping.resource_column.as_ref().map(place).transpose()?;
    if mapping.metrics.is_empty() {
        let is_number = |cell: &Cell| matches!(number(cell), Number::Is(_) | Number::Missing);
        for (c, name) in names.iter().enumerate() {
            if c != time && Some(c) != resource && !skipped.contains(&c) && share(c, &is_number) >= 0.5 {
                uses[c] = Use::Metric(columns.len());
                columns.push(MetricColumn::named_as(name).target());
            }
        }
    }
    uses[time] = Use::Time;
    if let Some(resource) = resource {
        uses[resource] = Use::Resource;
    }
    if columns.is_empty() {
        return Err(ImportError::NoMetric { known: known() });
    }
    Ok((uses, columns))
}

#[cfg(test)]
mod tests;
