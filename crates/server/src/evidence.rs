//! One anomaly with all that stands behind it, and a metric judged again value by value.

use std::ops::ControlFlow;
use std::time::Duration;

use echobase_analysis::engine::Judged;
use echobase_analysis::feedback::{MEMORY, NEAR, covers};
use echobase_analysis::{Engine, is_anomaly_id};
use echobase_api::assessment::Anomaly;
use echobase_api::feedback::{AnomalyDetail, JudgedQuery, JudgedSeries};
use echobase_store::change::ChangeFilter;
use echobase_store::incident::IncidentFilter;
use echobase_telemetry::Wanted;
use echobase_types::change::ChangeEvent;
use echobase_types::{AnomalyId, ErrorKind, ResourceId, TenantId, Timestamp};

use crate::app::App;
use crate::problem::{Answer, Failure};
use crate::{feedback, history};

/// The longest stretch that is judged again at once.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// Metrics that are named where an unknown one was asked for.
const NAMED: usize = 20;
/// Events after one that told of the begin of an anomaly among which its end is looked for.
const NEIGHBOURS: usize = 500;
/// Around an anomaly at least so much is shown, to either side.
const AROUND: Duration = Duration::from_secs(600);

/// An anomaly by its id: as it is now, or as it was told last within sixty days.
pub(crate) async fn find(app: &App, tenant: &TenantId, id: AnomalyId) -> Answer<Anomaly> {
    app.searches.run(format!("anomaly {id}"), Box::pin(told(app, tenant, id))).await
}

async fn told(app: &App, tenant: &TenantId, id: AnomalyId) -> Answer<Anomaly> {
    for latest in app.analysis.all(tenant) {
        if let Some(open) = latest.assessment.anomalies.iter().find(|a| a.id == id) {
            let mut found = Anomaly::from(open);
            found.resource_id = latest.assessment.resource_id.to_string();
            return Ok(found);
        }
    }
    if !is_anomaly_id(id) {
        return Err(Failure::not_found("anomaly", id));
    }
    // Begin and end may have been told in one breath: then either may be read first, and the end is the last word.
    let (mut found, mut further, wanted) = (None, NEIGHBOURS, id.to_string());
    history::each_anomaly(app, tenant, None, app.now() - MEMORY, |told| {
        if told.id == wanted && (found.is_none() || told.ended_at.is_some()) {
            found = Some(told);
        }
        match &found {
            None => return ControlFlow::Continue(()),
            Some(anomaly) if anomaly.ended_at.is_some() => return ControlFlow::Break(()),
            Some(_) => further -= 1,
        }
        if further == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await?;
    found.ok_or_else(|| Failure::not_found("anomaly", id))
}

/// One anomaly with its labels, the changes before it, and its metric around it.
pub(crate) async fn detail(
    app: &App,
    tenant: &TenantId,
    id: AnomalyId,
    steps: usize,
) -> Answer<AnomalyDetail> {
    let work = Box::pin(read(app, tenant, id, steps));
    app.searches.run(format!("what stands behind anomaly {id}"), work).await
}

async fn read(app: &App, tenant: &TenantId, id: AnomalyId, steps: usize) -> Answer<AnomalyDetail> {
    let anomaly = told(app, tenant, id).await?;
    let resource: ResourceId = anomaly.resource_id.parse()?;
    let started = anomaly.started_at.0;
    let filter = IncidentFilter { resource: Some(resource.clone()), ..IncidentFilter::default() };
    let labels = app.store.incidents().all(tenant, &filter).await?;
    let is_of_it = |i: &&echobase_types::incident::Incident| {
        i.anomaly_id == Some(id) || (i.started_at == started && i.metric.as_ref() == Some(&anomaly.metric))
    };
    let mut labels: Vec<_> = labels.iter().filter(is_of_it).collect();
    labels.sort_by_key(|i| std::cmp::Reverse(i.labelled_at));
    let labels = labels.into_iter().map(Into::into).collect();
    let changes = changes(app, tenant, &resource, started).await?.iter().map(Into::into).collect();
    let now = app.now();
    let ended = anomaly.ended_at.map_or(now, |t| t.0);
    let around = (ended.since(started)).clamp(AROUND, LONGEST / 3);
    let (from, to) = (started - around, (ended + around).min(now).min(started + LONGEST / 2));
    let drivers = anomaly.evidence.as_ref().map_or(&[][..], |e| &e.drivers);
    let metric = drivers.first().map_or(&anomaly.metric, |d| &d.metric);
    let (judged, _) = judged(app, tenant, &resource, metric, (from, to), steps).await?;
    Ok(AnomalyDetail { anomaly, labels, changes, judged })
}

/// Changes of a resource within half an hour before `at`, newest first.
pub(crate) async fn changes(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    at: Timestamp,
) -> Answer<Vec<ChangeEvent>> {
    let (from, to) = (Some(at - NEAR), Some(at + Duration::from_micros(1)));
    let filter = ChangeFilter { resources: vec![resource.clone()], from, to, kind: None };
    Ok(app.store.changes().newest(tenant, &filter).await?)
}

/// A metric judged again as a query asks.
pub(crate) async fn asked(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    query: &JudgedQuery,
    (from, to): (Timestamp, Timestamp),
    steps: usize,
) -> Answer<JudgedSeries> {
    if to.since(from) > LONGEST {
        let words = format!("at most {} days are judged again at once", LONGEST.as_secs() / 86_400);
        return Err(Failure::new(ErrorKind::Invalid, words));
    }
    let watched = {
        let resource = resource.clone();
        // What is not watched now may have been at that time: then the exact name finds it.
        app.analysis.ask(tenant, move |engine| engine.metrics(&resource)).await.unwrap_or_default()
    };
    let metric = one_of(&watched, &query.metric).unwrap_or(&query.metric);
    let work = Box::pin(judged(app, tenant, resource, metric, (from, to), steps));
    let (judged, known) = app.searches.run(format!("judgements of `{metric}` of {resource}"), work).await?;
    if judged.times_ms.is_empty() && !known.iter().any(|name| name == metric) {
        return Err(Failure::new(ErrorKind::Unprocessable, unknown(resource, &query.metric, &known)));
    }
    Ok(judged)
}

/// The metric that is meant by its name without attributes, where only one is.
fn one_of<'a>(watched: &'a [String], named: &str) -> Option<&'a str> {
    let mut meant = watched.iter().filter(|metric| covers(named, metric));
    let first = meant.next()?;
    match meant.next() {
        None => Some(first),
        // Of several the exact name would be the one, and it needs no help.
        Some(_) => None,
    }
}

