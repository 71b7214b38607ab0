//! What the detector promises, whatever the series.

use echobase_analysis::{AnalysisConfig, Detection, Engine, RowDetector};
use echobase_types::assessment::{Anomaly, AnomalyShape};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};
use proptest::prelude::*;

use crate::noise::Noise;

const STEP: i64 = 300;
/// A Tuesday.
const START: i64 = 1_600_128_000;

fn time(i: usize) -> Timestamp {
    Timestamp::from_secs(START + i as i64 * STEP)
}

fn judge(rows: &[Vec<f64>], budget: f64) -> Vec<Detection> {
    let config = AnalysisConfig { false_alarms_per_week: budget, ..AnalysisConfig::default() };
    let mut detector = RowDetector::new(&config, rows.first().map_or(1, Vec::len));
    rows.iter().enumerate().map(|(i, row)| detector.observe(time(i), row)).collect()
}

/// A service with a daily swing.
fn usual(seed: u64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    (0..n)
        .map(|i| {
            let day = (i as i64 * STEP) as f64 / 86_400.0 * std::f64::consts::TAU;
            100.0 + 30.0 * day.sin() + 3.0 * noise.normal()
        })
        .collect()
}

fn table(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..columns[0].len()).map(|i| columns.iter().map(|c| c[i]).collect()).collect()
}

fn opened(rows: &[Detection]) -> usize {
    rows.iter().filter(|r| r.is_onset).count()
}

/// The anomalies of one gauge in the live engine, as they ended or stand at the end.
fn live(values: &[f64]) -> Vec<Anomaly> {
    let id = ResourceId::new("service:orders").unwrap();
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut told = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        engine.observe(&SignalBatch {
            resources: vec![Resource {
                id: id.clone(),
                kind: ResourceKind::Service,
                name: "orders".into(),
                attributes: Attributes::new(),
            }],
            series: vec![Series {
                id: SeriesId(1),
                resource: 0,
                name: "widgets".into(),
                unit: String::new(),
                kind: MetricKind::Gauge,
                attributes: Attributes::new(),
            }],
            points: vec![MetricPoint { series: 0, time: time(i), value }],
            ..SignalBatch::default()
        });
        let open = engine.assess(time(i)).into_iter().flat_map(|a| a.anomalies);
        let changed = engine.take_transitions().into_iter().map(|(_, a)| a);
        for anomaly in open.chain(changed).collect::<Vec<_>>() {
            told.retain(|known: &Anomaly| known.id != anomaly.id);
            told.push(anomaly);
        }
    }
    told
}

#[test]
fn the_live_engine_and_the_table_open_the_same_anomalies() {
    let mut values = usual(1, 3_000);
    values[2_500] += 200.0;
    for v in &mut values[2_700..] {
        *v += 90.0;
    }
    let rows = judge(&values.iter().map(|v| vec![*v]).collect::<Vec<_>>(), 2.0);
    let of_table: Vec<Timestamp> =
        rows.iter().enumerate().filter(|(_, r)| r.is_onset).map(|(i, _)| time(i)).collect();
    let of_engine: Vec<Timestamp> = live(&values).iter().map(|a| a.started_at).collect();
    assert_eq!(of_table, of_engine);
    assert!(of_table.contains(&time(2_500)) && of_table.contains(&time(2_700)), "{of_table:?}");
}

/// What a fault makes of the `i`-th value after its onset.
type Change = fn(usize, f64) -> f64;

#[test]
fn each_shape_is_called_by_its_name() {
    let n = 3_200;
    let at = 3_000;
    let cases: [(AnomalyShape, Change); 4] = [
        (AnomalyShape::Spike, |i, v| if i < 2 { v + 150.0 } else { v }),
        (AnomalyShape::LevelShift, |_, v| v + 90.0),
        (AnomalyShape::Variance, |i, v| v + if i % 2 == 0 { 25.0 } else { -25.0 }),
        (AnomalyShape::FlatLine, |_, _| 104.25),
    ];
    for (shape, change) in cases {
        let mut values = usual(7, n);
        for (i, v) in values[at..].iter_mut().enumerate() {
            *v = change(i, *v);
        }
        let told = live(&values);
        let hit = told.iter().filter(|a| a.started_at >= time(at)).map(|a| (a.shape, a.words.clone()));
        let hit: Vec<_> = hit.collect();
        assert!(hit.iter().any(|(s, _)| *s == shape), "{shape:?}: {hit:?}");
    }
}

