//! What the columns of a table mean.

use echobase_types::signal::MetricKind;
use echobase_types::{Attributes, ErrorKind, ResourceKind};

use crate::import::TimeFormat;
use crate::points::Column;

/// How to read a table, as the flags of `echobase import` say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The column of times. `None`: a column named like a time, else the first that holds times.
    pub time_column: Option<String>,
    /// How times are written.
    pub time_format: TimeFormat,
    /// The metric columns. Empty: every column that holds numbers, under its own name.
    pub metrics: Vec<MetricColumn>,
    /// The column that names the resource of each row.
    pub resource_column: Option<String>,
    /// The resource where no column names it.
    pub resource: String,
    /// What resources are, unless their name says so (`host:db-3`).
    pub resource_kind: ResourceKind,
    /// Columns that are left out.
    pub skip: Vec<String>,
    /// Rows of a chunk.
    pub rows_per_chunk: usize,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            time_column: None,
            time_format: TimeFormat::Any,
            metrics: Vec::new(),
            resource_column: None,
            resource: "import".to_owned(),
            resource_kind: ResourceKind::Process,
            skip: Vec::new(),
            rows_per_chunk: 5_000,
        }
    }
}

/// A column that is a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricColumn {
    /// The name of the column.
    pub column: String,
    /// The metric name.
    pub name: String,
    /// The UCUM unit, or empty.
    pub unit: String,
    /// How its values behave.
    pub kind: MetricKind,
}

/// A mapping that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no metric column: write COLUMN or COLUMN=NAME[:UNIT][:KIND], with KIND gauge, counter, delta or updowncounter"
)]
pub struct InvalidMapping {
    /// What was given.
    pub text: String,
}

impl InvalidMapping {
    /// `Invalid`.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl MetricColumn {
    /// A column whose metric has its name.
    pub fn named_as(column: &str) -> Self {
        let (column, name) = (column.to_owned(), column.trim().to_owned());
        Self { column, name, unit: String::new(), kind: MetricKind::Gauge }
    }

    /// Reads `COLUMN` or `COLUMN=NAME[:UNIT][:KIND]`. A last part that is the word of a kind is one.
    ///
    /// ```
    /// use echobase_ingest::import::MetricColumn;
    /// use echobase_types::signal::MetricKind;
    /// let read = MetricColumn::parse("Bytes sent=net.sent:By:counter").unwrap();
    /// assert_eq!((read.name.as_str(), read.unit.as_str(), read.kind), ("net.sent", "By", MetricKind::Counter));
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidMapping> {
        let invalid = || InvalidMapping { text: text.chars().take(80).collect() };
        let (column, target) = text.rsplit_once('=').unwrap_or((text, ""));
        if column.is_empty() {
            return Err(invalid());
        }
        let mut read = Self::named_as(column);
        if target.is_empty() {
            return if text.contains('=') { Err(invalid()) } else { Ok(read) };
        }
        let mut parts: Vec<&str> = target.split(':').collect();
        if let (true, Some(kind)) = (parts.len() > 1, parts.last().and_then(|word| MetricKind::parse(word))) {
            read.kind = kind;
            parts.pop();
        }
        let [name, rest @ ..] = &parts[..] else { return Err(invalid()) };
        match rest {
            [] => {}
            [unit] => read.unit = (*unit).to_owned(),
            _ => return Err(invalid()),
        }
        if name.is_empty() || read.kind == MetricKind::Histogram {
            return Err(invalid());
        }
        read.name = (*name).to_owned();
        Ok(read)
    }

    pub(super) fn target(&self) -> Column {
        Column {
            metric: self.name.clone(),
            unit: self.unit.clone(),
            kind: self.kind,
            attributes: Attributes::new(),
        }
    }
}
