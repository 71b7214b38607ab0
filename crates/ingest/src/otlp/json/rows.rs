//! Which rows of a JSON body cannot be read, so that each costs only itself.
//!
//! A row that cannot be read gives way to an empty one, so that its neighbours keep their places, and is told as a
//! fault of its place.

use echobase_types::signal::RejectReason;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{self as metrics, DataPointFlags, NumberDataPoint};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::intake::{Faults, Refusal, malformed, shown};

/// A request whose rows can be told apart before they are read.
pub(in crate::otlp) trait Request: DeserializeOwned {
    /// Whether the usual reading took everything: flattened members that it cannot read vanish without an error.
    fn is_whole(&self) -> bool;

    /// Takes the rows out that cannot be read.
    fn sift(body: &mut Value, faults: &mut Faults);
}

impl Request for ExportMetricsServiceRequest {
    fn is_whole(&self) -> bool {
        let valued = |points: &[NumberDataPoint]| {
            points.iter().all(|p| p.value.is_some() || p.flags & NOT_RECORDED != 0)
        };
        let scopes = self.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
        scopes.flat_map(|scope| &scope.metrics).all(|metric| match &metric.data {
            None => false,
            Some(Data::Gauge(all)) => valued(&all.data_points),
            Some(Data::Sum(all)) => valued(&all.data_points),
            Some(Data::Histogram(_) | Data::ExponentialHistogram(_) | Data::Summary(_)) => true,
        })
    }

    fn sift(body: &mut Value, faults: &mut Faults) {
        for (r, group) in items(body, "resourceMetrics") {
            member::<Resource>(group, "resource", &format!("resourceMetrics[{r}].resource"), faults);
            for (s, scope) in items(group, "scopeMetrics") {
                // Metrics keep nothing of their scope.
                remove(scope, "scope");
                for (m, metric) in items(scope, "metrics") {
                    sift_metric(
                        metric,
                        &format!("resourceMetrics[{r}].scopeMetrics[{s}].metrics[{m}]"),
                        faults,
                    );
                }
            }
        }
    }
}

impl Request for ExportLogsServiceRequest {
    fn is_whole(&self) -> bool {
        true
    }

    fn sift(body: &mut Value, faults: &mut Faults) {
        for (r, group) in items(body, "resourceLogs") {
            member::<Resource>(group, "resource", &format!("resourceLogs[{r}].resource"), faults);
            for (s, scope) in items(group, "scopeLogs") {
                let broken = scope_fault(scope);
                for (l, record) in items(scope, "logRecords") {
                    let fault = broken.clone().or_else(|| fault_of::<LogRecord>(record));
                    take_out(
                        record,
                        fault,
                        || format!("resourceLogs[{r}].scopeLogs[{s}].logRecords[{l}]"),
                        faults,
                    );
                }
            }
        }
    }
}

impl Request for ExportTraceServiceRequest {
    fn is_whole(&self) -> bool {
        true
    }

    fn sift(body: &mut Value, faults: &mut Faults) {
        for (r, group) in items(body, "resourceSpans") {
            member::<Resource>(group, "resource", &format!("resourceSpans[{r}].resource"), faults);
            for (s, scope) in items(group, "scopeSpans") {
                let broken = scope_fault(scope);
                for (n, span) in items(scope, "spans") {
                    let at = || format!("resourceSpans[{r}].scopeSpans[{s}].spans[{n}]");
                    for (e, event) in items(span, "events") {
                        let fault = fault_of::<Event>(event);
                        take_out(event, fault, || format!("{}.events[{e}]", at()), faults);
                    }
                    let fault = broken.clone().or_else(|| fault_of::<Span>(span));
                    take_out(span, fault, at, faults);
                }
            }
        }
    }
}

const NOT_RECORDED: u32 = DataPointFlags::NoRecordedValueMask as u32;

/// The kinds of metric data.
const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

fn sift_metric(metric: &mut Value, at: &str, faults: &mut Faults) {
    let rows = rows_of(metric);
    let mut shell = shell_of(metric);
    let fault =
        match metric.as_object().and_then(|members| KINDS.iter().find(|kind| members.contains_key(**kind))) {
            None => fault_of::<metrics::Metric>(&shell).or_else(|| {
                let name = metric.get("name").and_then(Value::as_str).unwrap_or_default();
                let detail = format!("metric `{}` has no known kind of data", shown(name));
                Some(Refusal::new(RejectReason::Missing, detail))
            }),
            Some(&kind) => {
                let data = remove(&mut shell, kind).unwrap_or_default();
                let fault = fault_of::<metrics::Metric>(&shell).or_else(|| match kind {
                    "gauge" => fault_of::<metrics::Gauge>(&data),
                    "sum" => fault_of::<metrics::Sum>(&data),
                    "histogram" => fault_of::<metrics::Histogram>(&data),
                    "exponentialHistogram" => fault_of::<metrics::ExponentialHistogram>(&data),
                    _ => fault_of::<metrics::Summary>(&data),
                });
                if fault.is_none()
                    && let Some(data) = metric.get_mut(kind)
                {
                    for (p, point) in items(data, "dataPoints") {
                        let fault = match kind {
                            "gauge" | "sum" => number_fault(point),
                            "histogram" => histogram_fault::<metrics::HistogramDataPoint>(point),
                            "exponentialHistogram" => {
                                histogram_fault::<metrics::ExponentialHistogramDataPoint>(point)
                            }
                            _ => fault_of::<metrics::SummaryDataPoint>(point),
                        };
                        take_out(point, fault, || format!("{at}.{kind}.dataPoints[{p}]"), faults);
                    }
                }
                fault
            }
        };
    if let Some(fault) = fault {
        faults.insert(at.to_owned(), fault, rows);
        *metric = Value::Object(Map::new());
    }
}

