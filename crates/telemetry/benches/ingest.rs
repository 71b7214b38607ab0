//! How fast batches become durable, against the floor of the machine: `fdatasync` of the same bytes without
//! anything else. And how long simple questions take over what was stored.
//!
//! `cargo bench -p echobase-telemetry`; `ECHOBASE_BENCH_SECONDS` (default 5) sets the time per line, `TMPDIR`
//! the disk.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its surroundings")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly and prints"
)]

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use echobase_telemetry::{
    Catalog, CatalogError, CatalogState, Clock, DataFile, FileId, LogPosition, PointsQuery, QueryLimits,
    Selection, Telemetry, TelemetryConfig, Values,
};
use echobase_types::signal::{LogRecord, MetricKind, MetricPoint, Series};
use echobase_types::{Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, TenantId, Timestamp};

/// 2026-09-21, in microseconds.
const START: i64 = 1_790_000_000_000_000;
/// Series that the points are of: 100 services of 100 series.
const SERIES: u64 = 10_000;
/// Points of one batch, as remote write sends them.
const BATCH: usize = 2_000;

/// A catalog in memory: what it costs belongs to the store.
#[derive(Default)]
struct Held(Mutex<CatalogState>);

#[async_trait]
impl Catalog for Held {
    async fn load(&self) -> Result<CatalogState, CatalogError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn commit(
        &self,
        add: Vec<DataFile>,
        remove: Vec<FileId>,
        log_position: LogPosition,
    ) -> Result<(), CatalogError> {
        let mut state = self.0.lock().unwrap();
        state.files.retain(|f| !remove.contains(&f.id));
        state.files.extend(add);
        state.log_position = log_position;
        Ok(())
    }
}

fn resource(n: u64) -> Resource {
    Resource {
        id: ResourceId::new(&format!("service:shop/s{n}")).unwrap(),
        kind: ResourceKind::Service,
        name: format!("s{n}"),
        attributes: [("service.name", format!("s{n}")), ("service.namespace", "shop".to_owned())]
            .into_iter()
            .collect(),
    }
}

fn series(n: u64) -> Series {
    Series {
        id: SeriesId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        resource: 0,
        name: format!("http.server.metric.{}", n % 100),
        unit: "1".to_owned(),
        kind: MetricKind::Gauge,
        attributes: (0..10).map(|k| (format!("label.{k}"), format!("value-{}", (n >> k) % 17))).collect(),
    }
}

/// One scrape of 2,000 series at the time `tick` seconds.
fn batch(part: u64, tick: i64) -> SignalBatch {
    let first = part % (SERIES / BATCH as u64) * BATCH as u64;
    let time = Timestamp::from_micros(START + tick * 1_000_000);
    let resources = (0..BATCH as u64 / 100).map(|n| resource(first / 100 + n)).collect();
    let all = (0..BATCH as u64).map(|n| Series { resource: (n / 100) as u32, ..series(first + n) });
    let value = |n: usize| ((first as usize + n) as f64 * 0.1 + tick as f64 * 0.01).sin() * 100.0;
    let value = |n| (value(n) * 100.0).round() / 100.0;
    SignalBatch {
        resources,
        series: all.collect(),
        points: (0..BATCH).map(|n| MetricPoint { series: n as u32, time, value: value(n) }).collect(),
        ..SignalBatch::default()
    }
}

/// 1,000 log records of about 300 bytes.
fn logs(tick: i64) -> SignalBatch {
    let record = |n: i64| LogRecord {
        resource: 0,
        time: Timestamp::from_micros(START + tick * 1_000_000 + n),
        severity: 9,
        event_name: "request.done".to_owned(),
        body: format!(
            "request {n} of tick {tick} was answered with 200 after {} ms by worker {}",
            n % 977,
            n % 13
        ),
        trace_id: format!("{:032x}", n * 7_919 + tick),
        span_id: format!("{n:016x}"),
        attributes: [("http.route", "/orders/{id}".to_owned()), ("user", format!("u{}", n % 500))]
            .into_iter()
            .collect(),
    };
    SignalBatch {
        resources: vec![resource(0)],
        logs: (0..1_000).map(record).collect(),
        ..SignalBatch::default()
    }
}

