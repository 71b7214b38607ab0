//! What people teach the analysis: read back after a start, handed on when it is given, and shown beside the budget.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use echobase_analysis::Engine;
use echobase_analysis::feedback::{MEMORY, SeriesTally, Tally};
use echobase_api::feedback::{
    AlertTally, Feedback, Reference, ReferenceRequest, ResourceFeedback, ResourceTally, SeriesFeedback,
};
use echobase_store::change::ChangeFilter;
use echobase_store::fresh_uuid;
use echobase_store::incident::IncidentFilter;
use echobase_types::assessment::Anomaly;
use echobase_types::incident::{Incident, NewReference};
use echobase_types::ledger::EntryDraft;
use echobase_types::{ErrorKind, ReferenceId, ResourceId, TenantId};
use tracing::warn;

use crate::app::App;
use crate::guard::Caller;
use crate::history;
use crate::incident::MAX_NOTE;
use crate::problem::{Answer, Failure};

/// Series that one answer lists.
const LISTED: usize = 200;
/// References that one answer lists.
const REFERENCES: usize = 20;
/// Alerts of the past that are read back.
const ALERTS: usize = 50_000;

/// Teaches a fresh engine what the engine before knew: labels, new references, changes, alerts of the past, and since
/// when resources are watched; of one resource or of all.
pub(crate) async fn recall(
    app: &App,
    tenant: &TenantId,
    only: Option<&ResourceId>,
    engine: &mut Engine,
) -> Answer<()> {
    let filter = IncidentFilter { resource: only.cloned(), ..IncidentFilter::default() };
    let mut labels: BTreeMap<ResourceId, Vec<Incident>> = BTreeMap::new();
    for incident in app.store.incidents().all(tenant, &filter).await? {
        labels.entry(incident.resource_id.clone()).or_default().push(incident);
    }
    for (resource, labels) in &labels {
        engine.teach(resource, labels);
    }
    let since = app.now() - MEMORY;
    for new in app.store.references().since(tenant, only, since).await? {
        engine.rereference(&new.resource_id, new.metric.as_deref(), new.taken_at);
    }
    let made = ChangeFilter { resources: only.cloned().into_iter().collect(), ..ChangeFilter::default() };
    for change in app.store.changes().newest(tenant, &made).await? {
        engine.changed(&change.resource_id, change.at, change.kind);
    }
    match only {
        Some(id) => {
            let seen = app.store.resources().get(tenant, id).await?;
            engine.watched_since(id, seen.first_seen);
        }
        None => {
            for seen in app.store.resources().all(tenant).await? {
                engine.watched_since(&seen.resource.id, seen.first_seen);
            }
        }
    }
    // Newest first, and what is told once stays: the end of an alert comes before its begin.
    let mut alerts = 0;
    history::each_anomaly(app, tenant, only, since, |told| {
        if let (Ok(resource), Ok(alert)) = (told.resource_id.parse(), Anomaly::try_from(&told)) {
            engine.remember(&resource, &alert);
        }
        alerts += 1;
        if alerts < ALERTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await
}

/// Hands the labels of a resource to the engine that watches it. They are kept already, and read again at the next start:
/// what goes wrong here is told in the log and fails nobody's request.
pub(crate) async fn teach(app: &App, tenant: &TenantId, resource: &ResourceId) {
    let filter = IncidentFilter { resource: Some(resource.clone()), ..IncidentFilter::default() };
    match app.store.incidents().all(tenant, &filter).await {
        Ok(labels) => {
            let resource = resource.clone();
            app.analysis.tell(tenant, move |engine| engine.teach(&resource, &labels)).await;
        }
        Err(error) => {
            warn!(tenant = %tenant, resource = %resource, error = %error, "labels not taught before the next start")
        }
    }
}

/// Takes the present level of a metric, or of all, as its reference.
pub(crate) async fn rereference(
    app: &App,
    caller: &Caller,
    resource: ResourceId,
    request: ReferenceRequest,
) -> Answer<NewReference> {
    if request.note.chars().count() > MAX_NOTE {
        let words = format!("`note` must be at most {MAX_NOTE} characters");
        return Err(Failure::new(ErrorKind::Invalid, words));
    }
    if let Some(metric) = request.metric.clone() {
        let (of, named) = (resource.clone(), metric.clone());
        let known = app.analysis.ask(caller.tenant(), move |engine| engine.has_metric(&of, &named)).await?;
        if !known {
            let words = format!("{resource} has no metric `{metric}` that is watched now");
            return Err(Failure::new(ErrorKind::Unprocessable, words));
        }
    }
    let now = app.now();
    let new = NewReference {
        id: ReferenceId::from_uuid(fresh_uuid(now)?),
        resource_id: resource,
        metric: request.metric,
        note: request.note,
        taken_by: caller.principal.id,
        taken_at: now,
    };
    let told = EntryDraft::new(caller.actor(), "resource.rereference", "resource", new.resource_id.clone())
        .fact("metric", new.metric.clone().unwrap_or_else(|| "all".to_owned()))
        .fact("taken_at", now.to_string());
    app.store.references().insert(caller.tenant(), &new, told.into()).await?;
    let (resource, metric) = (new.resource_id.clone(), new.metric.clone());
    app.analysis
        .tell(caller.tenant(), move |engine| engine.rereference(&resource, metric.as_deref(), now))
        .await;
    Ok(new)
}

/// The budget of a resource and what became of it.
pub(crate) async fn of_resource(
    app: &App,
    tenant: &TenantId,
    resource: ResourceId,
) -> Answer<ResourceFeedback> {
    let now = app.now();
    let references = app.store.references().since(tenant, Some(&resource), now - MEMORY).await?;
    let references: Vec<Reference> = references.iter().rev().take(REFERENCES).map(Into::into).collect();
    let tally = app.analysis.ask(tenant, move |engine| engine.tally(&resource, now)).await?;
    let Some(tally) = tally else {
        return Ok(ResourceFeedback {
            budget_per_series_week: app.config.analysis.false_alarms_per_week,
            watched_since: None,
            week: AlertTally::default(),
            month: AlertTally::default(),
            series_judged: 0,
            series: Vec::new(),
            references,
        });
    };
    let (mut week, mut month) = (Tally::default(), Tally::default());
    for series in &tally.series {
        week.add(series.week);
        month.add(series.month);
    }
    let judged = tally.series.len() as f64;
    let is_of_interest =
        |s: &&SeriesTally| s.month.alerts > 0 || (s.factor - 1.0).abs() > 1e-6 || s.expected_now.is_some();
    Ok(ResourceFeedback {
        budget_per_series_week: tally.budget,
        watched_since: tally.since.map(Into::into),
        week: written(week, tally.weeks.0 * judged),
        month: written(month, tally.weeks.1 * judged),
        series_judged: tally.series.len() as u64,
        series: tally
            .series
            .iter()
            .filter(is_of_interest)
            .take(LISTED)
            .map(|s| SeriesFeedback {
                metric: s.metric.clone(),
                series: s.series.map(|id| id.to_string()),
                bar: s.bar,
                bar_of_budget: s.bar_of_budget,
                factor: s.factor,
                week: written(s.week, tally.weeks.0),
                month: written(s.month, tally.weeks.1),
                expected_now: s.expected_now.clone(),
            })
            .collect(),
        references,
    })
}

/// The budget of all resources and what became of it.
pub(crate) async fn of_tenant(app: &App, tenant: &TenantId) -> Answer<Feedback> {
    let now = app.now();
    let tally = app.analysis.ask(tenant, move |engine| engine.tally_all(now)).await?;
    Ok(Feedback {
        budget_per_series_week: tally.budget,
        series_judged: tally.series,
        week: written(tally.week, tally.series_weeks.0),
        month: written(tally.month, tally.series_weeks.1),
        loudest: tally
            .loudest
            .iter()
            .map(|(id, tally)| ResourceTally {
                resource_id: id.to_string(),
                alerts: tally.alerts,
                false_alerts: tally.false_alerts(),
            })
            .collect(),
    })
}

fn written(tally: Tally, series_weeks: f64) -> AlertTally {
    let rate = |n: u32| if series_weeks > 0.0 { f64::from(n) / series_weeks } else { 0.0 };
    AlertTally {
        alerts: tally.alerts,
        real: tally.real,
        noise: tally.noise,
        expected: tally.expected,
        unconfirmed: tally.unconfirmed,
        per_series_week: rate(tally.alerts),
        false_per_series_week: rate(tally.false_alerts()),
    }
}
