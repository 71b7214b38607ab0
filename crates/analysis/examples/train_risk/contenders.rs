//! Learners held against each other: the same rows to learn from and to judge, the same threshold.

use echobase_analysis::precursor::FIGURES;
use echobase_analysis::risk::{NEURONS, Network};

use crate::boost::{Booster, HORIZONS, Row, fill};
use crate::check::{FURTHER, Group, KNOWN, RANDOM, decided, only};
use crate::curve::{MIDDLE, decision};
use crate::forest::Forest;
use crate::runs::{self, Family, Plan};
use crate::{monotone, ordinary, recurrent};

/// Trees of the booster.
const TREES: usize = 360;

/// A learner by name: learns from rows and scores these and others.
type Learner = (&'static str, fn(&[Row], &[Row]) -> [Vec<f32>; 2]);

const LEARNERS: [Learner; 5] = [
    ("network that only rises (ships)", |learned, judged| {
        let network: Network<NEURONS> = monotone::train(learned);
        [learned, judged].map(|rows| scored(rows, |f| network.score(f)))
    }),
    ("logistic regression", |learned, judged| {
        let network: Network<0> = monotone::train(learned);
        [learned, judged].map(|rows| scored(rows, |f| network.score(f)))
    }),
    ("gradient boosting, monotone trees", |learned, judged| {
        let booster = Booster::train(learned, TREES);
        [learned, judged].map(|rows| scored(rows, |f| booster.score(f)))
    }),
    ("isolation forest", |learned, judged| {
        let forest = Forest::train(learned);
        [learned, judged].map(|rows| scored(rows, |f| forest.score(f)))
    }),
    ("recurrent network", recurrent::scores),
];
/// Of the learners, those whose mean is one more: network and trees.
const BLENDED: [usize; 2] = [0, 2];

fn scored(rows: &[Row], score: impl Fn(&[f32; FIGURES]) -> f32) -> Vec<f32> {
    rows.iter().map(|r| score(&r.figures)).collect()
}

/// Prints balanced accuracy at false-positive rate of every learner: of known and further kinds and of random faults, then
/// of kinds that were left out of the learning.
pub(crate) fn run() {
    type Which = fn(Family) -> bool;
    let folds: [(Which, &[Group]); 3] =
        [(|_| true, &[KNOWN, FURTHER, RANDOM]), (|f| !KNOWN.1(f), &[KNOWN]), (|f| !FURTHER.1(f), &[FURTHER])];
    let learned = runs::rows(&Plan::learned());
    let judged = runs::rows(&Plan::judged());
    let mut table: Vec<String> = vec![String::new(); LEARNERS.len() + 1];
    for (from, groups) in folds {
        let mut learned = only(&learned, from);
        let mut judged = judged.clone();
        let ordinary = ordinary(&learned);
        fill(&mut learned, &ordinary);
        fill(&mut judged, &ordinary);
        let mut scores: Vec<[Vec<f32>; 2]> = Vec::new();
        for (name, learner) in LEARNERS {
            scores.push(learner(&learned, &judged));
            eprintln!("train_risk: {name} learned");
        }
        let [one, other] = BLENDED;
        let mean = |of: usize| scores[one][of].iter().zip(&scores[other][of]).map(|(a, b)| a + b).collect();
        let blend = [mean(0), mean(1)];
        scores.push(blend);
        for (line, [of_learned, of_judged]) in table.iter_mut().zip(&scores) {
            let threshold = decision(&learned, of_learned);
            for (_, is_wanted) in groups {
                let is_alarm = |at: usize| of_judged[at] >= threshold;
                let (recall, alarms) = decided(&judged, HORIZONS[MIDDLE], is_alarm, is_wanted);
                *line += &format!(" {:.3} at {:.1} % |", 0.5 * (recall + 1.0 - alarms), 100.0 * alarms);
            }
            eprintln!("train_risk: {line}");
        }
    }
    println!(
        "| learner | known kinds | further kinds | random faults | known kinds left out | further kinds left out |"
    );
    println!("|---|---|---|---|---|---|");
    let names = LEARNERS.iter().map(|(name, _)| *name).chain(["mean of network and trees"]);
    for (name, line) in names.zip(table) {
        println!("| {name} |{line}");
    }
}
