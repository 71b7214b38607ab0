//! Changes of one series in a table: the same drift test as in [`crate::Engine`], row by row.

use echobase_types::Timestamp;

use crate::channel::{Channel, Limits, Seen};
use crate::config::AnalysisConfig;

/// A change for good, announced at a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The row at which it was announced: nothing after it was looked at.
    pub row: usize,
    /// The row where it began, by the test.
    pub location: usize,
    /// The test statistic over its threshold.
    pub statistic: f64,
    /// Level (of a change of variance: usual deviation) before.
    pub before: f64,
    /// The same after, as known at `row`.
    pub after: f64,
}

/// The changes of a series, in the order in which they were announced. `values[i]` is the value at `times[i]`, NaN
/// where it is missing; a row whose time is not after the one before is not learned.
///
/// ```
/// use echobase_analysis::{AnalysisConfig, changes};
/// use echobase_types::Timestamp;
///
/// let times: Vec<Timestamp> = (0..400).map(|i| Timestamp::from_secs(i * 60)).collect();
/// let values: Vec<f64> = (0..400).map(|i| (i * 7_919 % 101) as f64 + if i < 200 { 0.0 } else { 150.0 }).collect();
/// let found = changes(&AnalysisConfig::default(), &times, &values);
/// assert_eq!(found.len(), 1);
/// assert!(found[0].location.abs_diff(200) <= 2 && found[0].row < 210);
/// ```
pub fn changes(config: &AnalysisConfig, times: &[Timestamp], values: &[f64]) -> Vec<ChangePoint> {
    let config = config.clone().clamped();
    let limits = Limits {
        false_alarms_per_week: config.false_alarms_per_week,
        warmup_points: config.warmup_points,
        drift_threshold: config.drift_threshold,
    };
    let mut channel = Channel::new(0.0);
    let mut found = Vec::new();
    for (row, (&time, &value)) in times.iter().zip(values).enumerate() {
        if channel.observe(value, time, &limits) == Seen::Dropped {
            continue;
        }
        let Some(known) = channel.drift().filter(|d| d.at == time) else { continue };
        // Times that were learned only rise, but rows that were not learned may lie between.
        let before = times.get(..row).unwrap_or_default();
        let location = before.iter().rposition(|t| *t < known.since).map_or(0, |at| at + 1);
        found.push(ChangePoint {
            row,
            location: location.min(row),
            statistic: f64::from(known.statistic),
            before: known.before,
            after: known.after,
        });
    }
    found
}
