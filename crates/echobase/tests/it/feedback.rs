//! Verdicts that can be followed, questioned and taught.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

const SHOP: &str = "/api/v1/resources/service%3Ashop";
/// Seconds between two points.
const STEP: i64 = 5;

fn now_us() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64
}

/// A repeatable stand-in for noise, -1..=1.
fn noise(i: i64) -> f64 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x as f64 / u64::MAX as f64) * 2.0 - 1.0
}

/// Sends points of the shop.
async fn send(world: &World, metrics: &[&str], times_us: Vec<i64>, value: impl Fn(i64, usize) -> f64) {
    let columns: Vec<Value> = metrics.iter().map(|m| json!({ "metric": m })).collect();
    let rows: Vec<Vec<f64>> =
        (0..times_us.len()).map(|i| (0..metrics.len()).map(|m| value(i as i64, m)).collect()).collect();
    let table = json!({ "resource": { "kind": "service", "name": "shop" },
                        "columns": columns, "times_us": times_us, "rows": rows });
    world.post("/api/v1/points", &table).await;
    let there = |seen: &Value| seen["items"].as_array().unwrap().iter().any(|r| r["id"] == "service:shop");
    world.wait_for("the resource", "/api/v1/resources", there).await;
}

/// The last `n` steps before now.
fn past(n: i64) -> Vec<i64> {
    let now = now_us();
    (0..n).map(|i| now - (n - i) * STEP * 1_000_000).collect()
}

/// The anomaly of one metric, once it is over.
async fn anomaly(world: &World, metric: &str) -> Value {
    let is_it = |a: &Value| a["metric"] == metric && a["ended_at"].is_string();
    let told = world
        .wait_for("an anomaly", "/api/v1/anomalies?resource_id=service:shop", |seen| {
            seen["items"].as_array().unwrap().iter().any(is_it)
        })
        .await;
    told["items"].as_array().unwrap().iter().find(|a| is_it(a)).unwrap().clone()
}

fn of_metric<'a>(feedback: &'a Value, metric: &str) -> Option<&'a Value> {
    feedback["series"].as_array()?.iter().find(|s| s["metric"] == metric)
}

