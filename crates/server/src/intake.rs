//! Signals on their way in: decode, keep durably, hand to the analysis, answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use echobase_analysis::change_event::kind_of;
use echobase_api::ingest::{IngestAnswer, PointColumn, PointTable};
use echobase_api::problem::Fault;
use echobase_ingest::inflate::{Encoding, inflate};
use echobase_ingest::{
    Admission, Decoded, Malformed, Position, SeriesBudget, Sink, SinkError, events, identity, points,
};
use echobase_telemetry::Telemetry;
use echobase_types::signal::{LogRecord, MetricKind, RejectReason};
use echobase_types::{Attributes, ErrorKind, IngestLimits, ResourceKind, SignalBatch, TenantId, Timestamp};

use crate::analysis::Analysis;
use crate::app::App;
use crate::clock::Clock;
use crate::extract::json_fault;
use crate::problem::{Answer, Failure, whole_words};

/// Bytes written to find out whether there is room on the disk: about a large batch.
const PROBE_BYTES: usize = 1 << 20;
/// Series of which the budget remembers that they are known.
const KNOWN_SERIES: usize = 2_000_000;

/// What the decoders need, and what was counted.
pub(crate) struct Intake {
    /// The limits in force.
    pub limits: IngestLimits,
    /// The budget of new series.
    pub budget: Arc<SeriesBudget>,
    /// Bytes of a body after decompression.
    pub max_request_bytes: usize,
    pipeline: Pipeline,
    rejected: Mutex<BTreeMap<RejectReason, u64>>,
}

/// Where batches go: the telemetry log, then the engines. Collectors write into the same end.
#[derive(Clone)]
pub(crate) struct Pipeline {
    /// Signals at rest.
    pub telemetry: Telemetry,
    /// The engines.
    pub analysis: Analysis,
    /// What was kept.
    pub kept: Arc<Kept>,
    /// Whether the last batch could not be written.
    pub failing: Arc<AtomicBool>,
    /// The data folder.
    pub data: Arc<Path>,
    /// The present.
    pub clock: Clock,
}

/// Counts the rows that are on disk, whoever brought them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    rows: AtomicU64,
    minute: AtomicI64,
    in_minute: AtomicU64,
    in_last: AtomicU64,
}

