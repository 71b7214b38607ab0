//! The surfaces: probes, headers, the web app's page, help, live stream.

use std::process::Command;

use reqwest::{Method, StatusCode};

use crate::world::{BINARY, World};

#[tokio::test]
async fn probes_answer_and_pages_carry_the_security_headers() {
    let world = World::start();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(world.http.get(format!("{}{path}", world.api)).send().await.unwrap().status(), 200);
    }
    let page = world
        .http
        .get(format!("{}/resources/x", world.api))
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let missing = world.http.get(format!("{}/api/v1/nothing", world.api)).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn the_servers_own_metrics_are_prometheus_text() {
    let world = World::start();
    let text = world.http.get(format!("{}/metrics", world.api)).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("# TYPE echobase_ingest_rows_total counter"), "{text}");
}

#[tokio::test]
async fn the_live_stream_tells_of_a_freeze_and_resumes_after_it() {
    let world = World::start();
    let mut stream = world.request(Method::GET, "/api/v1/live?topics=freezes").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    world.post("/api/v1/freeze", &serde_json::json!({ "reason": "look" })).await;
    let mut text = String::new();
    while !text.contains("event: freezes") {
        let chunk = stream.chunk().await.unwrap().expect("the stream stays open");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(text.contains("look"), "{text}");
}

#[test]
fn help_teaches_and_wrong_arguments_end_with_two() {
    let help = Command::new(BINARY).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for word in ["serve", "query", "import", "playbook", "ledger", "demo", "Exit codes"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    let wrong = Command::new(BINARY).arg("sreve").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let unreachable =
        Command::new(BINARY).args(["alerts", "--server", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(unreachable.status.code(), Some(3));
}

#[test]
fn an_address_in_the_open_is_refused_without_tls() {
    let folder = tempfile::TempDir::new().unwrap();
    let refused = Command::new(BINARY)
        .args([
            "serve",
            "--listen",
            "0.0.0.0:0",
            "--otlp-http",
            "127.0.0.1:0",
            "--otlp-grpc",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--allow-remote-plaintext"));
}
