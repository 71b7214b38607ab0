//! The first page.

use axum::Json;
use axum::extract::State;
use echobase_api::overview::Overview;
use echobase_policy::Action;
use echobase_store::intervention::InterventionFilter;
use echobase_types::alert::AlertState;
use echobase_types::intervention::InterventionState;

use crate::app::App;
use crate::convert;
use crate::graph::LOW_SCORE;
use crate::guard::Caller;
use crate::problem::Answer;
use crate::route::{Access, Route, get};

/// Resources shown on the first page.
const SHOWN: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/overview", "read_overview", Access::Action(Action::ViewOverview), read)
            .says("overview", "What needs me now, and how everything is")
            .answers::<Overview>(),
    ]
}

async fn read(State(app): State<App>, caller: Caller) -> Answer<Json<Overview>> {
    let tenant = caller.tenant();
    let open = app.store.interventions().open(tenant).await?;
    let approvals = open
        .iter()
        .filter(|i| matches!(i.state, InterventionState::Proposed | InterventionState::Validated))
        .map(|i| App::name_proposer(i.into()))
        .collect();
    let ended = InterventionState::ALL.into_iter().filter(|s| s.is_final()).collect();
    let ended = InterventionFilter { states: ended, ..InterventionFilter::default() };
    let one = super::page(None, Some(1))?;
    let last = app.store.interventions().page(tenant, &ended, &one).await?;
    let alerts = app.store.alerts().open(tenant).await?;
    let known = app.store.resources().all(tenant).await?;
    let mut resources: Vec<_> = known.iter().map(|r| convert::resource(&app, tenant, r)).collect();
    resources.sort_by(|a, b| concern(b).total_cmp(&concern(a)).then_with(|| a.id.cmp(&b.id)));
    let firing: Vec<&str> = alerts
        .iter()
        .filter(|a| a.state == AlertState::Firing)
        .filter_map(|a| a.resource_id.as_ref().map(|r| r.as_str()))
        .collect();
    // A risk needs attention from where it alerts.
    let high_risk = app.config.oncall.rules.risk_warning;
    let attention = resources.iter().filter(|r| {
        firing.contains(&r.id.as_str())
            || r.assessment.as_ref().is_some_and(|a| a.score < LOW_SCORE || a.risk.probability >= high_risk)
    });
    let resources_attention = u32::try_from(attention.count()).unwrap_or(u32::MAX);
    let resources_total = u32::try_from(resources.len()).unwrap_or(u32::MAX);
    resources.truncate(SHOWN);
    Ok(Json(Overview {
        at: app.now().into(),
        resources_total,
        resources_attention,
        resources,
        approvals,
        alerts: alerts.iter().map(Into::into).collect(),
        last_intervention: last.items.first().map(|i| App::name_proposer(i.into())),
        freezes: convert::freezes(&app, tenant).await?,
        ledger: app.keeper.state(tenant),
        cycle_s: app.analysis.last_cycle().as_secs_f64(),
        rows_last_minute: app.intake.kept().rows_last_minute(app.now()),
    }))
}

/// Expected loss, for the order: how bad it is, or how likely it will be.
fn concern(resource: &echobase_api::resource::Resource) -> f64 {
    resource.assessment.as_ref().map_or(0.0, |a| (1.0 - a.score).max(a.risk.probability))
}