impl Kept {
    fn count(&self, rows: u64, now: Timestamp) {
        let minute = now.as_millis() / 60_000;
        let before = self.minute.swap(minute, Ordering::Relaxed);
        if before != minute {
            let ended = self.in_minute.swap(0, Ordering::Relaxed);
            self.in_last.store(if before + 1 == minute { ended } else { 0 }, Ordering::Relaxed);
        }
        self.in_minute.fetch_add(rows, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows since the start.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows of the last whole minute, or of the running one if that is more.
    pub(crate) fn rows_last_minute(&self, now: Timestamp) -> u64 {
        self.count(0, now);
        self.in_last.load(Ordering::Relaxed).max(self.in_minute.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Sink for Pipeline {
    async fn append(&self, tenant: &TenantId, batch: SignalBatch) -> Result<(), SinkError> {
        let rows = batch.rows() as u64;
        // Of logs the engines look only at those that tell of a change.
        let told = |log: &&LogRecord| kind_of(&log.event_name, &log.attributes).is_some();
        let seen = SignalBatch {
            resources: batch.resources.clone(),
            series: batch.series.clone(),
            points: batch.points.clone(),
            histograms: batch.histograms.clone(),
            logs: batch.logs.iter().filter(told).cloned().collect(),
            spans: batch.spans.clone(),
        };
        let written = self.telemetry.append(tenant, batch).await;
        self.failing.store(written.is_err(), Ordering::Relaxed);
        written.map_err(|error| match error.kind() {
            ErrorKind::Unavailable => SinkError::Unavailable {
                reason: whole_words(&error),
                retry_after: std::time::Duration::from_secs(2),
            },
            _ => SinkError::Failed(Box::new(error)),
        })?;
        self.kept.count(rows, (self.clock)());
        self.analysis.observe(tenant, seen).await;
        Ok(())
    }
}

impl Pipeline {
    /// Whether signals can be written. After a write that failed the disk is tried, so that an instance that nobody
    /// sends to any more finds out by itself that it is well again.
    async fn is_writable(&self) -> bool {
        if !self.failing.load(Ordering::Relaxed) {
            return true;
        }
        let probe = self.data.join("probe");
        let tried = tokio::task::spawn_blocking(move || {
            let written = std::fs::write(&probe, [0; PROBE_BYTES]);
            // Whether or not it was written whole, it must not stay.
            let removed = std::fs::remove_file(&probe);
            written.and(removed)
        });
        let is_well = matches!(tried.await, Ok(Ok(())));
        self.failing.store(!is_well, Ordering::Relaxed);
        is_well
    }
}

impl Intake {
    /// With these limits, into this pipeline.
    pub(crate) fn new(limits: IngestLimits, max_request_bytes: usize, pipeline: Pipeline) -> Self {
        Self {
            limits,
            budget: Arc::new(SeriesBudget::new(KNOWN_SERIES)),
            max_request_bytes,
            pipeline,
            rejected: Mutex::default(),
        }
    }

    /// The terms for what a tenant sends now.
    pub(crate) fn admission<'a>(&'a self, tenant: &'a TenantId, now: Timestamp) -> Admission<'a> {
        Admission::live(tenant, &self.limits, &self.budget, now)
    }

    /// Keeps what was accepted and counts. When it returns, the rows are on disk.
    pub(crate) async fn keep(&self, tenant: &TenantId, decoded: &mut Decoded) -> Result<u64, SinkError> {
        let batch = std::mem::take(&mut decoded.batch);
        let rows = batch.rows() as u64;
        if rows > 0 {
            self.pipeline.append(tenant, batch).await?;
        }
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, count) in &decoded.rejected_count {
            *rejected.entry(*reason).or_default() += count;
        }
        Ok(rows)
    }

    /// Whether signals can be written.
    pub(crate) async fn is_writable(&self) -> bool {
        self.pipeline.is_writable().await
    }

    /// What was kept.
    pub(crate) fn kept(&self) -> &Kept {
        &self.pipeline.kept
    }

    /// Rows rejected since the start, by reason.
    pub(crate) fn rejected(&self) -> BTreeMap<RejectReason, u64> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The body, decompressed within the limit.
pub(crate) fn inflated(app: &App, headers: &HeaderMap, body: Bytes) -> Answer<Vec<u8>> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let encoding = Encoding::parse(encoding)
        .map_err(|e| Failure::from(e).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
    Ok(inflate(encoding, &body, app.intake.max_request_bytes)?)
}

/// NDJSON events.
pub(crate) async fn events(
    app: &App,
    tenant: &TenantId,
    headers: &HeaderMap,
    body: Bytes,
) -> Answer<IngestAnswer> {
    let body = inflated(app, headers, body)?;
    let now = app.now();
    let decoded = events::decode(&body, &app.intake.admission(tenant, now))?;
    answer(app, tenant, decoded).await
}

/// A table of values of any age.
pub(crate) async fn points(app: &App, tenant: &TenantId, body: &[u8]) -> Answer<IngestAnswer> {
    let table: PointTable = serde_json::from_slice(body).map_err(|e| json_fault(&e))?;
    let now = app.now();
    let kind = ResourceKind::parse(&table.resource.kind).ok_or_else(|| {
        let words = format!(
            "`{}` is no kind of resource; use host, service, agent, engine, process",
            table.resource.kind
        );
        Failure::new(ErrorKind::Invalid, words)
    })?;
    let columns = table.columns.iter().map(column).collect::<Answer<Vec<_>>>()?;
    if table.times_us.len() != table.rows.len() {
        let words = format!("there are {} times for {} rows", table.times_us.len(), table.rows.len());
        return Err(Failure::new(ErrorKind::Invalid, words));
    }
    let rows = table.times_us.iter().zip(table.rows);
    let rows = rows.map(|(time, values)| points::Row { time: Timestamp::from_micros(*time), values });
    let resource = identity::named(kind, &table.resource.name, Attributes::new());
    let decoded = points::decode_rows(resource, &columns, rows, &app.intake.admission(tenant, now));
    answer(app, tenant, decoded).await
}

fn column(column: &PointColumn) -> Answer<points::Column> {
    let word = column.kind.as_deref().unwrap_or("gauge");
    let kind = MetricKind::parse(word).filter(|k| *k != MetricKind::Histogram).ok_or_else(|| {
        let words = format!("`{word}` is no kind of metric column; use gauge, counter, delta, updowncounter");
        Failure::new(ErrorKind::Invalid, words)
    })?;
    let attributes = column.attributes.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(points::Column { metric: column.metric.clone(), unit: column.unit.clone(), kind, attributes })
}

async fn answer(app: &App, tenant: &TenantId, mut decoded: Decoded) -> Answer<IngestAnswer> {
    let accepted = app.intake.keep(tenant, &mut decoded).await?;
    Ok(IngestAnswer {
        accepted,
        rejected: decoded.rejected_total(),
        rejected_by_reason: decoded.rejected_count.iter().map(|(r, n)| (r.as_str().to_owned(), *n)).collect(),
        rejections: decoded.rejected.iter().map(Into::into).collect(),
    })
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let fault = match error.position {
            Position::Line { line, column } => Fault {
                line: Some(small(line)),
                column: Some(small(column)),
                detail: error.detail.clone(),
                ..Fault::default()
            },
            Position::Byte(_) => Fault { detail: error.to_string(), ..Fault::default() },
        };
        Self::malformed(error.to_string(), fault)
    }
}
