//! Incidents: labels from people, and the model card that holds verdicts against them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::incident::{Incident, IncidentDraft, IncidentQuery, ModelCard, ModelCardQuery};
use echobase_policy::Action;
use echobase_store::incident::IncidentFilter;

use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, delete, get, post};
use crate::{convert, incident};

/// A model card looks back this long unless asked otherwise.
const CARD_S: u64 = 7 * 86_400;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Action(Action::ReadResources);
    let label = Access::Action(Action::LabelIncident);
    vec![
        get("/api/v1/incidents", "list_incidents", read, list)
            .says("incidents", "What people said happened, newest label first")
            .query::<IncidentQuery>()
            .answers_page::<Incident>(),
        post("/api/v1/incidents", "label_incident", label, create)
            .says("incidents", "Say what happened to a resource: real, noise or expected")
            .takes::<IncidentDraft>()
            .answers::<Incident>()
            .status(201),
        delete("/api/v1/incidents/{id}", "remove_incident", label, remove)
            .says("incidents", "Take a label back")
            .status(204),
        get("/api/v1/models/risk", "read_risk_card", read, card)
            .says("incidents", "How the collapse risk held on what was stored here")
            .query::<ModelCardQuery>()
            .answers::<ModelCard>(),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<IncidentQuery>,
) -> Answer<Json<Page<Incident>>> {
    let filter = IncidentFilter {
        resource: query.resource_id.as_deref().map(str::parse).transpose()?,
        label: query.label.as_deref().map(incident::label_of).transpose()?,
        reaching: None,
    };
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.incidents().page(caller.tenant(), &filter, &request).await?;
    Ok(Json(convert::page(page, |i| i.into())))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<IncidentDraft>,
) -> Answer<(StatusCode, Json<Incident>)> {
    let kept = incident::keep(&app, &caller, draft).await?;
    Ok((StatusCode::CREATED, Json((&kept).into())))
}

async fn remove(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<StatusCode> {
    let id = id.parse().map_err(|_| Failure::not_found("incident", &id))?;
    incident::take_back(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn card(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ModelCardQuery>,
) -> Answer<Json<ModelCard>> {
    let (from, to) = super::range(query.from, query.to, app.now(), CARD_S)?;
    Ok(Json(incident::card(&app, caller.tenant(), from, to).await?))
}
