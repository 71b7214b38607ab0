//! Service level objectives at work: history is read when one is new or changed, live batches are counted, each cycle
//! judges. What was counted is kept in memory alone; after a start it is read again from the stored signals, so that a
//! crash loses nothing of a budget.

mod draft;
mod history;
mod preview;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use echobase_analysis::sli::Book;
use echobase_store::fresh_uuid;
use echobase_types::ledger::EntryDraft;
use echobase_types::slo::{Slo, SloVerdict};
use echobase_types::{SignalBatch, SloId, TenantId, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::guard::Caller;
use crate::problem::{Answer, whole_words};

pub(crate) use preview::preview;
pub(crate) use shown::{listed, shown};

/// The second reading of history begins so long before the first one did, for rows that were on their way.
const OVERLAP: Duration = Duration::from_secs(600);
/// History that could not be read is tried again after this time.
const RETRY: Duration = Duration::from_secs(30);

/// The latest verdict on an objective, and on which version of it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    version: u32,
    verdict: SloVerdict,
}

/// The latest verdicts of one tenant.
type Verdicts = BTreeMap<SloId, Arc<Judged>>;

/// The latest verdicts on objectives. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Slos {
    latest: Arc<RwLock<HashMap<TenantId, Verdicts>>>,
    changes: Arc<AtomicU64>,
}

impl Slos {
    /// The latest verdict on this version of an objective; `None` while its history is being read.
    fn of(&self, tenant: &TenantId, slo: &Slo) -> Option<Arc<Judged>> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.get(tenant)?.get(&slo.id).filter(|judged| judged.version == slo.version).cloned()
    }

    /// Says that the store has changed.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

fn told(slo: &Slo, caller: &Caller, action: &str) -> EntryDraft {
    EntryDraft::new(caller.actor(), action, "slo", slo.id)
        .fact("name", slo.name.as_str())
        .fact("version", i64::from(slo.version))
        .fact("counts", slo.sli.as_str())
        .fact("target", slo.target.to_string())
        .fact("window_s", i64::try_from(slo.window.as_secs()).unwrap_or(i64::MAX))
}

/// Keeps a new objective.
pub(crate) async fn create(app: &App, caller: &Caller, draft: &echobase_api::slo::SloDraft) -> Answer<Slo> {
    let now = app.now();
    let slo = draft::read(draft, "", SloId::from_uuid(fresh_uuid(now)?), now)?;
    app.store.slos().insert(caller.tenant(), &slo, told(&slo, caller, "slo.create").into()).await?;
    app.slos.changed();
    Ok(slo)
}

/// Replaces an objective by its next version.
pub(crate) async fn replace(
    app: &App,
    caller: &Caller,
    known: &Slo,
    draft: &echobase_api::slo::SloDraft,
) -> Answer<Slo> {
    let new = draft::read(draft, "", known.id, app.now())?;
    let slo = Slo { version: known.version.saturating_add(1), created_at: known.created_at, ..new };
    app.store.slos().replace(caller.tenant(), &slo, told(&slo, caller, "slo.change").into()).await?;
    app.slos.changed();
    Ok(slo)
}

/// Removes an objective.
pub(crate) async fn remove(app: &App, caller: &Caller, known: &Slo) -> Answer<()> {
    let entry = told(known, caller, "slo.remove");
    app.store.slos().remove(caller.tenant(), known.id, known.version, entry.into(), app.now()).await?;
    app.slos.changed();
    Ok(())
}

/// The objectives of one tenant at work.
struct Shelf {
    book: Book,
    /// Versions whose history is being read.
    loading: BTreeMap<SloId, u32>,
    /// All that the store has.
    known: BTreeSet<SloId>,
}

/// What was read of history, for which version of each objective.
pub(crate) struct Loaded {
    tenant: TenantId,
    versions: BTreeMap<SloId, u32>,
    begun: Timestamp,
    book: Result<Book, echobase_telemetry::TelemetryError>,
}

/// All objectives at work. Owned by the task that feeds the analysis.
pub(crate) struct Watch {
    shelves: HashMap<TenantId, Shelf>,
    loads: JoinSet<Loaded>,
    seen: Option<u64>,
    retry_at: Option<Timestamp>,
}

impl Watch {
    /// Before the first cycle.
    pub(crate) fn new() -> Self {
        Self { shelves: HashMap::new(), loads: JoinSet::new(), seen: None, retry_at: None }
    }

    /// Counts a batch.
    pub(crate) fn observe(&mut self, tenant: &TenantId, batch: &SignalBatch) {
        if let Some(shelf) = self.shelves.get_mut(tenant) {
            shelf.book.observe(batch);
        }
    }

    /// Takes up changes of the store, judges everything, and tells.
    pub(crate) async fn cycle(&mut self, app: &App) {
        let now = app.now();
        self.take_up_changes(app, now).await;
        let begun = Instant::now();
        for (tenant, shelf) in &mut self.shelves {
            let loading = &shelf.loading;
            let verdicts = tokio::task::block_in_place(|| {
                let all = shelf.book.verdicts(now).map(|(slo, verdict)| (slo.clone(), verdict));
                all.filter(|(slo, _)| !loading.contains_key(&slo.id)).collect::<Vec<_>>()
            });
            let judged: Vec<(&Slo, &SloVerdict)> = verdicts.iter().map(|(slo, v)| (slo, v)).collect();
            if let Err(error) = app.oncall.observe_slos(tenant, &judged, &shelf.known, now).await {
                warn!(tenant = %tenant, error = %error, "alerts of objectives not judged in this cycle");
            }
            let told = verdicts
                .into_iter()
                .map(|(slo, verdict)| (slo.id, Arc::new(Judged { version: slo.version, verdict })));
            let told = told.collect();
            let mut latest = app.slos.latest.write().unwrap_or_else(PoisonError::into_inner);
            latest.insert(tenant.clone(), told);
        }
        debug!(elapsed_us = begun.elapsed().as_micros() as u64, "objectives judged");
    }

