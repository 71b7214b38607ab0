//! Reading what causes are judged by, bounded in resources, series and rows.

use std::collections::BTreeMap;

use echobase_analysis::causes::{Calls, Gathered, Rows, Stored, gather, is_vital};
use echobase_telemetry::{PointsQuery, Selection, SeriesMeta, Steps, Values};
use echobase_types::signal::{MetricKind, Series, SpanKind};
use echobase_types::{ResourceId, TenantId, Timestamp};

use super::window::Window;
use crate::app::App;
use crate::problem::Answer;

/// Series that are read, over all resources.
const SERIES: usize = 400;
/// Verdicts that are read of a resource, to tell normal times from trouble.
const VERDICTS: usize = 500;
/// A resource with a lower score was in trouble: such times are no normal.
const TROUBLE: f64 = 0.6;
/// Rows of normal below which nothing can be compared.
const FEWEST: usize = 5;

/// What was read.
pub(super) struct Material {
    /// Metrics with enough rows to compare.
    pub gathered: Vec<Gathered>,
    /// Rows read.
    pub rows: u64,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Reads the series, distributions and spans of these resources.
pub(super) async fn read(
    app: &App,
    tenant: &TenantId,
    nodes: &[ResourceId],
    window: &Window,
) -> Answer<Material> {
    let vitals = &app.config.analysis.extra_vitals;
    let mut left_out = Vec::new();
    let chosen = choose(app, tenant, nodes, &mut left_out);
    let (timed, plain): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|meta| meta.kind == MetricKind::Histogram);
    let step_s = window.step.as_secs_f64();
    let count = (window.to.since(window.normal_from).as_secs_f64() / step_s).ceil().max(1.0) as usize;
    // A whole number of steps, so that each is as long as the window says.
    let from = window.to - window.step * u32::try_from(count).unwrap_or(u32::MAX);
    let steps = Steps { from, to: window.to, count };
    let mut stored = Vec::new();
    let points = PointsQuery {
        selection: Selection::Series(plain.iter().map(|meta| meta.id).collect()),
        metric: None,
        from,
        to: window.to,
        max_points: count,
        values: Values::CountersAsRates,
    };
    for data in app.telemetry.points(tenant, points).await? {
        // What came per interval, as growth per second.
        let shown = |mean: f64, count: u64| match data.series.kind {
            MetricKind::Delta => mean * count as f64 / step_s,
            _ => mean,
        };
        let rows = data.steps.iter().map(|step| (step.at, shown(step.mean, step.count))).collect();
        stored.push(written(&data.series, Rows::Values(rows)));
    }
    let ids: Vec<_> = timed.iter().map(|meta| meta.id).collect();
    match app.telemetry.distributions(tenant, &ids, steps).await? {
        Some(found) => stored.extend(found.into_iter().map(|data| {
            // As if the rows had told of exactly one step.
            let rows = data.steps.iter().map(|(at, t)| {
                let whole = if t.covered > 0.0 { step_s / t.covered } else { 1.0 };
                (*at, t.count * whole, t.sum * whole)
            });
            written(&data.series, Rows::Distribution(rows.collect()))
        })),
        None => left_out.push("distributions: there are too many rows in this time".to_owned()),
    }
    let silent: Vec<ResourceId> = (nodes.iter())
        .filter(|id| !timed.iter().any(|meta| meta.resource_id == **id && is_vital(&series(meta), vitals)))
        .cloned()
        .collect();
    let calls = app.telemetry.calls(tenant, &silent, steps).await?.unwrap_or_else(|| {
        left_out.push("spans: there are too many in this time".to_owned());
        Vec::new()
    });
    let calls: Vec<Calls> = (calls.into_iter())
        .map(|data| Calls {
            node: data.resource_id.to_string(),
            made: data.kind == SpanKind::Client,
            rows: data.steps.iter().map(|(at, t)| (*at, t.count, t.failed, t.sum)).collect(),
        })
        .collect();
    let trouble = trouble(app, tenant, nodes, window, &mut left_out).await?;
    let is_normal = |node: &str, time: Timestamp| {
        !trouble.get(node).is_some_and(|times| times.iter().any(|(from, to)| *from <= time && time < *to))
    };
    let rows = stored.iter().map(|one| match &one.rows {
        Rows::Values(rows) => rows.len(),
        Rows::Distribution(rows) => rows.len(),
    });
    let rows = rows.chain(calls.iter().map(|one| one.rows.len())).sum::<usize>() as u64;
    let names = names(nodes);
    let mut gathered = gather(&stored, &calls, vitals, &names, (window.step, window.rows_from), is_normal);
    gathered.retain(|one| one.measured.normal.len() >= FEWEST && !one.measured.incident.is_empty());
    Ok(Material { gathered, rows, left_out })
}

