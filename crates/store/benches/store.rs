//! Durable writes and keyed reads a second: `cargo bench -p echobase-store --bench store`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark reads the clock and fails loudly"
)]

use std::time::{Duration, Instant};

use echobase_store::key::NewKey;
use echobase_store::principal::NewPrincipal;
use echobase_store::{Location, OpenMode, Store, Trail, fresh_uuid};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::principal::{PrincipalKind, Role, Scope};
use echobase_types::{PrincipalId, TenantId, Timestamp};

const RUN: Duration = Duration::from_secs(2);

fn draft() -> EntryDraft {
    EntryDraft::new(Actor::system("bench"), "note.write", "note", "1").fact("role", "operator")
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}

fn rate(what: &str, done: u64, begun: Instant) {
    println!("{what}: {:.0}/s", done as f64 / begun.elapsed().as_secs_f64());
}

async fn appends(store: &Store, tenant: &TenantId, writers: usize) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (store, tenant) = (store.clone(), tenant.clone());
        tasks.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < RUN {
                store.ledger().append(&tenant, vec![draft()], now()).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let done = tasks.join_all().await.into_iter().sum();
    rate(&format!("durable ledger appends, {writers} callers"), done, begun);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("state.db"));
    let store = Store::open(location, OpenMode::RefuseDamage, now()).await.unwrap();
    let tenant = TenantId::default_tenant();
    for writers in [1, 16, 256] {
        appends(&store, &tenant, writers).await;
    }

    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < RUN {
        store.settings().set(&tenant, "s", "1", draft().into(), now()).await.unwrap();
        done += 1;
    }
    rate("changes with their entry, one caller", done, begun);

    let id = PrincipalId::from_uuid(fresh_uuid(now()).unwrap());
    let new = NewPrincipal {
        id,
        kind: PrincipalKind::User,
        name: "ana".to_owned(),
        role: Role::Operator,
        password: None,
    };
    store.principals().create(&tenant, &new, Trail::none(), now()).await.unwrap();
    let key = NewKey { principal: id, name: "k".to_owned(), scopes: vec![Scope::Read], lasts: RUN };
    let key = store.keys().create(&tenant, &key, |_| Trail::none(), now()).await.unwrap();
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < RUN {
        store.keys().authenticate(&key.secret, now()).await.unwrap();
        done += 1;
    }
    rate("API keys recognised, one caller", done, begun);

    let begun = Instant::now();
    let report = store.ledger().verify(&tenant).await.unwrap();
    assert!(report.findings.is_empty());
    rate("entries re-read and checked", report.entries, begun);
}
