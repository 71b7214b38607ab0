//! Burn rates: how fast a service spends its error budget, when to wake somebody, and when the budget will be gone.
//!
//! A burn rate of 1 spends the budget exactly in the window of the objective. An alert opens when a long window shows
//! that enough of the budget is gone to matter and a short one (a twelfth) that it is still going: 14.4× over 1 h and
//! 5 min spends 2 % of a 30-day budget, 6× over 6 h and 30 min 5 %, 1× over 3 days and 6 h 10 %. It closes when the
//! short window falls below. Source: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate
//! Alerts".
//!
//! State is bounded and small: events are counted in cells of 1, 6 and 72 minutes and 12 hours (about 10 kB for one
//! objective of 30 days), so that a window is known to a 60th of its length. A minute without events counts neither
//! way: it is not good, it is not known.

mod backtest;
mod forecast;

use std::collections::VecDeque;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::slo::{BurnReading, BurnStretch, Urgency};

pub use backtest::{Backtest, Episode, backtest};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Windows are not shorter than this, however short the objective's: two reports of a sender that reports every
/// minute, and twice that.
const SHORTEST: (Duration, Duration) = (Duration::from_secs(360), Duration::from_secs(180));
/// Bad events in the long window below which nobody is told: one failure of three requests at night is no page.
const FEW: f64 = 3.0;
/// No rule asks for more than this share of bad events, whatever the budget: an outage of nearly all is always told.
const NEARLY_ALL: f64 = 0.95;

/// An objective: this share of events is good, over this window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    target: f64,
    window: Duration,
}

impl Objective {
    /// `target` is the share of good events, such as 0.999; `window` is what the budget is for, such as 30 days.
    /// `None` unless the target lies between 0 and 1 and the window between an hour and a year.
    ///
    /// ```
    /// use std::time::Duration;
    /// use echobase_analysis::burn::Objective;
    ///
    /// assert!(Objective::new(0.999, Duration::from_secs(30 * 86_400)).is_some());
    /// assert!(Objective::new(1.0, Duration::from_secs(30 * 86_400)).is_none());
    /// ```
    pub fn new(target: f64, window: Duration) -> Option<Self> {
        let is_usable = target > 0.0 && target < 1.0 && window >= HOUR && window <= 366 * DAY;
        is_usable.then_some(Self { target, window })
    }

    /// The share of events that may be bad.
    pub fn budget(self) -> f64 {
        1.0 - self.target
    }
}

/// One pair of windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Burn rate at or above which it fires, in both windows.
    pub rate: f64,
    /// The window that shows that enough is gone.
    pub long: Duration,
    /// The window that shows that it is still going.
    pub short: Duration,
    /// How it is told.
    pub urgency: Urgency,
}

/// The recommended rules for an objective of 30 days, most urgent first.
pub const RULES: [Rule; 3] = [
    Rule { rate: 14.4, long: HOUR, short: Duration::from_secs(300), urgency: Urgency::Page },
    Rule {
        rate: 6.0,
        long: Duration::from_secs(6 * 3_600),
        short: Duration::from_secs(1_800),
        urgency: Urgency::Page,
    },
    Rule {
        rate: 1.0,
        long: Duration::from_secs(3 * 86_400),
        short: Duration::from_secs(6 * 3_600),
        urgency: Urgency::Ticket,
    },
];

/// Events of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    /// Number of the stretch: its start over its length.
    index: i64,
    good: f64,
    bad: f64,
    /// Minutes of which anything was counted.
    minutes: u32,
}

/// Whether a count was the first of its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    New,
    Known,
    /// Older than the ring reaches.
    Gone,
}

/// Counts at one resolution, newest last.
#[derive(Clone, Debug)]
struct Ring {
    step: Duration,
    reach: usize,
    cells: VecDeque<Cell>,
}

impl Ring {
    fn new(step: Duration, reach: Duration) -> Self {
        let reach = reach.as_micros().div_ceil(step.as_micros().max(1)) as usize + 1;
        Self { step, reach, cells: VecDeque::new() }
    }

    fn index(&self, time: Timestamp) -> i64 {
        time.as_micros().div_euclid((self.step.as_micros() as i64).max(1))
    }

