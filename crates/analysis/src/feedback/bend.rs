//! The factor of a bar: moved by steps, held to a daily limit and a range, fading.

use std::time::Duration;

use echobase_types::Timestamp;

/// ln 1.1: the most that ln f moves within a day, and the step of one label.
pub const DAILY: f64 = 0.095_310_179_804_324_87;
/// The least and the most that the factor can be.
pub const RANGE: (f64, f64) = (0.7, 2.0);
/// What was learned halves in so many days.
const HALF_LIFE: f64 = 30.0;
/// The step of a day with too few alerts, and the factor below which it does not go.
const LOWER: f64 = 0.02;
const LOWEST: f64 = 0.85;
const DAY: Duration = Duration::from_secs(86_400);

/// ln f at one time, and what is still to be taken.
#[derive(Clone, Debug)]
pub(super) struct Bend {
    at: Timestamp,
    log: f64,
    wanted: f64,
    /// Sum of all steps, and what it was before each step of the last day, with the time until when.
    sum: f64,
    before: Vec<(Timestamp, f64)>,
}

impl Bend {
    /// Nothing learned yet.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, log: 0.0, wanted: 0.0, sum: 0.0, before: Vec::new() }
    }

    /// The factor at `now`.
    pub(super) fn factor(mut self, now: Timestamp) -> f64 {
        self.settle(now);
        self.log.exp()
    }

    /// Asks for a step; as much of it as the day allows is taken at once.
    pub(super) fn want(&mut self, at: Timestamp, step: f64) {
        self.fade(at);
        let most = RANGE.1.ln();
        self.wanted = (self.wanted + step).clamp(-most, most);
        self.settle(at);
    }

    /// Takes the step of a day with too few alerts.
    pub(super) fn lower(&mut self, at: Timestamp) {
        let room = (self.log + self.wanted - LOWEST.ln()).clamp(0.0, LOWER);
        self.want(at, -room);
    }

    /// Takes what the day allows of what is wanted.
    pub(super) fn settle(&mut self, at: Timestamp) {
        self.fade(at);
        self.before.retain(|(until, _)| at.since(*until) < DAY);
        let held = self.before.iter().map(|(_, sum)| *sum);
        let (low, high) = held.fold((self.sum, self.sum), |(low, high), sum| (low.min(sum), high.max(sum)));
        // No two times of a day are further apart than a tenth.
        let step = self.wanted.clamp(high - DAILY - self.sum, low + DAILY - self.sum);
        let next = (self.log + step).clamp(RANGE.0.ln(), RANGE.1.ln());
        // What the range does not let through is not kept for later either.
        self.wanted -= step;
        if next != self.log {
            self.before.push((at, self.sum));
            self.sum += next - self.log;
            self.log = next;
        }
    }

    fn fade(&mut self, to: Timestamp) {
        let days = to.since(self.at).as_secs_f64() / DAY.as_secs_f64();
        self.log *= 0.5_f64.powf(days / HALF_LIFE);
        self.at = self.at.max(to);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn within_a_day_it_moves_by_a_tenth_at_most_and_stays_in_its_range(
            steps in prop::collection::vec((0_i64..40_000, -0.3..0.3_f64), 1..80),
        ) {
            let mut at = Timestamp::from_secs(0);
            let mut bend = Bend::new(at);
            let mut seen = vec![(at, 0.0)];
            for (seconds, step) in steps {
                at = at + Duration::from_secs(seconds as u64);
                bend.want(at, step);
                let log = bend.log;
                prop_assert!(log >= RANGE.0.ln() - 1e-9 && log <= RANGE.1.ln() + 1e-9);
                for (then, before) in &seen {
                    let days = at.since(*then).as_secs_f64() / 86_400.0;
                    if days < 1.0 {
                        // A tenth, and what faded meanwhile.
                        let faded: f64 = 0.023_2 * days * (RANGE.1.ln() + DAILY);
                        prop_assert!((log - before).abs() <= DAILY + faded + 1e-9, "{before} {log}");
                    }
                }
                seen.push((at, log));
            }
        }
    }

    #[test]
    fn what_a_day_cannot_take_is_taken_the_next_and_all_fades() {
        let t = |hours: u64| Timestamp::from_secs(0) + Duration::from_secs(hours * 3_600);
        let mut bend = Bend::new(t(0));
        for _ in 0..3 {
            bend.want(t(0), DAILY);
        }
        assert!((bend.clone().factor(t(0)) - 1.1).abs() < 1e-9);
        bend.settle(t(24));
        assert!((bend.clone().factor(t(24)) - 1.207).abs() < 0.005, "{}", bend.factor(t(24)));
        let faded = bend.clone().factor(t(24 * 365));
        assert!((1.0..1.12).contains(&faded), "{faded}");
    }
}
