//! Exponential histograms onto explicit bounds.
//!
//! With base = 2^(2^−scale), bucket `i` of the positive side covers (base^i, base^(i+1)], and of the negative side
//! the mirror image (<https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>).

use echobase_types::signal::HistogramPoint;
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use crate::intake::{Refusal, malformed};
use crate::otlp::metrics::time;

/// Most buckets kept on one side; above, neighbours are merged, which is one step of scale down.
const MOST: usize = 160;

pub(crate) fn explicit(
    point: ExponentialHistogramDataPoint,
    cumulative: bool,
) -> Result<HistogramPoint, Refusal> {
    let (mut scale, mut positive, mut negative) =
        (point.scale, Side::new(point.positive)?, Side::new(point.negative)?);
    while positive.counts.len() > MOST || negative.counts.len() > MOST {
        (positive, negative) = (positive.coarser(), negative.coarser());
        scale = scale.checked_sub(1).ok_or_else(|| malformed("scale is out of range".to_owned()))?;
    }
    let edge = |index: i64| (index as f64 * (-f64::from(scale)).exp2()).exp2();
    let mut whole = Whole::default();
    if !negative.counts.is_empty() {
        whole.bucket(-edge(negative.at(negative.counts.len())), 0)?;
        for (n, count) in negative.counts.iter().enumerate().rev() {
            whole.bucket(-edge(negative.at(n)), *count)?;
        }
    }
    let zero = point.zero_threshold.max(0.0);
    whole.bucket(zero, point.zero_count)?;
    if !positive.counts.is_empty() {
        let lowest = edge(positive.at(0));
        if lowest > zero {
            whole.bucket(lowest, 0)?;
        }
        for (n, count) in positive.counts.iter().enumerate() {
            whole.bucket(edge(positive.at(n + 1)), *count)?;
        }
    }
    let (bounds, mut counts) = (whole.bounds, whole.counts);
    counts.push(whole.waiting);
    Ok(HistogramPoint {
        series: 0,
        time: time(point.time_unix_nano)?,
        cumulative,
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        bounds,
        counts,
    })
}

/// One sign of an exponential histogram.
struct Side {
    offset: i64,
    counts: Vec<u64>,
}

impl Side {
    fn new(buckets: Option<Buckets>) -> Result<Self, Refusal> {
        let Buckets { offset, mut bucket_counts } = buckets.unwrap_or_default();
        while bucket_counts.last() == Some(&0) {
            bucket_counts.pop();
        }
        Ok(Self { offset: i64::from(offset), counts: bucket_counts })
    }

    fn at(&self, n: usize) -> i64 {
        self.offset + n as i64
    }

    /// The same counts at one scale less.
    fn coarser(&self) -> Self {
        let offset = self.offset >> 1;
        let mut counts: Vec<u64> = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (n, count) in self.counts.iter().enumerate() {
            let to = usize::try_from((self.at(n) >> 1) - offset).unwrap_or(0);
            if counts.len() <= to {
                counts.resize(to + 1, 0);
            }
            counts[to] = counts[to].saturating_add(*count);
        }
        Self { offset, counts }
    }
}

/// Buckets in ascending order.
#[derive(Default)]
struct Whole {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    /// Counts without a bucket of their own; they go into the next.
    waiting: u64,
}

impl Whole {
    fn bucket(&mut self, upper: f64, count: u64) -> Result<(), Refusal> {
        if !upper.is_finite() {
            return Err(malformed("exponential buckets reach beyond the range of numbers".to_owned()));
        }
        let count = count.saturating_add(std::mem::take(&mut self.waiting));
        match self.bounds.last() {
            // So fine a scale that two edges are one number, or a zero bucket that swallows the first edges.
            Some(last) if *last >= upper => self.waiting = count,
            _ => {
                self.bounds.push(upper);
                self.counts.push(count);
            }
        }
        Ok(())
    }
}
