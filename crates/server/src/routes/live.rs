//! The live stream, by SSE and by WebSocket.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use echobase_api::live::LiveQuery;
use echobase_policy::Action;
use echobase_types::{ErrorKind, TenantId};
use futures::stream::{self, Stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::app::App;
use crate::extract::Params;
use crate::guard::Caller;
use crate::live::{Envelope, Subscription};
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get};
use crate::session;

/// A stream ends after this time; clients come back with the number of the last event, and their credential is
/// checked again.
const LIFE: Duration = Duration::from_secs(600);

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/live", "live", Access::Action(Action::ViewOverview), live)
            .says("live", "Events as they happen: SSE, or WebSocket on upgrade; resumes by `Last-Event-ID`")
            .query::<LiveQuery>()
            .answers_media("text/event-stream"),
    ]
}

async fn live(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<LiveQuery>,
    headers: HeaderMap,
    request: Request,
) -> Answer<Response> {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let reader = Reader::new(&app, caller.tenant().clone(), query.topics.as_deref(), last)?;
    let wants_upgrade =
        headers.get(header::UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !wants_upgrade {
        let keep = KeepAlive::new().interval(Duration::from_secs(15));
        return Ok(Sse::new(reader.into_sse()).keep_alive(keep).into_response());
    }
    // Browsers send cookies with WebSocket requests of any site.
    session::refuse_cross_site(&headers)?;
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app)
        .await
        .map_err(|e| Failure::new(ErrorKind::Invalid, e.body_text()))?;
    Ok(upgrade.on_upgrade(move |socket| reader.into_socket(socket)))
}

struct Reader {
    tenant: TenantId,
    topics: Option<Vec<String>>,
    subscription: Subscription,
    missed_at: usize,
    told_gap: bool,
    until: Instant,
    stop: tokio_util::sync::CancellationToken,
}

enum Item {
    One(std::sync::Arc<Envelope>),
    Lagged(u64),
}

const TOPICS: [&str; 7] = ["assessments", "anomaly", "intervention", "alert", "freezes", "ledger", "lagged"];

impl Reader {
    fn new(app: &App, tenant: TenantId, topics: Option<&str>, last: Option<u64>) -> Answer<Self> {
        let topics: Option<Vec<String>> = topics.map(|t| t.split(',').map(|t| t.trim().to_owned()).collect());
        if let Some(unknown) = topics.iter().flatten().find(|t| !TOPICS.contains(&t.as_str())) {
            let words = format!("there is no topic `{unknown}`; topics are {}", TOPICS.join(", "));
            return Err(Failure::new(ErrorKind::Invalid, words));
        }
        let subscription = app.live.subscribe(&tenant, last);
        let until = Instant::now() + LIFE;
        let stop = app.shutdown.clone();
        Ok(Self { tenant, topics, subscription, missed_at: 0, told_gap: false, until, stop })
    }

    fn wants(&self, envelope: &Envelope) -> bool {
        envelope.tenant == self.tenant
            && self.topics.as_ref().is_none_or(|t| t.iter().any(|t| t == envelope.topic))
    }

    async fn next(&mut self) -> Option<Item> {
        if self.subscription.gap && !self.told_gap {
            self.told_gap = true;
            return Some(Item::Lagged(0));
        }
        while let Some(envelope) = self.subscription.missed.get(self.missed_at).cloned() {
            self.missed_at += 1;
            if self.wants(&envelope) {
                return Some(Item::One(envelope));
            }
        }
        loop {
            let received = tokio::select! {
                received = self.subscription.receiver.recv() => received,
                () = tokio::time::sleep_until(self.until) => return None,
                () = self.stop.cancelled() => return None,
            };
            match received {
                Ok(envelope) if self.wants(&envelope) => return Some(Item::One(envelope)),
                Ok(_) => {}
                Err(RecvError::Lagged(n)) => return Some(Item::Lagged(n)),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn into_sse(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            let event = match reader.next().await? {
                Item::One(e) => Event::default().id(e.seq.to_string()).event(e.topic).data(&e.json),
                Item::Lagged(n) => Event::default().event("lagged").data(lagged(n)),
            };
            Some((Ok(event), reader))
        })
    }

    async fn into_socket(mut self, mut socket: WebSocket) {
        loop {
            let item = tokio::select! {
                item = self.next() => item,
                // Reading notices a closed peer and answers pings; what it says is of no interest.
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
            };
            let text = match item {
                Some(Item::One(e)) => format!("{{\"id\":{},{}", e.seq, e.json.trim_start_matches('{')),
                Some(Item::Lagged(n)) => lagged(n),
                None => {
                    let _ = socket.send(Message::Close(None)).await;
                    return;
                }
            };
            if socket.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    }
}

fn lagged(n: u64) -> String {
    format!("{{\"topic\":\"lagged\",\"data\":{n}}}")
}
