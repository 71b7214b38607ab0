//! Judging a table: a column of times and columns of values, row by row, as if each row had just arrived.

use std::time::Duration;

use echobase_types::assessment::Assessment;
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::ahead::{Ahead, Horizon};
use crate::channel::{Channel, Limits, Seen};
use crate::config::AnalysisConfig;
use crate::engine::Engine;
use crate::onset::Bar;
use crate::pace::Pace;
use crate::whole::Whole;

/// What is unusual about one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// How unusual the row is, smoothed over about three rows; at least 0.
    pub score: f64,
    /// Whether an anomaly is open after this row.
    pub is_anomaly: bool,
    /// Severity of an onset at this row, else 0: what a new alert would be worth.
    pub alert: f64,
    /// Whether this row opened the anomaly.
    pub is_onset: bool,
    /// The columns that drive it, loudest first, at most three.
    pub drivers: Vec<usize>,
}

/// Judges the rows of a table as they come: one state per column, and one for all of them where there are several.
/// The code that judges a column is that of the live engine.
///
/// ```
/// use echobase_analysis::{AnalysisConfig, RowDetector};
/// use echobase_types::Timestamp;
///
/// let mut detector = RowDetector::new(&AnalysisConfig::default(), 1);
/// for i in 0..400 {
///     let value = 50.0 + f64::from(i * 7_919 % 101) / 25.0;
///     let row = detector.observe(Timestamp::from_secs(i64::from(i) * 300), &[value]);
///     assert!(!row.is_anomaly);
/// }
/// assert!(detector.observe(Timestamp::from_secs(400 * 300), &[90.0]).is_onset);
/// ```
#[derive(Clone, Debug)]
pub struct RowDetector {
    limits: Limits,
    pace: Pace,
    channels: Vec<Channel>,
    surprises: Vec<f32>,
    whole: Option<Whole>,
    score: f64,
}

impl RowDetector {
    /// For so many columns. Of `config` the false-alarm budget and the warm-up count.
    pub fn new(config: &AnalysisConfig, columns: usize) -> Self {
        let config = config.clone().clamped();
        Self {
            limits: Limits {
                false_alarms_per_week: config.false_alarms_per_week,
                warmup_points: config.warmup_points,
                drift_threshold: config.drift_threshold,
            },
            pace: Pace::default(),
            channels: (0..columns).map(|_| Channel::new(0.0)).collect(),
            surprises: vec![0.0; columns],
            whole: (columns > 1).then(|| Whole::new(columns)),
            score: 0.0,
        }
    }

    /// Takes a row: NaN where a value is missing. A row whose time is not after the one before is not learned; it is
    /// answered with what is known.
    pub fn observe(&mut self, time: Timestamp, values: &[f64]) -> Detection {
        let is_late = self.pace.last().is_some_and(|last| time <= last);
        if is_late {
            return self.answer(0.0, false);
        }
        self.pace.tick(time);
        for ((channel, surprise), &value) in self.channels.iter_mut().zip(&mut self.surprises).zip(values) {
            let seen = channel.observe(value, time, &self.limits);
            *surprise = if seen == Seen::Dropped { 0.0 } else { channel.consensus() };
            if seen == Seen::Dropped {
                channel.watch_silence(time);
            }
        }
        let Some(whole) = &mut self.whole else {
            let Some((channel, &consensus)) = self.channels.first().zip(self.surprises.first()) else {
                return Detection::default();
            };
            let surprise = if consensus > 0.0 { channel.surprise() } else { 0.0 };
            self.score += SMOOTHING * (surprise - self.score);
            let is_onset = channel.alarm.open().is_some_and(|o| o.started == time);
            let rank = if surprise > 0.0 { f64::from(channel.alarm.rank()) } else { 0.0 };
            return self.answer(rank, is_onset);
        };
        let bar = Bar::of_many(self.pace.step(), self.limits.false_alarms_per_week);
        whole.observe(values, &self.surprises, time, &bar);
        let is_onset = whole.alarm.open().is_some_and(|o| o.started == time);
        let rank = f64::from(whole.alarm.rank());
        self.score = f64::from(whole.score());
        self.answer(rank, is_onset)
    }

