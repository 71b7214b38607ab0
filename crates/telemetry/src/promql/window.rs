//! Functions of the samples in a range.
//!
//! The formulas are those of <https://prometheus.io/docs/prometheus/latest/querying/functions/>; sums are compensated as
//! A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974.

use super::evaluate::Sample;
use super::expression::Over;

/// The samples of one series in a range, both of whose ends belong to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    /// Oldest first; at least one.
    pub(super) samples: &'a [Sample],
    /// Begin and end of the range, in milliseconds.
    pub(super) from: i64,
    pub(super) to: i64,
    /// The time of the step, in milliseconds: `to` without `offset` and `@`.
    pub(super) step: i64,
    /// The number that the function takes beside the range, where it takes one.
    pub(super) parameter: f64,
}

impl Window<'_> {
    /// What the function answers; `None`: nothing.
    pub(super) fn answer(&self, function: Over) -> Option<f64> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let values = || self.samples.iter().map(|(_, value)| *value);
        let pairs = || self.samples.windows(2).map(|pair| (pair[0].1, pair[1].1));
        Some(match function {
            Over::Rate => self.grown(Growth::OfCounter)? / ((self.to - self.from) as f64 / 1e3),
            Over::Increase => self.grown(Growth::OfCounter)?,
            Over::Delta => self.grown(Growth::OfGauge)?,
            Over::InstantRate => self.last_step(Growth::OfCounter)?,
            Over::InstantDelta => self.last_step(Growth::OfGauge)?,
            Over::Derivative => self.line(first.0)?.0,
            Over::PredictLinear => {
                let (slope, intercept) = self.line(self.step)?;
                slope * self.parameter + intercept
            }
            Over::Resets => pairs().filter(|(before, after)| after < before).count() as f64,
            Over::Changes => {
                let differ = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
                pairs().filter(differ).count() as f64
            }
            Over::Mean => mean(values()),
            Over::Min => {
                values().fold(f64::NAN, |least, v| if v < least || least.is_nan() { v } else { least })
            }
            Over::Max => values().fold(f64::NAN, |most, v| if v > most || most.is_nan() { v } else { most }),
            Over::Sum => values().fold(Sum::default(), Sum::plus).total(),
            Over::Count => self.samples.len() as f64,
            Over::Last => last.1,
            Over::Quantile => quantile(self.parameter, &mut values().collect::<Vec<_>>()),
            Over::Deviation => variance(values()).sqrt(),
            Over::Variance => variance(values()),
            Over::Present => 1.0,
        })
    }

    /// The growth over the whole range, from that between the first and the last sample: extended to an end of the range
    /// that is nearer than 1.1 mean distances of samples, else by half of one; and for a counter not to before it was zero.
    fn grown(&self, growth: Growth) -> Option<f64> {
        let [first, .., last] = self.samples else { return None };
        let mut total = last.1 - first.1;
        if growth == Growth::OfCounter {
            let resets = self.samples.windows(2).filter(|pair| pair[1].1 < pair[0].1);
            total = resets.fold(total, |total, pair| total + pair[0].1);
        }
        let seconds = |from: i64, to: i64| (to - from) as f64 / 1e3;
        let (mut to_start, to_end) = (seconds(self.from, first.0), seconds(last.0, self.to));
        let sampled = seconds(first.0, last.0);
        let distance = sampled / (self.samples.len() - 1) as f64;
        if growth == Growth::OfCounter && total > 0.0 && first.1 >= 0.0 {
            to_start = to_start.min(sampled * (first.1 / total));
        }
        let extended = |gap: f64| if gap < distance * 1.1 { gap } else { distance / 2.0 };
        Some(total * ((sampled + extended(to_start) + extended(to_end)) / sampled))
    }

    /// The step between the last two samples; of a counter, by the second.
    fn last_step(&self, growth: Growth) -> Option<f64> {
        let [.., before, last] = self.samples else { return None };
        Some(match growth {
            Growth::OfGauge => last.1 - before.1,
            Growth::OfCounter => {
                let grown = if last.1 < before.1 { last.1 } else { last.1 - before.1 };
                grown / ((last.0 - before.0) as f64 / 1e3)
            }
        })
    }

    /// Slope by the second and value at `zero` of the line of least squares through the samples.
    fn line(&self, zero: i64) -> Option<(f64, f64)> {
        let [first, _, ..] = self.samples else { return None };
        if self.samples.iter().all(|(_, value)| *value == first.1) {
            return Some(if first.1.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.1) });
        }
        let sum = |of: fn(f64, f64) -> f64| {
            let terms = self.samples.iter().map(|(at, value)| of((at - zero) as f64 / 1e3, *value));
            terms.fold(Sum::default(), Sum::plus).sum_with_rest()
        };
        let n = self.samples.len() as f64;
        let (x, y, xy, xx) = (sum(|x, _| x), sum(|_, y| y), sum(|x, y| x * y), sum(|x, _| x * x));
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Some((slope, y / n - slope * x / n))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// A fall is a restart at zero.
    OfCounter,
    OfGauge,
}

