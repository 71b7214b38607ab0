//! The one table of routes: it registers the handler, names the action asked of the decision point, and describes
//! the operation in the OpenAPI document.

mod verbs;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use echobase_api::Page;
use echobase_api::openapi::{Content, Operation, Shapes, members_of, opaque, schema_of};
use echobase_policy::Action;
use echobase_types::ErrorKind;
use schemars::JsonSchema;

use crate::app::App;
use crate::guard;
use crate::problem::Failure;

pub(crate) use verbs::Verbs;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody; the reason stands in the table.
    Public(&'static str),
    /// Any signed-in principal, on its own behalf.
    SignedIn,
    /// Whom the decision point permits this action in the tenant.
    Action(Action),
    /// As `Action`; and a sender on this machine without a credential acts as the built-in principal `local`,
    /// as far as the configuration allows.
    Local(Action),
}

/// How a repeated `Idempotency-Key` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// The first answer again.
    Answer,
    /// A conflict: the first answer held a secret that is shown once and never stored.
    Conflict,
    /// The route is not a write, or is harmless to repeat.
    None,
}

/// One route.
pub(crate) struct Route {
    /// What the OpenAPI document says.
    pub operation: Operation,
    /// Who may call it.
    pub access: Access,
    /// How repeats are answered.
    pub replay: Replay,
    handler: MethodRouter<App>,
}

const JSON: &str = "application/json";

impl Route {
    fn new<H, T>(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        access: Access,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = match method {
            "get" => MethodFilter::GET,
            "post" => MethodFilter::POST,
            "put" => MethodFilter::PUT,
            "patch" => MethodFilter::PATCH,
            _ => MethodFilter::DELETE,
        };
        let action = match access {
            Access::Public(why) => format!("public: {why}"),
            Access::SignedIn => "signed in".to_owned(),
            Access::Action(action) | Access::Local(action) => action.as_str().to_owned(),
        };
        Self {
            operation: Operation {
                method,
                path,
                id,
                summary: "",
                tag: "",
                action,
                status: 200,
                shapes: Shapes::default(),
            },
            access,
            replay: if method == "get" { Replay::None } else { Replay::Answer },
            handler: on(filter, handler),
        }
    }

    /// One line for the document, and the group it is shown in.
    pub(crate) fn says(mut self, tag: &'static str, summary: &'static str) -> Self {
        self.operation.tag = tag;
        self.operation.summary = summary;
        self
    }

    /// Takes these query parameters.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.operation.shapes.query = Some(members_of::<T>);
        self
    }

    /// Takes this JSON body.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.operation.shapes.body = Some(Content { media: JSON, schema: schema_of::<T> });
        self
    }

    /// Takes a body of this media type.
    pub(crate) fn takes_media(mut self, media: &'static str) -> Self {
        self.operation.shapes.body = Some(Content { media, schema: opaque });
        self
    }

    /// Answers this as JSON.
    pub(crate) fn answers<T: JsonSchema>(mut self) -> Self {
        self.operation.shapes.answer = Some(Content { media: JSON, schema: schema_of::<T> });
        self
    }

    /// Answers a page of these.
    pub(crate) fn answers_page<T: JsonSchema>(self) -> Self {
        self.answers::<Page<T>>()
    }

    /// Answers this media type.
    pub(crate) fn answers_media(mut self, media: &'static str) -> Self {
        self.operation.shapes.answer = Some(Content { media, schema: opaque });
        self
    }

    /// Answers with this status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.operation.status = status;
        self
    }

    /// The answer holds a secret that is shown once.
    pub(crate) fn shows_secret(mut self) -> Self {
        self.replay = Replay::Conflict;
        self
    }

    /// Takes the version that the caller saw as `If-Match`.
    pub(crate) fn versioned(mut self) -> Self {
        self.operation.shapes.versioned = true;
        self
    }

    /// Repeating it is harmless, so that no key is remembered.
    pub(crate) fn repeatable(mut self) -> Self {
        self.replay = Replay::None;
        self
    }
}

/// A route that reads.
pub(crate) fn get<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route::new("get", path, id, access, handler)
}

/// A route that makes something or does something.
pub(crate) fn post<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route::new("post", path, id, access, handler)
}

/// A route that replaces.
pub(crate) fn put<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route::new("put", path, id, access, handler)
}

/// A route that changes some members.
pub(crate) fn patch<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route::new("patch", path, id, access, handler)
}

/// A route that removes.
pub(crate) fn delete<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    access: Access,
    handler: H,
) -> Route {
    Route::new("delete", path, id, access, handler)
}

/// The router of a table, each route behind its guard and its limit of body size.
pub(crate) fn router(table: Vec<Route>, app: &App) -> Router<App> {
    let mut router = Router::new();
    for route in table {
        let takes_signals = match route.access {
            Access::Action(action) | Access::Local(action) => {
                matches!(action, Action::Ingest | Action::Import)
            }
            Access::Public(_) | Access::SignedIn => false,
        };
        let most =
            if takes_signals { app.intake.max_request_bytes } else { app.config.server.max_body_bytes.get() };
        let path = verbs::inner_path(route.operation.path);
        let gate = guard::Gate { app: app.clone(), access: route.access, replay: route.replay };
        let handler: MethodRouter<App> = route.handler.layer(from_fn_with_state(gate, guard::pass));
        router = router.route(&path, handler.layer(DefaultBodyLimit::max(most)));
    }
    router.method_not_allowed_fallback(async |method: Method, uri: Uri| {
        let words = format!(
            "`{}` takes no {method}; the description at /api/openapi.json says what it takes",
            uri.path()
        );
        Failure::new(ErrorKind::Invalid, words).with_status(StatusCode::METHOD_NOT_ALLOWED)
    })
}
