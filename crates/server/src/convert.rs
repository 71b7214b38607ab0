//! Between the wire and the domain.

use std::collections::BTreeMap;

use echobase_api::alert::AlertQuery;
use echobase_api::freeze::Freeze;
use echobase_api::intervention::{InterventionDraft, InterventionQuery};
use echobase_api::ledger::{Entry, EntryQuery};
use echobase_api::principal::{ApiKey, Principal, Tenant};
use echobase_api::problem::Fault;
use echobase_api::resource::{Dependency, Resource};
use echobase_api::{Page, Time};
use echobase_controller::Proposal;
use echobase_controller::playbook;
use echobase_oncall::burn;
use echobase_store::alert::{AlertFilter, StateFilter};
use echobase_store::freeze::FreezeScope;
use echobase_store::intervention::InterventionFilter;
use echobase_store::ledger::{EntryFilter, StoredEntry};
use echobase_store::principal::{Account, Standing};
use echobase_store::resource::SeenResource;
use echobase_types::intervention::{InterventionState, InterventionType, RiskClass};
use echobase_types::resource::{DependencySource, SeenDependency};
use echobase_types::{Attributes, ErrorKind, SloId, TenantId};

use crate::app::App;
use crate::guard::Caller;
use crate::problem::{Answer, Failure};

/// A page of the store as a page of the wire.
pub(crate) fn page<T, U>(page: echobase_store::Page<T>, convert: impl Fn(&T) -> U) -> Page<U> {
    Page {
        items: page.items.iter().map(convert).collect(),
        next_cursor: page.next.map(|c| c.as_str().to_owned()),
    }
}

fn texts(attributes: &Attributes) -> BTreeMap<String, String> {
    attributes.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect()
}

