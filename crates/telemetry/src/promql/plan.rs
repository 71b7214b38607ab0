//! From the text of a question to what is evaluated and which series that needs.

use std::panic::catch_unwind;
use std::time::{Duration, UNIX_EPOCH};

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorMatchCardinality,
    VectorSelector,
};

use super::PromqlError;
use super::expression::{
    Aggregate, Aggregator, Binary, Cardinality, Date, Each, Expression, Function, Grouping, Moment, Operator,
    Over, Range, RangeOf, Steps,
};

/// Bytes of the longest question: each may nest once, and nesting is walked on the stack.
const MAX_TEXT: usize = 16 << 10;
/// Milliseconds between the points of a subquery that does not say: the default of Prometheus.
const SUBQUERY_STEP: i64 = 60_000;

/// Which series are needed, and when.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) matchers: Vec<Matcher>,
    /// From, in milliseconds, inclusive.
    pub(super) from: i64,
    /// To, in milliseconds, inclusive.
    pub(super) to: i64,
}

/// What is evaluated.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) root: Expression,
    pub(super) selections: Vec<Selection>,
}

/// Reads a question.
fn parse(text: &str) -> Result<Expr, PromqlError> {
    if text.len() > MAX_TEXT {
        return Err(PromqlError::TooLarge { what: "bytes of text", limit: MAX_TEXT });
    }
    // The parser panics on lengths of time that no `Duration` holds, such as `[1e300]`.
    let parsed = catch_unwind(|| promql_parser::parser::parse(text));
    let parsed = parsed.map_err(|_| "a number is out of its range".to_owned()).and_then(|parsed| parsed);
    parsed.map_err(|words| PromqlError::Invalid(format!("parse `{}`: {words}", shown(text))))
}

/// A length of time above zero, as parameters write it: seconds, or such as `1h30m`.
pub fn promql_length(text: &str) -> Option<Duration> {
    let length = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => promql_parser::util::parse_duration(text).ok(),
    };
    length.filter(|length| length.as_millis() > 0)
}

/// The first characters of a text, for messages.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The matchers of a series selector such as `up{job="node"}`.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, PromqlError> {
    match parse(text)? {
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => {
            selected(&selector)
        }
        _ => Err(PromqlError::Invalid(format!("`{}` is no series selector", shown(text)))),
    }
}

fn selected(selector: &VectorSelector) -> Result<Vec<Matcher>, PromqlError> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(PromqlError::Unsupported("`or` between matchers".to_owned()));
    }
    let named = selector.name.as_ref().map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
    Ok(named.into_iter().chain(selector.matchers.matchers.iter().cloned()).collect())
}

impl Plan {
    /// Plans a question that is asked at these steps. `lookback`: milliseconds for which a sample holds.
    pub(super) fn of(text: &str, steps: Steps, lookback: i64) -> Result<Self, PromqlError> {
        let parsed = parse(text)?;
        let span = (steps.start, steps.time(steps.count - 1));
        let mut planner = Planner { query: span, lookback, selections: Vec::new() };
        let root = planner.expression(&parsed, span)?;
        Ok(Self { root, selections: planner.selections })
    }
}

struct Planner {
    /// The first and the last time of the question, for `start()` and `end()`.
    query: (i64, i64),
    lookback: i64,
    selections: Vec<Selection>,
}

