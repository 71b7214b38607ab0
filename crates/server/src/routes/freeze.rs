//! The freeze switch.

use axum::Json;
use axum::extract::State;
use echobase_api::freeze::{Freeze, FreezeRequest, ReleaseRequest};
use echobase_policy::Action;

use crate::app::App;
use crate::convert;
use crate::extract::Body;
use crate::guard::Caller;
use crate::problem::Answer;
use crate::route::{Access, Route, get, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/freeze", "list_freezes", Access::Action(Action::ReadInterventions), list)
            .says("freeze", "The freezes in force")
            .answers::<Vec<Freeze>>(),
        post("/api/v1/freeze", "freeze", Access::Action(Action::Freeze), freeze)
            .says("freeze", "Stop all actions in a scope within a second; rollbacks stay allowed")
            .takes::<FreezeRequest>()
            .answers::<Vec<Freeze>>(),
        post("/api/v1/freeze:release", "release_freeze", Access::Action(Action::Unfreeze), release)
            .says("freeze", "Ask for the end of a freeze, or confirm what another person asked for")
            .takes::<ReleaseRequest>()
            .answers::<Vec<Freeze>>(),
    ]
}

async fn list(State(app): State<App>, caller: Caller) -> Answer<Json<Vec<Freeze>>> {
    Ok(Json(convert::freezes(&app, caller.tenant()).await?))
}

async fn freeze(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<FreezeRequest>,
) -> Answer<Json<Vec<Freeze>>> {
    let scope = convert::freeze_scope(request.scope.as_deref().unwrap_or("tenant"))?;
    app.controller.freeze(caller.tenant(), scope, &request.reason, caller.actor(), app.now()).await?;
    Ok(Json(convert::freezes(&app, caller.tenant()).await?))
}

async fn release(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<ReleaseRequest>,
) -> Answer<Json<Vec<Freeze>>> {
    let scope = convert::freeze_scope(&request.scope)?;
    app.controller
        .release(caller.tenant(), scope, &request.reason, caller.principal.id, caller.actor(), app.now())
        .await?;
    Ok(Json(convert::freezes(&app, caller.tenant()).await?))
}
