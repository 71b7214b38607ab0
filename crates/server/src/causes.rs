//! What began an incident: the series of a resource and of what it depends on, held against normal times.

mod gather;
mod window;
mod words;

use std::time::Duration;

use echobase_analysis::causes::{Incident, Symptom, causes, noticed};
use echobase_api::causes::{Causes, CausesQuery};
use echobase_store::change::ChangeFilter;
use echobase_types::{ErrorKind, ResourceId, TenantId};

use crate::app::App;
use crate::graph;
use crate::problem::{Answer, Failure};
use gather::Material;

/// Resources that are looked at: the one asked about and the nearest that it depends on.
const NODES: usize = 40;
/// Changes older than this before the incident do not count.
const CHANGES_BEFORE: Duration = Duration::from_secs(7_200);

/// The likely causes of what happened to a resource. Dropping the future ends the reading. What a page asks about the
/// present is told again for some seconds.
pub(crate) async fn of(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    query: &CausesQuery,
) -> Answer<Causes> {
    let what = format!("causes of {resource}");
    let work = Box::pin(search(app, tenant, resource, query));
    match query {
        CausesQuery { from: None, to: None, about: None, metric: None } => {
            let key = (tenant.clone(), resource.clone());
            app.searches.run_once(what, key, || app.now(), work).await
        }
        _ => app.searches.run(what, work).await,
    }
}

async fn search(app: &App, tenant: &TenantId, resource: &ResourceId, query: &CausesQuery) -> Answer<Causes> {
    let arrows = graph::arrows(&app.store, tenant, app.now()).await?;
    let nodes = graph::below(&arrows, resource, NODES);
    let window = window::of(app, tenant, &nodes, query).await?;
    let material = gather::read(app, tenant, &nodes, &window).await?;
    let filter = ChangeFilter {
        resources: nodes.clone(),
        from: Some(window.from - CHANGES_BEFORE),
        to: Some(window.to),
        kind: None,
    };
    let changes = app.store.changes().newest(tenant, &filter).await?;
    let told = words::Told { resource: resource.clone(), nodes, window, changes };
    let metric = query.metric.clone();
    let work = move || judge(told, material, arrows, metric);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("weigh causes: {e}")))
}

/// Orders the causes of what was read. Pure.
fn judge(told: words::Told, material: Material, arrows: graph::Arrows, metric: Option<String>) -> Causes {
    let Material { gathered, rows, left_out } = material;
    let measured: Vec<_> = gathered.iter().map(|one| one.measured.clone()).collect();
    let node = told.resource.to_string();
    let symptom = match metric {
        Some(metric) => Symptom { node, metric: Some(metric) },
        None => noticed(&measured, &node),
    };
    let incident = Incident {
        measured,
        calls: arrows.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect(),
        symptom: Some(symptom.clone()),
        changes: told.changes_of_incident(),
    };
    let ranking = causes(&incident);
    told.answer(&ranking, &gathered, symptom, rows, left_out)
}

#[cfg(test)]
mod tests;
