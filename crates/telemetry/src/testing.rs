//! Made-up signals and a catalog in a file, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use echobase_types::resource::Resource;
use echobase_types::signal::{
    HistogramPoint, LogRecord, MetricKind, MetricPoint, Series, Span, SpanKind, SpanStatus,
};
use echobase_types::{
    Attributes, ErrorKind, ResourceId, ResourceKind, SeriesId, SignalBatch, TenantId, Timestamp,
};
use serde_json::{Value, json};

use crate::rows::Recalled;
use crate::{AssessmentRow, Catalog, CatalogError, CatalogState, DataFile, FileId, LogPosition, Table};

/// 2026-09-21T13:33:20Z, in microseconds.
pub(crate) const START: i64 = 1_790_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn nothing_known(resources: &[Resource], _: &[String], series: &[Series]) -> Recalled {
    Recalled { series: vec![false; series.len()], resources: vec![false; resources.len()] }
}

pub(crate) fn resource(name: &str) -> Resource {
    Resource {
        id: ResourceId::new(&format!("service:{name}")).unwrap(),
        kind: ResourceKind::Service,
        name: name.to_owned(),
        attributes: [("service.name", name)].into_iter().collect(),
    }
}

pub(crate) fn gauge(id: u64, metric: &str) -> Series {
    Series {
        id: SeriesId(id),
        resource: 0,
        name: metric.to_owned(),
        unit: "1".to_owned(),
        kind: MetricKind::Gauge,
        attributes: [("instance", id.to_string())].into_iter().collect(),
    }
}

/// Points of one gauge of one resource, one per second from `START + first` seconds.
pub(crate) fn points(name: &str, series: u64, first: i64, values: &[f64]) -> SignalBatch {
    let time = |n: usize| at(START + (first + n as i64) * 1_000_000);
    SignalBatch {
        resources: vec![resource(name)],
        series: vec![gauge(series, "load")],
        points: values
            .iter()
            .enumerate()
            .map(|(n, v)| MetricPoint { series: 0, time: time(n), value: *v })
            .collect(),
        ..SignalBatch::default()
    }
}

/// A generator of numbers (splitmix64), so that a seed says everything.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A time on one of two days.
    fn time(&mut self) -> Timestamp {
        at(START + self.below(2) as i64 * 24 * HOUR + self.below(HOUR as u64) as i64)
    }
}

/// Some of everything, spread over two days.
pub(crate) fn batch(seed: u64) -> SignalBatch {
    let mut r = Random(seed);
    let resources = vec![resource("orders"), resource("store"), resource("shop%20front")];
    let mut series = Vec::new();
    for n in 0..5 {
        series.push(Series { resource: n % 3, ..gauge(r.next(), &format!("metric.{n}")) });
    }
    let attributes: Attributes =
        [("a", r.next().to_string()), ("é \"q\"", "x\ny".to_owned())].into_iter().collect();
    let mut batch = SignalBatch { resources, series, ..SignalBatch::default() };
    for day in 0..2 {
        // One of each on each day, then more anywhere.
        let fixed = at(START + day * 24 * HOUR);
        for n in 0..8_u32 {
            let time = if n == 0 { fixed } else { r.time() };
            batch.points.push(MetricPoint { series: n % 5, time, value: r.next() as f64 / 7.0 });
            batch.histograms.push(HistogramPoint {
                series: n % 5,
                time,
                cumulative: n % 2 == 0,
                count: 3,
                sum: 1.5,
                bounds: vec![0.1, 1.0],
                counts: vec![1, 2, r.below(9)],
            });
            batch.logs.push(LogRecord {
                resource: n % 3,
                time,
                severity: 9,
                event_name: if n % 2 == 0 { "deploy".to_owned() } else { String::new() },
                body: format!("line {}", r.next()),
                trace_id: format!("{:032x}", r.next()),
                span_id: String::new(),
                attributes: attributes.clone(),
            });
            batch.spans.push(Span {
                resource: n % 3,
                trace_id: format!("{:032x}", r.next()),
                span_id: format!("{:016x}", r.next()),
                parent_span_id: String::new(),
                name: "GET /".to_owned(),
                kind: SpanKind::Server,
                start: time,
                end: time + std::time::Duration::from_micros(r.below(1_000_000)),
                status: SpanStatus::Error,
                status_message: "no".to_owned(),
                attributes: attributes.clone(),
            });
        }
    }
    assert!(batch.check());
    batch
}

/// Verdicts on two resources, over two days.
pub(crate) fn assessments(seed: u64) -> Vec<AssessmentRow> {
    let mut r = Random(seed);
    (0..6)
        .map(|n| AssessmentRow {
            resource_id: resource(if n % 2 == 0 { "orders" } else { "store" }).id,
            at: if n < 2 { at(START + n * 24 * HOUR) } else { r.time() },
            score: 0.5,
            resource_score: Some(0.25),
            error_score: None,
            performance_score: Some(1.0),
            dependency_score: None,
            resource_weight: 0.75,
            error_weight: 0.0,
            performance_weight: 0.25,
            dependency_weight: 0.0,
            risk: 0.1,
            body: format!("{{\"n\":{n}}}"),
        })
        .collect()
}

