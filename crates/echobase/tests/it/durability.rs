//! What was acknowledged survives `kill -9`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_after_a_kill_in_the_middle_of_ingest() {
    let mut world = World::start();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let killed = Arc::new(AtomicBool::new(false));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let (acknowledged, killed) = (acknowledged.clone(), killed.clone());
        let (http, url, key) = (world.http.clone(), format!("{}/api/v1/events", world.api), world.key());
        senders.spawn(async move {
            for n in 0.. {
                let body: String = (0..10)
                    .map(|i| format!("{{\"name\":\"load\",\"resource\":{{\"service.name\":\"s{sender}\"}},\"n\":{}}}\n", n * 10 + i))
                    .collect();
                let sent = http.post(&url).bearer_auth(&key).body(body).send().await;
                match sent {
                    Ok(response) if response.status().is_success() => {
                        acknowledged.fetch_add(10, Ordering::SeqCst);
                    }
                    _ if killed.load(Ordering::SeqCst) => return,
                    other => panic!("refused before the kill: {other:?}"),
                }
            }
        });
    }
    while acknowledged.load(Ordering::SeqCst) < 500 {
        tokio::task::yield_now().await;
    }
    killed.store(true, Ordering::SeqCst);
    world.kill();
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
    world.restart();
    let stored = world.count("SELECT count(*) FROM events WHERE event_name = 'load'").await as usize;
    let told = acknowledged.load(Ordering::SeqCst);
    assert!(stored >= told, "{told} acknowledged, {stored} stored");
    let twice = "SELECT count(*) FROM (SELECT resource_id, attributes FROM events WHERE event_name = 'load' \
                 GROUP BY resource_id, attributes HAVING count(*) > 1)";
    assert_eq!(world.count(twice).await, 0, "rows twice after recovery");
}

#[tokio::test]
async fn a_repeated_write_with_the_same_key_is_answered_from_memory_even_after_a_kill() {
    let mut world = World::start();
    let send = async |world: &World, body: &str| {
        let request = world.request(Method::POST, "/api/v1/events").header("Idempotency-Key", "batch-1");
        request.body(body.to_owned()).send().await.unwrap()
    };
    let body = "{\"name\":\"once\"}\n";
    assert_eq!(send(&world, body).await.status(), 200);
    world.kill_and_restart();
    let again = send(&world, body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(world.count("SELECT count(*) FROM events WHERE event_name = 'once'").await, 1);
    assert_eq!(send(&world, "{\"name\":\"other\"}\n").await.status(), 422);
}

#[tokio::test]
async fn a_freeze_survives_a_kill() {
    let mut world = World::start();
    world.post("/api/v1/freeze", &json!({ "reason": "maintenance" })).await;
    world.kill_and_restart();
    let freezes = world.get("/api/v1/freeze").await;
    assert_eq!(freezes[0]["scope"], "tenant", "{freezes}");
}
