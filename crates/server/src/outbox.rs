//! The dispatcher of the outbox: claims what is due, sends it, notes what became of it.

use std::time::Duration;

use echobase_channels::Outcome;
use echobase_oncall::message;
use echobase_store::Trail;
use echobase_store::outbox::{Failure, Fate, Message};
use echobase_types::ledger::{Actor, EntryDraft, Outcome as Ending};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::actuator::Webhooks;
use crate::app::App;

/// How often due messages are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long a claim lasts: longer than a message may take.
const LEASE: Duration = Duration::from_secs(60);
/// Messages claimed at a time.
const BATCH: u32 = 16;
/// The name under which messages are claimed.
const WORKER: &str = "dispatcher";

/// Runs until shutdown.
pub(crate) async fn run(app: App, webhooks: Webhooks, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let claimed = match app.store.outbox().claim(WORKER, BATCH, LEASE, app.now()).await {
            Ok(claimed) => claimed,
            Err(error) => {
                warn!(error = %error, "outbox not read; tried again");
                continue;
            }
        };
        for message in claimed {
            dispatch(&app, &webhooks, &message).await;
        }
    }
}

async fn dispatch(app: &App, webhooks: &Webhooks, message: &Message) {
    let body = match message.subject.strip_prefix(message::SUBJECT) {
        // Told as things are now, not as they were when it was enqueued.
        Some(group) => match app.oncall.message(&message.tenant, group).await {
            Ok(body) => body,
            Err(error) => {
                warn!(message = %message.id, error = %error, "message not written; its claim runs out");
                return;
            }
        },
        None => message.body.clone(),
    };
    let outcome = webhooks.send_named(&message.channel, &message.id.to_string(), body).await;
    let entry = |action: &str| {
        EntryDraft::new(Actor::system("outbox"), action, "message", message.id)
            .fact("channel", message.channel.as_str())
            .fact("subject", message.subject.as_str())
    };
    let (failure, reason) = match outcome {
        Outcome::Delivered { status } => {
            info!(message = %message.id, channel = message.channel, status, "message delivered");
            let trail = entry("message.deliver").fact("attempts", i64::from(message.attempts)).into();
            if let Err(error) = app.store.outbox().delivered(message, WORKER, trail, app.now()).await {
                warn!(message = %message.id, error = %error, "delivery not noted; the message may leave twice");
            }
            return;
        }
        Outcome::Retry { after, reason } => (Failure::Passing { after }, reason),
        Outcome::Refused { reason } => (Failure::Lasting, reason),
    };
    warn!(message = %message.id, channel = message.channel, reason, "message not delivered");
    let trail = |fate| match fate {
        Fate::Dead => entry("message.give_up").outcome(Ending::Error).fact("reason", reason.as_str()).into(),
        Fate::Retry { .. } => Trail::none(),
    };
    if let Err(error) = app.store.outbox().failed(message, WORKER, failure, &reason, trail, app.now()).await {
        warn!(message = %message.id, error = %error, "failed attempt not noted");
    }
}