/// The series that are read: of each resource its share, vital signs first.
fn choose(app: &App, tenant: &TenantId, nodes: &[ResourceId], left_out: &mut Vec<String>) -> Vec<SeriesMeta> {
    let share = (SERIES / nodes.len().max(1)).max(1);
    let mut chosen = Vec::new();
    let mut beyond = 0;
    for node in nodes {
        let mut metas = app.telemetry.series_of(tenant, node);
        let vitals = &app.config.analysis.extra_vitals;
        metas.sort_by_cached_key(|meta| (!is_vital(&series(meta), vitals), meta.metric.clone(), meta.id));
        beyond += metas.len().saturating_sub(share);
        metas.truncate(share);
        chosen.extend(metas);
    }
    if beyond > 0 {
        left_out.push(format!("{beyond} series beyond {share} of a resource; vital signs come first"));
    }
    chosen
}

/// The resources by the names that their callers may have for them: the whole name, and the end of it where no other
/// ends so.
fn names(nodes: &[ResourceId]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let whole = |id: &ResourceId| id.as_str().split_once(':').map_or(String::new(), |(_, n)| n.to_owned());
    for node in nodes {
        let end = whole(node).rsplit('/').next().unwrap_or_default().to_owned();
        let same = nodes.iter().filter(|other| whole(other).rsplit('/').next() == Some(end.as_str())).count();
        if same == 1 {
            names.insert(end, node.to_string());
        }
        names.insert(whole(node), node.to_string());
    }
    names
}

fn series(meta: &SeriesMeta) -> Series {
    Series {
        id: meta.id,
        resource: 0,
        name: meta.metric.clone(),
        unit: meta.unit.clone(),
        kind: meta.kind,
        attributes: meta.attributes.clone(),
    }
}

fn written(meta: &SeriesMeta, rows: Rows) -> Stored {
    Stored { node: meta.resource_id.to_string(), series: series(meta), rows }
}

/// When which resource was in trouble before the incident, by its stored verdicts. A resource that was in trouble for
/// more than half of the time has no other normal.
async fn trouble(
    app: &App,
    tenant: &TenantId,
    nodes: &[ResourceId],
    window: &Window,
    left_out: &mut Vec<String>,
) -> Answer<BTreeMap<String, Vec<(Timestamp, Timestamp)>>> {
    let (from, to) = (window.normal_from, window.rows_from);
    let mut trouble = BTreeMap::new();
    for node in nodes {
        let verdicts = app.telemetry.assessments(tenant, node, from, to, VERDICTS).await?;
        let mut times = Vec::new();
        for (at, verdict) in verdicts.iter().enumerate().filter(|(_, verdict)| verdict.score < TROUBLE) {
            let end = verdicts.get(at + 1).map_or(to, |next| next.at);
            // The verdict came after the trouble had begun.
            times.push((verdict.at - window.step * 2, end));
        }
        let known = verdicts.first().map_or(0.0, |first| to.since(first.at).as_secs_f64());
        let bad: f64 = times.iter().map(|(from, to)| to.since(*from).as_secs_f64()).sum();
        if bad > 0.5 * known {
            left_out.push(format!(
                "{node} was in trouble for most of the time before: that is taken as its normal"
            ));
        } else if !times.is_empty() {
            let seconds = bad.round() as u64;
            left_out.push(format!("{seconds} s in which {node} was in trouble do not count as normal"));
            trouble.insert(node.to_string(), times);
        }
    }
    Ok(trouble)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn callers_may_know_a_resource_by_the_end_of_its_name_if_no_other_ends_so() {
        let ids = ["service:shop/orders", "service:shop/db", "service:crm/db", "engine:m"];
        let nodes: Vec<_> = ids.iter().map(|id| ResourceId::new(id).unwrap()).collect();
        let names = names(&nodes);
        for (name, want) in [
            ("orders", Some("service:shop/orders")),
            ("shop/orders", Some("service:shop/orders")),
            ("db", None),
            ("crm/db", Some("service:crm/db")),
            ("m", Some("engine:m")),
        ] {
            assert_eq!(names.get(name).map(String::as_str), want, "{name}");
        }
    }
}
