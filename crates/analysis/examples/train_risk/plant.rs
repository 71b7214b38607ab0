//! A service as a queue: traffic with a day and a mood, capacity, a pool, memory, disk and one dependency. It fails
//! when memory or disk is used up, or when more than a fifth of its requests fail for three minutes.

use crate::noise::Noise;

/// What is measured at each row.
pub(crate) const NAMES: [&str; 10] =
    ["rps", "lat_p50", "lat_p99", "error_rate", "cpu", "mem", "queue", "conns", "disk", "dep_latency"];

/// What works on the service at one row, beside its ordinary life.
#[derive(Clone, Copy)]
pub(crate) struct Strain {
    /// Factors of traffic, capacity, time of the dependency, and work per request.
    pub(crate) traffic: f64,
    pub(crate) capacity: f64,
    pub(crate) dependency: f64,
    pub(crate) work: f64,
    /// Traffic stays below this share of the capacity.
    pub(crate) traffic_at_most: f64,
    /// Used shares beside the usual ones.
    pub(crate) memory: f64,
    pub(crate) disk: f64,
    pub(crate) leaked: f64,
    pub(crate) processor: f64,
    /// Failed share beside what overload fails.
    pub(crate) errors: f64,
    /// How much of what failed comes again.
    pub(crate) retries: f64,
}

impl Default for Strain {
    fn default() -> Self {
        Self {
            traffic: 1.0,
            capacity: 1.0,
            dependency: 1.0,
            work: 1.0,
            traffic_at_most: f64::INFINITY,
            memory: 0.0,
            disk: 0.0,
            leaked: 0.0,
            processor: 0.0,
            errors: 0.0,
            retries: 0.08,
        }
    }
}

/// The service, as it was drawn and as it stands.
pub(crate) struct Plant {
    /// Minutes between two rows.
    minutes: f64,
    base: f64,
    amplitude: f64,
    phase: f64,
    capacity: f64,
    work: f64,
    dependency: f64,
    pool: f64,
    mood_noise: f64,
    /// How restless the measurements are: 1 is usual.
    grain: f64,
    /// Set where few requests are counted at each row, so that chance shows in what is measured.
    few: Option<Few>,
    /// Used shares in ordinary life.
    pub(crate) memory: f64,
    pub(crate) disk: f64,
    mood: f64,
    queue: f64,
    again: f64,
    failing: f64,
}

/// How chance shows where little is counted.
#[derive(Clone, Copy)]
struct Few {
    /// Requests that are counted at a row of the mean traffic.
    counted: f64,
    /// Share that fails for reasons of its own.
    failing: f64,
    /// What one who waits adds to the queue that is told.
    waiting: f64,
}

impl Few {
    /// What is told of a row, for what it truly was: the failed share of those counted, their latencies, and a queue in
    /// which somebody waits by chance (as long as in a queue of one server at this load).
    fn seen(self, row: &mut [f64; 10], traffic: f64, load: f64, r: &mut Noise) {
        let counted = r.poisson(self.counted * traffic).max(1.0);
        let scatter = 1.0 / counted.sqrt();
        row[0] *= (1.0 + scatter * r.normal()).max(0.05);
        row[1] *= (0.6 * scatter * r.normal()).exp();
        row[2] *= (1.5 * scatter * r.normal()).exp();
        row[3] = (r.poisson(counted * (row[3] + self.failing)) / counted).min(1.0);
        let load = load.min(0.9);
        row[6] += self.waiting * -r.uniform().max(1e-9).ln() * load * load / (1.0 - load);
    }
}

impl Plant {
    /// Counts so few requests that chance shows.
    pub(crate) fn count_few(&mut self, r: &mut Noise) {
        self.few = Some(Few {
            counted: r.log_between(5.0, 5_000.0),
            failing: r.log_between(1e-4, 2e-2),
            waiting: r.log_between(0.03, 3.0),
        });
    }