fn unknown(what: &str, word: &str, known: &[&str]) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{word}` is no {what}; use {}", known.join(", ")))
}

/// A resource with its latest verdict.
pub(crate) fn resource(app: &App, tenant: &TenantId, seen: &SeenResource) -> Resource {
    let latest = app.analysis.of(tenant, &seen.resource.id);
    Resource {
        id: seen.resource.id.to_string(),
        kind: seen.resource.kind.as_str().to_owned(),
        name: seen.resource.name.clone(),
        attributes: texts(&seen.resource.attributes),
        first_seen: seen.first_seen.into(),
        last_seen: seen.last_seen.into(),
        failure_path: None,
        assessment: latest.as_ref().map(|l| (&l.assessment).into()),
        trend: latest.map(|l| l.trend.iter().map(|(_, score)| *score).collect()).unwrap_or_default(),
    }
}

/// A dependency.
pub(crate) fn dependency(seen: &SeenDependency) -> Dependency {
    Dependency {
        from: seen.dependency.from.to_string(),
        to: seen.dependency.to.to_string(),
        source: match seen.dependency.source {
            DependencySource::Spans => "spans",
            DependencySource::Configuration => "configuration",
        }
        .to_owned(),
        last_seen: seen.last_seen.into(),
    }
}

/// Which interventions.
pub(crate) fn intervention_filter(query: &InterventionQuery) -> Answer<InterventionFilter> {
    let states = match query.state.as_deref() {
        None => Vec::new(),
        Some("open") => open_states(),
        Some(word) => {
            let known: Vec<&str> = InterventionState::ALL.iter().map(|s| s.as_str()).collect();
            vec![
                InterventionState::parse(word)
                    .ok_or_else(|| unknown("state of an intervention", word, &known))?,
            ]
        }
    };
    Ok(InterventionFilter {
        states,
        target: query.target.as_deref().map(str::parse).transpose()?,
        playbook: query.playbook_id.as_deref().map(str::parse).transpose()?,
        since: None,
    })
}

/// The states in which something may still happen.
pub(crate) fn open_states() -> Vec<InterventionState> {
    InterventionState::ALL.into_iter().filter(|s| !s.is_final()).collect()
}

/// Which alerts.
pub(crate) fn alert_filter(query: &AlertQuery) -> Answer<AlertFilter> {
    let state = match query.state.as_deref() {
        None => None,
        Some("open") => Some(StateFilter::Open),
        Some("firing") => Some(StateFilter::Firing),
        Some("acknowledged") => Some(StateFilter::Acknowledged),
        Some("resolved") => Some(StateFilter::Resolved),
        Some(word) => {
            let known = ["open", "firing", "acknowledged", "resolved"];
            return Err(unknown("state of an alert", word, &known));
        }
    };
    let resource = query.resource_id.as_deref().map(str::parse).transpose()?;
    let slo: Option<SloId> = query.slo_id.as_deref().map(str::parse).transpose()?;
    let keys = |slo| burn::URGENCIES.map(|urgency| burn::dedup_key(urgency, slo)).to_vec();
    let dedup_keys = slo.map(keys).unwrap_or_default();
    Ok(AlertFilter { state, resource, dedup_keys, ..AlertFilter::default() })
}

/// Which ledger entries.
pub(crate) fn entry_filter(query: &EntryQuery) -> EntryFilter {
    EntryFilter {
        action_prefix: query.action.clone(),
        resource_id: query.resource_id.clone(),
        actor_id: query.actor_id.clone(),
        from: query.from.map(|t| t.0),
        to: query.to.map(|t| t.0),
    }
}

/// An entry, decoded. Bytes that do not decode are shown as they are: the reader must see damage, not a gap.
pub(crate) fn entry(stored: &StoredEntry) -> Entry {
    let value: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
    let text = |path: &str| value.pointer(path).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    Entry {
        seq: stored.seq,
        ts: Time(stored.ts),
        actor_type: text("/actor/type"),
        actor_id: text("/actor/id"),
        action: text("/action"),
        resource_type: text("/resource/type"),
        resource_id: text("/resource/id"),
        outcome: text("/outcome"),
        data: value.get("data").cloned().unwrap_or_default(),
        prev: text("/prev"),
        leaf: stored.leaf.to_string(),
    }
}

/// A principal.
pub(crate) fn principal(account: &Account) -> Principal {
    Principal {
        id: account.id.to_string(),
        kind: account.kind.as_str().to_owned(),
        name: account.name.clone(),
        role: account.role.as_str().to_owned(),
        suspended: account.standing == Standing::Suspended,
        created_at: account.created_at.into(),
        last_seen_at: account.last_seen_at.map(Into::into),
    }
}

/// An API key without its secret.
pub(crate) fn key(key: &echobase_store::key::ApiKey) -> ApiKey {
    ApiKey {
        id: key.id.to_string(),
        name: key.name.clone(),
        principal_id: key.principal.to_string(),
        prefix: key.prefix.clone(),
        scopes: key.scopes.iter().map(|s| s.as_str().to_owned()).collect(),
        created_at: key.created_at.into(),
        expires_at: key.expires_at.into(),
        last_used_at: key.last_used_at.map(Into::into),
        revoked_at: key.revoked_at.map(Into::into),
    }
}

/// A tenant.
pub(crate) fn tenant(tenant: &echobase_store::tenant::Tenant) -> Tenant {
    Tenant { id: tenant.id.to_string(), name: tenant.name.clone(), created_at: tenant.created_at.into() }
}

/// A job.
pub(crate) fn job(job: &echobase_store::job::Job) -> echobase_api::job::Job {
    echobase_api::job::Job {
        id: job.id.to_string(),
        kind: job.kind.clone(),
        title: job.title.clone(),
        state: job.state.as_str().to_owned(),
        progress: job.progress,
        message: job.message.clone(),
        started_at: job.started_at.into(),
        ended_at: job.ended_at.map(Into::into),
    }
}

/// The freezes in force.
pub(crate) async fn freezes(app: &App, tenant: &TenantId) -> Answer<Vec<Freeze>> {
    let all = app.controller.freezes(tenant).await?;
    Ok(all
        .iter()
        .map(|f| Freeze {
            scope: f.scope.to_string(),
            reason: f.reason.clone(),
            by: f.by.clone(),
            since: f.since.into(),
            release_requested_by: f.release_requested_by.map(|p| p.to_string()),
        })
        .collect())
}

/// A scope from its text.
pub(crate) fn freeze_scope(text: &str) -> Answer<FreezeScope> {
    text.parse()
        .map_err(|e: echobase_store::freeze::InvalidScope| Failure::new(ErrorKind::Invalid, e.to_string()))
}

/// A fault of a playbook.
pub(crate) fn fault(fault: &playbook::Fault) -> Fault {
    let detail = if fault.key.is_empty() {
        fault.message.clone()
    } else {
        format!("`{}`: {}", fault.key, fault.message)
    };
    Fault { pointer: None, line: Some(fault.line), column: Some(fault.column), detail }
}

/// A manual proposal.
pub(crate) fn proposal(draft: InterventionDraft, caller: &Caller) -> Answer<Proposal> {
    let kind = match draft.kind.as_deref() {
        None => InterventionType::Reactive,
        Some(word) => {
            let known: Vec<&str> = InterventionType::ALL.iter().map(|t| t.as_str()).collect();
            InterventionType::parse(word).ok_or_else(|| unknown("type of intervention", word, &known))?
        }
    };
    let risk = match draft.risk.as_deref() {
        None => RiskClass::Medium,
        Some(word) => {
            RiskClass::parse(word).ok_or_else(|| unknown("risk class", word, &["low", "medium", "high"]))?
        }
    };
    if draft.reason.trim().is_empty() {
        return Err(Failure::new(ErrorKind::Invalid, "say why, in `reason`"));
    }
    let _ = caller;
    let success =
        if draft.success.is_empty() { vec!["stability.score >= 0.7".to_owned()] } else { draft.success };
    Ok(Proposal {
        target: draft.target.parse()?,
        kind,
        risk,
        actuator: draft.actuator,
        steps: draft.steps.into_iter().map(Into::into).collect(),
        success,
        verify_within: std::time::Duration::from_secs(draft.verify_within_s.unwrap_or(120)),
        reason: draft.reason,
    })
}
