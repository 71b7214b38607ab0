//! Probability of a failed state within the horizon.
//!
//! # Formula
//! risk = C(1 − Π (1 − hᵢ)) over independent hazards:
//!
//! | hazard | from |
//! |---|---|
//! | exhaustion, per bounded vital sign | time to the limit ([`crate::exhaustion`]) against the horizon, or a share that is all but used up |
//! | degradation | D = badness of performance, dependencies and head-room now, plus what its trend adds within the time it has lasted: a logistic curve |
//! | user harm | failed share e: 1 − exp(−(e / 0.12)^1.3), as burn of an error budget |
//! | silence | it does not answer any more |
//!
//! C is a monotone map from raw to calibrated probability: piecewise linear through the result of
//! pool-adjacent-violators on 224 generated runs (60 s steps, horizon of an hour; other seeds than the tests and the
//! published figures use). Checked on 128 runs of seeds that were not fitted, said → came true: below 0.1 → 0.006,
//! 0.1–0.2 → 0.14, 0.3–0.4 → 0.18, 0.5–0.6 → 0.36, 0.7–0.8 → 0.47, 0.8–0.9 → 0.74, above 0.9 → 0.95. So the ends hold
//! and the middle says too much, by up to 0.28. What is generated is not what you run: the map is a start.
//! With fewer than ten points of every vital sign nothing is predictable: the base rate is said, and that it is one.
//!
//! Where failure does not announce itself (published incidents: AUC about 0.5) nothing here can see it coming; the
//! risk then rises with the harm, not before.

mod horizons;
mod layer;
mod model;
mod network;
mod wear_weights;
#[allow(clippy::approx_constant, reason = "a learned figure may come near to any constant")]
mod weights;

use std::collections::VecDeque;
use std::time::Duration;

use echobase_types::assessment::{Reason, Risk};
use echobase_types::{SeriesId, Timestamp};

use crate::precursor::ROLES;
use crate::words::{self, Quantity};

pub use horizons::HORIZONS;
pub(crate) use horizons::{Rung, ladder, likely_in};
pub use layer::{Evidence, ROLE_NAMES, RiskLayer};
pub(crate) use layer::{log_odds, moved};
pub use model::{Curve, NEURONS, RiskModel, WearModel};
pub use network::{Network, bend};

/// What the model was fitted on, for those who must judge how far to trust it.
pub const PROVENANCE: &str = "Shipped with Echobase: hazards by formula, and a small network that only rises \
    with what gets worse, learned from generated runs of thirty-five kinds, eighteen of which end in failure, and of random \
    faults. Of kinds that it has not seen it \
    foresees fewer. Nothing of your own history is in it; incidents that you label show how far it holds here.";

/// What is said without knowledge, and the least that is said with it.
pub const BASE_RATE: f64 = 0.01;

/// Raw probability → calibrated probability.
const CALIBRATION: [(f64, f64); 7] =
    [(0.0, 0.0), (0.1, 0.04), (0.3, 0.14), (0.5, 0.36), (0.7, 0.55), (0.9, 0.8), (1.0, 0.97)];

/// Remembers how the degradation went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Degradation {
    past: VecDeque<(Timestamp, f32)>,
}

const PAST: usize = 24;

impl Degradation {
    /// Takes the degradation of a cycle; at most one value per `step` seconds is kept.
    pub(crate) fn observe(&mut self, value: f64, at: Timestamp, step: f64) {
        if self.past.back().is_some_and(|(t, _)| at.since(*t).as_secs_f64() < 0.9 * step) {
            return;
        }
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back((at, value as f32));
    }

    /// Growth per second by least squares, and the seconds it was seen over.
    fn trend(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.past.front(), self.past.back()) else { return (0.0, 0.0) };
        let span = last.0.since(first.0).as_secs_f64();
        if self.past.len() < 4 || span <= 0.0 {
            return (0.0, span);
        }
        let n = self.past.len() as f64;
        let time = |t: Timestamp| t.since(first.0).as_secs_f64();
        let mean_t = self.past.iter().map(|(t, _)| time(*t)).sum::<f64>() / n;
        let mean_v = self.past.iter().map(|(_, v)| f64::from(*v)).sum::<f64>() / n;
        let (mut over, mut under) = (0.0, 0.0);
        for (t, v) in &self.past {
            over += (time(*t) - mean_t) * (f64::from(*v) - mean_v);
            under += (time(*t) - mean_t).powi(2);
        }
        (over / under.max(1e-9), span)
    }
}

