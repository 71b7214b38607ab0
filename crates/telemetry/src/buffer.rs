//! Rows in memory: per tenant and table, columns since the last flush.

use std::any::Any;

use datafusion::arrow::array::{
    ArrayBuilder, BooleanBuilder, Float64Builder, ListBuilder, RecordBatch, StringBuilder, StructBuilder,
    TimestampMicrosecondBuilder, UInt8Builder, UInt64Builder,
};

use crate::Table;
use crate::rows::Rows;

/// Rows after which the open columns are closed, so that a question copies at most this many.
const CLOSE_ROWS: usize = 8_192;

/// Rows of one table: closed batches, and columns that still grow.
pub(crate) struct Buffer {
    table: Table,
    closed: Vec<RecordBatch>,
    open: StructBuilder,
    /// Estimated bytes of everything held.
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    times: Option<(i64, i64)>,
}

impl Buffer {
    pub(crate) fn new(table: Table) -> Self {
        Self {
            table,
            closed: Vec::new(),
            open: StructBuilder::from_fields(table.schema().fields().clone(), 0),
            bytes: 0,
            rows: 0,
            times: None,
        }
    }

    /// The earliest and the latest time.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// All rows, without taking them away.
    pub(crate) fn snapshot(&self) -> Vec<RecordBatch> {
        let mut all = self.closed.clone();
        if self.open.len() > 0 {
            all.push(RecordBatch::from(self.open.finish_cloned()));
        }
        all
    }

    /// Takes all rows away.
    pub(crate) fn take(&mut self) -> Vec<RecordBatch> {
        self.close();
        (self.bytes, self.rows, self.times) = (0, 0, None);
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self) {
        if self.open.len() > 0 {
            self.closed.push(RecordBatch::from(self.open.finish()));
        }
    }

    fn widen(&mut self, time: i64) {
        let (from, to) = self.times.unwrap_or((time, time));
        self.times = Some((from.min(time), to.max(time)));
    }

    /// Adds the rows of this table. Returns the estimated bytes they take.
    pub(crate) fn append(&mut self, rows: &Rows) -> u64 {
        let (n, bytes) = match self.table {
            Table::MetricPoints => self.points(rows),
            Table::Histograms => self.histograms(rows),
            Table::Logs => self.logs(rows),
            Table::Spans => self.spans(rows),
            Table::Assessments => self.assessments(rows),
            Table::Series | Table::Resources => (0, 0),
        };
        for _ in 0..n {
            self.open.append(true);
        }
        self.rows += n as u64;
        self.bytes += bytes;
        if self.open.len() >= CLOSE_ROWS {
            self.close();
        }
        bytes
    }

    fn points(&mut self, rows: &Rows) -> (usize, u64) {
        let n = rows.point_time.len();
        let ids = rows.point_series.iter().map(|at| rows.series_seen[*at as usize].id);
        column::<UInt64Builder>(&mut self.open, 0, |b| ids.for_each(|id| b.append_value(id)));
        self.times_column(1, rows.point_time.iter().copied());
        column::<Float64Builder>(&mut self.open, 2, |b| b.append_slice(&rows.point_value));
        (n, n as u64 * 24)
    }

    fn histograms(&mut self, rows: &Rows) -> (usize, u64) {
        let all = &rows.histograms;
        let ids = all.iter().map(|h| rows.series_seen[h.series as usize].id);
        column::<UInt64Builder>(&mut self.open, 0, |b| ids.for_each(|id| b.append_value(id)));
        self.times_column(1, all.iter().map(|h| h.time));
        column::<BooleanBuilder>(&mut self.open, 2, |b| {
            all.iter().for_each(|h| b.append_value(h.cumulative))
        });
        column::<UInt64Builder>(&mut self.open, 3, |b| all.iter().for_each(|h| b.append_value(h.count)));
        column::<Float64Builder>(&mut self.open, 4, |b| all.iter().for_each(|h| b.append_value(h.sum)));
        column::<ListBuilder<Box<dyn ArrayBuilder>>>(&mut self.open, 5, |b| {
            for h in all {
                typed::<Float64Builder>(b.values(), |v| v.append_slice(&h.bounds));
                b.append(true);
            }
        });
        column::<ListBuilder<Box<dyn ArrayBuilder>>>(&mut self.open, 6, |b| {
            for h in all {
                typed::<UInt64Builder>(b.values(), |v| v.append_slice(&h.counts));
                b.append(true);
            }
        });
        (all.len(), all.iter().map(|h| 50 + 8 * (h.bounds.len() + h.counts.len()) as u64).sum())
    }

    fn logs(&mut self, rows: &Rows) -> (usize, u64) {
        let all = &rows.logs;
        self.times_column(0, all.iter().map(|l| l.record.time.as_micros()));
        let ids = all.iter().map(|l| rows.resources_seen[l.record.resource as usize].id.as_str());
        let mut bytes = self.text_column(1, ids);
        column::<UInt8Builder>(&mut self.open, 2, |b| {
            all.iter().for_each(|l| b.append_value(l.record.severity))
        });
        bytes += self.text_column(3, all.iter().map(|l| l.record.event_name.as_str()));
        bytes += self.text_column(4, all.iter().map(|l| l.record.body.as_str()));
        bytes += self.text_column(5, all.iter().map(|l| l.record.trace_id.as_str()));
        bytes += self.text_column(6, all.iter().map(|l| l.record.span_id.as_str()));
        bytes += self.text_column(7, all.iter().map(|l| l.attributes.as_str()));
        (all.len(), bytes + 10 * all.len() as u64)
    }