#[tokio::test]
async fn noise_raises_the_bar_is_counted_beside_the_budget_and_holds_after_a_kill() {
    let mut world = World::start();
    send(&world, &["queue.wait"], past(500), |i, _| {
        10.0 + noise(i) + if (440..444).contains(&i) { 40.0 } else { 0.0 }
    })
    .await;
    let found = anomaly(&world, "queue.wait").await;
    let detail = world.get(&format!("/api/v1/anomalies/{}", found["id"].as_str().unwrap())).await;
    let evidence = &detail["anomaly"]["evidence"];
    assert!(evidence["onset"].as_f64() >= evidence["bar"].as_f64(), "{evidence}");
    assert!(evidence["high"].as_f64() < found["value"].as_f64(), "{detail}");
    let judged: Vec<f64> = serde_json::from_value(detail["judged"]["value"].clone()).unwrap();
    assert!(judged.iter().any(|v| *v > 45.0) && judged.iter().any(|v| *v < 12.0), "{judged:?}");
    let passed = |of: &Value| {
        let list = |name: &str| -> Vec<f64> { serde_json::from_value(of[name].clone()).unwrap() };
        list("surprise").into_iter().zip(list("bar")).any(|(surprise, bar)| surprise > bar)
    };
    assert!(passed(&detail["judged"]), "the surprise over the bar is there: {detail}");

    // A time that ends in the middle of it has it too, with the end that came later.
    let time = |name: &str| found[name].as_str().unwrap().parse::<echobase_types::Timestamp>().unwrap();
    let (started, ended) = (time("started_at"), time("ended_at"));
    for (to, want) in [(started + ended.since(started) / 2, 1), (started, 0)] {
        let path = format!("/api/v1/anomalies?resource_id=service:shop&to={to}");
        let told = world.get(&path).await["items"].clone();
        let is_it = |a: &&Value| a["id"] == found["id"] && a["ended_at"] == found["ended_at"];
        assert_eq!(told.as_array().unwrap().iter().filter(is_it).count(), want, "{to}: {told}");
    }

    let draft = json!({ "anomaly_id": found["id"], "label": "noise" });
    let label = world.post("/api/v1/incidents", &draft).await;
    assert_eq!((&label["metric"], &label["started_at"]), (&found["metric"], &found["started_at"]));
    let raised = |seen: &Value| {
        of_metric(seen, "queue.wait").is_some_and(|s| {
            let (bar, plain) = (s["bar"].as_f64().unwrap(), s["bar_of_budget"].as_f64().unwrap());
            (s["factor"].as_f64().unwrap() - 1.1).abs() < 1e-3 && bar > 1.09 * plain
        })
    };
    let path = format!("{SHOP}/feedback");
    let seen = world.wait_for("a higher bar", &path, raised).await;
    assert_eq!((&seen["budget_per_series_week"], &seen["week"]["noise"]), (&json!(2.0), &json!(1)), "{seen}");
    assert!(seen["week"]["false_per_series_week"].as_f64() > Some(0.0), "{seen}");
    let all = world.get("/api/v1/feedback").await;
    assert_eq!(
        (&all["week"]["noise"], &all["loudest"][0]["resource_id"]),
        (&json!(1), &json!("service:shop"))
    );

    world.kill_and_restart();
    let seen = world.wait_for("the same bar after the kill", &path, raised).await;
    assert_eq!(seen["week"]["noise"], json!(1), "{seen}");
    let path_of = format!("/api/v1/incidents/{}", label["id"].as_str().unwrap());
    let removed = world.request(Method::DELETE, &path_of).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let back = |seen: &Value| of_metric(seen, "queue.wait").is_some_and(|s| s["factor"] == json!(1.0));
    world.wait_for("the bar of the budget", &path, back).await;
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_the_reason_and_lists_come_in_pages() {
    let world = World::start();
    send(&world, &["queue.wait", "disk.wait"], past(60), |i, _| 10.0 + noise(i)).await;
    let first = world.get(&format!("{SHOP}/series?limit=1")).await;
    let next = format!("{SHOP}/series?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = world.get(&next).await;
    assert_eq!(
        (&first["items"][0]["metric"], &rest["items"][0]["metric"]),
        (&json!("disk.wait"), &json!("queue.wait"))
    );
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));

    let judged = world.get(&format!("{SHOP}/judged?metric=queue.wait")).await;
    assert!(!judged["value"].as_array().unwrap().is_empty(), "{judged}");
    let ago =
        |days: i64| echobase_types::Timestamp::from_micros(now_us() - days * 86_400_000_000).to_string();
    let no_anomaly = "/api/v1/anomalies/01900000-0000-8000-8000-000000000000".to_owned();
    for (path, status, reason) in [
        (format!("{SHOP}/judged?metric=cpu"), 422, "judged were `disk.wait`, `queue.wait`"),
        (format!("/api/v1/models/risk?from={}", ago(91)), 400, "at most 90 days"),
        (no_anomaly, 404, "no anomaly"),
    ] {
        let answer = world.request(Method::GET, &path).send().await.unwrap();
        let problem = json_of(answer, StatusCode::from_u16(status).unwrap()).await;
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{path}: {problem}");
    }

    // Its id ends like a verb that other things have.
    world.post("/api/v1/events", &json!({ "resource_id": "service:train", "name": "hello" })).await;
    let there = |seen: &Value| seen["items"].as_array().unwrap().iter().any(|r| r["id"] == "service:train");
    world.wait_for("the resource", "/api/v1/resources", there).await;
    assert_eq!(world.get("/api/v1/resources/service:train").await["id"], "service:train");
}

#[tokio::test]
async fn what_a_deploy_brings_is_silent_after_an_event_of_the_next_deploy() {
    let world = World::start();
    let event =
        json!({ "name": "deployment.finished", "resource": { "service.name": "shop" }, "version": "2" });
    let told = world.request(Method::POST, "/api/v1/events").body(format!("{event}\n"));
    silent_after_a_deploy(&world, told, StatusCode::OK).await;
}

#[tokio::test]
async fn what_a_deploy_brings_is_silent_after_the_next_deploy_that_is_reported() {
    let world = World::start();
    let draft = json!({ "resource_id": "service:shop", "kind": "deploy", "what": "shop", "after": "2" });
    let told = world.request(Method::POST, "/api/v1/changes").json(&draft);
    silent_after_a_deploy(&world, told, StatusCode::CREATED).await;
}

