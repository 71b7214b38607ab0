//! OTLP metrics.

pub(crate) mod exponential;

use std::fmt;

use echobase_types::signal::{HistogramPoint, MetricKind, RejectReason};
use echobase_types::{Attributes, Timestamp};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{self as otlp, AggregationTemporality, DataPointFlags};

use crate::intake::{Faults, Intake, Metric, Refusal, Source};
use crate::otlp::value;
use crate::{Admission, Decoded};

/// Metrics from a decoded request.
///
/// | OTLP | here |
/// |---|---|
/// | gauge | `Gauge` |
/// | sum, cumulative | `Counter` if monotonic, else `UpDownCounter` |
/// | sum, delta | `Delta` |
/// | histogram | histogram point |
/// | exponential histogram | histogram point with explicit bounds, at most 160 buckets a side (neighbours merged) |
/// | summary | a gauge per quantile (attribute `quantile`), and counters `<name>_count` and `<name>_sum` |
///
/// A point flagged "no recorded value" is left out. Exemplars are left out.
pub fn metrics(request: ExportMetricsServiceRequest, admission: &Admission<'_>) -> Decoded {
    knowing(&Faults::default(), request, admission)
}

/// Metrics from a request of which `faults` could not be read.
pub(super) fn knowing(
    faults: &Faults,
    request: ExportMetricsServiceRequest,
    admission: &Admission<'_>,
) -> Decoded {
    let mut intake = Intake::new(admission);
    for (r, group) in request.resource_metrics.into_iter().enumerate() {
        let place = format!("resourceMetrics[{r}].resource");
        let source = match value::source(&mut intake, faults, &place, group.resource) {
            Ok(source) => source,
            Err(refusal) => {
                let mut rows = 0;
                for (s, scope) in group.scope_metrics.iter().enumerate() {
                    for (m, metric) in scope.metrics.iter().enumerate() {
                        let unread = faults.at(At { r, s, m }).map_or(1, |(_, rows)| *rows);
                        rows += metric.data.as_ref().map_or(unread, points);
                    }
                }
                intake.refuse(place, &refusal, rows);
                continue;
            }
        };
        for (s, scope) in group.scope_metrics.into_iter().enumerate() {
            for (m, metric) in scope.metrics.into_iter().enumerate() {
                one(&mut intake, faults, &source, metric, At { r, s, m });
            }
        }
    }
    intake.finish()
}

/// Where a metric stands in its request.
#[derive(Clone, Copy)]
struct At {
    r: usize,
    s: usize,
    m: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resourceMetrics[{}].scopeMetrics[{}].metrics[{}]", self.r, self.s, self.m)
    }
}

fn points(data: &Data) -> usize {
    match data {
        Data::Gauge(all) => all.data_points.len(),
        Data::Sum(all) => all.data_points.len(),
        Data::Histogram(all) => all.data_points.len(),
        Data::ExponentialHistogram(all) => all.data_points.len(),
        Data::Summary(all) => all.data_points.len(),
    }
}

fn one(intake: &mut Intake<'_>, faults: &Faults, source: &Source, metric: otlp::Metric, at: At) {
    if let Some((refusal, rows)) = faults.at(at) {
        return intake.refuse(at, refusal, *rows);
    }
    let otlp::Metric { name, unit, data, .. } = metric;
    let Some(data) = data else {
        let refusal =
            Refusal::new(RejectReason::Missing, format!("metric `{name}` has no known kind of data"));
        return intake.refuse(at, &refusal, 1);
    };
    let rows = points(&data);
    let read = |place: fmt::Arguments<'_>| match faults.at(place) {
        Some((refusal, _)) => Err(refusal.clone()),
        None => Ok(()),
    };
    let of = |kind| Metric { name: &name, unit: &unit, kind };
    match data {
        Data::Gauge(all) => numbers(intake, faults, source, of(MetricKind::Gauge), all.data_points, at),
        Data::Sum(all) => {
            let kind = match (temporality(all.aggregation_temporality), all.is_monotonic) {
                (Ok(Temporality::Delta), _) => MetricKind::Delta,
                (Ok(Temporality::Cumulative), true) => MetricKind::Counter,
                (Ok(Temporality::Cumulative), false) => MetricKind::UpDownCounter,
                (Err(refusal), _) => return intake.refuse(at, &refusal, rows),
            };
            numbers(intake, faults, source, of(kind), all.data_points, at);
        }
        Data::Histogram(all) => match temporality(all.aggregation_temporality) {
            Err(refusal) => intake.refuse(at, &refusal, rows),
            Ok(temporality) => {
                for (p, point) in all.data_points.into_iter().enumerate().filter(|(_, p)| recorded(p.flags)) {
                    let outcome = read(format_args!("{at}.histogram.dataPoints[{p}]"))
                        .and_then(|()| explicit(point, temporality))
                        .and_then(|(attributes, point)| {
                            intake.histogram(source, of(MetricKind::Histogram), attributes, point)
                        });
                    intake.row(format_args!("{at}.histogram.dataPoints[{p}]"), outcome);
                }
            }
        },
        Data::ExponentialHistogram(all) => match temporality(all.aggregation_temporality) {
            Err(refusal) => intake.refuse(at, &refusal, rows),
            Ok(temporality) => {
                for (p, mut point) in
                    all.data_points.into_iter().enumerate().filter(|(_, p)| recorded(p.flags))
                {
                    let attributes = value::attributes(std::mem::take(&mut point.attributes));
                    let outcome = read(format_args!("{at}.exponentialHistogram.dataPoints[{p}]"))
                        .and_then(|()| exponential::explicit(point, temporality == Temporality::Cumulative))
                        .and_then(|point| {
                            intake.histogram(source, of(MetricKind::Histogram), attributes, point)
                        });
                    intake.row(format_args!("{at}.exponentialHistogram.dataPoints[{p}]"), outcome);
                }
            }
        },
        Data::Summary(all) => {
            for (p, point) in all.data_points.into_iter().enumerate().filter(|(_, p)| recorded(p.flags)) {
                let place = format!("{at}.summary.dataPoints[{p}]");
                match read(format_args!("{place}")) {
                    Ok(()) => summary(intake, source, &name, &unit, point, format_args!("{place}")),
                    Err(refusal) => intake.refuse(place, &refusal, 1),
                }
            }
        }
    }
}

