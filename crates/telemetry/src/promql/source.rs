//! Which series a question names, and what their labels are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use echobase_types::signal::MetricKind;
use echobase_types::{SeriesId, TenantId};
use promql_parser::label::{MatchOp, Matcher};

use super::PromqlError;
use super::labels::{BOUND, Labels, NAME, label_name, metric_name};
use crate::attributes;
use crate::dictionary::NamedSeries;
use crate::state::Shared;

/// Series that are looked at under one lock.
const CHUNK: usize = 16_384;

/// What of a stored series is served as a series of PromQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Its values.
    Value,
    /// Of a distribution: the counts up to each bound.
    Bucket,
    /// Of a distribution: the sum.
    Sum,
    /// Of a distribution: the count.
    Count,
}

impl Part {
    const OF_DISTRIBUTION: [Self; 3] = [Self::Bucket, Self::Sum, Self::Count];

    /// What the name of the metric ends in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Bucket => "_bucket",
            Self::Sum => "_sum",
            Self::Count => "_count",
        }
    }
}

/// A series of PromQL; of buckets, all of one distribution.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) id: u64,
    pub(super) part: Part,
    /// Without the bound of a bucket.
    pub(super) labels: Labels,
}

/// Whether a matcher holds for a name in either of its forms.
fn fits(matcher: &Matcher, forms: [&str; 2]) -> bool {
    match &matcher.op {
        MatchOp::Equal => forms.contains(&matcher.value.as_str()),
        MatchOp::NotEqual => !forms.contains(&matcher.value.as_str()),
        MatchOp::Re(pattern) => forms.iter().any(|form| pattern.is_match(form)),
        MatchOp::NotRe(pattern) => !forms.iter().any(|form| pattern.is_match(form)),
    }
}

/// Whether the bound of a bucket is wanted.
pub(super) fn bound_fits(matchers: &[Matcher], bound: &str) -> bool {
    matchers.iter().filter(|matcher| matcher.name == BOUND).all(|matcher| matcher.is_match(bound))
}

/// Parts with their names.
type Parts = Vec<(Part, Arc<str>)>;

/// What a selector says of names and of other labels.
struct Wanted<'a> {
    names: Vec<&'a Matcher>,
    labels: Vec<(String, &'a Matcher)>,
}

impl<'a> Wanted<'a> {
    fn of(matchers: &'a [Matcher]) -> Self {
        let (names, labels): (Vec<_>, Vec<_>) = matchers.iter().partition(|matcher| matcher.name == NAME);
        Self {
            names,
            labels: labels.into_iter().map(|matcher| (label_name(&matcher.name), matcher)).collect(),
        }
    }

    /// The parts of a stored series that are wanted by their names.
    fn parts(&self, metric: &str, kind: MetricKind) -> Parts {
        let all: &[Part] =
            if kind == MetricKind::Histogram { &Part::OF_DISTRIBUTION } else { &[Part::Value] };
        let named = all.iter().map(|part| {
            let (stored, plain) = (format!("{metric}{}", part.suffix()), metric_name(metric) + part.suffix());
            (*part, stored, plain)
        });
        let wanted = named.filter(|(_, stored, plain)| {
            self.names.iter().all(|matcher| fits(matcher, [stored.as_str(), plain.as_str()]))
        });
        wanted.map(|(part, _, plain)| (part, Arc::from(plain))).collect()
    }

    fn takes(&self, labels: &Labels, part: Part) -> bool {
        let later = |name: &str| part == Part::Bucket && name == BOUND;
        self.labels.iter().all(|(name, matcher)| later(name) || matcher.is_match(labels.get(name)))
    }
}

/// Texts that many labels share.
#[derive(Default)]
struct Words(HashSet<Arc<str>>);

impl Words {
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let word: Arc<str> = Arc::from(text);
        self.0.insert(word.clone());
        word
    }
}

/// The labels of a series without its name: its attributes and, unless it brought a `job` of its own, its resource.
fn labels(series: &NamedSeries, words: &mut Words) -> Vec<(Arc<str>, Arc<str>)> {
    let known = attributes::from_json(&series.attributes);
    let mut pairs: Vec<(String, String)> =
        known.iter().map(|(key, value)| (label_name(key), value.to_string())).collect();
    pairs.sort_unstable();
    // Attributes whose names become one: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    pairs.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = format!("{};{}", kept.1, next.1);
        }
        same
    });
    let has = |name: &str| pairs.iter().any(|(label, value)| label == name && !value.is_empty());
    if !has("job") {
        let of_resource = [("job", series.resource_name.as_str()), ("resource_id", series.resource.as_str())];
        let more: Vec<_> = of_resource.into_iter().filter(|(name, _)| !has(name)).collect();
        pairs.retain(|(label, _)| more.iter().all(|(name, _)| label != name));
        pairs.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    pairs.iter().map(|(name, value)| (words.word(name), words.word(value))).collect()
}

/// Calls `visit` with each series that fits all matchers and was seen at or after `since` (microseconds).
pub(super) fn visit(
    shared: &Shared,
    tenant: &TenantId,
    matchers: &[Matcher],
    since: i64,
    mut visit: impl FnMut(&NamedSeries, Chosen) -> Result<(), PromqlError>,
) -> Result<(), PromqlError> {
    let wanted = Wanted::of(matchers);
    // By name and whether it is one of distributions: for each name that is decided once.
    let mut parts: HashMap<(Arc<str>, bool), Parts> = HashMap::new();
    let (mut words, name) = (Words::default(), Arc::<str>::from(NAME));
    for from in (0..).step_by(CHUNK) {
        let found = {
            let state = shared.read();
            let Some(known) = state.tenants.get(tenant) else { return Ok(()) };
            if from >= known.dictionary.series_count() {
                return Ok(());
            }
            known.dictionary.named(from..from + CHUNK, since, |metric, kind| {
                let key = (metric.clone(), kind == MetricKind::Histogram);
                !parts.entry(key).or_insert_with(|| wanted.parts(metric, kind)).is_empty()
            })
        };
        for series in found {
            let key = (series.metric.clone(), series.kind == MetricKind::Histogram);
            let base = labels(&series, &mut words);
            for (part, plain) in parts.get(&key).into_iter().flatten() {
                let mut pairs = base.clone();
                pairs.retain(|(label, _)| **label != *NAME);
                pairs.push((name.clone(), plain.clone()));
                let chosen = Chosen { id: series.id, part: *part, labels: Labels::new(pairs) };
                if wanted.takes(&chosen.labels, *part) {
                    visit(&series, chosen)?;
                }
            }
        }
    }
    Ok(())
}

/// The series that fit, `limit` at most. Where two have the same labels, each gets the label `series_id`.
pub(super) fn choose(
    shared: &Shared,
    tenant: &TenantId,
    matchers: &[Matcher],
    since: i64,
    limit: usize,
) -> Result<Vec<Chosen>, PromqlError> {
    let mut all: Vec<Chosen> = Vec::new();
    visit(shared, tenant, matchers, since, |_, chosen| {
        if all.len() == limit {
            return Err(PromqlError::TooLarge { what: "series", limit });
        }
        all.push(chosen);
        Ok(())
    })?;
    let mut times: HashMap<Labels, u32> = HashMap::with_capacity(all.len());
    for chosen in &all {
        *times.entry(chosen.labels.clone()).or_default() += 1;
    }
    for chosen in &mut all {
        if times.get(&chosen.labels).is_some_and(|times| *times > 1) {
            chosen.labels = chosen.labels.with("series_id", &SeriesId(chosen.id).to_string());
        }
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(all)
}
