//! When the budget will be used up: what is in the window now ages out of it, and what comes burns at a rate.

use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::slo::BudgetForecast;

use super::{Burn, DAY, HOUR, MINUTE};

/// Recent burn rates are those of stretches of this length, as far back as the second.
const STRETCHES: (Duration, Duration) = (Duration::from_secs(1_800), Duration::from_secs(6 * 3_600));
/// Share of the recent stretches below the calm end of the interval, and above its fast end.
const TAIL: f64 = 0.1;

impl Burn {
    /// When the budget is used up if the last hour goes on (or the last six, where the last one had no events), with
    /// the traffic of the last day. The interval is that of the burn rates of the last six hours, taken by half
    /// hours: eight of ten lie in it. `None` if the last six hours had no events.
    ///
    /// The window rolls: bad events of weeks ago leave it while new ones come in, so that at a rate below 1 the
    /// budget recovers in the end, and after one whole window nothing but the rate counts.
    pub fn forecast(&self, now: Timestamp) -> Option<BudgetForecast> {
        let rate = self.rate(now, HOUR).or_else(|| self.rate(now, STRETCHES.1))?;
        let mut recent = self.recent_rates(now);
        recent.push(rate);
        recent.sort_by(f64::total_cmp);
        let at = |share: f64| recent[((recent.len() - 1) as f64 * share).round() as usize];
        let (calm, fast) = (at(TAIL).min(rate), at(1.0 - TAIL).max(rate));
        let flow = self.flow(now)?;
        Some(BudgetForecast {
            rate,
            rates: (calm, fast),
            gone_in: self.gone_in(now, rate, flow),
            gone_in_soonest: self.gone_in(now, fast, flow),
            gone_in_latest: self.gone_in(now, calm, flow),
            left_at_end: 1.0 - rate,
            left_at_end_range: (1.0 - fast, 1.0 - calm),
        })
    }

    fn recent_rates(&self, now: Timestamp) -> Vec<f64> {
        let Some(ring) = self.ring(STRETCHES.1) else { return Vec::new() };
        let width = (STRETCHES.0.as_micros() / ring.step.as_micros().max(1)).max(1) as i64;
        let mut stretches: Vec<(i64, f64, f64)> = Vec::new();
        for cell in ring.within(now, STRETCHES.1) {
            let stretch = (ring.index(now) - cell.index) / width;
            match stretches.last_mut().filter(|known| known.0 == stretch) {
                Some(known) => (known.1, known.2) = (known.1 + cell.good, known.2 + cell.bad),
                None => stretches.push((stretch, cell.good, cell.bad)),
            }
        }
        let rate = |(_, good, bad): &(i64, f64, f64)| {
            let all = good.max(0.0) + bad;
            (all > 0.0).then(|| bad / all / self.objective.budget())
        };
        stretches.iter().filter_map(rate).collect()
    }

    /// Events per second of the last day, or since the first event where that is less.
    fn flow(&self, now: Timestamp) -> Option<f64> {
        let span = DAY.min(self.objective.window);
        let ring = self.ring(span)?;
        let first = ring.within(now, span).next()?;
        let (good, bad) = ring.sum(now, span);
        let begun = ring.end(first.index) - ring.step;
        let seconds = now.since(begun).min(span).max(MINUTE).as_secs_f64();
        (good + bad > 0.0).then(|| (good + bad) / seconds)
    }

    /// `None` if it lasts for a whole window.
    fn gone_in(&self, now: Timestamp, rate: f64, flow: f64) -> Option<Duration> {
        let budget = self.objective.budget();
        let ring = self.coarsest();
        let (mut good, mut bad) = self.counted(now);
        let mut before = self.left(now);
        if before <= 0.0 {
            return Some(Duration::ZERO);
        }
        let (begin, end) = (ring.index(now - self.objective.window), ring.index(now));
        let mut old = ring.within(now, self.objective.window).peekable();
        for ahead in 1..=end - begin {
            if let Some(cell) = old.next_if(|cell| cell.index == begin + ahead) {
                (good, bad) = (good - cell.good, bad - cell.bad);
            }
            let come = flow * ring.step.as_secs_f64() * ahead as f64;
            let all = good.max(0.0) + bad.max(0.0) + come;
            let left = 1.0 - (bad.max(0.0) + rate * budget * come) / (all * budget);
            if left <= 0.0 {
                let part = (before / (before - left)).clamp(0.0, 1.0);
                return Some(ring.step.mul_f64((ahead - 1) as f64 + part));
            }
            before = left;
        }
        None
    }
}
