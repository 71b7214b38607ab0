//! Readings and spans as OTLP, sent over HTTP as protobuf.

use std::sync::Arc;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::signal::SpanKind;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};
use prost::Message;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Clock;
use crate::meter::{BOUNDS, Instrument, Labels, Meter, Readings};
use crate::trace::{SpanRecord, Tracer};

/// Time between two exports.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends what a process measures, once a second.
pub(crate) struct Exporter {
    pub(crate) client: reqwest::Client,
    /// Base URL of an OTLP/HTTP receiver.
    pub(crate) endpoint: String,
    /// Resource attributes.
    pub(crate) identity: Labels,
    pub(crate) meter: Arc<Meter>,
    pub(crate) tracer: Arc<Tracer>,
    pub(crate) clock: Clock,
    /// Start of the process: cumulative values count from here.
    pub(crate) start: Timestamp,
}

impl Exporter {
    /// Exports until told to stop, and once more then. A receiver that is away loses these points, never this process.
    pub(crate) async fn run(self, sample: impl Fn(), shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                _ = ticks.tick() => false,
                () = shutdown.cancelled() => true,
            };
            sample();
            self.export().await;
            if last {
                return;
            }
        }
    }

    async fn export(&self) {
        let now = (self.clock)();
        let metrics = metrics_request(&self.identity, &self.meter.read(), self.start, now);
        self.send("/v1/metrics", metrics.encode_to_vec()).await;
        let spans = self.tracer.take();
        if !spans.is_empty() {
            self.send("/v1/traces", traces_request(&self.identity, &spans).encode_to_vec()).await;
        }
    }

    async fn send(&self, path: &str, body: Vec<u8>) {
        let request = self
            .client
            .post(format!("{}{path}", self.endpoint))
            .header("content-type", "application/x-protobuf")
            .timeout(INTERVAL * 2)
            .body(body);
        match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {}
            Err(error) => debug!(%error, path, "export failed"),
        }
    }
}

fn metrics_request(
    identity: &Labels,
    readings: &Readings,
    start: Timestamp,
    now: Timestamp,
) -> ExportMetricsServiceRequest {
    let (start, now) = (nanos(start), nanos(now));
    let gauges = readings.gauges.iter().map(|(instrument, values)| {
        let data_points = values.iter().map(|(labels, value)| NumberDataPoint {
            attributes: key_values(labels),
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(*value)),
            ..NumberDataPoint::default()
        });
        metric(*instrument, metric::Data::Gauge(Gauge { data_points: data_points.collect() }))
    });
    let histograms = readings.distributions.iter().map(|(instrument, values)| {
        let data_points = values.iter().map(|(labels, distribution)| HistogramDataPoint {
            attributes: key_values(labels),
            start_time_unix_nano: start,
            time_unix_nano: now,
            count: distribution.count,
            sum: Some(distribution.sum),
            bucket_counts: distribution.counts.to_vec(),
            explicit_bounds: BOUNDS.to_vec(),
            ..HistogramDataPoint::default()
        });
        let histogram = Histogram {
            data_points: data_points.collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        };
        metric(*instrument, metric::Data::Histogram(histogram))
    });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource(identity)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: gauges.chain(histograms).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(instrument: Instrument, data: metric::Data) -> Metric {
    Metric {
        name: instrument.name.to_owned(),
        description: instrument.help.to_owned(),
        unit: instrument.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn traces_request(identity: &Labels, spans: &[SpanRecord]) -> ExportTraceServiceRequest {
    let spans = spans.iter().map(|record| Span {
        trace_id: record.context.trace.to_vec(),
        span_id: record.context.span.to_vec(),
        parent_span_id: record.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: record.name.clone(),
        kind: match record.kind {
            SpanKind::Server => span::SpanKind::Server,
            SpanKind::Client => span::SpanKind::Client,
            _ => span::SpanKind::Internal,
        }
        .into(),
        start_time_unix_nano: nanos(record.start),
        end_time_unix_nano: nanos(record.end),
        attributes: key_values(&record.attributes),
        status: record
            .error
            .as_ref()
            .map(|message| Status { message: message.clone(), code: status::StatusCode::Error.into() }),
        ..Span::default()
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(identity)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: spans.collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn resource(identity: &Labels) -> Resource {
    Resource { attributes: key_values(identity), ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "echobase.simulation".to_owned(), ..InstrumentationScope::default() }
}

fn key_values(labels: &Labels) -> Vec<KeyValue> {
    let value = |text: &String| AnyValue { value: Some(any_value::Value::StringValue(text.clone())) };
    labels
        .iter()
        .map(|(key, text)| KeyValue {
            key: (*key).to_owned(),
            value: Some(value(text)),
            ..KeyValue::default()
        })
        .collect()
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_carry_time_labels_and_the_start_they_count_from() {
        let meter = Meter::default();
        let time = Instrument { name: "http.server.request.duration", unit: "s", help: "" };
        meter.record(time, vec![("http.route", "/a".to_owned())], Duration::from_millis(30));
        let (start, now) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
        let request = metrics_request(&vec![("service.name", "front".to_owned())], &meter.read(), start, now);
        let metrics = &request.resource_metrics[0];
        assert_eq!(metrics.resource.as_ref().unwrap().attributes[0].key, "service.name");
        let Some(metric::Data::Histogram(histogram)) = &metrics.scope_metrics[0].metrics[0].data else {
            panic!("not a histogram")
        };
        let point = &histogram.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 2_000_000_000));
        assert_eq!((point.count, point.bucket_counts.len()), (1, point.explicit_bounds.len() + 1));
    }

    #[test]
    fn a_failed_span_says_so_and_knows_its_parent() {
        let tracer = Tracer::new(7);
        let root = tracer.begin(None);
        let context = tracer.begin(Some(root));
        let record = SpanRecord {
            context,
            parent: Some(root.span),
            name: "POST /reserve".to_owned(),
            kind: SpanKind::Client,
            start: Timestamp::from_secs(1),
            end: Timestamp::from_secs(2),
            error: Some("timed out".to_owned()),
            attributes: Vec::new(),
        };
        let request = traces_request(&Vec::new(), &[record]);
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.parent_span_id, root.span);
        assert_eq!(span.status.as_ref().map(|s| s.code), Some(status::StatusCode::Error.into()));
    }
}
