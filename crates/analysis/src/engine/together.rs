//! The series of one resource, judged together: an anomaly of the resource as a whole, named by what drives it.

use echobase_types::assessment::{Anomaly, Driver, Severity};
use echobase_types::{SeriesId, Timestamp};

use crate::anomaly::{Subject, Transition};
use crate::channel::{Channel, Limits};
use crate::onset::Bar;
use crate::pace::{Pace, Tick};
use crate::whole::Whole;
use crate::words::Quantity;

/// Fewer series than this are judged alone.
const LEAST_SERIES: usize = 3;
/// Tells the anomaly of the whole from that of its loudest series.
const KEY: u64 = 0x746f_6765_7468_6572;

/// A series as it stands at this moment.
pub(super) struct Voice<'a> {
    pub(super) series: SeriesId,
    pub(super) metric: &'a str,
    pub(super) channel: &'a Channel,
}

/// Streaming state of the whole of one resource.
#[derive(Debug)]
pub(super) struct Together {
    whole: Whole,
    pace: Pace,
    surprises: Vec<f32>,
    moments: u32,
    /// The bar of the budget at the newest moment.
    bar: Option<Bar>,
    /// The loudest series and the names of the drivers, as the open anomaly began.
    drivers: Option<(SeriesId, String)>,
    /// The drivers with their parts in it.
    shares: Vec<Driver>,
    /// What feedback makes of the bar.
    factor: f64,
}

impl Together {
    pub(super) fn new() -> Self {
        // Series come and go, so that there is no fixed table whose correlations could be learned.
        Self {
            whole: Whole::new(0),
            pace: Pace::default(),
            surprises: Vec::new(),
            moments: 0,
            bar: None,
            drivers: None,
            shares: Vec::new(),
            factor: 1.0,
        }
    }

    /// From now on the bar is so many times as high as the budget alone makes it.
    pub(super) fn heed(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// What feedback multiplies the bar by.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }

    /// What an onset must exceed now, and what the budget alone would ask; `None` where too few series are watched.
    pub(super) fn heights(&self) -> Option<(f64, f64)> {
        let bar = self.bar?;
        let with = self.whole.alarm.height(&bar.times(self.factor as f32));
        Some((f64::from(with), f64::from(bar.height)))
    }

    /// Whether an anomaly is open.
    pub(super) fn is_open(&self) -> bool {
        self.whole.alarm.open().is_some()
    }

    /// What goes with the open anomaly.
    pub(super) fn witness(&mut self, loud: u32, harmed: bool) {
        self.whole.alarm.witness(loud, harmed);
    }

    /// Forgets what has just opened: it was expected.
    pub(super) fn hush(&mut self) {
        self.whole.alarm.hush();
        self.drivers = None;
    }

    /// Takes the moment at which the newest points were measured. A series whose newest point is older than one of its
    /// steps has nothing to say. What opened or closed is handed back.
    pub(super) fn observe<'a>(
        &mut self,
        voices: impl Iterator<Item = Voice<'a>> + Clone,
        now: Timestamp,
        limits: &Limits,
    ) -> Option<Anomaly> {
        let mut surprises = std::mem::take(&mut self.surprises);
        surprises.clear();
        surprises.extend(voices.clone().map(|voice| {
            let pace = &voice.channel.pace;
            let is_new = pace.age(now).as_secs_f64() < pace.step();
            if is_new { voice.channel.consensus() } else { 0.0 }
        }));
        let is_enough = surprises.len() >= LEAST_SERIES && self.pace.tick(now) != Tick::Late;
        let changed = if is_enough { self.judge(&surprises, now, limits) } else { None };
        self.surprises = surprises;
        match changed? {
            Transition::Opened => {
                let sum: f32 = self.whole.drivers().map(|(_, surprise)| surprise).sum();
                let drivers = self.whole.drivers().filter_map(|(at, surprise)| {
                    let voice = voices.clone().nth(at as usize)?;
                    let share = f64::from(surprise / sum.max(f32::MIN_POSITIVE));
                    Some(Driver { series: voice.series, metric: voice.metric.to_owned(), share })
                });
                self.shares = drivers.collect();
                let loudest = self.shares.first().map(|driver| driver.series)?;
                let metrics: Vec<&str> = self.shares.iter().map(|driver| driver.metric.as_str()).collect();
                self.drivers = Some((loudest, metrics.join(", ")));
                self.open()
            }
            Transition::Closed => {
                let closed = self.whole.alarm.take_closed()?;
                let (series, metric) = self.drivers.take()?;
                Some(self.with_drivers(closed.describe(subject(series, &metric), Severity::Info)))
            }
        }
    }

    fn judge(&mut self, surprises: &[f32], now: Timestamp, limits: &Limits) -> Option<Transition> {
        self.moments = self.moments.saturating_add(1);
        let bar = Bar::of_many(self.pace.step(), limits.false_alarms_per_week);
        self.bar = Some(bar);
        let changed = self.whole.observe(&[], surprises, now, &bar.times(self.factor as f32));
        // Its own warm-up: a resource that just appeared has no usual.
        if changed == Some(Transition::Opened) && self.moments <= limits.warmup_points {
            self.whole.alarm.close(now);
            self.whole.alarm.take_closed();
            return None;
        }
        changed
    }

    /// The open anomaly.
    pub(super) fn open(&self) -> Option<Anomaly> {
        let (series, metric) = self.drivers.as_ref()?;
        Some(self.with_drivers(self.whole.alarm.open()?.describe(subject(*series, metric), Severity::Info)))
    }

    fn with_drivers(&self, mut anomaly: Anomaly) -> Anomaly {
        anomaly.evidence.drivers.clone_from(&self.shares);
        anomaly
    }
}

fn subject(series: SeriesId, metric: &str) -> Subject<'_> {
    Subject { series, key: KEY, metric, quantity: Quantity::Number }
}
