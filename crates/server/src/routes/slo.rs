//! Service level objectives.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use echobase_api::Page;
use echobase_api::slo::{Slo, SloDraft, SloPreview, SloPreviewRequest, SloQuery};
use echobase_policy::Action;
use echobase_types::{ErrorKind, ResourceId, SloId, slo as domain};

use crate::app::App;
use crate::convert;
use crate::extract::{Body, Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, delete, get, post, put};
use crate::slo;

const PATH: &str = "/api/v1/slos";
const ONE: &str = "/api/v1/slos/{id}";

pub(super) fn routes() -> Vec<Route> {
    let read_them = Access::Action(Action::ReadSlos);
    let write_them = Access::Action(Action::WriteSlos);
    vec![
        get(PATH, "list_slos", read_them, list)
            .says("slos", "Service level objectives with their budgets, by name")
            .query::<SloQuery>()
            .answers_page::<Slo>(),
        post(PATH, "create_slo", write_them, create)
            .says("slos", "Make an objective")
            .takes::<SloDraft>()
            .answers::<Slo>()
            .status(201),
        get(ONE, "read_slo", read_them, read)
            .says("slos", "One objective with its budget over time; its version is the ETag")
            .answers::<Slo>(),
        put(ONE, "replace_slo", write_them, replace)
            .says("slos", "Change an objective; its history is counted anew")
            .versioned()
            .takes::<SloDraft>()
            .answers::<Slo>(),
        delete(ONE, "delete_slo", write_them, remove)
            .says("slos", "Remove an objective; its alerts are resolved")
            .versioned()
            .status(204),
        post("/api/v1/slos:preview", "preview_slo", Access::Action(Action::Backtest), preview)
            .says("slos", "What an objective would have told on stored history")
            .takes::<SloPreviewRequest>()
            .answers::<SloPreview>()
            .repeatable(),
    ]
}

fn id_of(text: &str) -> Answer<SloId> {
    text.parse().map_err(|_| Failure::not_found("objective", text))
}

/// The version that an answer is of.
type Tag = [(HeaderName, String); 1];

fn tag(slo: &domain::Slo) -> Tag {
    [(header::ETAG, format!("\"{}\"", slo.version))]
}

/// Whether the caller saw the newest version, where it says which one it saw.
fn seen(headers: &HeaderMap, slo: &domain::Slo) -> Answer<()> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let newest = format!("\"{}\"", slo.version);
    if given.split(',').map(str::trim).any(|one| one == "*" || one == newest) {
        return Ok(());
    }
    let words =
        format!("`If-Match` is {given}, the objective is {newest}: somebody changed it; read it again");
    Err(Failure::new(ErrorKind::Conflict, words).with_status(StatusCode::PRECONDITION_FAILED))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<SloQuery>,
) -> Answer<Json<Page<Slo>>> {
    let tenant = caller.tenant();
    let request = super::page(query.cursor, query.limit)?;
    let Some(resource) = query.resource_id else {
        let page = app.store.slos().page(tenant, &request).await?;
        return Ok(Json(convert::page(page, |found| slo::listed(&app, tenant, found))));
    };
    let resource: ResourceId = resource.parse()?;
    let page = app.store.slos().page_of(tenant, &request, |found| found.selector.takes_in(&resource)).await?;
    Ok(Json(convert::page(page, |found| slo::listed(&app, tenant, found))))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(draft): Body<SloDraft>,
) -> Answer<(StatusCode, Tag, Json<Slo>)> {
    let made = slo::create(&app, &caller, &draft).await?;
    Ok((StatusCode::CREATED, tag(&made), Json(slo::shown(&app, caller.tenant(), &made))))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<(Tag, Json<Slo>)> {
    let found = app.store.slos().get(caller.tenant(), id_of(&id)?).await?;
    Ok((tag(&found), Json(slo::shown(&app, caller.tenant(), &found))))
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    Body(draft): Body<SloDraft>,
) -> Answer<(Tag, Json<Slo>)> {
    let known = app.store.slos().get(caller.tenant(), id_of(&id)?).await?;
    seen(&headers, &known)?;
    let changed = slo::replace(&app, &caller, &known, &draft).await?;
    Ok((tag(&changed), Json(slo::shown(&app, caller.tenant(), &changed))))
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let known = app.store.slos().get(caller.tenant(), id_of(&id)?).await?;
    seen(&headers, &known)?;
    slo::remove(&app, &caller, &known).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn preview(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<SloPreviewRequest>,
) -> Answer<Json<SloPreview>> {
    Ok(Json(slo::preview(&app, caller.tenant(), &request).await?))
}
