//! Stored signals through an engine of their own, as they came: what the shipped model said at each moment.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_analysis::Engine;
use echobase_analysis::calibration::Failure as Failed;
use echobase_analysis::learning::{Lesson, Span, Truth};
use echobase_store::job::Cancel;
use echobase_types::incident::{Incident, IncidentLabel};
use echobase_types::signal::SignalBatch;
use echobase_types::{ResourceId, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Ended, Order};
use crate::app::App;
use crate::incident::lasted;
use crate::problem::Answer;

/// Verdicts per horizon.
const VERDICTS: u32 = 15;
/// How fine and how coarse the verdicts are at least.
const STEP: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Progress is noted this often.
const NOTED: Duration = Duration::from_secs(1);

/// Either the history, or why it was not read to its end.
pub(super) enum Read {
    /// All of it.
    Whole(Vec<Lesson>),
    /// Not to its end.
    Cut(Ended),
}

/// Reads the history in `from..to` and holds it against labels.
pub(super) async fn read(
    app: &App,
    order: &Order,
    labels: &[Incident],
    (from, to): (Timestamp, Timestamp),
    shutdown: &CancellationToken,
) -> Answer<Read> {
    let horizon = app.config.analysis.horizon;
    let step = (horizon / VERDICTS).clamp(STEP.0, STEP.1);
    let mut lessons = lessons(labels, horizon);
    let mut engine = Engine::new(app.config.analysis.clone());
    engine.depend(&crate::analysis::configured(app));
    let mut batches = app.telemetry.replay(&order.tenant, from)?;
    let mut noted = Instant::now();
    let mut begun: Option<Timestamp> = None;
    while let Some(batch) = batches.next().await? {
        if shutdown.is_cancelled() {
            return Ok(Read::Cut(Ended::Stopping));
        }
        for (end, slice) in slices(batch, step) {
            let first = *begun.get_or_insert(end);
            let at = end.min(to);
            tokio::task::block_in_place(|| judge(&mut engine, &slice, at, step, horizon, &mut lessons));
            if noted.elapsed() >= NOTED {
                noted = Instant::now();
                let share = at.since(first).as_secs_f64() / to.since(first).as_secs_f64().max(1.0);
                let words = format!("reading the history of {at}");
                let jobs = app.store.jobs();
                if jobs.progress(&order.tenant, order.job, Some(0.9 * share), &words, app.now()).await?
                    == Cancel::Asked
                {
                    return Ok(Read::Cut(Ended::Cancelled));
                }
            }
        }
        // Long histories share the runtime with those who wait for answers.
        tokio::task::yield_now().await;
    }
    Ok(Read::Whole(lessons.into_values().collect()))
}

/// Learns a slice, and takes down what is said at its end: it holds for a step.
fn judge(
    engine: &mut Engine,
    slice: &SignalBatch,
    at: Timestamp,
    step: Duration,
    horizon: Duration,
    lessons: &mut BTreeMap<ResourceId, Lesson>,
) {
    engine.observe(slice);
    for judged in engine.assess(at) {
        if let Some(evidence) = engine.evidence(&judged.resource_id) {
            lessons.entry(judged.resource_id).or_default().said(at, at + step, evidence, horizon);
        }
    }
    // Nobody is told of what was found in history.
    engine.take_transitions();
    engine.take_dependencies();
}

/// What people said, by resource. What was noise or expected
/// may have been warned of up to a horizon before. A label that names a metric judges an anomaly of it and says nothing of
/// whether the resource failed.
fn lessons(labels: &[Incident], horizon: Duration) -> BTreeMap<ResourceId, Lesson> {
    let mut all: BTreeMap<ResourceId, Truth> = BTreeMap::new();
    for label in labels.iter().filter(|label| label.metric.is_none()) {
        let failed = lasted(label, horizon);
        let Failed { from, to } = failed;
        let truth = all.entry(label.resource_id.clone()).or_default();
        match label.label {
            IncidentLabel::Real => truth.failures.push(failed),
            IncidentLabel::Noise => truth.noise.push(Span { from: from - horizon, to }),
            IncidentLabel::Expected => truth.expected.push(Span { from: from - horizon, to }),
        }
    }
    let in_order = |mut truth: Truth| {
        truth.failures.sort_unstable();
        truth
    };
    all.into_iter().map(|(resource, truth)| (resource, Lesson::new(in_order(truth)))).collect()
}

