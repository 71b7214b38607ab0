use super::*;

/// A repeatable stand-in for noise, -1..=1.
fn noise(i: i64) -> f64 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x as f64 / u64::MAX as f64) * 2.0 - 1.0
}

fn surprises(n: i64, step: i64, f: impl Fn(i64) -> f64) -> Vec<f32> {
    let mut d = Detector::new(0.0);
    (0..n).map(|i| d.observe(f(i), 1_600_000_000 + i * step, step as f64).surprise).collect()
}

#[test]
fn a_far_value_is_far_more_surprising_than_noise() {
    let s = surprises(1_000, 60, |i| 10.0 + noise(i) + if i == 900 { 30.0 } else { 0.0 });
    let usual = s[500..900].iter().copied().fold(0.0, f32::max);
    assert!(usual < 4.4, "usual {usual}");
    assert!(s[900] > 5.0, "spike {}", s[900]);
}

#[test]
fn scale_and_offset_of_the_values_do_not_matter() {
    let plain = surprises(600, 60, |i| noise(i) + if i > 500 { 5.0 } else { 0.0 });
    let scaled = surprises(600, 60, |i| 1e6 * (noise(i) + if i > 500 { 5.0 } else { 0.0 }));
    for (a, b) in plain.iter().zip(&scaled) {
        assert!((a - b).abs() < 0.05, "{a} {b}");
    }
}

#[test]
fn a_series_that_stops_moving_is_told_as_still() {
    let mut d = Detector::new(0.0);
    let mut last = (0.0, Statistic::Innovation);
    for i in 0..700_i64 {
        let v = if i < 600 { 10.0 + noise(i) } else { 10.3 };
        let said = d.observe(v, 1_600_000_000 + i * 60, 60.0);
        if said.surprise > last.0 && i > 610 {
            last = (said.surprise, said.statistic);
        }
    }
    assert_eq!(last.1, Statistic::Still);
    assert!(last.0 > 2.0, "{last:?}");
}

#[test]
fn the_daily_cycle_is_learned() {
    let day = |i: i64| 100.0 + 50.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin() + noise(i);
    let mut d = Detector::new(0.0);
    let mut worst: f64 = 0.0;
    for i in 0..288 * 6 {
        let said = d.observe(day(i), 1_600_041_600 + i * 300, 300.0);
        if i > 288 * 5 {
            worst = worst.max((said.expected - day(i)).abs());
        }
    }
    assert!(worst < 25.0, "expected within a quarter of the swing, off by {worst}");
}

#[test]
fn extreme_values_leave_it_finite() {
    let mut d = Detector::new(0.0);
    for i in 0..400_i64 {
        let v = [0.0, 1e300, -1e300, 1e-300, 1e12][(i % 5) as usize];
        let said = d.observe(v, i, 1.0);
        assert!(said.surprise.is_finite() && said.expected.is_finite() && said.sigma.is_finite(), "{said:?}");
    }
}

#[test]
fn a_share_that_was_always_zero_speaks_at_its_first_rise() {
    let mut d = Detector::new(0.002);
    for i in 0..60 {
        assert_eq!(d.observe(0.0, i, 1.0).surprise, 0.0);
    }
    assert!(d.observe(0.3, 60, 1.0).surprise > 6.5);
}