    fn add(&mut self, time: Timestamp, good: f64, bad: f64, minutes: u32) -> Place {
        let index = self.index(time);
        if self.cells.back().is_some_and(|newest| index + self.reach as i64 <= newest.index) {
            return Place::Gone;
        }
        let at = self.cells.partition_point(|cell| cell.index < index);
        let place = match self.cells.get_mut(at).filter(|cell| cell.index == index) {
            Some(cell) => {
                cell.good += good;
                cell.bad += bad;
                cell.minutes += minutes;
                Place::Known
            }
            None => {
                self.cells.insert(at, Cell { index, good, bad, minutes });
                Place::New
            }
        };
        let newest = self.cells.back().map_or(index, |cell| cell.index);
        while self.cells.front().is_some_and(|cell| cell.index + self.reach as i64 <= newest) {
            self.cells.pop_front();
        }
        place
    }

    /// The cells of the window that ends at `now`.
    fn within(&self, now: Timestamp, window: Duration) -> impl DoubleEndedIterator<Item = &Cell> {
        let (begin, end) = (self.index(now - window), self.index(now));
        self.cells.iter().filter(move |cell| cell.index > begin && cell.index <= end)
    }

    /// Good and bad events of the window that ends at `now`.
    fn sum(&self, now: Timestamp, window: Duration) -> (f64, f64) {
        let sum = |(good, bad), cell: &Cell| (good + cell.good, bad + cell.bad);
        let (good, bad) = self.within(now, window).fold((0.0, 0.0), sum);
        (f64::max(good, 0.0), bad)
    }

    /// The end of a cell.
    fn end(&self, index: i64) -> Timestamp {
        Timestamp::from_micros((index + 1).saturating_mul(self.step.as_micros() as i64))
    }
}

/// Streaming state of one objective.
///
/// ```
/// use std::time::Duration;
/// use echobase_analysis::burn::{Burn, Objective};
/// use echobase_types::Timestamp;
///
/// let objective = Objective::new(0.999, Duration::from_secs(30 * 86_400)).ok_or("objective")?;
/// let mut burn = Burn::new(objective);
/// for minute in 0..90 {
///     burn.observe(Timestamp::from_secs(minute * 60), 98.0, 2.0);
/// }
/// let now = Timestamp::from_secs(90 * 60);
/// assert!(burn.readings(now)[0].is_firing, "2 % of errors are 20 times the budget");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug)]
pub struct Burn {
    objective: Objective,
    rules: Vec<Rule>,
    /// From fine to coarse.
    rings: Vec<Ring>,
}

impl Burn {
    /// Watches an objective by the recommended [`RULES`]. Their windows shrink with that of the objective, so that a
    /// rule always stands for the same share of the budget, but not below six and three minutes. Where the budget is
    /// so large that a rule could not fire, it fires when 95 % of the events are bad.
    pub fn new(objective: Objective) -> Self {
        let scale = objective.window.as_secs_f64() / (30.0 * DAY.as_secs_f64());
        let scaled = |window: Duration, least: Duration| window.mul_f64(scale.min(1.0)).max(least);
        let rules = RULES.map(|rule| Rule {
            rate: rule.rate.min(NEARLY_ALL / objective.budget()),
            long: scaled(rule.long, SHORTEST.0),
            short: scaled(rule.short, SHORTEST.1),
            ..rule
        });
        let mut rings = vec![Ring::new(MINUTE, HOUR)];
        for (step, reach) in [(6 * MINUTE, 6 * HOUR), (72 * MINUTE, 3 * DAY)] {
            if rings.last().is_some_and(|ring| ring.step * (ring.reach as u32) < objective.window) {
                rings.push(Ring::new(step, reach));
            }
        }
        rings.push(Ring::new((objective.window / 60).max(MINUTE), objective.window));
        Self { objective, rules: rules.to_vec(), rings }
    }

    /// Takes events of `time`, in any order; what is not finite counts as none. A negative `good` takes back events
    /// that were counted as good and were found to be bad.
    pub fn observe(&mut self, time: Timestamp, good: f64, bad: f64) {
        let count =
            |events: f64, least: f64| if events.is_finite() { events.clamp(least, 1e15) } else { 0.0 };
        let (good, bad) = (count(good, -1e15), count(bad, 0.0));
        let mut minutes = 1;
        for (nth, ring) in self.rings.iter_mut().enumerate() {
            let place = ring.add(time, good, bad, minutes);
            if nth == 0 {
                minutes = u32::from(place == Place::New);
            }
        }
    }

