//! Operators between two expressions, and how the elements of two vectors find each other.

use std::collections::{HashMap, HashSet};

use super::PromqlError;
use super::evaluate::{Evaluator, Line, Value, joined, push, wrong};
use super::expression::{Binary, Cardinality, Grouping, Operator};
use super::labels::Labels;

/// The value of an operator between two expressions.
pub(super) fn combined(evaluator: &Evaluator<'_>, binary: &Binary) -> Result<Value, PromqlError> {
    let (left, right) = (evaluator.value(&binary.left)?, evaluator.value(&binary.right)?);
    let operator = binary.operator;
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            // Between numbers a comparison is always with `bool`: the parser takes no other.
            let of = |(l, r)| match answer(operator, l, r) {
                Some(_) if operator.compares() => 1.0,
                Some(value) => value,
                None => 0.0,
            };
            Value::Scalar(left.into_iter().zip(right).map(of).collect())
        }
        (Value::Vector(lines), Value::Scalar(numbers)) => {
            Value::Vector(with_numbers(evaluator, binary, lines, |step, value| (value, numbers[step]))?)
        }
        (Value::Scalar(numbers), Value::Vector(lines)) => {
            Value::Vector(with_numbers(evaluator, binary, lines, |step, value| (numbers[step], value))?)
        }
        (Value::Vector(left), Value::Vector(right)) => {
            evaluator.budget.spend((left.len() + right.len()) * evaluator.steps.count)?;
            let lines = if operator.is_of_sets() {
                sets(evaluator, binary, left, right)
            } else {
                matched(evaluator, binary, &left, &right)?
            };
            Value::Vector(joined(lines)?)
        }
        (Value::Text(_), _) | (_, Value::Text(_)) => return Err(wrong("a text")),
    })
}

/// The value of an operator between two numbers; `None` for a comparison that does not hold. One that holds answers its left
/// side.
fn answer(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let holds = match operator {
        Operator::Add => return Some(left + right),
        Operator::Subtract => return Some(left - right),
        Operator::Multiply => return Some(left * right),
        Operator::Divide => return Some(left / right),
        Operator::Modulo => return Some(left % right),
        Operator::Power => return Some(left.powf(right)),
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Greater => left > right,
        Operator::Less => left < right,
        Operator::GreaterOrEqual => left >= right,
        Operator::LessOrEqual => left <= right,
        Operator::And | Operator::Or | Operator::Unless => false,
    };
    holds.then_some(left)
}

/// An operator between each element of a vector and a number.
fn with_numbers(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    lines: Vec<Line>,
    sides: impl Fn(usize, f64) -> (f64, f64),
) -> Result<Vec<Line>, PromqlError> {
    if binary.operator.is_of_sets() {
        return Err(wrong("a number"));
    }
    evaluator.budget.spend(lines.len() * evaluator.steps.count)?;
    let compares = binary.operator.compares();
    let mut found = Vec::with_capacity(lines.len());
    for line in lines {
        let of = |(step, value): (usize, &Option<f64>)| {
            let element = (*value)?;
            let (left, right) = sides(step, element);
            let answer = answer(binary.operator, left, right);
            match (compares, binary.is_bool) {
                (true, true) => Some(f64::from(u8::from(answer.is_some()))),
                // What is kept is the element, whichever side it stands on.
                (true, false) => answer.map(|_| element),
                (false, _) => answer,
            }
        };
        let values = line.values.iter().enumerate().map(of).collect();
        let keeps_name = compares && !binary.is_bool;
        let labels = if keeps_name { line.labels } else { line.labels.without_name() };
        push(&mut found, labels, values);
    }
    joined(found)
}

/// What elements must have in common to match.
fn signature(labels: &Labels, matching: &Grouping) -> Labels {
    match matching {
        Grouping::By(names) => labels.only(names),
        Grouping::Without(names) => labels.without_and_name(names),
    }
}

/// `and`, `or`, `unless`.
fn sets(evaluator: &Evaluator<'_>, binary: &Binary, left: Vec<Line>, right: Vec<Line>) -> Vec<Line> {
    let steps = evaluator.steps.count;
    let there = |lines: &[Line]| {
        let mut there: HashMap<Labels, Vec<bool>> = HashMap::new();
        for line in lines {
            let at =
                there.entry(signature(&line.labels, &binary.matching)).or_insert_with(|| vec![false; steps]);
            at.iter_mut().zip(&line.values).for_each(|(at, value)| *at |= value.is_some());
        }
        there
    };
    let filtered = |lines: Vec<Line>, others: &HashMap<Labels, Vec<bool>>, keep: bool| {
        let mut kept = Vec::with_capacity(lines.len());
        for mut line in lines {
            let other = others.get(&signature(&line.labels, &binary.matching));
            for (step, value) in line.values.iter_mut().enumerate() {
                if other.is_some_and(|there| there[step]) != keep {
                    *value = None;
                }
            }
            push(&mut kept, line.labels, line.values);
        }
        kept
    };
    match binary.operator {
        Operator::And => filtered(left, &there(&right), true),
        Operator::Unless => filtered(left, &there(&right), false),
        _ => {
            let more = filtered(right, &there(&left), false);
            left.into_iter().chain(more).collect()
        }
    }
}

