//! How well kinds are foreseen that were left out of the learning.

use echobase_analysis::risk::NEURONS;

use crate::boost::{HORIZONS, Row, fails_within, fill};
use crate::curve::{Curves, MIDDLE};
use crate::monotone;
use crate::ordinary;
use crate::runs::{self, Family, Plan};

/// What was measured of some rows at one horizon, at a risk of one half.
struct Figures {
    recall: f64,
    false_alarms: f64,
    error: f64,
}

pub(crate) fn run() {
    let learned = runs::rows(&Plan::learned());
    let judged = runs::rows(&Plan::judged());
    eprintln!("train_risk: {} rows to learn from, {} to judge", learned.len(), judged.len());
    fold("all kinds", &learned, &judged, |_| true, &GROUPS);
    fold("without the known kinds", &learned, &judged, |f| !KNOWN.1(f), &[KNOWN]);
    fold("without the further kinds", &learned, &judged, |f| !FURTHER.1(f), &[FURTHER]);
    fold("without random faults", &learned, &judged, |f| !RANDOM.1(f), &[RANDOM]);
}

/// Families that are judged together.
pub(crate) type Group = (&'static str, fn(Family) -> bool);
pub(crate) const KNOWN: Group = ("known kinds", |f| matches!(f, Family::Known(_)));
pub(crate) const FURTHER: Group = ("further kinds", |f| matches!(f, Family::Further(_)));
pub(crate) const RANDOM: Group = ("random faults", |f| !f.is_kind());
const GROUPS: [Group; 3] = [KNOWN, FURTHER, RANDOM];

pub(crate) fn only(rows: &[Row], is_wanted: impl Fn(Family) -> bool) -> Vec<Row> {
    rows.iter().filter(|r| is_wanted(r.family)).cloned().collect()
}

fn fold(name: &str, learned: &[Row], judged: &[Row], from: impl Fn(Family) -> bool, groups: &[Group]) {
    let (mut learned, mut judged) = (only(learned, from), judged.to_vec());
    let ordinary = ordinary(&learned);
    fill(&mut learned, &ordinary);
    fill(&mut judged, &ordinary);
    let network = monotone::train::<NEURONS>(&learned);
    let score = |rows: &[Row]| -> Vec<f32> { rows.iter().map(|r| network.score(&r.figures)).collect() };
    let curves = Curves::fit(&learned, &score(&learned));
    let scores = score(&judged);
    println!("\n{name}");
    for (group, is_wanted) in groups {
        for (place, horizon) in HORIZONS.into_iter().enumerate() {
            let name = format!("  {group} within {horizon} rows");
            show(&name, &measure(&judged, &scores, &curves, place, is_wanted));
        }
        let mut families: Vec<Family> = judged.iter().map(|r| r.family).filter(|f| is_wanted(*f)).collect();
        families.sort_unstable();
        families.dedup();
        for family in families {
            let figures = measure(&judged, &scores, &curves, MIDDLE, |f| f == family);
            show(&format!("    {}", family.name()), &figures);
        }
    }
}

fn measure(
    rows: &[Row],
    scores: &[f32],
    curves: &Curves,
    place: usize,
    is_wanted: impl Fn(Family) -> bool,
) -> Figures {
    let horizon = HORIZONS[place];
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); 10];
    let risk = |at: usize| f64::from(curves.probability(scores[at], place));
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| is_wanted(row.family)) {
        let weight = f64::from(row.thin);
        let bin = &mut bins[((risk(at) * 10.0) as usize).min(9)];
        bin.0 += weight;
        bin.1 += weight * risk(at);
        bin.2 += if row.left <= horizon { weight } else { 0.0 };
    }
    let all: f64 = bins.iter().map(|b| b.0).sum();
    let (recall, false_alarms) = decided(rows, horizon, |at| risk(at) >= 0.5, is_wanted);
    Figures { recall, false_alarms, error: bins.iter().map(|b| (b.1 - b.2).abs()).sum::<f64>() / all }
}

/// Recall and false-positive rate of a decision. All families count alike here, whatever they count in the learning.
pub(crate) fn decided(
    rows: &[Row],
    horizon: f32,
    is_alarm: impl Fn(usize) -> bool,
    is_wanted: impl Fn(Family) -> bool,
) -> (f64, f64) {
    let (mut hits, mut failing, mut alarms, mut ordinary) = (0.0, 0.0, 0.0, 0.0);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| is_wanted(row.family)) {
        let weight = f64::from(row.thin);
        let alarm = if is_alarm(at) { weight } else { 0.0 };
        match fails_within(row.left, horizon) {
            // Too late to act on.
            Some(true) if row.left < 10.0_f32.min(0.5 * horizon) => {}
            Some(true) => (hits, failing) = (hits + alarm, failing + weight),
            Some(false) => (alarms, ordinary) = (alarms + alarm, ordinary + weight),
            None => {}
        }
    }
    (hits / failing, alarms / ordinary)
}

fn show(name: &str, figures: &Figures) {
    let Figures { recall, false_alarms, error } = figures;
    let balanced = 0.5 * (recall + 1.0 - false_alarms);
    println!(
        "{name:40} balanced {balanced:.3} recall {recall:.3} false {false_alarms:.4} calibration {error:.4}"
    );
}
