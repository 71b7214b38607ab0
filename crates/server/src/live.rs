//! The live stream: one hub, read by SSE and WebSocket, resumable by sequence number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use echobase_api::live::LiveEvent;
use echobase_controller::Change;
use echobase_types::TenantId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::convert;

/// Events kept for readers that come back.
const KEPT: usize = 2_048;
/// Events a reader may lag behind before it is told to load anew.
const LAG: usize = 1_024;

/// One event, written once for all readers.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// Sequence number, from 1, over all tenants.
    pub seq: u64,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its topic.
    pub topic: &'static str,
    /// The event as JSON: `{"topic": …, "data": …}`.
    pub json: String,
}

/// The hub. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    ring: Arc<Mutex<Ring>>,
    sender: broadcast::Sender<Arc<Envelope>>,
}

#[derive(Default)]
struct Ring {
    last: u64,
    kept: VecDeque<Arc<Envelope>>,
}

/// What a new reader gets: what it missed, and what comes.
pub(crate) struct Subscription {
    /// Whether events were missed that are no longer kept.
    pub gap: bool,
    /// Kept events after the one last seen, oldest first.
    pub missed: Vec<Arc<Envelope>>,
    /// The events to come.
    pub receiver: broadcast::Receiver<Arc<Envelope>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { ring: Arc::default(), sender: broadcast::channel(LAG).0 }
    }
}

impl Hub {
    /// Publishes an event to the readers of a tenant.
    pub(crate) fn publish(&self, tenant: &TenantId, event: &LiveEvent) {
        let Ok(json) = serde_json::to_string(event) else { return };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.last += 1;
        let envelope =
            Arc::new(Envelope { seq: ring.last, tenant: tenant.clone(), topic: event.topic(), json });
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(envelope.clone());
        // Sent under the lock, so that the order on the wire is the order of the numbers. Nobody listening is fine.
        let _ = self.sender.send(envelope);
    }

    /// Subscribes a reader that has seen everything up to `last_seen` (`None`: a new reader).
    pub(crate) fn subscribe(&self, tenant: &TenantId, last_seen: Option<u64>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(seen) = last_seen else { return Subscription { gap: false, missed: Vec::new(), receiver } };
        let oldest = ring.kept.front().map_or(ring.last + 1, |e| e.seq);
        let missed = ring.kept.iter().filter(|e| e.seq > seen && e.tenant == *tenant).cloned().collect();
        // A number from the future was given by an earlier process: what came between is unknown.
        Subscription { gap: seen + 1 < oldest || seen > ring.last, missed, receiver }
    }
}

/// Carries changes of alerts and interventions to the readers, until shutdown.
pub(crate) async fn relay(app: App, shutdown: CancellationToken) {
    let mut alerts = app.oncall.subscribe();
    let mut interventions = app.controller.subscribe();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            change = alerts.recv() => match change {
                Ok(change) => app.live.publish(&change.tenant, &LiveEvent::Alert((&change.alert).into())),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            change = interventions.recv() => match change {
                Ok(change) => publish(&app, change).await,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

async fn publish(app: &App, change: Change) {
    match change {
        Change::Intervention { tenant, intervention } => {
            let summary = App::name_proposer((&*intervention).into());
            app.live.publish(&tenant, &LiveEvent::Intervention(summary));
        }
        Change::Freezes { tenant } => {
            if let Ok(freezes) = convert::freezes(app, &tenant).await {
                app.live.publish(&tenant, &LiveEvent::Freezes(freezes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn lagged(n: u64) -> LiveEvent {
        LiveEvent::Lagged(n)
    }

    #[test]
    fn a_reader_that_comes_back_gets_what_it_missed_of_its_own_tenant() {
        let hub = Hub::default();
        let (a, b) = (TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        hub.publish(&a, &lagged(1));
        hub.publish(&b, &lagged(2));
        hub.publish(&a, &lagged(3));
        let back = hub.subscribe(&a, Some(1));
        assert!(!back.gap);
        assert_eq!(back.missed.iter().map(|e| e.seq).collect::<Vec<_>>(), [3]);
        assert!(hub.subscribe(&a, None).missed.is_empty());
    }

    #[test]
    fn a_reader_away_too_long_or_from_another_process_is_told_of_the_gap() {
        let hub = Hub::default();
        let a = TenantId::new("a").unwrap();
        for n in 0..=(KEPT as u64) {
            hub.publish(&a, &lagged(n));
        }
        assert!(hub.subscribe(&a, Some(0)).gap);
        assert!(hub.subscribe(&a, Some(u64::MAX - 1)).gap);
        assert!(!hub.subscribe(&a, Some(KEPT as u64)).gap);
    }
}