/// A pair of lines that match, with the labels of what comes out of it.
struct Pair<'a> {
    many: &'a Line,
    one: &'a Line,
    signature: usize,
    labels: Labels,
}

/// An operator between the elements of two vectors that match.
fn matched(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    left: &[Line],
    right: &[Line],
) -> Result<Vec<Line>, PromqlError> {
    // `many` may have several elements for one of `one`; where both have one, that is the left side.
    let one_is_left = matches!(binary.cardinality, Cardinality::OneToMany(_));
    let (many, one) = if one_is_left { (right, left) } else { (left, right) };
    let mut ones: HashMap<Labels, (usize, Vec<&Line>)> = HashMap::new();
    for line in one {
        let next = ones.len();
        let known = ones.entry(signature(&line.labels, &binary.matching)).or_insert((next, Vec::new()));
        known.1.push(line);
    }
    let side = if one_is_left { "left" } else { "right" };
    let there: Vec<bool> =
        (0..evaluator.steps.count).map(|step| many.iter().any(|line| line.values[step].is_some())).collect();
    for (signature, (_, lines)) in &ones {
        one_at_a_time(lines, signature, side, &there)?;
    }
    let mut pairs = Vec::new();
    for line in many {
        let Some((signature, lines)) = ones.get(&signature(&line.labels, &binary.matching)) else { continue };
        for one in lines {
            evaluator.budget.spend(evaluator.steps.count)?;
            let labels = result(binary, &line.labels, &one.labels);
            pairs.push(Pair { many: line, one, signature: *signature, labels });
        }
    }
    let mut answers: Vec<Vec<Option<f64>>> =
        pairs.iter().map(|_| vec![None; evaluator.steps.count]).collect();
    let mut taken: HashSet<(usize, Option<&Labels>)> = HashSet::new();
    for step in 0..evaluator.steps.count {
        taken.clear();
        for (pair, answers) in pairs.iter().zip(&mut answers) {
            let (Some(many), Some(one)) = (pair.many.values[step], pair.one.values[step]) else { continue };
            let (left, right) = if one_is_left { (one, many) } else { (many, one) };
            let answer = match (answer(binary.operator, left, right), binary.is_bool) {
                (answer, true) => f64::from(u8::from(answer.is_some())),
                (Some(value), false) => value,
                (None, false) => continue,
            };
            let is_one_to_one = binary.cardinality == Cardinality::OneToOne;
            if !taken.insert((pair.signature, (!is_one_to_one).then_some(&pair.labels))) {
                return Err(PromqlError::Execution(if is_one_to_one {
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                        .to_owned()
                } else {
                    "multiple matches for labels: grouping labels must ensure unique matches".to_owned()
                }));
            }
            answers[step] = Some(answer);
        }
    }
    let mut found = Vec::with_capacity(pairs.len());
    for (pair, values) in pairs.into_iter().zip(answers) {
        push(&mut found, pair.labels, values);
    }
    Ok(found)
}

/// On the side of one, no two elements with the same signature may be there at a step at which the side of many has any.
fn one_at_a_time(lines: &[&Line], signature: &Labels, side: &str, there: &[bool]) -> Result<(), PromqlError> {
    for (n, line) in lines.iter().enumerate() {
        for other in &lines[..n] {
            let pairs = line.values.iter().zip(&other.values).zip(there);
            if pairs.into_iter().any(|((a, b), there)| *there && a.is_some() && b.is_some()) {
                return Err(PromqlError::Execution(format!(
                    "found duplicate series for the match group {signature} on the {side} hand-side of the operation: \
                     [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
                    other.labels, line.labels
                )));
            }
        }
    }
    Ok(())
}

/// The labels of what comes out of a pair.
fn result(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let filters = binary.operator.compares() && !binary.is_bool;
    let mut labels = if filters { many.clone() } else { many.without_name() };
    match &binary.cardinality {
        Cardinality::OneToOne => match &binary.matching {
            Grouping::By(names) => labels.only(names),
            Grouping::Without(names) => labels.without(names),
        },
        Cardinality::ManyToOne(included) | Cardinality::OneToMany(included) => {
            for name in included {
                labels = labels.with(name, one.get(name));
            }
            labels
        }
    }
}