/// One hazard with its reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hazard {
    pub(crate) probability: f64,
    pub(crate) metric: String,
    pub(crate) series: Option<SeriesId>,
    pub(crate) value: f64,
    pub(crate) expected: f64,
    pub(crate) expected_in: Option<Duration>,
    pub(crate) words: String,
}

/// Hazard of a share that is used up or all but used up.
pub(crate) fn level_hazard(share: f64) -> f64 {
    0.75 * ((share - 0.95) / 0.05).clamp(0.0, 1.0).powi(2)
}

/// Hazard of a failed share of requests.
pub(crate) fn harm_hazard(ratio: f64) -> f64 {
    1.0 - (-(ratio.clamp(0.0, 1.0) / 0.12).powf(1.3)).exp()
}

/// Hazard of degradation, and when it is expected to be grave if its trend goes on.
pub(crate) fn degradation_hazard(now: f64, past: &Degradation, horizon: Duration) -> (f64, Option<Duration>) {
    const GRAVE: f64 = 3.2;
    let (growth, lasted) = past.trend();
    // What gets worse goes on for as long as it lasted, within the horizon; what gets better does so whatever the horizon.
    let reach = if growth > 0.0 { lasted.min(horizon.as_secs_f64()) } else { lasted };
    let ahead = (growth * reach).clamp(-1.0, 2.0) * (now / 0.5).min(1.0);
    let hazard = 1.0 / (1.0 + (-1.35 * (now + ahead - GRAVE)).exp());
    let floor = 1.0 / (1.0 + (1.35 * GRAVE).exp());
    let expected = (growth > 0.0 && now > 0.5 && now < GRAVE).then(|| (GRAVE - now) / growth);
    let expected = expected.filter(|s| *s <= horizon.as_secs_f64()).map(Duration::from_secs_f64);
    (((hazard - floor) / (1.0 - floor)).max(0.0), expected)
}

/// Whether there is enough history to say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum History {
    Enough,
    TooShort,
}

/// What the learned model says, with what drives it. The `probability` of a driver is its share in the whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    pub(crate) probability: f64,
    pub(crate) drivers: Vec<Hazard>,
    /// What its log-odds lose once a role is ordinary.
    pub(crate) losses: [f64; ROLES],
}

/// −ln of what survives: adds up over independent hazards.
fn force(probability: f64) -> f64 {
    -(1.0 - probability.clamp(0.0, 0.999)).ln()
}

/// The probability of independent hazards and of what was learned, together.
pub(crate) fn together(hazards: impl Iterator<Item = f64>, learned: f64) -> f64 {
    let raw: f64 = hazards.map(force).sum();
    (1.0 - (1.0 - calibrate(1.0 - (-raw).exp())) * (1.0 - learned)).clamp(BASE_RATE, 0.99)
}

/// Puts the hazards and what was learned together, for the horizon that alerts and playbooks use.
pub(crate) fn judge(hazards: Vec<Hazard>, learned: Learned, history: History, horizon: Duration) -> Risk {
    if history == History::TooShort {
        return Risk {
            probability: BASE_RATE,
            horizon,
            predictable: false,
            expected_in: None,
            likely_in: None,
            features: Vec::new(),
            horizons: Vec::new(),
        };
    }
    let raw: f64 = hazards.iter().map(|h| force(h.probability)).sum();
    let known = calibrate(1.0 - (-raw).exp());
    let probability = together(hazards.iter().map(|h| h.probability), learned.probability);
    let (of_known, of_learned) = (force(known), force(learned.probability));
    let total = (of_known + of_learned).max(1e-300);
    let expected_in = hazards.iter().filter(|h| h.probability >= 0.2).filter_map(|h| h.expected_in).min();
    let parts = hazards
        .into_iter()
        .filter(|h| h.probability >= 0.01)
        .map(|h| (of_known * force(h.probability) / raw.max(1e-300), h))
        .chain(learned.drivers.into_iter().map(|d| (of_learned * d.probability, d)));
    let mut features: Vec<Reason> = Vec::new();
    for (part, hazard) in parts {
        let contribution = probability * part / total;
        // The same series may speak as a hazard and as a precursor: one reason, with the words that came first.
        match features.iter_mut().find(|f| f.metric == hazard.metric && f.series == hazard.series) {
            Some(same) => same.contribution += contribution,
            None => features.push(Reason {
                contribution,
                metric: hazard.metric,
                series: hazard.series,
                value: hazard.value,
                expected: hazard.expected,
                words: hazard.words,
            }),
        }
    }
    features.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then_with(|| a.metric.cmp(&b.metric)));
    features.truncate(5);
    Risk {
        probability,
        horizon,
        predictable: true,
        expected_in,
        likely_in: None,
        features,
        horizons: Vec::new(),
    }
}

