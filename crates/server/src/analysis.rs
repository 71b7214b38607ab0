//! The loop's middle: accepted batches go into the engines, each cycle brings verdicts out and hands them on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use echobase_analysis::change_event::ChangeWatch;
use echobase_analysis::steps::Steps;
use echobase_analysis::waiting::Waiting;
use echobase_analysis::{Counts, Engine};
use echobase_api::live::LiveEvent;
use echobase_controller::Sensor;
use echobase_controller::planner::Surroundings;
use echobase_store::Store;
use echobase_telemetry::AssessmentRow;
use echobase_types::assessment::{Anomaly, Assessment};
use echobase_types::{
    AnomalyId, Dependency, ErrorKind, Resource, ResourceId, SignalBatch, TenantId, Timestamp,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::graph;
use crate::problem::{Answer, Failure};
use crate::slo::Watch;

/// Batches that may wait for the engines before senders wait too.
const QUEUE: usize = 1_024;
/// Minutes of the trend that lists show.
const TREND: usize = 60;

/// What the engines are fed.
pub(crate) struct Fed {
    tenant: TenantId,
    what: Food,
}

enum Food {
    Batch(SignalBatch),
    /// Something that somebody wants of the engine, between two batches.
    Ask(Box<dyn FnOnce(&mut Engine) + Send>),
}

/// Anomalies that are kept for a tenant while they cannot be stored.
const UNSTORED: usize = 10_000;
/// How long an answer of the engine is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// The latest verdicts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Analysis {
    feed: mpsc::Sender<Fed>,
    latest: Arc<RwLock<HashMap<TenantId, Verdicts>>>,
    last_cycle_us: Arc<AtomicU64>,
    counted: Arc<RwLock<BTreeMap<TenantId, Counted>>>,
}

/// What the engine of a tenant took in since the start, and what it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// What it took in and what it left out.
    pub counts: Counts,
    /// Series that it watches.
    pub series: usize,
    /// About how much memory they take, in bytes.
    pub bytes: usize,
}

/// The latest verdicts of one tenant.
type Verdicts = BTreeMap<ResourceId, Arc<Latest>>;

/// The latest verdict on a resource, with its trend.
#[derive(Clone, Debug)]
pub(crate) struct Latest {
    /// The verdict.
    pub assessment: Assessment,
    /// Minute (since the epoch) and score at its end, oldest first.
    pub trend: VecDeque<(i64, f64)>,
    stored_at: Timestamp,
    stored: Shown,
}

/// What must move before a verdict is stored and told again.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    score: f64,
    risk: f64,
    open: (usize, usize, usize),
}

impl Shown {
    fn of(a: &Assessment) -> Self {
        let open = (a.anomalies.len(), a.drift.len(), a.exhaustion.len());
        Self { score: a.stability.score, risk: a.risk.probability, open }
    }

    fn differs(&self, other: &Self) -> bool {
        (self.score - other.score).abs() > 0.005
            || (self.risk - other.risk).abs() > 0.01
            || self.open != other.open
    }
}

