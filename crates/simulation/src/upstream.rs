//! Calls to another part of the plant: each to the instance with the fewest requests under way, skipping those that
//! are not there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::plant::Role;

/// How long a caller goes on looking for an instance while none listens: a restart takes about this long.
const SEARCH: Duration = Duration::from_millis(1_500);

/// Time between two rounds over the instances.
const PAUSE: Duration = Duration::from_millis(50);

/// One call in so many also tries instances that were not there the last time.
const PROBE: usize = 8;

/// All instances of a role.
pub(crate) struct Upstream {
    role: Role,
    instances: Vec<Instance>,
    turn: AtomicUsize,
    client: reqwest::Client,
}

/// One instance, as its callers know it.
struct Instance {
    address: SocketAddr,
    under_way: AtomicUsize,
    is_away: AtomicBool,
}

/// Counts a request under way, until it is answered or given up.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
        let instance =
            |address| Instance { address, under_way: AtomicUsize::new(0), is_away: AtomicBool::new(false) };
        Self {
            role,
            instances: addresses.into_iter().map(instance).collect(),
            turn: AtomicUsize::new(0),
            client,
        }
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
            for instance in self.in_order() {
                if let Some(answer) = self.try_one(instance, body, traceparent).await {
                    return answer;
                }
            }
            if begun.elapsed() >= SEARCH {
                return Answer { status: None, error: Some("connection_refused".to_owned()) };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The instances, best first: those that were there, by requests under way, equals in turn.
    fn in_order(&self) -> Vec<&Instance> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.instances.len().max(1);
        let mut order: Vec<(bool, usize, usize, &Instance)> = self
            .instances
            .iter()
            .enumerate()
            .map(|(at, instance)| {
                let is_away = instance.is_away.load(Ordering::Relaxed) && !turn.is_multiple_of(PROBE);
                (is_away, instance.under_way.load(Ordering::Relaxed), (at + turn) % count, instance)
            })
            .collect();
        order.sort_by_key(|&(is_away, under_way, place, _)| (is_away, under_way, place));
        order.into_iter().map(|(.., instance)| instance).collect()
    }

    async fn try_one(&self, instance: &Instance, body: &str, traceparent: &str) -> Option<Answer> {
        instance.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&instance.under_way);
        let sent = self
            .client
            .post(format!("http://{}{}", instance.address, self.role.route()))
            .header("content-type", "application/json")
            .header("traceparent", traceparent)
            .timeout(self.role.patience())
            .body(body.to_owned())
            .send()
            .await;
        instance.is_away.store(sent.as_ref().is_err_and(reqwest::Error::is_connect), Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(instances: u16) -> Upstream {
        let addresses = (1..=instances).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        Upstream::new(Role::Stock, addresses, reqwest::Client::new())
    }

    #[test]
    fn idle_instances_take_turns_and_a_busy_one_comes_last() {
        let upstream = upstream(3);
        let firsts: Vec<u16> = (0..6).map(|_| upstream.in_order()[0].address.port()).collect();
        for port in 1..=3 {
            assert_eq!(firsts.iter().filter(|&&first| first == port).count(), 2, "{firsts:?}");
        }
        upstream.instances[0].under_way.store(5, Ordering::Relaxed);
        assert!((0..6).all(|_| upstream.in_order()[2].address.port() == 1));
    }

    #[test]
    fn two_of_three_share_evenly_and_the_one_that_is_away_is_tried_now_and_then() {
        let upstream = upstream(3);
        upstream.instances[2].is_away.store(true, Ordering::Relaxed);
        let mut firsts = [0; 3];
        for _ in 0..240 {
            let first = usize::from(upstream.in_order()[0].address.port()) - 1;
            firsts[first] += 1;
        }
        assert!(firsts[2] > 0 && firsts[2] <= 30, "{firsts:?}");
        assert!(firsts[0] >= 80 && firsts[1] >= 80, "{firsts:?}");
    }
}
