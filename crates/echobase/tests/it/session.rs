//! Signing in, roles, forgery, tenants.

use reqwest::header::{COOKIE, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

async fn sign_in(world: &World) -> (Client, Value) {
    let link = world.signin.clone().unwrap();
    let token = link.rsplit_once('=').unwrap().1.to_owned();
    enter(world, "/api/v1/session:redeem", &json!({ "token": token })).await
}

/// Signs in and answers a client that sends the cookie from then on, as a browser does.
pub async fn enter(world: &World, path: &str, form: &Value) -> (Client, Value) {
    let entered = world.http.post(format!("{}{path}", world.api)).json(form).send().await.unwrap();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().parse().unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, pair)]);
    let browser = Client::builder().default_headers(headers).no_proxy().build().unwrap();
    (browser, json_of(entered, StatusCode::OK).await)
}

#[tokio::test]
async fn the_printed_link_signs_in_once() {
    let world = World::start();
    let (browser, session) = sign_in(&world).await;
    assert_eq!(session["role"], "admin");
    let seen = browser.get(format!("{}/api/v1/overview", world.api)).send().await.unwrap();
    assert_eq!(seen.status(), 200);
    let token = world.signin.clone().unwrap().rsplit_once('=').unwrap().1.to_owned();
    let again =
        world.http.post(format!("{}/api/v1/session:redeem", world.api)).json(&json!({ "token": token }));
    assert_eq!(again.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_browser_write_needs_the_token_and_our_own_page() {
    let world = World::start();
    let (browser, session) = sign_in(&world).await;
    let token = session["csrf_token"].as_str().unwrap();
    let write = |token: Option<&str>, site: &str| {
        let request = browser.post(format!("{}/api/v1/freeze", world.api)).json(&json!({ "reason": "x" }));
        let request = request.header("sec-fetch-site", site.to_owned());
        match token {
            Some(token) => request.header("x-csrf-token", token.to_owned()),
            None => request,
        }
    };
    for (given, site, status) in [
        (None, "same-origin", 403),
        (Some("wrong"), "same-origin", 403),
        (Some(token), "cross-site", 403),
        (Some(token), "same-origin", 200),
    ] {
        assert_eq!(write(given, site).send().await.unwrap().status(), status, "{given:?} {site}");
    }
}

#[tokio::test]
async fn a_viewer_reads_and_is_refused_writes_and_the_refusal_is_in_the_ledger() {
    let world = World::start();
    let made = json!({ "name": "vera", "role": "viewer", "password": "a long enough password" });
    world.post("/api/v1/principals", &made).await;
    let form = json!({ "name": "vera", "password": "a long enough password" });
    let (browser, session) = enter(&world, "/api/v1/session", &form).await;
    assert_eq!(browser.get(format!("{}/api/v1/overview", world.api)).send().await.unwrap().status(), 200);
    let write = browser
        .post(format!("{}/api/v1/freeze", world.api))
        .header("x-csrf-token", session["csrf_token"].as_str().unwrap())
        .json(&json!({ "reason": "x" }));
    let problem = json_of(write.send().await.unwrap(), StatusCode::FORBIDDEN).await;
    assert_eq!(problem["type"], "urn:echobase:problem:denied");
    let entries = world.get("/api/v1/ledger/entries?action=policy.deny").await;
    assert_eq!(entries["items"][0]["outcome"], "deny", "{entries}");
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let world = World::start();
    world.request(Method::POST, "/api/v1/events").body("{\"name\":\"mine\"}\n").send().await.unwrap();
    let made =
        world.post("/api/v1/tenants", &json!({ "id": "other", "name": "Other", "admin_name": "olga" })).await;
    let token = made["signin_path"].as_str().unwrap().rsplit_once('=').unwrap().1.to_owned();
    let (browser, session) = enter(&world, "/api/v1/session:redeem", &json!({ "token": token })).await;
    assert_eq!(session["tenant"], "other");
    let sql = browser
        .post(format!("{}/api/v1/query", world.api))
        .header("x-csrf-token", session["csrf_token"].as_str().unwrap())
        .json(&json!({ "sql": "SELECT count(*) FROM logs" }));
    let answer = json_of(sql.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(answer["rows"][0][0], 0);
    let header = world.request(Method::GET, "/api/v1/overview").header("x-tenant", "other");
    assert_eq!(header.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn without_a_credential_every_route_but_the_public_ones_answers_401() {
    let world = World::start();
    // Senders on this machine need none.
    let of_senders = ["/metrics", "/api/v1/events", "/prometheus/api/v1/write"];
    let document = world.get("/api/openapi.json").await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let action = operation["x-action"].as_str().unwrap();
            if action.starts_with("public") || of_senders.contains(&path.as_str()) {
                continue;
            }
            let url = format!("{}{}", world.api, path.replace("{id}", "x").replace("{seq}", "0"));
            let request = world.http.request(method.to_uppercase().parse().unwrap(), url);
            let status = request.send().await.unwrap().status();
            assert_eq!(status, 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_api_key_does_what_its_scopes_name_and_nothing_after_it_is_revoked() {
    let world = World::start();
    let made = world.post("/api/v1/keys", &json!({ "name": "reader", "scopes": ["read"] })).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let id = made["key"]["id"].as_str().unwrap().to_owned();
    let with = |method: Method, path: &str| {
        world.http.request(method, format!("{}{path}", world.api)).bearer_auth(&secret)
    };
    assert_eq!(with(Method::GET, "/api/v1/overview").send().await.unwrap().status(), 200);
    let write = with(Method::POST, "/api/v1/freeze").json(&json!({ "reason": "x" }));
    assert_eq!(write.send().await.unwrap().status(), 403);
    let revoked = world.request(Method::DELETE, &format!("/api/v1/keys/{id}")).send().await.unwrap();
    assert_eq!(revoked.status(), 204);
    assert_eq!(with(Method::GET, "/api/v1/overview").send().await.unwrap().status(), 401);
}
