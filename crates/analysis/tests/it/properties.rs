//! The ten properties of the stability score, over whole runs of the engine: bounded, monotone, reacts, continuous,
//! recovers, good news, free of units, free of order, quiet, low before a collapse (that one in `collapse`).

use echobase_analysis::RowVerdict;

use crate::collapse::{Family, NAMES, generate, judge};
use crate::noise::Noise;

const N: usize = 600;
const FROM: usize = 400;

fn stability(columns: &[Vec<f64>]) -> Vec<f64> {
    judge(columns, &NAMES).iter().map(RowVerdict::stability).collect()
}

fn healthy(seed: u64) -> Vec<Vec<f64>> {
    generate(seed, Family::Quiet, N).columns
}

fn worsen(columns: &[Vec<f64>], j: usize, k: f64) -> Vec<Vec<f64>> {
    let mut worse = columns.to_vec();
    let rps = columns[0].iter().sum::<f64>() / N as f64;
    for i in FROM..N {
        let ramp = ((i - FROM) as f64 / 30.0).min(1.0);
        let x = columns[j][i];
        worse[j][i] = match NAMES[j] {
            "cpu" | "mem" | "conns" | "disk" => x + (0.995 - x) * (k / 4.0).min(1.0) * ramp,
            "error_rate" => (x + 0.1 * k * ramp).min(1.0),
            "queue" => x + rps * 10.0 * k * ramp,
            _ => x * (1.0 + 2.0 * k * ramp),
        };
    }
    worse
}

fn tail(scores: &[f64]) -> f64 {
    scores[N - 60..].iter().sum::<f64>() / 60.0
}

#[test]
fn worse_is_never_better_and_saturation_is_clearly_seen() {
    let columns = healthy(7_000);
    for (j, name) in NAMES.iter().enumerate().skip(1) {
        let scores: Vec<f64> =
            [0.0, 0.25, 0.5, 1.0, 2.0, 4.0].map(|k| tail(&stability(&worsen(&columns, j, k)))).into();
        assert!(scores.windows(2).all(|p| p[1] <= p[0] + 0.01), "{name}: {scores:?}");
        assert!(scores[0] - scores[5] >= 0.2, "{name}: {scores:?}");
    }
}

#[test]
fn whatever_comes_in_a_score_comes_out() {
    let mut noise = Noise::new(1);
    let holes = |c: Vec<Vec<f64>>, noise: &mut Noise| -> Vec<Vec<f64>> {
        c.into_iter()
            .map(|c| c.into_iter().map(|v| if noise.uniform() < 0.2 { f64::NAN } else { v }).collect())
            .collect()
    };
    for columns in [
        vec![vec![0.0; N]; 10],
        vec![vec![1e12; N]; 10],
        vec![vec![-1e12; N]; 10],
        vec![vec![f64::INFINITY; N]; 10],
        holes(healthy(7_001), &mut noise),
    ] {
        for row in judge(&columns, &NAMES) {
            for figure in [row.stability(), row.risk()] {
                assert!(figure.is_finite() && (0.0..=1.0).contains(&figure), "{figure}");
            }
        }
    }
}

#[test]
fn small_noise_units_and_order_do_not_matter() {
    let columns = healthy(7_002);
    let base = stability(&columns);
    let mut noise = Noise::new(5);
    let jittered: Vec<Vec<f64>> =
        columns.iter().map(|c| c.iter().map(|v| v * (1.0 + 1e-3 * noise.normal())).collect()).collect();
    let mut scaled = columns.clone();
    for j in [0, 1, 2, 6, 9] {
        scaled[j].iter_mut().for_each(|v| *v *= 1_000.0);
    }
    let order = [3, 8, 1, 9, 0, 5, 7, 2, 6, 4];
    let names = order.map(|j| NAMES[j]);
    let shuffled: Vec<Vec<f64>> = order.iter().map(|&j| columns[j].clone()).collect();
    let of_shuffled: Vec<f64> = judge(&shuffled, &names).iter().map(RowVerdict::stability).collect();
    for (what, other) in
        [("noise", stability(&jittered)), ("units", stability(&scaled)), ("order", of_shuffled)]
    {
        let most = (300..N).map(|i| (other[i] - base[i]).abs()).fold(0.0, f64::max);
        assert!(most <= 0.02, "{what}: {most}");
    }
}

#[test]
fn good_news_never_lowers_it_and_trouble_that_ends_is_forgotten() {
    let columns = healthy(7_003);
    let base = stability(&columns);
    let mut better = columns.clone();
    for j in [1, 2, 3, 9] {
        better[j][FROM..].iter_mut().for_each(|v| *v *= 0.5);
    }
    assert!(tail(&stability(&better)) >= tail(&base) - 0.05);
    let mut trouble = columns.clone();
    for v in &mut trouble[2][300..400] {
        *v *= 9.0;
    }
    let seen = stability(&trouble);
    assert!(seen[395] < 0.7, "{}", seen[395]);
    let mean = |s: &[f64]| s[460..].iter().sum::<f64>() / (N - 460) as f64;
    assert!(mean(&seen) >= 0.9 * mean(&base), "{} {}", mean(&seen), mean(&base));
}

#[test]
fn quiet_runs_score_above_nine_tenths() {
    for seed in 7_000..7_006 {
        let scores = stability(&healthy(seed));
        let well = scores[300..].iter().filter(|s| **s >= 0.9).count() as f64 / (N - 300) as f64;
        assert!(well >= 0.95, "seed {seed}: {well}");
    }
}

#[test]
fn the_risk_never_falls_with_the_horizon_and_is_the_same_at_the_configured_one() {
    for (seed, family) in
        [(1, Family::Quiet), (2, Family::MemoryLeak), (3, Family::LoadRamp), (4, Family::GcSaw)]
    {
        let run = generate(seed, family, N);
        let mut highest = 0.0_f64;
        for row in judge(&run.columns, &NAMES).into_iter().filter_map(|r| r.assessment) {
            let risk = &row.risk;
            let said: Vec<f64> = risk.horizons.iter().map(|h| h.probability).collect();
            assert_eq!(said.len(), 4, "{family:?}");
            assert!(said.windows(2).all(|p| p[0] <= p[1]), "{family:?} {risk:?}");
            assert_eq!(said[2], risk.probability, "judged for an hour: {family:?} {risk:?}");
            highest = highest.max(said[0]);
        }
        assert_eq!(highest > 0.5, run.failed_at.is_some(), "{family:?}: {highest} within five minutes");
    }
}
