//! The stream of one vital sign of one instance.

use std::time::Duration;

use echobase_types::assessment::{Severity, Vital};
use echobase_types::{SeriesId, Timestamp};

use crate::anomaly::Subject;
use crate::channel::{Channel, Limits, Seen};
use crate::course::Course;
use crate::exhaustion::{Bounded, Outlook, Trend};
use crate::normal::Normal;
use crate::source::Figure;
use crate::stability;
use crate::words::Quantity;

/// Where a stream comes from; metrics go before spans where both tell the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Metric,
    Spans,
}

/// Streaming state of one vital sign of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) vital: Vital,
    pub(crate) origin: Origin,
    pub(crate) metric: String,
    pub(crate) series: SeriesId,
    /// Tells streams of one series apart in the ids of anomalies.
    pub(crate) key: u64,
    pub(crate) channel: Channel,
    pub(crate) trend: Option<Box<Trend>>,
    /// Where it is heading, on a scale on which sums make sense: shares as they are, all else as logarithms.
    pub(crate) course: Course,
    /// The severity at which its open anomaly was told, and the onset of that anomaly.
    pub(crate) told: Severity,
    pub(crate) announced: Option<Timestamp>,
    normal: Normal,
    smooth: f64,
    certain: f64,
    floor: f64,
}

impl Stream {
    pub(crate) fn new(vital: Vital, origin: Origin, metric: String, series: SeriesId, key: u64) -> Self {
        let resolution = match Quantity::of(vital) {
            Quantity::Share => 0.003,
            _ if vital == Vital::Up => 0.05,
            _ => 0.0,
        };
        Self {
            vital,
            origin,
            metric,
            series,
            key,
            channel: Channel::new(resolution),
            trend: vital.is_bounded().then(Box::default),
            course: Course::default(),
            told: Severity::Info,
            announced: None,
            normal: Normal::default(),
            smooth: 0.0,
            certain: 0.0,
            floor: 1.0,
        }
    }

