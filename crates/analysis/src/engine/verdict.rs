//! From the state of a resource to its assessment.

use std::time::Duration;

use echobase_types::assessment::{
    Anomaly, Assessment, Component, Drift, Exhaustion, Severity, Vital, VitalReading,
};
use echobase_types::{ResourceId, Timestamp};

use super::foresight::{self, View};
use super::watched::Watched;
use crate::config::AnalysisConfig;
use crate::exhaustion::Outlook;
use crate::risk::{self, RiskLayer, RiskModel};
use crate::stability::{self, Term, WORST};
use crate::stream::{Origin, Stream};
use crate::words;

/// Entries of each list of an assessment.
const LISTED: usize = 20;
/// The longest time to a limit that is worth telling.
const FAR: Duration = Duration::from_secs(30 * 86_400);

/// A vital sign with its worst instance.
pub(super) struct Sign<'a> {
    pub(super) stream: &'a Stream,
    badness: f64,
}

pub(super) fn assess(
    id: &ResourceId,
    watched: &mut Watched,
    now: Timestamp,
    config: &AnalysisConfig,
    (model, layer): (&RiskModel, &RiskLayer),
    dependency: Option<(&ResourceId, f64)>,
) -> Assessment {
    watched.follow_wear();
    let mut past = std::mem::take(&mut watched.degradation);
    let signs = signs(watched, now, config.sensitivity);
    let silence = silence(watched, now);
    let terms = terms(&signs, silence.as_ref(), dependency);
    let stability = stability::judge(&terms, watched.factors());
    let step = watched.streams().map(|s| s.channel.pace.step()).fold(60.0, f64::min);
    let degraded = degradation(&terms);
    past.observe(degraded, now, step);
    let outlooks = outlooks(watched, now, config.horizon);
    let view = View { watched, signs: &signs, terms: &terms, degraded, past: &past, now };
    let (risk, evidence) = foresight::risk(&view, &outlooks, config.horizon, model, layer);
    let assessment = Assessment {
        resource_id: id.clone(),
        at: now,
        last_signal_at: watched.last_signal(),
        series: watched.series() as u32,
        risk,
        vitals: readings(&signs, silence.as_ref()),
        anomalies: anomalies(watched, config.sensitivity),
        drift: drifts(watched),
        exhaustion: exhaustions(&outlooks),
        stability,
    };
    watched.degradation = past;
    watched.evidence = evidence;
    assessment
}

fn terms(signs: &[Sign<'_>], silence: Option<&Silence>, dependency: Option<(&ResourceId, f64)>) -> Vec<Term> {
    let dependency = dependency.map(|(to, score)| dependency_term(to, score));
    signs.iter().filter_map(term).chain(silence.and_then(silence_term)).chain(dependency).collect()
}

/// Where each bounded vital sign is heading.
pub(super) fn outlooks(watched: &Watched, now: Timestamp, horizon: Duration) -> Vec<(&Stream, Outlook)> {
    watched
        .streams()
        .filter(|s| s.channel.pace.is_fresh(now))
        .filter_map(|s| Some((s, s.outlook(horizon)?)))
        .collect()
}

/// The worst fresh instance of each vital sign; metrics go before spans.
fn signs(watched: &Watched, now: Timestamp, sensitivity: f64) -> Vec<Sign<'_>> {
    let mut found: Vec<Sign<'_>> = Vec::new();
    for vital in Vital::ALL {
        let fresh = || watched.streams().filter(move |s| s.vital == vital && s.channel.pace.is_fresh(now));
        let has_metric = fresh().any(|s| s.origin == Origin::Metric);
        let worst = fresh()
            .filter(|s| !has_metric || s.origin == Origin::Metric)
            .map(|stream| Sign { stream, badness: stream.badness(sensitivity) })
            .max_by(|a, b| {
                a.badness
                    .total_cmp(&b.badness)
                    .then_with(|| a.stream.value().total_cmp(&b.stream.value()))
                    .then_with(|| b.stream.metric.cmp(&a.stream.metric))
            });
        found.extend(worst);
    }
    found
}

fn term(sign: &Sign<'_>) -> Option<Term> {
    let stream = sign.stream;
    let component = stability::component(stream.vital)?;
    let normal = stream.normal();
    if stability::slack(stream.vital).is_some() && normal.is_none() {
        return None;
    }
    let value = stream.value();
    let expected = match stream.vital {
        Vital::Up => 1.0,
        v if v.is_bounded() => 0.8_f64.min(normal.unwrap_or(0.8)),
        Vital::ErrorRatio | Vital::DependencyErrorRatio => 0.0,
        Vital::LoadPerCpu => 1.0,
        _ => normal.unwrap_or(0.0),
    };
    Some(Term {
        component,
        badness: sign.badness,
        ahead: sign.badness * stability::foreboding(stream.vital),
        metric: stream.metric.clone(),
        series: Some(stream.series),
        value,
        expected,
        words: stability::sentence(stream.vital, &stream.metric, value, normal),
    })
}

/// How silent a resource is.
struct Silence {
    share: f64,
    age: Duration,
    step: f64,
}

