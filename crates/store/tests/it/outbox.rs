//! Messages leave at least once, each claim by one worker.

use std::collections::BTreeSet;
use std::time::Duration;

use echobase_store::outbox::{Failure, Fate, MAX_ATTEMPTS, Message, MessageStatus, NewMessage};
use echobase_store::{OpenMode, PageRequest, Store, Trail};
use echobase_types::ErrorKind;

use crate::fixture::{Fixture, at, tenant, trail};

const LEASE: Duration = Duration::from_secs(30);

fn message(n: usize) -> NewMessage {
    NewMessage {
        channel: "log".to_owned(),
        subject: format!("alert:{n}"),
        body: "{}".to_owned(),
        not_before: None,
    }
}

async fn enqueue(store: &Store, count: usize) {
    let mut all = trail("alert.fire");
    for n in 0..count {
        all = all.message(message(n));
    }
    store.settings().set(&tenant("a"), "s", "1", all, at(0)).await.unwrap();
}

async fn claim(store: &Store, worker: &str, limit: u32, secs: i64) -> Vec<Message> {
    store.outbox().claim(worker, limit, LEASE, at(secs)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_goes_to_two_workers() {
    let fixture = Fixture::new().await;
    enqueue(&fixture.store, 100).await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let store = fixture.store.clone();
        tasks.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let some = claim(&store, &worker.to_string(), 7, 1).await;
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some.into_iter().map(|m| m.id));
            }
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.extend(ended.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (100, 100));
}

#[tokio::test]
async fn a_message_waits_for_its_time_and_survives_a_restart() {
    let fixture = Fixture::new().await;
    let later = Trail::none().message(NewMessage { not_before: Some(at(60)), ..message(0) });
    fixture.store.settings().set(&tenant("a"), "s", "1", later, at(0)).await.unwrap();
    assert_eq!(claim(&fixture.store, "w", 10, 59).await, []);
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    let claimed = claim(&fixture.store, "w", 10, 60).await;
    assert_eq!((claimed.len(), claimed[0].attempts, claimed[0].status), (1, 1, MessageStatus::Claimed));
    fixture.store.outbox().delivered(&claimed[0], "w", trail("message.deliver"), at(61)).await.unwrap();
    let again = fixture.store.outbox().delivered(&claimed[0], "w", Trail::none(), at(61)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
    let page = fixture
        .store
        .outbox()
        .page(&tenant("a"), Some(MessageStatus::Delivered), &PageRequest::first())
        .await;
    assert_eq!(page.unwrap().items[0].finished_at, Some(at(61)));
    assert_eq!(fixture.store.outbox().sweep(at(61), at(70)).await.unwrap(), 0);
    assert_eq!(fixture.store.outbox().sweep(at(62), at(70)).await.unwrap(), 1);
}

#[tokio::test]
async fn waits_double_and_end() {
    let fixture = Fixture::new().await;
    enqueue(&fixture.store, 1).await;
    let passing = Failure::Passing { after: None };
    let (mut now, mut waits) = (0, Vec::new());
    loop {
        let claimed = claim(&fixture.store, "w", 1, now).await.remove(0);
        let told = |fate| if fate == Fate::Dead { trail("message.dead") } else { Trail::none() };
        match fixture.store.outbox().failed(&claimed, "w", passing, "503", told, at(now)).await.unwrap() {
            Fate::Retry { at: due } => {
                waits.push(due.since(at(now)).as_secs());
                assert_eq!(claim(&fixture.store, "w", 1, now).await, []);
                now += i64::try_from(due.since(at(now)).as_secs()).unwrap();
            }
            Fate::Dead => break,
        }
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
    assert_eq!(waits.len() + 1, MAX_ATTEMPTS as usize);
    let dead =
        fixture.store.outbox().page(&tenant("a"), Some(MessageStatus::Dead), &PageRequest::first()).await;
    assert_eq!(dead.unwrap().items[0].last_error.as_deref(), Some("503"));
    assert_eq!(fixture.store.ledger().head(&tenant("a")).await.unwrap().size, 2);
}

#[tokio::test]
async fn the_receiver_may_ask_for_a_longer_wait_and_a_lasting_failure_ends_at_once() {
    let fixture = Fixture::new().await;
    enqueue(&fixture.store, 2).await;
    let claimed = claim(&fixture.store, "w", 2, 0).await;
    let asked = Failure::Passing { after: Some(Duration::from_secs(3_600)) };
    let outbox = fixture.store.outbox();
    let fate = outbox.failed(&claimed[0], "w", asked, "429", |_| Trail::none(), at(0)).await.unwrap();
    assert_eq!(fate, Fate::Retry { at: at(3_600) });
    let fate =
        outbox.failed(&claimed[1], "w", Failure::Lasting, "404", |_| Trail::none(), at(0)).await.unwrap();
    assert_eq!(fate, Fate::Dead);
}

#[tokio::test]
async fn a_worker_that_does_not_report_loses_its_messages() {
    let fixture = Fixture::new().await;
    enqueue(&fixture.store, 1).await;
    let lost = claim(&fixture.store, "one", 1, 0).await.remove(0);
    assert_eq!(fixture.store.outbox().return_expired(at(29)).await.unwrap(), 0);
    assert_eq!(fixture.store.outbox().return_expired(at(30)).await.unwrap(), 1);
    let taken = claim(&fixture.store, "two", 1, 30).await.remove(0);
    assert_eq!((taken.id, taken.attempts), (lost.id, 2));
    let late = fixture.store.outbox().delivered(&lost, "one", Trail::none(), at(31)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    fixture.store.outbox().delivered(&taken, "two", Trail::none(), at(31)).await.unwrap();
}
