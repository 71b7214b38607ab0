//! How a layer holds on a stretch of history, and when one version is better than another.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::model::{FigureBin, ModelFigures};

use super::{Example, Lesson, examples};
use crate::calibration::BINS;
use crate::risk::RiskLayer;

/// From this probability on a risk counts as a warning in the figures.
const WARNED: f64 = 0.5;

/// By how much a version must differ from another to replace it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margins {
    /// Share by which the log loss must be lower, or higher to be rolled back.
    pub log_loss: f64,
    /// What the balanced accuracy may lose at most.
    pub balanced_accuracy: f64,
    /// What the false-positive rate may gain at most.
    pub false_positive_rate: f64,
}

/// The margins in force.
pub const MARGINS: Margins = Margins { log_loss: 0.05, balanced_accuracy: 0.02, false_positive_rate: 0.01 };

/// Holds a layer against what happened in `from..to`.
pub fn judge(
    lessons: &[Lesson],
    horizon: Duration,
    layer: &RiskLayer,
    (from, to): (Timestamp, Timestamp),
) -> ModelFigures {
    let all: Vec<Example> = lessons.iter().flat_map(|l| examples(l, horizon, (from, to))).collect();
    let within = |l: &Lesson| l.usable(horizon).filter(|f| f.from > from && f.from <= to).count();
    let failures = lessons.iter().map(within).sum::<usize>();
    figures(&all, layer, u32::try_from(failures).unwrap_or(u32::MAX), horizon)
}

/// Mean −ln of the probability given to what came, over the weight of the examples.
pub(super) fn log_loss(all: &[Example], layer: &RiskLayer) -> f64 {
    let weight: f64 = all.iter().map(|e| e.weight).sum();
    let loss = |e: &Example| {
        let p = layer.probability(&e.evidence);
        -e.weight * if e.is_before_failure { p } else { 1.0 - p }.max(1e-12).ln()
    };
    if weight > 0.0 { all.iter().map(loss).sum::<f64>() / weight } else { 0.0 }
}

fn figures(all: &[Example], layer: &RiskLayer, failures: u32, horizon: Duration) -> ModelFigures {
    let hours = horizon.as_secs_f64() / 3_600.0;
    let mut sums = [FigureBin::default(); BINS];
    // Weight of all and of those warned of: before failures, and other time.
    let (mut before, mut other) = ([0.0_f64; 2], [0.0_f64; 2]);
    for e in all {
        let p = layer.probability(&e.evidence);
        let side = if e.is_before_failure { &mut before } else { &mut other };
        side[0] += e.weight;
        if p >= WARNED {
            side[1] += e.weight;
        }
        if let Some(bin) = sums.get_mut(((p * BINS as f64) as usize).min(BINS - 1)) {
            bin.hours += e.weight * hours;
            bin.said += e.weight * hours * p;
            bin.came_true += if e.is_before_failure { e.weight * hours } else { 0.0 };
        }
    }
    let share = |[whole, part]: [f64; 2]| if whole > 0.0 { part / whole } else { 0.0 };
    let whole: f64 = sums.iter().map(|b| b.hours).sum();
    let bins: Vec<FigureBin> = sums
        .iter()
        .map(|b| match b.hours {
            hours if hours > 0.0 => FigureBin { hours, said: b.said / hours, came_true: b.came_true / hours },
            _ => FigureBin::default(),
        })
        .collect();
    ModelFigures {
        failures,
        hours: all.iter().map(|e| e.horizons).sum::<f64>() * hours,
        log_loss: log_loss(all, layer),
        balanced_accuracy: 0.5 * (share(before) + 1.0 - share(other)),
        false_positive_rate: share(other),
        ece: bins.iter().map(|b| (b.said - b.came_true).abs() * b.hours / whole.max(1e-12)).sum(),
        bins,
    }
}

