//! How well kinds are foreseen that were left out of the learning.

use echobase_analysis::precursor::FIGURES;

use crate::boost::{Booster, HORIZONS, Row, fails_within, fill};
use crate::curve::Curves;
use crate::runs::{self, Family, Plan};
use crate::{TREES, ordinary};

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
    type Which = fn(Family) -> bool;
    let all: Which = |_| true;
    let known: Which = |f| matches!(f, Family::Known(_));
    let further: Which = |f| matches!(f, Family::Further(_));
    let random: Which = |f| matches!(f, Family::Mixed | Family::Varied);
    let not_known: Which = |f| !matches!(f, Family::Known(_));
    let not_further: Which = |f| !matches!(f, Family::Further(_));
    let not_random: Which = |f| !matches!(f, Family::Mixed | Family::Varied);
    for (name, from, to) in [
        ("all kinds", all, all),
        ("without the known kinds", not_known, known),
        ("without the further kinds", not_further, further),
        ("without random faults", not_random, random),
    ] {
        fold(name, only(&learned, from), only(&judged, to));
    }
}

fn only(rows: &[Row], is_wanted: fn(Family) -> bool) -> Vec<Row> {
    rows.iter().filter(|r| is_wanted(r.family)).cloned().collect()
}

fn fold(name: &str, mut learned: Vec<Row>, mut judged: Vec<Row>) {
    let ordinary = ordinary(&learned);
    fill(&mut learned, &ordinary);
    fill(&mut judged, &ordinary);
    let booster = Booster::train(&learned, TREES);
    let curves = Curves::fit(&learned, &booster);
    println!("\n{name}");
    let scores: Vec<f32> = judged.iter().map(|r| booster.score(&r.figures)).collect();
    let mut families: Vec<Family> = judged.iter().map(|r| r.family).collect();
    families.sort_unstable();
    families.dedup();
    for (place, horizon) in HORIZONS.into_iter().enumerate() {
        show(&format!("  within {horizon} rows"), &measure(&judged, &scores, &curves, place, |_| true));
    }
    for family in families {
        show(&format!("    {}", family.name()), &measure(&judged, &scores, &curves, 3, |f| f == family));
    }
}

/// Prints how well trees and curves hold on the runs that are judged, at every horizon.
pub(crate) fn curves(booster: &Booster, ordinary: &[f32; FIGURES], curves: &Curves) {
    let mut judged = runs::rows(&Plan::judged());
    fill(&mut judged, ordinary);
    let scores: Vec<f32> = judged.iter().map(|r| booster.score(&r.figures)).collect();
    type Which = fn(Family) -> bool;
    let groups: [(&str, Which); 3] = [
        ("known kinds", |f| matches!(f, Family::Known(_))),
        ("further kinds", |f| matches!(f, Family::Further(_))),
        ("random faults", |f| !f.is_kind()),
    ];
    for (name, is_wanted) in groups {
        for (place, horizon) in HORIZONS.into_iter().enumerate() {
            let figures = measure(&judged, &scores, curves, place, is_wanted);
            eprintln!("{}", line(&format!("{name} within {horizon} rows"), &figures));
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
    let (mut hits, mut failing, mut alarms, mut ordinary) = (0.0, 0.0, 0.0, 0.0);
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); 10];
    for (at, score) in scores.iter().enumerate().filter(|(at, _)| is_wanted(rows[*at].family)) {
        // All families count alike here, whatever they count in the learning.
        let weight = f64::from(rows[at].thin);
        let risk = f64::from(curves.probability(*score, place));
        let bin = &mut bins[((risk * 10.0) as usize).min(9)];
        bin.0 += weight;
        bin.1 += weight * risk;
        bin.2 += if rows[at].left <= horizon { weight } else { 0.0 };
        let alarm = if risk >= 0.5 { weight } else { 0.0 };
        match fails_within(rows[at].left, horizon) {
            // Too late to act on.
            Some(true) if rows[at].left < 10.0_f32.min(0.5 * horizon) => {}
            Some(true) => (hits, failing) = (hits + alarm, failing + weight),
            Some(false) => (alarms, ordinary) = (alarms + alarm, ordinary + weight),
            None => {}
        }
    }
    let all: f64 = bins.iter().map(|b| b.0).sum();
    Figures {
        recall: hits / failing,
        false_alarms: alarms / ordinary,
        error: bins.iter().map(|b| (b.1 - b.2).abs()).sum::<f64>() / all,
    }
}

fn show(name: &str, figures: &Figures) {
    println!("{}", line(name, figures));
}

fn line(name: &str, figures: &Figures) -> String {
    let Figures { recall, false_alarms, error } = figures;
    let balanced = 0.5 * (recall + 1.0 - false_alarms);
    format!(
        "{name:40} balanced {balanced:.3} recall {recall:.3} false {false_alarms:.4} calibration {error:.4}"
    )
}
