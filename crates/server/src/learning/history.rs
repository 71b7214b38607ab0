//! Stored signals through an engine of their own, as they came: what the shipped model said at each moment.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_analysis::Engine;
use echobase_analysis::calibration::Failure as Failed;
use echobase_analysis::learning::{Lesson, Span, Truth};
use echobase_analysis::steps::Steps;
use echobase_store::job::Cancel;
use echobase_types::incident::{Incident, IncidentLabel};
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
    let mut steps = Steps::new(step);
    let mut noted = Instant::now();
    let mut begun: Option<Timestamp> = None;
    while let Some(batch) = batches.next().await? {
        if shutdown.is_cancelled() {
            return Ok(Read::Cut(Ended::Stopping));
        }
        let mut cut = steps.cut(batch);
        while let Some((over, rows)) = cut.advance() {
            tokio::task::block_in_place(|| {
                if let Some(at) = over {
                    judge(&mut engine, at.min(to), step, horizon, &mut lessons);
                }
                engine.observe(rows);
            });
            let Some(at) = over.filter(|_| noted.elapsed() >= NOTED) else { continue };
            noted = Instant::now();
            let first = *begun.get_or_insert(at);
            let share = at.min(to).since(first).as_secs_f64() / to.since(first).as_secs_f64().max(1.0);
            let words = format!("reading the history of {at}");
            let jobs = app.store.jobs();
            if jobs.progress(&order.tenant, order.job, Some(0.9 * share), &words, app.now()).await?
                == Cancel::Asked
            {
                return Ok(Read::Cut(Ended::Cancelled));
            }
        }
        // Long histories share the runtime with those who wait for answers.
        tokio::task::yield_now().await;
    }
    if let Some(at) = steps.end() {
        judge(&mut engine, at.min(to), step, horizon, &mut lessons);
    }
    Ok(Read::Whole(lessons.into_values().collect()))
}

/// Takes down what is said at the end of a step: it holds for a step.
fn judge(
    engine: &mut Engine,
    at: Timestamp,
    step: Duration,
    horizon: Duration,
    lessons: &mut BTreeMap<ResourceId, Lesson>,
) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::{IncidentId, PrincipalId};
    use uuid::Uuid;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
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
