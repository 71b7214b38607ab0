//! What comes next in a series that was sent.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

const HOUR_US: i64 = 3_600_000_000;

/// Five days of hours with a day's season, the last hour ending now.
async fn seasonal(world: &World) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let times: Vec<i64> = (0..120).map(|i| now - (120 - i) * HOUR_US).collect();
    let rows: Vec<Vec<f64>> = (0..120).map(|i| vec![100.0 + if i % 24 < 8 { 0.0 } else { 50.0 }]).collect();
    let table = json!({ "resource": { "kind": "service", "name": "shop" },
                        "columns": [{ "metric": "orders.open" }], "times_us": times, "rows": rows });
    world.post("/api/v1/points", &table).await;
    let there = |seen: &Value| seen["items"].as_array().unwrap().iter().any(|r| r["id"] == "service:shop");
    world.wait_for("the resource", "/api/v1/resources", there).await;
}

#[tokio::test]
async fn a_day_that_repeats_is_forecast_with_its_season_and_its_back_test() {
    let world = World::start();
    seasonal(&world).await;
    let from = std::time::SystemTime::now() - std::time::Duration::from_secs(120 * 3_600);
    let from = from.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let from = echobase_types::Timestamp::from_micros(from).to_string();
    let path =
        format!("/api/v1/resources/service%3Ashop/forecast?metric=orders.open&from={from}&horizon_s=86400");
    let told = &world.get(&path).await[0];
    assert!((told["season_s"].as_f64().unwrap() / 3_600.0 - 24.0).abs() < 1.0, "{told}");
    let list = |name: &str| -> Vec<f64> { serde_json::from_value(told[name].clone()).unwrap() };
    let (low, mean, high) = (list("low"), list("mean"), list("high"));
    assert_eq!(mean.len(), 24, "{told}");
    assert!((0..24).all(|i| low[i] <= mean[i] && mean[i] <= high[i]));
    // The next hours are the first of a day, as on each day before.
    assert!((mean[3] - 100.0).abs() < 5.0 && (mean[15] - 150.0).abs() < 5.0, "{mean:?}");
    assert!(told["backtest"]["runs"].as_array().is_some_and(|runs| !runs.is_empty()), "{told}");
}

#[tokio::test]
async fn a_forecast_of_nothing_in_particular_is_refused() {
    let world = World::start();
    seasonal(&world).await;
    for query in ["", "?metric=orders.open&horizon_s=0", "?metric=orders.open&horizon_s=999999999"] {
        let path = format!("/api/v1/resources/service%3Ashop/forecast{query}");
        let answer = world.request(Method::GET, &path).send().await.unwrap();
        json_of(answer, StatusCode::BAD_REQUEST).await;
    }
    let unknown = world.get("/api/v1/resources/service%3Ashop/forecast?metric=nothing").await;
    assert_eq!(unknown, json!([]));
}
