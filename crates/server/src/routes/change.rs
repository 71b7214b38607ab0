//! Changes: deploys, configurations, models, prompts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::change::{ChangeDraft, ChangeEvent, ChangeQuery};
use echobase_policy::Action;

use crate::app::App;
use crate::extract::{Body, Params};
use crate::guard::Caller;
use crate::problem::Answer;
use crate::route::{Access, Route, get, post};
use crate::{change, convert};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/changes", "list_changes", Access::Action(Action::ReadResources), list)
            .says("changes", "Deploys and other changes, the last done first")
            .query::<ChangeQuery>()
            .answers_page::<ChangeEvent>(),
        post("/api/v1/changes", "report_change", Access::Action(Action::Ingest), report)
            .says("changes", "Report a deploy, another configuration, model or prompt")
            .takes::<ChangeDraft>()
            .answers::<ChangeEvent>()
            .status(201),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ChangeQuery>,
) -> Answer<Json<Page<ChangeEvent>>> {
    let filter = change::filter(&query)?;
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.changes().page(caller.tenant(), &filter, &request).await?;
    Ok(Json(convert::page(page, |change| change.into())))
}

async fn report(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<ChangeDraft>,
) -> Answer<(StatusCode, Json<ChangeEvent>)> {
    let kept = change::report(&app, &caller, draft).await?;
    Ok((StatusCode::CREATED, Json((&kept).into())))
}
