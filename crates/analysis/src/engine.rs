//! The engine: signals in, assessments out.

mod foresight;
mod rows;
mod suppose;
mod taught;
mod together;
mod verdict;
mod watched;

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::assessment::{Anomaly, Assessment};
use echobase_types::resource::SeenDependency;
use echobase_types::signal::SignalBatch;
use echobase_types::{Dependency, ResourceId, Timestamp};

use crate::channel::{Channel, Limits};
use crate::config::AnalysisConfig;
use crate::links::{self, Links};
use crate::precursor::Precursors;
use crate::risk::{Evidence, RiskLayer, RiskModel};
use crate::vital::Vitals;
use crate::wear::Worn;
use rows::RowKind;
use watched::{Memory, Watched};

pub use suppose::{Supposed, Unsupposable, WhatIf};
pub use taught::{ResourceTally, TenantTally};
pub use watched::Judged;

/// A dependency that was learned is handed out again after this time, so that its last sight stays known.
const REPEAT: Duration = Duration::from_secs(60);

/// What the engine has seen and what it left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Points, histograms and spans that were learned.
    pub taken: u64,
    /// Points at or before the newest of their series, and spans of an interval before the newest that is over: not
    /// learned.
    pub late: u64,
    /// Values that were not finite: never stored.
    pub not_finite: u64,
    /// Points of series and spans of peers beyond the limit per resource: not watched.
    pub overflow: u64,
    /// Anomalies that were dropped because more opened and closed at one resource than are kept from one judgement to the next.
    pub untold: u64,
}

/// How an arrow is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Told by `depend`: for ever.
    Told,
    /// Seen in spans.
    Seen { last: Timestamp, told: Option<Timestamp> },
}

impl Known {
    /// Whether an arrow no longer counts.
    fn is_over(self, now: Timestamp, after: Duration) -> bool {
        matches!(self, Self::Seen { last, .. } if now.since(last) > after)
    }

    /// Whether its last sight was handed out.
    fn was_told(self) -> bool {
        matches!(self, Self::Told | Self::Seen { told: Some(_), .. })
    }
}

/// Streaming analysis of one tenant. Pure: the same calls give the same answers on every machine.
///
/// ```
/// use echobase_analysis::{AnalysisConfig, Engine};
/// use echobase_types::{SignalBatch, Timestamp};
///
/// let mut engine = Engine::new(AnalysisConfig::default());
/// engine.observe(&SignalBatch::default());
/// assert!(engine.assess(Timestamp::from_secs(0)).is_empty());
/// ```
#[derive(Debug)]
pub struct Engine {
    config: AnalysisConfig,
    model: RiskModel,
    layer: RiskLayer,
    limits: Limits,
    vitals: Vitals,
    resources: BTreeMap<ResourceId, Watched>,
    by_name: BTreeMap<String, ResourceId>,
    arrows: BTreeMap<(ResourceId, ResourceId), Known>,
    links: Links,
    scores: BTreeMap<ResourceId, f64>,
    transitions: Vec<(ResourceId, Anomaly)>,
    /// What is known of resources that are not watched at present.
    kept: BTreeMap<ResourceId, Memory>,
    /// Metrics to follow, of resources that are yet to be seen.
    followed: BTreeMap<ResourceId, (String, Timestamp)>,
    counts: Counts,
    /// The time of the last judgement.
    judged: Option<Timestamp>,
}

impl Engine {
    /// An engine without history. Figures of `config` that are out of range are moved into it.
    pub fn new(config: AnalysisConfig) -> Self {
        let config = config.clamped();
        let limits = Limits {
            false_alarms_per_week: config.false_alarms_per_week,
            warmup_points: config.warmup_points,
            drift_threshold: config.drift_threshold,
        };
        Self {
            vitals: Vitals::new(config.extra_vitals.clone()),
            config,
            model: RiskModel::shipped(),
            layer: RiskLayer::NEUTRAL,
            limits,
            resources: BTreeMap::new(),
            by_name: BTreeMap::new(),
            arrows: BTreeMap::new(),
            links: Links::default(),
            scores: BTreeMap::new(),
            transitions: Vec::new(),
            kept: BTreeMap::new(),
            followed: BTreeMap::new(),
            counts: Counts::default(),
            judged: None,
        }
    }

    /// From the next judgement on risks look so far ahead, moved into the range of the configuration.
    pub(crate) fn look_ahead(&mut self, horizon: Duration) {
        self.config.horizon = AnalysisConfig::horizon_within(horizon);
    }

