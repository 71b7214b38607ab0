//! Stored history as pages ask for it: assessments, points, series, anomalies.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use echobase_api::Page;
use echobase_api::assessment::{Anomaly, AnomalyQuery, AssessmentHistory, ComponentHistory, Outcome};
use echobase_api::resource::{PointsQuery, Series, SeriesPoints};
use echobase_store::{self as store, PageRequest};
use echobase_telemetry::{AssessmentRow, Event, EventCursor, EventFilter, Selection, SeriesMeta, Values};
use echobase_types::assessment::{self, Component};
use echobase_types::signal::LogRecord;
use echobase_types::{Attributes, ErrorKind, ResourceId, SeriesId, SignalBatch, TenantId, Timestamp};

use crate::app::App;
use crate::convert;
use crate::problem::{Answer, Failure};

/// The name of the events that tell of anomalies: one when it opens, one when it ends.
const ANOMALY: &str = "echobase.anomaly";

/// So long after the end of a time that is asked about the last word on an anomaly that began in it is looked for: most
/// are over within the day.
const LAST_WORD: Duration = Duration::from_secs(7 * 86_400);
/// Reads of events for one page: of many events in a row none may be the last word.
const READS: usize = 20;

/// Score, components, weights and risk of a resource over time.
pub(crate) async fn assessments(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    from: Timestamp,
    to: Timestamp,
    steps: usize,
) -> Answer<AssessmentHistory> {
    let rows = app.telemetry.assessments(tenant, resource, from, to, steps).await?;
    let component =
        |name: Component, score: fn(&AssessmentRow) -> Option<f64>, weight: fn(&AssessmentRow) -> f64| {
            ComponentHistory {
                name: name.as_str().to_owned(),
                score: rows.iter().map(score).collect(),
                weight: rows.iter().map(weight).collect(),
            }
        };
    Ok(AssessmentHistory {
        times_ms: rows.iter().map(|r| r.at.as_millis()).collect(),
        score: rows.iter().map(|r| r.score).collect(),
        risk: rows.iter().map(|r| r.risk).collect(),
        components: vec![
            component(Component::Resource, |r| r.resource_score, |r| r.resource_weight),
            component(Component::Error, |r| r.error_score, |r| r.error_weight),
            component(Component::Performance, |r| r.performance_score, |r| r.performance_weight),
            component(Component::Dependency, |r| r.dependency_score, |r| r.dependency_weight),
        ],
    })
}

fn describe(meta: &SeriesMeta) -> Series {
    Series {
        id: meta.id.to_string(),
        metric: meta.metric.clone(),
        unit: meta.unit.clone(),
        kind: meta.kind.as_str().to_owned(),
        attributes: meta.attributes.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect(),
    }
}

/// A page of the series of a resource, by name.
pub(crate) fn series(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    request: &PageRequest,
) -> Answer<Page<Series>> {
    let all = app.telemetry.series_of(tenant, resource);
    let page = store::Page::of(all, request, |meta| format!("{}\0{}", meta.metric, meta.id))?;
    Ok(convert::page(page, describe))
}

/// Points folded into steps; counters as growth per second.
pub(crate) async fn points(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    query: &PointsQuery,
    from: Timestamp,
    to: Timestamp,
    steps: usize,
) -> Answer<Vec<SeriesPoints>> {
    let selection = match query.series.as_deref() {
        Some(text) => Selection::Series(vec![text.parse::<SeriesId>()?]),
        None => Selection::Resource(resource.clone()),
    };
    let wanted = echobase_telemetry::PointsQuery {
        selection,
        metric: query.metric.clone(),
        from,
        to,
        max_points: steps,
        values: Values::CountersAsRates,
    };
    let found = app.telemetry.points(tenant, wanted).await?;
    let own = found.into_iter().filter(|s| s.series.resource_id == *resource);
    Ok(own
        .map(|data| SeriesPoints {
            series: describe(&data.series),
            times_ms: data.steps.iter().map(|s| s.at.as_millis()).collect(),
            mean: data.steps.iter().map(|s| s.mean).collect(),
            min: data.steps.iter().map(|s| s.min).collect(),
            max: data.steps.iter().map(|s| s.max).collect(),
        })
        .collect())
}