    /// See [`Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        let trend = self.trend.as_ref().map_or(0, |trend| trend.touch());
        self.channel.touch() ^ trend ^ self.course.touch() ^ self.floor.to_bits() as u32
    }

    /// Takes a figure. `rate` is the resource's request rate, where it is known: a queue is measured in half seconds
    /// of work.
    pub(crate) fn observe(
        &mut self,
        figure: Figure,
        time: Timestamp,
        rate: Option<f64>,
        limits: &Limits,
    ) -> Seen {
        let value = figure.value;
        let is_latency = Quantity::of(self.vital) == Quantity::Seconds;
        if !value.is_finite() || (is_latency && value <= 0.0) {
            return Seen::Dropped;
        }
        // A share beyond its bounds is a share at its bounds.
        let value = match Quantity::of(self.vital) {
            Quantity::Share => value.clamp(0.0, 1.0),
            _ if self.vital == Vital::Up => value.clamp(0.0, 1.0),
            _ => value,
        };
        let seen = self.channel.observe(value, time, limits);
        if seen == Seen::Dropped {
            return seen;
        }
        let step = self.channel.pace.step();
        let certain = if figure.certain == figure.value { value } else { figure.certain };
        if self.channel.count() == 1 {
            (self.smooth, self.certain) = (value, certain);
        } else {
            self.smooth += 0.5 * (value - self.smooth);
            self.certain += 0.5 * (certain - self.certain);
        }
        if let Some(trend) = &mut self.trend {
            trend.observe(value, time);
        }
        if let Some(z) = self.on_scale(value, rate) {
            self.course.observe(z);
        }
        match self.vital {
            Vital::QueueLength => {
                self.floor = rate.map_or(1.0, |r| (0.5 * r).max(1.0));
                self.normal.observe((1.0 + value.max(0.0) / self.floor).ln(), step);
            }
            _ if stability::slack(self.vital).is_some() && value > 0.0 => {
                self.normal.observe(value.ln(), step)
            }
            _ => {}
        }
        seen
    }

    /// Where a bounded sign is heading.
    pub(crate) fn outlook(&self, horizon: Duration) -> Option<Outlook> {
        let bounded = match self.vital {
            Vital::CpuUtilization | Vital::PoolUtilization => Bounded::Flow,
            _ => Bounded::Store,
        };
        self.trend.as_ref()?.outlook(horizon, bounded)
    }

    /// A value on the scale of its course.
    fn on_scale(&self, value: f64, rate: Option<f64>) -> Option<f64> {
        Some(match self.vital {
            Vital::Up => return None,
            v if v.is_bounded() => value,
            Vital::QueueLength => (1.0 + value.max(0.0) / rate.map_or(1.0, |r| (0.5 * r).max(1.0))).ln(),
            Vital::ErrorRatio | Vital::DependencyErrorRatio => (0.002 + value.clamp(0.0, 1.0)).ln(),
            _ => value.max(1e-9).ln(),
        })
    }

    /// Puts the present to `value`; history, normal and growth stay.
    pub(crate) fn suppose(&mut self, value: f64) {
        (self.channel.value, self.smooth, self.certain) = (value, value, value);
        if let Some(trend) = &mut self.trend {
            **trend = trend.as_ref().clone().standing_at(value);
        }
        // The floor of a queue is half its rate.
        if let Some(z) = self.on_scale(value, Some(2.0 * self.floor)) {
            self.course = self.course.standing_at(z);
        }
        match self.vital {
            Vital::QueueLength => {
                self.normal = self.normal.standing_at((1.0 + value.max(0.0) / self.floor).ln());
            }
            _ if stability::slack(self.vital).is_some() && value > 0.0 => {
                self.normal = self.normal.standing_at(value.ln());
            }
            _ => {}
        }
    }

    /// Takes the present level as the reference: of baseline and drift, and as the own normal.
    pub(crate) fn rereference(&mut self, at: Timestamp) {
        self.channel.rereference(at);
        self.normal.rebase();
    }

    /// The present value, smoothed where its badness is.
    pub(crate) fn value(&self) -> f64 {
        match self.vital {
            Vital::Up => self.channel.value,
            _ if stability::slack(self.vital).is_none() => self.smooth,
            Vital::QueueLength => (self.normal.now().exp() - 1.0) * self.floor,
            _ => self.normal.now().exp(),
        }
    }

    /// How much of the value is certain.
    pub(crate) fn certain_value(&self) -> f64 {
        match self.vital {
            Vital::ErrorRatio | Vital::DependencyErrorRatio => self.certain,
            _ => self.value(),
        }
    }

    /// The own normal, once known.
    pub(crate) fn normal(&self) -> Option<f64> {
        match self.vital {
            _ if stability::slack(self.vital).is_none() => self.channel.baseline(),
            _ if !self.normal.is_ready() => None,
            Vital::QueueLength => Some((self.normal.level().exp() - 1.0).max(0.0) * self.floor),
            _ => Some(self.normal.level().exp()),
        }
    }

    /// How bad the present is; `sensitivity` counts for vital signs with an own normal.
    pub(crate) fn badness(&self, sensitivity: f64) -> f64 {
        match stability::slack(self.vital) {
            Some((slack, _)) => {
                stability::relative_badness(self.vital, self.normal.excess(slack), sensitivity)
            }
            None => stability::absolute_badness(self.vital, self.certain_value()),
        }
    }

    /// Whether there is enough history for a prediction.
    pub(crate) fn is_known(&self) -> bool {
        self.channel.count() >= crate::normal::READY
    }

    /// What the words of its anomalies need to know.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            series: self.series,
            key: self.key,
            metric: &self.metric,
            quantity: Quantity::of(self.vital),
        }
    }

    /// How bad an anomaly of this stream is now.
    pub(crate) fn severity(&self, sensitivity: f64) -> Severity {
        match self.badness(sensitivity) {
            b if b >= 2.5 => Severity::Critical,
            b if b >= 0.3 => Severity::Warning,
            _ if self.channel.alarm.is_missing() => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { false_alarms_per_week: 2.0, warmup_points: 30, drift_threshold: 1.0 };

    fn stream(vital: Vital) -> Stream {
        Stream::new(vital, Origin::Metric, "m".into(), SeriesId(1), 0)
    }

    fn figure(value: f64) -> Figure {
        Figure { vital: Vital::Up, value, certain: value }
    }

    #[test]
    fn a_queue_is_measured_in_seconds_of_work() {
        let mut queue = stream(Vital::QueueLength);
        for i in 0..60 {
            queue.observe(figure(0.0), Timestamp::from_secs(i), Some(100.0), &LIMITS);
        }
        assert_eq!(queue.badness(1.0), 0.0);
        for i in 60..65 {
            queue.observe(figure(40.0), Timestamp::from_secs(i), Some(100.0), &LIMITS);
        }
        assert!(queue.badness(1.0) < 0.1, "less than half a second of work is no queue");
        for i in 65..70 {
            queue.observe(figure(1_000.0), Timestamp::from_secs(i), Some(100.0), &LIMITS);
        }
        assert!(queue.badness(1.0) > 2.0, "ten seconds of work are: {}", queue.badness(1.0));
    }

    #[test]
    fn a_latency_of_zero_is_no_latency() {
        let mut latency = stream(Vital::LatencyP99);
        assert_eq!(latency.observe(figure(0.0), Timestamp::from_secs(1), None, &LIMITS), Seen::Dropped);
        assert_eq!(latency.normal(), None);
    }

    #[test]
    fn a_share_beyond_its_bounds_is_at_its_bounds() {
        let mut cpu = stream(Vital::CpuUtilization);
        cpu.observe(figure(1e12), Timestamp::from_secs(1), None, &LIMITS);
        assert_eq!(cpu.value(), 1.0);
        cpu.observe(figure(-3.0), Timestamp::from_secs(2), None, &LIMITS);
        assert_eq!(cpu.value(), 0.5);
    }
}
