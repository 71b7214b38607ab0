//! One training: read the history, look after the version in use, judge the one that waits, make a new one. Every
//! decision is kept with its ledger entry in one transaction.

use std::time::Duration;

use echobase_analysis::learning::{self, JUDGED, Lesson, Trained};
use echobase_analysis::risk::{RiskLayer, RiskModel};
use echobase_store::Trail;
use echobase_store::incident::IncidentFilter;
use echobase_store::job::Cancel;
use echobase_store::model::Decision;
use echobase_types::incident::Incident;
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::model::{ModelFigures, ModelState, ModelVersion};
use echobase_types::{ErrorKind, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;

use super::history::{self, Read};
use super::{Ended, LOOKED, Order, layer_of, refresh, unusable, written};
use crate::app::App;
use crate::guard::Caller;
use crate::problem::{Answer, Failure};

/// What a training works on.
struct Work<'a> {
    app: &'a App,
    order: &'a Order,
    lessons: Vec<Lesson>,
    horizon: Duration,
    span: (Timestamp, Timestamp),
    champion: Option<ModelVersion>,
    challenger: Option<ModelVersion>,
    told: Vec<String>,
}

/// Trains and decides; says what came of it.
pub(super) async fn work(app: &App, order: &Order, shutdown: &CancellationToken) -> Answer<Ended> {
    let (tenant, now) = (&order.tenant, app.now());
    let span = (now - app.config.learning.history, now);
    let filter = IncidentFilter { reaching: Some(span.0), ..IncidentFilter::default() };
    let labels = app.store.incidents().all(tenant, &filter).await?;
    let lessons = match history::read(app, order, &labels, span, shutdown).await? {
        Read::Whole(lessons) => lessons,
        Read::Cut(Ended::Cancelled) => return cancelled(app, tenant, &labels).await,
        Read::Cut(ended) => return Ok(ended),
    };
    let mut work = Work {
        app,
        order,
        lessons,
        horizon: app.config.analysis.horizon,
        span,
        champion: usable(app, app.store.models().in_state(tenant, ModelState::Champion).await?),
        challenger: usable(app, app.store.models().in_state(tenant, ModelState::Challenger).await?),
        told: Vec::new(),
    };
    work.look_after_champion().await?;
    work.judge_challenger().await?;
    let words = "fitting and judging a new version";
    if app.store.jobs().progress(tenant, order.job, Some(0.95), words, app.now()).await? == Cancel::Asked {
        return cancelled(app, tenant, &labels).await;
    }
    work.make_challenger().await?;
    refresh(app, tenant).await?;
    // Only now: labels of a training that did not come to its end are looked at again.
    remember(app, tenant, &labels).await?;
    Ok(Ended::Done(work.told.join(". ")))
}

fn usable(app: &App, model: Option<ModelVersion>) -> Option<ModelVersion> {
    model.filter(|m| unusable(app, m).is_none())
}

/// Notes up to when labels were looked at: bookkeeping, no decision.
async fn remember(app: &App, tenant: &TenantId, labels: &[Incident]) -> Answer<()> {
    let Some(newest) = labels.iter().map(|l| l.labelled_at).max() else { return Ok(()) };
    let text = newest.as_micros().to_string();
    app.store.settings().set(tenant, LOOKED, &text, Trail::none(), app.now()).await?;
    Ok(())
}

/// Who cancels a training does not want it to begin again by itself for the same labels.
async fn cancelled(app: &App, tenant: &TenantId, labels: &[Incident]) -> Answer<Ended> {
    remember(app, tenant, labels).await?;
    Ok(Ended::Cancelled)
}

