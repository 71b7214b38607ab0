//! Rows a second of each decoder, on one core. `cargo bench -p echobase-ingest`; a word behind `--` picks benches by
//! their name.

use std::hint::black_box;
use std::time::Duration;

use echobase_ingest::otlp::{self, Form};
use echobase_ingest::prometheus::{self, Format, LabelConflict, Origin};
use echobase_ingest::{Admission, Decoded, SeriesBudget, events, identity};
use echobase_types::{Attributes, IngestLimits, ResourceKind, TenantId, Timestamp};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const NANOS: u64 = 1_800_000_000_000_000_000;
const ROWS: usize = 2_000;

fn text(text: impl Into<String>) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.into())) })
}

fn pair(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn resource() -> Option<Resource> {
    let attributes = vec![pair("service.name", "orders"), pair("service.instance.id", "orders-1")];
    Some(Resource { attributes, ..Resource::default() })
}

fn metrics() -> ExportMetricsServiceRequest {
    let point = |n: usize| NumberDataPoint {
        time_unix_nano: NANOS,
        value: Some(Number::AsDouble(n as f64 * 0.5)),
        attributes: vec![
            pair("http.route", format!("/orders/{}", n % 50)),
            pair("http.request.method", "GET"),
            pair("server", format!("host-{}", n / 50)),
        ],
        ..NumberDataPoint::default()
    };
    let metric = |m: usize| Metric {
        name: format!("http.server.metric_{m}"),
        unit: "s".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: (0..ROWS / 10).map(point).collect() })),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: (0..10).map(metric).collect(), ..ScopeMetrics::default() };
    let group =
        ResourceMetrics { resource: resource(), scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![group] }
}

fn logs() -> ExportLogsServiceRequest {
    let record = |n: usize| LogRecord {
        time_unix_nano: NANOS,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: text(format!("order {n} was placed by customer {} and sent to the warehouse in time", n * 7)),
        attributes: vec![
            pair("customer.tier", "gold"),
            pair("order.id", n.to_string()),
            pair("http.route", "/orders"),
            KeyValue {
                key: "amount".to_owned(),
                value: Some(AnyValue { value: Some(Value::IntValue(n as i64)) }),
                ..KeyValue::default()
            },
        ],
        trace_id: (n as u128 + 1).to_be_bytes().to_vec(),
        span_id: (n as u64 + 1).to_be_bytes().to_vec(),
        ..LogRecord::default()
    };
    let scope = ScopeLogs { log_records: (0..ROWS).map(record).collect(), ..ScopeLogs::default() };
    let group = ResourceLogs { resource: resource(), scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }
}

fn ndjson() -> Vec<u8> {
    let line = |n: usize| {
        format!(
            "{{\"time\":\"2027-01-15T08:00:00.123Z\",\"name\":\"order.placed\",\"severity\":\"info\",\"message\":\"order {n} \
             was placed by customer {} and sent to the warehouse in time\",\"resource\":{{\"service.name\":\"orders\"}},\
             \"trace_id\":\"{:032x}\",\"customer.tier\":\"gold\",\"order.id\":\"{n}\",\"amount\":{n}}}\n",
            n * 7,
            n + 1
        )
    };
    (0..ROWS).map(line).collect::<String>().into_bytes()
}

fn exposition() -> Vec<u8> {
    let mut text = String::from("# TYPE http_requests_total counter\n");
    for n in 0..ROWS {
        text.push_str(&format!(
            "http_requests_total{{route=\"/orders/{}\",method=\"GET\",code=\"200\",host=\"h{}\"}} {n}.5\n",
            n % 50,
            n / 50
        ));
    }
    text.into_bytes()
}

/// Runs for about two seconds and prints the best of the rounds, which is the least disturbed one.
fn bench(name: &str, bytes: usize, mut decode: impl FnMut() -> Decoded) {
    if std::env::args().skip(1).any(|word| !word.starts_with('-') && !name.contains(&word)) {
        return;
    }
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < Duration::from_secs(2) {
        let round = Instant::now();
        let decoded = decode();
        best = best.min(round.elapsed());
        assert_eq!(decoded.batch.rows(), ROWS, "{:?}", decoded.rejected.first());
        black_box(decoded);
    }
    let rows = ROWS as f64 / best.as_secs_f64();
    let (per_row, volume) = (1e9 / rows, bytes as f64 / best.as_secs_f64() / 1e6);
    println!("{name:<24} {rows:>12.0} rows/s {per_row:>8.0} ns/row {volume:>8.0} MB/s");
}

fn main() {
    let (tenant, limits, budget) =
        (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
    let admission = Admission::live(&tenant, &limits, &budget, NOW);
    let ok = |decoded: Result<Decoded, echobase_ingest::Malformed>| decoded.unwrap_or_default();

    let (metrics, logs) = (metrics(), logs());
    let (metrics_pb, logs_pb) = (metrics.encode_to_vec(), logs.encode_to_vec());
    let json = |request: serde_json::Result<Vec<u8>>| request.unwrap_or_default();
    let (metrics_json, logs_json) = (json(serde_json::to_vec(&metrics)), json(serde_json::to_vec(&logs)));
    bench("otlp metrics protobuf", metrics_pb.len(), || {
        ok(otlp::metrics_body(Form::Protobuf, &metrics_pb, &admission))
    });
    bench("otlp metrics json", metrics_json.len(), || {
        ok(otlp::metrics_body(Form::Json, &metrics_json, &admission))
    });
    bench("otlp logs protobuf", logs_pb.len(), || ok(otlp::logs_body(Form::Protobuf, &logs_pb, &admission)));
    bench("otlp logs json", logs_json.len(), || ok(otlp::logs_body(Form::Json, &logs_json, &admission)));

    let events = ndjson();
    bench("events ndjson", events.len(), || ok(events::decode(&events, &admission)));

    let text = exposition();
    let origin = Origin {
        resource: identity::named(ResourceKind::Service, "shop", Attributes::new()),
        labels: [("job", "shop"), ("instance", "shop:80")].into_iter().collect(),
        conflict: LabelConflict::TargetWins,
    };
    bench("prometheus text", text.len(), || ok(prometheus::decode(&text, Format::Text, &origin, &admission)));
}
