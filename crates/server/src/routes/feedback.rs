//! Verdicts followed, questioned and taught.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::feedback::{
    AnomalyDetail, AnomalyDetailQuery, Feedback, JudgedQuery, JudgedSeries, Reference, ReferenceRequest,
    ResourceFeedback, WhatIf, WhatIfRequest,
};
use echobase_policy::Action;

use super::resource::known;
use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};
use crate::{evidence, feedback, whatif};

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Action(Action::ReadResources);
    let signals = Access::Action(Action::ReadSignals);
    let teach = Access::Action(Action::LabelIncident);
    vec![
        get("/api/v1/anomalies/{id}", "read_anomaly", signals, anomaly)
            .says(
                "resources",
                "One anomaly with its figures, its labels and its metric judged value by value",
            )
            .query::<AnomalyDetailQuery>()
            .answers::<AnomalyDetail>(),
        get("/api/v1/resources/{id}/judged", "read_judged", signals, judged)
            .says("resources", "What was expected of a metric, its usual band and the bar of its alerts")
            .query::<JudgedQuery>()
            .answers::<JudgedSeries>(),
        post("/api/v1/resources/{id}:whatif", "suppose", read, suppose)
            .says(
                "resources",
                "Score and risk if vital signs or dependencies stood elsewhere; nothing is changed",
            )
            .takes::<WhatIfRequest>()
            .answers::<WhatIf>()
            .repeatable(),
        post("/api/v1/resources/{id}:rereference", "rereference", teach, rereference)
            .says("resources", "Take the present level of a metric, or of all, as its reference")
            .takes::<ReferenceRequest>()
            .answers::<Reference>()
            .status(201),
        get("/api/v1/resources/{id}/feedback", "read_resource_feedback", read, of_resource)
            .says("incidents", "The false-alarm budget of a resource beside what became of it")
            .answers::<ResourceFeedback>(),
        get("/api/v1/feedback", "read_feedback", read, of_tenant)
            .says("incidents", "The false-alarm budget of all resources beside what became of it")
            .answers::<Feedback>(),
    ]
}

async fn anomaly(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<AnomalyDetailQuery>,
) -> Answer<Json<AnomalyDetail>> {
    let id = id.parse().map_err(|_| Failure::not_found("anomaly", &id))?;
    let steps = super::steps(query.max_points)?;
    Ok(Json(evidence::detail(&app, caller.tenant(), id, steps).await?))
}

async fn judged(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<JudgedQuery>,
) -> Answer<Json<JudgedSeries>> {
    let id = known(&app, &caller, &id).await?;
    let range = super::range(query.from, query.to, app.now(), 3_600)?;
    let steps = super::steps(query.max_points)?;
    Ok(Json(evidence::asked(&app, caller.tenant(), &id, &query, range, steps).await?))
}

async fn suppose(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<WhatIfRequest>,
) -> Answer<Json<WhatIf>> {
    let id = known(&app, &caller, &id).await?;
    Ok(Json(whatif::judge(&app, caller.tenant(), id, &request).await?))
}

async fn rereference(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(request): Body<ReferenceRequest>,
) -> Answer<(StatusCode, Json<Reference>)> {
    let id = known(&app, &caller, &id).await?;
    let taken = feedback::rereference(&app, &caller, id, request).await?;
    Ok((StatusCode::CREATED, Json((&taken).into())))
}

async fn of_resource(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
) -> Answer<Json<ResourceFeedback>> {
    let id = known(&app, &caller, &id).await?;
    Ok(Json(feedback::of_resource(&app, caller.tenant(), id).await?))
}

async fn of_tenant(State(app): State<App>, caller: Caller) -> Answer<Json<Feedback>> {
    Ok(Json(feedback::of_tenant(&app, caller.tenant()).await?))
}