impl Work<'_> {
    fn judge(&self, layer: &RiskLayer, since: Timestamp) -> ModelFigures {
        tokio::task::block_in_place(|| {
            learning::judge(&self.lessons, self.horizon, layer, (since.max(self.span.0), self.span.1))
        })
    }

    fn champion_layer(&self) -> RiskLayer {
        layer_of(self.app, self.champion.as_ref())
    }

    /// Rolls the version in use back if its parent does better on the labels that came after it was made.
    async fn look_after_champion(&mut self) -> Answer<()> {
        let Some(champion) = self.champion.clone() else { return Ok(()) };
        let parent = parent_of(self.app, &self.order.tenant, &champion).await?;
        let own = self.judge(&self.champion_layer(), champion.to);
        let parents = self.judge(&layer_of(self.app, parent.as_ref()), champion.to);
        if (own.failures as usize) < JUDGED {
            return Ok(());
        }
        let Some(why) = learning::worse(&own, &parents) else { return Ok(()) };
        let by = Actor::system("learning");
        back(self.app, &self.order.tenant, &champion, parent.as_ref(), &why, by).await?;
        self.told.push(format!("{} was rolled back: {why}", written::name(champion.version)));
        self.champion = parent;
        Ok(())
    }

    /// Judges the version that waits on labels that it has never seen.
    async fn judge_challenger(&mut self) -> Answer<()> {
        let Some(challenger) = self.challenger.clone() else { return Ok(()) };
        let own = self.judge(&layer_of(self.app, Some(&challenger)), challenger.to);
        if (own.failures as usize) < JUDGED || !self.app.config.learning.promote_automatically {
            return Ok(());
        }
        let champions = self.judge(&self.champion_layer(), challenger.to);
        if let Ok(why) = learning::better(&own, &champions) {
            let why = format!("on {} failures that it has never seen: {why}", own.failures);
            let by = Actor::system("learning");
            put_in_use(self.app, &self.order.tenant, &challenger, &why, by).await?;
            self.told.push(format!("{} is in use: {why}", written::name(challenger.version)));
            self.champion = Some(challenger);
            self.challenger = None;
        }
        Ok(())
    }

    /// Makes a version from all labels and judges it on the newer ones.
    async fn make_challenger(&mut self) -> Answer<()> {
        let layer = self.champion_layer();
        let trained =
            tokio::task::block_in_place(|| learning::train(&self.lessons, self.horizon, &layer, self.span));
        let trained = match trained {
            Ok(trained) => trained,
            Err(few) => {
                self.told.push(format!("no new version: {few}"));
                return Ok(());
            }
        };
        let judged = learning::better(&trained.figures, &trained.champion);
        let is_promoted = judged.is_ok() && self.app.config.learning.promote_automatically;
        let (Ok(why) | Err(why)) = &judged;
        let why = format!("on {} held-out failures: {why}", trained.figures.failures);
        let state = if is_promoted { ModelState::Champion } else { ModelState::Challenger };
        let mut before = Vec::new();
        let superseded = |of: &ModelVersion, words: &str| Decision {
            version: of.version,
            from: of.state,
            to: ModelState::Retired,
            words: words.to_owned(),
        };
        // Also one that cannot be used any more leaves its place.
        let tenant = &self.order.tenant;
        let waiting = self.app.store.models().in_state(tenant, ModelState::Challenger).await?;
        before.extend(waiting.iter().map(|c| superseded(c, "a newer version was made")));
        if is_promoted {
            let in_use = self.app.store.models().in_state(tenant, ModelState::Champion).await?;
            before.extend(in_use.iter().map(|c| superseded(c, "a better version was made")));
        }
        let new = self.version(trained, state, &why);
        let retired = before.clone();
        let by = Actor::system("learning");
        let trail = |new: &ModelVersion| {
            let name = written::name(new.version);
            let mut entries: Vec<EntryDraft> = vec![challenged(&by, new)];
            entries.extend(retired.iter().map(|d| entry(&by, "model.retire", d.version, &d.words)));
            if is_promoted {
                entries.push(entry(&by, "model.promote", new.version, &format!("{name}: {why}")));
            }
            entries.into()
        };
        let made = self.app.store.models().register(tenant, &new, &before, trail, self.app.now()).await?;
        let name = written::name(made.version);
        self.told.push(match state {
            ModelState::Champion => format!("{name} was made and is in use, {why}"),
            _ if judged.is_ok() => format!("{name} was made and is better, {why}; promote it by hand"),
            _ => format!("{name} was made and waits in the shadow, {why}"),
        });
        Ok(())
    }

    fn version(&self, trained: Trained, state: ModelState, decision: &str) -> ModelVersion {
        ModelVersion {
            version: 0,
            parent: self.champion.as_ref().map_or(0, |c| c.version),
            state,
            base: RiskModel::shipped().version.to_owned(),
            horizon: self.horizon,
            trained_at: self.span.1,
            from: self.span.0,
            to: self.span.1,
            split_at: trained.split_at,
            labels: trained.labels,
            weights: trained.layer.weights(),
            figures: trained.figures,
            parent_figures: trained.champion,
            profile: trained.profile,
            decided_at: self.span.1,
            decision: decision.to_owned(),
        }
    }
}