/// Whether `new` is better than `old` by the margin, on the same history; the words say why or why not.
pub fn better(new: &ModelFigures, old: &ModelFigures) -> Result<String, String> {
    let lower = 1.0 - new.log_loss / old.log_loss.max(1e-12);
    let loss = format!("log loss {:.4} against {:.4}", new.log_loss, old.log_loss);
    if lower < MARGINS.log_loss {
        let percent = MARGINS.log_loss * 100.0;
        return Err(format!("{loss}: not lower by {percent:.0} %"));
    }
    if new.balanced_accuracy < old.balanced_accuracy - MARGINS.balanced_accuracy {
        let (new, old) = (new.balanced_accuracy, old.balanced_accuracy);
        return Err(format!("{loss}, but it foresees less: balanced accuracy {new:.3} against {old:.3}"));
    }
    if new.false_positive_rate > old.false_positive_rate + MARGINS.false_positive_rate {
        let (new, old) = (100.0 * new.false_positive_rate, 100.0 * old.false_positive_rate);
        return Err(format!(
            "{loss}, but it warns in vain more often: {new:.2} % against {old:.2} % of the time"
        ));
    }
    Ok(format!("{loss}: lower by {:.0} %", lower * 100.0))
}

/// Whether a champion is worse than its parent by the margin, on the same history; the words say by how much.
pub fn worse(champion: &ModelFigures, parent: &ModelFigures) -> Option<String> {
    (champion.log_loss > parent.log_loss * (1.0 + MARGINS.log_loss)).then(|| {
        format!(
            "on {} failures that it was not made from its log loss is {:.4}, that of its parent {:.4}",
            champion.failures, champion.log_loss, parent.log_loss
        )
    })
}

/// Puts examples with the same evidence and outcome together, so that long quiet histories cost little.
pub(super) fn merged(all: &[Example]) -> Vec<Example> {
    let key =
        |e: &Example| (e.evidence.odds.to_bits(), e.evidence.roles.map(f32::to_bits), e.is_before_failure);
    let mut sums: BTreeMap<_, Example> = BTreeMap::new();
    for e in all {
        sums.entry(key(e)).and_modify(|s| s.weight += e.weight).or_insert(*e);
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::Evidence;

    fn example(odds: f32, is_before_failure: bool, weight: f64) -> Example {
        let evidence = Evidence { odds, ..Evidence::default() };
        Example { at: Timestamp::EPOCH, evidence, is_before_failure, weight, horizons: weight }
    }

    #[test]
    fn the_figures_are_those_of_their_definitions() {
        let all = [
            example(2.0, true, 3.0),
            example(2.0, false, 1.0),
            example(-2.0, true, 1.0),
            example(-2.0, false, 5.0),
        ];
        let held = figures(&all, &RiskLayer::NEUTRAL, 4, Duration::from_secs(3_600));
        let p = 1.0 / (1.0 + (-2.0_f64).exp());
        let loss = -(8.0 * p.ln() + 2.0 * (1.0 - p).ln()) / 10.0;
        assert!((held.log_loss - loss).abs() < 1e-9, "{held:?}");
        assert!((held.balanced_accuracy - 0.5 * (0.75 + 5.0 / 6.0)).abs() < 1e-9);
        assert!(
            (held.false_positive_rate - 1.0 / 6.0).abs() < 1e-9 && held.hours == 10.0 && held.failures == 4
        );
        let ece = 0.4 * (p - 0.75).abs() + 0.6 * (1.0 - p - 1.0 / 6.0).abs();
        assert!((held.ece - ece).abs() < 1e-9, "{held:?}");
        assert_eq!(log_loss(&merged(&all), &RiskLayer::NEUTRAL), held.log_loss);
    }

    #[test]
    fn a_version_replaces_another_only_by_the_margin_and_never_by_foreseeing_less() {
        let of = |log_loss, balanced_accuracy, false_positive_rate| ModelFigures {
            log_loss,
            balanced_accuracy,
            false_positive_rate,
            ..ModelFigures::default()
        };
        let old = of(0.2, 0.9, 0.02);
        assert!(better(&of(0.18, 0.9, 0.02), &old).is_ok());
        for (new, why) in [
            (of(0.195, 0.9, 0.02), "not lower by 5 %"),
            (of(0.1, 0.8, 0.02), "foresees less"),
            (of(0.1, 0.9, 0.04), "in vain"),
        ] {
            let words = better(&new, &old);
            assert!(words.as_ref().is_err_and(|w| w.contains(why)), "{words:?}");
        }
        assert_eq!(worse(&of(0.209, 0.9, 0.0), &old), None);
        assert!(worse(&of(0.22, 0.9, 0.0), &old).is_some());
    }
}
