//! A small fleet that is well: the shop of the demo and a host, with the metrics that they send in earnest.

use std::f64::consts::TAU;
use std::time::Duration;

use echobase_types::signal::{HistogramPoint, MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

/// Time between two readings.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// Upper bounds of the buckets of latency, as the conventions advise.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Repeatable noise (SplitMix64).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-12), self.uniform());
        (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
    }

    /// How many of many rare things happen.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (mut left, mut count) = (self.uniform(), 0);
        let mut term = (-mean).exp();
        while left > term && count < 1_000 {
            left -= term;
            count += 1;
            term *= mean / count as f64;
        }
        count
    }
}

/// One resource with its series, in the order in which they are written.
struct Sender {
    batch: SignalBatch,
    /// The next series to be written.
    at: usize,
}

impl Sender {
    fn new(id: &str) -> Self {
        let id = ResourceId::new(id).unwrap();
        let (kind, name) = id.as_str().split_once(':').unwrap();
        let resource = Resource {
            kind: ResourceKind::parse(kind).unwrap(),
            name: name.to_owned(),
            attributes: Attributes::new(),
            id,
        };
        Self { batch: SignalBatch { resources: vec![resource], ..SignalBatch::default() }, at: 0 }
    }

    fn begin(&mut self) {
        self.at = 0;
        self.batch.points.clear();
        self.batch.histograms.clear();
    }

    /// The index of a series, which is described when it is first written.
    fn series(&mut self, name: &str, unit: &str, kind: MetricKind, label: Option<(&str, &str)>) -> u32 {
        let at = self.at;
        self.at += 1;
        if at == self.batch.series.len() {
            let text = format!("{} {name} {label:?}", self.batch.resources[0].id);
            let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            self.batch.series.push(Series {
                id: SeriesId(digest),
                resource: 0,
                name: name.to_owned(),
                unit: unit.to_owned(),
                kind,
                attributes: label.into_iter().collect(),
            });
        }
        at as u32
    }

    fn point(&mut self, time: Timestamp, name: &str, unit: &str, label: Option<(&str, &str)>, value: f64) {
        let series = self.series(name, unit, MetricKind::Gauge, label);
        self.batch.points.push(MetricPoint { series, time, value });
    }

    fn counter(&mut self, time: Timestamp, name: &str, unit: &str, label: Option<(&str, &str)>, value: f64) {
        let series = self.series(name, unit, MetricKind::Counter, label);
        self.batch.points.push(MetricPoint { series, time, value });
    }

    fn histogram(&mut self, time: Timestamp, name: &str, label: (&str, &str), counts: &[u64; 15]) {
        let series = self.series(name, "s", MetricKind::Histogram, Some(label));
        self.batch.histograms.push(HistogramPoint {
            series,
            time,
            cumulative: true,
            count: counts.iter().sum(),
            sum: 0.0,
            bounds: BOUNDS.to_vec(),
            counts: counts.to_vec(),
        });
    }
}

/// What a service of the shop is like.
struct Kind {
    id: &'static str,
    /// Whom it calls, if anybody.
    upstream: Option<&'static str>,
    /// Requests a second at the mean of the day.
    rate: f64,
    /// Seconds of a usual request.
    latency: f64,
    workers: f64,
    /// Share of its processor at the mean of the day.
    cpu: f64,
}

const KINDS: [Kind; 4] = [
    Kind {
        id: "service:front",
        upstream: Some("orders"),
        rate: 4.0,
        latency: 0.09,
        workers: 32.0,
        cpu: 0.15,
    },
    Kind { id: "service:orders", upstream: Some("stock"), rate: 3.0, latency: 0.06, workers: 8.0, cpu: 0.16 },
    Kind { id: "service:stock", upstream: None, rate: 3.0, latency: 0.03, workers: 8.0, cpu: 0.12 },
    Kind { id: "engine:engine", upstream: None, rate: 1.5, latency: 0.25, workers: 8.0, cpu: 0.25 },
];

/// The state of a service.
struct Service {
    kind: &'static Kind,
    sender: Sender,
    noise: Noise,
    /// Slow noise of its load and of its memory.
    wander: f64,
    memory: f64,
    /// Seconds until memory is collected again, and how much is then given back.
    collected: f64,
    served: [u64; 15],
    failed: [u64; 15],
    calls: [u64; 15],
    calls_failed: [u64; 15],
}

/// Bytes that a service may use.
const MEMORY_LIMIT: f64 = 512e6;

