//! Resources, their assessments, anomalies, series, points and dependencies.

use axum::Json;
use axum::extract::State;
use echobase_api::advice::Advice;
use echobase_api::assessment::{Anomaly, AnomalyQuery, AssessmentHistory};
use echobase_api::causes::{Causes, CausesQuery};
use echobase_api::forecast::{ForecastQuery, SeriesForecast};
use echobase_api::resource::{
    Dependency, DependencyQuery, PointsQuery, RangeQuery, Resource, ResourceQuery, Series, SeriesPoints,
};
use echobase_api::{Page, PageQuery};
use echobase_policy::Action;
use echobase_store as store;
use echobase_types::{ErrorKind, ResourceId, ResourceKind};

use crate::app::App;
use crate::convert;
use crate::extract::{Params, Segment};
use crate::graph;
use crate::guard::Caller;
use crate::history;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get};

/// Bytes of the longest text to search for: as long as the longest id.
const MAX_SEARCH: usize = 512;

pub(super) fn routes() -> Vec<Route> {
    let resources = Access::Action(Action::ReadResources);
    let signals = Access::Action(Action::ReadSignals);
    vec![
        get("/api/v1/resources", "list_resources", resources, list)
            .says("resources", "Watched things with their latest assessment, by id")
            .query::<ResourceQuery>()
            .answers_page::<Resource>(),
        get("/api/v1/resources/{id}", "read_resource", resources, read)
            .says("resources", "One resource with its latest assessment")
            .answers::<Resource>(),
        get("/api/v1/resources/{id}/assessments", "read_assessments", resources, assessments)
            .says("resources", "Score, components, weights and risk over time")
            .query::<RangeQuery>()
            .answers::<AssessmentHistory>(),
        get("/api/v1/resources/{id}/series", "list_series", signals, series)
            .says("resources", "The metric series of a resource, by name")
            .query::<PageQuery>()
            .answers_page::<Series>(),
        get("/api/v1/resources/{id}/points", "read_points", signals, points)
            .says("resources", "Points of a resource's series, folded into steps")
            .query::<PointsQuery>()
            .answers::<Vec<SeriesPoints>>(),
        get("/api/v1/resources/{id}/forecast", "read_forecast", signals, forecast)
            .says("resources", "What comes next in a metric or a series, with its back-test")
            .query::<ForecastQuery>()
            .answers::<Vec<SeriesForecast>>(),
        get("/api/v1/resources/{id}/causes", "read_causes", signals, causes)
            .says("resources", "What most likely began the trouble of a resource, with the evidence")
            .query::<CausesQuery>()
            .answers::<Causes>(),
        get("/api/v1/resources/{id}/plan", "read_plan", Access::Action(Action::ReadPlaybooks), plan)
            .says("resources", "What would help a resource: its playbooks, weighed against each other")
            .answers::<Advice>(),
        get("/api/v1/anomalies", "list_anomalies", resources, anomalies)
            .says("resources", "Anomalies, newest first")
            .query::<AnomalyQuery>()
            .answers_page::<Anomaly>(),
        get("/api/v1/dependencies", "list_dependencies", resources, dependencies)
            .says("resources", "Which resource calls or uses which")
            .query::<DependencyQuery>()
            .answers_page::<Dependency>(),
    ]
}

pub(super) async fn known(app: &App, caller: &Caller, id: &str) -> Answer<ResourceId> {
    let missing = || Failure::not_found("resource", id);
    let id: ResourceId = id.parse().map_err(|_| missing())?;
    app.store.resources().get(caller.tenant(), &id).await?;
    Ok(id)
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ResourceQuery>,
) -> Answer<Json<Page<Resource>>> {
    let kind = match query.kind.as_deref() {
        None => None,
        Some(word) => Some(ResourceKind::parse(word).ok_or_else(|| {
            let words = format!("`{word}` is no kind of resource; use host, service, agent, engine, process");
            Failure::new(ErrorKind::Invalid, words)
        })?),
    };
    if query.q.as_ref().is_some_and(|q| q.len() > MAX_SEARCH) {
        return Err(Failure::new(ErrorKind::Invalid, format!("`q` must be at most {MAX_SEARCH} bytes")));
    }
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.resources().page(caller.tenant(), kind, query.q.as_deref(), &request).await?;
    Ok(Json(convert::page(page, |r| convert::resource(&app, caller.tenant(), r))))
}

async fn read(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Resource>> {
    let missing = || Failure::not_found("resource", &id);
    let parsed: ResourceId = id.parse().map_err(|_| missing())?;
    let found = app.store.resources().get(caller.tenant(), &parsed).await?;
    let failure_path = graph::path_of(&app, caller.tenant(), &parsed).await?;
    Ok(Json(Resource { failure_path, ..convert::resource(&app, caller.tenant(), &found) }))
}

async fn assessments(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<RangeQuery>,
) -> Answer<Json<AssessmentHistory>> {
    let id = known(&app, &caller, &id).await?;
    let (from, to) = super::range(query.from, query.to, app.now(), 3_600)?;
    let steps = super::steps(query.max_points)?;
    Ok(Json(history::assessments(&app, caller.tenant(), &id, from, to, steps).await?))
}

async fn series(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<PageQuery>,
) -> Answer<Json<Page<Series>>> {
    let request = super::page(query.cursor, query.limit)?;
    let id = known(&app, &caller, &id).await?;
    Ok(Json(history::series(&app, caller.tenant(), &id, &request)?))
}

async fn points(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<PointsQuery>,
) -> Answer<Json<Vec<SeriesPoints>>> {
    let id = known(&app, &caller, &id).await?;
    let (from, to) = super::range(query.from, query.to, app.now(), 3_600)?;
    let steps = super::steps(query.max_points)?;
    Ok(Json(history::points(&app, caller.tenant(), &id, &query, from, to, steps).await?))
}

async fn forecast(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<ForecastQuery>,
) -> Answer<Json<Vec<SeriesForecast>>> {
    let id = known(&app, &caller, &id).await?;
    let range = super::range(query.from, query.to, app.now(), 6 * 3_600)?;
    Ok(Json(crate::forecast::ahead(&app, caller.tenant(), &id, &query, range).await?))
}

async fn causes(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<CausesQuery>,
) -> Answer<Json<Causes>> {
    let id = known(&app, &caller, &id).await?;
    Ok(Json(crate::causes::of(&app, caller.tenant(), &id, &query).await?))
}

async fn plan(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Answer<Json<Advice>> {
    let id = known(&app, &caller, &id).await?;
    Ok(Json(crate::advice::of(&app, caller.tenant(), &id).await?))
}

async fn anomalies(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<AnomalyQuery>,
) -> Answer<Json<Page<Anomaly>>> {
    let (from, to) = super::range(query.from, query.to, app.now(), 86_400)?;
    Ok(Json(history::anomalies(&app, caller.tenant(), &query, from, to).await?))
}

async fn dependencies(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<DependencyQuery>,
) -> Answer<Json<Page<Dependency>>> {
    let request = super::page(query.cursor, query.limit)?;
    let since = app.now() - graph::SEEN_WITHIN;
    let all = app.store.resources().dependencies(caller.tenant(), since).await?;
    let touches = |d: &Dependency| match &query.resource_id {
        Some(id) => d.from == *id || d.to == *id,
        None => true,
    };
    let touching = all.iter().map(convert::dependency).filter(touches).collect();
    // No part holds the byte that stands between them.
    let key = |d: &Dependency| format!("{}\0{}\0{}", d.from, d.to, d.source);
    Ok(Json(convert::page(store::Page::of(touching, &request, key)?, Clone::clone)))
}
