//! What survives when the process does not.

use echobase_store::{OpenMode, Store};

use crate::fixture::{Fixture, at, draft, open, tenant, trail};

/// The files as they are at this moment, as a crash would leave them.
fn copy(of: &Fixture, to: &std::path::Path) -> std::path::PathBuf {
    let from = of.path();
    for end in ["", "-wal"] {
        let name = format!("state.db{end}");
        std::fs::copy(from.with_file_name(&name), to.join(&name)).unwrap();
    }
    std::fs::copy(from.with_file_name("pepper.key"), to.join("pepper.key")).unwrap();
    to.join("state.db")
}

async fn names(store: &Store) -> Vec<String> {
    let all = store.settings().list(&tenant("a")).await.unwrap();
    all.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn after_a_crash_all_that_was_acknowledged_is_there_and_nothing_else() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    fixture.store.settings().set(&a, "kept", "1", trail("setting.write"), at(1)).await.unwrap();
    let mut open_tx = fixture.store.begin(&a, at(2)).await.unwrap();
    open_tx.set_setting("lost", "1").await.unwrap();
    open_tx.append(&[draft("setting.write")]).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = copy(&fixture, elsewhere.path());
    drop(open_tx);
    let store = open(&path, OpenMode::RefuseDamage).await.unwrap();
    assert_eq!(names(&store).await, ["kept"]);
    assert_eq!(store.ledger().head(&a).await.unwrap().size, 1);
    assert_eq!(store.ledger().verify(&a).await.unwrap().findings, []);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_neither_state_nor_entry() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    let mut tx = fixture.store.begin(&a, at(1)).await.unwrap();
    tx.set_setting("lost", "1").await.unwrap();
    tx.leave(trail("setting.write")).await.unwrap();
    drop(tx);
    fixture.store.settings().set(&a, "kept", "1", trail("setting.write"), at(2)).await.unwrap();
    assert_eq!(names(&fixture.store).await, ["kept"]);
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, 1);
}

#[tokio::test]
async fn a_failed_change_leaves_no_entry() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    fixture.store.tenants().create(&a, "A", trail("tenant.create"), at(1)).await.unwrap();
    assert!(fixture.store.tenants().create(&a, "A", trail("tenant.create"), at(1)).await.is_err());
    let too_long = "x".repeat(65_537);
    assert!(fixture.store.settings().set(&a, "s", &too_long, trail("setting.write"), at(1)).await.is_err());
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, 1);
}

#[tokio::test]
async fn an_entry_that_cannot_be_written_stops_the_change() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    let no_entry = draft("setting.write").fact("n", i64::MAX);
    assert!(fixture.store.settings().set(&a, "s", "1", no_entry.into(), at(1)).await.is_err());
    assert_eq!(fixture.store.settings().get(&a, "s").await.unwrap(), None);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = Fixture::new().await;
    fixture.tamper("INSERT INTO schema_version (version, applied_at) VALUES (99, 0)").await;
    let refused = fixture.reopen(OpenMode::RefuseDamage).await.err().unwrap();
    let told = refused.to_string();
    assert!(told.starts_with("the database has schema 99, this program knows up to "), "{told}");
}
