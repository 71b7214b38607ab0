//! Alerts.

use axum::Json;
use axum::extract::State;
use echobase_api::Page;
use echobase_api::alert::{Alert, AlertQuery};
use echobase_policy::Action;

use crate::app::App;
use crate::convert;
use crate::extract::{Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/alerts", "list_alerts", Access::Action(Action::ReadAlerts), list)
            .says("alerts", "Alerts, newest first")
            .query::<AlertQuery>()
            .answers_page::<Alert>(),
        post(
            "/api/v1/alerts/{id}:acknowledge",
            "acknowledge_alert",
            Access::Action(Action::AckAlert),
            acknowledge,
        )
        .says("alerts", "Say that somebody has taken it")
        .answers::<Alert>(),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<AlertQuery>,
) -> Answer<Json<Page<Alert>>> {
    let filter = convert::alert_filter(&query)?;
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.alerts().page(caller.tenant(), &filter, &request).await?;
    Ok(Json(convert::page(page, |a| a.into())))
}

async fn acknowledge(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Alert>> {
    let id = id.parse().map_err(|_| Failure::not_found("alert", &id))?;
    let alert =
        app.oncall.acknowledge(caller.tenant(), id, caller.principal.id, caller.actor(), app.now()).await?;
    Ok(Json((&alert).into()))
}
