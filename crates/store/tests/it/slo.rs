//! Service level objectives.

use std::time::Duration;

use echobase_store::{PageRequest, StoreError};
use echobase_types::assessment::Vital;
use echobase_types::playbook::Selector;
use echobase_types::slo::{Bound, Side, Sli, Slo};
use echobase_types::{ErrorKind, ResourceKind};

use crate::fixture::{Fixture, at, tenant, trail};

fn slo(n: u128, name: &str, sli: Sli) -> Slo {
    Slo {
        id: format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap(),
        version: 1,
        name: name.to_owned(),
        description: "what was promised".to_owned(),
        selector: Selector { kind: Some(ResourceKind::Service), resource: Some("service:shop/*".to_owned()) },
        sli,
        target: 0.999,
        window: Duration::from_secs(30 * 86_400),
        created_at: at(1),
        updated_at: at(1),
    }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn objectives_read_back_whole_whatever_they_count() {
    let fixture = Fixture::new().await;
    let (slos, a) = (fixture.store.slos(), tenant("a"));
    let bound = Bound { side: Side::AtMost, threshold: 0.1 + 0.2 };
    let all = [
        slo(1, "a", Sli::Requests),
        slo(2, "b", Sli::Latency { threshold_s: 0.3 }),
        slo(3, "c", Sli::Vital { vital: Vital::Up, bound: Bound { side: Side::AtLeast, threshold: 1.0 } }),
        slo(4, "d", Sli::Metric { name: "queue.age".to_owned(), bound }),
    ];
    for one in &all {
        slos.insert(&a, one, trail("slo.create")).await.unwrap();
        assert_eq!(slos.get(&a, one.id).await.unwrap(), *one);
    }
    assert_eq!(slos.all(&a).await.unwrap(), all);
    assert_eq!(slos.all(&tenant("b")).await.unwrap(), []);
    let first = slos.page(&a, &PageRequest::new(None, Some(3)).unwrap()).await.unwrap();
    let rest = slos.page(&a, &PageRequest::first().at(first.next.unwrap())).await.unwrap();
    assert_eq!((first.items.len(), rest.items), (3, all[3..].to_vec()));
    let after_b = |slo: &Slo| slo.name.as_str() > "b";
    let two = slos.page_of(&a, &PageRequest::new(None, Some(1)).unwrap(), after_b).await;
    let two = two.unwrap();
    let last = slos.page_of(&a, &PageRequest::first().at(two.next.unwrap()), after_b).await;
    assert_eq!((two.items, last.unwrap().items), (all[2..3].to_vec(), all[3..].to_vec()));
    assert_eq!(kind(slos.get(&tenant("b"), all[0].id).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn of_two_writers_that_saw_the_same_version_one_wins() {
    let fixture = Fixture::new().await;
    let (slos, a) = (fixture.store.slos(), tenant("a"));
    let first = slo(1, "one", Sli::Requests);
    slos.insert(&a, &first, trail("slo.create")).await.unwrap();
    assert_eq!(kind(slos.insert(&a, &slo(2, "one", Sli::Requests), trail("x.y")).await), ErrorKind::Conflict);
    let second = Slo { version: 2, target: 0.99, updated_at: at(2), ..first.clone() };
    slos.replace(&a, &second, trail("slo.change")).await.unwrap();
    assert_eq!(kind(slos.replace(&a, &second, trail("slo.change")).await), ErrorKind::Conflict);
    assert_eq!(slos.get(&a, first.id).await.unwrap(), second);
    assert_eq!(kind(slos.remove(&a, first.id, 1, trail("slo.remove"), at(3)).await), ErrorKind::Conflict);
    slos.remove(&a, first.id, 2, trail("slo.remove"), at(3)).await.unwrap();
    assert_eq!(kind(slos.get(&a, first.id).await), ErrorKind::NotFound);
    assert_eq!(kind(slos.replace(&a, &second, trail("slo.change")).await), ErrorKind::NotFound);
}
