//! Instruments of one process: gauges and histograms, by name and labels.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is measured, as the OpenTelemetry conventions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instrument {
    /// Name with dots.
    pub(crate) name: &'static str,
    /// UCUM unit.
    pub(crate) unit: &'static str,
    /// One line.
    pub(crate) help: &'static str,
}

/// Labels in key order.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Seconds per request, as the conventions advise, with a finer start.
pub(crate) const BOUNDS: [f64; 14] =
    [0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];

/// A distribution since the start of the process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// One more than `BOUNDS`.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
}

impl Default for Distribution {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, counts: [0; BOUNDS.len() + 1] }
    }
}

impl Distribution {
    fn record(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let bucket = BOUNDS.iter().position(|&bound| value <= bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }
}

/// All values at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Readings {
    pub(crate) gauges: BTreeMap<Instrument, BTreeMap<Labels, f64>>,
    pub(crate) distributions: BTreeMap<Instrument, BTreeMap<Labels, Distribution>>,
}

/// The instruments.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Readings>);

impl Meter {
    /// Sets a gauge.
    pub(crate) fn set(&self, instrument: Instrument, labels: Labels, value: f64) {
        self.lock().gauges.entry(instrument).or_default().insert(labels, value);
    }

    /// Adds a time to a distribution.
    pub(crate) fn record(&self, instrument: Instrument, labels: Labels, time: Duration) {
        let mut readings = self.lock();
        readings
            .distributions
            .entry(instrument)
            .or_default()
            .entry(labels)
            .or_default()
            .record(time.as_secs_f64());
    }

    /// All values now.
    pub(crate) fn read(&self) -> Readings {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it() {
        let mut distribution = Distribution::default();
        for (seconds, bucket) in [(0.0, 0), (0.0025, 0), (0.003, 1), (10.0, 13), (11.0, 14)] {
            let before = distribution.counts[bucket];
            distribution.record(seconds);
            assert_eq!(distribution.counts[bucket], before + 1, "{seconds}");
        }
        assert_eq!(distribution.count, 5);
    }
}
