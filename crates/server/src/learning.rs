//! What people's labels teach the risk model: which version is in use, and the work that trains, judges and replaces
//! versions. The registry is [`echobase_store::model`], the judgement [`echobase_analysis::learning`].

mod decide;
mod history;
pub(crate) mod written;

pub(crate) use decide::{promote, roll_back};

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use echobase_analysis::Engine;
use echobase_analysis::learning::Tally;
use echobase_analysis::risk::{RiskLayer, RiskModel};
use echobase_store::fresh_uuid;
use echobase_store::incident::IncidentFilter;
use echobase_store::job::{Job, JobState};
use echobase_types::assessment::Assessment;
use echobase_types::incident::Incident;
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::model::{ModelState, ModelVersion};
use echobase_types::{ErrorKind, JobId, TenantId, Timestamp};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::App;
use crate::problem::{Answer, Failure};

/// The kind of the jobs that train.
pub(crate) const KIND: &str = "train_risk_model";
/// The setting that remembers up to when labels were looked at.
const LOOKED: &str = "learning.labels_until";
/// Training that may wait for its turn.
const QUEUE: usize = 64;

/// Training that somebody asked for.
pub(crate) struct Order {
    tenant: TenantId,
    job: JobId,
    by: Actor,
}

/// The model in use, and who waits to be trained. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Learning {
    orders: mpsc::Sender<Order>,
    busy: Arc<Mutex<HashSet<TenantId>>>,
    in_use: Arc<RwLock<HashMap<TenantId, InUse>>>,
}

/// The version in use of one tenant.
struct InUse {
    version: u32,
    layer: RiskLayer,
    tally: Tally,
    passed: Option<Timestamp>,
}

/// How what the model in use sees differs from what it was trained on.
pub(crate) struct Drifted {
    /// For how long it was counted.
    pub counted: Duration,
    /// The population stability index of each figure.
    pub figures: Vec<(String, f64)>,
}

impl Learning {
    /// A new one, with the end that `run` reads from.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(QUEUE);
        (Self { orders, busy: Arc::default(), in_use: Arc::default() }, ordered)
    }

    /// Puts the version in use over the shipped model of an engine.
    pub(crate) fn lay_over(&self, tenant: &TenantId, engine: &mut Engine) {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        engine.lay_over(in_use.get(tenant).map_or(RiskLayer::NEUTRAL, |u| u.layer));
    }

    /// Counts what the version in use sees, to hold it against what it was trained on.
    pub(crate) fn count(&self, tenant: &TenantId, engine: &Engine, judged: &[Assessment], now: Timestamp) {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        let Some(used) = in_use.get_mut(tenant) else { return };
        used.tally.pass(used.passed.map_or(Duration::ZERO, |before| now.since(before)));
        used.passed = Some(now);
        for one in judged {
            if let Some(evidence) = engine.evidence(&one.resource_id) {
                used.tally.observe(&evidence, one.risk.probability);
            }
        }
    }

    /// The version in use; `None`: the shipped model.
    pub(crate) fn version(&self, tenant: &TenantId) -> Option<u32> {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        in_use.get(tenant).map(|u| u.version)
    }

    /// How what the version in use sees differs from what it was trained on.
    pub(crate) fn drifted(&self, tenant: &TenantId) -> Option<Drifted> {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        let used = in_use.get(tenant)?;
        let figures = used.tally.stability().into_iter().map(|(name, psi)| (name.to_owned(), psi)).collect();
        Some(Drifted { counted: used.tally.counted(), figures })
    }
}

/// Why a version cannot be used with this program and configuration; `None` if it can.
pub(crate) fn unusable(app: &App, model: &ModelVersion) -> Option<String> {
    let shipped = RiskModel::shipped().version;
    if model.base != shipped {
        return Some(format!(
            "it lies over the shipped model `{}`, and this is `{shipped}`: train again",
            model.base
        ));
    }
    if model.horizon != app.config.analysis.horizon {
        let made = echobase_types::duration::format(model.horizon);
        return Some(format!(
            "it was made for a horizon of {made}, and `analysis.horizon` is another: train again"
        ));
    }
    RiskLayer::from_weights(&model.weights).is_none().then(|| "its weights do not read".to_owned())
}

/// The layer of a version; what cannot be used changes nothing.
fn layer_of(app: &App, model: Option<&ModelVersion>) -> RiskLayer {
    let usable = model.filter(|m| unusable(app, m).is_none());
    usable.and_then(|m| RiskLayer::from_weights(&m.weights)).unwrap_or(RiskLayer::NEUTRAL)
}

