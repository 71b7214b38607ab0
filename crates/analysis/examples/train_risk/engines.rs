//! Wear, from machines that ran to their end: a table `unit,…,<sensor>,…` in order of time, as C-MAPSS has it.
//!
//! Log-odds of the end within each of [`HORIZONS`] are a constant of the horizon plus a weighted sum of the figures of
//! wear (proportional odds, McCullagh 1980), fitted by Newton's method with a ridge.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use echobase_analysis::wear::FIGURES;
use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

/// Horizons in rows; the last is where the decision is.
pub(crate) const HORIZONS: [f64; 5] = [5.0, 10.0, 15.0, 20.0, 30.0];
/// Rows at the begin of each unit that are left out.
const YOUNG: usize = 20;
/// Share of the rows before the last horizon above one half.
const FALSE_ALARMS: f64 = 0.035;
const RIDGE: f64 = 3.0;
const FOLDS: usize = 5;
const PARTS: usize = FIGURES + HORIZONS.len();

/// A row: its figures, the rows that are left, the unit it is of.
struct Row {
    figures: [f64; FIGURES],
    left: f64,
    unit: usize,
}

/// What was fitted: a constant per horizon, a weight per figure.
pub(crate) struct Fitted {
    pub(crate) offsets: [f64; HORIZONS.len()],
    pub(crate) weights: [f64; FIGURES],
}

impl Fitted {
    fn sum(&self, row: &Row) -> f64 {
        self.weights.iter().zip(&row.figures).map(|(w, f)| w * f).sum()
    }
}

/// Fits all units of a table, and prints how well it holds for units that were left out.
pub(crate) fn fit(path: &Path) -> io::Result<Fitted> {
    let rows = read(path)?;
    let units = rows.iter().map(|r| r.unit).max().unwrap_or(0) + 1;
    let mut sums = vec![0.0; rows.len()];
    for fold in 0..FOLDS {
        // Not by the order of the table, which may mean something.
        let is_left_out = |r: &Row| (r.unit * 37 + 11) % units % FOLDS == fold;
        let fitted = newton(&rows, |r| !is_left_out(r));
        for (at, row) in rows.iter().enumerate().filter(|(_, r)| is_left_out(r)) {
            sums[at] = fitted.sum(row) + fitted.offsets[HORIZONS.len() - 1];
        }
        for (place, horizon) in HORIZONS.into_iter().enumerate() {
            report(&format!("fold {fold}"), &rows, horizon, |r| {
                is_left_out(r).then(|| odds(fitted.sum(r) + fitted.offsets[place]))
            });
        }
    }
    report("left out, all folds", &rows, HORIZONS[HORIZONS.len() - 1], {
        let mut at = 0;
        move |_| {
            at += 1;
            Some(odds(sums[at - 1]))
        }
    });
    Ok(newton(&rows, |_| true))
}

