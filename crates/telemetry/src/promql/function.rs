//! Functions.

mod bucket;
mod date;
mod label;

use super::PromqlError;
use super::evaluate::{Evaluator, Line, Series, Value, distinct, joined, push, wrong};
use super::expression::{Each, Expression, Function, Over, Range};
use super::labels::Labels;
use super::window::Window;

/// The value of a call. The parser has seen to it that number and types of the arguments fit.
pub(super) fn call(
    evaluator: &Evaluator<'_>,
    function: Function,
    arguments: &[Expression],
) -> Result<Value, PromqlError> {
    let argument = |n: usize| arguments.get(n).ok_or_else(|| wrong("nothing"));
    let vector = |n: usize| evaluator.vector(argument(n)?);
    let scalar = |n: usize| evaluator.scalar(argument(n)?);
    let steps = evaluator.steps;
    let lines = match function {
        Function::Over(over) => over_range(evaluator, over, arguments)?,
        Function::Each(each) => distinct(evaluator.each(vector(0)?, |value| of_one(each, value))?)?,
        Function::Round => {
            let to = if arguments.len() > 1 { scalar(1)? } else { vec![1.0; steps.count] };
            with_numbers(evaluator, vector(0)?, |step, value| {
                // Multiplied by the inverse, as Prometheus does: 0.1 is no exact number.
                let inverse = 1.0 / to[step];
                Some((value * inverse + 0.5).floor() / inverse)
            })?
        }
        Function::Clamp => {
            let (least, most) = (scalar(1)?, scalar(2)?);
            with_numbers(evaluator, vector(0)?, |step, value| {
                let (least, most) = (least[step], most[step]);
                (most >= least || most.is_nan() || least.is_nan())
                    .then(|| larger(least, smaller(most, value)))
            })?
        }
        Function::ClampMin => {
            let least = scalar(1)?;
            with_numbers(evaluator, vector(0)?, |step, value| Some(larger(least[step], value)))?
        }
        Function::ClampMax => {
            let most = scalar(1)?;
            with_numbers(evaluator, vector(0)?, |step, value| Some(smaller(most[step], value)))?
        }
        Function::Date(part) if arguments.is_empty() => {
            let values = steps.times().map(|time| Some(date::part(part, (time as f64 / 1e3).trunc())));
            vec![Line { labels: Labels::default(), values: values.collect() }]
        }
        Function::Date(part) => distinct(evaluator.each(vector(0)?, |value| date::part(part, value))?)?,
        Function::Absent => absent(evaluator, &vector(0)?, arguments),
        Function::AbsentOverTime => {
            let found = over_range(evaluator, Over::Present, arguments.get(..1).unwrap_or_default())?;
            absent(evaluator, &found, arguments)
        }
        Function::Scalar => return Ok(Value::Scalar(single(evaluator, &vector(0)?))),
        Function::Vector => {
            let values = scalar(0)?.into_iter().map(Some).collect();
            vec![Line { labels: Labels::default(), values }]
        }
        Function::Time => return Ok(Value::Scalar(steps.times().map(seconds).collect())),
        Function::Timestamp => distinct(match argument(0)? {
            Expression::Instant(selection, moment) => {
                let lines = evaluator.instant(*selection, *moment, |(at, _)| seconds(at))?;
                evaluator.each(lines, |at| at)?
            }
            other => {
                with_numbers(evaluator, evaluator.vector(other)?, |step, _| Some(seconds(steps.time(step))))?
            }
        })?,
        Function::Sort => sorted(evaluator, vector(0)?, f64::total_cmp),
        Function::SortDescending => sorted(evaluator, vector(0)?, |a, b| b.total_cmp(a)),
        Function::HistogramQuantile => bucket::quantiles(evaluator, &scalar(0)?, vector(1)?)?,
        Function::LabelReplace => label::replaced(vector(0)?, &texts(&arguments[1..])?)?,
        Function::LabelJoin => label::concatenated(vector(0)?, &texts(&arguments[1..])?)?,
    };
    Ok(Value::Vector(lines))
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

fn texts(arguments: &[Expression]) -> Result<Vec<&str>, PromqlError> {
    let mut texts = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let Expression::Text(text) = argument else { return Err(wrong("something else than a text")) };
        texts.push(text.as_str());
    }
    Ok(texts)
}