/// Why nothing was judged, with the metrics that were: those that are most likely meant first.
fn unknown(resource: &ResourceId, named: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("nothing of {resource} was judged in this time");
    }
    let (meant, others): (Vec<_>, Vec<_>) = known.iter().partition(|metric| covers(named, metric));
    let names: Vec<String> =
        meant.iter().chain(&others).take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = known.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "no metric `{named}` of {resource} was judged in this time; judged were {}{more}",
        names.join(", ")
    )
}

/// Feeds the stored signals of a resource to a fresh engine, from as far back as a restart does, and notes what it makes of
/// one metric. With the names of all that it judged.
async fn judged(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    metric: &str,
    (from, to): (Timestamp, Timestamp),
    steps: usize,
) -> Answer<(JudgedSeries, Vec<String>)> {
    let mut engine = Engine::new(app.config.analysis.clone());
    feedback::recall(app, tenant, Some(resource), &mut engine).await?;
    engine.follow(resource, metric, from);
    let wanted = Wanted {
        series: app.telemetry.series_of(tenant, resource).into_iter().map(|meta| meta.id).collect(),
        spans_of: vec![resource.clone()],
        logs_of: vec![resource.clone()],
    };
    let range = (from - app.config.cycle.replay, to);
    let mut batches = app.telemetry.replay_of(tenant, range, wanted)?;
    while let Some(batch) = batches.next().await? {
        tokio::task::block_in_place(|| engine.observe(&batch));
    }
    engine.finish(resource);
    let judged = folded(metric, &engine.take_trace(resource), (from, to), steps);
    Ok((judged, engine.metrics(resource)))
}

fn folded(metric: &str, rows: &[Judged], (from, to): (Timestamp, Timestamp), steps: usize) -> JudgedSeries {
    let width = (to.since(from).as_micros() / steps.max(1) as u128).max(1);
    let mut out = JudgedSeries { metric: metric.to_owned(), ..JudgedSeries::default() };
    for step in
        rows.chunk_by(|a, b| a.at.since(from).as_micros() / width == b.at.since(from).as_micros() / width)
    {
        let Some(last) = step.last() else { continue };
        let mean = |of: fn(&Judged) -> f64| step.iter().map(of).sum::<f64>() / step.len() as f64;
        out.times_ms.push(last.at.as_millis());
        out.value.push(mean(|r| r.value));
        out.expected.push(mean(|r| r.expected));
        out.low.push(mean(|r| r.low));
        out.high.push(mean(|r| r.high));
        out.surprise.push(step.iter().map(|r| r.surprise).fold(0.0, f64::max));
        out.bar.push(mean(|r| r.bar));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn a_name_without_attributes_means_the_one_metric_that_has_it() {
        let watched = ["cpu{core=0}", "cpu{core=1}", "mem{pool=a}", "http rate"].map(str::to_owned);
        for (named, want) in [
            ("mem", Some("mem{pool=a}")),
            ("http", Some("http rate")),
            ("cpu{core=1}", Some("cpu{core=1}")),
            ("cpu", None),
            ("me", None),
        ] {
            assert_eq!(one_of(&watched, named), want, "{named}");
        }
        let words = unknown(&ResourceId::new("service:shop").unwrap(), "cpu", &watched);
        assert!(words.contains("judged were `cpu{core=0}`, `cpu{core=1}`, `mem{pool=a}`"), "{words}");
    }
}
