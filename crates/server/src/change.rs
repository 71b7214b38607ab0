//! Changes, reported and recognised, with their entries.

use echobase_analysis::change_event::{ChangeWatch, is_link};
use echobase_api::change::{ChangeDraft, ChangeQuery};
use echobase_store::change::ChangeFilter;
use echobase_store::{Trail, fresh_uuid};
use echobase_types::change::{ChangeEvent, ChangeKind, ChangeSource};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::{ChangeId, ErrorKind, TenantId, Timestamp};
use tracing::warn;

use crate::app::App;
use crate::guard::Caller;
use crate::problem::{Answer, Failure};

/// Characters of the longest text of a change.
const MAX_TEXT: usize = 256;
/// Characters of the longest link.
const MAX_LINK: usize = 1_024;

fn invalid(words: String) -> Failure {
    Failure::new(ErrorKind::Invalid, words)
}

/// The kind of change of a word.
pub(crate) fn kind_of(word: &str) -> Answer<ChangeKind> {
    ChangeKind::parse(word).ok_or_else(|| {
        invalid(format!("`{word}` is no kind of change; use deploy, configuration, model, prompt"))
    })
}

/// Which changes a caller asks for.
pub(crate) fn filter(query: &ChangeQuery) -> Answer<ChangeFilter> {
    Ok(ChangeFilter {
        resources: query.resource_id.as_deref().map(str::parse).transpose()?.into_iter().collect(),
        kind: query.kind.as_deref().map(kind_of).transpose()?,
        from: query.from.map(|t| t.0),
        to: query.to.map(|t| t.0),
    })
}

/// Keeps a change that somebody reports on a resource that is known.
pub(crate) async fn report(app: &App, caller: &Caller, draft: ChangeDraft) -> Answer<ChangeEvent> {
    let now = app.now();
    let at = draft.at.map_or(now, |t| t.0);
    if at > now {
        return Err(invalid(format!("`at` ({at}) is in the future; report a change when it is done")));
    }
    let what = draft.what.trim().to_owned();
    if what.is_empty() {
        return Err(invalid("say what was changed, in `what`".to_owned()));
    }
    let by = draft.by.unwrap_or_else(|| caller.principal.name.clone());
    let texts = [("what", Some(&what)), ("before", draft.before.as_ref()), ("after", draft.after.as_ref())];
    for (name, text) in texts.into_iter().chain([("by", Some(&by))]) {
        if text.is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Err(invalid(format!("`{name}` must be at most {MAX_TEXT} characters")));
        }
    }
    if draft.link.as_ref().is_some_and(|link| !is_link(link) || link.chars().count() > MAX_LINK) {
        return Err(invalid(format!(
            "`link` must be an http or https address of at most {MAX_LINK} characters"
        )));
    }
    let change = ChangeEvent {
        id: ChangeId::from_uuid(fresh_uuid(now)?),
        resource_id: draft.resource_id.parse()?,
        kind: kind_of(&draft.kind)?,
        what,
        before: draft.before,
        after: draft.after,
        by,
        at,
        link: draft.link,
        source: ChangeSource::Reported,
        noted_at: now,
    };
    app.store.resources().get(caller.tenant(), &change.resource_id).await?;
    let actor = caller.actor();
    let told = |change: &ChangeEvent| entry(change, "change.report", actor.clone());
    app.store.changes().note(caller.tenant(), std::slice::from_ref(&change), told, now).await?;
    let resource = change.resource_id.clone();
    let (at, kind) = (change.at, change.kind);
    app.analysis.tell(caller.tenant(), move |engine| engine.changed(&resource, at, kind)).await;
    Ok(change)
}

/// Keeps what signals told of since the last cycle, and what could not be kept then.
pub(crate) async fn keep_found(app: &App, tenant: &TenantId, watch: &mut ChangeWatch, now: Timestamp) {
    let (found, dropped) = watch.take();
    if dropped > 0 {
        warn!(tenant = %tenant, dropped, "more changes at once than are kept: the oldest are given up");
    }
    let told = |change: &ChangeEvent| entry(change, "change.recognise", Actor::system("analysis"));
    if let Err(error) = app.store.changes().note(tenant, &found, told, now).await {
        warn!(tenant = %tenant, error = %error, changes = found.len(), "changes not kept; tried again next cycle");
        watch.put_back(found);
    }
}

/// Names of people, links and values of settings stay out of the ledger.
fn entry(change: &ChangeEvent, action: &str, actor: Actor) -> Trail {
    let told = EntryDraft::new(actor, action, "change", change.id)
        .fact("target", change.resource_id.as_str())
        .fact("kind", change.kind.as_str())
        .fact("at", change.at.to_string());
    if change.kind == ChangeKind::Configuration {
        return told.into();
    }
    told.fact("before", change.before.clone().unwrap_or_default())
        .fact("after", change.after.clone().unwrap_or_default())
        .into()
}