/// A catalog in a JSON file, which can be told to fail.
pub(crate) struct FileCatalog {
    path: PathBuf,
    lock: Mutex<()>,
    fault: AtomicU8,
}

/// How the next commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not done.
    Refused = 1,
    /// It is done, and the answer is lost.
    AnswerLost = 2,
}

impl FileCatalog {
    pub(crate) fn new(dir: &Path) -> Self {
        let path = dir.join("catalog.json");
        Self { path, lock: Mutex::new(()), fault: AtomicU8::new(0) }
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    fn read(&self) -> CatalogState {
        let Ok(text) = std::fs::read_to_string(&self.path) else {
            return CatalogState::default();
        };
        let all: Value = serde_json::from_str(&text).unwrap();
        let files = all["files"].as_array().unwrap().iter().map(|f| DataFile {
            id: f["id"].as_str().unwrap().parse().unwrap(),
            tenant: TenantId::new(f["tenant"].as_str().unwrap()).unwrap(),
            table: Table::parse(f["table"].as_str().unwrap()).unwrap(),
            day: f["day"].as_str().unwrap().parse().unwrap(),
            path: f["path"].as_str().unwrap().into(),
            rows: f["rows"].as_u64().unwrap(),
            bytes: f["bytes"].as_u64().unwrap(),
            min_time: at(f["min_time"].as_i64().unwrap()),
            max_time: at(f["max_time"].as_i64().unwrap()),
        });
        CatalogState {
            files: files.collect(),
            log_position: LogPosition(all["log_position"].as_u64().unwrap()),
        }
    }

    fn write(&self, state: &CatalogState) {
        let files: Vec<_> = state
            .files
            .iter()
            .map(|f| {
                json!({
                    "id": f.id.to_string(), "tenant": f.tenant.as_str(), "table": f.table.as_str(),
                    "day": f.day.to_string(), "path": f.path, "rows": f.rows, "bytes": f.bytes,
                    "min_time": f.min_time.as_micros(), "max_time": f.max_time.as_micros(),
                })
            })
            .collect();
        let all = json!({"files": files, "log_position": state.log_position.0});
        std::fs::write(&self.path, all.to_string()).unwrap();
    }
}

#[async_trait]
impl Catalog for FileCatalog {
    async fn load(&self) -> Result<CatalogState, CatalogError> {
        let _one = self.lock.lock().unwrap();
        Ok(self.read())
    }

    async fn commit(
        &self,
        add: Vec<DataFile>,
        remove: Vec<FileId>,
        log_position: LogPosition,
    ) -> Result<(), CatalogError> {
        let _one = self.lock.lock().unwrap();
        let fault = self.fault.swap(0, Ordering::SeqCst);
        let failed = || CatalogError {
            kind: ErrorKind::Unavailable,
            act: "commit files",
            source: "told to fail".into(),
        };
        if fault == Fault::Refused as u8 {
            return Err(failed());
        }
        let mut state = self.read();
        assert!(log_position >= state.log_position, "the log position went back");
        state.files.retain(|f| !remove.contains(&f.id));
        state.files.extend(add);
        state.log_position = log_position;
        self.write(&state);
        if fault == Fault::AnswerLost as u8 { Err(failed()) } else { Ok(()) }
    }
}

/// A folder with a telemetry in it that can be killed and opened again.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) catalog: std::sync::Arc<FileCatalog>,
    pub(crate) config: crate::TelemetryConfig,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = std::sync::Arc::new(FileCatalog::new(dir.path()));
        let config = crate::TelemetryConfig { compact_files: 3, ..crate::TelemetryConfig::default() };
        Self { dir, catalog, config }
    }

    #[allow(clippy::disallowed_methods, reason = "a limit on how long a test waits for a state")]
    pub(crate) async fn open(&self) -> crate::Telemetry {
        let clock: crate::Clock = std::sync::Arc::new(|| at(START));
        // The threads of a telemetry that was just dropped hold the folder until they have ended.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let (config, catalog) = (self.config.clone(), self.catalog.clone());
            match crate::Telemetry::open(config, self.dir.path(), catalog, clock.clone()).await {
                Err(crate::TelemetryError::InUse(_)) if std::time::Instant::now() < deadline => {
                    tokio::task::yield_now().await;
                }
                opened => return opened.unwrap(),
            }
        }
    }
}

/// Ends a telemetry as `kill -9` would: nothing is flushed. (What the log has synced is all that counts; the
/// writer is joined so that the folder can be opened again at once.)
pub(crate) fn kill(telemetry: crate::Telemetry) {
    drop(telemetry);
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// The answer to a question, as rows.
pub(crate) async fn ask(telemetry: &crate::Telemetry, of: &TenantId, sql: &str) -> Vec<Vec<Value>> {
    let answer = telemetry.query(of, sql, crate::QueryLimits::default()).await;
    answer.unwrap_or_else(|e| panic!("{sql}: {e}: {e:?}")).rows
}
