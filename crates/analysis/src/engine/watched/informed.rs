//! What of a resource teaches the weights of its stability score.

use echobase_types::Timestamp;
use echobase_types::assessment::Component;

use super::Watched;
use crate::stability;

impl Watched {
    /// Takes a moment: how bad each component is, by the vital signs that are fresh.
    pub(super) fn learn_weights(&mut self, now: Timestamp) {
        if !self.informed.is_due(now) {
            return;
        }
        let badness = Component::ALL.map(|component| {
            let fresh = self.streams().filter(|s| s.channel.pace.is_fresh(now));
            let own = fresh.filter(|s| stability::component(s.vital) == Some(component));
            stability::joined(own.map(|s| s.badness(1.0)))
        });
        self.informed.observe(badness, now);
    }

    /// The factors of the weights of the four components that were learned.
    pub(in crate::engine) fn factors(&self) -> [f64; 4] {
        self.informed.factors()
    }
}
