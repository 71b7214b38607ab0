//! Every route × every role, over the wire, against a table written by hand.

use std::collections::BTreeMap;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::session::enter;
use crate::world::World;

/// In the order of the columns of [`PERMITTED`].
const ROLES: [&str; 6] = ["admin", "operator", "developer", "analyst", "auditor", "viewer"];

/// Who may: `x` for each role in the order of [`ROLES`]. A route that is not here fails the test.
const PERMITTED: &[(&str, &str)] = &[
    ("get /api/v1/alerts", "xxxxxx"),
    ("post /api/v1/alerts/{id}:acknowledge", "xx----"),
    ("get /api/v1/anomalies", "xxxxxx"),
    ("get /api/v1/anomalies/{id}", "xxxxx-"),
    ("get /api/v1/changes", "xxxxxx"),
    ("post /api/v1/changes", "xxx---"),
    ("get /api/v1/dependencies", "xxxxxx"),
    ("post /api/v1/events", "xxx---"),
    ("get /api/v1/feedback", "xxxxxx"),
    ("get /api/v1/freeze", "xxxxxx"),
    ("post /api/v1/freeze", "xx----"),
    ("post /api/v1/freeze:release", "xx----"),
    ("get /api/v1/incidents", "xxxxxx"),
    ("post /api/v1/incidents", "xxx---"),
    ("delete /api/v1/incidents/{id}", "xxx---"),
    ("get /api/v1/interventions", "xxxxxx"),
    ("post /api/v1/interventions", "xxx---"),
    ("get /api/v1/interventions/{id}", "xxxxxx"),
    ("post /api/v1/interventions/{id}:approve", "xx----"),
    ("post /api/v1/interventions/{id}:cancel", "xxx---"),
    ("post /api/v1/interventions/{id}:reject", "xx----"),
    ("post /api/v1/interventions/{id}:rollback", "xx----"),
    ("post /api/v1/interventions/{id}:validate", "xxx---"),
    ("get /api/v1/jobs", "xx--x-"),
    ("get /api/v1/jobs/{id}", "xx--x-"),
    ("post /api/v1/jobs/{id}:cancel", "xx----"),
    ("get /api/v1/keys", "xxxxx-"),
    ("post /api/v1/keys", "xxxx--"),
    ("delete /api/v1/keys/{id}", "xxxx--"),
    ("post /api/v1/keys/{id}:rotate", "xxxx--"),
    ("get /api/v1/ledger", "xx--x-"),
    ("get /api/v1/ledger/checkpoint", "xx--x-"),
    ("get /api/v1/ledger/entries", "xx--x-"),
    ("get /api/v1/ledger/entries/{seq}", "xx--x-"),
    ("get /api/v1/ledger/entries/{seq}/receipt", "xx--x-"),
    ("get /api/v1/ledger:export", "x---x-"),
    ("post /api/v1/ledger:verify", "xx--x-"),
    ("get /api/v1/live", "xxxxxx"),
    ("get /api/v1/models", "xxxxxx"),
    ("get /api/v1/models/risk", "xxxxxx"),
    ("get /api/v1/models/{id}", "xxxxxx"),
    ("post /api/v1/models/{id}:promote", "xx----"),
    ("post /api/v1/models:rollback", "xx----"),
    ("post /api/v1/models:train", "xx----"),
    ("get /api/v1/overview", "xxxxxx"),
    ("get /api/v1/playbooks", "xxxxx-"),
    ("post /api/v1/playbooks", "xx----"),
    ("delete /api/v1/playbooks/{id}", "xx----"),
    ("get /api/v1/playbooks/{id}", "xxxxx-"),
    ("put /api/v1/playbooks/{id}", "xx----"),
    ("get /api/v1/playbooks/{id}/versions", "xxxxx-"),
    ("post /api/v1/playbooks/{id}:disable", "xx----"),
    ("post /api/v1/playbooks/{id}:enable", "xx----"),
    ("post /api/v1/playbooks:backtest", "xxxxx-"),
    ("post /api/v1/playbooks:validate", "xxxxx-"),
    ("post /api/v1/points", "xxxx--"),
    ("get /api/v1/principals", "x---x-"),
    ("post /api/v1/principals", "x-----"),
    ("patch /api/v1/principals/{id}", "x-----"),
    ("post /api/v1/query", "xxxxx-"),
    ("get /api/v1/resources", "xxxxxx"),
    ("get /api/v1/resources/{id}", "xxxxxx"),
    ("get /api/v1/resources/{id}/assessments", "xxxxxx"),
    ("get /api/v1/resources/{id}/causes", "xxxxx-"),
    ("get /api/v1/resources/{id}/feedback", "xxxxxx"),
    ("get /api/v1/resources/{id}/forecast", "xxxxx-"),
    ("get /api/v1/resources/{id}/judged", "xxxxx-"),
    ("get /api/v1/resources/{id}/plan", "xxxxx-"),
    ("get /api/v1/resources/{id}/points", "xxxxx-"),
    ("get /api/v1/resources/{id}/series", "xxxxx-"),
    ("post /api/v1/resources/{id}:rereference", "xxx---"),
    ("post /api/v1/resources/{id}:whatif", "xxxxxx"),
    ("get /api/v1/slos", "xxxxxx"),
    ("post /api/v1/slos", "xxx---"),
    ("delete /api/v1/slos/{id}", "xxx---"),
    ("get /api/v1/slos/{id}", "xxxxxx"),
    ("put /api/v1/slos/{id}", "xxx---"),
    ("post /api/v1/slos:preview", "xxxxx-"),
    ("get /api/v1/tenants", "x---x-"),
    ("post /api/v1/tenants", "x-----"),
    ("get /metrics", "xxx-x-"),
    ("get /prometheus/api/v1/label/{name}/values", "xxxxx-"),
    ("get /prometheus/api/v1/labels", "xxxxx-"),
    ("post /prometheus/api/v1/labels", "xxxxx-"),
    ("get /prometheus/api/v1/metadata", "xxxxx-"),
    ("get /prometheus/api/v1/query", "xxxxx-"),
    ("post /prometheus/api/v1/query", "xxxxx-"),
    ("get /prometheus/api/v1/query_range", "xxxxx-"),
    ("post /prometheus/api/v1/query_range", "xxxxx-"),
    ("get /prometheus/api/v1/series", "xxxxx-"),
    ("post /prometheus/api/v1/series", "xxxxx-"),
    ("get /prometheus/api/v1/status/buildinfo", "xxxxx-"),
    ("post /prometheus/api/v1/write", "xxx---"),
];

