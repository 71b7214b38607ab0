//! Calls to another part of the plant: over all its instances, skipping those that are not there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::plant::Role;

/// How long a caller goes on looking for an instance while none listens: a restart takes about this long.
const SEARCH: Duration = Duration::from_millis(1_500);

/// Time between two rounds over the instances.
const PAUSE: Duration = Duration::from_millis(50);

/// All instances of a role, called in turn.
pub(crate) struct Upstream {
    role: Role,
    addresses: Vec<SocketAddr>,
    turn: AtomicUsize,
    client: reqwest::Client,
}

/// How a call ended.
pub(crate) struct Answer {
    /// Status code, if there was an answer.
    pub(crate) status: Option<u16>,
    /// The class of the failure in the words of the conventions (`error.type`), if it failed.
    pub(crate) error: Option<String>,
}

impl Upstream {
    pub(crate) fn new(role: Role, addresses: Vec<SocketAddr>, client: reqwest::Client) -> Self {
        Self { role, addresses, turn: AtomicUsize::new(0), client }
    }

    /// The role that is called.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Posts to the role's route. An instance that refuses the connection has not seen the request, so the next is
    /// tried; anything else is the answer.
    pub(crate) async fn call(&self, body: &str, traceparent: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            for offset in 0..self.addresses.len() {
                let Some(address) = self.addresses.get((turn + offset) % self.addresses.len()) else { break };
                if let Some(answer) = self.try_one(*address, body, traceparent).await {
                    return answer;
                }
            }
            if begun.elapsed() >= SEARCH {
                return Answer { status: None, error: Some("connection_refused".to_owned()) };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_one(&self, address: SocketAddr, body: &str, traceparent: &str) -> Option<Answer> {
        let sent = self
            .client
            .post(format!("http://{address}{}", self.role.route()))
            .header("content-type", "application/json")
            .header("traceparent", traceparent)
            .timeout(self.role.patience())
            .body(body.to_owned())
            .send()
            .await;
        match sent {
            Ok(response) => {
                let status = response.status();
                let error = (status.is_server_error()).then(|| status.as_u16().to_string());
                // The body is read, or the connection cannot be used again.
                let _ = response.bytes().await;
                Some(Answer { status: Some(status.as_u16()), error })
            }
            Err(error) if error.is_connect() => None,
            Err(error) if error.is_timeout() => {
                Some(Answer { status: None, error: Some("timeout".to_owned()) })
            }
            Err(_) => Some(Answer { status: None, error: Some("connection_reset".to_owned()) }),
        }
    }
}
