//! Labels from people, and how the verdicts held against them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use echobase_analysis::calibration::{BINS, Evaluation, Failure as Failed, Foreseen, Reliability, Said};
use echobase_analysis::feedback::WHOLE;
use echobase_analysis::risk::{PROVENANCE, RiskModel};
use echobase_api::incident::{IncidentDraft, LeadTime, ModelCard, ReliabilityBin};
use echobase_store::fresh_uuid;
use echobase_store::incident::IncidentFilter;
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::ledger::EntryDraft;
use echobase_types::{ErrorKind, IncidentId, ResourceId, TenantId, Timestamp};

use crate::app::App;
use crate::guard::Caller;
use crate::learning;
use crate::problem::{Answer, Failure};
use crate::{change, evidence, feedback};

/// Characters of the longest note.
pub(crate) const MAX_NOTE: usize = 1_000;
/// Bytes of the longest name of a metric.
const MAX_METRIC: usize = 512;
/// The longest time that a model card covers.
const LONGEST_CARD: Duration = Duration::from_secs(90 * 86_400);
/// Lead times that a model card lists.
const LEADS: usize = 200;

/// The label of a word.
pub(crate) fn label_of(word: &str) -> Answer<IncidentLabel> {
    IncidentLabel::parse(word).ok_or_else(|| {
        let words = format!("`{word}` is no label of an incident; use real, noise, expected");
        Failure::new(ErrorKind::Invalid, words)
    })
}

fn invalid(words: String) -> Failure {
    Failure::new(ErrorKind::Invalid, words)
}

/// Keeps a label on a resource that is known.
pub(crate) async fn keep(app: &App, caller: &Caller, draft: IncidentDraft) -> Answer<Incident> {
    let now = app.now();
    let label = label_of(&draft.label)?;
    let anomaly_id = draft.anomaly_id.as_deref().map(str::parse).transpose()?;
    let anomaly = match anomaly_id {
        Some(id) => Some(evidence::find(app, caller.tenant(), id).await?),
        None => None,
    };
    let of_anomaly = anomaly.as_ref().map(|a| &a.resource_id);
    let resource_id = match (&draft.resource_id, of_anomaly) {
        (Some(given), Some(known)) if given != known => {
            return Err(invalid(format!("the anomaly is one of {known}, not of `{given}`")));
        }
        (Some(id), _) | (None, Some(id)) => id.parse::<ResourceId>()?,
        (None, None) => return Err(invalid("name `resource_id` or `anomaly_id`".to_owned())),
    };
    let started_at = draft.started_at.or(anomaly.as_ref().map(|a| a.started_at)).map_or(now, |t| t.0);
    let ended_at = draft.ended_at.or(anomaly.as_ref().and_then(|a| a.ended_at)).map(|t| t.0);
    if started_at > now {
        return Err(invalid(format!("`started_at` ({started_at}) is in the future")));
    }
    if let Some(end) = ended_at.filter(|end| *end <= started_at || *end > now) {
        return Err(invalid(format!(
            "`ended_at` ({end}) must be after `started_at` ({started_at}) and not in the future"
        )));
    }
    if draft.note.chars().count() > MAX_NOTE {
        return Err(invalid(format!("`note` must be at most {MAX_NOTE} characters")));
    }
    if draft.metric.as_ref().is_some_and(|m| m.is_empty() || m.len() > MAX_METRIC) {
        return Err(invalid(format!("`metric` must be 1 to {MAX_METRIC} bytes")));
    }
    let change = draft.change.as_deref().map(change::kind_of).transpose()?;
    if change.is_some() && label != IncidentLabel::Expected {
        return Err(invalid("`change` goes with the label `expected`".to_owned()));
    }
    app.store.resources().get(caller.tenant(), &resource_id).await?;
    let change = match (label, change) {
        (IncidentLabel::Expected, None) => {
            let before = evidence::changes(app, caller.tenant(), &resource_id, started_at).await?;
            before.into_iter().next().map(|change| change.kind)
        }
        (_, given) => given,
    };
    let named = anomaly.map(|a| match &a.evidence {
        Some(evidence) if !evidence.drivers.is_empty() => WHOLE.to_owned(),
        _ => a.metric,
    });
    let incident = Incident {
        id: IncidentId::from_uuid(fresh_uuid(now)?),
        resource_id,
        label,
        metric: draft.metric.or(named),
        anomaly_id,
        change,
        started_at,
        ended_at,
        note: draft.note,
        labelled_by: caller.principal.id,
        labelled_at: now,
    };
    let told = EntryDraft::new(caller.actor(), "incident.label", "incident", incident.id)
        .fact("label", label.as_str())
        .fact("target", incident.resource_id.to_string())
        .fact("started_at", started_at.to_string());
    app.store.incidents().insert(caller.tenant(), &incident, told.into()).await?;
    feedback::teach(app, caller.tenant(), &incident.resource_id).await;
    Ok(incident)
}

/// Takes a label back.
pub(crate) async fn take_back(app: &App, caller: &Caller, id: IncidentId) -> Answer<()> {
    let told = EntryDraft::new(caller.actor(), "incident.remove", "incident", id);
    let resource = app.store.incidents().get(caller.tenant(), id).await?.resource_id;
    app.store.incidents().remove(caller.tenant(), id, told.into(), app.now()).await?;
    feedback::teach(app, caller.tenant(), &resource).await;
    Ok(())
}