/// How many points a metric of any kind, known or not, speaks of; one where that cannot be told.
fn rows_of(metric: &Value) -> usize {
    let members = metric.as_object().into_iter().flat_map(Map::values);
    members.filter_map(|data| data.get("dataPoints")?.as_array()).map(Vec::len).sum::<usize>().max(1)
}

/// What stands around the points of a metric.
fn shell_of(metric: &Value) -> Value {
    let Value::Object(members) = metric else { return metric.clone() };
    let bare = |data: &Value| match data {
        Value::Object(of_data) => {
            let others = of_data.iter().filter(|(key, value)| *key != "dataPoints" || !value.is_array());
            Value::Object(others.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        other => other.clone(),
    };
    Value::Object(members.iter().map(|(key, value)| (key.clone(), bare(value))).collect())
}

fn number_fault(point: &Value) -> Option<Refusal> {
    if is_not_recorded(point) {
        return fault_of::<NumberDataPoint>(point);
    }
    let of_value = match (point.get("asDouble"), point.get("asInt")) {
        (Some(value), _) if !value.is_number() => Some(of_number("asDouble", value)),
        (_, Some(value)) if integer(value).is_none() => {
            Some(malformed(format!("`asInt` is {}, which is no 64-bit number", shown(&value.to_string()))))
        }
        _ => None,
    };
    of_value.or_else(|| fault_of::<NumberDataPoint>(point))
}

fn histogram_fault<P: DeserializeOwned>(point: &Value) -> Option<Refusal> {
    if is_not_recorded(point) {
        return fault_of::<P>(&without(point, &["sum", "explicitBounds", "zeroThreshold"]));
    }
    let bounds = point.get("explicitBounds").and_then(Value::as_array).into_iter().flatten();
    let numbers = ["sum", "zeroThreshold"].into_iter().filter_map(|key| Some((key, point.get(key)?)));
    numbers
        .chain(bounds.map(|bound| ("explicitBounds", bound)))
        .find(|(_, value)| !value.is_number())
        .map(|(key, value)| of_number(key, value))
        .or_else(|| fault_of::<P>(point))
}

fn is_not_recorded(point: &Value) -> bool {
    point.get("flags").and_then(Value::as_u64).is_some_and(|flags| flags & u64::from(NOT_RECORDED) != 0)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// What is wrong with a value that should be a number.
fn of_number(key: &str, value: &Value) -> Refusal {
    let given = shown(&value.to_string());
    match super::is_not_finite(value) {
        true => Refusal::new(RejectReason::NotFinite, format!("`{key}` is {given}")),
        false => malformed(format!("`{key}` is {given}, which is no number")),
    }
}

/// Why a `T` cannot be read, by its first member that cannot.
fn fault_of<T: DeserializeOwned>(row: &Value) -> Option<Refusal> {
    let whole = T::deserialize(row).err()?;
    let alone = |(key, value): (&String, &Value)| {
        let only = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        Some(format!("`{}`: {}", shown(key), T::deserialize(only).err()?))
    };
    let detail = row.as_object().and_then(|members| members.iter().find_map(alone));
    Some(malformed(shown(&detail.unwrap_or_else(|| whole.to_string()))))
}

fn scope_fault(scope: &mut Value) -> Option<Refusal> {
    let fault = fault_of::<InstrumentationScope>(scope.get("scope")?)?;
    remove(scope, "scope");
    Some(malformed(format!("scope of the row: {}", fault.detail)))
}

/// Takes a member out that cannot be read, and tells so.
fn member<T: DeserializeOwned>(of: &mut Value, key: &str, at: &str, faults: &mut Faults) {
    if let Some(fault) = of.get(key).and_then(fault_of::<T>) {
        remove(of, key);
        faults.insert(at.to_owned(), fault, 1);
    }
}

fn take_out(row: &mut Value, fault: Option<Refusal>, at: impl FnOnce() -> String, faults: &mut Faults) {
    if let Some(fault) = fault {
        faults.insert(at(), fault, 1);
        *row = Value::Object(Map::new());
    }
}

fn items<'a>(of: &'a mut Value, key: &str) -> impl Iterator<Item = (usize, &'a mut Value)> {
    of.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().enumerate()
}

fn remove(of: &mut Value, key: &str) -> Option<Value> {
    of.as_object_mut()?.remove(key)
}

fn without(of: &Value, keys: &[&str]) -> Value {
    let mut rest = of.clone();
    for key in keys {
        remove(&mut rest, key);
    }
    rest
}
