//! From the state of a resource to its assessment.

use std::time::Duration;

use echobase_types::assessment::{
    Anomaly, Assessment, Component, Drift, Exhaustion, Risk, Severity, Vital, VitalReading,
};
use echobase_types::{ResourceId, Timestamp};

use super::watched::Watched;
use crate::config::AnalysisConfig;
use crate::exhaustion::Outlook;
use crate::precursor::Role;
use crate::risk::{self, Degradation, Hazard, History, Learned, RiskModel};
use crate::stability::{self, Term, WORST};
use crate::stream::{Origin, Stream};
use crate::words;

/// Entries of each list of an assessment.
const LISTED: usize = 20;
/// The longest time to a limit that is worth telling.
const FAR: Duration = Duration::from_secs(30 * 86_400);

/// A vital sign with its worst instance.
struct Sign<'a> {
    stream: &'a Stream,
    badness: f64,
}

pub(super) fn assess(
    id: &ResourceId,
    watched: &mut Watched,
    now: Timestamp,
    config: &AnalysisConfig,
    model: &RiskModel,
    dependency: Option<(&ResourceId, f64)>,
) -> Assessment {
    watched.follow_wear();
    let mut past = std::mem::take(&mut watched.degradation);
    let signs = signs(watched, now, config.sensitivity);
    let silence = silence(watched, now);
    let terms = terms(&signs, silence.as_ref(), dependency);
    let stability = stability::judge(&terms);
    let step = watched.streams().map(|s| s.channel.pace.step()).fold(60.0, f64::min);
    let degraded = degradation(&terms);
    past.observe(degraded, now, step);
    let outlooks = outlooks(watched, now, config.horizon);
    let learned = learned(watched, now, config, model);
    let risk = risk(watched, &signs, &terms, &outlooks, (degraded, &past), learned, config);
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
    assessment
}