    async fn take_up_changes(&mut self, app: &App, now: Timestamp) {
        let changes = app.slos.changes.load(Ordering::Acquire);
        let is_due = self.retry_at.is_some_and(|at| now >= at);
        if self.seen == Some(changes) && !is_due {
            return;
        }
        match self.take_up(app, now).await {
            Ok(()) => (self.seen, self.retry_at) = (Some(changes), None),
            Err(failure) => warn!(error = failure.0.detail, "objectives not read; tried again next cycle"),
        }
    }

    async fn take_up(&mut self, app: &App, now: Timestamp) -> Answer<()> {
        for tenant in app.store.tenants().ids().await? {
            let slos = app.store.slos().all(&tenant).await?;
            let shelf = self.shelves.entry(tenant.clone()).or_insert_with(|| Shelf {
                book: Book::new(app.config.analysis.extra_vitals.clone()),
                loading: BTreeMap::new(),
                known: BTreeSet::new(),
            });
            shelf.known = slos.iter().map(|slo| slo.id).collect();
            let gone: Vec<SloId> =
                shelf.book.slos().map(|slo| slo.id).filter(|id| !shelf.known.contains(id)).collect();
            gone.into_iter().for_each(|id| shelf.book.remove(id));
            shelf.loading.retain(|id, _| shelf.known.contains(id));
            let at_work: BTreeMap<SloId, u32> = shelf.book.slos().map(|slo| (slo.id, slo.version)).collect();
            let is_new = |slo: &Slo| {
                let version = Some(&slo.version);
                at_work.get(&slo.id) != version && shelf.loading.get(&slo.id) != version
            };
            let new: Vec<Slo> = slos.into_iter().filter(is_new).collect();
            if new.is_empty() {
                continue;
            }
            shelf.loading.extend(new.iter().map(|slo| (slo.id, slo.version)));
            self.loads.spawn(load(app.clone(), tenant, new, now));
        }
        Ok(())
    }

    /// The next history that was read whole; waits for ever if none is being read.
    pub(crate) async fn next_loaded(&mut self) -> Loaded {
        loop {
            match self.loads.join_next().await {
                Some(Ok(loaded)) => return loaded,
                Some(Err(error)) => {
                    warn!(error = %error, "the history of objectives was not read; all that is missing is tried again");
                    self.shelves.values_mut().for_each(|shelf| shelf.loading.clear());
                    self.seen = None;
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Puts to work what was read. What came while it was read is read now, in a second go that is short.
    pub(crate) async fn install(&mut self, app: &App, loaded: Loaded) {
        let Loaded { tenant, versions, begun, book } = loaded;
        let Some(shelf) = self.shelves.get_mut(&tenant) else { return };
        let read = match book {
            Ok(mut book) => {
                let rest = history::feed(app, &tenant, &mut book, begun - OVERLAP).await;
                book.close(app.now());
                rest.map(|_| book)
            }
            Err(error) => Err(error),
        };
        // Only what is wanted still: another version may be on its way, or none at all.
        let wanted = |id: &SloId, version: &u32| shelf.loading.get(id) == Some(version);
        let current: Vec<SloId> =
            versions.iter().filter(|(id, v)| wanted(id, v)).map(|(id, _)| *id).collect();
        match read {
            Ok(mut book) => {
                let outdated: Vec<SloId> =
                    versions.keys().filter(|id| !current.contains(id)).copied().collect();
                outdated.into_iter().for_each(|id| book.remove(id));
                shelf.book.adopt(book);
            }
            Err(error) => {
                warn!(tenant = %tenant, error = whole_words(&error), "the history of objectives was not read; tried again");
                self.retry_at = Some(app.now() + RETRY);
            }
        }
        for id in current {
            shelf.loading.remove(&id);
        }
    }
}

async fn load(app: App, tenant: TenantId, slos: Vec<Slo>, now: Timestamp) -> Loaded {
    let begun = Instant::now();
    let since = now - slos.iter().map(|slo| slo.window).max().unwrap_or_default();
    let versions: BTreeMap<SloId, u32> = slos.iter().map(|slo| (slo.id, slo.version)).collect();
    let mut book = Book::new(app.config.analysis.extra_vitals.clone());
    slos.into_iter().for_each(|slo| book.insert(slo));
    let fed = history::feed(&app, &tenant, &mut book, since).await;
    book.close(now);
    if let Ok(rows) = &fed {
        let elapsed_ms = begun.elapsed().as_millis() as u64;
        info!(tenant = %tenant, objectives = versions.len(), rows, elapsed_ms, "objectives counted from history");
    }
    Loaded { tenant, versions, begun: now, book: fed.map(|_| book) }
}