impl Service {
    fn new(kind: &'static Kind, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let memory = noise.between(0.25, 0.4);
        Self {
            kind,
            sender: Sender::new(kind.id),
            wander: 0.0,
            memory,
            collected: 0.0,
            served: [0; 15],
            failed: [0; 15],
            calls: [0; 15],
            calls_failed: [0; 15],
            noise,
        }
    }

    /// One reading; `load` is what the whole shop has to do, 1 at the mean of the day.
    fn tick(&mut self, now: Timestamp, load: f64) {
        let (kind, noise) = (self.kind, &mut self.noise);
        self.wander = 0.97 * self.wander + 0.02 * noise.normal();
        let load = (load * (1.0 + self.wander)).max(0.1);
        let busy = (kind.cpu * load + 0.02 * noise.normal()).clamp(0.01, 0.9);
        // Waiting grows with use as in a queue of one server.
        let slow = 1.0 + 0.3 * busy / (1.0 - busy);
        let requests = noise.poisson(kind.rate * load * STEP.as_secs_f64());
        for _ in 0..requests {
            // One request in a hundred takes long for reasons of its own.
            let tail = if noise.uniform() < 0.01 { noise.between(2.0, 5.0) } else { 1.0 };
            let latency = kind.latency * slow * tail * (0.35 * noise.normal()).exp();
            let is_failed = noise.uniform() < 0.001;
            add(if is_failed { &mut self.failed } else { &mut self.served }, latency);
            if kind.upstream.is_some() {
                let call = 0.4 * latency * (0.2 * noise.normal()).exp();
                let is_failed = noise.uniform() < 0.000_5;
                add(if is_failed { &mut self.calls_failed } else { &mut self.calls }, call);
            }
        }
        let waiting = noise.poisson(0.3 * busy / (1.0 - busy)) as f64;
        let in_work = (noise.poisson(kind.rate * load * kind.latency * slow) as f64).min(kind.workers);
        // Memory fills with what is done, and is collected every few minutes.
        self.collected -= STEP.as_secs_f64();
        if self.collected <= 0.0 {
            self.collected = noise.between(300.0, 900.0);
            self.memory = noise.between(0.25, 0.28);
        }
        self.memory = (self.memory + 0.001 * load * noise.between(0.5, 1.5)).min(0.5);
        let memory = self.memory * (1.0 + 0.003 * noise.normal()) * MEMORY_LIMIT;
        let (objects, threads) = (1e5 + memory / 1e3, 24.0 + in_work + noise.poisson(1.0) as f64);
        let out = &mut self.sender;
        out.begin();
        out.point(now, "process.cpu.utilization", "1", None, busy);
        out.point(now, "process.memory.usage", "By", None, memory);
        out.point(now, "process.memory.limit", "By", None, MEMORY_LIMIT);
        out.point(now, "messaging.queue.depth", "{request}", None, waiting);
        out.point(now, "worker.pool.used", "{worker}", None, in_work);
        out.point(now, "worker.pool.limit", "{worker}", None, kind.workers);
        out.point(now, "runtime.heap.objects", "{object}", None, objects);
        out.point(now, "process.thread.count", "{thread}", None, threads);
        out.point(now, "up", "", None, 1.0);
        let status = "http.response.status_code";
        out.histogram(now, "http.server.request.duration", (status, "200"), &self.served);
        out.histogram(now, "http.server.request.duration", (status, "500"), &self.failed);
        if kind.upstream.is_some() {
            out.histogram(now, "http.client.request.duration", (status, "200"), &self.calls);
            out.histogram(now, "http.client.request.duration", ("error.type", "timeout"), &self.calls_failed);
        }
    }
}

fn add(counts: &mut [u64; 15], value: f64) {
    counts[BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(14)] += 1;
}

/// The machine below.
struct Host {
    sender: Sender,
    noise: Noise,
    load_average: f64,
    read: f64,
    written: f64,
    received: f64,
    sent: f64,
    /// Share of the disk that is used, but for the logs.
    disk: f64,
    /// Share that the logs take since they were rotated.
    logs: f64,
}

