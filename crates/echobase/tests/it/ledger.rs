//! The proof: exported, verified offline, and found out when it was edited.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn an_export_verifies_offline_and_an_edited_one_is_found_out() {
    let world = World::start();
    for n in 0..5 {
        world.post("/api/v1/keys", &json!({ "name": format!("key {n}"), "scopes": ["read"] })).await;
    }
    world
        .wait_for("a checkpoint over all entries", "/api/v1/ledger", |l| {
            l["checkpoint_size"].as_u64() >= Some(6) && l["checkpoint_size"] == l["size"]
        })
        .await;
    assert!(world.run(&["ledger", "export", "proof"]).status.success());
    let sound = world.run(&["ledger", "verify", "proof"]);
    let report: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!(sound.status.code(), Some(0), "{report}");
    assert_eq!(report["findings"], json!([]));

    let bundle = std::fs::read_dir(world.folder.path().join("proof/tile/entries"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bundle = if bundle.is_dir() {
        std::fs::read_dir(bundle).unwrap().next().unwrap().unwrap().path()
    } else {
        bundle
    };
    let mut bytes = std::fs::read(&bundle).unwrap();
    let at = bytes
        .windows(5)
        .position(|w| w == b"key 3" || w == b"\"name")
        .or_else(|| bytes.iter().position(|b| *b == b'k'))
        .unwrap();
    bytes[at] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let edited = world.run(&["ledger", "verify", "proof"]);
    assert_eq!(edited.status.code(), Some(1), "{}", String::from_utf8_lossy(&edited.stdout));
    assert_eq!(world.run(&["ledger", "verify", "no-such-folder"]).status.code(), Some(2));
}

#[tokio::test]
async fn a_receipt_proves_an_entry() {
    let world = World::start();
    world.post("/api/v1/keys", &json!({ "name": "k", "scopes": ["read"] })).await;
    world.wait_for("a checkpoint", "/api/v1/ledger", |l| l["checkpoint_size"].as_u64() >= Some(1)).await;
    let receipt = world.get("/api/v1/ledger/entries/0/receipt").await;
    assert!(receipt["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1"), "{receipt}");
    let verified = world.post("/api/v1/ledger:verify", &json!({})).await;
    assert_eq!(verified["intact"], true, "{verified}");
}
