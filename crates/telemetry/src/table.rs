//! The tables: one per kind of signal, never one per metric name.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A physical table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What each series is: name, unit, kind, attributes, resource.
    Series,
    /// Values of series.
    MetricPoints,
    /// Distributions of series.
    Histograms,
    /// Log records and events.
    Logs,
    /// Spans.
    Spans,
    /// The latest description of each resource.
    Resources,
    /// Verdicts of the analysis.
    Assessments,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 7] = [
        Self::Series,
        Self::MetricPoints,
        Self::Histograms,
        Self::Logs,
        Self::Spans,
        Self::Resources,
        Self::Assessments,
    ];

    /// The tables whose rows are kept row by row (series and resources are kept as dictionaries).
    pub(crate) const ROWS: [Self; 5] =
        [Self::MetricPoints, Self::Histograms, Self::Logs, Self::Spans, Self::Assessments];

    /// The name in SQL, in folders and in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::MetricPoints => "metric_points",
            Self::Histograms => "histograms",
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Resources => "resources",
            Self::Assessments => "assessments",
        }
    }

    /// The table of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == name)
    }

    /// The columns, as they stand in files.
    pub(crate) fn schema(self) -> SchemaRef {
        SCHEMAS[self as usize].clone()
    }

    /// The columns that rows are sorted by in a file.
    pub(crate) const fn order(self) -> &'static [&'static str] {
        match self {
            Self::Series => &["series_id"],
            Self::MetricPoints | Self::Histograms => &["series_id", "time"],
            Self::Logs | Self::Spans | Self::Assessments => &["resource_id", "time"],
            Self::Resources => &["resource_id"],
        }
    }

    /// The column that says when, where there is one.
    pub(crate) const fn time_column(self) -> &'static str {
        match self {
            Self::Series | Self::Resources => "last_seen",
            _ => "time",
        }
    }
}

/// The type of every time column.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

static SCHEMAS: LazyLock<[SchemaRef; 7]> = LazyLock::new(|| Table::ALL.map(build));

fn build(table: Table) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let time = |name: &str| Field::new(name, time_type(), false);
    let float = |name: &str| Field::new(name, DataType::Float64, false);
    let some = |name: &str| Field::new(name, DataType::Float64, true);
    let id = || Field::new("series_id", DataType::UInt64, false);
    let list = |name: &str, of: DataType| Field::new(name, DataType::new_list(of, true), false);
    let fields = match table {
        Table::Series => vec![
            id(),
            text("resource_id"),
            text("metric"),
            text("unit"),
            text("kind"),
            text("attributes"),
            time("last_seen"),
        ],
        Table::MetricPoints => vec![id(), time("time"), float("value")],
        Table::Histograms => vec![
            id(),
            time("time"),
            Field::new("cumulative", DataType::Boolean, false),
            Field::new("count", DataType::UInt64, false),
            float("sum"),
            list("bounds", DataType::Float64),
            list("counts", DataType::UInt64),
        ],
        Table::Logs => vec![
            time("time"),
            text("resource_id"),
            Field::new("severity", DataType::UInt8, false),
            text("event_name"),
            text("body"),
            text("trace_id"),
            text("span_id"),
            text("attributes"),
        ],
        Table::Spans => vec![
            time("time"),
            time("end_time"),
            float("duration_ms"),
            text("resource_id"),
            text("trace_id"),
            text("span_id"),
            text("parent_span_id"),
            text("name"),
            text("kind"),
            text("status"),
            text("status_message"),
            text("attributes"),
        ],
        Table::Resources => vec![
            text("resource_id"),
            text("kind"),
            text("name"),
            text("attributes"),
            time("first_seen"),
            time("last_seen"),
        ],
        Table::Assessments => vec![
            time("time"),
            text("resource_id"),
            float("score"),
            some("resource_score"),
            some("error_score"),
            some("performance_score"),
            some("dependency_score"),
            float("resource_weight"),
            float("error_weight"),
            float("performance_weight"),
            float("dependency_weight"),
            float("risk"),
            text("body"),
        ],
    };
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_the_columns_it_is_sorted_and_pruned_by() {
        for table in Table::ALL {
            assert_eq!(Table::parse(table.as_str()), Some(table));
            let schema = table.schema();
            for column in table.order().iter().chain([&table.time_column()]) {
                assert!(schema.column_with_name(column).is_some(), "{column} of {}", table.as_str());
            }
        }
    }
}
