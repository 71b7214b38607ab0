//! Interventions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::intervention::{
    ApproveRequest, Intervention, InterventionDraft, InterventionQuery, InterventionSummary, ReasonRequest,
};
use echobase_policy::{Action, ResourceRef};
use echobase_types::InterventionId;

use crate::app::App;
use crate::convert;
use crate::extract::{Body, Params, Segment};
use crate::guard::{self, Caller};
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};

const PATH: &str = "/api/v1/interventions";

pub(super) fn routes() -> Vec<Route> {
    let act = |action| Access::Action(action);
    vec![
        get(PATH, "list_interventions", act(Action::ReadInterventions), list)
            .says("interventions", "Interventions, newest first")
            .query::<InterventionQuery>()
            .answers_page::<InterventionSummary>(),
        post(PATH, "propose_intervention", act(Action::ProposeIntervention), propose)
            .says("interventions", "Propose one by hand; its dry run follows at once")
            .takes::<InterventionDraft>()
            .answers::<Intervention>()
            .status(201),
        get("/api/v1/interventions/{id}", "read_intervention", act(Action::ReadInterventions), read)
            .says("interventions", "One intervention, whole")
            .answers::<Intervention>(),
        post(
            "/api/v1/interventions/{id}:validate",
            "validate_intervention",
            act(Action::ProposeIntervention),
            validate,
        )
        .says("interventions", "Take a suggestion up: try it dry and fix its plan")
        .answers::<Intervention>(),
        post(
            "/api/v1/interventions/{id}:approve",
            "approve_intervention",
            act(Action::ApproveIntervention),
            approve,
        )
        .says("interventions", "Approve exactly the plan with this digest")
        .takes::<ApproveRequest>()
        .answers::<Intervention>(),
        post(
            "/api/v1/interventions/{id}:reject",
            "reject_intervention",
            act(Action::RejectIntervention),
            reject,
        )
        .says("interventions", "Refuse it")
        .takes::<ReasonRequest>()
        .answers::<Intervention>(),
        post(
            "/api/v1/interventions/{id}:cancel",
            "cancel_intervention",
            act(Action::ProposeIntervention),
            cancel,
        )
        .says("interventions", "Take it back before it is executed")
        .takes::<ReasonRequest>()
        .answers::<Intervention>(),
        post(
            "/api/v1/interventions/{id}:rollback",
            "rollback_intervention",
            act(Action::RollbackIntervention),
            rollback,
        )
        .says("interventions", "Undo what it did")
        .takes::<ReasonRequest>()
        .answers::<Intervention>(),
    ]
}

fn id_of(text: &str) -> Answer<InterventionId> {
    // An id that cannot be one is simply not there.
    text.parse().map_err(|_| Failure::not_found("intervention", text))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<InterventionQuery>,
) -> Answer<Json<Page<InterventionSummary>>> {
    let filter = convert::intervention_filter(&query)?;
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.interventions().page(caller.tenant(), &filter, &request).await?;
    Ok(Json(convert::page(page, |i| App::name_proposer(i.into()))))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Intervention>> {
    let found = app.store.interventions().get(caller.tenant(), id_of(&id)?).await?;
    Ok(Json((&found).into()))
}

async fn propose(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<InterventionDraft>,
) -> Answer<(StatusCode, Json<Intervention>)> {
    let proposal = convert::proposal(draft, &caller)?;
    let made = app.controller.propose(caller.tenant(), proposal, caller.actor(), app.now()).await?;
    Ok((StatusCode::CREATED, Json((&made).into())))
}

async fn validate(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
) -> Answer<Json<Intervention>> {
    let changed = app.controller.validate(caller.tenant(), id_of(&id)?, caller.actor(), app.now()).await?;
    Ok(Json((&changed).into()))
}

async fn approve(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<ApproveRequest>,
) -> Answer<Json<Intervention>> {
    let id = id_of(&id)?;
    let found = app.store.interventions().get(caller.tenant(), id).await?;
    let resource = ResourceRef::intervention(caller.tenant().clone(), &found);
    guard::decide(&app, &caller, Action::ApproveIntervention, Some(resource)).await?;
    let changed =
        app.controller.approve(caller.tenant(), id, caller.principal.id, &request.digest, app.now()).await?;
    Ok(Json((&changed).into()))
}

async fn reject(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<ReasonRequest>,
) -> Answer<Json<Intervention>> {
    let id = id_of(&id)?;
    let changed =
        app.controller.reject(caller.tenant(), id, &request.reason, caller.actor(), app.now()).await?;
    Ok(Json((&changed).into()))
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<ReasonRequest>,
) -> Answer<Json<Intervention>> {
    let id = id_of(&id)?;
    let changed =
        app.controller.cancel(caller.tenant(), id, &request.reason, caller.actor(), app.now()).await?;
    Ok(Json((&changed).into()))
}

async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<ReasonRequest>,
) -> Answer<Json<Intervention>> {
    let id = id_of(&id)?;
    let changed =
        app.controller.rollback(caller.tenant(), id, &request.reason, caller.actor(), app.now()).await?;
    Ok(Json((&changed).into()))
}