/// Anybody, or any signed-in principal for itself.
const OPEN: &[&str] = &[
    "get /api/openapi.json",
    "get /health/live",
    "get /health/ready",
    "delete /api/v1/session",
    "get /api/v1/session",
    "post /api/v1/session",
    "put /api/v1/session/password",
    "post /api/v1/session:redeem",
];

/// Calls the route with nothing useful in it: whoever may, gets as far as the handler, which finds nothing.
async fn call(world: &World, browser: &Client, csrf: &str, route: &str) -> (StatusCode, bool) {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path.replace("{id}", "01900000-0000-7000-8000-000000000000").replace("{seq}", "999999");
    let method: Method = method.to_uppercase().parse().unwrap();
    let request =
        browser.request(method.clone(), format!("{}{path}", world.api)).header("x-csrf-token", csrf);
    let request = if method == Method::GET { request } else { request.json(&json!({})) };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let denied = status == StatusCode::FORBIDDEN
        && answer.json::<Value>().await.unwrap()["type"] == "urn:echobase:problem:denied";
    (status, denied)
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    // A credential that this machine's senders do not need would hide who may.
    let world = World::with("[otlp]\nallow_local_without_key = false\n");
    let table: BTreeMap<&str, &str> = PERMITTED.iter().copied().collect();
    let document = world.get("/api/openapi.json").await;
    let routes: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |m| format!("{m} {path}")))
        .filter(|route| !OPEN.contains(&route.as_str()))
        .collect();
    let mut wrong = Vec::new();
    for (column, role) in ROLES.into_iter().enumerate() {
        let name = format!("{role}-person");
        let person = json!({ "name": name, "role": role, "password": "a long enough password" });
        world.post("/api/v1/principals", &person).await;
        let form = json!({ "name": name, "password": "a long enough password" });
        let (browser, session) = enter(&world, "/api/v1/session", &form).await;
        let csrf = session["csrf_token"].as_str().unwrap();
        for route in &routes {
            let Some(row) = table.get(route.as_str()) else {
                wrong.push(format!("{route} is not in the table"));
                continue;
            };
            let may = row.as_bytes()[column] == b'x';
            let (status, denied) = call(&world, &browser, csrf, route).await;
            let let_in = !matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            ) && !status.is_server_error();
            if (may && !let_in) || (!may && !denied) {
                wrong.push(format!("{role}: {route} answered {status}, table says {row}"));
            }
        }
    }
    assert_eq!(routes.len(), PERMITTED.len(), "routes that are gone stand in the table");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