/// The median silence of the series that used to come evenly: vital signs if there are any, else all.
fn silence(watched: &Watched, now: Timestamp) -> Option<Silence> {
    let mut paces: Vec<_> = watched
        .streams()
        .filter(|s| s.origin == Origin::Metric)
        .map(|s| &s.channel.pace)
        .filter(|p| p.is_regular())
        .collect();
    if paces.is_empty() {
        paces = watched.plains().map(|(_, p)| &p.channel.pace).filter(|p| p.is_regular()).collect();
    }
    paces.sort_by(|a, b| a.silence(now).total_cmp(&b.silence(now)));
    // The lower median: of two series both must be silent.
    let pace = paces.get(paces.len().saturating_sub(1) / 2)?;
    Some(Silence { share: pace.silence(now), age: pace.age(now), step: pace.step() })
}

fn silence_term(silence: &Silence) -> Option<Term> {
    (silence.share > 0.0).then(|| Term {
        component: Component::Error,
        badness: WORST * silence.share,
        ahead: 0.0,
        metric: "up".to_owned(),
        series: None,
        value: 0.0,
        expected: 1.0,
        words: format!(
            "no data for {}, expected every {}",
            words::span(silence.age),
            words::span(Duration::from_secs_f64(silence.step))
        ),
    })
}

fn dependency_term(to: &ResourceId, score: f64) -> Term {
    let badness = (-0.5 * score.max(1e-9).ln()).clamp(0.0, 3.0);
    Term {
        component: Component::Dependency,
        badness,
        ahead: badness,
        metric: format!("stability of {to}"),
        series: None,
        value: score,
        expected: 1.0,
        words: format!("its dependency {to} has a stability of {}", words::number(score)),
    }
}

/// What of the badness points ahead, over all signs.
fn degradation(terms: &[Term]) -> f64 {
    terms.iter().map(|t| t.ahead.powi(3)).sum::<f64>().cbrt().min(WORST)
}

fn readings(signs: &[Sign<'_>], silence: Option<&Silence>) -> Vec<VitalReading> {
    let mut all: Vec<VitalReading> = signs
        .iter()
        .map(|sign| VitalReading {
            vital: sign.stream.vital,
            value: sign.stream.value(),
            normal: sign.stream.normal().filter(|_| sign.stream.is_known()),
            metric: sign.stream.metric.clone(),
        })
        .collect();
    if silence.is_some_and(|s| s.share >= 0.5) && all.iter().all(|r| r.vital != Vital::Up) {
        let metric = "no data".to_owned();
        all.push(VitalReading { vital: Vital::Up, value: 0.0, normal: Some(1.0), metric });
    }
    all
}

fn anomalies(watched: &Watched, sensitivity: f64) -> Vec<Anomaly> {
    let mut all: Vec<Anomaly> = Vec::new();
    for stream in watched.streams() {
        if let Some(open) = stream.channel.alarm.open() {
            all.push(open.describe(stream.subject(), stream.severity(sensitivity).max(stream.told)));
        }
    }
    for (series, plain) in watched.plains() {
        if let Some(open) = plain.channel.alarm.open() {
            all.push(open.describe(plain.subject(series), Severity::Info));
        }
    }
    all.extend(watched.open_together());
    all.sort_by(|a, b| {
        let worst_first = b.severity.cmp(&a.severity).then_with(|| b.surprise.total_cmp(&a.surprise));
        worst_first.then_with(|| a.id.cmp(&b.id))
    });
    all.truncate(LISTED);
    all
}

fn drifts(watched: &Watched) -> Vec<Drift> {
    let streams = watched.streams().filter_map(|s| Some((s.subject(), s.channel.drift()?)));
    let plains = watched.plains().filter_map(|(id, p)| Some((p.subject(id), p.channel.drift()?)));
    let mut all: Vec<Drift> = streams
        .chain(plains)
        .map(|(subject, known)| Drift {
            series: subject.series,
            metric: subject.metric.to_owned(),
            kind: known.kind(),
            since: known.since,
            found_at: known.at,
            reference: known.reference(),
            statistic: f64::from(known.statistic),
            before: known.before,
            after: known.after,
            words: known.words(subject.metric, subject.quantity),
        })
        .collect();
    all.sort_by(|a, b| b.statistic.total_cmp(&a.statistic).then_with(|| a.metric.cmp(&b.metric)));
    all.truncate(LISTED);
    all
}

fn exhaustions(outlooks: &[(&Stream, Outlook)]) -> Vec<Exhaustion> {
    let mut all: Vec<Exhaustion> = outlooks
        .iter()
        .filter_map(|(stream, outlook)| Some((stream, outlook.told?)))
        .filter(|(_, ahead)| ahead.time_left <= FAR)
        .map(|(stream, ahead)| Exhaustion {
            vital: stream.vital,
            metric: stream.metric.clone(),
            used_ratio: stream.channel.value,
            growth_per_hour: ahead.growth * 3_600.0,
            time_left: ahead.time_left,
            words: risk::exhaustion_words(
                &stream.metric,
                stream.channel.value,
                ahead.growth,
                ahead.time_left,
            ),
        })
        .collect();
    all.sort_by(|a, b| a.time_left.cmp(&b.time_left).then_with(|| a.metric.cmp(&b.metric)));
    all.truncate(LISTED);
    all
}
