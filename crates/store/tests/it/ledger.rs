//! The ledger: chained whatever happens, proved, and damage found where it is.

use std::collections::BTreeMap;

use echobase_audit::{Entry, Receipt, Signer, Trust, verify_export};
use echobase_store::ledger::{EntryFilter, system_log};
use echobase_store::{OpenMode, PageRequest, Store, Trail};
use echobase_types::assessment::Severity;
use echobase_types::{ErrorKind, TenantId};

use crate::fixture::{Fixture, alert, at, draft, intervention, tenant, trail};

fn signer() -> Signer {
    Signer::from_seed("test/a", [7; 32]).unwrap()
}

async fn write(store: &Store, a: &TenantId, count: i64) {
    let drafts = (0..count).map(|n| draft("note.write").fact("n", n)).collect();
    store.ledger().append(a, drafts, at(1)).await.unwrap();
}

async fn sign(store: &Store, a: &TenantId, secs: i64) -> Option<u64> {
    let made = store.ledger().checkpoint(a, |size, root| signer().checkpoint(size, root), at(secs)).await;
    made.unwrap().map(|c| c.size)
}

#[tokio::test]
async fn after_a_thousand_mixed_writes_the_ledger_verifies_and_so_does_its_export() {
    let fixture = Fixture::new().await;
    let (store, a, b) = (&fixture.store, tenant("a"), tenant("b"));
    let mut entries = 0;
    for n in 0..250_i64 {
        let now = at(n);
        store.settings().set(&a, "s", &n.to_string(), trail("setting.write"), now).await.unwrap();
        let one = alert(&format!("k{n}"), Severity::Info, n);
        store.alerts().fire(&a, &one, |_| trail("alert.fire"), now).await.unwrap();
        let mut tx = store.begin(&a, now).await.unwrap();
        let made = tx.create_intervention(&intervention("service:x", n)).await.unwrap();
        tx.append(&[draft("intervention.propose").fact("id", made.id.to_string())]).await.unwrap();
        if n % 3 == 0 {
            drop(tx);
            entries += 3;
        } else {
            tx.commit().await.unwrap();
            entries += 4;
        }
        store.ledger().append(&b, vec![draft("note.write")], now).await.unwrap();
        store.ledger().append(&a, vec![draft("note.write")], now).await.unwrap();
        if n % 100 == 50 {
            sign(store, &a, n).await.unwrap();
        }
    }
    let report = store.ledger().verify(&a).await.unwrap();
    assert_eq!((report.entries, report.findings), (entries, vec![]));
    assert_eq!(report.root, store.ledger().head(&a).await.unwrap().root);
    assert_eq!(sign(store, &a, 300).await, Some(entries));
    assert_eq!(sign(store, &a, 301).await, None);

    let mut files = BTreeMap::new();
    let exported = store.ledger().export(&a, |f| Ok(_ = files.insert(f.path, f.bytes))).await.unwrap();
    let trust = Trust { keys: vec![signer().verifier_key()], ..Trust::default() };
    let report = verify_export(&files, &trust).unwrap();
    assert_eq!((exported, report.entries, report.exit_code()), (entries, entries, 0));
    assert!(files.contains_key("checkpoints.jsonl"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_share_one_unbroken_chain() {
    let fixture = Fixture::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16_i64 {
        let store = fixture.store.clone();
        let a = tenant(if task % 4 == 0 { "b" } else { "a" });
        tasks.spawn(async move {
            for n in 0..10 {
                if n % 2 == 0 {
                    let refs = store.ledger().append(&a, vec![draft("note.write"); 2], at(n)).await.unwrap();
                    assert_eq!(refs[0].seq + 1, refs[1].seq);
                } else {
                    store.settings().set(&a, "s", "1", trail("setting.write"), at(n)).await.unwrap();
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    for (name, entries) in [("a", 12 * 15), ("b", 4 * 15)] {
        let report = fixture.store.ledger().verify(&tenant(name)).await.unwrap();
        assert_eq!((report.entries, report.findings), (entries, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_larger_than_one_shared_transaction_all_get_their_answer() {
    let fixture = Fixture::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = fixture.store.clone();
        tasks.spawn(async move {
            store.ledger().append(&tenant("a"), vec![draft("note.write"); 700], at(1)).await
        });
    }
    let mut seqs = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        seqs.extend(ended.unwrap().unwrap().iter().map(|r| r.seq));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (0..4_200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_draft_without_a_valid_form_fails_alone() {
    let fixture = Fixture::new().await;
    let (ledger, a) = (fixture.store.ledger(), tenant("a"));
    let (good, bad, last) = tokio::join!(
        ledger.append(&a, vec![draft("note.write")], at(1)),
        ledger.append(&a, vec![draft("note.write"), draft("note.write").fact("n", i64::MAX)], at(1)),
        ledger.append(&a, vec![draft("note.write")], at(1)),
    );
    assert_eq!((good.unwrap()[0].seq, last.unwrap()[0].seq), (0, 1));
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(ledger.verify(&a).await.unwrap().findings, []);
}

#[tokio::test]
async fn every_entry_has_a_receipt_that_holds_without_the_store() {
    let fixture = Fixture::new().await;
    let (ledger, a) = (fixture.store.ledger(), tenant("a"));
    write(&fixture.store, &a, 700).await;
    assert_eq!(ledger.receipt(&a, 0).await.unwrap_err().kind(), ErrorKind::Conflict);
    sign(&fixture.store, &a, 1).await;
    write(&fixture.store, &a, 1).await;
    for seq in [0, 1, 254, 255, 256, 511, 512, 698, 699] {
        let receipt = ledger.receipt(&a, seq).await.unwrap();
        let proof = Receipt::parse(&receipt.proof).unwrap();
        assert_eq!(proof.verify(&receipt.entry, &[signer().verifier_key()]).unwrap().0.size, 700);
        assert_eq!(Entry::parse(&receipt.entry).unwrap().seq, seq);
    }
    assert_eq!(ledger.receipt(&a, 700).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ledger.receipt(&a, 701).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_checkpoint_of_a_tenant_stands_in_the_system_log() {
    let fixture = Fixture::new().await;
    let (ledger, a) = (fixture.store.ledger(), tenant("a"));
    write(&fixture.store, &a, 3).await;
    sign(&fixture.store, &a, 1).await.unwrap();
    let entry = Entry::parse(&ledger.entry(&system_log(), 0).await.unwrap().bytes).unwrap();
    assert_eq!((entry.action.as_str(), entry.resource_id.as_str()), ("ledger.checkpoint", "a"));
    assert_eq!(ledger.logs().await.unwrap(), [a, system_log()]);
    let own = fixture.store.tenants().create(&system_log(), "x", Trail::none(), at(1)).await;
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_at_its_row() {
    for (sql, code, seq) in [
        ("UPDATE ledger_entry SET body = replace(body, '\"n\":5', '\"n\":6') WHERE seq = 5", "E_LEAF", 5),
        ("UPDATE ledger_entry SET body = body || ' ' WHERE seq = 5", "E_SCHEMA", 5),
        (
            "UPDATE ledger_entry SET leaf = replace(leaf, substr(leaf, 1, 4), '0000') WHERE seq = 5",
            "E_LEAF",
            5,
        ),
        ("UPDATE ledger_entry SET action = 'note.read' WHERE seq = 5", "E_SCHEMA", 5),
        ("DELETE FROM ledger_entry WHERE seq = 5", "E_MISSING", 5),
        ("DELETE FROM ledger_entry WHERE seq >= 15", "E_TRUNCATED", 15),
        ("UPDATE ledger_log SET size = 10, frontier = (SELECT frontier FROM ledger_log)", "E_TRUNCATED", 10),
        ("UPDATE ledger_checkpoint SET root = replace(root, substr(root, 1, 4), '0000')", "E_SIG", 20),
    ] {
        let fixture = Fixture::new().await;
        let a = tenant("a");
        write(&fixture.store, &a, 20).await;
        sign(&fixture.store, &a, 1).await;
        fixture.tamper(&sql.replace("WHERE seq", "WHERE tenant = 'a' AND seq")).await;
        let report = fixture.store.ledger().verify(&a).await.unwrap();
        let first = report.findings.first().unwrap_or_else(|| panic!("not found: {sql}"));
        assert_eq!((first.code, first.seq), (code, Some(seq)), "{sql}: {:?}", report.findings);
    }
}

#[tokio::test]
async fn a_rewritten_row_with_rewritten_hashes_is_found_by_its_successor() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    write(&fixture.store, &a, 20).await;
    let stored = fixture.store.ledger().entry(&a, 5).await.unwrap();
    let forged = String::from_utf8(stored.bytes).unwrap().replace("\"n\":5", "\"n\":6");
    let leaf = echobase_audit::hash::leaf(forged.as_bytes());
    let sql = format!("UPDATE ledger_entry SET body = '{forged}', leaf = '{leaf}' WHERE seq = 5");
    fixture.tamper(&sql).await;
    let report = fixture.store.ledger().verify(&a).await.unwrap();
    assert_eq!((report.findings[0].code, report.findings[0].seq), ("E_CHAIN", Some(6)));
}

#[tokio::test]
async fn a_damaged_ledger_is_not_opened_unless_told_and_then_says_so() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    write(&fixture.store, &a, 20).await;
    fixture.tamper("UPDATE ledger_entry SET body = replace(body, '\"n\":5', '\"n\":6') WHERE seq = 5").await;
    let path = fixture.path();
    let refused = crate::fixture::open(&path, OpenMode::RefuseDamage).await.unwrap_err();
    assert!(refused.to_string().starts_with("ledger `a` is damaged: E_LEAF at entry 5"), "{refused}");
    let store = crate::fixture::open(&path, OpenMode::AcceptDamage).await.unwrap();
    let newest = store.ledger().page(&a, &EntryFilter::default(), &PageRequest::first()).await.unwrap();
    let entry = Entry::parse(&newest.items[0].bytes).unwrap();
    assert_eq!((entry.seq, entry.action.as_str()), (20, "ledger.damage"));
    // What is wrong stays for every verifier to see, and the log goes on.
    write(&store, &a, 1).await;
    assert_eq!(store.ledger().verify(&a).await.unwrap().findings[0].code, "E_LEAF");
}

#[tokio::test]
async fn entries_are_found_by_action_resource_actor_and_time() {
    let fixture = Fixture::new().await;
    let (ledger, a) = (fixture.store.ledger(), tenant("a"));
    for n in 0..30_i64 {
        let action = if n % 3 == 0 { "key.create" } else { "keyring.open" };
        ledger.append(&a, vec![draft(action)], at(n)).await.unwrap();
    }
    for (filter, want) in [
        (EntryFilter { action_prefix: Some("key.".to_owned()), ..Default::default() }, 10),
        (EntryFilter { action_prefix: Some("key".to_owned()), ..Default::default() }, 30),
        (EntryFilter { resource_id: Some("1".to_owned()), ..Default::default() }, 30),
        (EntryFilter { resource_id: Some("2".to_owned()), ..Default::default() }, 0),
        (EntryFilter { actor_id: Some("test".to_owned()), ..Default::default() }, 30),
        (EntryFilter { from: Some(at(10)), to: Some(at(20)), ..Default::default() }, 10),
    ] {
        let mut request = PageRequest::new(None, Some(7)).unwrap();
        let mut seen = Vec::new();
        loop {
            let page = ledger.page(&a, &filter, &request).await.unwrap();
            seen.extend(page.items.iter().map(|e| e.seq));
            match page.next {
                Some(next) => request = request.at(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), want, "{filter:?}");
        assert!(seen.windows(2).all(|w| w[0] > w[1]), "newest first, none twice");
    }
}
