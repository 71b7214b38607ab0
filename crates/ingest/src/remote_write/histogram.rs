//! Native histograms onto explicit bounds.
//!
//! Bucket `i` of schema `n` ends at 2^(i·2^−n), bounds included above
//! (<https://prometheus.io/docs/specs/native_histograms/>); an exponential histogram of OTLP counts the same buckets one
//! lower. Schema −53 has bounds of its own.

use echobase_types::Timestamp;
use echobase_types::signal::{HistogramPoint, RejectReason};
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as Dense;

use crate::intake::{Refusal, malformed};
use crate::otlp::exponential;
use crate::remote_write::message::{Buckets, Histogram};

/// The schema with bounds of its own.
const CUSTOM: i64 = -53;
/// Buckets of one side between the lowest and the highest that holds something; finer ones are merged to so many.
const WIDEST: i64 = 4_096;

pub(super) fn explicit(of: &Histogram) -> Result<HistogramPoint, Refusal> {
    if of.is_float {
        let detail = "native histogram counts fractions; only whole counts are taken";
        return Err(Refusal::new(RejectReason::Unsupported, detail));
    }
    let point = match of.schema {
        CUSTOM => custom(of)?,
        -4..=8 => native(of)?,
        other => return Err(malformed(format!("native histogram has schema {other}, which is none"))),
    };
    let time = Timestamp::from_millis(of.time_ms);
    Ok(HistogramPoint { time, cumulative: !of.is_gauge, sum: of.sum, ..point })
}

fn native(of: &Histogram) -> Result<HistogramPoint, Refusal> {
    let (mut positive, mut negative) = (of.positive.counts()?, of.negative.counts()?);
    let mut scale = of.schema as i32;
    while width(&positive).max(width(&negative)) > WIDEST {
        for (index, _) in positive.iter_mut().chain(&mut negative) {
            // Bucket i ends where bucket ⌈i/2⌉ of the next coarser schema does, or within it.
            *index = (*index + 1) >> 1;
        }
        scale -= 1;
    }
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: u64::try_from(of.time_ms).unwrap_or(0).saturating_mul(1_000_000),
        count: of.count,
        sum: Some(of.sum),
        scale,
        zero_count: of.zero_count,
        zero_threshold: of.zero_threshold,
        positive: Some(dense(&positive)),
        negative: Some(dense(&negative)),
        ..ExponentialHistogramDataPoint::default()
    };
    exponential::explicit(point, true)
}

fn width(counts: &[(i64, u64)]) -> i64 {
    match (counts.first(), counts.last()) {
        (Some((low, _)), Some((high, _))) => high - low + 1,
        _ => 0,
    }
}

/// Counts in a row, from the lowest bucket on; OTLP's index is one lower.
fn dense(counts: &[(i64, u64)]) -> Dense {
    let Some((low, _)) = counts.first() else { return Dense::default() };
    let mut bucket_counts = vec![0u64; width(counts) as usize];
    for (index, count) in counts {
        let slot = &mut bucket_counts[(index - low) as usize];
        *slot = slot.saturating_add(*count);
    }
    Dense { offset: i32::try_from(low - 1).unwrap_or(0), bucket_counts }
}

fn custom(of: &Histogram) -> Result<HistogramPoint, Refusal> {
    let mut counts = vec![0u64; of.bounds.len() + 1];
    for (index, count) in of.positive.counts()? {
        let slot = usize::try_from(index).ok().and_then(|n| counts.get_mut(n));
        *slot.ok_or_else(|| {
            malformed(format!("native histogram counts in bucket {index}, which has no bound"))
        })? += count;
    }
    Ok(HistogramPoint {
        series: 0,
        time: Timestamp::EPOCH,
        cumulative: true,
        count: of.count,
        sum: of.sum,
        bounds: of.bounds.clone(),
        counts,
    })
}

impl Buckets {
    /// Index and count of each bucket, in order.
    fn counts(&self) -> Result<Vec<(i64, u64)>, Refusal> {
        let wrong = || malformed("native histogram: spans and counts do not fit".to_owned());
        let mut deltas = self.deltas.iter();
        let mut counts = Vec::with_capacity(self.deltas.len());
        let (mut index, mut count) = (0i64, 0i64);
        for (offset, length) in &self.spans {
            index = index.checked_add(*offset).filter(|i| i32::try_from(*i).is_ok()).ok_or_else(wrong)?;
            for _ in 0..*length {
                count = deltas.next().and_then(|delta| count.checked_add(*delta)).ok_or_else(wrong)?;
                counts.push((index, u64::try_from(count).map_err(|_| wrong())?));
                index += 1;
            }
        }
        if deltas.next().is_some() || !counts.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(wrong());
        }
        Ok(counts)
    }
}
