//! Service level objectives on the running program: counted, told, restarted, proved.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

/// Nanoseconds since 1970 of so many seconds ago.
fn ago(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos() as u64 - seconds * 1_000_000_000
}

/// Sends counts of requests and failures, each so many seconds ago, as cumulative sums of two outcomes.
async fn send(world: &World, reports: &[(u64, u64, u64)]) {
    let points = |of: fn(&(u64, u64, u64)) -> u64, status: u32| -> Vec<Value> {
        let point = |report: &(u64, u64, u64)| {
            json!({ "timeUnixNano": ago(report.0).to_string(), "asInt": of(report).to_string(), "attributes": [
                { "key": "status", "value": { "stringValue": status.to_string() } }] })
        };
        reports.iter().map(point).collect()
    };
    let all = [points(|r| r.1, 200), points(|r| r.2, 503)].concat();
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "checkout" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "http_requests_total", "sum": {
            "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": all } }] }]
    }] });
    let answer = world.http.post(format!("{}/v1/metrics", world.otlp_http)).json(&body).send().await.unwrap();
    let answer = json_of(answer, StatusCode::OK).await;
    assert!(answer["partialSuccess"]["rejectedDataPoints"].is_null(), "{answer}");
}

/// Good and bad, whole: what lay across the end of a minute was counted in two parts.
fn counted(seen: &Value) -> (i64, i64) {
    let whole = |member: &str| seen["status"][member].as_f64().unwrap().round() as i64;
    (whole("good"), whole("bad"))
}

fn draft() -> Value {
    json!({ "name": "checkout answers", "selector_resource": "service:checkout", "sli": { "kind": "requests" },
            "target": 0.99, "window_days": 30 })
}

async fn open_alerts(world: &World, slo: &str, rule: &str, count: usize) -> Value {
    let of = |seen: &Value| -> Vec<Value> {
        seen["items"].as_array().unwrap().iter().filter(|a| a["rule"] == rule).cloned().collect()
    };
    let path = format!("/api/v1/alerts?state=open&slo_id={slo}");
    let seen = world.wait_for(&format!("{count} of {rule}"), &path, |seen| of(seen).len() == count).await;
    of(&seen).first().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_burning_budget_pages_survives_a_crash_and_calms() {
    let mut world = World::with("[oncall.rules]\nresolve_after = \"1ms\"\n");
    // 20 % of the last half hour's requests failed: twenty times what 99 % allow.
    let burning: Vec<_> = (0..=30_u64).map(|m| (1_810 - m * 60, m * 80, m * 20)).collect();
    send(&world, &burning).await;
    let preview = world.post("/api/v1/slos:preview", &json!({ "slo": draft(), "days": 7 })).await;
    assert_eq!((&preview["pages"], &preview["status"]["state"]), (&json!(1), &json!("page")), "{preview}");
    assert_eq!(counted(&preview), (2_400, 600), "{preview}");

    let made = world.request(Method::POST, "/api/v1/slos").json(&draft()).send().await.unwrap();
    assert_eq!(made.headers()["etag"], "\"1\"");
    let made = json_of(made, StatusCode::CREATED).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/slos/{id}");
    let before = world.wait_for("a page", &path, |seen| seen["status"]["state"] == "page").await;
    assert_eq!(counted(&before), (2_400, 600), "{before}");
    assert!((before["status"]["left"].as_f64().unwrap() + 19.0).abs() < 1e-9, "{before}");
    assert_eq!(before["status"]["forecast"]["gone_in_s"], json!(0.0));
    let alert = open_alerts(&world, &id, "slo.page", 1).await;
    assert_eq!((&alert["severity"], &alert["labels"]["slo"]), (&json!("critical"), &json!(id)));
    let words = "checkout answers burns 20 times too fast: a budget of 30 days is gone in 36 h";
    assert_eq!(alert["summary"], words);

    let shown = world.run(&["slo", "show", "checkout answers"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("page") && shown.contains("burns 20 times too fast"), "{shown}");

    world.kill_and_restart();
    let after = world.wait_for("the page again", &path, |seen| seen["status"]["state"] == "page").await;
    assert_eq!(counted(&after), counted(&before));
    assert_eq!(open_alerts(&world, &id, "slo.page", 1).await["id"], alert["id"], "the same alert");

    // Now all goes well: of the last minutes 2 % fail, and in the end none.
    send(&world, &[(5, 12_400, 600)]).await;
    let calm = world.wait_for("calm", &path, |seen| counted(seen) == (12_400, 600)).await;
    assert_ne!(calm["status"]["state"], "page", "{calm}");
    open_alerts(&world, &id, "slo.page", 0).await;
    let of_resource = world.get("/api/v1/slos?resource_id=service:checkout").await;
    assert_eq!(of_resource["items"][0]["id"], json!(id));
    assert_eq!(world.get("/api/v1/slos?resource_id=service:other").await["items"], json!([]));

    // What is promised no more alarms no more.
    open_alerts(&world, &id, "slo.ticket", 1).await;
    let removed = world.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    open_alerts(&world, &id, "slo.ticket", 0).await;
    let verified = world.post("/api/v1/ledger:verify", &json!({})).await;
    assert_eq!(verified["intact"], json!(true), "{verified}");
    let entries = world.get("/api/v1/ledger/entries?action=slo.").await;
    let actions: Vec<&Value> = entries["items"].as_array().unwrap().iter().map(|e| &e["action"]).collect();
    assert_eq!(actions, ["slo.remove", "slo.create"]);
}

#[tokio::test]
async fn of_two_writers_the_slower_is_told_and_faults_have_their_place() {
    let world = World::start();
    let made = world.post("/api/v1/slos", &draft()).await;
    let path = format!("/api/v1/slos/{}", made["id"].as_str().unwrap());
    let mut change = draft();
    change["target"] = json!(0.995);
    let put = |tag: &'static str| world.request(Method::PUT, &path).header("if-match", tag).json(&change);
    let changed = put("\"1\"").send().await.unwrap();
    assert_eq!(changed.headers()["etag"], "\"2\"");
    assert_eq!(json_of(changed, StatusCode::OK).await["target"], json!(0.995));
    let stale = json_of(put("\"1\"").send().await.unwrap(), StatusCode::PRECONDITION_FAILED).await;
    assert!(stale["detail"].as_str().unwrap().contains("read it again"), "{stale}");
    let stale = world.request(Method::DELETE, &path).header("if-match", "\"1\"").send().await.unwrap();
    json_of(stale, StatusCode::PRECONDITION_FAILED).await;

    let taken = world.request(Method::POST, "/api/v1/slos").json(&draft()).send().await.unwrap();
    json_of(taken, StatusCode::CONFLICT).await;
    let mut wrong = draft();
    (wrong["target"], wrong["sli"]) = (json!(100), json!({ "kind": "vital", "vital": "speed" }));
    let refused = world.request(Method::POST, "/api/v1/slos").json(&wrong).send().await.unwrap();
    let problem = json_of(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
    let places: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
    assert_eq!(places, ["/target", "/sli/vital", "/sli/good_when", "/sli/threshold"]);
    let waiting = world.wait_for("a verdict", &path, |seen| seen["status"]["state"] != "loading").await;
    assert_eq!((&waiting["status"]["state"], &waiting["status"]["left"]), (&json!("no_data"), &Value::Null));
}
