//! Quantiles of classic histograms, whose buckets are series with the label `le`.

use std::collections::HashMap;

use crate::promql::PromqlError;
use crate::promql::evaluate::{Evaluator, Line, push};
use crate::promql::labels::{BOUND, Labels};

/// A bucket: its upper bound, and how many values are not above it.
type Bucket = (f64, f64);

/// `histogram_quantile`. Elements without a bound that is a number are left out.
pub(super) fn quantiles(
    evaluator: &Evaluator<'_>,
    at: &[f64],
    lines: Vec<Line>,
) -> Result<Vec<Line>, PromqlError> {
    evaluator.budget.spend(lines.len() * evaluator.steps.count)?;
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<(Labels, Vec<(f64, Line)>)> = Vec::new();
    for line in lines {
        let Ok(bound) = line.labels.get(BOUND).parse::<f64>() else { continue };
        let labels = line.labels.without_and_name(&[BOUND.to_owned()]);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            histograms.push((labels, Vec::new()));
            histograms.len() - 1
        });
        histograms[place].1.push((bound, line));
    }
    let mut found = Vec::with_capacity(histograms.len());
    for (labels, buckets) in histograms {
        let values = at.iter().enumerate().map(|(step, at)| {
            let there = buckets.iter().filter_map(|(bound, line)| Some((*bound, line.values[step]?)));
            let mut there: Vec<Bucket> = there.collect();
            (!there.is_empty()).then(|| quantile(*at, &mut there))
        });
        push(&mut found, labels, values.collect());
    }
    Ok(found)
}

/// The quantile, in proportion within its bucket, the first of which begins at zero where its bound is positive. What lies
/// above the last finite bound is answered with that bound.
fn quantile(at: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if at.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&at) {
        return if at < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    if buckets.last().is_none_or(|last| last.0 != f64::INFINITY) {
        return f64::NAN;
    }
    // Bounds that are written in two ways are one; counts that fall, as scrapes in between leave them, are held.
    buckets.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    let mut most = f64::NEG_INFINITY;
    for (_, count) in buckets.iter_mut() {
        most = most.max(*count);
        *count = most;
    }
    let [.., below, last] = buckets.as_slice() else { return f64::NAN };
    if last.1 == 0.0 {
        return f64::NAN;
    }
    let rank = at * last.1;
    let place = buckets[..buckets.len() - 1].iter().position(|(_, count)| *count >= rank);
    let Some(place) = place else { return below.0 };
    let (bound, count) = buckets[place];
    match place.checked_sub(1).map(|before| buckets[before]) {
        None if bound <= 0.0 => bound,
        None => bound * (rank / count),
        Some((begin, before)) => begin + (bound - begin) * ((rank - before) / (count - before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(at: f64, buckets: &[Bucket], expected: f64) {
        let seen = quantile(at, &mut buckets.to_vec());
        assert!(seen == expected || (seen.is_nan() && expected.is_nan()), "{at} of {buckets:?}: {seen}");
    }

    #[test]
    fn quantiles_lie_within_their_bucket_in_proportion() {
        let buckets = [(0.5, 10.0), (1.0, 30.0), (2.0, 40.0), (f64::INFINITY, 50.0)];
        for (at, expected) in [
            (0.0, 0.0),
            (0.1, 0.25),
            (0.2, 0.5),
            (0.4, 0.75),
            (0.7, 1.5),
            (0.9, 2.0),
            (1.0, 2.0),
            (1.5, f64::INFINITY),
            (-1.0, f64::NEG_INFINITY),
            (f64::NAN, f64::NAN),
        ] {
            check(at, &buckets, expected);
        }
    }

    #[test]
    fn odd_histograms_are_read_as_prometheus_reads_them() {
        check(0.5, &[(1.0, 3.0), (2.0, 5.0)], f64::NAN);
        check(0.5, &[(f64::INFINITY, 5.0)], f64::NAN);
        check(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)], f64::NAN);
        check(0.5, &[(-1.0, 5.0), (f64::INFINITY, 5.0)], -1.0);
        check(0.5, &[(1.0, 2.0), (1.0, 2.0), (f64::INFINITY, 4.0)], 0.5);
        // A count that falls is held at the one before.
        check(0.75, &[(1.0, 2.0), (2.0, 1.0), (4.0, 4.0), (f64::INFINITY, 4.0)], 3.0);
    }
}
