//! Changes, reported and recognised; and the causes of an incident with the path of its failure.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// One OTLP attribute.
fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

async fn send(world: &World, path: &str, body: &Value) {
    let answer = world.http.post(format!("{}{path}", world.otlp_http)).json(body).send().await.unwrap();
    json_of(answer, StatusCode::OK).await;
}

/// Spans of two hours: web calls shop, shop calls db, twice a minute; in the last two minutes the database is slow.
fn spans(name: &str, calls: Option<&str>, place: i64, end: i64) -> Value {
    let mut all = Vec::new();
    for row in 0..240_i64 {
        let at = end - 7_200 + row * 30;
        let slow = if at >= end - 120 { 1_500 } else { 0 };
        let own = match name {
            "db" => 20,
            "shop" => 60,
            _ => 120,
        } + (row % 5);
        let (trace, start) = (format!("{row:032x}"), at as u128 * 1_000_000_000);
        let span = |id: i64, parent: Option<i64>, kind: u8| {
            json!({
                "traceId": trace, "spanId": format!("{id:016x}"), "name": "call", "kind": kind,
                "parentSpanId": parent.map(|p| format!("{p:016x}")).unwrap_or_default(),
                "startTimeUnixNano": start.to_string(),
                "endTimeUnixNano": (start + (own + slow) as u128 * 1_000_000).to_string(),
            })
        };
        // The server span of `place` has the client span of the one before as its parent.
        all.push(span(row * 10 + place * 2 + 1, (place > 0).then_some(row * 10 + place * 2), 2));
        if calls.is_some() {
            all.push(span(row * 10 + place * 2 + 2, Some(row * 10 + place * 2 + 1), 3));
        }
    }
    json!({ "resourceSpans": [{
        "resource": { "attributes": [attribute("service.name", name)] },
        "scopeSpans": [{ "spans": all }],
    }] })
}