impl Planner {
    /// `span`: the first and last time at which this expression is evaluated.
    fn expression(&mut self, parsed: &Expr, span: (i64, i64)) -> Result<Expression, PromqlError> {
        Ok(match parsed {
            Expr::Paren(inner) => self.expression(&inner.expr, span)?,
            Expr::NumberLiteral(number) => Expression::Number(number.val),
            Expr::StringLiteral(text) => Expression::Text(text.val.clone()),
            Expr::Unary(inner) => Expression::Negative(Box::new(self.expression(&inner.expr, span)?)),
            Expr::VectorSelector(selector) => {
                let moment = self.moment(selector.at.as_ref(), selector.offset.as_ref());
                let index = self.select(selector, moment, span, self.lookback)?;
                Expression::Instant(index, moment)
            }
            Expr::MatrixSelector(matrix) => {
                let moment = self.moment(matrix.vs.at.as_ref(), matrix.vs.offset.as_ref());
                let length = millis(matrix.range);
                let of = RangeOf::Selection(self.select(&matrix.vs, moment, span, length)?);
                Expression::Range(Box::new(Range { of, length, moment }))
            }
            Expr::Subquery(subquery) => {
                let moment = self.moment(subquery.at.as_ref(), subquery.offset.as_ref());
                let length = millis(subquery.range);
                let inner = (moment.of(span.0).saturating_sub(length), moment.of(span.1));
                let step = subquery.step.map_or(SUBQUERY_STEP, millis).max(1);
                let of = RangeOf::Subquery(self.expression(&subquery.expr, inner)?, step);
                Expression::Range(Box::new(Range { of, length, moment }))
            }
            Expr::Call(call) => self.call(call, span)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, span)?,
            Expr::Binary(binary) => self.binary(binary, span)?,
            Expr::Extension(_) => return Err(PromqlError::Unsupported("an extension".to_owned())),
        })
    }

    fn moment(&self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Moment {
        let at = at.map(|at| match at {
            AtModifier::Start => self.query.0,
            AtModifier::End => self.query.1,
            AtModifier::At(time) => match time.duration_since(UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => -millis(before.duration()),
            },
        });
        let offset = match offset {
            Some(Offset::Pos(by)) => millis(*by),
            Some(Offset::Neg(by)) => -millis(*by),
            None => 0,
        };
        Moment { at, offset }
    }

    fn select(
        &mut self,
        selector: &VectorSelector,
        moment: Moment,
        span: (i64, i64),
        back: i64,
    ) -> Result<usize, PromqlError> {
        let matchers = selected(selector)?;
        let from = moment.of(span.0).saturating_sub(back);
        self.selections.push(Selection { matchers, from, to: moment.of(span.1) });
        Ok(self.selections.len() - 1)
    }

    fn call(&mut self, call: &Call, span: (i64, i64)) -> Result<Expression, PromqlError> {
        let name = call.func.name;
        let function =
            function(name).ok_or_else(|| PromqlError::Unsupported(format!("the function `{name}`")))?;
        let arguments: Result<Vec<_>, _> =
            call.args.args.iter().map(|argument| self.expression(argument, span)).collect();
        let mut arguments = arguments?;
        if matches!(function, Function::Absent | Function::AbsentOverTime) {
            arguments.extend(call.args.args.first().into_iter().flat_map(|of| labels_of_absence(of)));
        }
        Ok(Expression::Call(function, arguments))
    }

    fn aggregate(&mut self, parsed: &AggregateExpr, span: (i64, i64)) -> Result<Expression, PromqlError> {
        let by = aggregator(parsed.op)
            .ok_or_else(|| PromqlError::Unsupported(format!("the aggregation `{}`", parsed.op)))?;
        let parameter = match &parsed.param {
            Some(parameter) => Some(self.expression(parameter, span)?),
            None => None,
        };
        let grouping = parsed.modifier.as_ref().map_or(Grouping::By(Vec::new()), grouping);
        let inner = self.expression(&parsed.expr, span)?;
        Ok(Expression::Aggregate(Box::new(Aggregate { by, parameter, inner, grouping })))
    }

    fn binary(&mut self, parsed: &BinaryExpr, span: (i64, i64)) -> Result<Expression, PromqlError> {
        let operator = operator(parsed.op)
            .ok_or_else(|| PromqlError::Unsupported(format!("the operator `{}`", parsed.op)))?;
        let (left, right) = (self.expression(&parsed.lhs, span)?, self.expression(&parsed.rhs, span)?);
        let mut binary = Binary {
            operator,
            left,
            right,
            is_bool: false,
            matching: Grouping::Without(Vec::new()),
            cardinality: Cardinality::OneToOne,
        };
        if let Some(modifier) = &parsed.modifier {
            if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
                return Err(PromqlError::Unsupported("`fill`".to_owned()));
            }
            binary.is_bool = modifier.return_bool;
            if let Some(matching) = &modifier.matching {
                binary.matching = grouping(matching);
            }
            binary.cardinality = match &modifier.card {
                VectorMatchCardinality::ManyToOne(given) => Cardinality::ManyToOne(given.labels.clone()),
                VectorMatchCardinality::OneToMany(given) => Cardinality::OneToMany(given.labels.clone()),
                VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
                    Cardinality::OneToOne
                }
            };
        }
        Ok(Expression::Binary(Box::new(binary)))
    }
}

/// The labels, as texts, that something absent has for sure: those that its selector says by `=`. One that is said again,
/// or otherwise later, is not sure.
fn labels_of_absence(of: &Expr) -> Vec<Expression> {
    let selector = match of {
        Expr::VectorSelector(selector) => selector,
        Expr::MatrixSelector(matrix) => &matrix.vs,
        _ => return Vec::new(),
    };
    let (mut sure, mut said): (Vec<&Matcher>, Vec<&str>) = (Vec::new(), Vec::new());
    for matcher in selector.matchers.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !said.contains(&matcher.name.as_str()) {
            said.push(&matcher.name);
            sure.push(matcher);
        } else {
            sure.retain(|other| other.name != matcher.name);
        }
    }
    let texts = sure.into_iter().flat_map(|matcher| [&matcher.name, &matcher.value]);
    texts.map(|text| Expression::Text(text.clone())).collect()
}

