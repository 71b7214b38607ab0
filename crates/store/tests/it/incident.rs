//! Labels of what happened.

use echobase_store::incident::IncidentFilter;
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::{IncidentId, PrincipalId};

use crate::fixture::{Fixture, at, tenant, trail};

fn incident(n: u32, start: i64, end: Option<i64>) -> Incident {
    Incident {
        id: format!("00000000-0000-7000-8000-{n:012x}").parse::<IncidentId>().unwrap(),
        resource_id: "service:shop/orders".parse().unwrap(),
        label: IncidentLabel::Real,
        metric: None,
        anomaly_id: None,
        change: None,
        started_at: at(start),
        ended_at: end.map(at),
        note: String::new(),
        labelled_by: "00000000-0000-7000-8000-000000000001".parse::<PrincipalId>().unwrap(),
        labelled_at: at(1_000),
    }
}

#[tokio::test]
async fn what_reaches_into_a_time_is_found_however_early_it_began() {
    let fixture = Fixture::new().await;
    let (incidents, a) = (fixture.store.incidents(), tenant("a"));
    let over = incident(1, 100, Some(200));
    let reaching = incident(2, 100, Some(600));
    let within = incident(3, 550, None);
    let endless_before = incident(4, 100, None);
    for one in [&over, &reaching, &within, &endless_before] {
        incidents.insert(&a, one, trail("incident.label")).await.unwrap();
    }
    let filter = IncidentFilter { reaching: Some(at(500)), ..IncidentFilter::default() };
    let found: Vec<_> = incidents.all(&a, &filter).await.unwrap().into_iter().map(|i| i.id).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&reaching.id) && found.contains(&within.id), "{found:?}");
    assert_eq!(incidents.all(&tenant("b"), &filter).await.unwrap(), []);
}
