//! The rows of a batch, in the order in which they are learned.

use echobase_types::Timestamp;
use echobase_types::signal::SignalBatch;

use super::watched::Watched;

/// Rows whose states are read before they are learned: what they need must fit into the second cache.
pub(super) const TOUCHED: usize = 64;

/// One row of a batch, in the order in which it is learned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) resource: u32,
    pub(super) time: Timestamp,
    pub(super) kind: RowKind,
    pub(super) index: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKind {
    Point,
    Histogram,
}

impl Row {
    /// Its series, by place in the batch.
    pub(super) fn series(&self, batch: &SignalBatch) -> usize {
        let series = match self.kind {
            RowKind::Point => batch.points[self.index as usize].series,
            RowKind::Histogram => batch.histograms[self.index as usize].series,
        };
        series as usize
    }
}

/// Points and histograms, by resource and time. Rows whose indices are out of range are left out.
pub(super) fn rows(batch: &SignalBatch) -> Vec<Row> {
    let resource_of = |series: u32| batch.series.get(series as usize).map(|s| s.resource);
    let mut rows: Vec<Row> = Vec::with_capacity(batch.points.len() + batch.histograms.len());
    for (index, point) in batch.points.iter().enumerate() {
        if let Some(resource) = resource_of(point.series) {
            rows.push(Row { resource, time: point.time, kind: RowKind::Point, index: index as u32 });
        }
    }
    for (index, histogram) in batch.histograms.iter().enumerate() {
        if let Some(resource) = resource_of(histogram.series) {
            rows.push(Row { resource, time: histogram.time, kind: RowKind::Histogram, index: index as u32 });
        }
    }
    if !rows.is_sorted() {
        rows.sort_unstable();
    }
    rows
}

/// Reads the states of the series of the first [`TOUCHED`] of these rows, as far as this batch has not met them yet,
/// and notes their places.
pub(super) fn touch(watched: &Watched, batch: &SignalBatch, rows: &[Row], places: &mut [Option<u32>]) {
    let mut read = 0;
    for row in rows.iter().take(TOUCHED) {
        let series = row.series(batch);
        if places[series].is_none()
            && let Some(place) = watched.known(batch.series[series].id)
        {
            places[series] = Some(place);
            read ^= watched.touch(place);
        }
    }
    std::hint::black_box(read);
}