/// Syncs per second of `bytes` appended to a file and synced, one after the other.
fn floor(dir: &Path, bytes: usize, length: Duration) -> f64 {
    let mut file = std::fs::File::create(dir.join("floor")).unwrap();
    let (block, begin, mut n) = (vec![0x5a_u8; bytes], Instant::now(), 0_u32);
    while begin.elapsed() < length {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        n += 1;
    }
    std::fs::remove_file(dir.join("floor")).unwrap();
    f64::from(n) / begin.elapsed().as_secs_f64()
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

async fn append(telemetry: &Telemetry, appenders: u64, length: Duration, ticks: &Arc<AtomicI64>, dir: &Path) {
    let tenant = TenantId::default_tenant();
    let (before, cpu_before, begin) = (telemetry.stats(), cpu(), Instant::now());
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..appenders {
        let (telemetry, tenant, ticks, latencies) =
            (telemetry.clone(), tenant.clone(), ticks.clone(), latencies.clone());
        tasks.spawn(async move {
            while begin.elapsed() < length {
                let batch = batch(part, ticks.fetch_add(1, Ordering::Relaxed) / 8);
                let sent = Instant::now();
                telemetry.append(&tenant, batch).await.unwrap();
                latencies.lock().unwrap().push(sent.elapsed());
            }
        });
    }
    tasks.join_all().await;
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    let stats = telemetry.stats();
    let (rows, syncs) = (stats.rows_appended - before.rows_appended, stats.syncs - before.syncs);
    let batches = stats.batches_appended - before.batches_appended;
    let bytes = stats.log_bytes_written - before.log_bytes_written;
    let mut latencies = std::mem::take(&mut *latencies.lock().unwrap());
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let bare = floor(dir, (bytes / syncs.max(1)) as usize, length / 4);
    println!(
        "{appenders:>3} appenders: {:>9.0} points/s, {:>9.0} points per CPU-s (generator included), {:.1} batches per sync, \
         ack p50 {:.2} ms p99 {:.2} ms, {:.1} log bytes/point, {:.2} of bare fdatasync ({bare:.0}/s of the same bytes)",
        rows as f64 / wall,
        rows as f64 / cpu,
        batches as f64 / syncs as f64,
        at(0.5),
        at(0.99),
        bytes as f64 / rows as f64,
        syncs as f64 / wall / bare,
    );
}

async fn ask(telemetry: &Telemetry, name: &str, sql: &str) {
    let tenant = TenantId::default_tenant();
    let (mut times, mut rows) = (Vec::new(), 0);
    for _ in 0..11 {
        let begin = Instant::now();
        let answer = telemetry.query(&tenant, sql, QueryLimits::default()).await.unwrap();
        times.push(begin.elapsed());
        rows = answer.rows.len();
    }
    let first = times[0].as_secs_f64() * 1e3;
    times.sort_unstable();
    println!("{name:<52} first {first:>7.1} ms, p50 {:>7.1} ms, {rows} rows", times[5].as_secs_f64() * 1e3);
}

#[tokio::main]
async fn main() {
    let seconds = std::env::var("ECHOBASE_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let length = Duration::from_secs_f64(seconds);
    let dir = tempfile::tempdir().unwrap();
    let clock: Clock = Arc::new(|| Timestamp::from_micros(START));
    let config =
        TelemetryConfig { flush_bytes: 4 << 30, memory_bytes: 8 << 30, ..TelemetryConfig::default() };
    let catalog = Arc::new(Held::default());
    let open = || Telemetry::open(config.clone(), dir.path(), catalog.clone(), clock.clone());
    let telemetry = open().await.unwrap();
    let (tenant, ticks) = (TenantId::default_tenant(), Arc::new(AtomicI64::new(0)));

    for appenders in [1, 8, 64] {
        append(&telemetry, appenders, length, &ticks, dir.path()).await;
    }
    let begin = Instant::now();
    for tick in 0..200 {
        telemetry.append(&tenant, logs(tick)).await.unwrap();
    }
    println!("  1 appender of logs: {:.0} records/s", 200_000.0 / begin.elapsed().as_secs_f64());

    let held = telemetry.stats();
    drop(telemetry);
    let begin = Instant::now();
    let telemetry = open().await.unwrap();
    println!(
        "start after a kill with {:.0} MB of log, {:.1} M rows: {:.2} s",
        held.log_bytes as f64 / 1e6,
        held.rows_appended as f64 / 1e6,
        begin.elapsed().as_secs_f64()
    );
    let (begin, cpu_before) = (Instant::now(), cpu());
    telemetry.flush().await.unwrap();
    println!(
        "flush: {:.2} s, {:.2} CPU-s",
        begin.elapsed().as_secs_f64(),
        (cpu() - cpu_before).as_secs_f64()
    );
    let state = catalog.load().await.unwrap();
    for file in &state.files {
        println!(
            "  {:<13} {:>9} rows, {:>6.2} bytes/row",
            file.table.as_str(),
            file.rows,
            file.bytes as f64 / file.rows as f64
        );
    }

    let last = ticks.load(Ordering::Relaxed) / 8;
    let from = Timestamp::from_micros(START + (last - 300).max(0) * 1_000_000);
    let filter = format!("time >= '{from}'");
    ask(&telemetry, "one number", "SELECT 1").await;
    ask(
        &telemetry,
        "last 5 minutes of one series",
        &format!(
            "SELECT time, value FROM metric_points WHERE series_id = {} AND {filter} ORDER BY time",
            series(77).id.0
        ),
    )
    .await;
    ask(&telemetry, "the same by resource, metric and label", &format!("SELECT time, value FROM metrics WHERE resource_id = 'service:shop/s0' AND metric = 'http.server.metric.77' AND attr(attributes, 'label.0') = 'value-9' AND {filter} ORDER BY time")).await;
    ask(
        &telemetry,
        "average per series, 5 minutes",
        &format!("SELECT series_id, avg(value) FROM metric_points WHERE {filter} GROUP BY series_id"),
    )
    .await;
    ask(&telemetry, "average of one metric per resource", &format!("SELECT resource_id, avg(value) FROM metrics WHERE metric = 'http.server.metric.7' AND {filter} GROUP BY 1")).await;
    ask(&telemetry, "average of everything", "SELECT count(*), avg(value) FROM metric_points").await;
    ask(
        &telemetry,
        "events: count by user, top 10",
        "SELECT attr(attributes, 'user'), count(*) FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    )
    .await;
    ask(
        &telemetry,
        "events: by one trace id",
        &format!("SELECT body FROM events WHERE trace_id = '{:032x}'", 7_919 * 77 + 3),
    )
    .await;

    let of = ResourceId::new("service:shop/s0").unwrap();
    let query = PointsQuery {
        selection: Selection::Resource(of),
        metric: None,
        from,
        to: Timestamp::from_micros(START + last * 1_000_000),
        max_points: 300,
        values: Values::CountersAsRates,
    };
    let begin = Instant::now();
    let found = telemetry.points(&tenant, query).await.unwrap();
    println!("page of a resource: {} series, {:.1} ms", found.len(), begin.elapsed().as_secs_f64() * 1e3);

    let before = resident_mb();
    for part in 0..50 {
        let all = (0..BATCH as u64).map(|n| series(1_000_000 + part * BATCH as u64 + n)).collect();
        let batch = SignalBatch { resources: vec![resource(0)], series: all, ..SignalBatch::default() };
        telemetry.append(&tenant, batch).await.unwrap();
    }
    println!(
        "100,000 more series: {} MB resident more, {} known",
        resident_mb() - before,
        telemetry.series_count(&tenant)
    );
    telemetry.close().await.unwrap();
}
