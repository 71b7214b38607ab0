//! Questions in PromQL over one tenant's metrics, answered as Prometheus 2.42 answers them.
//!
//! The text is parsed by a kept crate and turned into an `Expression`, which says what is not offered. The dictionary says
//! which series fit, a scan brings their samples, and the evaluation is pure.

mod aggregate;
mod binary;
mod error;
mod evaluate;
mod expression;
mod function;
mod labels;
mod load;
mod plan;
mod source;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echobase_types::signal::MetricKind;
use echobase_types::{TenantId, Timestamp};

pub use error::PromqlError;
pub use evaluate::Sample;
pub use labels::Labels;
pub use plan::promql_length;

use self::evaluate::{Budget, Evaluator, Line, Value};
use self::expression::{Aggregator, Expression, Function, Steps};
use self::labels::{BOUND, metric_name};
use self::plan::{Plan, Selection};
use self::source::{Chosen, Part};
use crate::Telemetry;

/// Series that one selector may name.
const MAX_SERIES: usize = 50_000;
/// Values that one question works out at most; at 16 bytes each, of which a part is held at a time.
const MAX_VALUES: usize = 30_000_000;
/// Steps of a question over a range, as Prometheus bounds them.
const MAX_STEPS: usize = 11_000;

/// When a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromqlTimes {
    /// At one time.
    At(Timestamp),
    /// At the first time, and from there every so often until the last, which may be met.
    Range(Timestamp, Timestamp, Duration),
}

/// A question.
#[derive(Clone, Debug)]
pub struct PromqlQuery {
    /// Its text.
    pub text: String,
    /// When it is asked.
    pub times: PromqlTimes,
    /// How long a sample holds for a selector. Prometheus: 5 min.
    pub lookback: Duration,
    /// Time from asking to the answer; cut to that of the configuration.
    pub timeout: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum PromqlAnswer {
    /// A number.
    Scalar(Sample),
    /// A text, with its time in milliseconds.
    Text(i64, String),
    /// A value for each series; in the order of labels unless the question asked for another.
    Vector(Vec<(Labels, Sample)>),
    /// Values over time for each series, in the order of labels.
    Matrix(Vec<(Labels, Vec<Sample>)>),
}

/// Which series a list is about: those that fit one of the selectors, or all if there is none, and were seen since.
#[derive(Clone, Debug)]
pub struct PromqlSelection {
    /// Such as `up{job="node"}`.
    pub selectors: Vec<String>,
    /// Only series with a value at or after this.
    pub from: Timestamp,
    /// Only buckets of distributions with a row at or before this.
    pub to: Timestamp,
}

/// What to list of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesList {
    /// The names of their labels.
    LabelNames,
    /// The values of this label.
    LabelValues(String),
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricFamily {
    /// As PromQL writes it.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The UCUM unit, or empty.
    pub unit: String,
}

/// A number as the labels `le` and those of `count_values` write it: without exponent.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    value.to_string()
}

/// Says that nobody waits any more when it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl PromqlTimes {
    fn steps(self) -> Result<Steps, PromqlError> {
        let (start, end, every) = match self {
            Self::At(at) => return Ok(Steps::once(at.as_millis())),
            Self::Range(start, end, every) => (start.as_millis(), end.as_millis(), every.as_millis()),
        };
        let invalid = |words: &str| Err(PromqlError::Invalid(words.to_owned()));
        if end < start {
            return invalid("end timestamp must not be before start time");
        }
        let Ok(every @ 1..) = i64::try_from(every) else {
            return invalid(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            );
        };
        let steps = Steps::between(start, end, every);
        if steps.count > MAX_STEPS {
            return invalid(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            );
        }
        Ok(steps)
    }
}

impl Telemetry {
    /// Answers a question. Dropping the future stops the work.
    pub async fn promql(&self, tenant: &TenantId, query: PromqlQuery) -> Result<PromqlAnswer, PromqlError> {
        let limit = query.timeout.min(self.inner.config.query.timeout);
        self.inner.shared.counters.queries.fetch_add(1, Ordering::Relaxed);
        tokio::time::timeout(limit, self.promql_answer(tenant, query))
            .await
            .unwrap_or(Err(PromqlError::Timeout { limit }))
    }