impl Analysis {
    /// A new one, with the end that `run` reads from.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Fed>) {
        let (feed, fed) = mpsc::channel(QUEUE);
        (Self { feed, latest: Arc::default(), last_cycle_us: Arc::default(), counted: Arc::default() }, fed)
    }

    /// Hands a stored batch to the engines; waits while they are behind.
    pub(crate) async fn observe(&self, tenant: &TenantId, batch: SignalBatch) {
        // A closed channel means shutdown: the batch is stored, and read again at the next start.
        let _ = self.feed.send(Fed { tenant: tenant.clone(), what: Food::Batch(batch) }).await;
    }

    /// Has the engine of a tenant do something between two batches; what it answers. While the engine is being rebuilt
    /// or is far behind, there is no answer in time.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        ask: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        // Nobody may be waiting any more: then the answer is for nobody.
        let ask = move |engine: &mut Engine| drop(answer.send(ask(engine)));
        let fed = Fed { tenant: tenant.clone(), what: Food::Ask(Box::new(ask)) };
        let asked = async {
            self.feed.send(fed).await.ok()?;
            answered.await.ok()
        };
        let busy = "the analysis is busy reading history; try again in a few seconds";
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        answer.ok_or_else(|| Failure::new(ErrorKind::Unavailable, busy))
    }

    /// Has the engine of a tenant learn what is stored already, after all that it was told before, without waiting for
    /// it. While the engine reads history for longer than a request may last, it is left to the next start.
    pub(crate) async fn tell<T>(
        &self,
        tenant: &TenantId,
        tell: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) {
        let tell = move |engine: &mut Engine| drop(tell(engine));
        let fed = Fed { tenant: tenant.clone(), what: Food::Ask(Box::new(tell)) };
        if tokio::time::timeout(PATIENCE, self.feed.send(fed)).await.is_err() {
            warn!(tenant = %tenant, "the analysis is busy: what was said is kept, and taught at the next start");
        }
    }

    /// The latest verdict on a resource.
    pub(crate) fn of(&self, tenant: &TenantId, resource: &ResourceId) -> Option<Arc<Latest>> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.get(tenant)?.get(resource).cloned()
    }

    /// All latest verdicts of a tenant.
    pub(crate) fn all(&self, tenant: &TenantId) -> Vec<Arc<Latest>> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.get(tenant).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    /// What was taken in, by tenant.
    pub(crate) fn counted(&self) -> BTreeMap<TenantId, Counted> {
        self.counted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, tenant: &TenantId, engine: &Engine) {
        let new = Counted { counts: engine.counts(), series: engine.series(), bytes: engine.memory_bytes() };
        self.counted.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), new);
    }

    /// How long the last cycle took.
    pub(crate) fn last_cycle(&self) -> Duration {
        Duration::from_micros(self.last_cycle_us.load(Ordering::Relaxed))
    }

    /// Takes new verdicts in and says which of them moved enough to be told.
    fn update(
        &self,
        tenant: &TenantId,
        fresh: Vec<Assessment>,
        now: Timestamp,
        at_least_every: Duration,
    ) -> Vec<Assessment> {
        let minute = now.as_millis() / 60_000;
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let known = latest.entry(tenant.clone()).or_default();
        let mut moved = Vec::new();
        let mut next = BTreeMap::new();
        for assessment in fresh {
            let shown = Shown::of(&assessment);
            let old = known.remove(&assessment.resource_id);
            let mut trend = old.as_ref().map(|o| o.trend.clone()).unwrap_or_default();
            push_trend(&mut trend, minute, shown.score);
            let due = match &old {
                Some(old) => old.stored.differs(&shown) || now.since(old.stored_at) >= at_least_every,
                None => true,
            };
            let (stored_at, stored) = match &old {
                Some(old) if !due => (old.stored_at, old.stored),
                _ => (now, shown),
            };
            if due {
                moved.push(assessment.clone());
            }
            next.insert(
                assessment.resource_id.clone(),
                Arc::new(Latest { assessment, trend, stored_at, stored }),
            );
        }
        *known = next;
        moved
    }
}

fn push_trend(trend: &mut VecDeque<(i64, f64)>, minute: i64, score: f64) {
    match trend.back_mut() {
        Some(last) if last.0 == minute => last.1 = score,
        _ => trend.push_back((minute, score)),
    }
    while trend.len() > TREND {
        trend.pop_front();
    }
}

/// The controller's eye: the latest verdict, if it is fresh.
pub(crate) struct Eye {
    /// The verdicts.
    pub analysis: Analysis,
    /// A verdict older than this does not count.
    pub fresh_within: Duration,
    /// Where the dependencies are.
    pub store: Store,
    /// A resource ails from this risk on.
    pub ails_from_risk: f64,
}

