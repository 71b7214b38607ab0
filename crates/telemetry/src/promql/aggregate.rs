//! Aggregation of the elements of a vector into groups.

use std::collections::HashMap;

use super::PromqlError;
use super::evaluate::{Evaluator, Line, Value, distinct, joined, push, wrong};
use super::expression::{Aggregate, Aggregator, Grouping};
use super::labels::{Labels, is_label_name};
use super::window::{mean, quantile};

/// The groups of a vector, each folded into one element, or the elements that were picked.
pub(super) fn folded(evaluator: &Evaluator<'_>, aggregate: &Aggregate) -> Result<Vec<Line>, PromqlError> {
    let lines = evaluator.vector(&aggregate.inner)?;
    evaluator.budget.spend(lines.len() * evaluator.steps.count)?;
    let parameter = match &aggregate.parameter {
        Some(parameter) => Some(evaluator.value(parameter)?),
        None => None,
    };
    let lines = match (aggregate.by, &parameter) {
        (Aggregator::CountValues, Some(Value::Text(label))) => {
            return counted(evaluator, aggregate, &lines, label);
        }
        (Aggregator::CountValues, _) => return Err(wrong("a number")),
        _ => lines,
    };
    let numbers = match parameter {
        Some(Value::Scalar(numbers)) => numbers,
        None => Vec::new(),
        Some(Value::Vector(_) | Value::Text(_)) => return Err(wrong("a text or vector")),
    };
    let mut picked = Vec::new();
    for (labels, members) in groups(&lines, &aggregate.grouping) {
        match aggregate.by {
            Aggregator::Top | Aggregator::Bottom => pick(aggregate.by, &numbers, &members, &mut picked)?,
            by => {
                let mut present = Vec::with_capacity(members.len());
                let fold = |step: usize| {
                    present.clear();
                    present.extend(members.iter().filter_map(|line| line.values[step]));
                    (!present.is_empty()).then(|| fold(by, numbers.get(step).copied(), &mut present))
                };
                push(&mut picked, labels, (0..evaluator.steps.count).map(fold).collect());
            }
        }
    }
    distinct(picked)
}

/// The labels of the group that an element belongs to.
fn group(labels: &Labels, grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::By(names) => labels.only(names),
        Grouping::Without(names) => labels.without_and_name(names),
    }
}

/// Groups in the order of their first members.
fn groups<'a>(lines: &'a [Line], grouping: &Grouping) -> Vec<(Labels, Vec<&'a Line>)> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<&Line>)> = Vec::new();
    for line in lines {
        let labels = group(&line.labels, grouping);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(line);
    }
    groups
}

/// Folds the values of a group at one step, of which there is at least one.
fn fold(by: Aggregator, parameter: Option<f64>, values: &mut [f64]) -> f64 {
    let all = || values.iter().copied();
    match by {
        Aggregator::Sum => all().sum(),
        Aggregator::Mean => mean(all()),
        Aggregator::Min => {
            all().fold(f64::NAN, |least, v| if least > v || least.is_nan() { v } else { least })
        }
        Aggregator::Max => all().fold(f64::NAN, |most, v| if most < v || most.is_nan() { v } else { most }),
        Aggregator::Count => values.len() as f64,
        Aggregator::Deviation => variance(values).sqrt(),
        Aggregator::Variance => variance(values),
        Aggregator::Quantile => quantile(parameter.unwrap_or(f64::NAN), values),
        // The others pick elements and fold nothing.
        Aggregator::Group | Aggregator::Top | Aggregator::Bottom | Aggregator::CountValues => 1.0,
    }
}

/// The variance of a population (B. P. Welford, 1962).
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (values.first().copied().unwrap_or(f64::NAN), 0.0);
    for (n, value) in values.iter().enumerate().skip(1) {
        let off = value - mean;
        mean += off / (n + 1) as f64;
        squares += off * (value - mean);
    }
    squares / values.len() as f64
}

/// Keeps the largest or smallest elements of a group at each step; of equal ones the first. NaN comes last.
fn pick(
    by: Aggregator,
    numbers: &[f64],
    members: &[&Line],
    picked: &mut Vec<Line>,
) -> Result<(), PromqlError> {
    let mut kept = vec![vec![None; numbers.len()]; members.len()];
    for (step, wanted) in numbers.iter().enumerate() {
        if wanted.is_nan() || wanted.abs() >= i64::MAX as f64 {
            return Err(PromqlError::Execution(format!("`{wanted}` is no number of elements")));
        }
        let values = members.iter().enumerate().filter_map(|(n, line)| Some((n, line.values[step]?)));
        let mut present: Vec<(usize, f64)> = values.collect();
        present.sort_by(|(_, a), (_, b)| in_order(by, *a, *b));
        for (n, value) in present.into_iter().take(wanted.max(0.0) as usize) {
            kept[n][step] = Some(value);
        }
    }
    let mut lines: Vec<Line> = Vec::new();
    for (line, values) in members.iter().zip(kept) {
        push(&mut lines, line.labels.clone(), values);
    }
    if let [_] = numbers {
        let value = |line: &Line| line.values.first().copied().flatten().unwrap_or(f64::NAN);
        lines.sort_by(|a, b| in_order(by, value(a), value(b)));
    }
    picked.append(&mut lines);
    Ok(())
}

fn in_order(by: Aggregator, a: f64, b: f64) -> std::cmp::Ordering {
    let order = if by == Aggregator::Top { b.total_cmp(&a) } else { a.total_cmp(&b) };
    a.is_nan().cmp(&b.is_nan()).then(if a == b { std::cmp::Ordering::Equal } else { order })
}

/// How many elements of a group have each value, which becomes the label `label`.
fn counted(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    lines: &[Line],
    label: &str,
) -> Result<Vec<Line>, PromqlError> {
    if !is_label_name(label) {
        return Err(PromqlError::Execution(format!("invalid label name {label:?}")));
    }
    let mut grouping = aggregate.grouping.clone();
    if let Grouping::By(names) = &mut grouping {
        names.push(label.to_owned());
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut counts: Vec<Line> = Vec::new();
    for line in lines {
        for (step, value) in line.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let labels = group(&line.labels.with(label, &super::number(*value)), &grouping);
            let place = match places.get(&labels) {
                Some(place) => *place,
                None => {
                    evaluator.budget.spend(evaluator.steps.count)?;
                    places.insert(labels.clone(), counts.len());
                    counts.push(Line { labels, values: vec![None; evaluator.steps.count] });
                    counts.len() - 1
                }
            };
            let count = &mut counts[place].values[step];
            *count = Some(count.unwrap_or(0.0) + 1.0);
        }
    }
    joined(counts)
}
