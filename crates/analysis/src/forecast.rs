//! Forecasts: many cheap methods, weighted by how well each did on the end of the history.
//!
//! No method is best everywhere: on business figures exponential smoothing is hard to beat, on telemetry it loses to
//! "the same time yesterday". So all are run from several earlier ends of the history, their errors there are the
//! weights of their mean (to the power −5, the best [`MEMBERS`]), and the errors of that mean are the width of the
//! interval. The back-test is handed out with the forecast. Sources: Makridakis et al. 2020 (combinations win the M4
//! competition), Timmermann 2006 (weights by inverse error), and those named in the modules.

mod autoregression;
mod backtest;
mod even;
mod interval;
mod member;
mod profile;
mod recall;
mod season;
mod smoothing;
mod two_seasons;

pub use backtest::{Backtest, MethodScore, Run};
pub use even::{at_even_steps, usual_step};
pub use member::{Method, Space};
pub use season::{Seasons, find_season};

use backtest::Trial;
use interval::Width;

/// Methods in one combination at most.
const MEMBERS: usize = 10;

/// Rows of history that are used at most, where three long seasons do not need more.
const HISTORY: usize = 4_608;

/// What is to come, with the test that it has passed.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// One step per row ahead.
    pub steps: Vec<Step>,
    /// How the same combination did on the end of the history.
    pub backtest: Backtest,
}

/// One row ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The forecast.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// Forecasts `horizon` rows of evenly spaced values whose season is `season` rows long (0 or 1: none; a day of
/// hours or of a whole number of rows per hour brings its week along).
///
/// Values that are not finite are taken as missing. Where the history never was negative, the forecast is not either.
/// `None` without a single finite value.
///
/// ```
/// use echobase_analysis::forecast::forecast;
///
/// let week: Vec<f64> = (0..70).map(|day| if day % 7 < 5 { 100.0 } else { 20.0 }).collect();
/// let ahead = forecast(&week, 7, 7).ok_or("no history")?;
/// assert!((ahead.steps[0].value - 100.0).abs() < 1.0 && (ahead.steps[6].value - 20.0).abs() < 1.0);
/// assert!(ahead.backtest.error < 1.0);
/// # Ok::<(), &str>(())
/// ```
pub fn forecast(values: &[f64], season: usize, horizon: usize) -> Option<Forecast> {
    let y = filled(values, season.max(1))?;
    let y = y.get(y.len().saturating_sub(HISTORY.max(21 * season.max(1)))..)?;
    let seasons = Seasons::new(season, y.len());
    let lowest = y.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let trial = Trial::run(y, horizon, seasons);
    let width = trial.width.unwrap_or_else(|| Width::of_steps(y));
    let bound = if lowest >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    let step = |(k, value): (usize, &f64)| {
        // Rounding: what never moved is exact, and nothing is known better than a millionth of the range.
        let range = highest - lowest;
        let value = match value.max(bound) {
            _ if lowest == highest => lowest,
            value if value.abs() < 1e-12 * range => 0.0,
            value => value,
        };
        let half = if range > 0.0 { width.at(k).max(1e-6 * range) } else { 0.0 };
        Step { value, low: (value - half).max(bound), high: value + half }
    };
    Some(Forecast { steps: trial.ahead.iter().enumerate().map(step).collect(), backtest: trial.backtest })
}

/// The history from its first finite value on, gaps filled with the same place of the season before, or else with the
/// value before.
fn filled(values: &[f64], season: usize) -> Option<Vec<f64>> {
    // Larger figures would overflow when squared.
    let is_usable = |value: &f64| value.abs() < 1e150;
    let start = values.iter().position(is_usable)?;
    let mut y: Vec<f64> = Vec::with_capacity(values.len() - start);
    for (i, value) in values[start..].iter().enumerate() {
        let known = if is_usable(value) {
            Some(*value)
        } else {
            i.checked_sub(season).and_then(|before| y.get(before)).or(y.last()).copied()
        };
        y.push(known.unwrap_or(0.0));
    }
    Some(y)
}

#[cfg(test)]
mod tests;
