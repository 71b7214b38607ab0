//! Signals: metric points, spans and log records, as one batch of columns-to-be.

use crate::{Attributes, Resource, SeriesId, Timestamp};

/// One accepted batch. Rows refer to `resources` and `series` by index, so that a label set is stated once.
/// Whoever builds a batch keeps the indices in range (`SignalBatch::check` says whether they are).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignalBatch {
    /// The resources that the rows speak about.
    pub resources: Vec<Resource>,
    /// The metric series of `points` and `histograms`.
    pub series: Vec<Series>,
    /// Numeric metric points.
    pub points: Vec<MetricPoint>,
    /// Histogram points.
    pub histograms: Vec<HistogramPoint>,
    /// Log records and events.
    pub logs: Vec<LogRecord>,
    /// Spans.
    pub spans: Vec<Span>,
}

/// How the values of a series behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// May go up and down.
    Gauge,
    /// A cumulative sum that only grows, and starts again at zero when its source restarts.
    Counter,
    /// A sum per interval; each point stands for itself (OTLP delta temporality).
    Delta,
    /// A cumulative sum that may also shrink (OTLP non-monotonic sum).
    UpDownCounter,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Delta => "delta",
            Self::UpDownCounter => "updowncounter",
            Self::Histogram => "histogram",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Gauge, Self::Counter, Self::Delta, Self::UpDownCounter, Self::Histogram]
            .into_iter()
            .find(|k| k.as_str() == word)
    }
}

/// A metric series: one name with one attribute set on one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Hash of the canonical form.
    pub id: SeriesId,
    /// Index into `SignalBatch::resources`.
    pub resource: u32,
    /// The metric name as its sender spells it.
    pub name: String,
    /// The UCUM unit, or empty.
    pub unit: String,
    /// How its values behave.
    pub kind: MetricKind,
    /// Point attributes and, where they tell instances apart, instance attributes of the resource.
    pub attributes: Attributes,
}

/// One value of a series. Never NaN or infinite: those are rejected on the way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricPoint {
    /// Index into `SignalBatch::series`.
    pub series: u32,
    /// When it was measured.
    pub time: Timestamp,
    /// The value, finite.
    pub value: f64,
}

/// One histogram point with explicit bounds (exponential histograms are mapped onto explicit bounds).
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPoint {
    /// Index into `SignalBatch::series`.
    pub series: u32,
    /// When it was measured.
    pub time: Timestamp,
    /// Whether counts are cumulative since a start (else they stand for one interval).
    pub cumulative: bool,
    /// Number of values.
    pub count: u64,
    /// Sum of values; 0 if not reported.
    pub sum: f64,
    /// Upper bounds, ascending, without the infinite one.
    pub bounds: Vec<f64>,
    /// Counts per bucket: one more than `bounds`.
    pub counts: Vec<u64>,
}

/// A log record; an event if `event_name` is not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// Index into `SignalBatch::resources`.
    pub resource: u32,
    /// When it happened.
    pub time: Timestamp,
    /// OpenTelemetry severity number, 0 (unspecified) to 24.
    pub severity: u8,
    /// The event name, or empty.
    pub event_name: String,
    /// The message.
    pub body: String,
    /// Trace id as 32 hexadecimal digits, or empty.
    pub trace_id: String,
    /// Span id as 16 hexadecimal digits, or empty.
    pub span_id: String,
    /// Everything else.
    pub attributes: Attributes,
}

/// The role of a span in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Not said.
    Unspecified,
    /// Inside a service.
    Internal,
    /// The called side.
    Server,
    /// The calling side.
    Client,
    /// Puts a message.
    Producer,
    /// Takes a message.
    Consumer,
}

impl SpanKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Unspecified, Self::Internal, Self::Server, Self::Client, Self::Producer, Self::Consumer]
            .into_iter()
            .find(|k| k.as_str() == word)
    }
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanStatus {
    /// Not said.
    Unset,
    /// Well.
    Ok,
    /// With an error.
    Error,
}

impl SpanStatus {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Unset, Self::Ok, Self::Error].into_iter().find(|k| k.as_str() == word)
    }
}

/// One operation of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Index into `SignalBatch::resources`.
    pub resource: u32,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits, or empty for a root.
    pub parent_span_id: String,
    /// What was done.
    pub name: String,
    /// The role in the call.
    pub kind: SpanKind,
    /// Start.
    pub start: Timestamp,
    /// End; not before `start`.
    pub end: Timestamp,
    /// How it ended.
    pub status: SpanStatus,
    /// The sender's words on the status.
    pub status_message: String,
    /// Everything else.
    pub attributes: Attributes,
}

/// A row that was not accepted, and why. Its neighbours were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it stood: a line number, or a path such as `resourceMetrics[0].scopeMetrics[1].metrics[2]`.
    pub at: String,
    /// The class of the reason, for counting.
    pub reason: RejectReason,
    /// What is wrong, in words, with the value cut short.
    pub detail: String,
}

/// Why a row was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The row does not parse.
    Malformed,
    /// A required member is missing.
    Missing,
    /// NaN or an infinity.
    NotFinite,
    /// Older than the oldest accepted time.
    TooOld,
    /// Further in the future than clocks may differ.
    TooNew,
    /// A name, value or set is longer than its limit.
    TooLong,
    /// The budget of new series is used up.
    SeriesLimit,
    /// A form that is not supported.
    Unsupported,
}

impl RejectReason {
    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::NotFinite => "not_finite",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::TooLong => "too_long",
            Self::SeriesLimit => "series_limit",
            Self::Unsupported => "unsupported",
        }
    }
}

impl SignalBatch {
    /// Number of rows: points, histograms, logs and spans.
    pub fn rows(&self) -> usize {
        self.points.len() + self.histograms.len() + self.logs.len() + self.spans.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Whether every index is in range.
    pub fn check(&self) -> bool {
        let (r, s) = (self.resources.len() as u32, self.series.len() as u32);
        self.series.iter().all(|x| x.resource < r)
            && self.points.iter().all(|x| x.series < s)
            && self.histograms.iter().all(|x| x.series < s && x.counts.len() == x.bounds.len() + 1)
            && self.logs.iter().all(|x| x.resource < r)
            && self.spans.iter().all(|x| x.resource < r)
    }
}
