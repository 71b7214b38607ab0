#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;

use super::*;

fn noise(seed: u64, i: usize) -> f64 {
    let mixed =
        (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
}

fn day(t: usize) -> f64 {
    (t as f64 * std::f64::consts::TAU / 24.0).sin()
}

/// Mean absolute error of the forecast of what follows the first `n` values.
fn error(value: impl Fn(usize) -> f64, n: usize, season: usize, horizon: usize) -> f64 {
    let y: Vec<f64> = (0..n).map(&value).collect();
    let ahead = forecast(&y, season, horizon).unwrap();
    ahead.steps.iter().enumerate().map(|(k, step)| (step.value - value(n + k)).abs()).sum::<f64>()
        / horizon as f64
}

#[test]
fn shapes_are_carried_on() {
    for (name, value, n, season, limit) in [
        ("constant", (|_| 7.0) as fn(usize) -> f64, 50, 1, 1e-12),
        ("line", |t| 3.0 * t as f64, 60, 1, 2.0),
        ("day", |t| 10.0 + day(t), 240, 24, 0.01),
        ("day and line", |t| 10.0 + day(t) + 0.01 * t as f64, 240, 24, 0.05),
        ("growth with season", |t| (0.01 * t as f64 + 0.3 * day(t)).exp(), 240, 24, 0.3),
        ("noise on a level", |t| 5.0 + noise(1, t), 300, 1, 0.35),
        ("noisy day", |t| 10.0 + 3.0 * day(t) + noise(2, t), 480, 24, 0.4),
        ("work week", |t| if t / 24 % 7 < 5 { 10.0 + day(t) } else { 2.0 }, 24 * 35, 24, 0.5),
        ("last of a new level", |t| if t < 200 { 1.0 } else { 9.0 }, 300, 1, 0.05),
    ] {
        let error = error(value, n, season, 24);
        assert!(error <= limit, "{name}: {error}");
    }
}

#[test]
fn intervals_hold_what_they_say() {
    // 40 noisy days each; of all rows 95 % are to be inside.
    let (mut inside, mut all) = (0, 0);
    for seed in 0..40 {
        let value = |t: usize| 10.0 + 3.0 * day(t) + 2.0 * noise(seed, t);
        let y: Vec<f64> = (0..240).map(value).collect();
        let ahead = forecast(&y, 24, 24).unwrap();
        for (k, step) in ahead.steps.iter().enumerate() {
            inside += usize::from((step.low..=step.high).contains(&value(240 + k)));
            all += 1;
        }
        assert!((0.85..=1.0).contains(&ahead.backtest.coverage), "{}", ahead.backtest.coverage);
    }
    let coverage = inside as f64 / all as f64;
    assert!((0.92..=1.0).contains(&coverage), "{coverage}");
}

#[test]
fn the_back_test_says_who_won_and_can_be_drawn() {
    let y: Vec<f64> = (0..480).map(|t| 10.0 + 3.0 * day(t) + noise(3, t)).collect();
    let test = forecast(&y, 24, 24).unwrap().backtest;
    assert_eq!((test.horizon, test.runs.len()), (24, 8));
    assert!(test.error < 0.9 * test.naive_error, "{} {}", test.error, test.naive_error);
    assert!((test.methods.iter().map(|m| m.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(test.methods.is_sorted_by(|a, b| a.weight >= b.weight) && test.methods.len() <= MEMBERS);
    assert!(test.runs.is_sorted_by(|a, b| a.rows_ago > b.rows_ago));
    let newest = test.runs.last().unwrap();
    assert_eq!((newest.rows_ago, newest.actual.as_slice()), (24, &y[456..]));
}

#[test]
fn gaps_short_history_and_long_horizons_are_borne() {
    let holes: Vec<f64> = (0..240).map(|t| if t % 11 == 3 { f64::NAN } else { 10.0 + day(t) }).collect();
    let ahead = forecast(&holes, 24, 24).unwrap();
    assert!(ahead.steps.iter().enumerate().all(|(k, s)| (s.value - 10.0 - day(240 + k)).abs() < 0.2));
    assert!(forecast(&[], 24, 5).is_none());
    assert!(forecast(&[f64::NAN, f64::INFINITY], 1, 5).is_none());
    for n in 1..60 {
        let y: Vec<f64> = (0..n).map(|t| 10.0 + day(t) + noise(4, t)).collect();
        for (season, horizon) in [(1, 1), (24, 3), (24, 100), (500, 7)] {
            let ahead = forecast(&y, season, horizon).unwrap();
            assert_eq!(ahead.steps.len(), horizon);
            assert!(ahead.steps.iter().all(|s| s.low <= s.value && s.value <= s.high && s.high.is_finite()));
            assert!(n == 1 || ahead.backtest.horizon <= n, "{n} {season} {horizon}");
        }
    }
}

fn any_series() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![6 => -1e3..1e3_f64, 2 => Just(0.0), 1 => Just(f64::NAN), 1 => -1e140..1e140_f64];
    prop::collection::vec(value, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_series_gives_ordered_finite_steps(y in any_series(), season in 0..40_usize, horizon in 1..40_usize) {
        let Some(ahead) = forecast(&y, season, horizon) else {
            prop_assert!(y.iter().all(|v| !v.is_finite()));
            return Ok(());
        };
        prop_assert_eq!(ahead.steps.len(), horizon);
        for step in &ahead.steps {
            prop_assert!(step.value.is_finite() && step.low <= step.value && step.value <= step.high, "{:?}", step);
        }
        prop_assert!((0.0..=1.0).contains(&ahead.backtest.coverage));
        prop_assert!(ahead.backtest.error.is_finite() && ahead.backtest.naive_error.is_finite());
        if y.iter().all(|v| v.is_nan() || *v >= 0.0) {
            prop_assert!(ahead.steps.iter().all(|step| step.low >= 0.0));
        }
    }

    #[test]
    fn the_unit_does_not_matter(seed in 0..1_000_u64, power in -6..7_i32) {
        // A power of two scales without rounding; logarithms are left out by values below zero.
        let scale = 2.0_f64.powi(power);
        let y: Vec<f64> = (0..150).map(|t| day(t) + noise(seed, t)).collect();
        let scaled: Vec<f64> = y.iter().map(|v| v * scale).collect();
        let (one, other) = (forecast(&y, 24, 12).unwrap(), forecast(&scaled, 24, 12).unwrap());
        for (one, other) in one.steps.iter().zip(&other.steps) {
            prop_assert!((one.value * scale - other.value).abs() < 1e-6 * scale, "{:?} {:?}", one, other);
            prop_assert!((one.high * scale - other.high).abs() < 1e-6 * scale, "{:?} {:?}", one, other);
        }
    }

    #[test]
    fn what_comes_later_does_not_change_the_past(seed in 0..1_000_u64) {
        // Runs of the back-test see nothing behind their cut: other ends give the same earlier forecasts of each
        // method, so that the newest run of a history is the forecast of its shorter self but for learned weights.
        let y: Vec<f64> = (0..200).map(|t| day(t) + noise(seed, t)).collect();
        let mut other = y.clone();
        for value in &mut other[180..] {
            *value += 5.0;
        }
        let seasons = Seasons::new(24, 200);
        let (one, two) = (member::all(&y, &[150, 180, 200], 20, seasons), member::all(&other, &[150, 180, 200], 20, seasons));
        for (one, two) in one.iter().zip(&two) {
            prop_assert_eq!((one.method, one.space), (two.method, two.space));
            prop_assert_eq!(&one.forecasts[..2], &two.forecasts[..2], "{:?}", one.method);
        }
    }
}