#[async_trait]
impl Sensor for Eye {
    async fn assessment(
        &self,
        tenant: &TenantId,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Option<Assessment> {
        let latest = self.analysis.of(tenant, resource)?;
        (now.since(latest.assessment.at) <= self.fresh_within).then(|| latest.assessment.clone())
    }

    async fn surroundings(&self, tenant: &TenantId, resource: &ResourceId, now: Timestamp) -> Surroundings {
        match graph::arrows(&self.store, tenant, now).await {
            Ok(arrows) => graph::surroundings(&self.analysis, tenant, &arrows, resource, self.ails_from_risk),
            Err(error) => {
                warn!(tenant = %tenant, error = %error, "playbooks are weighed without dependencies");
                Surroundings::default()
            }
        }
    }
}

/// One tenant's engine and what it has seen since the last cycle.
struct Shard {
    engine: Engine,
    seen: BTreeMap<ResourceId, Resource>,
    changes: ChangeWatch,
    /// Anomalies that are not stored yet.
    unstored: Waiting<(ResourceId, Anomaly), UNSTORED>,
}

/// Runs until shutdown: feeds, and judges every cycle.
pub(crate) async fn run(app: App, mut fed: mpsc::Receiver<Fed>, shutdown: CancellationToken) {
    let mut shards = rebuild(&app).await;
    let mut slos = Watch::new();
    let mut ticks = tokio::time::interval(app.config.cycle.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            next = fed.recv() => {
                let Some(Fed { tenant, what }) = next else { return };
                let shard = shard(&mut shards, &app, &tenant);
                match what {
                    Food::Batch(batch) => {
                        shard.take(&batch, app.now());
                        slos.observe(&tenant, &batch);
                    }
                    Food::Ask(ask) => ask(&mut shard.engine),
                }
            }
            loaded = slos.next_loaded() => slos.install(&app, loaded).await,
            _ = ticks.tick() => cycle(&app, &mut shards, &mut slos).await,
        }
    }
}

impl Shard {
    /// Learns a batch. Changes are heard of before what follows from them.
    fn learn(&mut self, batch: &SignalBatch, now: Timestamp) {
        for change in self.changes.observe(batch, now) {
            self.engine.changed(&change.resource_id, change.at, change.kind);
        }
        self.engine.observe(batch);
    }

    /// Judges a moment of history, as it was judged when it happened: what the engine follows from cycle to cycle is
    /// followed again. Of every anomaly the last that is said of it counts.
    fn relive(&mut self, at: Timestamp, found: &mut BTreeMap<(ResourceId, AnomalyId), Anomaly>) {
        let _ = self.engine.assess(at);
        let said = self.engine.take_transitions();
        found.extend(said.into_iter().map(|(resource, anomaly)| ((resource, anomaly.id), anomaly)));
    }

    fn take(&mut self, batch: &SignalBatch, now: Timestamp) {
        self.learn(batch, now);
        for resource in &batch.resources {
            if !self.seen.contains_key(&resource.id) {
                self.seen.insert(resource.id.clone(), resource.clone());
            }
        }
    }
}

fn shard<'a>(shards: &'a mut HashMap<TenantId, Shard>, app: &App, tenant: &TenantId) -> &'a mut Shard {
    shards.entry(tenant.clone()).or_insert_with(|| {
        let mut engine = Engine::new(app.config.analysis.clone());
        engine.depend(&configured(app));
        Shard { engine, seen: BTreeMap::new(), changes: ChangeWatch::default(), unstored: Waiting::default() }
    })
}

/// The dependencies of the configuration; they were checked when it was read.
pub(crate) fn configured(app: &App) -> Vec<Dependency> {
    let parse = |text: &str| text.parse::<ResourceId>().ok();
    let source = echobase_types::resource::DependencySource::Configuration;
    let all = app.config.dependencies.iter();
    all.filter_map(|d| Some(Dependency { from: parse(&d.from)?, to: parse(&d.to)?, source })).collect()
}