    async fn promql_answer(
        &self,
        tenant: &TenantId,
        query: PromqlQuery,
    ) -> Result<PromqlAnswer, PromqlError> {
        let steps = query.times.steps()?;
        let is_instant = matches!(query.times, PromqlTimes::At(_));
        let lookback = i64::try_from(query.lookback.as_millis()).unwrap_or(i64::MAX / 8);
        let stopped = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let place = self.inner.engine.place().await.map_err(|_| PromqlError::Stopped)?;
        let place = Arc::new(place); // held until the work has really ended
        let plan = self.promql_work(place.clone(), move || Plan::of(&query.text, steps, lookback)).await?;
        let data = self.promql_data(tenant, &plan.selections, place.clone()).await?;
        let budget = Budget::new(MAX_VALUES, stopped.0.clone());
        self.promql_work(place, move || {
            let evaluator = Evaluator { data: &data, steps, lookback, budget: &budget };
            answer(&evaluator, &plan.root, is_instant)
        })
        .await
    }

    /// Works on a thread with a deep stack, for expressions are walked on it.
    async fn promql_work<T: Send + 'static, P: Send + 'static>(
        &self,
        place: P,
        work: impl FnOnce() -> Result<T, PromqlError> + Send + 'static,
    ) -> Result<T, PromqlError> {
        let work = move || {
            let _place = place;
            work()
        };
        self.inner.workers.block(work).await.map_err(|_| PromqlError::Stopped)?
    }

    async fn promql_data<P: Send + 'static>(
        &self,
        tenant: &TenantId,
        selections: &[Selection],
        place: P,
    ) -> Result<Vec<Vec<evaluate::Series>>, PromqlError> {
        let chosen = self.promql_chosen(tenant, selections, place).await?;
        load::load(self, tenant, selections, chosen).await
    }

    async fn promql_chosen<P: Send + 'static>(
        &self,
        tenant: &TenantId,
        selections: &[Selection],
        place: P,
    ) -> Result<Vec<Vec<Chosen>>, PromqlError> {
        let (shared, of, wanted) = (self.inner.shared.clone(), tenant.clone(), selections.to_vec());
        let choose = move || {
            let chosen = wanted.iter().map(|selection| {
                let since = selection.from.saturating_mul(1_000);
                source::choose(&shared, &of, &selection.matchers, since, MAX_SERIES)
            });
            chosen.collect()
        };
        self.promql_work(place, choose).await
    }

    fn promql_selections(selection: &PromqlSelection) -> Result<Vec<Selection>, PromqlError> {
        let (from, to) = (selection.from.as_millis(), selection.to.as_millis());
        let fits = |text: &String| Ok(Selection { matchers: plan::matchers(text)?, from, to });
        if selection.selectors.is_empty() {
            return Ok(vec![Selection { matchers: Vec::new(), from, to }]);
        }
        selection.selectors.iter().map(fits).collect()
    }

    /// The labels of series, each once, in their order. A bucket is listed if it has a row in the range.
    pub async fn promql_series(
        &self,
        tenant: &TenantId,
        selection: PromqlSelection,
    ) -> Result<Vec<Labels>, PromqlError> {
        let limit = self.inner.config.query.timeout;
        let work = async {
            let selections = self.promql_work((), move || Self::promql_selections(&selection)).await?;
            let mut chosen = self.promql_chosen(tenant, &selections, ()).await?;
            let mut all = BTreeSet::new();
            for chosen in &mut chosen {
                let is_bucket = |chosen: &mut Chosen| chosen.part == Part::Bucket;
                let buckets = chosen.extract_if(.., is_bucket).collect();
                all.extend(std::mem::replace(chosen, buckets).into_iter().map(|chosen| chosen.labels));
            }
            let buckets = load::load(self, tenant, &selections, chosen).await?;
            all.extend(buckets.into_iter().flatten().map(|series| series.labels));
            Ok(all.into_iter().collect())
        };
        tokio::time::timeout(limit, work).await.unwrap_or(Err(PromqlError::Timeout { limit }))
    }

    /// Names or values of the labels of series, each once, in order.
    pub async fn promql_labels(
        &self,
        tenant: &TenantId,
        list: SeriesList,
        selection: PromqlSelection,
    ) -> Result<Vec<String>, PromqlError> {
        // Bounds of buckets stand in rows, not in the dictionary.
        if list == SeriesList::LabelValues(BOUND.to_owned()) {
            let series = self.promql_series(tenant, selection).await?;
            let bounds: BTreeSet<&str> = series.iter().map(|labels| labels.get(BOUND)).collect();
            return Ok(bounds.into_iter().filter(|bound| !bound.is_empty()).map(str::to_owned).collect());
        }
        let (shared, of) = (self.inner.shared.clone(), tenant.clone());
        let work = move || {
            let mut found: BTreeSet<Arc<str>> = BTreeSet::new();
            let mut add = |text: &str| {
                if !text.is_empty() && !found.contains(text) {
                    found.insert(Arc::from(text));
                }
            };
            for selection in Self::promql_selections(&selection)? {
                let since = selection.from.saturating_mul(1_000);
                source::visit(&shared, &of, &selection.matchers, since, |_, chosen| {
                    match &list {
                        SeriesList::LabelNames => {
                            chosen.labels.iter().for_each(|(name, _)| add(name));
                            add(if chosen.part == Part::Bucket { BOUND } else { "" });
                        }
                        SeriesList::LabelValues(name) => add(chosen.labels.get(name)),
                    }
                    Ok(())
                })?;
            }
            Ok(found.iter().map(|text| text.to_string()).collect())
        };
        let limit = self.inner.config.query.timeout;
        let done = tokio::time::timeout(limit, self.promql_work((), work)).await;
        done.unwrap_or(Err(PromqlError::Timeout { limit }))
    }

    /// The metrics there are, in the order of names.
    pub async fn promql_metrics(&self, tenant: &TenantId) -> Result<Vec<MetricFamily>, PromqlError> {
        let (shared, of) = (self.inner.shared.clone(), tenant.clone());
        let work = move || {
            let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
            source::visit(&shared, &of, &[], i64::MIN, |series, _| {
                let kind = match series.kind {
                    MetricKind::Counter => "counter",
                    MetricKind::Histogram => "histogram",
                    MetricKind::Gauge | MetricKind::Delta | MetricKind::UpDownCounter => "gauge",
                };
                let name = metric_name(&series.metric);
                let family = || MetricFamily { name: name.clone(), kind, unit: series.unit.to_string() };
                families.entry(name.clone()).or_insert_with(family);
                Ok(())
            })?;
            Ok(families.into_values().collect())
        };
        self.promql_work((), work).await
    }
}