    pub(crate) fn draw(minutes: f64, grain: f64, r: &mut Noise) -> Self {
        let base = 10_f64.powf(r.between(1.3, 3.2));
        let amplitude = r.between(0.1, 0.6);
        let capacity = base * (1.0 + amplitude) * r.between(1.35, 2.2);
        let (work, dependency) = (r.between(0.005, 0.08), r.between(0.01, 0.05));
        let pool = r.between(40.0, 400.0).max(capacity * (work + dependency) * r.between(2.0, 4.0));
        Self {
            minutes,
            base,
            amplitude,
            phase: r.between(0.0, 1_440.0),
            capacity,
            work,
            dependency,
            pool,
            mood_noise: r.between(0.01, 0.05),
            grain,
            few: None,
            memory: r.between(0.25, 0.55),
            disk: r.between(0.2, 0.6),
            mood: 0.0,
            queue: 0.0,
            again: 0.0,
            failing: 0.0,
        }
    }

    /// Capacity over the traffic of the busiest hour.
    pub(crate) fn headroom(&self) -> f64 {
        self.capacity / (self.base * (1.0 + self.amplitude))
    }

    /// The next row.
    pub(crate) fn step(&mut self, row: usize, strain: &Strain, r: &mut Noise) -> ([f64; 10], bool) {
        let keep = 0.95_f64.powf(self.minutes);
        let wander = ((1.0 - keep * keep) / (1.0 - 0.95 * 0.95)).sqrt();
        self.mood = keep * self.mood + self.mood_noise * wander * r.normal();
        let day = (std::f64::consts::TAU * (row as f64 * self.minutes + self.phase) / 1_440.0).sin();
        let memory = self.memory + strain.memory;
        let disk = self.disk + strain.disk;
        let work = self.work * strain.work;
        let dependency = self.dependency * (1.0 + (0.15 * r.normal()).abs()) * strain.dependency;
        let mut capacity = self.capacity * strain.capacity;
        if memory > 0.9 {
            capacity *= (1.0 - 5.0 * (memory - 0.9)).max(0.3);
        }
        let free = (self.pool * (1.0 - strain.leaked)).max(0.5);
        capacity = capacity.min(free / (work + dependency)).max(1e-9);
        let usual = self.base * (1.0 + self.amplitude * day) * (1.0 + self.mood).max(0.1);
        let traffic = (usual * strain.traffic).min(strain.traffic_at_most * capacity);
        let offered = traffic * (1.0 + self.again);
        let seconds = 60.0 * self.minutes;
        let served = (offered + self.queue / seconds).min(capacity);
        self.queue = (self.queue + (offered - served) * seconds).clamp(0.0, capacity * 180.0);
        let load = (offered / capacity).min(3.0);
        let wait = work * load / (1.0 - load.min(0.98)).max(0.02) + self.queue / capacity / 4.0;
        let (usual_time, slowest) = (work + dependency + wait * 0.5, (work + dependency) * 2.5 + wait * 4.0);
        let overload = ((slowest - 5.0) / 30.0).clamp(0.0, 1.0);
        let full = if disk > 0.97 { 0.05 } else { 0.0 };
        let failed = (0.0005 + (0.0004 * r.normal()).abs() + overload + full + strain.errors).clamp(0.0, 1.0);
        let forget = 0.9_f64.powf(self.minutes);
        self.again = (forget * self.again + (1.0 - forget) * 20.0 * strain.retries * failed).min(2.0);
        let busy = 0.05 + 0.8 * load.min(1.2) + strain.processor + (2.0 * (memory - 0.88)).max(0.0);
        let held = strain.leaked + served * (work + dependency + wait * 0.2) / self.pool;
        let row = [
            (served, 0.02),
            (usual_time, 0.04),
            (slowest, 0.1),
            (failed, 0.1),
            (busy.min(1.0), 0.03),
            (memory.min(1.0), 0.005),
            (self.queue, 0.05),
            (held.min(1.0), 0.03),
            (disk.min(1.0), 0.002),
            (dependency, 0.05),
        ];
        let mut seen = [0.0; 10];
        for (j, (value, noise)) in row.into_iter().enumerate() {
            let value = (value * (1.0 + self.grain * noise * r.normal())).max(0.0);
            seen[j] = if [4, 5, 7, 8].contains(&j) { value.min(1.0) } else { value };
        }
        if let Some(few) = self.few {
            few.seen(&mut seen, traffic / self.base, load, r);
        }
        self.failing = if failed > 0.2 { self.failing + self.minutes } else { 0.0 };
        (seen, memory >= 1.0 || disk >= 1.0 || self.failing >= 3.0)
    }
}
