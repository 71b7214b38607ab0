use super::*;

const STEP: i64 = 300;

/// A repeatable stand-in for noise, -1..=1.
fn noise(i: i64) -> f32 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x as f64 / u64::MAX as f64) as f32 * 2.0 - 1.0
}

/// Runs `n` values through; the answer is the cycle, and the share of the error that the levels left over in the last
/// tenth.
fn run(n: i64, f: impl Fn(i64) -> f32) -> (Cycle, f32) {
    let mut cycle = Cycle::default();
    let (mut without, mut with) = (0.0, 0.0);
    for i in 0..n {
        let added = cycle.at(1_600_000_000 + i * STEP).unwrap_or(0.0);
        let value = f(i);
        if i >= n * 9 / 10 {
            without += value.abs();
            with += (value - added).abs();
        }
        cycle.learn(value, 1.0, STEP as f64);
    }
    (cycle, with / without)
}

#[test]
fn cycles_of_any_length_are_found_and_learned() {
    use std::f32::consts::TAU;
    type Shape = fn(f32) -> f32;
    let sine: Shape = |phase| 3.0 * (phase * TAU).sin();
    let pulse: Shape = |phase| if phase.fract() < 0.12 { 3.0 } else { -0.4 };
    let saw: Shape = |phase| 3.0 * phase.fract() - 1.5;
    let table: [(f32, Shape, i64, f32); 8] = [
        (5.0, sine, 800, 0.6),
        (12.0, sine, 800, 0.5),
        (12.0, pulse, 800, 0.7),
        (36.5, sine, 1_500, 0.5),
        (37.0, pulse, 1_500, 0.75),
        (72.0, saw, 1_500, 0.6),
        (96.0, sine, 2_000, 0.5),
        (200.0, sine, 3_000, 0.5),
    ];
    for (rows, shape, n, left) in table {
        let (cycle, share) = run(n, |i| shape(i as f32 / rows) + 0.5 * noise(i));
        let period = rows * STEP as f32;
        let found = cycle.known.as_ref().map_or(0.0, |k| k.period);
        let turns = (found / period).round().max(1.0);
        let off = (found / period / turns - 1.0).abs();
        assert!(off < 0.03 && cycle.helps(), "{rows}: {found} of {period}");
        assert!(share < left, "{rows}: {share} of the error is left");
    }
}

#[test]
fn what_has_no_cycle_gets_none() {
    let mut walk = [0.0_f32; 8_000];
    let mut smooth = walk;
    for i in 1..walk.len() {
        walk[i] = (walk[i - 1] + noise(i as i64)).clamp(-4.0, 4.0);
        smooth[i] = 0.95 * smooth[i - 1] + noise(3 * i as i64);
    }
    type Values = Box<dyn Fn(i64) -> f32>;
    let cases: [(&str, Values); 4] = [
        ("nothing", Box::new(|_| 0.0)),
        ("noise", Box::new(noise)),
        ("walk", Box::new(move |i| walk[i as usize])),
        ("smooth", Box::new(move |i| smooth[i as usize])),
    ];
    for (name, f) in cases {
        for n in [700, 1_500, 3_000, 8_000] {
            assert!(!run(n, &f).0.helps(), "{name} after {n}");
        }
    }
}

#[test]
fn a_gap_does_not_lose_the_phase() {
    let wave = |i: i64| 3.0 * (i as f32 / 20.0 * std::f32::consts::TAU).sin();
    let (mut cycle, _) = run(600, wave);
    for i in 733..800 {
        let added = cycle.at(1_600_000_000 + i * STEP).unwrap_or(f32::NAN);
        assert!((added - wave(i)).abs() < 1.0, "{i}: {added} for {}", wave(i));
        cycle.learn(wave(i), 1.0, STEP as f64);
    }
}

#[test]
fn a_cycle_that_ends_is_dropped() {
    let (cycle, _) = run(3_000, |i| if i < 1_000 { 3.0 * (i as f32 / 2.0).sin() } else { noise(i) });
    assert!(!cycle.helps());
}
