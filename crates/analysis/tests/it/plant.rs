//! A small service as the demo's plant shows it: points every second or two, under OpenTelemetry or Prometheus names.

use echobase_types::signal::{HistogramPoint, MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::noise::Noise;

pub(crate) const START: i64 = 1_750_000_000;
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Memory is full 75 s after the onset.
    MemoryLeak,
    /// 40 % of requests fail.
    ErrorBurst,
    /// Latency grows to eight times in 40 s.
    CreepingLatency,
    /// The dependency answers nothing.
    DeadDependency,
    /// The processor is 98 % busy.
    CpuSaturation,
    /// The process is gone and sends nothing.
    Killed,
}

/// One way to name things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenTelemetry,
    Prometheus,
}

pub(crate) struct Plant {
    noise: Noise,
    dialect: Dialect,
    step: i64,
    rps: f64,
    base_latency: f64,
    memory: f64,
    cpu: f64,
    ok: [u64; 15],
    failed: [u64; 15],
    calls_ok: [u64; 15],
    calls_failed: [u64; 15],
    cpu_seconds: f64,
}

impl Plant {
    pub(crate) fn new(seed: u64, dialect: Dialect, step: i64) -> Self {
        let mut noise = Noise::new(seed);
        let rps = noise.between(8.0, 60.0);
        let base_latency = noise.between(0.004, 0.06);
        let memory = noise.between(0.15, 0.5);
        let cpu = noise.between(0.05, 0.45);
        let (ok, failed) = ([0; 15], [0; 15]);
        Self {
            noise,
            dialect,
            step,
            rps,
            base_latency,
            memory,
            cpu,
            ok,
            failed,
            calls_ok: ok,
            calls_failed: failed,
            cpu_seconds: 0.0,
        }
    }

    /// The batch of second `t`; the fault began at second `onset`.
    pub(crate) fn tick(&mut self, t: i64, fault: Fault, onset: i64) -> SignalBatch {
        let since = (t - onset).max(0) as f64;
        let on = |f| fault == f && t >= onset;
        let mut slow = 1.0;
        let mut fail = 0.002;
        let mut call_fail = 0.0;
        if on(Fault::CreepingLatency) {
            slow = 1.0 + 7.0 * (since / 40.0).min(1.0);
        }
        if on(Fault::ErrorBurst) {
            fail = 0.4;
        }
        if on(Fault::DeadDependency) {
            (call_fail, fail) = (1.0, 0.3);
        }
        let requests = (self.rps * self.step as f64 * self.noise.between(0.8, 1.2)) as u32;
        for _ in 0..requests {
            let latency = self.base_latency * slow * (0.4 * self.noise.normal()).exp();
            let is_failed = self.noise.uniform() < fail;
            add(if is_failed { &mut self.failed } else { &mut self.ok }, latency);
            let call_failed = self.noise.uniform() < call_fail;
            let call = self.base_latency * 0.4 * (0.3 * self.noise.normal()).exp();
            add(if call_failed { &mut self.calls_failed } else { &mut self.calls_ok }, call);
        }
        let mut memory = self.memory * (1.0 + 0.004 * self.noise.normal());
        if on(Fault::MemoryLeak) {
            memory += (1.0 - self.memory) * since / 75.0;
        }
        let mut cpu = (self.cpu + 0.05 * self.noise.normal()).clamp(0.01, 1.0);
        if on(Fault::CpuSaturation) {
            cpu = 0.98 + 0.01 * self.noise.uniform();
        }
        self.cpu_seconds += cpu * self.step as f64;
        if on(Fault::Killed) {
            return SignalBatch::default();
        }
        self.batch(t, memory.min(1.0) * 512e6, cpu)
    }