/// Anomalies that opened or ended, as a batch of events.
pub(crate) fn anomaly_events(
    transitions: &[(ResourceId, assessment::Anomaly)],
    now: Timestamp,
) -> SignalBatch {
    let mut batch = SignalBatch::default();
    for (resource, anomaly) in transitions {
        let Some(described) = echobase_ingest::identity::of_id(resource) else { continue };
        let known = batch.resources.iter().position(|r| r.id == *resource);
        let index = known.unwrap_or_else(|| {
            batch.resources.push(described);
            batch.resources.len() - 1
        });
        let mut attributes = Attributes::new();
        attributes.insert("anomaly.id", anomaly.id.to_string());
        attributes.insert("anomaly.series", anomaly.series.to_string());
        attributes.insert("anomaly.metric", anomaly.metric.as_str());
        attributes.insert("anomaly.severity", anomaly.severity.as_str());
        attributes.insert("anomaly.shape", anomaly.shape.as_str());
        attributes.insert("anomaly.surprise", anomaly.surprise);
        attributes.insert("anomaly.value", anomaly.value);
        attributes.insert("anomaly.expected", anomaly.expected);
        evidence_attributes(&mut attributes, anomaly);
        attributes.insert("anomaly.started_at", anomaly.started_at.to_string());
        if let Some(ended) = anomaly.ended_at {
            attributes.insert("anomaly.ended_at", ended.to_string());
        }
        batch.logs.push(LogRecord {
            resource: u32::try_from(index).unwrap_or(u32::MAX),
            time: now,
            severity: match anomaly.severity {
                assessment::Severity::Info => 9,
                assessment::Severity::Warning => 13,
                assessment::Severity::Critical => 17,
            },
            event_name: ANOMALY.to_owned(),
            body: anomaly.words.clone(),
            trace_id: String::new(),
            span_id: String::new(),
            attributes,
        });
    }
    batch
}

fn evidence_attributes(attributes: &mut Attributes, anomaly: &assessment::Anomaly) {
    let evidence = echobase_api::assessment::Evidence::from(&anomaly.evidence);
    attributes.insert("anomaly.evidence", serde_json::to_string(&evidence).unwrap_or_default());
    if let Some(outcome) = anomaly.outcome {
        attributes.insert("anomaly.companions", i64::from(outcome.companions));
        attributes.insert("anomaly.harmed", outcome.harmed);
    }
}

/// A page of the anomalies that began before `to` and of which something was told since `from`: newest first, each once,
/// with its end where it has ended.
pub(crate) async fn anomalies(
    app: &App,
    tenant: &TenantId,
    query: &AnomalyQuery,
    from: Timestamp,
    to: Timestamp,
) -> Answer<Page<Anomaly>> {
    let limit = match query.limit {
        None => 50,
        Some(n @ 1..=500) => n as usize,
        Some(n) => {
            return Err(Failure::new(ErrorKind::Invalid, format!("`limit` must be 1 to 500, not {n}")));
        }
    };
    let resource = query.resource_id.as_deref().map(str::parse::<ResourceId>).transpose()?;
    let mut before = query.cursor.as_deref().map(str::parse::<EventCursor>).transpose()?;
    let open: HashMap<String, &'static str> = app
        .analysis
        .all(tenant)
        .iter()
        .flat_map(|l| l.assessment.anomalies.iter().map(|a| (a.id.to_string(), a.severity.as_str())))
        .collect();
    let mut seen = HashSet::new();
    // Each once: by its end, or else by the event that told of it as it is now.
    let is_last_word =
        |a: &Anomaly| a.ended_at.is_some() || open.get(&a.id).is_some_and(|now| *now == a.severity);
    // The last word on what began before `to` may have come after it.
    let until = (to + LAST_WORD).min(app.now() + Duration::from_secs(1)).max(to);
    for _ in 0..READS {
        let event_name = Some(ANOMALY.to_owned());
        let filter = EventFilter { resource: resource.clone(), event_name, from, to: until, limit, before };
        let page = app.telemetry.events(tenant, filter).await?;
        let read = page.events.iter().filter_map(read_anomaly).filter(|a| a.started_at.0 < to);
        let items: Vec<Anomaly> = read.filter(|a| is_last_word(a) && seen.insert(a.id.clone())).collect();
        before = page.next;
        if before.is_none() || !items.is_empty() {
            return Ok(Page { items, next_cursor: before.map(|c| c.to_string()) });
        }
    }
    Ok(Page { items: Vec::new(), next_cursor: before.map(|c| c.to_string()) })
}

