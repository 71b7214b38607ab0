//! Follows one metric through every judgement: what a page draws around an anomaly.

use echobase_types::Timestamp;

use super::Watched;
use crate::channel::Channel;

/// Rows of one trace at most.
const MOST: usize = 200_000;

/// One judgement of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// When the value was measured.
    pub at: Timestamp,
    /// The value, in the unit of the vital sign; of a counter its growth per second.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
    /// Lower end of what is usual: three usual deviations.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Surprise (−log₁₀ of a probability); 0 while warming up.
    pub surprise: f64,
    /// What an onset had to exceed.
    pub bar: f64,
}

/// A metric that is followed, from a time on.
#[derive(Debug)]
pub(in crate::engine) struct Tracer {
    metric: String,
    from: Timestamp,
    rows: Vec<Judged>,
}

impl Tracer {
    /// Notes the newest judgement of a channel, if it is the one that is followed.
    pub(super) fn note(&mut self, metric: &str, channel: &Channel, at: Timestamp) {
        if metric != self.metric || at < self.from || self.rows.len() >= MOST {
            return;
        }
        let away = crate::anomaly::FAR * f64::from(channel.sigma);
        self.rows.push(Judged {
            at,
            value: channel.value,
            expected: channel.expected,
            low: channel.expected - away,
            high: channel.expected + away,
            surprise: channel.surprise(),
            bar: channel.heights().map_or(0.0, |(bar, _)| bar),
        });
    }
}

impl Watched {
    /// Follows a metric from `from` on.
    pub(in crate::engine) fn follow(&mut self, metric: &str, from: Timestamp) {
        self.tracer = Some(Box::new(Tracer { metric: metric.to_owned(), from, rows: Vec::new() }));
    }

    /// What was followed.
    pub(in crate::engine) fn take_trace(&mut self) -> Vec<Judged> {
        self.tracer.take().map(|t| t.rows).unwrap_or_default()
    }
}
