//! Makes the learned part of the risk from nothing but this repository, and prints it as Rust source.
//!
//! ```text
//! cargo run --release -p echobase-analysis --example train_risk -- fit VERSION > src/risk/weights.rs
//! cargo run --release -p echobase-analysis --example train_risk -- wear FD001.csv > src/risk/wear_weights.rs
//! cargo run --release -p echobase-analysis --example train_risk -- check
//! cargo run --release -p echobase-analysis --example train_risk -- contenders
//! ```
//!
//! `fit` makes runs of a simulated service ([`plant`]) under kinds of trouble and look-alikes ([`kinds`]) from fixed
//! seeds, sees them as the engine does ([`Engine::precursors`](echobase_analysis::Engine::precursors)), learns one score
//! for all horizons ([`monotone`]) and reads from it a probability for each ([`curve`]). `check` leaves kinds out of the
//! learning and prints how well they are foreseen. `contenders` holds other learners against the one that ships
//! ([`contenders`]). `wear` fits what is said of machines without vital signs to a table of
//! units that ran to their end ([`engines`]). `scores` prints how often trouble
//! follows a stability score ([`scores`]). `rows FOLDER` hands the rows to other learners ([`dump`]).

mod boost;
mod check;
mod contenders;
mod curve;
mod dump;
mod engines;
mod forest;
mod kinds;
mod monotone;
mod noise;
mod plant;
mod print;
mod recurrent;
mod runs;
mod scores;

use std::process::ExitCode;

use boost::{Row, fill};
use curve::Curves;
use echobase_analysis::precursor::{FIGURES, PER_ROLE};
use echobase_analysis::risk::NEURONS;
use runs::Plan;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["fit", version] => fit(version),
        ["check"] => check::run(),
        ["contenders"] => contenders::run(),
        ["scores"] => scores::run(),
        ["rows", folder] => {
            if let Err(error) = dump::write(folder.as_ref()) {
                eprintln!("train_risk: write to {folder}: {error}");
                return ExitCode::FAILURE;
            }
        }
        ["wear", path] => match engines::fit(path.as_ref()) {
            Ok(fitted) => print::wear(&fitted),
            Err(error) => {
                eprintln!("train_risk: read {path}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!(
                "train_risk: want `fit VERSION`, `wear FILE`, `check`, `contenders`, `scores` or `rows FOLDER`"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The model of all kinds.
fn fit(version: &str) {
    let mut rows = runs::rows(&Plan::learned());
    eprintln!("train_risk: {} rows", rows.len());
    let ordinary = ordinary(&rows);
    fill(&mut rows, &ordinary);
    let network = monotone::train::<NEURONS>(&rows);
    let scores: Vec<f32> = rows.iter().map(|r| network.score(&r.figures)).collect();
    print::weights(version, &network, &ordinary, &Curves::fit(&rows, &scores));
}

/// The middle of each figure over quiet rows; slopes and departures are 0 in ordinary operation.
fn ordinary(rows: &[Row]) -> [f32; FIGURES] {
    let mut all = [0.0; FIGURES];
    for (figure, ordinary) in all.iter_mut().enumerate() {
        let quiet = rows.iter().filter(|r| r.left.is_infinite());
        let mut values: Vec<f32> = quiet.map(|r| r.figures[figure]).filter(|v| v.is_finite()).collect();
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