/// Milliseconds, rounded down, below any that sums of times could overflow with.
fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 8)
}

fn grouping(modifier: &LabelModifier) -> Grouping {
    match modifier {
        LabelModifier::Include(labels) => Grouping::By(labels.labels.clone()),
        LabelModifier::Exclude(labels) => Grouping::Without(labels.labels.clone()),
    }
}

fn function(name: &str) -> Option<Function> {
    Some(match name {
        "rate" => Function::Over(Over::Rate),
        "increase" => Function::Over(Over::Increase),
        "delta" => Function::Over(Over::Delta),
        "irate" => Function::Over(Over::InstantRate),
        "idelta" => Function::Over(Over::InstantDelta),
        "deriv" => Function::Over(Over::Derivative),
        "predict_linear" => Function::Over(Over::PredictLinear),
        "resets" => Function::Over(Over::Resets),
        "changes" => Function::Over(Over::Changes),
        "avg_over_time" => Function::Over(Over::Mean),
        "min_over_time" => Function::Over(Over::Min),
        "max_over_time" => Function::Over(Over::Max),
        "sum_over_time" => Function::Over(Over::Sum),
        "count_over_time" => Function::Over(Over::Count),
        "last_over_time" => Function::Over(Over::Last),
        "quantile_over_time" => Function::Over(Over::Quantile),
        "stddev_over_time" => Function::Over(Over::Deviation),
        "stdvar_over_time" => Function::Over(Over::Variance),
        "present_over_time" => Function::Over(Over::Present),
        "abs" => Function::Each(Each::Abs),
        "ceil" => Function::Each(Each::Ceil),
        "floor" => Function::Each(Each::Floor),
        "exp" => Function::Each(Each::Exp),
        "ln" => Function::Each(Each::Ln),
        "log2" => Function::Each(Each::Log2),
        "log10" => Function::Each(Each::Log10),
        "sqrt" => Function::Each(Each::Sqrt),
        "sgn" => Function::Each(Each::Sign),
        "round" => Function::Round,
        "clamp" => Function::Clamp,
        "clamp_min" => Function::ClampMin,
        "clamp_max" => Function::ClampMax,
        "minute" => Function::Date(Date::Minute),
        "hour" => Function::Date(Date::Hour),
        "day_of_week" => Function::Date(Date::DayOfWeek),
        "day_of_month" => Function::Date(Date::DayOfMonth),
        "day_of_year" => Function::Date(Date::DayOfYear),
        "days_in_month" => Function::Date(Date::DaysInMonth),
        "month" => Function::Date(Date::Month),
        "year" => Function::Date(Date::Year),
        "absent" => Function::Absent,
        "absent_over_time" => Function::AbsentOverTime,
        "scalar" => Function::Scalar,
        "vector" => Function::Vector,
        "time" => Function::Time,
        "timestamp" => Function::Timestamp,
        "sort" => Function::Sort,
        "sort_desc" => Function::SortDescending,
        "histogram_quantile" => Function::HistogramQuantile,
        "label_replace" => Function::LabelReplace,
        "label_join" => Function::LabelJoin,
        _ => return None,
    })
}

fn aggregator(token: TokenType) -> Option<Aggregator> {
    Some(match token.id() {
        token::T_SUM => Aggregator::Sum,
        token::T_AVG => Aggregator::Mean,
        token::T_MIN => Aggregator::Min,
        token::T_MAX => Aggregator::Max,
        token::T_COUNT => Aggregator::Count,
        token::T_GROUP => Aggregator::Group,
        token::T_STDDEV => Aggregator::Deviation,
        token::T_STDVAR => Aggregator::Variance,
        token::T_TOPK => Aggregator::Top,
        token::T_BOTTOMK => Aggregator::Bottom,
        token::T_QUANTILE => Aggregator::Quantile,
        token::T_COUNT_VALUES => Aggregator::CountValues,
        _ => return None,
    })
}

fn operator(token: TokenType) -> Option<Operator> {
    Some(match token.id() {
        token::T_ADD => Operator::Add,
        token::T_SUB => Operator::Subtract,
        token::T_MUL => Operator::Multiply,
        token::T_DIV => Operator::Divide,
        token::T_MOD => Operator::Modulo,
        token::T_POW => Operator::Power,
        token::T_EQLC => Operator::Equal,
        token::T_NEQ => Operator::NotEqual,
        token::T_GTR => Operator::Greater,
        token::T_LSS => Operator::Less,
        token::T_GTE => Operator::GreaterOrEqual,
        token::T_LTE => Operator::LessOrEqual,
        token::T_LAND => Operator::And,
        token::T_LOR => Operator::Or,
        token::T_LUNLESS => Operator::Unless,
        _ => return None,
    })
}
