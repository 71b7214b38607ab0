//! Time per series and error against "the last season once more": `cargo bench -p echobase-analysis --bench forecast`.
//! Series are made here from a seed: days and weeks of hours, years of weeks, days of 5-minute telemetry. Prints one
//! line of figures per kind; with `-- --json` as JSON.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use echobase_analysis::forecast::forecast;

const SERIES: u64 = 40;

/// One kind of series.
struct Kind {
    name: &'static str,
    rows: usize,
    season: usize,
    horizon: usize,
    value: fn(usize, &mut Noise) -> f64,
}

const KINDS: [Kind; 4] = [
    Kind { name: "hours with days and weeks", rows: 960, season: 24, horizon: 48, value: hours },
    Kind { name: "weeks with years", rows: 900, season: 52, horizon: 13, value: weeks },
    Kind { name: "5-minute telemetry", rows: 4_032, season: 288, horizon: 48, value: telemetry },
    Kind { name: "quarters", rows: 72, season: 4, horizon: 8, value: quarters },
];

/// Even noise from a seed, with a part that lingers.
struct Noise {
    state: u64,
    slow: f64,
}

impl Noise {
    fn next(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let even = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        self.slow = 0.9 * self.slow + even;
        even
    }
}

fn wave(t: usize, length: f64) -> f64 {
    (t as f64 * std::f64::consts::TAU / length).sin()
}

fn hours(t: usize, noise: &mut Noise) -> f64 {
    let weekend = if t / 24 % 7 >= 5 { 0.6 } else { 1.0 };
    noise.next();
    100.0 + 40.0 * weekend * wave(t, 24.0) + 10.0 * noise.slow
}

fn weeks(t: usize, noise: &mut Noise) -> f64 {
    noise.next();
    (6.0 + 0.001 * t as f64 + 0.2 * wave(t, 52.0) + 0.05 * noise.slow).exp()
}

fn telemetry(t: usize, noise: &mut Noise) -> f64 {
    let spike = if noise.next() > 0.49 { 30.0 } else { 0.0 };
    40.0 + 15.0 * wave(t, 288.0) + 4.0 * noise.slow + spike
}

fn quarters(t: usize, noise: &mut Noise) -> f64 {
    200.0 + t as f64 + 20.0 * wave(t, 4.0) + 15.0 * noise.next()
}

fn main() {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let mut told = serde_json::Map::new();
    for kind in &KINDS {
        let (mut own, mut naive, mut inside, mut rows) = (0.0, 0.0, 0_usize, 0_usize);
        let mut seconds = Vec::new();
        for seed in 0..SERIES {
            let mut noise = Noise { state: seed, slow: 0.0 };
            let all: Vec<f64> = (0..kind.rows + kind.horizon).map(|t| (kind.value)(t, &mut noise)).collect();
            let (history, actual) = all.split_at(kind.rows);
            let begun = Instant::now();
            let ahead = black_box(forecast(black_box(history), kind.season, kind.horizon));
            seconds.push(begun.elapsed().as_secs_f64());
            let steps = ahead.map(|ahead| ahead.steps).unwrap_or_default();
            for (k, (step, actual)) in steps.iter().zip(actual).enumerate() {
                own += (step.value - actual).abs();
                naive += (history[kind.rows - kind.season + k % kind.season] - actual).abs();
                inside += usize::from((step.low..=step.high).contains(actual));
                rows += 1;
            }
        }
        // The median: another program that takes the core for a moment is not the forecast's time.
        seconds.sort_by(f64::total_cmp);
        let millis = seconds[seconds.len() / 2] * 1e3;
        let (error, inside) = (own / naive, 100.0 * inside as f64 / rows as f64);
        if as_json {
            told.insert(kind.name.to_owned(), serde_json::json!(millis));
            continue;
        }
        println!(
            "{:28} {millis:6.2} ms a series, error {error:.2} of seasonal naive, {inside:.1} % inside the 95 % interval",
            kind.name,
        );
    }
    if as_json {
        println!("{}", serde_json::json!({ "ms_per_series": told }));
    }
}