    /// Burn rate over a window that ends at `now`: share of bad events over the share that may be bad; `None` without
    /// events.
    pub fn rate(&self, now: Timestamp, window: Duration) -> Option<f64> {
        let (good, bad) = self.sum(now, window);
        (good + bad > 0.0).then(|| bad / (good + bad) / self.objective.budget())
    }

    /// Every rule with its two rates, most urgent first. A rule needs three bad events in its long window.
    pub fn readings(&self, now: Timestamp) -> Vec<BurnReading> {
        let reading = |rule: &Rule| {
            let long = self.rate(now, rule.long).unwrap_or(0.0);
            let short = self.rate(now, rule.short);
            let is_enough = self.sum(now, rule.long).1 >= FEW;
            BurnReading {
                rate: rule.rate,
                long_window: rule.long,
                short_window: rule.short,
                urgency: rule.urgency,
                long,
                short,
                is_firing: is_enough && long >= rule.rate && short.is_some_and(|rate| rate >= rule.rate),
            }
        };
        self.rules.iter().map(reading).collect()
    }

    /// Good and bad events of the objective's window.
    pub fn counted(&self, now: Timestamp) -> (f64, f64) {
        self.sum(now, self.objective.window)
    }

    /// Share of the budget that is left, for the traffic that the window has had so far: at most 1, below 0 when it is
    /// overspent.
    pub fn left(&self, now: Timestamp) -> f64 {
        let (good, bad) = self.counted(now);
        let allowed = (good + bad) * self.objective.budget();
        if allowed > 0.0 { 1.0 - bad / allowed } else { 1.0 }
    }

    /// Share of the window's minutes of which anything was counted. An event that comes more than an hour behind the
    /// newest is counted, its minute is not.
    pub fn covered(&self, now: Timestamp) -> f64 {
        let known: u32 = self.coarsest().within(now, self.objective.window).map(|cell| cell.minutes).sum();
        (f64::from(known) * 60.0 / self.objective.window.as_secs_f64()).min(1.0)
    }

    /// The objective's window in about sixty stretches, oldest first, with the budget as it ran down to what is left.
    pub fn history(&self, now: Timestamp) -> Vec<BurnStretch> {
        self.stretches(now, self.objective.window)
    }

    /// The last six hours, or the objective's window if that is shorter.
    pub fn recent(&self, now: Timestamp) -> Vec<BurnStretch> {
        self.stretches(now, self.objective.window.min(6 * HOUR))
    }

    fn stretches(&self, now: Timestamp, span: Duration) -> Vec<BurnStretch> {
        let Some(ring) = self.ring(span) else { return Vec::new() };
        let (all_good, all_bad) = self.counted(now);
        let allowed = (all_good + all_bad) * self.objective.budget();
        // What had been spent before the span began.
        let mut spent = all_bad - ring.sum(now, span).1;
        let mut cells = ring.within(now, span).peekable();
        let (begin, end) = (ring.index(now - span), ring.index(now));
        (begin + 1..=end)
            .map(|index| {
                let cell = cells.next_if(|cell| cell.index == index).copied().unwrap_or_default();
                let (good, bad) = (cell.good.max(0.0), cell.bad);
                spent += bad;
                BurnStretch {
                    end: ring.end(index),
                    good,
                    bad,
                    rate: (good + bad > 0.0).then(|| bad / (good + bad) / self.objective.budget()),
                    left: if allowed > 0.0 { 1.0 - spent / allowed } else { 1.0 },
                }
            })
            .collect()
    }

    fn coarsest(&self) -> &Ring {
        // There are two rings at least.
        &self.rings[self.rings.len() - 1]
    }

    /// The finest counts that reach so far back, or the coarsest.
    fn ring(&self, window: Duration) -> Option<&Ring> {
        let reaches = |ring: &&Ring| ring.step * (ring.reach as u32 - 1) >= window;
        self.rings.iter().find(reaches).or(self.rings.last())
    }

    fn sum(&self, now: Timestamp, window: Duration) -> (f64, f64) {
        self.ring(window).map_or((0.0, 0.0), |ring| ring.sum(now, window))
    }
}

#[cfg(test)]
mod tests;
