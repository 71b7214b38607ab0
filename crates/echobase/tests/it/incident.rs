//! Labels of what happened, and the model card that holds the risk against them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::session::enter;
use crate::world::{World, json_of};

/// A resource that Echobase has a verdict on.
async fn known(world: &World) -> String {
    let hosts = world
        .wait_for("a verdict", "/api/v1/resources?kind=host", |seen| {
            seen["items"][0]["assessment"].is_object()
        })
        .await;
    hosts["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_label_is_kept_listed_taken_back_and_proved() {
    let mut world = World::with("[host]\ninterval = \"1s\"\ntop_processes = 0\n");
    let resource = known(&world).await;
    let draft = json!({ "resource_id": resource, "label": "expected", "note": "load test",
                        "metric": "system.cpu.utilization" });
    let made = world.request(Method::POST, "/api/v1/incidents").json(&draft).send().await.unwrap();
    let made = json_of(made, StatusCode::CREATED).await;
    world.kill_and_restart();
    let listed = world.get("/api/v1/incidents?label=expected").await;
    assert_eq!(listed["items"][0], made);
    assert_eq!(world.get("/api/v1/incidents?label=real").await["items"], json!([]));

    let path = format!("/api/v1/incidents/{}", made["id"].as_str().unwrap());
    let removed = world.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let again = world.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let entries = world.get("/api/v1/ledger/entries?action=incident.").await;
    let actions: Vec<&Value> = entries["items"].as_array().unwrap().iter().map(|e| &e["action"]).collect();
    assert_eq!(actions, ["incident.remove", "incident.label"]);
    assert_eq!(entries["items"][1]["data"]["label"], "expected");
}

#[tokio::test]
async fn what_is_no_label_is_refused_with_the_reason() {
    let world = World::with("[host]\ninterval = \"1s\"\ntop_processes = 0\n");
    let resource = known(&world).await;
    for (draft, status, reason) in [
        (json!({ "resource_id": resource, "label": "maybe" }), 400, "real, noise, expected"),
        (json!({ "resource_id": "service:nobody", "label": "real" }), 404, "nobody"),
        (
            json!({ "resource_id": resource, "label": "real", "started_at": "2999-01-01T00:00:00Z" }),
            400,
            "future",
        ),
        (
            json!({ "resource_id": resource, "label": "real", "started_at": "2024-01-02T00:00:00Z",
                    "ended_at": "2024-01-01T00:00:00Z" }),
            400,
            "after",
        ),
    ] {
        let answer = world.request(Method::POST, "/api/v1/incidents").json(&draft).send().await.unwrap();
        let problem = json_of(answer, StatusCode::from_u16(status).unwrap()).await;
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{draft}: {problem}");
    }
    let viewer = json!({ "name": "vera", "role": "viewer", "password": "a long enough password" });
    world.post("/api/v1/principals", &viewer).await;
    let form = json!({ "name": "vera", "password": "a long enough password" });
    let (browser, session) = enter(&world, "/api/v1/session", &form).await;
    let refused = browser
        .post(format!("{}/api/v1/incidents", world.api))
        .header("x-csrf-token", session["csrf_token"].as_str().unwrap())
        .json(&json!({ "resource_id": resource, "label": "noise" }));
    json_of(refused.send().await.unwrap(), StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn the_model_card_counts_a_failure_that_nobody_saw_coming() {
    let world = World::with("[host]\ninterval = \"1s\"\ntop_processes = 0\n");
    let resource = known(&world).await;
    let before = world
        .wait_for("stored verdicts", "/api/v1/models/risk", |card| card["resources"].as_u64() >= Some(1))
        .await;
    assert_eq!((&before["failures"], &before["ece"]), (&json!(0), &Value::Null), "{before}");
    world.post("/api/v1/incidents", &json!({ "resource_id": resource, "label": "real" })).await;
    let after = world.get("/api/v1/models/risk").await;
    assert_eq!((&after["failures"], &after["warned"]), (&json!(1), &json!(0)), "{after}");
    assert!(after["ece"].as_f64().is_some_and(|e| (0.0..=1.0).contains(&e)), "{after}");
    assert_eq!(after["bins"].as_array().unwrap().len(), 10);
}
