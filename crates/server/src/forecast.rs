//! What comes next in stored series.

use std::time::Duration;

use echobase_analysis::forecast::{Forecast, at_even_steps, find_season, forecast, usual_step};
use echobase_api::forecast::{ForecastBacktest, ForecastMethod, ForecastQuery, ForecastRun, SeriesForecast};
use echobase_api::resource::{PointsQuery, SeriesPoints};
use echobase_types::{ErrorKind, ResourceId, TenantId, Timestamp};

use crate::app::App;
use crate::history;
use crate::problem::{Answer, Failure};

/// Steps of the history.
const STEPS: usize = 480;
/// Series that one answer forecasts.
const SERIES: usize = 8;
/// Steps with a value below which nothing is said.
const FEWEST: usize = 12;
/// Steps of a history with gaps beyond which it is too torn to say anything.
const MOST: usize = 4 * STEPS;

/// A series at even steps.
struct Even {
    /// Start of the first step, milliseconds since the epoch.
    first_ms: i64,
    step_ms: i64,
    /// NaN where nothing came.
    values: Vec<f64>,
}

/// Forecasts the series that a query names from their history in `from..to`. Series with too little history are left
/// out.
pub(crate) async fn ahead(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    query: &ForecastQuery,
    (from, to): (Timestamp, Timestamp),
) -> Answer<Vec<SeriesForecast>> {
    if query.metric.is_none() && query.series.is_none() {
        return Err(Failure::new(ErrorKind::Invalid, "name what is to be forecast: `metric` or `series`"));
    }
    let history = to.since(from);
    let horizon = query.horizon_s.map_or(history / 4, Duration::from_secs);
    if horizon.is_zero() || horizon > history {
        let words = format!("`horizon_s` must be 1 to the length of the history, {} s", history.as_secs());
        return Err(Failure::new(ErrorKind::Invalid, words));
    }
    let wanted = PointsQuery {
        metric: query.metric.clone(),
        series: query.series.clone(),
        from: None,
        to: None,
        max_points: None,
    };
    let found = history::points(app, tenant, resource, &wanted, from, to, STEPS).await?;
    let work = move || found.into_iter().take(SERIES).filter_map(|series| one(series, horizon)).collect();
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("forecast: {e}")))
}

fn one(points: SeriesPoints, horizon: Duration) -> Option<SeriesForecast> {
    let even = even(&points)?;
    let steps = (horizon.as_millis() as f64 / even.step_ms as f64).round().clamp(1.0, STEPS as f64) as usize;
    let season = find_season(&even.values);
    let ahead = forecast(&even.values, season, steps)?;
    Some(written(points, &even, season, &ahead))
}

/// Puts folded points at even steps, as wide as the distance at which values usually come.
fn even(points: &SeriesPoints) -> Option<Even> {
    let times = &points.times_ms;
    let first_ms = *times.first().filter(|_| times.len() >= FEWEST)?;
    let width = usual_step(times)?;
    let values = at_even_steps(times, &points.mean, width, MOST)?;
    Some(Even { first_ms, step_ms: width as i64, values })
}

fn written(points: SeriesPoints, even: &Even, season: usize, ahead: &Forecast) -> SeriesForecast {
    let rows = even.values.len();
    let times = |first: usize, count: usize| -> Vec<i64> {
        (first..first + count).map(|row| even.first_ms + row as i64 * even.step_ms).collect()
    };
    let test = &ahead.backtest;
    SeriesForecast {
        series: points.series,
        step_ms: even.step_ms,
        season_s: (season > 1).then(|| season as f64 * even.step_ms as f64 / 1e3),
        times_ms: times(rows, ahead.steps.len()),
        mean: ahead.steps.iter().map(|s| s.value).collect(),
        low: ahead.steps.iter().map(|s| s.low).collect(),
        high: ahead.steps.iter().map(|s| s.high).collect(),
        backtest: ForecastBacktest {
            error: test.error,
            naive_error: test.naive_error,
            coverage: (test.runs.len() > 1).then_some(test.coverage),
            methods: test
                .methods
                .iter()
                .map(|m| ForecastMethod {
                    name: m.method.name().to_owned(),
                    weight: m.weight,
                    error: m.error,
                })
                .collect(),
            runs: test
                .runs
                .iter()
                .map(|run| ForecastRun {
                    times_ms: times(rows.saturating_sub(run.rows_ago), run.forecast.len()),
                    mean: run.forecast.clone(),
                    actual: run.actual.clone(),
                })
                .collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]
    use echobase_api::resource::Series;

    use super::*;

    /// Points at these times.
    fn points(times_ms: Vec<i64>, values: &[f64]) -> SeriesPoints {
        let series = Series {
            id: String::new(),
            metric: "m".to_owned(),
            unit: String::new(),
            kind: "gauge".to_owned(),
            attributes: Default::default(),
        };
        SeriesPoints { series, times_ms, mean: values.to_vec(), min: values.to_vec(), max: values.to_vec() }
    }

    fn seconds(values: &[f64]) -> SeriesPoints {
        points((0..values.len() as i64).map(|i| 5_000 + i * 1_000).collect(), values)
    }

    #[test]
    fn steps_are_as_wide_as_values_come_although_the_folding_rounds_their_times() {
        for every in [1_200.0, 3_000.0, 6_667.0] {
            // As the store answers: times at the starts of steps of 540 ms.
            let times = (0..200).map(|i| (f64::from(i) * every / 540.0).floor() as i64 * 540).collect();
            let even = even(&points(times, &[1.0; 200])).unwrap();
            assert!((even.step_ms as f64 / every - 1.0).abs() < 0.01, "{every}: {}", even.step_ms);
            assert_eq!(even.values.len(), 200, "{every}");
            assert!(even.values.iter().all(|v| v.is_finite()), "{every}: no holes");
        }
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let times = (0..40).map(|i| if i < 20 { i * 1_000 } else { (i + 10) * 1_000 }).collect();
        let even = even(&points(times, &[1.0; 40])).unwrap();
        assert_eq!((even.values.len(), even.values.iter().filter(|v| v.is_nan()).count()), (50, 10));
    }

    #[test]
    fn a_line_goes_on_and_the_steps_ahead_follow_the_last() {
        let values: Vec<f64> = (0..120).map(f64::from).collect();
        let told = one(seconds(&values), Duration::from_secs(30)).unwrap();
        assert_eq!((told.times_ms.len(), told.times_ms[0]), (30, 125_000));
        assert!((told.mean[29] - 149.0).abs() < 10.0, "{:?}", told.mean);
        let run = &told.backtest.runs[0];
        assert_eq!(run.actual[0], (run.times_ms[0] - 5_000) as f64 / 1e3, "what came is what stood there");
    }

    #[test]
    fn too_little_history_says_nothing() {
        assert!(one(seconds(&[1.0; FEWEST - 1]), Duration::from_secs(3)).is_none());
        assert!(one(seconds(&[]), Duration::from_secs(3)).is_none());
    }
}