fn numbers(
    intake: &mut Intake<'_>,
    faults: &Faults,
    source: &Source,
    metric: Metric<'_>,
    points: Vec<otlp::NumberDataPoint>,
    at: At,
) {
    let word = if metric.kind == MetricKind::Gauge { "gauge" } else { "sum" };
    for (p, point) in points.into_iter().enumerate().filter(|(_, p)| recorded(p.flags)) {
        let unread = faults.at(format_args!("{at}.{word}.dataPoints[{p}]"));
        let outcome = match unread {
            Some((refusal, _)) => Err(refusal.clone()),
            None => number(&point).and_then(|(time, value)| {
                intake.point(source, metric, value::attributes(point.attributes), time, value)
            }),
        };
        intake.row(format_args!("{at}.{word}.dataPoints[{p}]"), outcome);
    }
}

fn number(point: &otlp::NumberDataPoint) -> Result<(Timestamp, f64), Refusal> {
    let value = match point.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => return Err(Refusal::new(RejectReason::Missing, "point has no value")),
    };
    Ok((time(point.time_unix_nano)?, value))
}

fn summary(
    intake: &mut Intake<'_>,
    source: &Source,
    name: &str,
    unit: &str,
    point: otlp::SummaryDataPoint,
    at: fmt::Arguments<'_>,
) {
    let time = match time(point.time_unix_nano) {
        Ok(time) => time,
        Err(refusal) => return intake.refuse(at, &refusal, 1),
    };
    let attributes = value::attributes(point.attributes);
    let quantile = Metric { name, unit, kind: MetricKind::Gauge };
    for (q, part) in point.quantile_values.iter().enumerate() {
        let mut attributes = attributes.clone();
        attributes.insert("quantile", part.quantile.to_string());
        let outcome = intake.point(source, quantile, attributes, time, part.value);
        intake.row(format_args!("{at}.quantileValues[{q}]"), outcome);
    }
    let (count, sum) = (format!("{name}_count"), format!("{name}_sum"));
    let count_of = Metric { name: &count, unit: "", kind: MetricKind::Counter };
    let sum_of = Metric { name: &sum, unit, kind: MetricKind::Counter };
    let outcome = intake.point(source, count_of, attributes.clone(), time, point.count as f64);
    intake.row(format_args!("{at}.count"), outcome);
    let outcome = intake.point(source, sum_of, attributes, time, point.sum);
    intake.row(format_args!("{at}.sum"), outcome);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Temporality {
    Delta,
    Cumulative,
}

fn temporality(number: i32) -> Result<Temporality, Refusal> {
    match AggregationTemporality::try_from(number) {
        Ok(AggregationTemporality::Delta) => Ok(Temporality::Delta),
        Ok(AggregationTemporality::Cumulative) => Ok(Temporality::Cumulative),
        Ok(AggregationTemporality::Unspecified) | Err(_) => Err(Refusal::new(
            RejectReason::Missing,
            "aggregation temporality is neither delta nor cumulative",
        )),
    }
}

fn recorded(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 == 0
}

fn time(nanos: u64) -> Result<Timestamp, Refusal> {
    if nanos == 0 {
        return Err(Refusal::new(RejectReason::Missing, "point has no time"));
    }
    Ok(Timestamp::from_nanos(nanos))
}

fn explicit(
    point: otlp::HistogramDataPoint,
    temporality: Temporality,
) -> Result<(Attributes, HistogramPoint), Refusal> {
    let counts = match point.bucket_counts.is_empty() && point.explicit_bounds.is_empty() {
        true => vec![point.count],
        false => point.bucket_counts,
    };
    let histogram = HistogramPoint {
        series: 0,
        time: time(point.time_unix_nano)?,
        cumulative: temporality == Temporality::Cumulative,
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        bounds: point.explicit_bounds,
        counts,
    };
    Ok((value::attributes(point.attributes), histogram))
}
