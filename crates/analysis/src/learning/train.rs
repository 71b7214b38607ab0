//! Makes a challenger from the older part of a history and judges it on the newer.

use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::model::{Distribution, LabelCounts, ModelFigures};

use super::figures::{judge, log_loss};
use super::fit::{Recipe, Roles, fit};
use super::{Example, Lesson, examples, population};
use crate::risk::RiskLayer;

/// Failures that a challenger must be trained on, at least.
pub const LEARNED: usize = 5;
/// Failures that it must be judged on, at least.
pub const JUDGED: usize = 3;

/// What is tried, the simplest first; the one that does best on parts of the training history that it was not fitted to
/// is taken.
const RECIPES: [Recipe; 4] = [
    Recipe { ridge: 4.0, roles: Roles::AsShipped },
    Recipe { ridge: 1.0, roles: Roles::AsShipped },
    Recipe { ridge: 4.0, roles: Roles::Learned },
    Recipe { ridge: 1.0, roles: Roles::Learned },
];
/// Parts of the training history that are left out in turn.
const FOLDS: usize = 5;
/// By how much a recipe that is less simple must be better.
const WORTH: f64 = 0.01;

/// A challenger, with how it and the champion did on what it was not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// What was learned.
    pub layer: RiskLayer,
    /// What came before was trained on, what came after judged on.
    pub split_at: Timestamp,
    /// The labels.
    pub labels: LabelCounts,
    /// How the challenger did.
    pub figures: ModelFigures,
    /// How the champion did on the same.
    pub champion: ModelFigures,
    /// What it saw while it was trained.
    pub profile: Vec<Distribution>,
}

/// There are too few failures to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotEnough {
    /// How many there are.
    pub found: usize,
}

impl std::fmt::Display for NotEnough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} failures with a verdict before them are too few to learn from: {} are needed, {LEARNED} to be trained \
             on and {JUDGED} to be judged on; label more incidents `real`, with the time they began",
            self.found,
            LEARNED + JUDGED
        )
    }
}

impl std::error::Error for NotEnough {}

/// Makes a challenger for `horizon` from the history in `span`, against the layer of the champion.
pub fn train(
    lessons: &[Lesson],
    horizon: Duration,
    champion: &RiskLayer,
    (from, to): (Timestamp, Timestamp),
) -> Result<Trained, NotEnough> {
    let inside = |at: Timestamp| at > from && at <= to;
    let mut begins: Vec<Timestamp> =
        lessons.iter().flat_map(|l| l.usable(horizon)).map(|f| f.from).filter(|at| inside(*at)).collect();
    begins.sort_unstable();
    let judged = (begins.len() / 3).max(JUDGED);
    let Some(first_judged) =
        begins.len().checked_sub(judged).filter(|n| *n >= LEARNED).and_then(|n| begins.get(n))
    else {
        return Err(NotEnough { found: begins.len() });
    };
    let split_at = *first_judged - horizon;
    // Labels of what is said up to a horizon before the split lie before it.
    let learned: Vec<Example> =
        lessons.iter().flat_map(|l| examples(l, horizon, (from, split_at - horizon))).collect();
    let layer = fit(&learned, recipe(&learned, &begins[..begins.len() - judged], horizon));
    let seen: Vec<_> =
        learned.iter().map(|e| (e.evidence, layer.probability(&e.evidence), e.horizons)).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let labels = LabelCounts {
        trained_on: count(begins.len() - judged),
        judged_on: count(judged),
        noise: count(lessons.iter().map(|l| l.truth.noise.len()).sum()),
        expected: count(lessons.iter().map(|l| l.truth.expected.len()).sum()),
    };
    Ok(Trained {
        figures: judge(lessons, horizon, &layer, (split_at, to)),
        champion: judge(lessons, horizon, champion, (split_at, to)),
        profile: population::profile(&seen),
        layer,
        split_at,
        labels,
    })
}