    fn spans(&mut self, rows: &Rows) -> (usize, u64) {
        let all = &rows.spans;
        self.times_column(0, all.iter().map(|s| s.span.start.as_micros()));
        column::<TimestampMicrosecondBuilder>(&mut self.open, 1, |b| {
            all.iter().for_each(|s| b.append_value(s.span.end.as_micros()));
        });
        let lengths = all.iter().map(|s| s.span.end.since(s.span.start).as_secs_f64() * 1e3);
        column::<Float64Builder>(&mut self.open, 2, |b| lengths.for_each(|length| b.append_value(length)));
        let ids = all.iter().map(|s| rows.resources_seen[s.span.resource as usize].id.as_str());
        let mut bytes = self.text_column(3, ids);
        bytes += self.text_column(4, all.iter().map(|s| s.span.trace_id.as_str()));
        bytes += self.text_column(5, all.iter().map(|s| s.span.span_id.as_str()));
        bytes += self.text_column(6, all.iter().map(|s| s.span.parent_span_id.as_str()));
        bytes += self.text_column(7, all.iter().map(|s| s.span.name.as_str()));
        bytes += self.text_column(8, all.iter().map(|s| s.span.kind.as_str()));
        bytes += self.text_column(9, all.iter().map(|s| s.span.status.as_str()));
        bytes += self.text_column(10, all.iter().map(|s| s.span.status_message.as_str()));
        bytes += self.text_column(11, all.iter().map(|s| s.attributes.as_str()));
        (all.len(), bytes + 25 * all.len() as u64)
    }

    fn assessments(&mut self, rows: &Rows) -> (usize, u64) {
        let all = &rows.assessments;
        self.times_column(0, all.iter().map(|a| a.at.as_micros()));
        let mut bytes = self.text_column(1, all.iter().map(|a| a.resource_id.as_str()));
        for (at, value) in [
            (2, (|a| Some(a.score)) as fn(&crate::AssessmentRow) -> Option<f64>),
            (3, |a| a.resource_score),
            (4, |a| a.error_score),
            (5, |a| a.performance_score),
            (6, |a| a.dependency_score),
            (7, |a| Some(a.resource_weight)),
            (8, |a| Some(a.error_weight)),
            (9, |a| Some(a.performance_weight)),
            (10, |a| Some(a.dependency_weight)),
            (11, |a| Some(a.risk)),
        ] {
            column::<Float64Builder>(&mut self.open, at, |b| {
                all.iter().for_each(|a| b.append_option(value(a)));
            });
        }
        bytes += self.text_column(12, all.iter().map(|a| a.body.as_str()));
        (all.len(), bytes + 90 * all.len() as u64)
    }

    fn times_column(&mut self, at: usize, times: impl Iterator<Item = i64>) {
        let (mut from, mut to) = (i64::MAX, i64::MIN);
        column::<TimestampMicrosecondBuilder>(&mut self.open, at, |b| {
            for time in times {
                (from, to) = (from.min(time), to.max(time));
                b.append_value(time);
            }
        });
        if from <= to {
            self.widen(from);
            self.widen(to);
        }
    }

    fn text_column<'a>(&mut self, at: usize, texts: impl Iterator<Item = &'a str>) -> u64 {
        let mut bytes = 0;
        column::<StringBuilder>(&mut self.open, at, |b| {
            for text in texts {
                bytes += text.len() as u64 + 4;
                b.append_value(text);
            }
        });
        bytes
    }
}

/// Works on column `at`, which the schema says is of this type.
fn column<B: ArrayBuilder>(all: &mut StructBuilder, at: usize, work: impl FnOnce(&mut B)) {
    if let Some(builder) = all.field_builder::<B>(at) {
        work(builder);
    }
}

fn typed<B: Any>(builder: &mut Box<dyn ArrayBuilder>, work: impl FnOnce(&mut B)) {
    if let Some(builder) = builder.as_any_mut().downcast_mut::<B>() {
        work(builder);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_row_of_a_batch_is_in_its_buffer_before_and_after_it_is_taken() {
        let rows = Rows::of_batch(testing::batch(3), testing::nothing_known);
        let rows = Rows { assessments: testing::assessments(3), ..rows };
        for (table, n) in [
            (Table::MetricPoints, rows.point_time.len()),
            (Table::Histograms, rows.histograms.len()),
            (Table::Logs, rows.logs.len()),
            (Table::Spans, rows.spans.len()),
            (Table::Assessments, rows.assessments.len()),
        ] {
            let mut buffer = Buffer::new(table);
            let bytes = buffer.append(&rows) + buffer.append(&rows);
            let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            assert!(n > 0 && bytes > 0);
            assert_eq!(buffer.bytes, bytes);
            assert_eq!(count(&buffer.snapshot()), 2 * n, "{}", table.as_str());
            assert_eq!(buffer.snapshot()[0].schema(), table.schema());
            let times = buffer.times();
            let taken = buffer.take();
            assert_eq!((count(&taken), buffer.rows, buffer.times()), (2 * n, 0, None));
            assert!(times.is_some_and(|(from, to)| from <= to));
        }
    }
}
