//! Objectives as the API shows them.

use echobase_api::slo::{BurnStretch, Slo as Shown, SloStatus};
use echobase_oncall::burn;
use echobase_types::TenantId;
use echobase_types::slo::{Slo, SloVerdict, Urgency};

use crate::app::App;

/// An objective in a list.
pub(crate) fn listed(app: &App, tenant: &TenantId, slo: &Slo) -> Shown {
    let judged = app.slos.of(tenant, slo);
    Shown {
        id: slo.id.to_string(),
        version: slo.version,
        name: slo.name.clone(),
        description: slo.description.clone(),
        selector_kind: slo.selector.kind.map(|k| k.as_str().to_owned()),
        selector_resource: slo.selector.resource.clone(),
        sli: (&slo.sli).into(),
        target: slo.target,
        window_days: u32::try_from(slo.window.as_secs() / 86_400).unwrap_or(u32::MAX),
        created_at: slo.created_at.into(),
        updated_at: slo.updated_at.into(),
        status: judged.map_or_else(|| loading(slo), |judged| status(slo, &judged.verdict)),
        history: Vec::new(),
        recent: Vec::new(),
    }
}

/// An objective whole, with what was counted over time.
pub(crate) fn shown(app: &App, tenant: &TenantId, slo: &Slo) -> Shown {
    let mut shown = listed(app, tenant, slo);
    if let Some(judged) = app.slos.of(tenant, slo) {
        shown.history = stretches(&judged.verdict.history);
        shown.recent = stretches(&judged.verdict.recent);
    }
    shown
}

pub(super) fn stretches(all: &[echobase_types::slo::BurnStretch]) -> Vec<BurnStretch> {
    all.iter().map(Into::into).collect()
}

fn loading(slo: &Slo) -> SloStatus {
    SloStatus {
        state: "loading".to_owned(),
        words: "the history is being read".to_owned(),
        at: None,
        unit: slo.sli.unit().to_owned(),
        good: 0.0,
        bad: 0.0,
        attained: None,
        covered: 0.0,
        resources: 0,
        last_data_at: None,
        left: None,
        windows: Vec::new(),
        forecast: None,
    }
}

pub(super) fn status(slo: &Slo, verdict: &SloVerdict) -> SloStatus {
    let attained = verdict.attained();
    let state = match (attained, verdict.firing().map(|r| r.urgency)) {
        (None, _) => "no_data",
        (_, Some(Urgency::Page)) => "page",
        (_, Some(Urgency::Ticket)) => "ticket",
        _ if verdict.left <= 0.0 => "spent",
        _ => "ok",
    };
    SloStatus {
        state: state.to_owned(),
        words: burn::in_words(slo, verdict),
        at: Some(verdict.at.into()),
        unit: slo.sli.unit().to_owned(),
        good: verdict.good,
        bad: verdict.bad,
        attained,
        covered: verdict.covered,
        resources: verdict.resources,
        last_data_at: verdict.last_data_at.map(Into::into),
        left: attained.map(|_| verdict.left),
        windows: verdict.readings.iter().map(Into::into).collect(),
        forecast: verdict.forecast.as_ref().map(Into::into),
    }
}