/// The recipe that does best on parts that it was not fitted to: stretches of time with about as many failures each.
fn recipe(learned: &[Example], begins: &[Timestamp], horizon: Duration) -> Recipe {
    let folds = begins.len().min(FOLDS);
    let fold = |at: Timestamp| begins.partition_point(|b| *b <= at) * folds / (begins.len() + 1);
    let loss = |recipe: Recipe| -> f64 {
        let each = (0..folds).map(|out| {
            let (held, kept): (Vec<Example>, Vec<Example>) = learned.iter().partition(|e| fold(e.at) == out);
            // What is said just before the part that is held out has its label within it.
            let kept: Vec<Example> = kept.into_iter().filter(|e| fold(e.at + horizon) != out).collect();
            let weight: f64 = held.iter().map(|e| e.weight).sum();
            weight * log_loss(&held, &fit(&kept, recipe))
        });
        each.sum()
    };
    let mut best: Option<(Recipe, f64)> = None;
    for recipe in RECIPES {
        let loss = loss(recipe);
        if best.is_none_or(|(_, least)| loss < least * (1.0 - WORTH)) {
            best = Some((recipe, loss));
        }
    }
    best.map_or(RECIPES[0], |(recipe, _)| recipe)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]
    use super::super::{Truth, better};
    use super::*;
    use crate::calibration::Failure;
    use crate::risk::Evidence;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    /// A failure every ten hours; `said` gives log-odds and the queue's loss by the minutes left and a wobble.
    fn history(failures: i64, said: impl Fn(i64, i64) -> (f32, f32)) -> Lesson {
        let spans = (1..=failures).map(|n| Failure { from: at(600 * n), to: at(600 * n + 20) }).collect();
        let mut lesson = Lesson::new(Truth { failures: spans, ..Truth::default() });
        for m in 0..600 * failures + 300 {
            let (odds, queue) = said(600 - m % 600, m * 7_919 % 100);
            let mut evidence = Evidence { odds, ..Evidence::default() };
            evidence.roles[5] = queue;
            lesson.said(at(m), at(m + 1), evidence, HOUR);
        }
        lesson
    }

    fn all(failures: i64) -> (Timestamp, Timestamp) {
        (at(0), at(600 * failures + 300))
    }

    #[test]
    fn too_few_failures_are_refused_with_how_many_are_needed() {
        let error = train(&[history(7, |_, _| (-4.0, 0.0))], HOUR, &RiskLayer::NEUTRAL, all(7)).unwrap_err();
        assert_eq!(error, NotEnough { found: 7 });
        assert!(error.to_string().contains("8 are needed"), "{error}");
    }

    #[test]
    fn a_tenant_whose_failures_begin_in_the_queue_gets_a_model_that_sees_them() {
        // Shipped: hardly ever more than 10 %. The queue speaks in the last fifty minutes, and seldom else.
        let said = |left, wobble| match left {
            0..=50 => (-2.2, 1.5),
            _ if wobble == 0 => (-2.2, 1.5),
            _ => (-4.0, 0.0),
        };
        let lesson = history(12, said);
        let trained = train(&[lesson], HOUR, &RiskLayer::NEUTRAL, all(12)).unwrap();
        assert_eq!((trained.labels.trained_on, trained.labels.judged_on), (8, 4));
        assert!(better(&trained.figures, &trained.champion).is_ok(), "{:?}", trained.figures);
        assert!(trained.figures.balanced_accuracy > 0.85 && trained.champion.balanced_accuracy == 0.5);
        assert!(trained.figures.ece < trained.champion.ece, "{:?}", trained.figures);
        assert!(trained.split_at < at(600 * 9) && trained.split_at >= at(600 * 8));
    }

    #[test]
    fn where_nothing_announces_failures_nothing_better_is_found() {
        let lesson = history(12, |_, wobble| (-2.4 + wobble as f32 / 500.0, 0.0));
        let trained = train(&[lesson], HOUR, &RiskLayer::NEUTRAL, all(12)).unwrap();
        assert_eq!(trained.figures.balanced_accuracy, 0.5, "{:?}", trained.layer);
        assert!(better(&trained.figures, &trained.champion).is_err(), "{:?}", trained.figures);
    }

    #[test]
    fn what_comes_after_the_split_teaches_nothing() {
        let calm = |left: i64, _: i64| if left <= 50 { (0.0, 1.0) } else { (-4.0, 0.0) };
        let (one, mut other) = (history(12, calm), history(12, calm));
        let before = train(std::slice::from_ref(&one), HOUR, &RiskLayer::NEUTRAL, all(12)).unwrap();
        // Another future: what was said in the judged part is turned round.
        let turned = one.runs().iter().map(|r| match r.from < before.split_at {
            true => *r,
            false => super::super::Run { evidence: Evidence { odds: -r.evidence.odds, ..r.evidence }, ..*r },
        });
        other.runs = turned.collect();
        let after = train(&[other], HOUR, &RiskLayer::NEUTRAL, all(12)).unwrap();
        assert_eq!((after.layer, after.split_at), (before.layer, before.split_at));
        assert!(after.figures.log_loss > before.figures.log_loss);
    }
}
