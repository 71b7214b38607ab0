//! Judging a table: a column of times and columns of values, row by row, as if each row had just arrived.

use echobase_types::assessment::Assessment;
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::anomaly;
use crate::config::AnalysisConfig;
use crate::engine::Engine;

/// The verdict on one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowVerdict {
    /// How unusual the row is: the mean of the three largest surprises of its columns (−log₁₀ of a probability).
    pub score: f64,
    /// Whether an anomaly is open after this row.
    pub is_anomaly: bool,
    /// The score where it exceeds all that was seen lately (a memory with a half-life of 150 rows), else 0: what a
    /// new alert would be worth.
    pub alert: f64,
    /// Everything else: stability, risk, reasons. `None` until a row had a value.
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
/// use echobase_analysis::{AnalysisConfig, detect_columns};
/// use echobase_types::Timestamp;
///
/// let times: Vec<Timestamp> = (0..3).map(|i| Timestamp::from_secs(i * 60)).collect();
/// let rows = detect_columns(AnalysisConfig::default(), &times, &["cpu"], &[vec![0.2, 0.3, f64::NAN]]);
/// assert_eq!(rows.len(), 3);
/// assert!(!rows[2].is_anomaly);
/// ```
pub fn detect_columns<N: AsRef<str>>(
    config: AnalysisConfig,
    times: &[Timestamp],
    names: &[N],
    columns: &[Vec<f64>],
) -> Vec<RowVerdict> {
    // The budget counts for the table as a whole, and a table is not forgotten.
    let config = AnalysisConfig { forget_after: std::time::Duration::from_secs(366 * 86_400), ..config };
    let budget = config.clone().clamped().false_alarms_per_week;
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
    let bar = f64::from(anomaly::threshold(usual_step(times), budget));
    let mut rows = Vec::with_capacity(times.len());
    let mut memory = 0.0_f64;
    for (i, &time) in times.iter().enumerate() {
        batch.points.clear();
        for (j, column) in columns.iter().enumerate().take(names.len()) {
            if let Some(&value) = column.get(i).filter(|v| v.is_finite()) {
                batch.points.push(MetricPoint { series: j as u32, time, value });
            }
        }
        engine.observe(&batch);
        let assessment = engine.assess(time).pop();
        engine.take_transitions();
        let surprises = engine.surprises(&id);
        let top = surprises.len().min(3);
        let score = surprises.iter().take(3).map(|(s, _)| s).sum::<f64>() / (top.max(1)) as f64;
        let is_anomaly = surprises.iter().any(|(_, is_open)| *is_open) || score > bar;
        let is_onset = score > memory;
        memory = (memory * 0.5_f64.powf(1.0 / 150.0)).max(score);
        rows.push(RowVerdict { score, is_anomaly, alert: if is_onset { score } else { 0.0 }, assessment });
    }
    rows
}

/// The median distance of the first rows in seconds; 60 if there is none.
fn usual_step(times: &[Timestamp]) -> f64 {
    let mut steps: Vec<f64> = times.windows(2).take(2_000).map(|p| p[1].since(p[0]).as_secs_f64()).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().filter(|s| *s > 0.0).unwrap_or(60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_in_a_table_opens_an_alert_at_its_row() {
        let times: Vec<Timestamp> = (0..400).map(|i| Timestamp::from_secs(i * 300)).collect();
        let mut column: Vec<f64> = (0..400).map(|i| 50.0 + f64::from(i * 7_919 % 101) / 25.0).collect();
        column[350] = 90.0;
        let rows = detect_columns(AnalysisConfig::default(), &times, &["widgets"], &[column]);
        assert_eq!(rows.len(), 400);
        assert!(rows[..350].iter().all(|r| !r.is_anomaly));
        assert!(rows[350].is_anomaly && rows[350].alert > 4.0, "{:?}", rows[350].score);
    }

    #[test]
    fn missing_values_are_left_out() {
        let times: Vec<Timestamp> = (0..50).map(|i| Timestamp::from_secs(i * 60)).collect();
        let column: Vec<f64> = (0..50).map(|i| if i % 5 == 0 { f64::NAN } else { 0.4 }).collect();
        let rows = detect_columns(AnalysisConfig::default(), &times, &["cpu"], &[column]);
        assert_eq!(rows.len(), 50);
        assert_eq!(rows[0].assessment, None, "the first row has nothing to judge yet");
        assert!(rows.iter().all(|r| r.score.is_finite() && r.stability() > 0.9));
    }
}