#[test]
fn a_larger_budget_opens_more_and_the_default_stays_within_it() {
    let mut alerts = [0; 4];
    let weeks = 12.0 * 4_000.0 * STEP as f64 / 604_800.0;
    for seed in 0..12 {
        let rows: Vec<Vec<f64>> = usual(seed, 4_000).into_iter().map(|v| vec![v]).collect();
        for (sum, budget) in alerts.iter_mut().zip([0.5, 2.0, 7.0, 20.0]) {
            *sum += opened(&judge(&rows, budget));
        }
    }
    assert!(alerts.windows(2).all(|p| p[0] < p[1]), "{alerts:?}");
    for (sum, budget) in alerts.iter().zip([0.5, 2.0, 7.0, 20.0]) {
        let share = f64::from(*sum as u32) / weeks / budget;
        assert!(share < 1.3, "budget {budget}: {share}");
    }
}

/// A job that runs every `period` rows and takes a tenth of that.
fn jobs(seed: u64, period: f64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    (0..n)
        .map(|i| {
            let phase = (i as f64 / period).fract();
            let job = if phase < 0.1 { 40.0 } else { 0.0 };
            100.0 + job + 15.0 * (phase * std::f64::consts::TAU).sin() + noise.normal()
        })
        .collect()
}

#[test]
fn a_cycle_that_no_calendar_knows_becomes_usual_and_a_turn_left_out_does_not() {
    for (period, rows) in [(12.0, 12), (37.0, 37), (72.0, 72)] {
        let (mut early, mut late, mut found) = (0, 0, 0);
        for seed in 0..6 {
            let mut values = jobs(seed, period, 3_200);
            for v in &mut values[3_000..3_000 + rows] {
                *v = 100.0;
            }
            let judged = judge(&values.iter().map(|v| vec![*v]).collect::<Vec<_>>(), 2.0);
            early += opened(&judged[..1_000]);
            late += opened(&judged[1_000..3_000]);
            found += opened(&judged[3_000..3_000 + rows + 5]).min(1);
        }
        // 6 series of 7 days at 2 a week: 12, give or take.
        assert!(late <= 18, "{period}: {early} then {late}");
        assert!(found >= 5, "{period}: {found} of 6 turns left out were told");
    }
}

#[test]
fn metrics_that_fail_together_open_one_anomaly_with_its_drivers() {
    let mut columns: Vec<Vec<f64>> = (0..8).map(|seed| usual(seed, 3_000)).collect();
    for j in [1, 4, 6] {
        for v in &mut columns[j][2_600..2_620] {
            *v += 45.0;
        }
    }
    let rows = judge(&table(&columns), 2.0);
    let hit = rows.iter().enumerate().find(|(i, r)| r.is_onset && *i >= 2_600).unwrap();
    assert!(hit.0 < 2_603, "at {}", hit.0);
    let mut drivers = hit.1.drivers.clone();
    drivers.sort_unstable();
    assert_eq!(drivers, [1, 4, 6]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_row_depends_on_no_later_row(seed in 0_u64..1_000, cut in 100_usize..700) {
        let mut noise = Noise::new(seed);
        let rows: Vec<Vec<f64>> = (0..800)
            .map(|i| {
                let off = if i % 211 > 200 { 40.0 } else { 0.0 };
                vec![noise.normal() + off, noise.uniform() * 5.0]
            })
            .collect();
        prop_assert_eq!(&judge(&rows, 2.0)[..cut], &judge(&rows[..cut], 2.0)[..]);
    }

    #[test]
    fn whatever_comes_in_the_figures_are_finite_and_in_range(
        values in proptest::collection::vec(
            prop_oneof![
                any::<f64>(),
                Just(f64::NAN),
                Just(f64::INFINITY),
                Just(0.0),
                -1e3..1e3_f64,
            ],
            1..400,
        ),
    ) {
        for columns in [1, 3] {
            let rows: Vec<Vec<f64>> = values.chunks_exact(columns).map(<[f64]>::to_vec).collect();
            for said in judge(&rows, 2.0) {
                prop_assert!(said.score.is_finite() && said.score >= 0.0, "{}", said.score);
                prop_assert!(said.alert.is_finite() && said.alert >= 0.0, "{}", said.alert);
                prop_assert!(said.drivers.iter().all(|d| *d < columns));
            }
        }
    }
}
