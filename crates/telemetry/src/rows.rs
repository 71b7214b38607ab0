//! A batch in the form in which it is kept: attributes are JSON text, and what is already known of series and
//! resources is not said again.

use echobase_types::resource::Resource;
use echobase_types::signal::{LogRecord, MetricKind, Series, Span};
use echobase_types::{ResourceId, ResourceKind, SignalBatch, Timestamp};

use crate::attributes;

/// One verdict of the analysis, as a row. `body` holds the whole assessment in whatever text form the caller
/// chose; the columns are what questions and charts need.
#[derive(Clone, Debug, PartialEq)]
pub struct AssessmentRow {
    /// The resource judged.
    pub resource_id: ResourceId,
    /// When.
    pub at: Timestamp,
    /// The stability score, 0..=1.
    pub score: f64,
    /// Score of the component `resource`, 0..=1; `None`: no signal speaks about it.
    pub resource_score: Option<f64>,
    /// Score of the component `error`.
    pub error_score: Option<f64>,
    /// Score of the component `performance`.
    pub performance_score: Option<f64>,
    /// Score of the component `dependency`.
    pub dependency_score: Option<f64>,
    /// Weight of the component `resource`, 0..=1.
    pub resource_weight: f64,
    /// Weight of the component `error`.
    pub error_weight: f64,
    /// Weight of the component `performance`.
    pub performance_weight: f64,
    /// Weight of the component `dependency`.
    pub dependency_weight: f64,
    /// Probability of collapse within the horizon, 0..=1.
    pub risk: f64,
    /// The whole assessment as text (JSON by convention); may be empty.
    pub body: String,
}

/// A resource as it is described.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceRow {
    pub(crate) id: ResourceId,
    pub(crate) kind: ResourceKind,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) attributes: String,
}

/// A series as it is described.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesRow {
    pub(crate) id: u64,
    pub(crate) resource: ResourceId,
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) kind: MetricKind,
    /// JSON text.
    pub(crate) attributes: String,
}

/// The times of the earliest and the latest row about something; `first > last` if the batch mentions it
/// without a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen<T> {
    pub(crate) id: T,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl<T> Seen<T> {
    fn not(id: T) -> Self {
        Self { id, first: i64::MAX, last: i64::MIN }
    }

    /// The times, if there is a row.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        (self.first <= self.last).then_some((self.first, self.last))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HistogramRow {
    pub(crate) series: u32,
    pub(crate) time: i64,
    pub(crate) cumulative: bool,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) counts: Vec<u64>,
}

/// A log record whose attributes are text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogRow {
    /// As it came, without attributes; `resource` refers to `Rows::resources_seen`.
    pub(crate) record: LogRecord,
    pub(crate) attributes: String,
}

/// A span whose attributes are text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpanRow {
    /// As it came, without attributes; `resource` refers to `Rows::resources_seen`.
    pub(crate) span: Span,
    pub(crate) attributes: String,
}

/// Everything of one batch. Points and histograms refer to `series_seen`, logs and spans to `resources_seen`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    /// New or changed resources.
    pub(crate) resources: Vec<ResourceRow>,
    /// All resources of the batch.
    pub(crate) resources_seen: Vec<Seen<ResourceId>>,
    /// New series.
    pub(crate) series: Vec<SeriesRow>,
    /// All series of the batch.
    pub(crate) series_seen: Vec<Seen<u64>>,
    pub(crate) point_series: Vec<u32>,
    pub(crate) point_time: Vec<i64>,
    pub(crate) point_value: Vec<f64>,
    pub(crate) histograms: Vec<HistogramRow>,
    pub(crate) logs: Vec<LogRow>,
    pub(crate) spans: Vec<SpanRow>,
    pub(crate) assessments: Vec<AssessmentRow>,
}

/// Which series and resources of a batch need no description, because it is durable already.
pub(crate) struct Recalled {
    pub(crate) series: Vec<bool>,
    pub(crate) resources: Vec<bool>,
}

impl Rows {
    /// Takes a checked batch apart (`SignalBatch::check`). `recall` gets the resources, the text of each one's
    /// attributes, and the series.
    pub(crate) fn of_batch(
        batch: SignalBatch,
        recall: impl FnOnce(&[Resource], &[String], &[Series]) -> Recalled,
    ) -> Self {
        let texts: Vec<_> = batch.resources.iter().map(|r| attributes::to_json(&r.attributes)).collect();
        let known = recall(&batch.resources, &texts, &batch.series);
        let mut resources_seen: Vec<Seen<ResourceId>> =
            batch.resources.iter().map(|r| Seen::not(r.id.clone())).collect();
        let mut series_seen: Vec<Seen<u64>> = batch.series.iter().map(|s| Seen::not(s.id.0)).collect();
        let mut rows = Self {
            point_series: Vec::with_capacity(batch.points.len()),
            point_time: Vec::with_capacity(batch.points.len()),
            point_value: Vec::with_capacity(batch.points.len()),
            ..Self::default()
        };
        for point in batch.points {
            let time = point.time.as_micros();
            see(&mut series_seen, point.series, time);
            rows.point_series.push(point.series);
            rows.point_time.push(time);
            rows.point_value.push(point.value);
        }
        for h in batch.histograms {
            see(&mut series_seen, h.series, h.time.as_micros());
            rows.histograms.push(HistogramRow {
                series: h.series,
                time: h.time.as_micros(),
                cumulative: h.cumulative,
                count: h.count,
                sum: h.sum,
                bounds: h.bounds,
                counts: h.counts,
            });
        }
        for (series, seen) in batch.series.iter().zip(&series_seen) {
            if let Some((first, last)) = seen.times() {
                see(&mut resources_seen, series.resource, first);
                see(&mut resources_seen, series.resource, last);
            }
        }
        for mut record in batch.logs {
            see(&mut resources_seen, record.resource, record.time.as_micros());
            let attributes = attributes::to_json(&std::mem::take(&mut record.attributes));
            rows.logs.push(LogRow { record, attributes });
        }
        for mut span in batch.spans {
            see(&mut resources_seen, span.resource, span.start.as_micros());
            let attributes = attributes::to_json(&std::mem::take(&mut span.attributes));
            rows.spans.push(SpanRow { span, attributes });
        }
        for (series, _) in batch.series.into_iter().zip(known.series).filter(|(_, known)| !known) {
            rows.series.push(SeriesRow {
                id: series.id.0,
                resource: resources_seen[series.resource as usize].id.clone(),
                metric: series.name,
                unit: series.unit,
                kind: series.kind,
                attributes: attributes::to_json(&series.attributes),
            });
        }
        for ((resource, attributes), known) in batch.resources.into_iter().zip(texts).zip(known.resources) {
            if !known {
                let Resource { id, kind, name, .. } = resource;
                rows.resources.push(ResourceRow { id, kind, name, attributes });
            }
        }
        rows.resources_seen = resources_seen;
        rows.series_seen = series_seen;
        rows
    }

    /// Rows of verdicts alone.
    pub(crate) fn of_assessments(assessments: Vec<AssessmentRow>) -> Self {
        Self { assessments, ..Self::default() }
    }

    /// Number of rows that are kept row by row.
    pub(crate) fn len(&self) -> usize {
        self.point_time.len()
            + self.histograms.len()
            + self.logs.len()
            + self.spans.len()
            + self.assessments.len()
    }
}

fn see<T>(all: &mut [Seen<T>], at: u32, time: i64) {
    if let Some(seen) = all.get_mut(at as usize) {
        seen.first = seen.first.min(time);
        seen.last = seen.last.max(time);
    }
}
