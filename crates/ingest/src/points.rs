//! Wide rows: one time and a value per metric column, as imports of history send them (`POST /api/v1/points`).

use echobase_types::signal::{MetricKind, RejectReason};
use echobase_types::{Attributes, Resource, Timestamp};

use crate::identity::Identified;
use crate::intake::{Intake, Metric, Refusal};
use crate::{Admission, Decoded};

/// One metric column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The metric name.
    pub metric: String,
    /// The UCUM unit, or empty.
    pub unit: String,
    /// How its values behave; not `Histogram`.
    pub kind: MetricKind,
    /// Attributes of the series.
    pub attributes: Attributes,
}

/// One row: a time, and a value or none per column.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When it was measured.
    pub time: Timestamp,
    /// As many as there are columns.
    pub values: Vec<Option<f64>>,
}

/// Turns rows of one resource into points. Their age does not matter; a refused cell is listed as
/// `rows[<row>].values[<column>]`, and the other cells of its row are kept.
pub fn decode_rows(
    resource: Resource,
    columns: &[Column],
    rows: impl IntoIterator<Item = Row>,
    admission: &Admission<'_>,
) -> Decoded {
    let mut intake = Intake::new(&admission.historical());
    let source = intake.source(Identified { resource, instance: Attributes::new() });
    let mut series: Vec<Option<Result<u32, Refusal>>> = vec![None; columns.len()];
    for (r, row) in rows.into_iter().enumerate() {
        let source = match &source {
            Ok(source) => source,
            Err(refusal) => {
                let cells = row.values.iter().flatten().count();
                intake.refuse(format_args!("rows[{r}]"), refusal, cells);
                continue;
            }
        };
        if row.values.len() != columns.len() {
            let detail = format!("row has {} values for {} columns", row.values.len(), columns.len());
            intake.refuse(format_args!("rows[{r}]"), &Refusal::new(RejectReason::Malformed, detail), 1);
            continue;
        }
        for (c, (column, value)) in columns.iter().zip(&row.values).enumerate() {
            let Some(value) = *value else { continue };
            let outcome = intake.check_value(&column.metric, row.time, value).and_then(|()| {
                let known = series[c].get_or_insert_with(|| begin(&mut intake, source, column));
                known.clone()
            });
            match outcome {
                Ok(series) => intake.value(series, row.time, value),
                Err(refusal) => intake.refuse(format_args!("rows[{r}].values[{c}]"), &refusal, 1),
            }
        }
    }
    intake.finish()
}

fn begin(intake: &mut Intake<'_>, source: &crate::intake::Source, column: &Column) -> Result<u32, Refusal> {
    if column.kind == MetricKind::Histogram {
        let detail = format!("column `{}` cannot be a histogram", column.metric);
        return Err(Refusal::new(RejectReason::Unsupported, detail));
    }
    let metric = Metric { name: &column.metric, unit: &column.unit, kind: column.kind };
    intake.column(source, metric, column.attributes.clone())
}

#[cfg(test)]
mod tests {
    use echobase_types::{IngestLimits, ResourceKind, TenantId};

    use super::*;
    use crate::{SeriesBudget, identity};

    fn column(metric: &str, kind: MetricKind) -> Column {
        Column { metric: metric.to_owned(), unit: String::new(), kind, attributes: Attributes::new() }
    }

    fn decoded(columns: &[Column], rows: Vec<Row>) -> Decoded {
        let (tenant, limits, budget) =
            (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
        let now = Timestamp::from_secs(1_800_000_000);
        let resource = identity::named(ResourceKind::Process, "billing", Attributes::new());
        decode_rows(resource, columns, rows, &Admission::live(&tenant, &limits, &budget, now))
    }

    #[test]
    fn cells_become_points_of_any_age_and_empty_cells_become_none() {
        let columns = [column("a", MetricKind::Gauge), column("b", MetricKind::Counter)];
        let old = Timestamp::from_secs(1_000_000_000);
        let rows = vec![
            Row { time: old, values: vec![Some(1.0), None] },
            Row { time: old, values: vec![Some(2.0), Some(3.0)] },
        ];
        let all = decoded(&columns, rows);
        assert!(all.batch.check() && all.rejected.is_empty());
        assert_eq!(all.batch.points.iter().map(|p| p.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!(all.batch.series[1].kind, MetricKind::Counter);
        assert_eq!(all.batch.resources[0].id.as_str(), "process:billing");
    }

    #[test]
    fn bad_cells_are_listed_and_the_others_are_kept() {
        let long = "x".repeat(300);
        let columns = [
            column("a", MetricKind::Gauge),
            column("h", MetricKind::Histogram),
            column(&long, MetricKind::Gauge),
        ];
        let ahead = Timestamp::from_secs(1_900_000_000);
        let time = Timestamp::from_secs(5);
        let rows = vec![
            Row { time, values: vec![Some(1.0), Some(1.0), Some(1.0)] },
            Row { time, values: vec![Some(f64::INFINITY), None, None] },
            Row { time: ahead, values: vec![Some(1.0), None, None] },
            Row { time, values: vec![Some(1.0)] },
            Row { time, values: vec![Some(2.0), None, None] },
        ];
        let all = decoded(&columns, rows);
        assert_eq!((all.batch.points.len(), all.batch.series.len()), (2, 1));
        let listed: Vec<_> = all.rejected.iter().map(|r| (r.at.as_str(), r.reason)).collect();
        let expected = [
            ("rows[0].values[1]", RejectReason::Unsupported),
            ("rows[0].values[2]", RejectReason::TooLong),
            ("rows[1].values[0]", RejectReason::NotFinite),
            ("rows[2].values[0]", RejectReason::TooNew),
            ("rows[3]", RejectReason::Malformed),
        ];
        assert_eq!(listed, expected);
    }
}