    /// Learns a batch. Rows are taken in the order of their time within the batch; what is late, see
    /// [`Counts::late`]. Rows whose indices are out of range are left out.
    pub fn observe(&mut self, batch: &SignalBatch) {
        for resource in &batch.resources {
            if !self.resources.contains_key(&resource.id) {
                self.by_name.insert(resource.name.clone(), resource.id.clone());
                let memory = self.kept.remove(&resource.id).unwrap_or_default();
                let mut watched = Watched::new(resource, memory);
                if let Some((metric, from)) = self.followed.remove(&resource.id) {
                    watched.follow(&metric, from);
                }
                self.resources.insert(resource.id.clone(), watched);
            }
        }
        self.observe_metrics(batch);
        self.observe_spans(batch);
        for log in &batch.logs {
            if let Some(watched) =
                batch.resources.get(log.resource as usize).and_then(|r| self.resources.get_mut(&r.id))
            {
                watched.saw(log.time);
            }
        }
    }

    fn observe_metrics(&mut self, batch: &SignalBatch) {
        let rows = rows::rows(batch);
        // Where a series of this batch lives in the state of its resource; resolved at its first row.
        let mut places: Vec<Option<u32>> = vec![None; batch.series.len()];
        for of_resource in rows.chunk_by(|a, b| a.resource == b.resource) {
            let Some(first) = of_resource.first() else { continue };
            let id = batch.resources.get(first.resource as usize).map(|r| &r.id);
            let Some(watched) = id.and_then(|id| self.resources.get_mut(id)) else { continue };
            for (at, row) in of_resource.iter().enumerate() {
                if at % rows::TOUCHED == 0 {
                    rows::touch(watched, batch, &of_resource[at..], &mut places);
                }
                let series = row.series(batch);
                let place = match places[series] {
                    Some(place) => place,
                    None => {
                        let place = watched.place(
                            &batch.series[series],
                            &self.vitals,
                            self.config.max_series_per_resource,
                        );
                        places[series] = Some(place);
                        place
                    }
                };
                watched.advance(row.time, &self.limits, &mut self.counts);
                match row.kind {
                    RowKind::Point => {
                        watched.take_point(
                            place,
                            &batch.points[row.index as usize],
                            &self.limits,
                            &mut self.counts,
                        );
                    }
                    RowKind::Histogram => {
                        let histogram = &batch.histograms[row.index as usize];
                        watched.take_histogram(place, histogram, &self.limits, &mut self.counts);
                    }
                }
            }
            watched.flush(&self.limits, &mut self.counts);
        }
    }

    fn observe_spans(&mut self, batch: &SignalBatch) {
        for span in &batch.spans {
            let Some(resource) = batch.resources.get(span.resource as usize) else { continue };
            let mut seen = self.links.observe(span, &resource.id);
            if seen.is_none()
                && span.kind == echobase_types::signal::SpanKind::Client
                && let Some(to) = links::peer(span).and_then(|name| self.by_name.get(name))
                && *to != resource.id
            {
                seen = Some((resource.id.clone(), to.clone()));
            }
            if let Some(pair) = seen {
                let known = self.arrows.entry(pair).or_insert(Known::Seen { last: span.end, told: None });
                // What was told stays told.
                if let Known::Seen { last, .. } = known {
                    *last = span.end.max(*last);
                }
            }
            if let Some(watched) = self.resources.get_mut(&resource.id) {
                let interval = self.config.span_interval;
                watched.take_span(span, interval, self.judged, &self.limits, &mut self.counts);
            }
        }
    }

    /// Tells what depends on what, from configuration or from the store after a start. What is told here stays until
    /// the engine ends; spans add to it.
    pub fn depend(&mut self, dependencies: &[Dependency]) {
        for dependency in dependencies {
            if dependency.from != dependency.to {
                self.arrows.insert((dependency.from.clone(), dependency.to.clone()), Known::Told);
            }
        }
    }

    /// Dependencies seen in spans since the last call; each at most once a minute of signal time.
    pub fn take_dependencies(&mut self) -> Vec<SeenDependency> {
        let mut new = Vec::new();
        for ((from, to), known) in &mut self.arrows {
            if let Known::Seen { last, told } = known
                && told.is_none_or(|t| last.since(t) >= REPEAT)
            {
                *told = Some(*last);
                new.push(SeenDependency {
                    dependency: links::arrow(from.clone(), to.clone()),
                    last_seen: *last,
                });
            }
        }
        new
    }

