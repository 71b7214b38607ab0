//! Evaluation of an expression over all its steps at once. Pure: series in, values out.
//!
//! **Invariant:** each value is what Prometheus 2.42 answers for the same samples, or there is an error.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::expression::{Expression, Moment, Range, RangeOf, Steps};
use super::{PromqlError, aggregate, binary, function};
use crate::promql::labels::Labels;

/// Time in milliseconds since 1970, and value.
pub type Sample = (i64, f64);

/// A series with its samples, oldest first, no two at the same time.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) samples: Arc<[Sample]>,
}

/// One element of a vector over all steps; `None` at steps at which it is not there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) labels: Labels,
    pub(super) values: Vec<Option<f64>>,
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// One number for each step.
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Line>),
}

/// How much one question may use.
#[derive(Debug)]
pub(super) struct Budget {
    /// Values that may still be worked out.
    left: AtomicUsize,
    limit: usize,
    /// Whether nobody waits for the answer any more.
    stopped: Arc<AtomicBool>,
}

impl Budget {
    pub(super) fn new(limit: usize, stopped: Arc<AtomicBool>) -> Self {
        Self { left: AtomicUsize::new(limit), limit, stopped }
    }

    /// Takes `values` out of what is left.
    pub(super) fn spend(&self, values: usize) -> Result<(), PromqlError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(PromqlError::Stopped);
        }
        let taken = |left: usize| left.checked_sub(values);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(_) => Ok(()),
            Err(_) => Err(PromqlError::TooLarge { what: "values", limit: self.limit }),
        }
    }
}

/// What an expression is evaluated on.
pub(super) struct Evaluator<'a> {
    /// The series of each selection of the plan.
    pub(super) data: &'a [Vec<Series>],
    pub(super) steps: Steps,
    /// Milliseconds for which a sample holds.
    pub(super) lookback: i64,
    pub(super) budget: &'a Budget,
}

impl Evaluator<'_> {
    pub(super) fn value(&self, expression: &Expression) -> Result<Value, PromqlError> {
        Ok(match expression {
            Expression::Number(number) => Value::Scalar(vec![*number; self.steps.count]),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Instant(selection, moment) => {
                Value::Vector(self.instant(*selection, *moment, |(_, value)| value)?)
            }
            Expression::Range(_) => return Err(wrong("a range vector")),
            Expression::Call(function, arguments) => function::call(self, *function, arguments)?,
            Expression::Aggregate(aggregate) => Value::Vector(aggregate::folded(self, aggregate)?),
            Expression::Binary(binary) => binary::combined(self, binary)?,
            Expression::Negative(inner) => match self.value(inner)? {
                Value::Scalar(values) => Value::Scalar(values.into_iter().map(|value| -value).collect()),
                Value::Vector(lines) => Value::Vector(distinct(self.each(lines, |value| -value)?)?),
                Value::Text(_) => return Err(wrong("a text")),
            },
        })
    }

    /// The value of an expression that is an instant vector.
    pub(super) fn vector(&self, expression: &Expression) -> Result<Vec<Line>, PromqlError> {
        match self.value(expression)? {
            Value::Vector(lines) => Ok(lines),
            Value::Scalar(_) => Err(wrong("a number")),
            Value::Text(_) => Err(wrong("a text")),
        }
    }

    /// The value of an expression that is a number at each step.
    pub(super) fn scalar(&self, expression: &Expression) -> Result<Vec<f64>, PromqlError> {
        match self.value(expression)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) => Err(wrong("a vector")),
            Value::Text(_) => Err(wrong("a text")),
        }
    }

    /// The last sample of each series of a selection that holds at each step, as `shown`.
    pub(super) fn instant(
        &self,
        selection: usize,
        moment: Moment,
        shown: impl Fn(Sample) -> f64,
    ) -> Result<Vec<Line>, PromqlError> {
        let mut lines = Vec::new();
        for series in self.data.get(selection).into_iter().flatten() {
            self.budget.spend(self.steps.count)?;
            let mut next = 0;
            let values = self.steps.times().map(|step| {
                let time = moment.of(step);
                next += series.samples[next..].iter().take_while(|(at, _)| *at <= time).count();
                let last = *series.samples.get(next.checked_sub(1)?)?;
                (last.0 >= time.saturating_sub(self.lookback)).then(|| shown(last))
            });
            push(&mut lines, series.labels.clone(), values.collect());
        }
        Ok(lines)
    }

    /// The series that a range vector looks into.
    pub(super) fn series(&self, range: &Range) -> Result<Vec<Series>, PromqlError> {
        let (inner, every) = match &range.of {
            RangeOf::Selection(selection) => {
                return Ok(self.data.get(*selection).cloned().unwrap_or_default());
            }
            RangeOf::Subquery(inner, every) => (inner, *every),
        };
        let first = range.moment.of(self.steps.start).saturating_sub(range.length);
        let last = range.moment.of(self.steps.time(self.steps.count - 1));
        let aligned = first.div_euclid(every) * every;
        let start = if aligned < first { aligned + every } else { aligned };
        if start > last {
            return Ok(Vec::new());
        }
        let steps = Steps::between(start, last, every);
        self.budget.spend(steps.count)?;
        let inner = Evaluator { steps, ..*self }.vector(inner)?;
        let sampled = |line: Line| Series {
            labels: line.labels,
            samples: steps.times().zip(line.values).filter_map(|(at, value)| Some((at, value?))).collect(),
        };
        Ok(inner.into_iter().map(sampled).collect())
    }

    /// Changes each value, whose metric then is another.
    pub(super) fn each(
        &self,
        mut lines: Vec<Line>,
        change: impl Fn(f64) -> f64,
    ) -> Result<Vec<Line>, PromqlError> {
        self.budget.spend(lines.len() * self.steps.count)?;
        for line in &mut lines {
            line.labels = line.labels.without_name();
            line.values.iter_mut().flatten().for_each(|value| *value = change(*value));
        }
        Ok(lines)
    }
}

/// Adds a line that is there at one step at least.
pub(super) fn push(lines: &mut Vec<Line>, labels: Labels, values: Vec<Option<f64>>) {
    if values.iter().any(Option::is_some) {
        lines.push(Line { labels, values });
    }
}

/// Lines of which no two have the same labels.
pub(super) fn distinct(lines: Vec<Line>) -> Result<Vec<Line>, PromqlError> {
    let mut seen = std::collections::HashSet::with_capacity(lines.len());
    if lines.iter().all(|line| seen.insert(&line.labels)) {
        Ok(lines)
    } else {
        Err(PromqlError::same_labels())
    }
}

/// Makes one line of those with the same labels, which must not be there at the same step.
pub(super) fn joined(lines: Vec<Line>) -> Result<Vec<Line>, PromqlError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(lines.len());
    let mut all: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        let Some(place) = places.get(&line.labels) else {
            places.insert(line.labels.clone(), all.len());
            all.push(line);
            continue;
        };
        for (kept, more) in all[*place].values.iter_mut().zip(line.values) {
            if kept.is_some() && more.is_some() {
                return Err(PromqlError::same_labels());
            }
            *kept = kept.or(more);
        }
    }
    Ok(all)
}

/// A value of another type than its place takes.
pub(super) fn wrong(what: &str) -> PromqlError {
    PromqlError::Invalid(format!("{what} stands where it cannot be used"))
}
