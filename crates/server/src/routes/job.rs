//! Long work in the background.

use axum::Json;
use axum::extract::State;
use echobase_api::Page;
use echobase_api::job::{Job, JobQuery};
use echobase_policy::Action;
use echobase_types::JobId;
use echobase_types::ledger::EntryDraft;

use crate::app::App;
use crate::convert;
use crate::extract::{Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};

pub(super) fn routes() -> Vec<Route> {
    let read_them = Access::Action(Action::ReadSettings);
    let write_models = Access::Action(Action::WriteModels);
    vec![
        get("/api/v1/jobs", "list_jobs", read_them, list)
            .says("jobs", "Long work in the background, newest first")
            .query::<JobQuery>()
            .answers_page::<Job>(),
        get("/api/v1/jobs/{id}", "read_job", read_them, read)
            .says("jobs", "One job, with how far it is")
            .answers::<Job>(),
        post("/api/v1/jobs/{id}:cancel", "cancel_job", write_models, cancel)
            .says("jobs", "Ask a job that trains to stop; it does at its next look")
            .answers::<Job>(),
    ]
}

fn id_of(text: &str) -> Answer<JobId> {
    text.parse().map_err(|_| Failure::not_found("job", text))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<JobQuery>,
) -> Answer<Json<Page<Job>>> {
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.jobs().page(caller.tenant(), query.kind.as_deref(), &request).await?;
    Ok(Json(convert::page(page, convert::job)))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Job>> {
    Ok(Json(convert::job(&app.store.jobs().get(caller.tenant(), id_of(&id)?).await?)))
}

async fn cancel(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Job>> {
    let id = id_of(&id)?;
    let told = EntryDraft::new(caller.actor(), "job.cancel", "job", id);
    app.store.jobs().cancel(caller.tenant(), id, told.into(), app.now()).await?;
    Ok(Json(convert::job(&app.store.jobs().get(caller.tenant(), id).await?)))
}