fn terms(signs: &[Sign<'_>], silence: Option<&Silence>, dependency: Option<(&ResourceId, f64)>) -> Vec<Term> {
    let dependency = dependency.map(|(to, score)| dependency_term(to, score));
    signs.iter().filter_map(term).chain(silence.and_then(silence_term)).chain(dependency).collect()
}

/// Where each bounded vital sign is heading.
fn outlooks(watched: &Watched, now: Timestamp, horizon: Duration) -> Vec<(&Stream, Outlook)> {
    watched
        .streams()
        .filter(|s| s.channel.pace.is_fresh(now))
        .filter_map(|s| Some((s, s.trend.as_ref()?.outlook(horizon)?)))
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

fn risk(
    watched: &Watched,
    signs: &[Sign<'_>],
    terms: &[Term],
    outlooks: &[(&Stream, Outlook)],
    (degraded, past): (f64, &Degradation),
    learned: Learned,
    config: &AnalysisConfig,
) -> Risk {
    let mut hazards = Vec::new();
    for (stream, outlook) in outlooks {
        // A processor that is used up is slow, not dead; a pool somewhere between.
        let gravity = match stream.vital {
            Vital::CpuUtilization => 0.25,
            Vital::PoolUtilization => 0.6,
            _ => 1.0,
        };
        hazards.push(Hazard {
            probability: gravity * outlook.probability,
            metric: stream.metric.clone(),
            series: Some(stream.series),
            value: stream.value(),
            expected: 1.0,
            expected_in: Some(outlook.time_left),
            words: risk::exhaustion_words(&stream.metric, stream.value(), outlook.growth, outlook.time_left),
        });
    }
    for sign in signs {
        let (probability, words) = match sign.stream.vital {
            Vital::MemoryUtilization | Vital::DiskUtilization | Vital::FileDescriptorUtilization => {
                let used = sign.stream.value();
                let words =
                    format!("{} is all but used up: {} %", sign.stream.metric, words::number(used * 100.0));
                (risk::level_hazard(used), words)
            }
            Vital::ErrorRatio => {
                let failed = sign.stream.value();
                let shown = words::number(failed * 100.0);
                (
                    risk::harm_hazard(sign.stream.certain_value()),
                    format!("{shown} % of requests fail ({})", sign.stream.metric),
                )
            }
            _ => continue,
        };
        hazards.push(Hazard {
            probability,
            metric: sign.stream.metric.clone(),
            series: Some(sign.stream.series),
            value: sign.stream.value(),
            expected: 0.0,
            expected_in: None,
            words,
        });
    }
    let (probability, expected_in) = risk::degradation_hazard(degraded, past, config.horizon);
    let heaviest = terms.iter().max_by(|a, b| a.ahead.total_cmp(&b.ahead)).filter(|t| t.ahead > 0.0);
    if let Some(term) = heaviest {
        hazards.push(Hazard {
            probability,
            metric: term.metric.clone(),
            series: term.series,
            value: term.value,
            expected: term.expected,
            expected_in,
            words: term.words.clone(),
        });
    }
    // A resource that does not answer has failed already.
    for term in terms.iter().filter(|t| t.component == Component::Error && t.expected == 1.0) {
        hazards.push(Hazard {
            probability: 0.97 * term.badness / WORST,
            metric: term.metric.clone(),
            series: term.series,
            value: term.value,
            expected: term.expected,
            expected_in: None,
            words: term.words.clone(),
        });
    }
    let is_known = learned.probability > 0.0
        || watched.streams().any(Stream::is_known)
        || terms.iter().any(|t| t.metric == "up");
    risk::judge(hazards, learned, if is_known { History::Enough } else { History::TooShort }, config.horizon)
}

/// Points of history from which on a learned model is heard, and from which on wholly.
const HEARD: (f64, f64) = (60.0, 120.0);

fn heard(history: u32) -> f64 {
    ((f64::from(history) - HEARD.0) / (HEARD.1 - HEARD.0)).clamp(0.0, 1.0)
}

/// What the learned model says of the vital signs, or of the wear where there is none.
fn learned(watched: &Watched, now: Timestamp, config: &AnalysisConfig, model: &RiskModel) -> Learned {
    if let Some(wear) = watched.wear(config.horizon) {
        let probability = model.worn(&wear) * heard(watched.wear_history().saturating_mul(4));
        let drivers = watched.most_worn(3).into_iter().map(|(metric, series, away, share)| Hazard {
            probability: share,
            words: format!("{metric} is {} usual deviations from its early life", words::number(away)),
            metric,
            series: Some(series),
            value: away,
            expected: 1.0,
            expected_in: None,
        });
        return Learned { probability, drivers: drivers.collect() };
    }
    let precursors = watched.precursors(config.horizon, now);
    let history = heard(precursors.history);
    if history <= 0.0 || Role::ALL.into_iter().all(|r| !precursors.speaks(r)) {
        return Learned::default();
    }
    let told = model.tell(&precursors);
    let drivers = Role::ALL.into_iter().zip(told.shares).filter(|(_, share)| *share > 0.0);
    let drivers = drivers.filter_map(|(role, share)| driver(watched, role, share)).collect();
    Learned { probability: told.probability * history, drivers }
}

/// The stream that speaks loudest in a role.
fn driver(watched: &Watched, role: Role, share: f64) -> Option<Hazard> {
    let of_role = watched.streams().filter(|s| Role::of(s.vital) == Some(role));
    let stream = of_role.max_by(|a, b| a.course.departure().total_cmp(&b.course.departure()))?;
    let expected = stream.normal().unwrap_or_else(|| stream.value());
    Some(Hazard {
        probability: share,
        metric: stream.metric.clone(),
        series: Some(stream.series),
        value: stream.value(),
        expected,
        expected_in: None,
        words: risk::course_words(stream.subject().quantity, &stream.metric, stream.value(), expected),
    })
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
            since: known.since,
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
        .filter(|(_, o)| o.time_left <= FAR)
        .map(|(stream, o)| Exhaustion {
            vital: stream.vital,
            metric: stream.metric.clone(),
            used_ratio: stream.channel.value,
            growth_per_hour: o.growth * 3_600.0,
            time_left: o.time_left,
            words: risk::exhaustion_words(&stream.metric, stream.channel.value, o.growth, o.time_left),
        })
        .collect();
    all.sort_by(|a, b| a.time_left.cmp(&b.time_left).then_with(|| a.metric.cmp(&b.metric)));
    all.truncate(LISTED);
    all
}