/// Feeds stored history to fresh engines, so that a restart does not forget what is normal.
async fn rebuild(app: &App) -> HashMap<TenantId, Shard> {
    let mut shards = HashMap::new();
    let begun = Instant::now();
    let since = app.now() - app.config.cycle.replay;
    let tenants = match app.store.tenants().ids().await {
        Ok(tenants) => tenants,
        Err(error) => {
            warn!(error = %error, "the analysis starts without history: tenants not read");
            return shards;
        }
    };
    for tenant in &tenants {
        let mut rows = 0;
        let mut steps = Steps::new(app.config.cycle.every);
        let mut found = BTreeMap::new();
        let shard = shard(&mut shards, app, tenant);
        if let Err(error) = crate::feedback::recall(app, tenant, None, &mut shard.engine).await {
            warn!(tenant = %tenant, error = error.0.detail, "the analysis starts without what it was taught");
        }
        match app.store.resources().all(tenant).await {
            Ok(known) => {
                let versions = known.iter().map(|seen| (&seen.resource, seen.last_seen));
                versions.for_each(|(r, seen)| shard.changes.know(&r.id, &r.attributes, seen));
            }
            Err(error) => warn!(tenant = %tenant, error = %error, "versions of the last run are not known"),
        }
        let mut batches = match app.telemetry.replay(tenant, since) {
            Ok(batches) => batches,
            Err(error) => {
                warn!(tenant = %tenant, error = %error, "the analysis starts without history");
                continue;
            }
        };
        loop {
            match batches.next().await {
                Ok(Some(batch)) => {
                    rows += batch.rows();
                    app.intake.budget.remember(tenant, &batch);
                    tokio::task::block_in_place(|| {
                        let mut cut = steps.cut(batch);
                        while let Some((over, rows)) = cut.advance() {
                            if let Some(at) = over {
                                shard.relive(at, &mut found);
                            }
                            shard.learn(rows, app.now());
                        }
                    });
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(tenant = %tenant, error = %error, "the rest of the history was not read");
                    break;
                }
            }
        }
        if let Err(error) = crate::learning::refresh(app, tenant).await {
            warn!(tenant = %tenant, error = error.0.detail, "the shipped risk model is used: the registry was not read");
        }
        app.learning.lay_over(tenant, &mut shard.engine);
        // What was found in history was told when it happened, all but what came to its end while nobody looked.
        shard.relive(app.now(), &mut found);
        let found = found.into_iter().map(|((resource, _), anomaly)| (resource, anomaly));
        match crate::history::told_anomalies(app, tenant, since).await {
            Ok(told) => {
                let news = |t: &(ResourceId, Anomaly)| !told.contains(&crate::history::Told::of(&t.1));
                tell_anomalies(app, tenant, shard, found.filter(news).collect()).await;
            }
            Err(error) => {
                warn!(tenant = %tenant, error = error.0.detail, "anomalies of the time away are not told")
            }
        }
        info!(tenant = %tenant, rows, elapsed_ms = begun.elapsed().as_millis() as u64, "analysis rebuilt from history");
    }
    shards
}

async fn cycle(app: &App, shards: &mut HashMap<TenantId, Shard>, slos: &mut Watch) {
    let begun = Instant::now();
    let now = app.now();
    for (tenant, shard) in shards.iter_mut() {
        app.learning.lay_over(tenant, &mut shard.engine);
        let fresh = tokio::task::block_in_place(|| shard.engine.assess(now));
        app.learning.count(tenant, &shard.engine, &fresh, now);
        app.analysis.count(tenant, &shard.engine);
        let moved = app.analysis.update(tenant, fresh.clone(), now, app.config.cycle.store_at_least_every);
        keep_resources(app, tenant, shard, now).await;
        crate::change::keep_found(app, tenant, &mut shard.changes, now).await;
        let found = shard.engine.take_transitions();
        tell_anomalies(app, tenant, shard, found).await;
        store(app, tenant, &moved).await;
        if !moved.is_empty() {
            app.live.publish(tenant, &LiveEvent::Assessments(moved.iter().map(Into::into).collect()));
        }
        if let Err(error) = app.oncall.observe(tenant, &fresh, now).await {
            warn!(tenant = %tenant, error = %error, "alerts not judged in this cycle");
        }
        if let Err(error) = app.controller.consider(tenant, &fresh, now).await {
            warn!(tenant = %tenant, error = %error, "playbooks not considered in this cycle");
        }
    }
    slos.cycle(app).await;
    let took = begun.elapsed();
    app.analysis.last_cycle_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    debug!(elapsed_ms = took.as_millis() as u64, "cycle done");
}

