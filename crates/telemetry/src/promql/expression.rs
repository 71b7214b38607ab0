//! A PromQL expression as it is evaluated: names resolved, times in milliseconds, what is not offered refused.

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// The first, in milliseconds since 1970.
    pub(super) start: i64,
    /// Milliseconds from one to the next; at least 1.
    pub(super) interval: i64,
    /// How many; at least 1.
    pub(super) count: usize,
}

impl Steps {
    /// From `start` to `end`, both inclusive.
    pub(super) fn between(start: i64, end: i64, interval: i64) -> Self {
        let more = end.saturating_sub(start).max(0) / interval.max(1);
        Self { start, interval: interval.max(1), count: usize::try_from(more).unwrap_or(usize::MAX - 1) + 1 }
    }

    /// One time.
    pub(super) fn once(at: i64) -> Self {
        Self { start: at, interval: 1, count: 1 }
    }

    /// The time of a step.
    pub(super) fn time(&self, step: usize) -> i64 {
        self.start + self.interval * step as i64
    }

    /// The times of all steps.
    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.time(step))
    }
}

/// Which time a selector looks at, seen from the time of a step: `@` and `offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Option<i64>,
    pub(super) offset: i64,
}

impl Moment {
    pub(super) fn of(&self, step: i64) -> i64 {
        self.at.unwrap_or(step).saturating_sub(self.offset)
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    /// An instant vector selector: which of the plan's selections.
    Instant(usize, Moment),
    /// A range vector.
    Range(Box<Range>),
    Call(Function, Vec<Expression>),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negative(Box<Expression>),
}

/// A range vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) of: RangeOf,
    /// Milliseconds back, both ends included.
    pub(super) length: i64,
    pub(super) moment: Moment,
}

/// What a range vector is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RangeOf {
    /// The samples of a selection.
    Selection(usize),
    /// The values of an expression every so many milliseconds, at whole multiples of that.
    Subquery(Expression, i64),
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    /// Of a range vector.
    Over(Over),
    /// Of each value by itself.
    Each(Each),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Date(Date),
    /// Of a vector; behind it stand, as texts, name and value of each label of the answer.
    Absent,
    /// Of a range vector, as `Absent`.
    AbsentOverTime,
    Scalar,
    Vector,
    Time,
    Timestamp,
    Sort,
    SortDescending,
    HistogramQuantile,
    LabelReplace,
    LabelJoin,
}

/// A function of the samples in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Rate,
    Increase,
    Delta,
    InstantRate,
    InstantDelta,
    Derivative,
    PredictLinear,
    Resets,
    Changes,
    Mean,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Quantile,
    Deviation,
    Variance,
    Present,
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    Abs,
    Ceil,
    Floor,
    Exp,
    Ln,
    Log2,
    Log10,
    Sqrt,
    Sign,
}

/// A part of a date in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Date {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// An aggregation over the elements of a vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) by: Aggregator,
    pub(super) parameter: Option<Expression>,
    pub(super) inner: Expression,
    pub(super) grouping: Grouping,
}

/// How an aggregation folds a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregator {
    Sum,
    Mean,
    Min,
    Max,
    Count,
    Group,
    Deviation,
    Variance,
    Top,
    Bottom,
    Quantile,
    CountValues,
}

/// Which labels tell groups, or matches, apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// These: `by`, `on`.
    By(Vec<String>),
    /// All but these: `without`, `ignoring`.
    Without(Vec<String>),
}

/// An operator between two expressions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binary {
    pub(super) operator: Operator,
    pub(super) left: Expression,
    pub(super) right: Expression,
    /// `bool`: answer 0 and 1 in place of filtering.
    pub(super) is_bool: bool,
    pub(super) matching: Grouping,
    pub(super) cardinality: Cardinality,
}

/// How many elements of one side may match one of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels that the right side gives.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels that the left side gives.
    OneToMany(Vec<String>),
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    /// Whether it compares.
    pub(super) fn compares(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::Less
                | Self::GreaterOrEqual
                | Self::LessOrEqual
        )
    }

    /// Whether it is about sets of elements and not about their values.
    pub(super) fn is_of_sets(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}
