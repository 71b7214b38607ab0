//! PromQL over the query API of Prometheus, as Grafana asks it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

const API: &str = "/prometheus/api/v1";

/// Sends one value of the gauge `queue.length`, and says at which second.
async fn send(world: &World) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "orders" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "queue.length", "gauge": { "dataPoints": [
            { "timeUnixNano": now.as_nanos().to_string(), "asDouble": 4.5 }
        ] } }] }]
    }] });
    let sent = world.http.post(format!("{}/v1/metrics", world.otlp_http)).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    now.as_secs()
}

#[tokio::test]
async fn grafana_finds_and_asks_what_was_sent() {
    let world = World::start();
    let second = send(&world).await;
    let metric = json!({ "__name__": "queue_length", "job": "orders", "resource_id": "service:orders" });

    let asked = world.get(&format!("{API}/query?query=queue_length&time={}.999", second + 1)).await;
    assert_eq!(asked["status"], "success", "{asked}");
    assert_eq!(asked["data"]["resultType"], "vector");
    let found = &asked["data"]["result"][0];
    assert_eq!((&found["metric"], &found["value"][1]), (&metric, &json!("4.5")));

    // The key as the password of Basic, the question as a form: as Grafana asks.
    let (start, end) = ((second + 1).to_string(), (second + 31).to_string());
    let form = format!("query=sum%20by%20(job)%20(queue_length)&start={start}&end={end}&step=15s");
    let asked = world
        .http
        .post(format!("{}{API}/query_range", world.api))
        .basic_auth("grafana", Some(world.key()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let asked = json_of(asked, StatusCode::OK).await;
    let values = json!([[second + 1, "4.5"], [second + 16, "4.5"], [second + 31, "4.5"]]);
    assert_eq!(asked["data"]["result"], json!([{ "metric": { "job": "orders" }, "values": values }]));

    let names = world.get(&format!("{API}/label/__name__/values?match[]={{job=\"orders\"}}")).await;
    assert_eq!(names["data"], json!(["queue_length"]));
    let labels = world.get(&format!("{API}/labels")).await;
    assert!(labels["data"].as_array().unwrap().contains(&json!("resource_id")), "{labels}");
    let series = world.get(&format!("{API}/series?match[]=queue_length")).await;
    assert_eq!(series["data"], json!([metric]));
    let cut = world.get(&format!("{API}/labels?limit=1")).await;
    assert_eq!((cut["data"].as_array().unwrap().len(), cut["warnings"].is_array()), (1, true), "{cut}");
    let described = world.get(&format!("{API}/metadata?metric=queue_length")).await;
    assert_eq!(described["data"]["queue_length"][0]["type"], "gauge");
    let version = world.get(&format!("{API}/status/buildinfo")).await;
    assert!(version["data"]["version"].is_string(), "{version}");
}

#[tokio::test]
async fn refusals_are_those_of_prometheus() {
    let world = World::start();
    for (question, status, kind, words) in [
        ("query?query=sum(", 400, "bad_data", "parse"),
        ("query", 400, "bad_data", "query"),
        ("query?query=1&time=soon", 400, "bad_data", "time"),
        ("query?query=1&timeout=-1", 400, "bad_data", "timeout"),
        ("query_range?query=1&start=0&end=1", 400, "bad_data", "step"),
        ("query_range?query=1&start=0&end=20000&step=1", 400, "bad_data", "11,000"),
        ("query_range?query=1&start=1&end=0&step=1", 400, "bad_data", "end"),
        ("query?query=sin(up)", 422, "bad_data", "`sin`"),
        ("query?query=label_replace(up,'a b','','','')", 422, "execution", "label name"),
        ("series", 400, "bad_data", "match[]"),
        ("series?match[]=1", 400, "bad_data", "selector"),
        ("label/a.b/values", 400, "bad_data", "label name"),
    ] {
        let answer = world.request(Method::GET, &format!("{API}/{question}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{question}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(
            (&answer["status"], &answer["errorType"]),
            (&json!("error"), &json!(kind)),
            "{question}: {answer}"
        );
        assert!(answer["error"].as_str().unwrap().contains(words), "{question}: {answer}");
    }
    let stranger = world.http.get(format!("{}{API}/query?query=1", world.api)).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}