fn odds(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn report(name: &str, rows: &[Row], horizon: f64, mut risk: impl FnMut(&Row) -> Option<f64>) {
    let (mut hits, mut ending, mut alarms, mut well) = (0.0, 0.0, 0.0, 0.0);
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for row in rows {
        let Some(p) = risk(row) else { continue };
        let bin: &mut (f64, f64, f64) = &mut bins[((p * 10.0) as usize).min(9)];
        let ends = f64::from(u8::from(row.left <= horizon));
        *bin = (bin.0 + 1.0, bin.1 + p, bin.2 + ends);
        let alarm = f64::from(u8::from(p >= 0.5));
        (hits, ending) = (hits + ends * alarm, ending + ends);
        (alarms, well) = (alarms + (1.0 - ends) * alarm, well + 1.0 - ends);
    }
    let (recall, false_alarms) = (hits / ending, alarms / well);
    let error = bins.iter().map(|b| (b.1 - b.2).abs()).sum::<f64>() / (ending + well);
    eprintln!(
        "train_risk: {name}, within {horizon}: balanced {:.3} recall {recall:.3} false {false_alarms:.4} \
         calibration {error:.4}",
        0.5 * (recall + 1.0 - false_alarms)
    );
}

/// Newton's method on standardised figures, then the threshold of the decision moved to [`FALSE_ALARMS`].
fn newton(rows: &[Row], is_wanted: impl Fn(&Row) -> bool) -> Fitted {
    let rows: Vec<&Row> = rows.iter().filter(|r| is_wanted(r)).collect();
    let n = rows.len() as f64;
    let mut mean = [0.0; FIGURES];
    let mut spread = [0.0; FIGURES];
    for j in 0..FIGURES {
        mean[j] = rows.iter().map(|r| r.figures[j]).sum::<f64>() / n;
        spread[j] = (rows.iter().map(|r| (r.figures[j] - mean[j]).powi(2)).sum::<f64>() / n).sqrt().max(1e-9);
    }
    let mut x = [0.0; PARTS];
    for (k, horizon) in HORIZONS.into_iter().enumerate() {
        let hits = rows.iter().filter(|r| r.left <= horizon).count() as f64;
        x[FIGURES + k] = ((hits + 1.0) / (n - hits + 1.0)).ln();
    }
    for _ in 0..25 {
        let mut slope = [0.0; PARTS];
        let mut curvature = vec![[0.0; PARTS]; PARTS];
        for j in 0..FIGURES {
            slope[j] = RIDGE * x[j];
            curvature[j][j] = RIDGE;
        }
        for row in &rows {
            let mut z = [0.0; FIGURES];
            for j in 0..FIGURES {
                z[j] = (row.figures[j] - mean[j]) / spread[j];
            }
            let sum: f64 = z.iter().zip(&x).map(|(z, w)| z * w).sum();
            let (mut g_all, mut h_all) = (0.0, 0.0);
            for (k, horizon) in HORIZONS.into_iter().enumerate() {
                // The decision is at the last horizon: it counts as much as all others together.
                let weight = if k + 1 == HORIZONS.len() { 1.0 } else { 0.25 };
                let p = odds(sum + x[FIGURES + k]);
                let g = weight * (p - f64::from(u8::from(row.left <= horizon)));
                let h = weight * p * (1.0 - p);
                slope[FIGURES + k] += g;
                curvature[FIGURES + k][FIGURES + k] += h + 1e-9;
                for j in 0..FIGURES {
                    curvature[j][FIGURES + k] += h * z[j];
                    curvature[FIGURES + k][j] += h * z[j];
                }
                (g_all, h_all) = (g_all + g, h_all + h);
            }
            for j in 0..FIGURES {
                slope[j] += g_all * z[j];
                for i in 0..FIGURES {
                    curvature[j][i] += h_all * z[j] * z[i];
                }
            }
        }
        let step = solve(curvature, slope);
        x.iter_mut().zip(step).for_each(|(x, s)| *x -= s);
    }
    let mut fitted = Fitted { offsets: [0.0; HORIZONS.len()], weights: [0.0; FIGURES] };
    let mut centre = 0.0;
    for j in 0..FIGURES {
        fitted.weights[j] = x[j] / spread[j];
        centre += fitted.weights[j] * mean[j];
    }
    fitted.offsets.iter_mut().zip(&x[FIGURES..]).for_each(|(o, x)| *o = x - centre);
    let last = HORIZONS.len() - 1;
    let mut well: Vec<f64> = rows
        .iter()
        .filter(|r| r.left > HORIZONS[last])
        .map(|r| fitted.sum(r) + fitted.offsets[last])
        .collect();
    well.sort_by(f64::total_cmp);
    let threshold = well[((1.0 - FALSE_ALARMS) * well.len() as f64) as usize];
    fitted.offsets.iter_mut().for_each(|o| *o -= threshold);
    fitted
}

/// Gauss's elimination with pivots.
fn solve(mut a: Vec<[f64; PARTS]>, mut b: [f64; PARTS]) -> [f64; PARTS] {
    for i in 0..PARTS {
        let pivot = (i..PARTS).max_by(|p, q| a[*p][i].abs().total_cmp(&a[*q][i].abs())).unwrap_or(i);
        a.swap(i, pivot);
        b.swap(i, pivot);
        for row in i + 1..PARTS {
            let factor = a[row][i] / a[i][i];
            let of_pivot = a[i];
            a[row].iter_mut().zip(of_pivot).skip(i).for_each(|(x, p)| *x -= factor * p);
            b[row] -= factor * b[i];
        }
    }
    for i in (0..PARTS).rev() {
        let rest: f64 = (i + 1..PARTS).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - rest) / a[i][i];
    }
    b
}

/// The rows of all units, as the engine sees them. A column that never varies says nothing and is left out.
fn read(path: &Path) -> io::Result<Vec<Row>> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut table: Vec<Vec<f64>> = Vec::new();
    for line in lines {
        table.push(line.split(',').map(str::parse).collect::<Result<_, _>>().map_err(io::Error::other)?);
    }
    let is_sensor = |j: usize| names[j].starts_with('s') && !names[j].starts_with("set");
    let varies = |j: usize| {
        let (low, high) =
            table.iter().map(|r| r[j]).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        high - low > 1e-9 * high.abs()
    };
    let columns: Vec<usize> = (0..names.len()).filter(|j| is_sensor(*j) && varies(*j)).collect();
    let mut rows = Vec::new();
    for (unit, of_unit) in table.chunk_by(|a, b| a[0] == b[0]).enumerate() {
        rows.extend(judge(unit, of_unit, &columns, &names).ok_or_else(|| io::Error::other("no resource"))?);
    }
    Ok(rows)
}

fn judge(unit: usize, table: &[Vec<f64>], columns: &[usize], names: &[&str]) -> Option<Vec<Row>> {
    let id = ResourceId::new("process:unit").ok()?;
    let mut engine = Engine::new(AnalysisConfig {
        forget_after: Duration::from_secs(366 * 86_400),
        ..AnalysisConfig::default()
    });
    let resource = Resource {
        id: id.clone(),
        kind: ResourceKind::Process,
        name: "unit".to_owned(),
        attributes: Attributes::new(),
    };
    let series = columns.iter().map(|j| Series {
        id: SeriesId(*j as u64 + 1),
        resource: 0,
        name: names[*j].to_owned(),
        unit: String::new(),
        kind: MetricKind::Gauge,
        attributes: Attributes::new(),
    });
    let mut batch =
        SignalBatch { resources: vec![resource], series: series.collect(), ..SignalBatch::default() };
    let mut rows = Vec::new();
    for (at, values) in table.iter().enumerate() {
        let time = Timestamp::from_secs(60 * at as i64);
        batch.points.clear();
        let points = columns.iter().enumerate();
        batch.points.extend(points.map(|(s, j)| MetricPoint { series: s as u32, time, value: values[*j] }));
        engine.observe(&batch);
        engine.assess(time);
        engine.take_transitions();
        let left = (table.len() - 1 - at) as f64;
        if let Some(worn) = engine.worn(&id).filter(|_| at >= YOUNG) {
            rows.push(Row { figures: worn.figures.map(f64::from), left, unit });
        }
    }
    Some(rows)
}