#[tokio::test]
async fn a_change_is_reported_recognised_listed_and_proved() {
    let mut world = World::start();
    let log = |version: &str, event: &str, attributes: Vec<Value>| {
        json!({ "resourceLogs": [{
            "resource": { "attributes": [attribute("service.name", "shop"), attribute("service.version", version)] },
            "scopeLogs": [{ "logRecords": [{
                "timeUnixNano": (now_s() as u128 * 1_000_000_000).to_string(), "eventName": event,
                "body": { "stringValue": "told" }, "attributes": attributes,
            }] }],
        }] })
    };
    send(&world, "/v1/logs", &log("1.0", "session.start", vec![])).await;
    world
        .wait_for("the resource", "/api/v1/resources", |seen| seen["items"][0]["id"] == "service:shop")
        .await;
    // Another version after a restart, and an event of a deployment.
    world.kill_and_restart();
    let told = vec![attribute("deployment.id", "d-7"), attribute("deployment.name", "release 7")];
    send(&world, "/v1/logs", &log("1.1", "deployment.finished", told)).await;
    let seen = world
        .wait_for("both changes", "/api/v1/changes", |seen| seen["items"].as_array().unwrap().len() == 2)
        .await;
    let mut words: Vec<&str> =
        seen["items"].as_array().unwrap().iter().map(|c| c["words"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words, ["deploy shop 1.0 → 1.1", "deploy told → release 7"]);

    let draft = json!({ "resource_id": "service:shop", "kind": "model", "what": "assistant", "before": "small",
                        "after": "large", "link": "https://ci.example/7" });
    let send_once = || {
        let request = world.request(Method::POST, "/api/v1/changes").json(&draft);
        request.header("idempotency-key", "one-change-only").send()
    };
    let made = json_of(send_once().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!(json_of(send_once().await.unwrap(), StatusCode::CREATED).await, made);
    let listed = world.get("/api/v1/changes?resource_id=service:shop&kind=model").await;
    assert_eq!(listed["items"], json!([made]));
    assert_eq!(world.get("/api/v1/changes?resource_id=service:other").await["items"], json!([]));
    let first = world.get("/api/v1/changes?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("/api/v1/changes?limit=2&cursor={cursor}")).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    let entries = world.get("/api/v1/ledger/entries?action=change.").await;
    let actions: Vec<&Value> = entries["items"].as_array().unwrap().iter().map(|e| &e["action"]).collect();
    assert_eq!(actions, ["change.report", "change.recognise", "change.recognise"]);
}

#[tokio::test]
async fn what_is_no_change_is_refused_with_the_reason() {
    let world = World::start();
    world.post("/api/v1/events", &json!({ "resource_id": "service:shop", "name": "hello" })).await;
    world.wait_for("the resource", "/api/v1/resources", |seen| seen["items"][0].is_object()).await;
    let valid = json!({ "resource_id": "service:shop", "kind": "deploy", "what": "shop" });
    for (member, value, status, reason) in [
        ("kind", json!("weather"), 400, "deploy, configuration, model, prompt"),
        ("what", json!("  "), 400, "`what`"),
        ("at", json!("2999-01-01T00:00:00Z"), 400, "future"),
        ("link", json!("javascript:alert(1)"), 400, "`link`"),
        ("before", json!("x".repeat(257)), 400, "256"),
        ("resource_id", json!("service:nobody"), 404, "nobody"),
    ] {
        let mut draft = valid.clone();
        draft[member] = value;
        let answer = world.request(Method::POST, "/api/v1/changes").json(&draft).send().await.unwrap();
        let problem = json_of(answer, StatusCode::from_u16(status).unwrap()).await;
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{draft}: {problem}");
    }
}

#[tokio::test]
async fn the_cause_of_slow_answers_is_found_two_calls_away() {
    let world = World::start();
    let end = now_s();
    for (name, calls, place) in [("web", Some("shop"), 0), ("shop", Some("db"), 1), ("db", None, 2)] {
        send(&world, "/v1/traces", &spans(name, calls, place, end)).await;
    }
    world
        .wait_for("the graph", "/api/v1/dependencies", |seen| seen["items"].as_array().unwrap().len() == 2)
        .await;
    let first = world.get("/api/v1/dependencies?limit=1").await;
    let next = format!("/api/v1/dependencies?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = world.get(&next).await;
    assert_eq!(
        (&first["items"][0]["from"], &rest["items"][0]["from"]),
        (&json!("service:shop"), &json!("service:web"))
    );
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    let change = json!({ "resource_id": "service:db", "kind": "configuration", "what": "cache off" });
    world.post("/api/v1/changes", &change).await;
    let time = |s: i64| echobase_types::Timestamp::from_secs(s).to_string();
    let path = format!("/api/v1/resources/service:web/causes?from={}&to={}", time(end - 120), time(end));
    let found = world.get(&path).await;
    assert_eq!((&found["verdict"], &found["symptom"]), (&json!("determined"), &json!("latency")), "{found}");
    let first = &found["causes"][0];
    assert_eq!(first["resource_id"], "service:db", "{found}");
    assert_eq!(first["path"], json!(["service:web", "service:shop", "service:db"]));
    assert_eq!(first["evidence"]["origin"], "spans");
    assert!(first["evidence"]["values"].as_array().unwrap().iter().any(|v| v.as_f64().unwrap() > 1.0));
    assert!(found["words"][0].as_str().unwrap().contains("web → shop → db"), "{found}");

    for (query, reason) in [
        (format!("from={}&to={}", time(end), time(end - 10)), "before"),
        (format!("from={}", time(end - 90_000)), "a day"),
    ] {
        let path = format!("/api/v1/resources/service:web/causes?{query}");
        let answer = world.request(Method::GET, &path).send().await.unwrap();
        let problem = json_of(answer, StatusCode::BAD_REQUEST).await;
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    let path = "/api/v1/resources/service:web/causes?about=01900000-0000-7000-8000-000000000000";
    let missing = world.request(Method::GET, path).send().await.unwrap();
    json_of(missing, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn playbooks_that_look_at_a_resource_are_weighed_and_say_what_is_assumed() {
    let world = World::start();
    send(&world, "/v1/traces", &spans("shop", None, 0, now_s())).await;
    let path = "/api/v1/resources/service:shop/plan";
    world.wait_for("a verdict", "/api/v1/resources", |seen| seen["items"][0]["assessment"].is_object()).await;
    assert_eq!(world.get(path).await["options"], json!([]));
    for (name, when, risk) in [
        ("careful", "stability.score >= 0.0", "low"),
        ("careless", "stability.score >= 0.0", "high"),
        ("elsewhere", "stability.score < 0.0", "low"),
    ] {
        let source = format!(
            "name: {name}\nwhen: {when}\nrisk: {risk}\nautonomy: observe\nactuator: process\n\
             steps: [{{ action: restart }}]\nsuccess: [stability.score >= 0.7]\n"
        );
        world.post("/api/v1/playbooks", &json!({ "source": source })).await;
    }
    let plan = world.get(path).await;
    let options = plan["options"].as_array().unwrap();
    let names: Vec<&Value> = options.iter().map(|o| &o["name"]).collect();
    assert_eq!(names, ["careful", "careless", "elsewhere"], "{plan}");
    assert_eq!((&options[0]["stands"], &options[2]["stands"]), (&json!("observes"), &json!("unmet")));
    let weighed = &options[0]["weighed"];
    assert_eq!((&weighed["prior_only"], &weighed["chance"]), (&json!(true), &json!(0.5)), "{plan}");
    assert!(weighed["effect"].as_f64() > options[1]["weighed"]["effect"].as_f64(), "{plan}");
    assert!(options[2]["weighed"].is_null());
    assert_eq!(plan["prior_chance"], 0.5);
}