/// Reads which version is in use.
pub(crate) async fn refresh(app: &App, tenant: &TenantId) -> Answer<()> {
    let champion = app.store.models().in_state(tenant, ModelState::Champion).await?;
    let why_not = champion.as_ref().and_then(|m| unusable(app, m));
    if let (Some(model), Some(why)) = (&champion, &why_not) {
        warn!(tenant = %tenant, version = model.version, why, "the risk model in the registry is not used");
    }
    let layer = layer_of(app, champion.as_ref());
    let mut in_use = app.learning.in_use.write().unwrap_or_else(PoisonError::into_inner);
    match champion.filter(|_| why_not.is_none()) {
        None => {
            in_use.remove(tenant);
        }
        Some(model) if in_use.get(tenant).is_some_and(|u| u.version == model.version) => {}
        Some(model) => {
            info!(tenant = %tenant, version = model.version, "risk model in use");
            let tally = Tally::new(model.profile);
            in_use.insert(tenant.clone(), InUse { version: model.version, layer, tally, passed: None });
        }
    }
    Ok(())
}

/// Begins a job that trains; a conflict while one of the tenant runs or waits.
pub(crate) async fn order(app: &App, tenant: &TenantId, by: Actor) -> Answer<Job> {
    let full = || Failure::new(ErrorKind::Unavailable, "too much training waits; try again in a few minutes");
    let place = app.learning.orders.try_reserve().map_err(|_| full())?;
    if !lock(&app.learning.busy).insert(tenant.clone()) {
        let words = "the risk model is being trained already; see `GET /api/v1/jobs`";
        return Err(Failure::new(ErrorKind::Conflict, words));
    }
    let begun = begin(app, tenant, &by).await;
    match &begun {
        Ok(job) => place.send(Order { tenant: tenant.clone(), job: job.id, by }),
        Err(_) => {
            lock(&app.learning.busy).remove(tenant);
        }
    }
    begun
}

async fn begin(app: &App, tenant: &TenantId, by: &Actor) -> Answer<Job> {
    let now = app.now();
    let id = JobId::from_uuid(fresh_uuid(now)?);
    let told = EntryDraft::new(by.clone(), "model.train", "job", id);
    Ok(app.store.jobs().create(tenant, id, KIND, "the risk model, from labels", told.into(), now).await?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until shutdown: trains what is ordered, one after another, and orders by itself when enough new labels came.
pub(crate) async fn run(app: App, mut ordered: mpsc::Receiver<Order>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(app.config.learning.check_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            next = ordered.recv() => {
                let Some(order) = next else { return };
                work(&app, &order, &shutdown).await;
                lock(&app.learning.busy).remove(&order.tenant);
            }
            _ = ticks.tick() => {
                if let Err(error) = look(&app).await {
                    warn!(error = error.0.detail, "new labels not looked at; tried again later");
                }
            }
        }
    }
}

/// Orders training where enough new labels came since the last one.
async fn look(app: &App) -> Answer<()> {
    let wanted = app.config.learning.new_labels as usize;
    if wanted == 0 {
        return Ok(());
    }
    for tenant in app.store.tenants().ids().await? {
        if let Err(error) = look_at(app, &tenant, wanted).await {
            warn!(tenant = %tenant, error = error.0.detail, "new labels not looked at; tried again later");
        }
    }
    Ok(())
}

async fn look_at(app: &App, tenant: &TenantId, wanted: usize) -> Answer<()> {
    let looked = app.store.settings().get(tenant, LOOKED).await?;
    let looked = looked.and_then(|t| t.parse().ok()).map_or(Timestamp::EPOCH, Timestamp::from_micros);
    let reaching = Some(app.now() - app.config.learning.history);
    let filter = IncidentFilter { reaching, ..IncidentFilter::default() };
    let labels = app.store.incidents().all(tenant, &filter).await?;
    let is_free = !lock(&app.learning.busy).contains(tenant);
    let is_new = |l: &&Incident| l.metric.is_none() && l.labelled_at > looked;
    if is_free && labels.iter().filter(is_new).count() >= wanted {
        order(app, tenant, Actor::system("learning")).await?;
    }
    Ok(())
}

/// How a training ended.
enum Ended {
    /// With this result, in words.
    Done(String),
    /// Somebody cancelled it.
    Cancelled,
    /// The server is being stopped; the next one says so.
    Stopping,
}

async fn work(app: &App, order: &Order, shutdown: &CancellationToken) {
    let (state, words) = match decide::work(app, order, shutdown).await {
        Ok(Ended::Done(words)) => (JobState::Done, words),
        Ok(Ended::Cancelled) => (JobState::Cancelled, "cancelled; nothing was changed".to_owned()),
        Ok(Ended::Stopping) => return,
        Err(error) => (JobState::Failed, error.0.detail),
    };
    let told =
        EntryDraft::new(order.by.clone(), "model.trained", "job", order.job).fact("state", state.as_str());
    let ended =
        app.store.jobs().end(&order.tenant, order.job, state, &words, None, told.into(), app.now()).await;
    info!(tenant = %order.tenant, job = %order.job, state = state.as_str(), words, "training ended");
    if let Err(error) = ended {
        warn!(tenant = %order.tenant, job = %order.job, error = %error, "the end of a training not kept");
    }
}
