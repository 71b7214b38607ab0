//! Stored signals in steps of time, so that history is judged as often as it would have been when it happened.

use std::collections::{BTreeMap, btree_map};
use std::time::Duration;

use echobase_types::{SignalBatch, Timestamp};

/// Cuts batches, which come in order of time, into steps that end at whole multiples of their width. Time only rises: what
/// of a batch belongs to an earlier step is learned with the step that is open.
///
/// ```
/// use std::time::Duration;
///
/// use echobase_analysis::steps::Steps;
/// use echobase_types::SignalBatch;
///
/// let mut steps = Steps::new(Duration::from_secs(10));
/// assert!(steps.cut(SignalBatch::default()).advance().is_none());
/// assert_eq!(steps.end(), None);
/// ```
#[derive(Debug)]
pub struct Steps {
    width: i64,
    end: Option<Timestamp>,
}

/// A batch that is being cut.
#[derive(Debug)]
pub struct Cut<'a> {
    steps: &'a mut Steps,
    batch: SignalBatch,
    slices: btree_map::IntoIter<Timestamp, SignalBatch>,
}

impl Steps {
    /// Steps of this width; at least a microsecond.
    pub fn new(width: Duration) -> Self {
        Self { width: i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1), end: None }
    }

    /// When the step ends that is open; `None` before the first row.
    pub const fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Cuts the next batch. A span belongs to the step in which it ended.
    pub fn cut(&mut self, batch: SignalBatch) -> Cut<'_> {
        let width = self.width;
        let end = |at: Timestamp| {
            Timestamp::from_micros(at.as_micros().div_euclid(width).saturating_add(1).saturating_mul(width))
        };
        let SignalBatch { resources, series, points, histograms, logs, spans } = batch;
        let mut slices: BTreeMap<Timestamp, SignalBatch> = BTreeMap::new();
        for point in points {
            slices.entry(end(point.time)).or_default().points.push(point);
        }
        for histogram in histograms {
            slices.entry(end(histogram.time)).or_default().histograms.push(histogram);
        }
        for log in logs {
            slices.entry(end(log.time)).or_default().logs.push(log);
        }
        for span in spans {
            slices.entry(end(span.end)).or_default().spans.push(span);
        }
        let batch = SignalBatch { resources, series, ..SignalBatch::default() };
        Cut { steps: self, batch, slices: slices.into_iter() }
    }
}

impl Cut<'_> {
    /// The next rows, with the end of the step before them if that is over now: judge then, and learn after.
    pub fn advance(&mut self) -> Option<(Option<Timestamp>, &SignalBatch)> {
        let (end, rows) = self.slices.next()?;
        // The descriptions are those of the whole batch: only rows change from step to step.
        self.batch = SignalBatch {
            resources: std::mem::take(&mut self.batch.resources),
            series: std::mem::take(&mut self.batch.series),
            ..rows
        };
        let over = self.steps.end.filter(|open| *open < end);
        self.steps.end = self.steps.end.max(Some(end));
        Some((over, &self.batch))
    }
}

#[cfg(test)]
mod tests {
    use echobase_types::signal::MetricPoint;

    use super::*;

    fn batch(seconds: &[i64]) -> SignalBatch {
        let point = |secs: &i64| MetricPoint { series: 0, time: Timestamp::from_secs(*secs), value: 1.0 };
        SignalBatch { points: seconds.iter().map(point).collect(), ..SignalBatch::default() }
    }

    #[test]
    fn a_step_is_judged_once_and_before_anything_that_comes_after_it() {
        let mut steps = Steps::new(Duration::from_secs(60));
        let mut told = Vec::new();
        // The second batch begins in the step in which the first one ended; the third brings what is late.
        for seconds in [&[0, 59, 60, 130][..], &[140, 185], &[100, 190], &[400]] {
            let mut cut = steps.cut(batch(seconds));
            while let Some((over, rows)) = cut.advance() {
                told.push((over.map(|t| t.as_micros() / 1_000_000), rows.points.len()));
            }
        }
        assert_eq!(
            told,
            [
                (None, 2),
                (Some(60), 1),
                (Some(120), 1),
                (None, 1),
                (Some(180), 1),
                (None, 1),
                (None, 1),
                (Some(240), 1)
            ]
        );
        assert_eq!(steps.end(), Some(Timestamp::from_secs(420)));
    }
}