/// The model card of the collapse risk over stored verdicts of at most ninety days.
pub(crate) async fn card(app: &App, tenant: &TenantId, from: Timestamp, to: Timestamp) -> Answer<ModelCard> {
    if to.since(from) > LONGEST_CARD {
        let days = LONGEST_CARD.as_secs() / 86_400;
        return Err(invalid(format!("the model card covers at most {days} days, not {from} to {to}")));
    }
    let work = Box::pin(read_card(app, tenant, from, to));
    app.searches.run("the verdicts of the model card", work).await
}

async fn read_card(app: &App, tenant: &TenantId, from: Timestamp, to: Timestamp) -> Answer<ModelCard> {
    let horizon = app.config.analysis.horizon;
    let mut said: BTreeMap<ResourceId, Vec<Said>> = BTreeMap::new();
    let mut rows = app.telemetry.assessments_all(tenant, from, to)?;
    while let Some(batch) = rows.next().await? {
        for row in batch {
            said.entry(row.resource_id).or_default().push(Said { at: row.at, risk: row.risk });
        }
        tokio::task::yield_now().await;
    }
    let failures = failures(app, tenant, from..to).await?;
    let level = app.config.oncall.rules.risk_warning;
    let mut evaluation = Evaluation::new(horizon, app.config.cycle.store_at_least_every * 2, level);
    let (resources, mut leads) = (said.len() as u64, Vec::new());
    for (resource, said) in &said {
        let own: &[(IncidentId, Failed)] = failures.get(resource).map_or(&[], Vec::as_slice);
        let spans: Vec<Failed> = own.iter().map(|(_, failed)| *failed).collect();
        for foreseen in evaluation.resource(said, &spans) {
            let id = own.iter().find(|(_, failed)| *failed == foreseen.failure).map(|(id, _)| *id);
            leads.extend(id.map(|id| lead(id, resource, &foreseen)));
        }
    }
    leads.sort_by_key(|l| std::cmp::Reverse(l.failed_at.0));
    leads.truncate(LEADS);
    let mut card = written(evaluation.finish(), resources, (from, to), horizon, level);
    card.leads = leads;
    let base = RiskModel::shipped().version;
    card.version = match app.learning.version(tenant) {
        None => base.to_owned(),
        Some(version) => format!("{} over {base}", learning::written::name(version)),
    };
    if let Some(drifted) = app.learning.drifted(tenant) {
        card.provenance.push_str(" Over it lies what was learned from labels of your own.");
        card.drift = learning::written::drift(&drifted);
        card.drift_hours = drifted.counted.as_secs_f64() / 3_600.0;
    }
    Ok(card)
}

fn lead(id: IncidentId, resource: &ResourceId, foreseen: &Foreseen) -> LeadTime {
    LeadTime {
        incident_id: id.to_string(),
        resource_id: resource.to_string(),
        failed_at: foreseen.failure.from.into(),
        warned_at: foreseen.warned_at.map(Into::into),
        lead_s: foreseen.lead().map(|lead| lead.as_secs_f64()),
        highest_risk: foreseen.highest,
    }
}

/// From when to when it was, as was said; without an end it counts as one horizon long, on the card as in learning.
pub(crate) fn lasted(incident: &Incident, horizon: Duration) -> Failed {
    Failed { from: incident.started_at, to: incident.ended_at.unwrap_or(incident.started_at + horizon) }
}

/// When which resource failed, as people said: what reaches into `span`.
async fn failures(
    app: &App,
    tenant: &TenantId,
    span: Range<Timestamp>,
) -> Answer<BTreeMap<ResourceId, Vec<(IncidentId, Failed)>>> {
    let horizon = app.config.analysis.horizon;
    let real = IncidentFilter {
        label: Some(IncidentLabel::Real),
        reaching: Some(span.start - horizon),
        ..IncidentFilter::default()
    };
    let mut failures: BTreeMap<ResourceId, Vec<(IncidentId, Failed)>> = BTreeMap::new();
    for incident in app.store.incidents().all(tenant, &real).await?.into_iter().filter(|i| i.metric.is_none())
    {
        let failed = lasted(&incident, horizon);
        if failed.to > span.start && failed.from < span.end {
            failures.entry(incident.resource_id).or_default().push((incident.id, failed));
        }
    }
    Ok(failures)
}

fn written(
    held: Reliability,
    resources: u64,
    (from, to): (Timestamp, Timestamp),
    horizon: Duration,
    alert_level: f64,
) -> ModelCard {
    let known = held.failures > 0;
    let bin = |(i, bin): (usize, &echobase_analysis::calibration::Bin)| ReliabilityBin {
        low: i as f64 / BINS as f64,
        high: (i + 1) as f64 / BINS as f64,
        hours: bin.seconds / 3_600.0,
        said: bin.said,
        came_true: bin.came_true,
    };
    ModelCard {
        name: "risk".to_owned(),
        version: String::new(),
        predicts: "that the resource fails within the horizon".to_owned(),
        provenance: PROVENANCE.to_owned(),
        truth: "incidents of a whole resource labelled `real`, from their begin to their end".to_owned(),
        from: from.into(),
        to: to.into(),
        horizon_s: horizon.as_secs(),
        resources,
        hours: held.seconds / 3_600.0,
        failures: held.failures as u64,
        alert_level,
        leads: Vec::new(),
        warned: held.leads.len() as u64,
        median_lead_s: held.median_lead().map(|lead| lead.as_secs_f64()),
        false_warnings: held.false_warnings as u64,
        ece: known.then_some(held.ece),
        brier: known.then_some(held.brier),
        bins: held.bins.iter().enumerate().map(bin).collect(),
        drift: Vec::new(),
        drift_hours: 0.0,
    }
}
