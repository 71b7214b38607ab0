//! From the state of a resource to its risk: who speaks about which horizon, and what they say together.

use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::assessment::{Component, Risk, Vital};

use super::verdict::{Sign, outlooks};
use super::watched::Watched;
use crate::exhaustion::Outlook;
use crate::precursor::{Precursors, Role};
use crate::risk::{
    self, Degradation, Evidence, HORIZONS, Hazard, History, Learned, RiskLayer, RiskModel, Rung,
};
use crate::stability::{Term, WORST};
use crate::stream::Stream;
use crate::wear::Worn;
use crate::words;

/// Points of history from which on a learned model is heard, and from which on wholly.
const HEARD: (f64, f64) = (60.0, 120.0);

/// What is seen of a resource at one time.
pub(super) struct View<'a> {
    pub(super) watched: &'a Watched,
    pub(super) signs: &'a [Sign<'a>],
    pub(super) terms: &'a [Term],
    /// What of its badness points ahead, now and before.
    pub(super) degraded: f64,
    pub(super) past: &'a Degradation,
    pub(super) now: Timestamp,
}

/// A hazard before it is put into words.
enum Speaker<'a> {
    Exhaustion(&'a Stream, Outlook),
    UsedUp(&'a Stream),
    Harm(&'a Stream),
    Degradation(&'a Term, Option<Duration>),
    Silence(&'a Term),
}

/// The risk for the configured horizon, whose outlooks are given, and for the fixed ones.
pub(super) fn risk(
    view: &View<'_>,
    outlooks_here: &[(&Stream, Outlook)],
    horizon: Duration,
    model: &RiskModel,
    layer: &RiskLayer,
) -> (Risk, Option<Evidence>) {
    let precursory = precursory(view, model);
    let reach = precursory.reach(model);
    let speakers = speakers(view, outlooks_here, horizon);
    let learned = learned(view, &precursory, model, horizon);
    let is_known = learned.probability > 0.0
        || view.watched.streams().any(Stream::is_known)
        || view.terms.iter().any(|t| t.metric == "up");
    let history = if is_known { History::Enough } else { History::TooShort };
    let hazards = speakers.into_iter().map(|(probability, s)| s.tell(probability)).collect();
    let losses = learned.losses;
    let mut told = risk::judge(hazards, learned, history, horizon);
    let odds = risk::log_odds(told.probability);
    let evidence = is_known.then(|| Evidence { odds: odds as f32, roles: losses.map(|l| l as f32) });
    // What the labels of the tenant say of the configured horizon moves the odds of the others alike.
    let shift = match &evidence {
        Some(evidence) if *layer != RiskLayer::NEUTRAL => {
            let probability = layer.probability(evidence);
            told = risk::moved_to(told, probability);
            risk::log_odds(probability) - odds
        }
        _ => 0.0,
    };
    let watched = if is_known { watched_for(view) } else { Duration::ZERO };
    let rungs = HORIZONS.map(|horizon| {
        let shipped = if is_known { probability(view, &precursory, model, horizon) } else { risk::BASE_RATE };
        Rung { horizon, probability: risk::moved(shipped, shift), reach, watched }
    });
    told.horizons = risk::ladder(&rungs, (horizon, told.probability));
    told.likely_in = risk::likely_in(&told.horizons);
    (told, evidence)
}

/// The probability for one of the fixed horizons.
fn probability(view: &View<'_>, precursory: &Precursory, model: &RiskModel, horizon: Duration) -> f64 {
    let outlooks = outlooks(view.watched, view.now, horizon);
    let hazards = speakers(view, &outlooks, horizon).into_iter().map(|(probability, _)| probability);
    risk::together(hazards, precursory.within(model, horizon))
}

/// For how long the longest series that still comes was watched.
fn watched_for(view: &View<'_>) -> Duration {
    let streams = view.watched.streams().map(|s| &s.channel);
    let plains = view.watched.plains().map(|(_, p)| &p.channel);
    let seconds = streams
        .chain(plains)
        .filter(|c| c.pace.is_fresh(view.now))
        .map(|c| f64::from(c.count()) * c.pace.step());
    Duration::from_secs_f64(seconds.fold(0.0, f64::max).min(1e9))
}

/// All that speaks without learning, with its probability.
fn speakers<'a>(
    view: &View<'a>,
    outlooks: &[(&'a Stream, Outlook)],
    horizon: Duration,
) -> Vec<(f64, Speaker<'a>)> {
    let mut all = Vec::new();
    for (stream, outlook) in outlooks {
        // A processor that is used up is slow, not dead; a pool somewhere between.
        let gravity = match stream.vital {
            Vital::CpuUtilization => 0.25,
            Vital::PoolUtilization => 0.6,
            _ => 1.0,
        };
        all.push((gravity * outlook.probability, Speaker::Exhaustion(stream, *outlook)));
    }
    for sign in view.signs {
        let stream = sign.stream;
        match stream.vital {
            Vital::MemoryUtilization | Vital::DiskUtilization | Vital::FileDescriptorUtilization => {
                all.push((risk::level_hazard(stream.value()), Speaker::UsedUp(stream)));
            }
            Vital::ErrorRatio => {
                all.push((risk::harm_hazard(stream.certain_value()), Speaker::Harm(stream)));
            }
            _ => {}
        }
    }
    let (probability, expected_in) = risk::degradation_hazard(view.degraded, view.past, horizon);
    let heaviest = view.terms.iter().max_by(|a, b| a.ahead.total_cmp(&b.ahead)).filter(|t| t.ahead > 0.0);
    all.extend(heaviest.map(|term| (probability, Speaker::Degradation(term, expected_in))));
    // A resource that does not answer has failed already.
    let silent = view.terms.iter().filter(|t| t.component == Component::Error && t.expected == 1.0);
    all.extend(silent.map(|term| (0.97 * term.badness / WORST, Speaker::Silence(term))));
    all
}

impl Speaker<'_> {
    fn tell(self, probability: f64) -> Hazard {
        let of_stream = |stream: &Stream, expected, expected_in, words| Hazard {
            probability,
            metric: stream.metric.clone(),
            series: Some(stream.series),
            value: stream.value(),
            expected,
            expected_in,
            words,
        };
        match self {
            Self::Exhaustion(stream, outlook) => {
                let words =
                    risk::exhaustion_words(&stream.metric, stream.value(), outlook.growth, outlook.time_left);
                of_stream(stream, 1.0, Some(outlook.time_left), words)
            }
            Self::UsedUp(stream) => {
                let used = words::number(stream.value() * 100.0);
                of_stream(stream, 0.0, None, format!("{} is all but used up: {used} %", stream.metric))
            }
            Self::Harm(stream) => {
                let failed = words::number(stream.value() * 100.0);
                of_stream(stream, 0.0, None, format!("{failed} % of requests fail ({})", stream.metric))
            }
            Self::Degradation(term, expected_in) => of_term(term, probability, expected_in),
            Self::Silence(term) => of_term(term, probability, None),
        }
    }
}

fn of_term(term: &Term, probability: f64, expected_in: Option<Duration>) -> Hazard {
    Hazard {
        probability,
        metric: term.metric.clone(),
        series: term.series,
        value: term.value,
        expected: term.expected,
        expected_in,
        words: term.words.clone(),
    }
}

fn heard(history: u32) -> f64 {
    ((f64::from(history) - HEARD.0) / (HEARD.1 - HEARD.0)).clamp(0.0, 1.0)
}

/// What the learned model goes by, and how far it is heard. It is the same for every horizon.
enum Precursory {
    /// Where the vital signs are heading, and how near a failure is by that.
    Signs(Box<Precursors>, f32, f64),
    /// How worn a resource is of which no vital sign is known.
    Wear(Worn, f64),
    /// Nothing.
    Silent,
}

fn precursory(view: &View<'_>, model: &RiskModel) -> Precursory {
    let watched = view.watched;
    if let Some(worn) = watched.worn() {
        return Precursory::Wear(worn, heard(watched.wear_history().saturating_mul(4)));
    }
    let precursors = watched.precursors(view.now);
    let history = heard(precursors.history);
    if history <= 0.0 || Role::ALL.into_iter().all(|r| !precursors.speaks(r)) {
        return Precursory::Silent;
    }
    let score = model.score(&precursors);
    Precursory::Signs(Box::new(precursors), score, history)
}

impl Precursory {
    /// Seconds between two points.
    fn step(&self) -> f64 {
        match self {
            Self::Signs(precursors, ..) => precursors.step.max(1e-3),
            Self::Wear(worn, _) => worn.step.max(1e-3),
            Self::Silent => 1.0,
        }
    }

    /// A horizon in points.
    fn points(&self, horizon: Duration) -> f64 {
        horizon.as_secs_f64() / self.step()
    }

    /// How far ahead the learned model was measured at the steps of this resource; `None` where it is not heard. What it
    /// sees within that may happen within any longer time as well.
    fn reach(&self, model: &RiskModel) -> Option<Duration> {
        let (signs, wear) = model.reach();
        let points = match self {
            Self::Signs(_, _, heard) if *heard > 0.0 => signs,
            Self::Wear(_, heard) if *heard > 0.0 => wear,
            _ => return None,
        };
        // Steps are never quite even.
        Some(Duration::from_secs_f64(1.02 * points * self.step()))
    }

    /// The probability of a failure within a horizon.
    fn within(&self, model: &RiskModel, horizon: Duration) -> f64 {
        match self {
            Self::Signs(_, score, heard) => heard * model.within(*score, self.points(horizon)),
            Self::Wear(worn, heard) => heard * model.worn_within(&worn.figures, self.points(horizon)),
            Self::Silent => 0.0,
        }
    }
}

/// What the learned model says, with what drives it.
fn learned(view: &View<'_>, precursory: &Precursory, model: &RiskModel, horizon: Duration) -> Learned {
    let watched = view.watched;
    let probability = precursory.within(model, horizon);
    match precursory {
        Precursory::Silent => Learned::default(),
        Precursory::Wear(..) => {
            let drivers = watched.most_worn(3).into_iter().map(|(metric, series, away, share)| Hazard {
                probability: share,
                words: format!("{metric} is {} usual deviations from its early life", words::number(away)),
                metric,
                series: Some(series),
                value: away,
                expected: 1.0,
                expected_in: None,
            });
            Learned { probability, drivers: drivers.collect(), ..Learned::default() }
        }
        Precursory::Signs(precursors, _, heard) => {
            let told = model.tell(precursors, precursory.points(horizon));
            let drivers = Role::ALL.into_iter().zip(told.shares).filter(|(_, share)| *share > 0.0);
            let drivers = drivers.filter_map(|(role, share)| driver(watched, role, share)).collect();
            Learned { probability, drivers, losses: told.losses.map(|l| l * heard) }
        }
    }
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
