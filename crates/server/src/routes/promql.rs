//! The query API of Prometheus, so that Grafana and other clients of it ask here as they ask there.

mod parameters;
mod render;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use echobase_api::promql::{
    PromqlEnvelope, PromqlInstantParameters, PromqlMetadataParameters, PromqlRangeParameters,
    PromqlSeriesParameters,
};
use echobase_policy::Action;
use echobase_telemetry::{PromqlError, PromqlQuery, PromqlTimes, SeriesList};
use echobase_types::ErrorKind;
use serde_json::{Map, Value, json};

use self::parameters::Parameters;
use crate::app::App;
use crate::extract::Segment;
use crate::guard::Caller;
use crate::problem::Failure;
use crate::route::{Access, Route, get, post};

const ACCESS: Access = Access::Action(Action::Query);
const TAG: &str = "promql";
const FORM: &str = "application/x-www-form-urlencoded";
/// The Prometheus whose answers these are. Clients read from it what they may ask.
const CONFORMS_TO: &str = "2.42.0";

pub(super) fn routes() -> Vec<Route> {
    let at_once = |route: Route| {
        route
            .says(TAG, "A question in PromQL at one time")
            .query::<PromqlInstantParameters>()
            .answers::<PromqlEnvelope>()
            .repeatable()
    };
    let over_time = |route: Route| {
        route
            .says(TAG, "A question in PromQL over a range of times")
            .query::<PromqlRangeParameters>()
            .answers::<PromqlEnvelope>()
            .repeatable()
    };
    let list = |route: Route, says: &'static str| {
        route.says(TAG, says).query::<PromqlSeriesParameters>().answers::<PromqlEnvelope>().repeatable()
    };
    vec![
        at_once(get("/prometheus/api/v1/query", "promql_query", ACCESS, query)),
        at_once(post("/prometheus/api/v1/query", "promql_query_form", ACCESS, query).takes_media(FORM)),
        over_time(get("/prometheus/api/v1/query_range", "promql_query_range", ACCESS, query_range)),
        over_time(
            post("/prometheus/api/v1/query_range", "promql_query_range_form", ACCESS, query_range)
                .takes_media(FORM),
        ),
        list(get("/prometheus/api/v1/labels", "promql_labels", ACCESS, labels), "The names of labels"),
        list(
            post("/prometheus/api/v1/labels", "promql_labels_form", ACCESS, labels).takes_media(FORM),
            "The names of labels",
        ),
        list(
            get("/prometheus/api/v1/label/{name}/values", "promql_label_values", ACCESS, label_values),
            "The values of a label",
        ),
        list(get("/prometheus/api/v1/series", "promql_series", ACCESS, series), "The labels of series"),
        list(
            post("/prometheus/api/v1/series", "promql_series_form", ACCESS, series).takes_media(FORM),
            "The labels of series",
        ),
        get("/prometheus/api/v1/metadata", "promql_metadata", ACCESS, metadata)
            .says(TAG, "What metrics there are")
            .query::<PromqlMetadataParameters>()
            .answers::<PromqlEnvelope>(),
        get("/prometheus/api/v1/status/buildinfo", "promql_buildinfo", ACCESS, buildinfo)
            .says(TAG, "Which Prometheus the answers are those of")
            .answers::<PromqlEnvelope>(),
    ]
}

/// A question that is not answered, in the words and the form of that API.
struct Refused(StatusCode, &'static str, String);

type Reply = Result<Response, Refused>;

impl Refused {
    /// A parameter that does not fit.
    fn bad_data(words: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "bad_data", words.into())
    }
}

impl From<PromqlError> for Refused {
    fn from(error: PromqlError) -> Self {
        let (status, kind) = match &error {
            PromqlError::Invalid(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            PromqlError::Unsupported(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_data"),
            PromqlError::Execution(_) | PromqlError::TooLarge { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "execution")
            }
            PromqlError::Timeout { .. } => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            PromqlError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
            // What is our own fault is logged whole and answered without its inner words.
            PromqlError::Read(_) => return Failure::of(error.kind(), &error).into(),
        };
        Self(status, kind, error.to_string())
    }
}

impl From<Failure> for Refused {
    fn from(Failure(problem): Failure) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = match status {
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_server_error() => "internal",
            _ => "bad_data",
        };
        Self(status, kind, problem.detail)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, kind, words) = self;
        (status, json_text(render::envelope(&PromqlEnvelope::refusal(kind, words)))).into_response()
    }
}

