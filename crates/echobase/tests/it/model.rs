//! Learning from labels: a version is made, judged, put in use, kept over a kill, rolled back, and all of it proved.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

const MINUTE_US: i64 = 60_000_000;
/// A failure every 150 minutes, the last a while ago.
const FAILURES: i64 = 9;
const EVERY: i64 = 150;
const ROWS: i64 = FAILURES * EVERY + 60;
const LASTS: i64 = 8;

fn wobble(i: i64) -> f64 {
    (i.wrapping_mul(2_654_435_761) >> 16 & 0xff) as f64 / 255.0 - 0.5
}

/// A service whose errors creep up for 25 minutes before each failure: the time of the first row.
async fn history(world: &World) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let first = now - ROWS * MINUTE_US;
    let row = |i: i64| {
        let left = EVERY - i % EVERY;
        let fails = i >= EVERY && i % EVERY < LASTS;
        let strain = if fails { 1.0 } else { (25 - left).max(0) as f64 / 25.0 };
        let queue = 4.0 + wobble(i);
        let latency = 0.2 * (1.0 + 0.1 * wobble(i + 7));
        let errors = if fails { 0.4 } else { 0.002 + 0.1 * strain };
        vec![50.0 + wobble(i + 3), queue, latency, errors]
    };
    let columns = ["rps", "queue", "lat_p99", "error_rate"].map(|metric| json!({ "metric": metric }));
    let times: Vec<i64> = (0..ROWS).map(|i| first + i * MINUTE_US).collect();
    let rows: Vec<Vec<f64>> = (0..ROWS).map(row).collect();
    let table = json!({ "resource": { "kind": "service", "name": "shop" },
                        "columns": columns, "times_us": times, "rows": rows });
    world.post("/api/v1/points", &table).await;
    world.wait_for("the service", "/api/v1/resources", |seen| seen["items"][0]["id"] == "service:shop").await;
    first
}

fn time(us: i64) -> String {
    echobase_types::Timestamp::from_micros(us).to_string()
}

async fn label(world: &World, first: i64, failures: std::ops::RangeInclusive<i64>) {
    for n in failures {
        let began = first + n * EVERY * MINUTE_US;
        let draft = json!({ "resource_id": "service:shop", "label": "real", "started_at": time(began),
                            "ended_at": time(began + LASTS * MINUTE_US) });
        world.post("/api/v1/incidents", &draft).await;
    }
}

/// Trains and waits for the end; what came of it.
async fn train(world: &World) -> Value {
    let asked = world.request(Method::POST, "/api/v1/models:train").send().await.unwrap();
    let job = json_of(asked, StatusCode::ACCEPTED).await;
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    world.wait_for("the end of the training", &path, |j| j["state"] != "running").await
}

#[tokio::test]
async fn a_model_is_learned_from_labels_judged_used_after_a_kill_and_rolled_back() {
    let mut world = World::with(
        "[learning]\nnew_labels = 0\npromote_automatically = false\n[analysis]\nforget_after = \"1d\"\n",
    );
    let first = history(&world).await;
    label(&world, first, 1..=5).await;
    let few = train(&world).await;
    assert_eq!(few["state"], "done", "{few}");
    assert!(few["message"].as_str().unwrap().contains("8 are needed"), "{few}");
    assert_eq!(world.get("/api/v1/models").await["items"].as_array().unwrap().len(), 1, "the shipped one");

    label(&world, first, 6..=FAILURES).await;
    let done = train(&world).await;
    assert!(done["message"].as_str().unwrap().contains("risk-1 was made"), "{done}");
    let made = world.get("/api/v1/models/risk-1").await;
    assert_eq!((&made["state"], &made["in_use"]), (&json!("challenger"), &json!(false)), "{made}");
    assert_eq!(
        (&made["labels"]["trained_on"], &made["labels"]["judged_on"]),
        (&json!(6), &json!(3)),
        "{made}"
    );
    let loss = |of: &str| made[of]["log_loss"].as_f64().unwrap();
    assert!(loss("figures") < loss("parent_figures"), "{made}");

    let promote = |name: &str| world.request(Method::POST, &format!("/api/v1/models/{name}:promote"));
    json_of(promote("risk-7").send().await.unwrap(), StatusCode::NOT_FOUND).await;
    json_of(promote("shipped").send().await.unwrap(), StatusCode::UNPROCESSABLE_ENTITY).await;
    let promoted = json_of(promote("risk-1").send().await.unwrap(), StatusCode::OK).await;
    assert_eq!((&promoted["state"], &promoted["in_use"]), (&json!("champion"), &json!(true)));

    world.kill_and_restart();
    let card = |card: &Value| card["version"].as_str().is_some_and(|v| v.starts_with("risk-1 over"));
    let card = world.wait_for("the model after a kill", "/api/v1/models/risk", card).await;
    assert_eq!(
        card["failures"].as_u64(),
        Some(0),
        "no verdict was stored at the time of the failures: {card}"
    );

    let back = world.request(Method::POST, "/api/v1/models:rollback").send().await.unwrap();
    assert_eq!(json_of(back, StatusCode::OK).await["version"], "shipped");
    let again = world.request(Method::POST, "/api/v1/models:rollback").send().await.unwrap();
    json_of(again, StatusCode::CONFLICT).await;
    assert_eq!(world.get("/api/v1/models/risk-1").await["state"], "retired");
    let again = world.request(Method::POST, "/api/v1/models/risk-1:promote").send().await.unwrap();
    let again = json_of(again, StatusCode::OK).await;
    assert_eq!(again["state"], "champion", "what was rolled back can be put in use again: {again}");

    let entries = world.get("/api/v1/ledger/entries?action=model.").await;
    let mut told: Vec<&str> =
        entries["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    told.reverse();
    let way = ["train", "trained", "train", "challenge", "trained", "promote", "rollback", "promote"];
    assert_eq!(told, way.map(|w| format!("model.{w}")), "{entries}");
    let report = world.post("/api/v1/ledger:verify", &json!({})).await;
    assert_eq!(report["intact"], json!(true), "{report}");
}
