//! What comes next in a series, with the test that the forecast has passed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::resource::Series;

/// Which series are forecast, from which history.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ForecastQuery {
    /// This metric: each of its series, at most eight.
    pub metric: Option<String>,
    /// This series (16 hexadecimal digits).
    pub series: Option<String>,
    /// Begin of the history (inclusive). Default: six hours before `to`.
    pub from: Option<Time>,
    /// End of the history (exclusive), from which is forecast. Default: now.
    pub to: Option<Time>,
    /// How far ahead, in seconds; at most as long as the history. Default: a quarter of the history.
    pub horizon_s: Option<u64>,
}

/// What comes next in one series.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeriesForecast {
    /// The series.
    pub series: Series,
    /// Width of a step, milliseconds.
    pub step_ms: i64,
    /// The season that was found, in seconds; absent: none.
    pub season_s: Option<f64>,
    /// Start of each step ahead, milliseconds since the epoch.
    pub times_ms: Vec<i64>,
    /// The forecast (for counters: rate per second).
    pub mean: Vec<f64>,
    /// Lower end of the 95 % interval.
    pub low: Vec<f64>,
    /// Upper end of the 95 % interval.
    pub high: Vec<f64>,
    /// How the same combination did on the end of the history.
    pub backtest: ForecastBacktest,
}

/// How a forecast did on the end of the history.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForecastBacktest {
    /// Mean absolute error of the combination.
    pub error: f64,
    /// Mean absolute error of "the last season once more", or of "the last value" where there is no season.
    pub naive_error: f64,
    /// Share of what came that was inside the interval; absent where the history holds fewer than two runs.
    pub coverage: Option<f64>,
    /// The methods of the combination, heaviest first.
    pub methods: Vec<ForecastMethod>,
    /// The runs, oldest first.
    pub runs: Vec<ForecastRun>,
}

/// What one method contributes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForecastMethod {
    /// The method, in words.
    pub name: String,
    /// Its share in the combination; all sum to 1.
    pub weight: f64,
    /// Its mean absolute error in the back-test.
    pub error: f64,
}

/// One earlier end of the history, and what was forecast from it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForecastRun {
    /// Start of each step, milliseconds since the epoch.
    pub times_ms: Vec<i64>,
    /// What was forecast.
    pub mean: Vec<f64>,
    /// What came.
    pub actual: Vec<f64>,
}