/// Evaluates an expression and brings its value into the form of an answer.
fn answer(
    evaluator: &Evaluator<'_>,
    root: &Expression,
    is_instant: bool,
) -> Result<PromqlAnswer, PromqlError> {
    let steps = evaluator.steps;
    if let Expression::Range(range) = root {
        if !is_instant {
            let words =
                "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
            return Err(PromqlError::Invalid(words.to_owned()));
        }
        let to = range.moment.of(steps.start);
        let from = to.saturating_sub(range.length);
        let inside = |series: evaluate::Series| {
            let samples = series.samples.iter().copied().filter(|(at, _)| (from..=to).contains(at)).collect();
            (series.labels, samples)
        };
        let all = evaluator.series(range)?.into_iter().map(inside);
        return Ok(PromqlAnswer::Matrix(
            all.filter(|(_, samples): &(_, Vec<_>)| !samples.is_empty()).collect(),
        ));
    }
    let value = evaluator.value(root)?;
    let over_time = |values: &[Option<f64>]| -> Vec<Sample> {
        steps.times().zip(values).filter_map(|(at, value)| Some((at, (*value)?))).collect()
    };
    Ok(match value {
        Value::Text(_) if !is_instant => {
            let words =
                "invalid expression type \"string\" for range query, must be Scalar or instant Vector";
            return Err(PromqlError::Invalid(words.to_owned()));
        }
        Value::Text(text) => PromqlAnswer::Text(steps.start, text),
        Value::Scalar(values) if is_instant => {
            PromqlAnswer::Scalar((steps.start, values.first().copied().unwrap_or(f64::NAN)))
        }
        Value::Scalar(values) => {
            PromqlAnswer::Matrix(vec![(Labels::default(), steps.times().zip(values).collect())])
        }
        Value::Vector(mut lines) => {
            if !(is_instant && is_ordered(root)) {
                lines.sort_by(|a, b| a.labels.cmp(&b.labels));
            }
            let at_once = |line: Line| Some((line.labels, (steps.start, line.values.first().copied()??)));
            if is_instant {
                PromqlAnswer::Vector(lines.into_iter().filter_map(at_once).collect())
            } else {
                let all = lines.into_iter().map(|line| (over_time(&line.values), line.labels));
                PromqlAnswer::Matrix(all.map(|(samples, labels)| (labels, samples)).collect())
            }
        }
    })
}

/// Whether the order of the elements is part of what was asked.
fn is_ordered(root: &Expression) -> bool {
    match root {
        Expression::Call(Function::Sort | Function::SortDescending, _) => true,
        Expression::Aggregate(aggregate) => matches!(aggregate.by, Aggregator::Top | Aggregator::Bottom),
        _ => false,
    }
}
