//! How often trouble follows a stability score.

use echobase_analysis::{AnalysisConfig, RowVerdict, assess_columns};
use echobase_types::Timestamp;

use crate::plant::NAMES;
use crate::runs::{Plan, Run};

/// Rows within which trouble must come, and the upper ends of the bins of the score.
const WITHIN: usize = 60;
const BINS: [f64; 8] = [0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01];
/// Failed share from which on it is trouble.
const FAILED: f64 = 0.01;

#[derive(Clone, Copy, Default)]
struct Bin {
    rows: f64,
    score: f64,
    troubled: f64,
    collapsed: f64,
}

/// Prints for each bin of the score how often more than 1 % of the requests failed within the next 60 rows, and how often
/// the service collapsed.
pub(crate) fn run() {
    let plan = Plan { known: 5, further: 5, mixed: 100, varied: 0, first_seed: 900_000 };
    let jobs = plan.jobs();
    let half = jobs.len() / 2;
    let sum = |jobs: &[_]| {
        let mut bins = [Bin::default(); BINS.len()];
        for (family, seed) in jobs {
            let run = Run::make(*family, *seed);
            if run.is_useful() {
                one(&run, &mut bins);
            }
        }
        bins
    };
    let (mut bins, others) = std::thread::scope(|scope| {
        let others = scope.spawn(|| sum(&jobs[half..]));
        (sum(&jobs[..half]), others.join().unwrap_or_default())
    });
    println!("{:>14} {:>9} {:>8} {:>9} {:>10}", "score", "share", "mean", "troubled", "collapsed");
    let all: f64 = bins.iter().chain(&others).map(|b| b.rows).sum();
    let mut from = 0.0;
    for ((bin, other), to) in bins.iter_mut().zip(others).zip(BINS) {
        let rows = bin.rows + other.rows;
        println!(
            "{from:>6.2} to {:>4.2} {:>9.4} {:>8.3} {:>9.3} {:>10.3}",
            to.min(1.0),
            rows / all,
            (bin.score + other.score) / rows,
            (bin.troubled + other.troubled) / rows,
            (bin.collapsed + other.collapsed) / rows
        );
        from = to;
    }
}

fn one(run: &Run, bins: &mut [Bin; BINS.len()]) {
    let rows: Vec<[f64; NAMES.len()]> = run.measured().collect();
    let columns: Vec<Vec<f64>> = (0..NAMES.len()).map(|j| rows.iter().map(|r| r[j]).collect()).collect();
    let times: Vec<Timestamp> = (0..rows.len()).map(|i| Timestamp::from_secs(60 * i as i64)).collect();
    let verdicts = assess_columns(AnalysisConfig::default(), &times, &NAMES, &columns);
    // Rows of the future do not count where the run ends before they come.
    let judged = if run.collapses() { rows.len() - 1 } else { rows.len().saturating_sub(WITHIN) };
    for (at, score) in verdicts.iter().map(RowVerdict::stability).enumerate().take(judged).skip(2 * WITHIN) {
        let ahead = &rows[at + 1..(at + 1 + WITHIN).min(rows.len())];
        let collapsed = run.collapses() && at + WITHIN >= rows.len() - 1;
        let troubled = collapsed || ahead.iter().any(|r| r[3] > FAILED);
        let bin = &mut bins[BINS.partition_point(|b| *b <= score).min(BINS.len() - 1)];
        bin.rows += 1.0;
        bin.score += score;
        bin.troubled += f64::from(u8::from(troubled));
        bin.collapsed += f64::from(u8::from(collapsed));
    }
}