/// An anomaly as an event told of it: which, how grave, whether ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    id: String,
    severity: String,
    ended: bool,
}

impl Told {
    /// What an event would tell of an anomaly.
    pub(crate) fn of(anomaly: &assessment::Anomaly) -> Self {
        Self {
            id: anomaly.id.to_string(),
            severity: anomaly.severity.as_str().to_owned(),
            ended: anomaly.ended_at.is_some(),
        }
    }
}

/// What was told of anomalies since then.
pub(crate) async fn told_anomalies(app: &App, tenant: &TenantId, since: Timestamp) -> Answer<HashSet<Told>> {
    let mut told = HashSet::new();
    each_anomaly(app, tenant, None, since, |a| {
        told.insert(Told { id: a.id, severity: a.severity, ended: a.ended_at.is_some() });
        ControlFlow::Continue(())
    })
    .await?;
    Ok(told)
}

/// Hands out what was told of anomalies since then, newest first: of one resource or of all.
pub(crate) async fn each_anomaly(
    app: &App,
    tenant: &TenantId,
    resource: Option<&ResourceId>,
    since: Timestamp,
    mut take: impl FnMut(Anomaly) -> ControlFlow<()>,
) -> Answer<()> {
    let mut before = None;
    loop {
        let filter = EventFilter {
            resource: resource.cloned(),
            event_name: Some(ANOMALY.to_owned()),
            from: since,
            to: app.now() + Duration::from_secs(1),
            limit: 500,
            before,
        };
        let page = app.telemetry.events(tenant, filter).await?;
        for anomaly in page.events.iter().filter_map(read_anomaly) {
            if take(anomaly).is_break() {
                return Ok(());
            }
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(()),
        }
    }
}

fn read_anomaly(event: &Event) -> Option<Anomaly> {
    let text = |key: &str| event.attributes.get(key).map(ToString::to_string);
    let number = |key: &str| text(key).and_then(|t| t.parse().ok());
    let time = |key: &str| text(key).and_then(|t| t.parse().ok()).map(echobase_api::Time);
    Some(Anomaly {
        id: text("anomaly.id")?,
        resource_id: event.resource_id.to_string(),
        series: text("anomaly.series")?,
        metric: text("anomaly.metric")?,
        started_at: time("anomaly.started_at")?,
        ended_at: time("anomaly.ended_at"),
        severity: text("anomaly.severity")?,
        shape: text("anomaly.shape")?,
        surprise: number("anomaly.surprise")?,
        value: number("anomaly.value")?,
        expected: number("anomaly.expected")?,
        evidence: text("anomaly.evidence").and_then(|t| serde_json::from_str(&t).ok()),
        outcome: text("anomaly.companions").and_then(|t| {
            let harmed = text("anomaly.harmed")?.parse().ok()?;
            Some(Outcome { companions: t.parse().ok()?, harmed })
        }),
        words: event.body.clone(),
    })
}
