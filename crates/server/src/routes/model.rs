//! The registry of risk models.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::job::Job;
use echobase_api::model::Model;
use echobase_api::page::PageQuery;
use echobase_policy::Action;

use crate::app::App;
use crate::convert;
use crate::extract::{Params, Segment};
use crate::guard::Caller;
use crate::learning::{self, written};
use crate::problem::Answer;
use crate::route::{Access, Route, get, post};

pub(super) fn routes() -> Vec<Route> {
    let read_them = Access::Action(Action::ReadResources);
    let write_them = Access::Action(Action::WriteModels);
    vec![
        get("/api/v1/models", "list_models", read_them, list)
            .says("models", "Versions of the risk model, newest first, the shipped one last")
            .query::<PageQuery>()
            .answers_page::<Model>(),
        get("/api/v1/models/{id}", "read_model", read_them, read)
            .says("models", "One version of the risk model")
            .answers::<Model>(),
        post("/api/v1/models:train", "train_model", write_them, train)
            .says("models", "Make and judge a new version from labels, as a job")
            .answers::<Job>()
            .status(202),
        post("/api/v1/models/{id}:promote", "promote_model", write_them, promote)
            .says("models", "Put a version in use")
            .answers::<Model>(),
        post("/api/v1/models:rollback", "roll_model_back", write_them, roll_back)
            .says("models", "Put the parent of the version in use back; answers what is in use then")
            .answers::<Model>(),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Model>>> {
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.models().page(caller.tenant(), &request).await?;
    let mut page = convert::page(page, |m| written::model(&app, caller.tenant(), m));
    if page.next_cursor.is_none() {
        page.items.push(written::shipped(&app, caller.tenant()));
    }
    Ok(Json(page))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Model>> {
    Ok(Json(match written::number(&id)? {
        0 => written::shipped(&app, caller.tenant()),
        version => {
            let found = app.store.models().get(caller.tenant(), version).await?;
            written::model(&app, caller.tenant(), &found)
        }
    }))
}

async fn train(State(app): State<App>, caller: Caller) -> Answer<(StatusCode, Json<Job>)> {
    let job = learning::order(&app, caller.tenant(), caller.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(convert::job(&job))))
}

async fn promote(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Model>> {
    let promoted = learning::promote(&app, &caller, written::number(&id)?).await?;
    Ok(Json(written::model(&app, caller.tenant(), &promoted)))
}

async fn roll_back(State(app): State<App>, caller: Caller) -> Answer<Json<Model>> {
    let now = learning::roll_back(&app, &caller).await?;
    Ok(Json(match now {
        Some(model) => written::model(&app, caller.tenant(), &model),
        None => written::shipped(&app, caller.tenant()),
    }))
}
