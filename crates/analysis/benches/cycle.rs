//! One cycle over 1,000 resources with 20 series each: `cargo bench -p echobase-analysis`. Prints one line of figures;
//! with `-- --json` as JSON.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

const RESOURCES: u64 = 1_000;
const ROUNDS: i64 = 120;

/// Ten vital signs and ten series of other kinds.
const NAMES: [&str; 20] = [
    "cpu",
    "mem",
    "disk",
    "conns",
    "rps",
    "lat_p50",
    "lat_p99",
    "error_rate",
    "queue",
    "dep_latency",
    "gc.count",
    "gc.pause",
    "threads",
    "heap.objects",
    "cache.hits",
    "cache.misses",
    "bytes.in",
    "bytes.out",
    "sessions",
    "locks",
];

fn batch(resource: u64) -> SignalBatch {
    let id = ResourceId::new(&format!("service:s{resource}"));
    let resources = id.into_iter().map(|id| Resource {
        id,
        kind: ResourceKind::Service,
        name: format!("s{resource}"),
        attributes: Attributes::new(),
    });
    let series = NAMES.iter().enumerate().map(|(j, name)| Series {
        id: SeriesId(resource * 100 + j as u64),
        resource: 0,
        name: (*name).to_owned(),
        unit: String::new(),
        kind: MetricKind::Gauge,
        attributes: Attributes::new(),
    });
    SignalBatch { resources: resources.collect(), series: series.collect(), ..SignalBatch::default() }
}

fn main() {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut batches: Vec<SignalBatch> = (0..RESOURCES).map(batch).collect();
    let mut state = 1_u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let (mut observing, mut assessing) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let time = Timestamp::from_secs(1_750_000_000 + round * 10);
        for batch in &mut batches {
            batch.points.clear();
            for j in 0..NAMES.len() {
                let value = if j < 4 { 0.3 + 0.1 * noise() } else { 10.0 + noise() };
                let value = if j == 7 { value / 1e5 } else { value };
                batch.points.push(MetricPoint { series: j as u32, time, value });
            }
        }
        let start = Instant::now();
        for batch in &batches {
            engine.observe(black_box(batch));
        }
        let observed = start.elapsed().as_secs_f64();
        let start = Instant::now();
        black_box(engine.assess(time));
        let assessed = start.elapsed().as_secs_f64();
        engine.take_transitions();
        // The first rounds build the state.
        if round >= ROUNDS / 2 {
            observing.push(observed);
            assessing.push(assessed);
        }
    }
    observing.sort_by(f64::total_cmp);
    assessing.sort_by(f64::total_cmp);
    let half = assessing.len() / 2;
    let micros = |seconds: f64| seconds / (RESOURCES as f64 * NAMES.len() as f64) * 1e6;
    if std::env::args().any(|argument| argument == "--json") {
        println!(
            "{}",
            serde_json::json!({
                "resources": RESOURCES,
                "series_per_resource": NAMES.len(),
                "assess_ms": assessing[half] * 1e3,
                "observe_us_per_value": micros(observing[half]),
                "bytes_per_series": engine.memory_bytes() / engine.series(),
            })
        );
        return;
    }
    println!(
        "analysis cycle, 1,000 resources x 20 series (median, best of {} cycles): assess {:.1}, {:.1} ms (target < 100 ms); observe {:.2}, {:.2} us a point (target <= 2 us); {} bytes a series with names and trends; detection and drift {} bytes a series (target <= 4,096)",
        assessing.len(),
        assessing[half] * 1e3,
        assessing[0] * 1e3,
        micros(observing[half]),
        micros(observing[0]),
        engine.memory_bytes() / engine.series(),
        Engine::bytes_per_series()
    );
}
