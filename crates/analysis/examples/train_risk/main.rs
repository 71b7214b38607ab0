//! Makes the learned part of the risk from nothing but this repository, and prints it as Rust source.
//!
//! ```text
//! cargo run --release -p echobase-analysis --example train_risk -- fit VERSION > src/risk/weights.rs
//! cargo run --release -p echobase-analysis --example train_risk -- recalibrate VERSION > src/risk/weights.rs
//! cargo run --release -p echobase-analysis --example train_risk -- wear FD001.csv > src/risk/wear_weights.rs
//! cargo run --release -p echobase-analysis --example train_risk -- check
//! ```
//!
//! `fit` makes runs of a simulated service ([`plant`]) under kinds of trouble and look-alikes ([`kinds`]) from fixed
//! seeds, sees them as the engine does ([`Engine::precursors`](echobase_analysis::Engine::precursors)), learns one score
//! for all horizons ([`boost`]) and reads from it a probability for each ([`curve`]). `recalibrate` keeps the trees that ship
//! and reads the probabilities anew. `check` leaves kinds out of the
//! learning and prints how well they are foreseen. `wear` fits what is said of machines without vital signs to a table of
//! units that ran to their end ([`engines`]). `scores` prints how often trouble
//! follows a stability score ([`scores`]). `rows FOLDER` hands the rows to other learners ([`dump`]).

mod boost;
mod check;
mod curve;
mod dump;
mod engines;
mod kinds;
mod noise;
mod plant;
mod print;
mod runs;
mod scores;

use std::process::ExitCode;

use boost::{Booster, Row, fill};
use curve::Curves;
use echobase_analysis::precursor::{FIGURES, PER_ROLE};
use echobase_analysis::risk::RiskModel;
use runs::Plan;

/// Trees of what ships.
const TREES: usize = 360;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["fit", version] => fit(version),
        ["recalibrate", version] => recalibrate(version),
        ["check"] => check::run(),
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
                "train_risk: want `fit VERSION`, `recalibrate VERSION`, `wear FILE`, `check`, `scores` or `rows FOLDER`"
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
    let booster = Booster::train(&rows, TREES);
    print::weights(version, &booster, &ordinary, &Curves::fit(&rows, &booster));
}

/// The trees that ship and their curve of sixty rows, with the curves of the other horizons around it.
fn recalibrate(version: &str) {
    const MIDDLE: f32 = 60.0;
    let shipped = RiskModel::shipped();
    let mut ordinary = [0.0; FIGURES];
    ordinary.copy_from_slice(shipped.ordinary);
    let mut rows = runs::rows(&Plan::learned());
    fill(&mut rows, &ordinary);
    let booster = Booster { trees: shipped.trees.to_vec() };
    let kept = shipped.curves.iter().find(|c| c.points == MIDDLE).map_or(&[][..], |c| c.probabilities);
    let curves = Curves::fit(&rows, &booster).around(MIDDLE, shipped.knots, kept);
    print::weights(version, &booster, &ordinary, &curves);
    check::curves(&booster, &ordinary, &curves);
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
