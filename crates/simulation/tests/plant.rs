//! The plant on real sockets: processes that serve, call, export and break, here as tasks of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use echobase_simulation::Clock;
use echobase_simulation::fault::{Fault, FaultKind};
use echobase_simulation::node::{self, NodeConfig};
use echobase_simulation::plant::{MEMORY_LIMIT, Role};
use echobase_types::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the exporters of all processes sent.
#[derive(Clone, Default)]
struct Received {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

/// Store, orders and front, with a receiver for what they export.
struct Plant {
    client: reqwest::Client,
    addresses: Vec<(Role, SocketAddr)>,
    received: Received,
    _tasks: JoinSet<()>,
    stop: CancellationToken,
    _guard: DropGuard,
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A clock that the runtime moves.
fn clock() -> Clock {
    let begun = tokio::time::Instant::now();
    Arc::new(move || Timestamp::from_secs(1_700_000_000) + begun.elapsed())
}

impl Plant {
    async fn start() -> Self {
        let received = Received::default();
        let receiver = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let telemetry = format!("http://{}", receiver.local_addr().unwrap());
        let routes = Router::new()
            .route(
                "/v1/metrics",
                post(|State(all): State<Received>, body: Bytes| async move {
                    all.metrics.lock().unwrap().push(ExportMetricsServiceRequest::decode(body).unwrap());
                }),
            )
            .route(
                "/v1/traces",
                post(|State(all): State<Received>, body: Bytes| async move {
                    all.traces.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
                }),
            )
            .with_state(received.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(receiver, routes).await.unwrap() });
        let stop = CancellationToken::new();
        let addresses: Vec<(Role, SocketAddr)> = Role::ALL.into_iter().map(|role| (role, free())).collect();
        let client = reqwest::Client::new();
        for &(role, address) in &addresses {
            let called = |upstream: &Role| addresses.iter().find(|(r, _)| r == upstream).unwrap().1;
            let config = NodeConfig {
                role,
                instance: 0,
                listen: address,
                telemetry: telemetry.clone(),
                upstreams: role.upstreams().iter().map(|r| (*r, vec![called(r)])).collect(),
                seed: 7,
                memory_limit: MEMORY_LIMIT * 16,
            };
            let (clock, stop) = (clock(), stop.clone());
            tasks.spawn(async move { node::run(config, clock, stop).await.unwrap() });
        }
        let plant =
            Self { client, addresses, received, _tasks: tasks, _guard: stop.clone().drop_guard(), stop };
        for role in Role::ALL {
            plant.until(|| async { plant.get(role, "/health").await.is_some() }).await;
        }
        plant
    }

    fn url(&self, role: Role, path: &str) -> String {
        format!("http://{}{path}", self.addresses.iter().find(|(r, _)| *r == role).unwrap().1)
    }

    async fn get(&self, role: Role, path: &str) -> Option<String> {
        self.client.get(self.url(role, path)).send().await.ok()?.text().await.ok()
    }

    async fn post(&self, role: Role, path: &str, body: &str) -> u16 {
        let sent = self.client.post(self.url(role, path)).body(body.to_owned()).send().await;
        sent.unwrap().status().as_u16()
    }

    async fn fault(&self, role: Role, kind: FaultKind) {
        let fault = Fault { kind, intensity: 1.0, ramp: Duration::ZERO, length: Duration::from_secs(60) };
        assert_eq!(self.post(role, "/fault", &fault.to_json().to_string()).await, 204);
    }

    /// Waits on a state, five seconds at most.
    async fn until<F: Future<Output = bool>>(&self, state: impl Fn() -> F) {
        let wait = async {
            while !state().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait).await.expect("the state was not reached in time");
    }
}

#[tokio::test]
async fn an_order_passes_through_three_processes_in_one_trace_and_is_exported() {
    let plant = Plant::start().await;
    assert_eq!(plant.post(Role::Front, "/order", r#"{"kind":"order"}"#).await, 200);
    let page = plant.get(Role::Front, "/metrics").await.unwrap();
    assert!(
        page.contains("http_client_request_duration_seconds_count{http_request_method=\"POST\""),
        "{page}"
    );
    // Stopping exports what is left.
    plant.stop.cancel();
    let spans = || {
        let traces = plant.received.traces.lock().unwrap();
        let spans =
            traces.iter().flat_map(|t| &t.resource_spans).flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
        spans.map(|span| (span.trace_id.clone(), span.kind)).collect::<Vec<_>>()
    };
    plant.until(|| async { spans().len() >= 5 }).await;
    let all = spans();
    assert_eq!(all.len(), 5, "three served, two called");
    assert!(all.iter().all(|(trace, _)| *trace == all[0].0), "one trace");
    let metrics = plant.received.metrics.lock().unwrap();
    let names: Vec<&str> = metrics
        .iter()
        .flat_map(|m| &m.resource_metrics)
        .flat_map(|r| &r.scope_metrics)
        .flat_map(|s| &s.metrics)
        .map(|metric| metric.name.as_str())
        .collect();
    for name in
        ["http.server.request.duration", "process.memory.usage", "worker.pool.used", "messaging.queue.depth"]
    {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

#[tokio::test]
async fn an_error_burst_fails_requests_and_those_that_depend_on_them() {
    let plant = Plant::start().await;
    plant.fault(Role::Stock, FaultKind::ErrorBurst).await;
    assert_eq!(plant.post(Role::Stock, "/reserve", "").await, 500);
    assert_eq!(plant.post(Role::Front, "/order", r#"{"kind":"order"}"#).await, 502);
    assert_eq!(plant.post(Role::Front, "/order", r#"{"kind":"question"}"#).await, 200);
}

#[tokio::test]
async fn a_dead_process_answers_no_work_but_still_says_that_it_is_up() {
    let plant = Plant::start().await;
    plant.fault(Role::Stock, FaultKind::DeadDependency).await;
    let asked = plant
        .client
        .post(plant.url(Role::Stock, "/reserve"))
        .timeout(Duration::from_millis(100))
        .send()
        .await;
    assert!(asked.is_err_and(|error| error.is_timeout()));
    assert_eq!(plant.get(Role::Stock, "/health").await.as_deref(), Some("ok\n"));
    // The caller hung up; the dead process counts the request as failed.
    plant
        .until(|| async {
            plant.get(Role::Stock, "/metrics").await.unwrap().contains("error_type=\"cancelled\"")
        })
        .await;
}

#[tokio::test]
async fn a_leak_really_takes_memory_and_ends_with_its_fault() {
    let plant = Plant::start().await;
    let used = || async {
        let page = plant.get(Role::Engine, "/metrics").await.unwrap();
        let line = page.lines().find(|line| line.starts_with("process_memory_usage_bytes ")).unwrap();
        line.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
    };
    let before = used().await;
    let small = |intensity: f64| {
        let length = Duration::from_secs(60);
        Fault { kind: FaultKind::MemoryLeak, intensity, ramp: Duration::ZERO, length }.to_json().to_string()
    };
    assert_eq!(plant.post(Role::Engine, "/fault", &small(0.01)).await, 204);
    plant.until(|| async { used().await > before + 30e6 }).await;
    assert_eq!(plant.post(Role::Engine, "/fault", &small(0.0)).await, 204);
    plant.until(|| async { used().await < before + 20e6 }).await;
}

#[tokio::test]
async fn a_fault_that_does_not_read_is_refused_with_its_reason() {
    let plant = Plant::start().await;
    assert_eq!(plant.post(Role::Stock, "/fault", r#"{"kind":"boredom"}"#).await, 400);
}