/// Moves the risk to another probability; its features keep their shares.
pub(crate) fn moved_to(mut risk: Risk, probability: f64) -> Risk {
    let ratio = probability / risk.probability.max(1e-12);
    risk.features.iter_mut().for_each(|f| f.contribution *= ratio);
    Risk { probability, ..risk }
}

fn calibrate(raw: f64) -> f64 {
    let raw = raw.clamp(0.0, 1.0);
    for pair in CALIBRATION.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if raw <= x1 {
            return y0 + (y1 - y0) * (raw - x0) / (x1 - x0);
        }
    }
    1.0
}

/// "…, full in 12 min if it goes on".
pub(crate) fn exhaustion_words(metric: &str, used: f64, growth: f64, left: Duration) -> String {
    let per_hour = growth * 3_600.0;
    let growth = if per_hour > 1.0 {
        format!("{} % per minute", words::number(growth * 6_000.0))
    } else {
        format!("{} % per hour", words::number(per_hour * 100.0))
    };
    format!(
        "{metric} is {} % used and grows {growth}: used up in {} if it goes on",
        words::number(used * 100.0),
        words::span(left)
    )
}

/// "… is 3.1 s, usually 0.9 s: this is how failures began".
pub(crate) fn course_words(quantity: Quantity, metric: &str, value: f64, expected: f64) -> String {
    let (shown, usual) = (quantity.show(value), quantity.show(expected));
    format!("{metric} is {shown}, usually {usual}, and moves as it does before failures")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hazard(probability: f64, metric: &str) -> Hazard {
        Hazard {
            probability,
            metric: metric.into(),
            series: None,
            value: 0.0,
            expected: 0.0,
            expected_in: Some(Duration::from_secs(60)),
            words: String::new(),
        }
    }

    const HORIZON: Duration = Duration::from_secs(900);

    proptest! {
        #[test]
        fn the_risk_is_a_probability_and_its_features_sum_to_it(h in prop::collection::vec(0.02..1.0_f64, 1..5)) {
            let risk = judge(h.iter().enumerate().map(|(i, p)| hazard(*p, &format!("m{i}"))).collect(), Learned::default(), History::Enough, HORIZON);
            prop_assert!((BASE_RATE..=0.99).contains(&risk.probability));
            let sum: f64 = risk.features.iter().map(|f| f.contribution).sum();
            prop_assert!((sum - risk.probability).abs() < 1e-9);
        }

        #[test]
        fn a_further_or_a_larger_hazard_never_lowers_the_risk(a in 0.0..1.0_f64, b in 0.0..1.0_f64, more in 0.0..1.0_f64) {
            let of = |h: &[f64]| judge(h.iter().enumerate().map(|(i, p)| hazard(*p, &format!("m{i}"))).collect(), Learned::default(), History::Enough, HORIZON).probability;
            prop_assert!(of(&[a, b]) >= of(&[a]) - 1e-12);
            prop_assert!(of(&[(a + more).min(1.0)]) >= of(&[a]) - 1e-12);
        }
    }

    #[test]
    fn without_history_the_base_rate_is_said_and_called_so() {
        let risk = judge(vec![hazard(0.9, "m")], Learned::default(), History::TooShort, HORIZON);
        assert_eq!((risk.probability, risk.predictable), (BASE_RATE, false));
    }

    #[test]
    fn degradation_that_grows_is_worse_than_degradation_that_stays() {
        let (mut flat, mut steep) = (Degradation::default(), Degradation::default());
        for i in 0..20 {
            flat.observe(2.0, Timestamp::from_secs(i), 1.0);
            steep.observe(0.1 * i as f64, Timestamp::from_secs(i), 1.0);
        }
        let (stays, none) = degradation_hazard(2.0, &flat, HORIZON);
        let (grows, soon) = degradation_hazard(2.0, &steep, HORIZON);
        assert!(stays < 0.3 && grows > 0.6, "{stays} {grows}");
        assert!(none.is_none() && soon.is_some_and(|d| d < Duration::from_secs(20)));
        assert_eq!(degradation_hazard(0.0, &Degradation::default(), HORIZON).0, 0.0);
    }

    #[test]
    fn words_say_when_it_is_used_up() {
        let words = exhaustion_words("mem", 0.62, 0.008, Duration::from_secs(48));
        assert_eq!(words, "mem is 62 % used and grows 48 % per minute: used up in 48 s if it goes on");
    }
}