/// Cuts a batch into steps, each with its end. A span belongs to the step in which it ended.
fn slices(batch: SignalBatch, step: Duration) -> Vec<(Timestamp, SignalBatch)> {
    let width = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    let end =
        |at: Timestamp| Timestamp::from_micros((at.as_micros().div_euclid(width) + 1).saturating_mul(width));
    let SignalBatch { resources, series, points, histograms, logs, spans } = batch;
    let mut all: BTreeMap<Timestamp, SignalBatch> = BTreeMap::new();
    for point in points {
        all.entry(end(point.time)).or_default().points.push(point);
    }
    for histogram in histograms {
        all.entry(end(histogram.time)).or_default().histograms.push(histogram);
    }
    for log in logs {
        all.entry(end(log.time)).or_default().logs.push(log);
    }
    for span in spans {
        all.entry(end(span.end)).or_default().spans.push(span);
    }
    let described =
        |slice: SignalBatch| SignalBatch { resources: resources.clone(), series: series.clone(), ..slice };
    all.into_iter().map(|(end, slice)| (end, described(slice))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::signal::MetricPoint;
    use echobase_types::{IncidentId, PrincipalId};
    use uuid::Uuid;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_batch_is_cut_so_that_no_verdict_sees_what_comes_after_it() {
        let point = |secs| MetricPoint { series: 0, time: at(secs), value: 1.0 };
        let batch = SignalBatch { points: [0, 59, 60, 130].map(point).to_vec(), ..SignalBatch::default() };
        let cut = slices(batch, Duration::from_secs(60));
        let seen: Vec<(Timestamp, usize)> =
            cut.iter().map(|(end, slice)| (*end, slice.points.len())).collect();
        assert_eq!(seen, [(at(60), 2), (at(120), 1), (at(180), 1)]);
        assert!(cut.iter().all(|(end, slice)| slice.points.iter().all(|p| p.time < *end)));
    }

    #[test]
    fn labels_become_the_truth_of_their_resource() {
        let label = |label, resource: &str, start, end: Option<i64>| Incident {
            id: IncidentId::from_uuid(Uuid::nil()),
            resource_id: resource.parse().unwrap(),
            label,
            metric: None,
            anomaly_id: None,
            change: None,
            started_at: at(start),
            ended_at: end.map(at),
            note: String::new(),
            labelled_by: PrincipalId::from_uuid(Uuid::nil()),
            labelled_at: at(0),
        };
        let of_metric = Incident {
            metric: Some("queue".to_owned()),
            ..label(IncidentLabel::Real, "service:c", 100, None)
        };
        let told = [
            of_metric,
            label(IncidentLabel::Real, "service:a", 900, None),
            label(IncidentLabel::Real, "service:a", 100, Some(200)),
            label(IncidentLabel::Noise, "service:a", 400, Some(500)),
            label(IncidentLabel::Expected, "service:b", 400, None),
        ];
        let lessons = lessons(&told, Duration::from_secs(60));
        assert_eq!(lessons.len(), 2, "an anomaly of a metric is no failure");
        let a = &lessons[&"service:a".parse().unwrap()].truth;
        assert_eq!(
            a.failures,
            [Failed { from: at(100), to: at(200) }, Failed { from: at(900), to: at(960) }]
        );
        assert_eq!(a.noise, [Span { from: at(340), to: at(500) }]);
        assert_eq!(
            lessons[&"service:b".parse().unwrap()].truth.expected,
            [Span { from: at(340), to: at(460) }]
        );
    }
}