impl Host {
    fn tick(&mut self, now: Timestamp, hour: f64, load: f64) {
        let noise = &mut self.noise;
        // A backup between two and twenty past two, and a small job each hour.
        let backup = f64::from(u8::from((2.0..2.33).contains(&hour)));
        let job = f64::from(u8::from(hour.fract() < 0.02));
        let busy =
            (0.12 + 0.13 * load + 0.15 * backup + 0.08 * job + 0.02 * noise.normal()).clamp(0.01, 0.95);
        self.load_average = 0.9 * self.load_average + 0.1 * (4.0 * busy + 0.3 * noise.normal().abs());
        let seconds = STEP.as_secs_f64();
        self.read += seconds * (2e5 * load * noise.between(0.5, 1.5) + 4e7 * backup);
        self.written += seconds * (8e5 * load * noise.between(0.5, 1.5) + 5e6 * job);
        self.received += seconds * 1e5 * load * noise.between(0.7, 1.3);
        self.sent += seconds * (3e5 * load * noise.between(0.7, 1.3) + 2e7 * backup);
        // Half a percent of the disk a day stays; the logs are rotated after midnight.
        self.disk += 0.005 * seconds / 86_400.0;
        let rotated = (0.0..0.01).contains(&hour);
        self.logs = if rotated { 0.0 } else { self.logs + 0.02 * load * seconds / 86_400.0 };
        let memory = 0.55 + 0.03 * load + 0.002 * noise.normal();
        let descriptors = 2_000.0 + 300.0 * load + noise.poisson(20.0) as f64;
        let out = &mut self.sender;
        out.begin();
        out.point(now, "system.cpu.utilization", "1", None, busy);
        out.point(now, "system.cpu.load_average.1m", "{thread}", None, self.load_average);
        out.point(now, "system.cpu.logical.count", "{cpu}", None, 8.0);
        out.point(now, "system.memory.utilization", "1", Some(("system.memory.state", "used")), memory);
        let place = Some(("system.filesystem.mountpoint", "/"));
        out.point(now, "system.filesystem.utilization", "1", place, self.disk + self.logs);
        out.point(now, "system.linux.file_descriptor.count", "{file_descriptor}", None, descriptors);
        out.point(now, "system.linux.file_descriptor.limit", "{file_descriptor}", None, 1e5);
        let way = |word| Some(("disk.io.direction", word));
        out.counter(now, "system.disk.io", "By", way("read"), self.read);
        out.counter(now, "system.disk.io", "By", way("write"), self.written);
        let way = |word| Some(("network.io.direction", word));
        out.counter(now, "system.network.io", "By", way("receive"), self.received);
        out.counter(now, "system.network.io", "By", way("transmit"), self.sent);
    }
}

/// The shop and its host.
pub(crate) struct Fleet {
    services: Vec<Service>,
    host: Host,
    noise: Noise,
    /// How much more there is to do than usual, which fades.
    burst: f64,
    /// Readings until it fades.
    lasting: u32,
    wander: f64,
}

impl Fleet {
    /// The fleet of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut noise = Noise(seed);
        let seeds = |noise: &mut Noise| (noise.uniform() * 1e15) as u64;
        let services = KINDS.iter().map(|kind| Service::new(kind, seeds(&mut noise))).collect();
        let host = Host {
            sender: Sender::new("host:shop-1"),
            noise: Noise(seeds(&mut noise)),
            load_average: 1.0,
            read: 1e9,
            written: 1e9,
            received: 1e9,
            sent: 1e9,
            disk: 0.42,
            logs: 0.01,
        };
        Self { services, host, noise, burst: 1.0, lasting: 0, wander: 0.0 }
    }

    /// The readings of one time: one batch a resource.
    pub(crate) fn tick(&mut self, now: Timestamp) -> impl Iterator<Item = &SignalBatch> {
        let hour = (now.as_secs_f64() / 3_600.0).rem_euclid(24.0);
        // Most is done in the afternoon, least before dawn.
        let rhythm = 1.0 + 0.5 * (TAU * (hour - 9.0) / 24.0).sin();
        self.wander = 0.995 * self.wander + 0.006 * self.noise.normal();
        // About once an hour more people come for some minutes.
        if self.lasting > 0 {
            self.lasting -= 1;
        } else if self.noise.uniform() < STEP.as_secs_f64() / 3_600.0 {
            self.burst = self.noise.between(1.2, 1.5);
            self.lasting = self.noise.between(6.0, 30.0) as u32;
        } else {
            self.burst = 1.0 + 0.8 * (self.burst - 1.0);
        }
        let load = rhythm * self.burst * (1.0 + self.wander).max(0.5);
        self.services.iter_mut().for_each(|service| service.tick(now, load));
        self.host.tick(now, hour, load);
        self.services.iter().map(|s| &s.sender.batch).chain(std::iter::once(&self.host.sender.batch))
    }
}
