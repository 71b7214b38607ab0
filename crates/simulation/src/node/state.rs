//! What a process of the plant is and holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echobase_types::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::NodeConfig;
use crate::fault::{Fault, FaultKind, Faults};
use crate::meter::{Instrument, Labels, Meter};
use crate::plant::{PROCESSOR_COST, PROCESSOR_SHARE, Role};
use crate::pool::Pool;
use crate::processor::Processor;
use crate::trace::Tracer;
use crate::upstream::Upstream;
use crate::{Clock, machine};

pub(super) const SERVER_DURATION: Instrument =
    Instrument { name: "http.server.request.duration", unit: "s", help: "Duration of requests served." };
pub(super) const CLIENT_DURATION: Instrument =
    Instrument { name: "http.client.request.duration", unit: "s", help: "Duration of calls to others." };
const CPU: Instrument = Instrument {
    name: "process.cpu.utilization",
    unit: "1",
    help: "Used share of the processor that it may use.",
};
const MEMORY_USED: Instrument =
    Instrument { name: "process.memory.usage", unit: "By", help: "Resident memory." };
const MEMORY_LIMIT: Instrument =
    Instrument { name: "process.memory.limit", unit: "By", help: "Memory it may use." };
const QUEUE: Instrument =
    Instrument { name: "messaging.queue.depth", unit: "{request}", help: "Requests that wait for a worker." };
const POOL_USED: Instrument =
    Instrument { name: "worker.pool.used", unit: "{worker}", help: "Workers that are busy." };
const POOL_LIMIT: Instrument =
    Instrument { name: "worker.pool.limit", unit: "{worker}", help: "Workers in all." };

/// Time over which processor use is measured at least: turns are counted when they end.
const SHORTEST_LOOK: Duration = Duration::from_millis(500);

/// Bytes that a leak takes at once.
const CHUNK: usize = 1 << 20;

/// The process.
pub(super) struct Node {
    pub(super) role: Role,
    instance: u32,
    memory_limit: u64,
    pub(super) clock: Clock,
    pub(super) client: reqwest::Client,
    pub(super) meter: Arc<Meter>,
    pub(super) tracer: Arc<Tracer>,
    pub(super) pool: Pool,
    pub(super) processor: Processor,
    pub(super) upstreams: Vec<Upstream>,
    random: Mutex<ChaCha8Rng>,
    faults: Mutex<Faults>,
    leaked: Mutex<Leak>,
    last_sample: Mutex<Option<(Timestamp, Duration)>>,
}

/// Memory that is kept for nothing.
#[derive(Default)]
struct Leak {
    chunks: Vec<Vec<u8>>,
    /// Bytes in use when the leak began.
    base: Option<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    pub(super) fn new(config: NodeConfig, clock: Clock) -> Self {
        let client = reqwest::Client::new();
        // Two instances of a role, and two roles, must not draw the same numbers.
        let seed =
            config.seed.wrapping_mul(1_000_003) ^ ((config.role as u64) << 8) ^ u64::from(config.instance);
        let upstreams = config
            .upstreams
            .into_iter()
            .map(|(role, addresses)| Upstream::new(role, addresses, client.clone()))
            .collect();
        Self {
            role: config.role,
            instance: config.instance,
            memory_limit: config.memory_limit,
            clock,
            client,
            meter: Arc::default(),
            tracer: Arc::new(Tracer::new(seed)),
            pool: Pool::new(config.role.workers()),
            processor: Processor::new(PROCESSOR_SHARE),
            upstreams,
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed ^ u64::MAX)),
            faults: Mutex::default(),
            leaked: Mutex::default(),
            last_sample: Mutex::default(),
        }
    }

    /// Its OpenTelemetry resource attributes.
    pub(super) fn identity(&self) -> Labels {
        let name = self.role.to_string();
        let mut identity = vec![
            ("deployment.environment.name", "demo".to_owned()),
            ("service.instance.id", format!("{name}-{}", self.instance)),
            ("service.name", name.clone()),
            ("telemetry.sdk.language", "rust".to_owned()),
        ];
        if self.role == Role::Engine {
            identity.insert(1, ("gen_ai.engine.name", name));
        }
        identity
    }

    /// Puts a fault in.
    pub(super) fn begin(&self, fault: Fault) {
        lock(&self.faults).begin(fault, (self.clock)());
    }

    /// How far a fault is now.
    pub(super) fn fault_level(&self, kind: FaultKind) -> f64 {
        lock(&self.faults).level(kind, (self.clock)())
    }

    /// Time that this request takes: the role's own, with jitter, and what a fault adds.
    pub(super) fn service_time(&self) -> Duration {
        let jitter = lock(&self.random).random_range(0.7..1.3);
        self.role.service_time().mul_f64(jitter) + lock(&self.faults).delay(self.role, (self.clock)())
    }

    /// Processor time that this request costs.
    pub(super) fn processor_cost(&self) -> Duration {
        PROCESSOR_COST + lock(&self.faults).processor_cost(self.role, (self.clock)())
    }

    /// Whether this request is one that fails.
    pub(super) fn fails(&self) -> bool {
        let share = self.fault_level(FaultKind::ErrorBurst);
        share > 0.0 && lock(&self.random).random_bool(share.min(1.0))
    }

    /// Bytes in use, and the limit.
    pub(super) fn memory(&self) -> (u64, u64) {
        (machine::resident_memory().unwrap_or(0), self.memory_limit)
    }

    /// Takes as much memory as the leak, if there is one, has reached by now.
    pub(super) fn leak(&self) {
        let level = self.fault_level(FaultKind::MemoryLeak);
        let mut leaked = lock(&self.leaked);
        if level <= 0.0 {
            *leaked = Leak::default();
            return;
        }
        let used = self.memory().0;
        let room = self.memory_limit.saturating_sub(*leaked.base.get_or_insert(used));
        let wanted = (room as f64 * level) as usize / CHUNK;
        while leaked.chunks.len() < wanted {
            // Written to, or the kernel never gives the pages.
            leaked.chunks.push(vec![1; CHUNK]);
        }
    }

    /// Reads all gauges.
    pub(super) fn sample(&self) {
        let (now, busy) = ((self.clock)(), self.processor.busy());
        let mut last = lock(&self.last_sample);
        let (at, before) = *last.get_or_insert((now, busy));
        let elapsed = now.since(at);
        if elapsed >= SHORTEST_LOOK {
            let share = busy.saturating_sub(before).as_secs_f64() / elapsed.as_secs_f64();
            self.meter.set(CPU, Vec::new(), share.min(1.0));
            *last = Some((now, busy));
        }
        drop(last);
        let (used, limit) = self.memory();
        self.meter.set(MEMORY_USED, Vec::new(), used as f64);
        self.meter.set(MEMORY_LIMIT, Vec::new(), limit as f64);
        self.meter.set(QUEUE, Vec::new(), self.pool.queue_length() as f64);
        self.meter.set(POOL_USED, Vec::new(), self.pool.busy() as f64);
        self.meter.set(POOL_LIMIT, Vec::new(), self.pool.size() as f64);
    }
}
