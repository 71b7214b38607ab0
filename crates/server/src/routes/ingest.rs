//! Sending signals by our own routes. When the answer arrives, what was accepted is on disk.

use axum::Json;
use axum::extract::{Request, State};
use echobase_api::ingest::{IngestAnswer, PointTable};
use echobase_policy::Action;

use crate::app::App;
use crate::extract::whole_body;
use crate::guard::Caller;
use crate::intake;
use crate::problem::Answer;
use crate::route::{Access, Route, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/api/v1/events", "send_events", Access::Local(Action::Ingest), events)
            .says("ingest", "Events as NDJSON, one object per line; bad lines are listed, the others kept")
            .takes_media("application/x-ndjson")
            .answers::<IngestAnswer>(),
        post("/api/v1/points", "import_points", Access::Action(Action::Import), points)
            .says("ingest", "A table of metric values of any age, as `echobase import` sends it")
            .takes::<PointTable>()
            .answers::<IngestAnswer>(),
    ]
}

async fn events(State(app): State<App>, caller: Caller, request: Request) -> Answer<Json<IngestAnswer>> {
    let (parts, body) = request.into_parts();
    let bytes = whole_body(Request::from_parts(parts.clone(), body), &app).await?;
    Ok(Json(intake::events(&app, caller.tenant(), &parts.headers, bytes).await?))
}

async fn points(State(app): State<App>, caller: Caller, request: Request) -> Answer<Json<IngestAnswer>> {
    let bytes = whole_body(request, &app).await?;
    Ok(Json(intake::points(&app, caller.tenant(), &bytes).await?))
}
