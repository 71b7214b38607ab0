//! The same forecast from earlier ends of the history, held against what came.

use super::interval::Width;
use super::member::{self, Member, Method, Space};
use super::{MEMBERS, Seasons};

/// Earlier ends that are tried at most; neighbours are half a horizon apart.
const RUNS: usize = 8;

/// Weights fall with this power of the error.
const POWER: i32 = 5;

/// How the combination did on the end of the history.
#[derive(Clone, Debug, Default)]
pub struct Backtest {
    /// Rows ahead that each run forecast.
    pub horizon: usize,
    /// Mean absolute error of the combination, its weights taken from the other runs.
    pub error: f64,
    /// Mean absolute error of "the last season once more" on the same rows, where there is a season (else of "the
    /// last value").
    pub naive_error: f64,
    /// Share of the rows that were inside an interval learned from the other runs; 1 where there was but one.
    pub coverage: f64,
    /// The methods of the combination, heaviest first.
    pub methods: Vec<MethodScore>,
    /// The runs, oldest first.
    pub runs: Vec<Run>,
}

/// What one method contributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MethodScore {
    /// The method.
    pub method: Method,
    /// Where it worked.
    pub space: Space,
    /// Its mean absolute error in the back-test.
    pub error: f64,
    /// Its share in the combination; all sum to 1.
    pub weight: f64,
}

/// One earlier end of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Rows from this end of the history to the present one.
    pub rows_ago: usize,
    /// What the combination said, its weights taken from the other runs.
    pub forecast: Vec<f64>,
    /// What came.
    pub actual: Vec<f64>,
}

/// A back-test with the forecast that it judged.
pub(super) struct Trial {
    pub(super) ahead: Vec<f64>,
    pub(super) width: Option<Width>,
    pub(super) backtest: Backtest,
}

impl Trial {
    pub(super) fn run(y: &[f64], horizon: usize, seasons: Seasons) -> Self {
        let tested = horizon.min(y.len() / 3).max(1);
        let mut cuts = ends(y.len(), tested, seasons);
        cuts.push(y.len());
        let members = member::all(y, &cuts, horizon, seasons);
        cuts.pop();
        let actual: Vec<&[f64]> = cuts.iter().map(|cut| &y[*cut..cut + tested]).collect();
        let errors: Vec<Vec<f64>> = members.iter().map(|member| errors(member, &actual)).collect();
        let weights = weights(&errors, None);
        let ahead = mix(&members, &weights, cuts.len(), horizon);
        if cuts.is_empty() {
            return Self { ahead, width: None, backtest: Backtest::default() };
        }
        let runs: Vec<Run> = cuts
            .iter()
            .enumerate()
            .map(|(at, cut)| Run {
                rows_ago: y.len() - cut,
                forecast: mix(&members, &self::weights(&errors, Some(at)), at, tested),
                actual: actual[at].to_vec(),
            })
            .collect();
        let off: Vec<Vec<f64>> = runs
            .iter()
            .map(|run| run.forecast.iter().zip(&run.actual).map(|(f, y)| (f - y).abs()).collect())
            .collect();
        let plain = if seasons.short > 1 { Method::LastSeason } else { Method::LastValue };
        let naive = members.iter().position(|m| m.method == plain).unwrap_or(0);
        let backtest = Backtest {
            horizon: tested,
            error: mean(off.iter().flatten()),
            naive_error: errors.get(naive).map_or(0.0, |errors| mean(errors.iter())),
            coverage: coverage(&off),
            methods: scores(&members, &errors, &weights),
            runs,
        };
        Self { ahead, width: Width::learn(&off), backtest }
    }
}

/// Earlier ends of the history, oldest first: as many as leave two seasons before them, or one, or half of all.
fn ends(rows: usize, tested: usize, seasons: Seasons) -> Vec<usize> {
    const ENOUGH: usize = 3;
    let stride = (tested / 2).max(1);
    let behind = |least: usize| -> Vec<usize> {
        let ends = (0..RUNS).map_while(|i| rows.checked_sub(tested + i * stride));
        let mut ends: Vec<usize> = ends.take_while(|end| *end >= least.max(rows / 2).max(2)).collect();
        ends.reverse();
        ends
    };
    let m = seasons.short;
    let tries = [behind(2 * m + 2), behind(m + 2)];
    tries.into_iter().find(|ends| ends.len() >= ENOUGH).unwrap_or_else(|| behind(0))
}

/// Mean absolute error of a member in each run.
fn errors(member: &Member, actual: &[&[f64]]) -> Vec<f64> {
    let of = |(forecast, actual): (&Vec<f64>, &&[f64])| {
        forecast.iter().zip(*actual).map(|(f, y)| (f - y).abs()).sum::<f64>() / actual.len() as f64
    };
    member.forecasts.iter().zip(actual).map(of).collect()
}

/// Share of each member in the combination, learned from all runs but `without`; equal where nothing was learned.
fn weights(errors: &[Vec<f64>], without: Option<usize>) -> Vec<f64> {
    let means: Vec<f64> = errors
        .iter()
        .map(|errors| {
            let kept = errors.iter().enumerate().filter(|(at, _)| Some(*at) != without || errors.len() == 1);
            let (sum, count) = kept.fold((0.0, 0.0), |(sum, count), (_, e)| (sum + e, count + 1.0));
            sum / f64::max(count, 1.0)
        })
        .collect();
    let mut sorted = means.clone();
    sorted.sort_by(f64::total_cmp);
    let best = sorted.first().copied().unwrap_or(0.0);
    let worst_taken = sorted.get(MEMBERS - 1).copied().unwrap_or(f64::INFINITY);
    // A method without any error (a constant series) leaves nothing to the others.
    let floor = 1e-9 * sorted.last().copied().unwrap_or(0.0) + f64::MIN_POSITIVE;
    let raw = means
        .iter()
        .map(|error| if *error > worst_taken { 0.0 } else { ((best + floor) / (error + floor)).powi(POWER) });
    let raw: Vec<f64> = raw.collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| weight / total).collect()
}

/// The weighted mean of what the members said at one cut.
fn mix(members: &[Member], weights: &[f64], cut: usize, horizon: usize) -> Vec<f64> {
    let mut out = vec![0.0; horizon];
    for (member, weight) in members.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        for (out, value) in out.iter_mut().zip(&member.forecasts[cut]) {
            *out += weight * value;
        }
    }
    out
}

fn scores(members: &[Member], errors: &[Vec<f64>], weights: &[f64]) -> Vec<MethodScore> {
    let mut scores: Vec<MethodScore> = members
        .iter()
        .zip(errors.iter().zip(weights))
        .filter(|(_, (_, weight))| **weight > 0.0)
        .map(|(member, (errors, weight))| MethodScore {
            method: member.method,
            space: member.space,
            error: mean(errors.iter()),
            weight: *weight,
        })
        .collect();
    scores.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    scores
}

/// Share of the rows of each run inside an interval that was learned from the other runs.
fn coverage(off: &[Vec<f64>]) -> f64 {
    if off.len() < 2 {
        return 1.0;
    }
    let (mut inside, mut all) = (0.0, 0.0);
    for (at, run) in off.iter().enumerate() {
        let others: Vec<Vec<f64>> =
            off.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, run)| run.clone()).collect();
        let Some(width) = Width::learn(&others) else { continue };
        for (k, error) in run.iter().enumerate() {
            inside += f64::from(u8::from(*error <= width.at(k)));
            all += 1.0;
        }
    }
    inside / f64::max(all, 1.0)
}

fn mean<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}