async fn keep_resources(app: &App, tenant: &TenantId, shard: &mut Shard, now: Timestamp) {
    let seen: Vec<Resource> = std::mem::take(&mut shard.seen).into_values().collect();
    let learned = shard.engine.take_dependencies();
    let mut dependencies: Vec<Dependency> = learned.into_iter().map(|d| d.dependency).collect();
    dependencies.extend(configured(app));
    if seen.is_empty() && dependencies.is_empty() {
        return;
    }
    if let Err(error) = app.store.resources().seen(tenant, &seen, &dependencies, now).await {
        warn!(tenant = %tenant, error = %error, "resources not kept; tried again next cycle");
        shard.seen = seen.into_iter().map(|r| (r.id.clone(), r)).collect();
    }
}

async fn store(app: &App, tenant: &TenantId, moved: &[Assessment]) {
    if moved.is_empty() {
        return;
    }
    let rows = moved.iter().map(row).collect();
    if let Err(error) = app.telemetry.append_assessments(tenant, rows).await {
        warn!(tenant = %tenant, error = %error, "assessments of this cycle not stored");
    }
}

fn row(a: &Assessment) -> AssessmentRow {
    let [resource, error, performance, dependency] = &a.stability.components;
    AssessmentRow {
        resource_id: a.resource_id.clone(),
        at: a.at,
        score: a.stability.score,
        resource_score: resource.score,
        error_score: error.score,
        performance_score: performance.score,
        dependency_score: dependency.score,
        resource_weight: resource.weight,
        error_weight: error.weight,
        performance_weight: performance.weight,
        dependency_weight: dependency.weight,
        risk: a.risk.probability,
        body: serde_json::to_string(&echobase_api::assessment::Assessment::from(a)).unwrap_or_default(),
    }
}

/// Anomalies are events like any other: stored with the signals, readable with SQL. What cannot be stored is tried again
/// with the next ones, or in the next cycle.
async fn tell_anomalies(
    app: &App,
    tenant: &TenantId,
    shard: &mut Shard,
    transitions: Vec<(ResourceId, Anomaly)>,
) {
    for (resource, anomaly) in transitions {
        let mut told = echobase_api::assessment::Anomaly::from(&anomaly);
        told.resource_id = resource.to_string();
        app.live.publish(tenant, &LiveEvent::Anomaly(told));
        shard.unstored.push((resource, anomaly));
    }
    let (unstored, dropped) = shard.unstored.take();
    if dropped > 0 {
        warn!(tenant = %tenant, dropped, "anomalies were not stored for so long that the oldest are given up");
    }
    if unstored.is_empty() {
        return;
    }
    let batch = crate::history::anomaly_events(&unstored, app.now());
    if let Err(error) = app.telemetry.append(tenant, batch).await {
        warn!(tenant = %tenant, error = %error, "anomalies not stored; tried again next cycle");
        shard.unstored.put_back(unstored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trend_keeps_one_value_a_minute_for_an_hour() {
        let mut trend = VecDeque::new();
        for minute in 0..100 {
            push_trend(&mut trend, minute, 0.1);
            push_trend(&mut trend, minute, 0.9);
        }
        assert_eq!(trend.len(), TREND);
        assert_eq!(trend.front(), Some(&(40, 0.9)));
    }
}
