//! What comes next in stored series.

use std::time::Duration;

use echobase_analysis::forecast::{Forecast, find_season, forecast};
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
    let step_ms = i64::try_from(history.as_millis()).unwrap_or(i64::MAX).max(1) as f64 / STEPS as f64;
    let work = move || {
        let kept = found.into_iter().take(SERIES);
        kept.filter_map(|series| one(series, from.as_millis(), step_ms, horizon)).collect()
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("forecast: {e}")))
}

fn one(points: SeriesPoints, from_ms: i64, step_ms: f64, horizon: Duration) -> Option<SeriesForecast> {
    let even = even(&points, from_ms, step_ms)?;
    let steps = (horizon.as_millis() as f64 / even.step_ms as f64).round().clamp(1.0, STEPS as f64) as usize;
    let season = find_season(&even.values);
    let ahead = forecast(&even.values, season, steps)?;
    Some(written(points, &even, season, &ahead))
}

/// Puts folded points at even steps, as wide as the distance at which values usually come.
fn even(points: &SeriesPoints, from_ms: i64, step_ms: f64) -> Option<Even> {
    let place = |at: &i64| ((at - from_ms) as f64 / step_ms).round().max(0.0) as usize;
    let places: Vec<usize> = points.times_ms.iter().map(place).collect();
    let mut gaps: Vec<usize> =
        places.windows(2).map(|w| w[1].saturating_sub(w[0])).filter(|g| *g > 0).collect();
    gaps.sort_unstable();
    // Nine of ten gaps fit into a step, so that steps without a value are the exception.
    let fold = gaps.get(gaps.len() * 9 / 10).copied()?.max(1);
    let (first, last) = (places.first()? / fold, places.last()? / fold);
    let mut sums = vec![(0.0, 0_u32); last - first + 1];
    for (place, mean) in places.iter().zip(&points.mean) {
        if let Some((sum, count)) = sums.get_mut(place / fold - first) {
            *sum += mean;
            *count += 1;
        }
    }
    let values: Vec<f64> = sums
        .into_iter()
        .map(|(sum, count)| if count == 0 { f64::NAN } else { sum / f64::from(count) })
        .collect();
    let known = values.iter().filter(|v| v.is_finite()).count();
    (known >= FEWEST).then(|| Even {
        first_ms: from_ms + ((first * fold) as f64 * step_ms) as i64,
        step_ms: (fold as f64 * step_ms) as i64,
        values,
    })
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

    /// Points every `every` steps of a second, `values` in a row.
    fn points(every: i64, values: &[f64]) -> SeriesPoints {
        let series = Series {
            id: String::new(),
            metric: "m".to_owned(),
            unit: String::new(),
            kind: "gauge".to_owned(),
            attributes: Default::default(),
        };
        let times_ms = (0..values.len() as i64).map(|i| 5_000 + i * every * 1_000).collect();
        SeriesPoints { series, times_ms, mean: values.to_vec(), min: values.to_vec(), max: values.to_vec() }
    }

    #[test]
    fn steps_are_as_wide_as_values_come() {
        let table: [(i64, i64); 3] = [(1, 1_000), (3, 3_000), (10, 10_000)];
        for (every, step_ms) in table {
            let even = even(&points(every, &[1.0; 40]), 5_000, 1_000.0).unwrap();
            assert_eq!((even.step_ms, even.first_ms), (step_ms, 5_000), "every {every}");
            assert!(even.values.iter().all(|v| v.is_finite()), "every {every}: no holes");
        }
    }

    #[test]
    fn a_line_goes_on_and_the_steps_ahead_follow_the_last() {
        let values: Vec<f64> = (0..120).map(f64::from).collect();
        let told = one(points(1, &values), 5_000, 1_000.0, Duration::from_secs(30)).unwrap();
        assert_eq!((told.times_ms.len(), told.times_ms[0]), (30, 125_000));
        assert!((told.mean[29] - 149.0).abs() < 10.0, "{:?}", told.mean);
        let run = &told.backtest.runs[0];
        assert_eq!(run.actual[0], (run.times_ms[0] - 5_000) as f64 / 1e3, "what came is what stood there");
    }

    #[test]
    fn too_little_history_says_nothing() {
        assert!(one(points(1, &[1.0; FEWEST - 1]), 5_000, 1_000.0, Duration::from_secs(3)).is_none());
        assert!(one(points(1, &[]), 5_000, 1_000.0, Duration::from_secs(3)).is_none());
    }
}