/// A metric that was labelled as expected after a deploy is silent after the next one, another metric is not.
async fn silent_after_a_deploy(world: &World, deploy: reqwest::RequestBuilder, answer: StatusCode) {
    let metrics = ["cache.misses", "disk.wait"];
    send(world, &metrics, past(400), |i, m| 10.0 + noise(i + 7 * m as i64)).await;
    let before =
        |minutes: i64| echobase_types::Timestamp::from_micros(now_us() - minutes * 60_000_000).to_string();
    let draft = json!({ "resource_id": "service:shop", "metric": metrics[0], "label": "expected", "change": "deploy",
                        "started_at": before(60), "ended_at": before(59) });
    let label = world.post("/api/v1/incidents", &draft).await;
    assert_eq!(label["change"], "deploy");

    json_of(deploy.send().await.unwrap(), answer).await;
    // From now on: what was before the label is not changed by it.
    let begin = now_us();
    let times = (0..4).map(|i| begin + i * STEP * 1_000_000).collect();
    send(world, &metrics, times, |i, _| if i == 0 { 10.0 } else { 60.0 }).await;
    let told = world
        .wait_for("the other metric to be told", "/api/v1/anomalies?resource_id=service:shop", |seen| {
            seen["items"].as_array().unwrap().iter().any(|a| a["metric"] == metrics[1] && a["value"] == 60.0)
        })
        .await;
    let silent =
        told["items"].as_array().unwrap().iter().all(|a| a["metric"] != metrics[0] || a["value"] != 60.0);
    assert!(silent, "{told}");
    let feedback = world.get(&format!("{SHOP}/feedback")).await;
    let why =
        of_metric(&feedback, metrics[0]).unwrap()["expected_now"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("deploy"), "{feedback}");
}

#[tokio::test]
async fn what_if_a_vital_sign_stood_elsewhere_is_judged_and_nothing_is_changed() {
    let world = World::start();
    send(&world, &["system.memory.utilization"], past(60), |i, _| 0.97 + 0.001 * noise(i)).await;
    let low = |seen: &Value| seen["assessment"]["score"].as_f64().is_some_and(|s| s < 0.5);
    world.wait_for("a low score", SHOP, low).await;
    let ask = |body: Value| world.request(Method::POST, &format!("{SHOP}:whatif")).json(&body).send();
    let better =
        json_of(ask(json!({ "vitals": { "memory_utilization": 0.6 } })).await.unwrap(), StatusCode::OK).await;
    assert!(better["then"]["score"].as_f64() > Some(0.95), "{better}");
    assert!(better["now"]["score"].as_f64() < Some(0.5), "{better}");
    assert!(better["then"]["risk"]["probability"].as_f64() < better["now"]["risk"]["probability"].as_f64());
    assert!(better["words"].as_str().unwrap().contains("would rise"), "{better}");
    let same = json_of(ask(json!({})).await.unwrap(), StatusCode::OK).await;
    assert_eq!(same["now"]["score"], same["then"]["score"]);
    for (body, status, reason) in [
        (json!({ "vitals": { "speed": 1.0 } }), 400, "memory_utilization"),
        (json!({ "vitals": { "memory_utilization": 7.0 } }), 422, "0 to 1"),
        (json!({ "vitals": { "latency_p99": 0.2 } }), 422, "latency_p99"),
        (json!({ "dependencies": { "service:nobody": 1.0 } }), 422, "service:nobody"),
    ] {
        let answer = ask(body.clone()).await.unwrap();
        let problem = json_of(answer, StatusCode::from_u16(status).unwrap()).await;
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{body}: {problem}");
    }
}

#[tokio::test]
async fn a_new_reference_ends_the_drift_is_in_the_ledger_and_holds_after_a_kill() {
    let mut world = World::start();
    send(&world, &["orders.open"], past(300), |i, _| 10.0 + noise(i) + if i >= 260 { 6.0 } else { 0.0 })
        .await;
    let drifts = |n: usize| {
        move |seen: &Value| {
            seen["assessment"]["drift"].as_array().is_some_and(|all| all.len() == n)
                && seen["assessment"]["series"] == json!(1)
        }
    };
    let seen = world.wait_for("a drift", SHOP, drifts(1)).await;
    let drift = &seen["assessment"]["drift"][0];
    assert_eq!(
        (&drift["kind"], &drift["reference"]["false_per_month"]),
        (&json!("step"), &json!(1.0)),
        "{drift}"
    );
    assert!(drift["reference"]["points"].as_u64() > Some(200), "{drift}");
    world.kill_and_restart();
    world.wait_for("the drift again, from history", SHOP, drifts(1)).await;

    let unknown =
        world.request(Method::POST, &format!("{SHOP}:rereference")).json(&json!({ "metric": "nothing" }));
    json_of(unknown.send().await.unwrap(), StatusCode::UNPROCESSABLE_ENTITY).await;
    let taken =
        world.run(&["rereference", "service:shop", "--metric", "orders.open", "--note", "a larger shop"]);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    world.wait_for("no drift", SHOP, drifts(0)).await;
    let entries = world.get("/api/v1/ledger/entries?action=resource.rereference").await;
    assert_eq!(entries["items"][0]["data"]["metric"], "orders.open", "{entries}");
    world.kill_and_restart();
    world.wait_for("no drift after the kill", SHOP, drifts(0)).await;
    let feedback = world.get(&format!("{SHOP}/feedback")).await;
    assert_eq!(feedback["references"][0]["note"], "a larger shop", "{feedback}");
}
