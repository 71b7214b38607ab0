//! The load: requests at the shop front at a steady average rate, whatever becomes of the earlier ones (open loop).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plant::{ORDER_SHARE, Role};
use crate::trace::Tracer;
use crate::upstream::Upstream;

/// Requests that may be under way at once; more are counted as given up, so that a dead plant does not fill memory.
const MAX_UNDER_WAY: usize = 512;

/// What is sent where.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Instances of the shop front.
    pub front: Vec<SocketAddr>,
    /// Average requests per second.
    pub per_second: f64,
    /// Seed of the gaps between requests and of their mix.
    pub seed: u64,
}

/// How many requests ended how, so far.
#[derive(Debug, Default)]
pub struct LoadCounts {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl LoadCounts {
    /// Requests sent or given up.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Requests without a good answer.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// A request of the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Order { item: u32 },
    Question { length: u32 },
}

impl Request {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        if random.random_bool(ORDER_SHARE) {
            return Self::Order { item: random.random_range(0..1_000) };
        }
        Self::Question { length: random.random_range(10..200) }
    }

    fn body(self) -> String {
        match self {
            Self::Order { item } => format!("{{\"kind\":\"order\",\"item\":{item}}}"),
            Self::Question { length } => format!("{{\"kind\":\"question\",\"length\":{length}}}"),
        }
    }
}

/// The gap to the next request: exponential, so that arrivals are as random as independent customers.
fn gap(random: &mut ChaCha8Rng, per_second: f64) -> Duration {
    let uniform: f64 = random.random_range(f64::EPSILON..1.0);
    Duration::from_secs_f64((-uniform.ln() / per_second).min(2.0))
}

/// Sends until told to stop; requests under way are then given up.
pub async fn run(config: LoadConfig, counts: Arc<LoadCounts>, shutdown: CancellationToken) {
    let mut random = ChaCha8Rng::seed_from_u64(config.seed);
    let tracer = Tracer::new(config.seed.wrapping_add(1));
    let front = Arc::new(Upstream::new(Role::Front, config.front, reqwest::Client::new()));
    let mut under_way = JoinSet::new();
    let mut next = tokio::time::Instant::now();
    loop {
        next += gap(&mut random, config.per_second);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
        }
        while under_way.try_join_next().is_some() {}
        counts.sent.fetch_add(1, Ordering::Relaxed);
        let body = Request::draw(&mut random).body();
        if under_way.len() >= MAX_UNDER_WAY {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (front, counts, traceparent) =
            (Arc::clone(&front), Arc::clone(&counts), tracer.begin(None).header());
        under_way.spawn(async move {
            let answer = front.call(&body, &traceparent).await;
            if answer.error.is_some() {
                counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_and_the_rate_are_as_stated_and_depend_on_the_seed() {
        let draw = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let gaps: Duration = (0..10_000).map(|_| gap(&mut random, 16.0)).sum();
            let orders =
                (0..10_000).filter(|_| matches!(Request::draw(&mut random), Request::Order { .. })).count();
            (gaps, orders)
        };
        let (gaps, orders) = draw(7);
        assert!((gaps.as_secs_f64() - 625.0).abs() < 30.0, "10,000 requests at 16/s take 625 s: {gaps:?}");
        assert!((6_800..7_200).contains(&orders), "{orders}");
        assert_eq!(draw(7), (gaps, orders));
        assert_ne!(draw(8), (gaps, orders));
    }
}