/// The parent of a version, if it is one of the registry that can be used.
async fn parent_of(app: &App, tenant: &TenantId, model: &ModelVersion) -> Answer<Option<ModelVersion>> {
    if model.parent == 0 {
        return Ok(None);
    }
    Ok(usable(app, Some(app.store.models().get(tenant, model.parent).await?)))
}

fn entry(by: &Actor, action: &str, version: u32, words: &str) -> EntryDraft {
    EntryDraft::new(by.clone(), action, "risk_model", written::name(version)).fact("reason", words)
}

/// What a new version leaves in the ledger. Decimals are texts.
fn challenged(by: &Actor, new: &ModelVersion) -> EntryDraft {
    EntryDraft::new(by.clone(), "model.challenge", "risk_model", written::name(new.version))
        .fact("parent", written::name(new.parent))
        .fact("base", new.base.as_str())
        .fact("trained_on", i64::from(new.labels.trained_on))
        .fact("judged_on", i64::from(new.labels.judged_on))
        .fact("log_loss", format!("{:.6}", new.figures.log_loss))
        .fact("parent_log_loss", format!("{:.6}", new.parent_figures.log_loss))
        .fact("reason", new.decision.as_str())
}

/// Puts a version in the place of the champion, be that usable or not.
async fn put_in_use(app: &App, tenant: &TenantId, new: &ModelVersion, why: &str, by: Actor) -> Answer<()> {
    let name = written::name(new.version);
    let mut decisions = Vec::new();
    let mut entries = Vec::new();
    if let Some(old) = app.store.models().in_state(tenant, ModelState::Champion).await? {
        let words = format!("{name} took its place");
        entries.push(entry(&by, "model.retire", old.version, &words));
        decisions.push(Decision { version: old.version, from: old.state, to: ModelState::Retired, words });
    }
    entries.push(entry(&by, "model.promote", new.version, why));
    decisions.push(Decision {
        version: new.version,
        from: new.state,
        to: ModelState::Champion,
        words: why.to_owned(),
    });
    app.store.models().decide(tenant, &decisions, entries.into(), app.now()).await?;
    refresh(app, tenant).await
}

/// Puts the parent back in the place of the champion.
async fn back(
    app: &App,
    tenant: &TenantId,
    champion: &ModelVersion,
    parent: Option<&ModelVersion>,
    why: &str,
    by: Actor,
) -> Answer<()> {
    let to = written::name(parent.map_or(0, |p| p.version));
    let told = entry(&by, "model.rollback", champion.version, why).fact("back_to", to);
    let mut decisions = vec![Decision {
        version: champion.version,
        from: ModelState::Champion,
        to: ModelState::Retired,
        words: format!("rolled back: {why}"),
    }];
    decisions.extend(parent.map(|p| Decision {
        version: p.version,
        from: p.state,
        to: ModelState::Champion,
        words: format!("{} was rolled back", written::name(champion.version)),
    }));
    app.store.models().decide(tenant, &decisions, told.into(), app.now()).await?;
    refresh(app, tenant).await
}

/// Puts a version in use by hand.
pub(crate) async fn promote(app: &App, caller: &Caller, version: u32) -> Answer<ModelVersion> {
    let tenant = caller.tenant();
    if version == 0 {
        let words = "the shipped model needs no promotion: roll back what lies over it";
        return Err(Failure::new(ErrorKind::Unprocessable, words));
    }
    let new = app.store.models().get(tenant, version).await?;
    if let Some(why) = unusable(app, &new) {
        let words = format!("{} cannot be used: {why}", written::name(version));
        return Err(Failure::new(ErrorKind::Unprocessable, words));
    }
    if new.state == ModelState::Champion {
        let words = format!("{} is in use already", written::name(version));
        return Err(Failure::new(ErrorKind::Conflict, words));
    }
    put_in_use(app, tenant, &new, "by hand", caller.actor()).await?;
    Ok(app.store.models().get(tenant, version).await?)
}

/// Puts the parent of the version in use back, by hand. Answers what is in use now; `None`: the shipped model.
pub(crate) async fn roll_back(app: &App, caller: &Caller) -> Answer<Option<ModelVersion>> {
    let tenant = caller.tenant();
    let Some(champion) = app.store.models().in_state(tenant, ModelState::Champion).await? else {
        let words = "the shipped model is in use; there is nothing to roll back to";
        return Err(Failure::new(ErrorKind::Conflict, words));
    };
    let parent = parent_of(app, tenant, &champion).await?;
    back(app, tenant, &champion, parent.as_ref(), "by hand", caller.actor()).await?;
    Ok(app.store.models().in_state(tenant, ModelState::Champion).await?)
}
