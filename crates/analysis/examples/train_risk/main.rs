//! Trains the learned part of the risk and prints it as the source of `risk/weights.rs`.
//!
//! `cargo run --release -p echobase-analysis --example train_risk -- VERSION WEIGHT:FOLDER... > weights.rs`
//!
//! A folder holds `runs.csv` (`run,kind,rows,collapse_row`; −1 where nothing collapsed) and for each run `RUN.csv`
//! (`timestamp,<metric>,…`), as the project's generator of collapses writes them. WEIGHT is how much a row of that
//! folder counts. Rows 10 to 60 before a collapse are positive, rows more than 120 before it or without one negative,
//! all else is left out, as is the beginning of each run (120 rows). What is seen of a row is what the engine sees:
//! [`Engine::precursors`] for an hour ahead.

mod boost;
mod runs;

use std::process::ExitCode;

use boost::{Booster, Rows};
use echobase_analysis::precursor::{FIGURES, PER_ROLE};

/// Share of the negative rows above the threshold of the decision: where the curve says one half.
const FALSE_ALARMS: f64 = 0.018;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let version = arguments.next().unwrap_or_default();
    let mut rows = Rows::default();
    for argument in arguments {
        let Some((weight, folder)) = argument.split_once(':') else {
            eprintln!("train_risk: `{argument}` is not WEIGHT:FOLDER");
            return ExitCode::from(2);
        };
        if let Err(error) = runs::read(folder.as_ref(), weight.parse().unwrap_or(1.0), &mut rows) {
            eprintln!("train_risk: read {folder}: {error}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("train_risk: {} rows", rows.labels.len());
    let ordinary = ordinary(&rows);
    rows.fill(&ordinary);
    let booster = Booster::train(&rows);
    let odds: Vec<f32> = rows.figures.iter().map(|f| booster.log_odds(f)).collect();
    let curve = curve(&rows, &odds);
    print(&version, &booster, &ordinary, &curve);
    ExitCode::SUCCESS
}

/// The middle of each figure over quiet rows; slopes and departures are 0 in ordinary operation.
fn ordinary(rows: &Rows) -> [f32; FIGURES] {
    let mut all = [0.0; FIGURES];
    for (figure, ordinary) in all.iter_mut().enumerate() {
        let mut values: Vec<f32> = rows
            .figures
            .iter()
            .zip(&rows.labels)
            .filter_map(|(f, is_positive)| (!is_positive && f[figure].is_finite()).then_some(f[figure]))
            .collect();
        values.sort_by(f32::total_cmp);
        let middle = values.get(values.len() / 2).copied().unwrap_or(0.0);
        *ordinary = match figure % PER_ROLE {
            0 => middle,
            3 | 12 => middle.min(-0.02),
            _ => 0.0,
        };
    }
    all
}

/// Log-odds to probability by pooling adjacent violators over blocks of rows, with one half at the threshold of the
/// decision: a risk of one half is where alarms are worth their price, not where half of them come true.
fn curve(rows: &Rows, odds: &[f32]) -> Vec<(f32, f32)> {
    let mut order: Vec<usize> = (0..odds.len()).collect();
    order.sort_by(|a, b| odds[*a].total_cmp(&odds[*b]));
    let negatives: f64 =
        order.iter().filter(|i| !rows.labels[**i]).map(|i| f64::from(rows.weights[*i])).sum();
    let (mut above, mut threshold) = (0.0, 0.0);
    for &i in order.iter().rev().filter(|i| !rows.labels[**i]) {
        above += f64::from(rows.weights[i]);
        if above > FALSE_ALARMS * negatives {
            threshold = odds[i];
            break;
        }
    }
    // (sum of weight × label, sum of weight, largest log-odds) of each block, merged while they fall.
    let mut blocks: Vec<(f64, f64, f32)> = Vec::new();
    for chunk in order.chunks(200) {
        let weight = |i: &usize| f64::from(rows.weights[*i]);
        let hits: f64 = chunk.iter().filter(|i| rows.labels[**i]).map(weight).sum();
        let mut block = (hits, chunk.iter().map(weight).sum(), chunk.last().map_or(0.0, |i| odds[*i]));
        while let Some(last) = blocks.last().filter(|l| l.0 / l.1 >= block.0 / block.1) {
            block = (block.0 + last.0, block.1 + last.1, block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let truth = |x: f32| {
        let at = blocks.partition_point(|b| b.2 < x).min(blocks.len() - 1);
        (blocks[at].0 / blocks[at].1) as f32
    };
    eprintln!("train_risk: at the threshold {threshold:.2} {:.2} come true", truth(threshold));
    let below = [-9.0_f32, -7.0, -5.0, -4.0, -3.0, -2.0, -1.3, -0.7, -0.2];
    let over = [0.5_f32, 1.0, 1.7, 2.5, 3.5, 5.0];
    let mut points: Vec<(f32, f32)> =
        below.iter().map(|d| (threshold + d, truth(threshold + d).min(0.45))).collect();
    points.push((threshold, 0.5));
    points.extend(over.iter().map(|d| (threshold + d, truth(threshold + d).max(0.5 + 0.01 * d))));
    let mut highest = 0.0005_f32;
    for (_, y) in &mut points {
        highest = highest.max(*y).min(0.985);
        *y = highest;
    }
    points
}

fn print(version: &str, booster: &Booster, ordinary: &[f32], curve: &[(f32, f32)]) {
    println!("//! The learned model that ships: printed by the example `train_risk`, not edited by hand.");
    println!(
        "//!\n//! Where the runs came from and what it was measured at stands in `docs/guide/analysis.md`.\n"
    );
    println!("use super::model::Tree;\n");
    println!("pub(super) const VERSION: &str = \"{version}\";");
    println!("pub(super) const BASE: f32 = {};\n", short(booster.base));
    println!("#[rustfmt::skip]\npub(super) static CURVE: [(f32, f32); {}] = [", curve.len());
    for (x, y) in curve {
        println!("    ({}, {}),", short(*x), short(*y));
    }
    println!("];\n\n#[rustfmt::skip]\npub(super) static ORDINARY: [f32; {}] = [", ordinary.len());
    for role in ordinary.chunks(PER_ROLE) {
        let row: Vec<String> = role.iter().map(|v| short(*v)).collect();
        println!("    {},", row.join(", "));
    }
    println!("];\n\nconst fn tree(questions: [(u8, f32); 15], answers: [f32; 16]) -> Tree {{");
    println!("    Tree {{ questions, answers }}\n}}\n");
    println!("#[rustfmt::skip]\npub(super) static TREES: [Tree; {}] = [", booster.trees.len());
    for tree in &booster.trees {
        let questions: Vec<String> =
            tree.questions.iter().map(|(f, t)| format!("({f}, {})", short(*t))).collect();
        let answers: Vec<String> = tree.answers.iter().map(|a| short(*a)).collect();
        println!("    tree([{}], [{}]),", questions.join(", "), answers.join(", "));
    }
    println!("];");
}

/// Four digits, as a literal of f32.
fn short(value: f32) -> String {
    format!("{value:.3e}").parse::<f32>().map_or_else(|_| "0.0".to_owned(), |v| format!("{v:?}"))
}
