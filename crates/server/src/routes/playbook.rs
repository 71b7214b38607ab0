//! Playbooks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use echobase_api::Page;
use echobase_api::page::PageQuery;
use echobase_api::playbook::{BacktestReport, BacktestRequest, Playbook, PlaybookCheck, PlaybookDraft};
use echobase_controller::playbook as source;
use echobase_policy::Action;
use echobase_store::playbook::Switch;
use echobase_types::{ErrorKind, PlaybookId};

use crate::app::App;
use crate::convert;
use crate::extract::{Body, Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, delete, get, post, put};

const PATH: &str = "/api/v1/playbooks";
const ONE: &str = "/api/v1/playbooks/{id}";

pub(super) fn routes() -> Vec<Route> {
    let read_them = Access::Action(Action::ReadPlaybooks);
    let write_them = Access::Action(Action::WritePlaybooks);
    vec![
        get(PATH, "list_playbooks", read_them, list)
            .says("playbooks", "Playbooks at their newest version, by name")
            .query::<PageQuery>()
            .answers_page::<Playbook>(),
        post(PATH, "save_playbook", write_them, save)
            .says("playbooks", "Save a playbook; one of the same name gets a new version")
            .takes::<PlaybookDraft>()
            .answers::<Playbook>()
            .status(201),
        get(ONE, "read_playbook", read_them, read).says("playbooks", "One playbook").answers::<Playbook>(),
        put(ONE, "replace_playbook", write_them, replace)
            .says("playbooks", "Save a new version")
            .takes::<PlaybookDraft>()
            .answers::<Playbook>(),
        delete(ONE, "delete_playbook", write_them, remove).says("playbooks", "Remove a playbook").status(204),
        get("/api/v1/playbooks/{id}/versions", "list_playbook_versions", read_them, versions)
            .says("playbooks", "All versions, newest first")
            .query::<PageQuery>()
            .answers_page::<Playbook>(),
        post("/api/v1/playbooks/{id}:enable", "enable_playbook", write_them, enable)
            .says("playbooks", "Put it in force")
            .answers::<Playbook>(),
        post("/api/v1/playbooks/{id}:disable", "disable_playbook", write_them, disable)
            .says("playbooks", "Take it out of force")
            .answers::<Playbook>(),
        post("/api/v1/playbooks:validate", "validate_playbook", read_them, validate)
            .says("playbooks", "Check a source text; faults have line and column")
            .takes::<PlaybookDraft>()
            .answers::<PlaybookCheck>()
            .repeatable(),
        post("/api/v1/playbooks:backtest", "backtest_playbook", Access::Action(Action::Backtest), backtest)
            .says("playbooks", "What it would have done on stored history")
            .takes::<BacktestRequest>()
            .answers::<BacktestReport>()
            .repeatable(),
    ]
}

fn id_of(text: &str) -> Answer<PlaybookId> {
    text.parse().map_err(|_| Failure::not_found("playbook", text))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Playbook>>> {
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.playbooks().page(caller.tenant(), &request).await?;
    Ok(Json(convert::page(page, |p| p.into())))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Playbook>> {
    let found = app.store.playbooks().get(caller.tenant(), id_of(&id)?).await?;
    Ok(Json((&found).into()))
}

async fn versions(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Playbook>>> {
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.playbooks().versions(caller.tenant(), id_of(&id)?, &request).await?;
    Ok(Json(convert::page(page, |p| p.into())))
}

async fn save(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<PlaybookDraft>,
) -> Answer<(StatusCode, Json<Playbook>)> {
    let saved = app.save_playbook(&caller, None, &draft).await?;
    Ok((StatusCode::CREATED, Json((&saved).into())))
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Body(draft): Body<PlaybookDraft>,
) -> Answer<Json<Playbook>> {
    let saved = app.save_playbook(&caller, Some(id_of(&id)?), &draft).await?;
    Ok(Json((&saved).into()))
}

async fn remove(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<StatusCode> {
    app.controller.delete_playbook(caller.tenant(), id_of(&id)?, caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Playbook>> {
    switch(&app, &caller, &id, Switch::Enabled).await
}

async fn disable(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Playbook>> {
    switch(&app, &caller, &id, Switch::Disabled).await
}

async fn switch(app: &App, caller: &Caller, id: &str, to: Switch) -> Answer<Json<Playbook>> {
    let changed =
        app.controller.switch_playbook(caller.tenant(), id_of(id)?, to, caller.actor(), app.now()).await?;
    Ok(Json((&changed).into()))
}

async fn validate(Body(draft): Body<PlaybookDraft>) -> Json<PlaybookCheck> {
    let errors = match source::parse(&draft.source) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(convert::fault).collect(),
    };
    Json(PlaybookCheck { valid: errors.is_empty(), errors })
}

async fn backtest(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<BacktestRequest>,
) -> Answer<Json<BacktestReport>> {
    let (from, to) = super::range(request.from, request.to, app.now(), 7 * 86_400)?;
    if to.since(from).as_secs() > 92 * 86_400 {
        return Err(Failure::new(
            ErrorKind::Invalid,
            "a backtest covers at most 92 days; ask for a shorter time",
        ));
    }
    Ok(Json(crate::backtest::run(&app, caller.tenant(), &request.source, from, to).await?))
}