fn of_one(each: Each, value: f64) -> f64 {
    match each {
        Each::Abs => value.abs(),
        Each::Ceil => value.ceil(),
        Each::Floor => value.floor(),
        Each::Exp => value.exp(),
        Each::Ln => value.ln(),
        Each::Log2 => value.log2(),
        Each::Log10 => value.log10(),
        Each::Sqrt => value.sqrt(),
        Each::Sign => {
            if value == 0.0 || value.is_nan() {
                value
            } else {
                value.signum()
            }
        }
    }
}

/// The larger; NaN if one is, unless the other is as large as can be.
fn larger(a: f64, b: f64) -> f64 {
    let is_nan = (a.is_nan() && b != f64::INFINITY) || (b.is_nan() && a != f64::INFINITY);
    if is_nan { f64::NAN } else { a.max(b) }
}

/// The smaller; NaN if one is, unless the other is as small as can be.
fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

/// Changes each value by its step, or takes it out.
fn with_numbers(
    evaluator: &Evaluator<'_>,
    lines: Vec<Line>,
    change: impl Fn(usize, f64) -> Option<f64>,
) -> Result<Vec<Line>, PromqlError> {
    evaluator.budget.spend(lines.len() * evaluator.steps.count)?;
    let mut changed = Vec::with_capacity(lines.len());
    for line in lines {
        let values = line.values.iter().enumerate().map(|(step, value)| change(step, (*value)?));
        push(&mut changed, line.labels.without_name(), values.collect());
    }
    joined(changed)
}

/// A function of the samples of each series in a range, step by step.
fn over_range(
    evaluator: &Evaluator<'_>,
    over: Over,
    arguments: &[Expression],
) -> Result<Vec<Line>, PromqlError> {
    let (mut range, mut parameters) = (None::<&Range>, vec![0.0; evaluator.steps.count]);
    for argument in arguments {
        match argument {
            Expression::Range(of) => range = Some(of),
            number => parameters = evaluator.scalar(number)?,
        }
    }
    let Some(range) = range else { return Err(wrong("no range vector")) };
    let mut lines = Vec::new();
    for Series { labels, samples } in evaluator.series(range)? {
        evaluator.budget.spend(evaluator.steps.count)?;
        let (mut begin, mut end) = (0, 0);
        let mut values = Vec::with_capacity(evaluator.steps.count);
        for (step, time) in evaluator.steps.times().enumerate() {
            let to = range.moment.of(time);
            let from = to.saturating_sub(range.length);
            end += samples[end..].iter().take_while(|(at, _)| *at <= to).count();
            begin += samples[begin..end].iter().take_while(|(at, _)| *at < from).count();
            evaluator.budget.spend((end - begin) / 64)?; // a look at a sample costs less than a value
            let window =
                Window { samples: &samples[begin..end], from, to, step: time, parameter: parameters[step] };
            values.push(window.answer(over));
        }
        // The last sample is that of the series itself.
        let labels = if over == Over::Last { labels } else { labels.without_name() };
        push(&mut lines, labels, values);
    }
    distinct(lines)
}

/// One where there is nothing. The labels stand behind the vector: name, value, name, value …
fn absent(evaluator: &Evaluator<'_>, lines: &[Line], arguments: &[Expression]) -> Vec<Line> {
    let mut values = vec![Some(1.0); evaluator.steps.count];
    for line in lines {
        for (value, there) in values.iter_mut().zip(&line.values) {
            if there.is_some() {
                *value = None;
            }
        }
    }
    let mut labels = Labels::default();
    for pair in arguments.get(1..).unwrap_or_default().chunks_exact(2) {
        if let [Expression::Text(name), Expression::Text(value)] = pair {
            labels = labels.with(name, value);
        }
    }
    let mut absent = Vec::new();
    push(&mut absent, labels, values);
    absent
}

/// The value of the one element there is; NaN if there are none or several.
fn single(evaluator: &Evaluator<'_>, lines: &[Line]) -> Vec<f64> {
    let value = |step: usize| {
        let mut there = lines.iter().filter_map(|line| line.values[step]);
        match (there.next(), there.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    (0..evaluator.steps.count).map(value).collect()
}

/// Sorted by value, NaN last, where there is one step; over several steps an order has no meaning.
fn sorted(
    evaluator: &Evaluator<'_>,
    mut lines: Vec<Line>,
    order: impl Fn(&f64, &f64) -> std::cmp::Ordering,
) -> Vec<Line> {
    if evaluator.steps.count == 1 {
        let value = |line: &Line| line.values.first().copied().flatten().unwrap_or(f64::NAN);
        lines.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            a.is_nan().cmp(&b.is_nan()).then(order(&a, &b))
        });
    }
    lines
}
