//! Histograms put together from `_bucket`, `_sum` and `_count`.

use std::borrow::Cow;
use std::collections::HashMap;

use echobase_types::signal::{HistogramPoint, RejectReason};
use echobase_types::{Attributes, SeriesId, Timestamp};

use crate::intake::{Refusal, malformed};

/// Which part of a histogram a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bucket,
    Sum,
    Count,
}

/// A histogram whose parts are still coming.
pub(super) struct Partial<'a> {
    /// The line of its first part.
    pub(super) at: usize,
    pub(super) name: Cow<'a, str>,
    pub(super) unit: &'a str,
    pub(super) attributes: Attributes,
    pub(super) time: Timestamp,
    pub(super) cumulative: bool,
    /// Upper bound, and how many values are not above it.
    pub(super) buckets: Vec<(f64, f64)>,
    pub(super) sum: Option<f64>,
    pub(super) count: Option<f64>,
}

impl Partial<'_> {
    pub(super) fn add(&mut self, part: Part, bound: Option<f64>, value: f64) {
        match (part, bound) {
            (Part::Bucket, Some(bound)) => self.buckets.push((bound, value)),
            (Part::Sum, _) => self.sum = Some(value),
            (Part::Count, _) => self.count = Some(value),
            (Part::Bucket, None) => {}
        }
    }

    fn finish(&mut self) -> Result<HistogramPoint, Refusal> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let whole = match self.buckets.last() {
            Some((bound, count)) if *bound == f64::INFINITY => Some(*count),
            _ => self.count,
        };
        let Some(whole) = whole else {
            let detail = format!("histogram `{}` has neither a bucket +Inf nor a count", self.name);
            return Err(Refusal::new(RejectReason::Missing, detail));
        };
        self.buckets.retain(|(bound, _)| *bound != f64::INFINITY);
        let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
        for (bound, cumulative) in &self.buckets {
            let upto = self.whole_number(*cumulative)?;
            bounds.push(*bound);
            counts.push(self.step(below, upto)?);
            below = upto;
        }
        let count = self.whole_number(whole)?;
        counts.push(self.step(below, count)?);
        let (time, cumulative, sum) = (self.time, self.cumulative, self.sum.unwrap_or(0.0));
        Ok(HistogramPoint { series: 0, time, cumulative, count, sum, bounds, counts })
    }

    fn whole_number(&self, value: f64) -> Result<u64, Refusal> {
        if (0.0..1.8e19).contains(&value) {
            return Ok(value as u64);
        }
        Err(malformed(format!("histogram `{}` counts {value} values", self.name)))
    }

    fn step(&self, below: u64, upto: u64) -> Result<u64, Refusal> {
        upto.checked_sub(below).ok_or_else(|| {
            malformed(format!("buckets of histogram `{}` fall from {below} to {upto}", self.name))
        })
    }
}

type Finished<'a> = (usize, (&'a str, &'a str), Attributes, Result<HistogramPoint, Refusal>);

/// All histograms of an exposition, in the order of their first parts.
#[derive(Default)]
pub(super) struct Histograms<'a> {
    all: Vec<Partial<'a>>,
    places: HashMap<(SeriesId, Timestamp), usize>,
}

impl<'a> Histograms<'a> {
    pub(super) fn entry(
        &mut self,
        key: (SeriesId, Timestamp),
        new: impl FnOnce() -> Partial<'a>,
    ) -> &mut Partial<'a> {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.all.push(new());
            self.all.len() - 1
        });
        &mut self.all[place]
    }

    pub(super) fn finish(&mut self) -> impl Iterator<Item = Finished<'_>> {
        self.all.iter_mut().map(|partial| {
            let outcome = partial.finish();
            let attributes = std::mem::take(&mut partial.attributes);
            (partial.at, (partial.name.as_ref(), partial.unit), attributes, outcome)
        })
    }
}