    fn answer(&self, alert: f64, is_onset: bool) -> Detection {
        let (open, drivers) = match &self.whole {
            Some(whole) => (whole.alarm.open(), whole.drivers().map(|(i, _)| i as usize).collect()),
            None => (self.channels.first().and_then(|c| c.alarm.open()), vec![0]),
        };
        Detection { score: self.score, is_anomaly: open.is_some(), alert, is_onset, drivers }
    }
}

/// Share of a row in the smoothed score of a single column.
const SMOOTHING: f64 = 0.4;

/// The verdict on one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowVerdict {
    /// Stability, risk, reasons. `None` until a row had a value.
    pub assessment: Option<Assessment>,
}

impl RowVerdict {
    /// The stability score; 1 while nothing is known.
    pub fn stability(&self) -> f64 {
        self.assessment.as_ref().map_or(1.0, |a| a.stability.score)
    }

    /// The probability of a failed state within the horizon; the base rate while nothing is known.
    pub fn risk(&self) -> f64 {
        self.assessment.as_ref().map_or(crate::risk::BASE_RATE, |a| a.risk.probability)
    }
}

/// Judges rows in the order they are given. `columns[j][i]` is the value of `names[j]` at `times[i]`; NaN where it is
/// missing. A row whose time is not after the one before is not learned. Vital signs are found by the names.
///
/// ```
/// use echobase_analysis::{AnalysisConfig, assess_columns};
/// use echobase_types::Timestamp;
///
/// let times: Vec<Timestamp> = (0..3).map(|i| Timestamp::from_secs(i * 60)).collect();
/// let rows = assess_columns(AnalysisConfig::default(), &times, &["cpu"], &[vec![0.2, 0.3, f64::NAN]]);
/// assert_eq!(rows.len(), 3);
/// assert!(rows[2].stability() > 0.9);
/// ```
pub fn assess_columns<N: AsRef<str>>(
    config: AnalysisConfig,
    times: &[Timestamp],
    names: &[N],
    columns: &[Vec<f64>],
) -> Vec<RowVerdict> {
    let horizon = Horizon::Span(config.horizon);
    assess_columns_ahead(config, horizon, times, names, columns)
}

/// As [`assess_columns`], but each row looks `horizon` ahead instead of as far as `config` says.
pub fn assess_columns_ahead<N: AsRef<str>>(
    config: AnalysisConfig,
    horizon: Horizon,
    times: &[Timestamp],
    names: &[N],
    columns: &[Vec<f64>],
) -> Vec<RowVerdict> {
    let mut ahead = Ahead::new(horizon);
    // A table is not forgotten.
    let config = AnalysisConfig { forget_after: Duration::from_secs(366 * 86_400), ..config };
    let mut engine = Engine::new(config);
    let Ok(id) = ResourceId::new("process:table") else { return Vec::new() };
    let resource = Resource {
        id: id.clone(),
        kind: ResourceKind::Process,
        name: "table".to_owned(),
        attributes: Attributes::new(),
    };
    let series = names.iter().enumerate().map(|(j, name)| Series {
        id: SeriesId(j as u64 + 1),
        resource: 0,
        name: name.as_ref().to_owned(),
        unit: String::new(),
        kind: MetricKind::Gauge,
        attributes: Attributes::new(),
    });
    let mut batch =
        SignalBatch { resources: vec![resource], series: series.collect(), ..SignalBatch::default() };
    let mut rows = Vec::with_capacity(times.len());
    for (i, &time) in times.iter().enumerate() {
        batch.points.clear();
        for (j, column) in columns.iter().enumerate().take(names.len()) {
            let value = column.get(i).copied().unwrap_or(f64::NAN);
            if value.is_finite() {
                batch.points.push(MetricPoint { series: j as u32, time, value });
            }
        }
        engine.observe(&batch);
        engine.look_ahead(ahead.of_row(time));
        let assessment = engine.assess(time).pop();
        engine.take_transitions();
        rows.push(RowVerdict { assessment });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_left_out() {
        let times: Vec<Timestamp> = (0..50).map(|i| Timestamp::from_secs(i * 60)).collect();
        let column: Vec<f64> = (0..50).map(|i| if i % 5 == 0 { f64::NAN } else { 0.4 }).collect();
        let rows = assess_columns(AnalysisConfig::default(), &times, &["cpu"], &[column]);
        assert_eq!(rows.len(), 50);
        assert_eq!(rows[0].assessment, None, "the first row has nothing to judge yet");
        assert!(rows.iter().all(|r| r.stability() > 0.9));
    }
}
