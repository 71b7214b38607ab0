//! The plant: who is in it, who calls whom, and how fast each part is when it is well.

use std::fmt;
use std::time::Duration;

/// A part of the plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The shop front: takes orders and questions from outside.
    Front,
    /// The orders service: a pool of workers before a queue.
    Orders,
    /// The store: keeps stock.
    Stock,
    /// The model engine: answers chat completions.
    Engine,
}

impl Role {
    /// All, callers last: in this order they can be started.
    pub const ALL: [Self; 4] = [Self::Stock, Self::Engine, Self::Orders, Self::Front];

    /// The word in arguments and configuration, and the service name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Orders => "orders",
            Self::Stock => "stock",
            Self::Engine => "engine",
        }
    }

    /// The role of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The id under which Echobase knows it (identity rule of `ingest`).
    pub const fn resource_id(self) -> &'static str {
        match self {
            Self::Front => "service:front",
            Self::Orders => "service:orders",
            Self::Stock => "service:stock",
            Self::Engine => "engine:engine",
        }
    }

    /// Whom it calls.
    pub const fn upstreams(self) -> &'static [Self] {
        match self {
            Self::Front => &[Self::Orders, Self::Engine],
            Self::Orders => &[Self::Stock],
            Self::Stock | Self::Engine => &[],
        }
    }

    /// Its path and the method it answers work on.
    pub const fn route(self) -> &'static str {
        match self {
            Self::Front => "/order",
            Self::Orders => "/orders",
            Self::Stock => "/reserve",
            Self::Engine => "/v1/chat/completions",
        }
    }

    /// Requests it can work on at once; further ones wait in its queue.
    pub const fn workers(self) -> usize {
        match self {
            Self::Front => 32,
            Self::Orders | Self::Stock | Self::Engine => 8,
        }
    }

    /// Time that one request takes when all is well, without its calls and without waiting. Well above the hiccups of a
    /// busy machine, so that what an onlooker sees is the plant and not its host.
    pub const fn service_time(self) -> Duration {
        Duration::from_millis(match self {
            Self::Front => 30,
            Self::Orders => 60,
            Self::Stock => 40,
            Self::Engine => 250,
        })
    }

    /// Requests per second that reach it under [`LOAD_PER_SECOND`].
    pub const fn rate(self) -> f64 {
        match self {
            Self::Front => LOAD_PER_SECOND,
            Self::Orders | Self::Stock => LOAD_PER_SECOND * ORDER_SHARE,
            Self::Engine => LOAD_PER_SECOND * (1.0 - ORDER_SHARE),
        }
    }

    /// How long a caller waits for its answer.
    pub const fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Self::Front => 6_000,
            Self::Orders => 3_000,
            Self::Stock => 1_000,
            Self::Engine => 4_000,
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Requests per second at the shop front.
pub const LOAD_PER_SECOND: f64 = 16.0;

/// Share of them that are orders; the rest are questions to the model engine.
pub const ORDER_SHARE: f64 = 0.7;

/// Share of one core that a process of the plant may use. It bounds what a saturated process takes from the machine.
pub const PROCESSOR_SHARE: f64 = 0.5;

/// Processor time of one request when all is well.
pub const PROCESSOR_COST: Duration = Duration::from_millis(1);

/// Memory that a process of the plant may use, in bytes. Above it the process dies, as under a container's limit.
pub const MEMORY_LIMIT: u64 = 256 << 20;

/// Processes of one role at most.
pub const MAX_INSTANCES: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_started_after_those_it_calls_and_reads_back() {
        for (at, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            for upstream in role.upstreams() {
                assert!(Role::ALL[..at].contains(upstream), "{role} calls {upstream}");
            }
        }
    }

    #[test]
    fn a_well_plant_is_far_from_its_limits() {
        for role in Role::ALL {
            let processor = role.rate() * PROCESSOR_COST.as_secs_f64() / PROCESSOR_SHARE;
            let workers = role.rate() * role.service_time().as_secs_f64() / role.workers() as f64;
            assert!(processor < 0.3 && workers < 0.3, "{role}: processor {processor}, workers {workers}");
        }
    }
}
