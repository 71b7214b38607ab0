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
async fn every_refusal_is_a_problem_document() {
    let world = World::start();
    let long = "a".repeat(50_000);
    let big = format!("{{\"reason\":\"{}\"}}", "x".repeat(11 << 20));
    let to = |method: Method, url: String| world.http.request(method, url).bearer_auth(world.key());
    let api = |method: Method, path: &str| to(method, format!("{}{path}", world.api));
    for (request, status) in [
        (api(Method::DELETE, "/api/v1/resources"), 405),
        (api(Method::POST, "/health/live"), 405),
        (api(Method::GET, &format!("/api/v1/resources?q={long}")), 400),
        (api(Method::POST, "/api/v1/freeze").header("content-type", "text/plain").body("x"), 415),
        (api(Method::POST, "/api/v1/events").header("content-encoding", "br").body("x"), 415),
        (api(Method::POST, "/api/v1/freeze").header("content-type", "application/json").body(big), 413),
        (to(Method::POST, format!("{}/v1/nothing", world.otlp_http)), 404),
        (to(Method::GET, format!("{}/v1/logs", world.otlp_http)), 405),
        (to(Method::POST, format!("{}/v1/logs", world.otlp_http)).header("content-type", "text/csv"), 415),
    ] {
        let answer = request.send().await.unwrap();
        let seen = (answer.status().as_u16(), answer.url().path().to_owned());
        assert_eq!(seen.0, status, "{}", seen.1);
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{}", seen.1);
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{}: {problem}", seen.1);
        assert!(problem["detail"].as_str().is_some_and(|words| !words.is_empty()), "{}", seen.1);
    }
}

#[tokio::test]
async fn the_servers_own_metrics_are_prometheus_text() {
    let world = World::start();
    let text = world.http.get(format!("{}/metrics", world.api)).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("# TYPE echobase_ingest_rows_total counter"), "{text}");
    assert!(text.contains("# TYPE echobase_analysis_rows_total counter"), "{text}");
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
