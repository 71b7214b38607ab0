//! Vital signs replaced for a while.

use echobase_types::Timestamp;
use echobase_types::assessment::Vital;

use super::Watched;
use crate::risk::{Degradation, Evidence};
use crate::stream::Stream;
use crate::wear::Decline;

/// All that a supposition touches, as it was.
pub(in crate::engine) struct Kept {
    streams: Vec<Option<Box<Stream>>>,
    degradation: Degradation,
    decline: Decline,
    declined: Timestamp,
    evidence: Option<Evidence>,
}

impl Watched {
    /// A copy of all that a supposition touches.
    pub(in crate::engine) fn keep(&self) -> Kept {
        Kept {
            streams: self.streams.clone(),
            degradation: self.degradation.clone(),
            decline: self.decline,
            declined: self.declined,
            evidence: self.evidence,
        }
    }

    /// Back to what was kept.
    pub(in crate::engine) fn restore(&mut self, kept: Kept) {
        self.streams = kept.streams;
        self.degradation = kept.degradation;
        (self.decline, self.declined) = (kept.decline, kept.declined);
        self.evidence = kept.evidence;
    }

    /// Puts a vital sign to `value`: the worst instance stands there, and no other is worse. Whether there is one.
    pub(in crate::engine) fn suppose(&mut self, vital: Vital, value: f64, now: Timestamp) -> bool {
        let is_worse = |a: f64, b: f64| if vital == Vital::Up { a < b } else { a > b };
        let mine = |s: &&mut Box<Stream>| s.vital == vital && s.channel.pace.is_fresh(now);
        let values =
            self.streams().filter(|s| s.vital == vital && s.channel.pace.is_fresh(now)).map(Stream::value);
        let Some(worst) = values.reduce(|a, b| if is_worse(b, a) { b } else { a }) else { return false };
        for stream in self.streams.iter_mut().flatten().filter(mine) {
            let own = stream.value();
            if own == worst || is_worse(own, value) {
                stream.suppose(value);
            }
        }
        true
    }
}