/// A compensated sum.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    rest: f64,
}

impl Sum {
    fn plus(self, term: f64) -> Self {
        let sum = self.sum + term;
        let lost =
            if self.sum.abs() >= term.abs() { (self.sum - sum) + term } else { (term - sum) + self.sum };
        Self { sum, rest: self.rest + lost }
    }

    fn sum_with_rest(self) -> f64 {
        self.sum + self.rest
    }

    /// The rest of an infinite sum is not a number.
    fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum_with_rest() }
    }
}

/// The mean, added up so that large values do not overflow.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut count) = (Sum::default(), 0.0);
    for value in values {
        count += 1.0;
        if mean.sum.is_infinite() && !value.is_nan() && (value.is_finite() || value == mean.sum) {
            continue; // an infinite mean stays what it is
        }
        mean = mean.plus(value / count - mean.sum / count);
    }
    mean.total()
}

/// The variance of a population (B. P. Welford, 1962).
fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut squares, mut count) = (Sum::default(), Sum::default(), 0.0);
    for value in values {
        count += 1.0;
        let off = value - mean.sum_with_rest();
        mean = mean.plus(off / count);
        squares = squares.plus(off * (value - mean.sum_with_rest()));
    }
    squares.sum_with_rest() / count
}

/// The quantile of values, between two of them in proportion. Sorts them; NaN is the least.
pub(super) fn quantile(at: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || at.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&at) {
        return if at < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = at * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a function on samples at these seconds within `0..=60` s, asked at 60 s.
    #[track_caller]
    fn check(function: Over, parameter: f64, samples: &[(i64, f64)], expected: Option<f64>) {
        let samples: Vec<Sample> = samples.iter().map(|(at, value)| (at * 1_000, *value)).collect();
        let window = Window { samples: &samples, from: 0, to: 60_000, step: 60_000, parameter };
        let seen = window.answer(function);
        let same = match (seen, expected) {
            (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-12 * b.abs() || (a.is_nan() && b.is_nan()),
            (a, b) => a == b,
        };
        assert!(same, "{function:?} of {samples:?}: {seen:?}, not {expected:?}");
    }

    #[test]
    fn growth_is_extended_to_the_ends_of_the_range() {
        let counter = [(10, 100.0), (20, 110.0), (30, 120.0), (40, 130.0), (50, 140.0)];
        // 40 over 40 s; 10 s at each end are within 1.1 distances of 10 s.
        check(Over::Increase, 0.0, &counter, Some(60.0));
        check(Over::Rate, 0.0, &counter, Some(1.0));
        check(Over::Delta, 0.0, &counter, Some(60.0));
        // 12 s to either end are beyond 11 s: half a distance is added at each.
        check(Over::Increase, 0.0, &[(20, 100.0), (30, 110.0), (40, 120.0)], Some(30.0));
        // A counter that began at 5 cannot have been running for longer than 10 s before, of 20 grown in 40 s.
        let young = [(10, 5.0), (30, 15.0), (50, 25.0)];
        check(Over::Increase, 0.0, &young, Some(20.0 * (40.0 + 10.0 + 10.0) / 40.0));
        check(
            Over::Increase,
            0.0,
            &[(10, 1.0), (30, 11.0), (50, 21.0)],
            Some(20.0 * (40.0 + 2.0 + 10.0) / 40.0),
        );
        check(Over::Delta, 0.0, &[(10, 1.0), (30, 11.0), (50, 21.0)], Some(30.0));
        for function in [Over::Rate, Over::Increase, Over::Delta, Over::InstantRate, Over::Derivative] {
            check(function, 0.0, &[(10, 1.0)], None);
        }
    }

    #[test]
    fn a_fall_of_a_counter_is_a_restart_at_zero() {
        let counter = [(0, 10.0), (20, 30.0), (40, 5.0), (60, 10.0)];
        check(Over::Increase, 0.0, &counter, Some(30.0));
        check(Over::Delta, 0.0, &counter, Some(0.0));
        check(Over::Resets, 0.0, &counter, Some(1.0));
        check(Over::InstantRate, 0.0, &counter, Some(0.25));
        check(Over::InstantRate, 0.0, &counter[..3], Some(0.25));
        check(Over::InstantDelta, 0.0, &counter[..3], Some(-25.0));
        check(Over::Changes, 0.0, &[(0, 1.0), (1, 1.0), (2, 2.0), (3, 1.0)], Some(2.0));
    }

    #[test]
    fn lines_are_those_of_least_squares() {
        let line = [(0, 1.0), (10, 3.0), (20, 5.0), (50, 11.0)];
        check(Over::Derivative, 0.0, &line, Some(0.2));
        check(Over::PredictLinear, 100.0, &line, Some(33.0));
        check(Over::PredictLinear, 100.0, &[(0, 7.0), (30, 7.0)], Some(7.0));
        // Slope 7/8 through (0 0), (2 1), (4 5), (6 5): by hand, mean x 3, mean y 2.75, Sxy 19, Sxx 20.
        check(Over::Derivative, 0.0, &[(0, 0.0), (2, 1.0), (4, 5.0), (6, 5.0)], Some(0.95));
    }

    #[test]
    fn values_are_folded() {
        let values = [(1, 2.0), (2, 4.0), (3, 4.0), (4, 4.0), (5, 5.0), (6, 5.0), (7, 7.0), (8, 9.0)];
        for (function, parameter, expected) in [
            (Over::Mean, 0.0, 5.0),
            (Over::Min, 0.0, 2.0),
            (Over::Max, 0.0, 9.0),
            (Over::Sum, 0.0, 40.0),
            (Over::Count, 0.0, 8.0),
            (Over::Last, 0.0, 9.0),
            (Over::Deviation, 0.0, 2.0),
            (Over::Variance, 0.0, 4.0),
            (Over::Present, 0.0, 1.0),
            (Over::Quantile, 0.5, 4.5),
            (Over::Quantile, 0.25, 4.0),
            (Over::Quantile, 1.0, 9.0),
            (Over::Quantile, 1.1, f64::INFINITY),
            (Over::Quantile, -0.1, f64::NEG_INFINITY),
            (Over::Quantile, f64::NAN, f64::NAN),
        ] {
            check(function, parameter, &values, Some(expected));
        }
        // What is lost in plain addition is kept.
        check(Over::Sum, 0.0, &[(1, 1.0), (2, 1e100), (3, 1.0), (4, -1e100)], Some(2.0));
        check(Over::Mean, 0.0, &[(1, f64::MAX), (2, f64::MAX)], Some(f64::MAX));
        check(Over::Mean, 0.0, &[(1, f64::INFINITY), (2, 1.0)], Some(f64::INFINITY));
        check(Over::Mean, 0.0, &[(1, f64::INFINITY), (2, f64::NEG_INFINITY)], Some(f64::NAN));
    }
}