    /// Judges every resource that has a live series, in the order of their ids. `now` is the time of the judgement:
    /// the wall clock when live, the time of the newest row when replaying. The score of a dependency is that of the
    /// cycle before, so that cycles of dependencies end.
    pub fn assess(&mut self, now: Timestamp) -> Vec<Assessment> {
        self.judged = self.judged.max(Some(now));
        let mut all = Vec::with_capacity(self.resources.len());
        let mut gone = Vec::new();
        let mut worst: BTreeMap<&ResourceId, (&ResourceId, f64)> = BTreeMap::new();
        for ((from, to), known) in &self.arrows {
            if known.is_over(now, self.config.forget_after) {
                continue;
            }
            let Some(&score) = self.scores.get(to) else { continue };
            let entry = worst.entry(from).or_insert((to, score));
            if score < entry.1 {
                *entry = (to, score);
            }
        }
        for (id, watched) in &mut self.resources {
            watched.settle(now, self.config.span_interval, &self.limits, &mut self.counts);
            watched.watch_silence(now);
            let is_alive = watched.forget_silent(now, self.config.forget_after);
            let (found, dropped) = watched.take_transitions(self.config.sensitivity);
            self.counts.untold += dropped;
            watched.remember(found.iter());
            self.transitions.extend(found.into_iter().map(|a| (id.clone(), a)));
            if !is_alive {
                gone.push(id.clone());
                continue;
            }
            let dependency = worst.get(id).map(|(to, score)| (*to, *score));
            let judged =
                verdict::assess(id, watched, now, &self.config, (&self.model, &self.layer), dependency);
            watched.witness(judged.stability.score);
            all.push(judged);
        }
        drop(worst);
        let after = self.config.forget_after;
        self.arrows.retain(|_, known| !(known.is_over(now, after) && known.was_told()));
        self.scores = all.iter().map(|a| (a.resource_id.clone(), a.stability.score)).collect();
        for id in gone {
            self.forget(&id);
        }
        all
    }

    /// Anomalies that opened, closed or became graver since the last call, in the order of their resources. An
    /// anomaly that is handed out again has the same id.
    pub fn take_transitions(&mut self) -> Vec<(ResourceId, Anomaly)> {
        std::mem::take(&mut self.transitions)
    }

    /// The resources that are watched.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &ResourceId> {
        self.resources.keys()
    }

    /// Drops all that was learned of a resource. What people said of it stays.
    pub fn forget(&mut self, resource: &ResourceId) {
        if let Some(gone) = self.resources.remove(resource)
            && gone.memory.is_worth_keeping()
        {
            self.kept.insert(resource.clone(), gone.memory);
        }
        self.scores.remove(resource);
        self.by_name.retain(|_, id| id != resource);
    }

    /// What was seen and what was left out since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Series that are watched, over all resources.
    pub fn series(&self) -> usize {
        self.resources.values().map(Watched::series).sum()
    }

    /// What the judgement of one series costs (detection, alarm and drift test), in bytes; names and trends come on top.
    pub const fn bytes_per_series() -> usize {
        Channel::bytes()
    }

    /// Approximate memory of the state in bytes.
    pub fn memory_bytes(&self) -> usize {
        let arrow = size_of::<((ResourceId, ResourceId), Known)>() + 100;
        self.arrows.len() * arrow + self.resources.values().map(Watched::memory_bytes).sum::<usize>()
    }

    /// Puts what was learned from labels over the shipped risk model, from the next judgement on;
    /// [`RiskLayer::NEUTRAL`] takes it away.
    pub fn lay_over(&mut self, layer: RiskLayer) {
        self.layer = layer;
    }

    /// What the shipped risk model said of a resource when it was last judged, before any layer; `None` while the
    /// history is too short to say anything.
    pub fn evidence(&self, resource: &ResourceId) -> Option<Evidence> {
        self.resources.get(resource)?.evidence
    }

    /// What announces a failure of a resource, as the risk sees it: for training a model.
    pub fn precursors(&self, resource: &ResourceId) -> Option<Precursors> {
        self.resources.get(resource).map(|w| w.precursors(w.last_signal()))
    }

    /// How worn a resource is of which no vital sign is known, as the risk sees it: for training a model.
    pub fn worn(&self, resource: &ResourceId) -> Option<Worn> {
        self.resources.get(resource).and_then(Watched::worn)
    }
}