fn json_text(text: String) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn query(State(app): State<App>, caller: Caller, request: Request) -> Reply {
    let given = Parameters::read(&app, request).await?;
    let at = given.time("time")?.unwrap_or_else(|| app.now());
    answer(&app, &caller, &given, PromqlTimes::At(at)).await
}

async fn query_range(State(app): State<App>, caller: Caller, request: Request) -> Reply {
    let given = Parameters::read(&app, request).await?;
    let needed = |name: &str| {
        given
            .time(name)?
            .ok_or_else(|| Refused::bad_data(format!("invalid parameter \"{name}\": it is missing")))
    };
    let (start, end) = (needed("start")?, needed("end")?);
    let step = given.length("step")?;
    let step = step.ok_or_else(|| Refused::bad_data("invalid parameter \"step\": it is missing"))?;
    answer(&app, &caller, &given, PromqlTimes::Range(start, end, step)).await
}

async fn answer(app: &App, caller: &Caller, given: &Parameters, times: PromqlTimes) -> Reply {
    let text = given.first("query").filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Refused::bad_data("invalid parameter \"query\": it is missing"))?;
    let query = PromqlQuery {
        text: text.to_owned(),
        times,
        lookback: given.length("lookback_delta")?.unwrap_or(Duration::from_secs(300)),
        timeout: given.length("timeout")?.unwrap_or(Duration::from_secs(120)),
    };
    Ok(json_text(render::answer(&app.telemetry.promql(caller.tenant(), query).await?)))
}

async fn labels(State(app): State<App>, caller: Caller, request: Request) -> Reply {
    let given = Parameters::read(&app, request).await?;
    list(&app, &caller, &given, SeriesList::LabelNames).await
}

async fn label_values(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
    request: Request,
) -> Reply {
    let given = Parameters::read(&app, request).await?;
    let fits = |(n, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || (n > 0 && c.is_ascii_digit());
    if name.is_empty() || !name.chars().enumerate().all(fits) {
        return Err(Refused::bad_data(format!("invalid label name: {name:?}")));
    }
    list(&app, &caller, &given, SeriesList::LabelValues(name)).await
}

async fn list(app: &App, caller: &Caller, given: &Parameters, list: SeriesList) -> Reply {
    let selection = given.selection(app.now())?;
    let found = app.telemetry.promql_labels(caller.tenant(), list, selection).await?;
    listed(given, found.into_iter().map(Value::from).collect())
}

async fn series(State(app): State<App>, caller: Caller, request: Request) -> Reply {
    let given = Parameters::read(&app, request).await?;
    let selection = given.selection(app.now())?;
    if selection.selectors.is_empty() {
        return Err(Refused::bad_data("no match[] parameter provided"));
    }
    let found = app.telemetry.promql_series(caller.tenant(), selection).await?;
    let object = |labels: &echobase_telemetry::Labels| {
        Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
    };
    listed(&given, found.iter().map(object).collect())
}

/// A list, cut to the limit that was asked for.
fn listed(given: &Parameters, mut all: Vec<Value>) -> Reply {
    let limit = given.limit()?.unwrap_or(usize::MAX);
    let is_cut = all.len() > limit;
    all.truncate(limit);
    let warnings = if is_cut { vec!["results truncated due to limit".to_owned()] } else { Vec::new() };
    Ok(json_text(render::envelope(&PromqlEnvelope::success(Value::Array(all), warnings))))
}

async fn metadata(State(app): State<App>, caller: Caller, request: Request) -> Reply {
    let given = Parameters::read(&app, request).await?;
    let (metric, limit) = (given.first("metric"), given.limit()?.unwrap_or(usize::MAX));
    let found = app.telemetry.promql_metrics(caller.tenant()).await?;
    let wanted = found.into_iter().filter(|family| metric.is_none_or(|name| name == family.name));
    let described = wanted
        .take(limit)
        .map(|family| (family.name, json!([{ "type": family.kind, "unit": family.unit, "help": "" }])));
    let data = Value::Object(described.collect::<Map<_, _>>());
    Ok(json_text(render::envelope(&PromqlEnvelope::success(data, Vec::new()))))
}

async fn buildinfo(_: Caller) -> Reply {
    let data = json!({
        "version": CONFORMS_TO,
        "revision": env!("CARGO_PKG_VERSION"),
        "branch": "echobase",
        "buildUser": "",
        "buildDate": "",
        "goVersion": ""
    });
    Ok(json_text(render::envelope(&PromqlEnvelope::success(data, Vec::new()))))
}

/// What a parameter that cannot be read is answered with.
fn invalid(name: &str, words: impl std::fmt::Display) -> Refused {
    Failure::new(ErrorKind::Invalid, format!("invalid parameter \"{name}\": {words}")).into()
}