    fn batch(&self, t: i64, memory: f64, cpu: f64) -> SignalBatch {
        let time = Timestamp::from_secs(START + t);
        let mut b = Builder::new("service:orders", time);
        match self.dialect {
            Dialect::OpenTelemetry => {
                b.point("process.memory.usage", "By", MetricKind::UpDownCounter, &[], memory);
                b.point("process.memory.limit", "By", MetricKind::UpDownCounter, &[], 512e6);
                b.point("process.cpu.utilization", "1", MetricKind::Gauge, &[], cpu);
                b.point(
                    "process.open_file_descriptor.count",
                    "{count}",
                    MetricKind::UpDownCounter,
                    &[],
                    31.0,
                );
                b.point(
                    "process.open_file_descriptor.limit",
                    "{count}",
                    MetricKind::UpDownCounter,
                    &[],
                    1_024.0,
                );
                let status = "http.response.status_code";
                b.histogram(
                    "http.server.request.duration",
                    &[("http.route", "/orders"), (status, "200")],
                    &self.ok,
                );
                b.histogram(
                    "http.server.request.duration",
                    &[("http.route", "/orders"), (status, "500")],
                    &self.failed,
                );
                let peer = ("server.address", "store");
                b.histogram("http.client.request.duration", &[peer, (status, "200")], &self.calls_ok);
                b.histogram(
                    "http.client.request.duration",
                    &[peer, ("error.type", "connection_refused")],
                    &self.calls_failed,
                );
            }
            Dialect::Prometheus => {
                b.point("process_resident_memory_bytes", "", MetricKind::Gauge, &[], memory);
                b.point("process_memory_limit_bytes", "", MetricKind::Gauge, &[], 512e6);
                b.point("process_cpu_seconds_total", "", MetricKind::Counter, &[], self.cpu_seconds);
                b.point("process_open_fds", "", MetricKind::Gauge, &[], 31.0);
                b.point("process_max_fds", "", MetricKind::Gauge, &[], 1_024.0);
                b.point("up", "", MetricKind::Gauge, &[], 1.0);
                let total = |counts: &[u64; 15]| counts.iter().sum::<u64>() as f64;
                b.point("http_requests_total", "", MetricKind::Counter, &[("code", "200")], total(&self.ok));
                if total(&self.failed) > 0.0 {
                    b.point(
                        "http_requests_total",
                        "",
                        MetricKind::Counter,
                        &[("code", "500")],
                        total(&self.failed),
                    );
                }
                let all = std::array::from_fn(|i| self.ok[i] + self.failed[i]);
                b.histogram("http_request_duration_seconds", &[], &all);
                let name = "dependency_requests_total";
                let to = ("dependency", "store");
                b.point(name, "", MetricKind::Counter, &[to, ("result", "ok")], total(&self.calls_ok));
                b.point(name, "", MetricKind::Counter, &[to, ("result", "error")], total(&self.calls_failed));
            }
        }
        b.point("runtime.heap.objects", "", MetricKind::Gauge, &[], 1e5 + memory / 1e4);
        b.batch
    }
}

fn add(counts: &mut [u64; 15], value: f64) {
    counts[BOUNDS.iter().position(|b| value <= *b).unwrap_or(14)] += 1;
}

/// Builds a batch of one resource at one time.
pub(crate) struct Builder {
    pub(crate) batch: SignalBatch,
    time: Timestamp,
}

impl Builder {
    pub(crate) fn new(id: &str, time: Timestamp) -> Self {
        let (kind, name) = id.split_once(':').unwrap();
        let resource = Resource {
            id: ResourceId::new(id).unwrap(),
            kind: ResourceKind::parse(kind).unwrap(),
            name: name.to_owned(),
            attributes: Attributes::new(),
        };
        Self { batch: SignalBatch { resources: vec![resource], ..SignalBatch::default() }, time }
    }

    fn series(&mut self, name: &str, unit: &str, kind: MetricKind, attributes: &[(&str, &str)]) -> u32 {
        let id = self.batch.resources[0].id.as_str();
        let text = format!("{id}{name}{attributes:?}");
        let hash = text
            .bytes()
            .fold(14_695_981_039_346_656_037_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(1_099_511_628_211));
        self.batch.series.push(Series {
            id: SeriesId(hash),
            resource: 0,
            name: name.to_owned(),
            unit: unit.to_owned(),
            kind,
            attributes: attributes.iter().copied().collect(),
        });
        self.batch.series.len() as u32 - 1
    }

    pub(crate) fn point(
        &mut self,
        name: &str,
        unit: &str,
        kind: MetricKind,
        attributes: &[(&str, &str)],
        value: f64,
    ) {
        let series = self.series(name, unit, kind, attributes);
        self.batch.points.push(MetricPoint { series, time: self.time, value });
    }

    pub(crate) fn gauge(&mut self, name: &str, value: f64) {
        self.point(name, "", MetricKind::Gauge, &[], value);
    }

    pub(crate) fn histogram(&mut self, name: &str, attributes: &[(&str, &str)], counts: &[u64; 15]) {
        let series = self.series(name, "s", MetricKind::Histogram, attributes);
        self.batch.histograms.push(HistogramPoint {
            series,
            time: self.time,
            cumulative: true,
            count: counts.iter().sum(),
            sum: 0.0,
            bounds: BOUNDS.to_vec(),
            counts: counts.to_vec(),
        });
    }
}
