//! Burn rates: how fast a service spends its error budget, when to wake somebody, and when the budget will be gone.
//!
//! A burn rate of 1 spends the budget exactly in the window of the objective. An alert opens when a long window shows
//! that enough of the budget is gone to matter and a short one (a twelfth) that it is still going: 14.4× over 1 h and
//! 5 min spends 2 % of a 30-day budget, 6× over 6 h and 30 min 5 %, 1× over 3 days and 6 h 10 %. It closes when the
//! short window falls below. Source: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate
//! Alerts".
//!
//! State is bounded and small: events are counted in cells of 1, 6 and 72 minutes and 12 hours (about 7 kB for one
//! objective), so that a window is known to a 60th of its length.

use std::collections::VecDeque;
use std::time::Duration;

use echobase_types::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

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

/// How an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It can wait for the day.
    Ticket,
    /// Somebody has to look now.
    Page,
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

/// How fast the budget goes, seen through one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The rule.
    pub rule: Rule,
    /// Burn rate over the long window.
    pub long: f64,
    /// Burn rate over the short window.
    pub short: f64,
    /// Whether both are at or above the rule's rate.
    pub is_firing: bool,
}

/// What is left of the budget, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Share of the budget that is left over the whole window, at most 1; below 0 when it is overspent.
    pub left: f64,
    /// Time until it is gone if the last six hours go on, or the last hour where that is faster; `None` if it would
    /// last beyond the window of the objective.
    pub time_left: Option<Duration>,
}

/// Events of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    /// Number of the stretch: its start over its length.
    index: i64,
    good: f64,
    bad: f64,
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

    fn add(&mut self, time: Timestamp, good: f64, bad: f64) {
        let index = self.index(time);
        let place = self.cells.partition_point(|cell| cell.index < index);
        match self.cells.get_mut(place).filter(|cell| cell.index == index) {
            Some(cell) => {
                cell.good += good;
                cell.bad += bad;
            }
            None => self.cells.insert(place, Cell { index, good, bad }),
        }
        let newest = self.cells.back().map_or(index, |cell| cell.index);
        while self.cells.front().is_some_and(|cell| cell.index + self.reach as i64 <= newest) {
            self.cells.pop_front();
        }
    }

    /// Good and bad events of the window that ends at `now`.
    fn sum(&self, now: Timestamp, window: Duration) -> (f64, f64) {
        let end = self.index(now);
        let begin = self.index(now - window);
        let inside = self.cells.iter().filter(|cell| cell.index > begin && cell.index <= end);
        inside.fold((0.0, 0.0), |(good, bad), cell| (good + cell.good, bad + cell.bad))
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
    /// rule always stands for the same share of the budget.
    pub fn new(objective: Objective) -> Self {
        let scale = objective.window.as_secs_f64() / (30.0 * DAY.as_secs_f64());
        let scaled = |window: Duration| window.mul_f64(scale.min(1.0)).max(MINUTE);
        let rules = RULES.map(|rule| Rule { long: scaled(rule.long), short: scaled(rule.short), ..rule });
        let mut rings = vec![Ring::new(MINUTE, HOUR)];
        for (step, reach) in [(6 * MINUTE, 6 * HOUR), (72 * MINUTE, 3 * DAY)] {
            if rings.last().is_some_and(|ring| ring.step * (ring.reach as u32) < objective.window) {
                rings.push(Ring::new(step, reach));
            }
        }
        rings.push(Ring::new((objective.window / 60).max(MINUTE), objective.window));
        Self { objective, rules: rules.to_vec(), rings }
    }

    /// Takes events that ended at `time`, in any order; what is not finite or negative counts as none.
    pub fn observe(&mut self, time: Timestamp, good: f64, bad: f64) {
        let count = |events: f64| if events.is_finite() { events.clamp(0.0, 1e15) } else { 0.0 };
        for ring in &mut self.rings {
            ring.add(time, count(good), count(bad));
        }
    }

    /// Burn rate over a window that ends at `now`: share of bad events over the share that may be bad; 0 without
    /// events.
    pub fn rate(&self, now: Timestamp, window: Duration) -> f64 {
        let (good, bad) = self.sum(now, window);
        if bad <= 0.0 { 0.0 } else { bad / (good + bad) / self.objective.budget() }
    }

    /// Every rule with its two rates, most urgent first.
    pub fn readings(&self, now: Timestamp) -> Vec<Reading> {
        let reading = |rule: &Rule| {
            let (long, short) = (self.rate(now, rule.long), self.rate(now, rule.short));
            Reading { rule: *rule, long, short, is_firing: long >= rule.rate && short >= rule.rate }
        };
        self.rules.iter().map(reading).collect()
    }

    /// The most urgent alert that is open, if one is.
    pub fn alert(&self, now: Timestamp) -> Option<Urgency> {
        self.readings(now)
            .iter()
            .filter(|reading| reading.is_firing)
            .map(|reading| reading.rule.urgency)
            .max()
    }

    /// What is left of the budget, for the traffic that the window has had so far.
    pub fn budget(&self, now: Timestamp) -> Budget {
        let window = self.objective.window;
        let (good, bad) = self.sum(now, window);
        let allowed = (good + bad) * self.objective.budget();
        let left = if allowed > 0.0 { 1.0 - bad / allowed } else { 1.0 };
        let recent = [6 * HOUR, HOUR].map(|recent| self.rate(now, recent.min(window)));
        let rate = recent[0].max(recent[1]);
        // A rate of 1 spends the whole budget in one window.
        let time_left = (rate > 0.0)
            .then(|| window.as_secs_f64() * left.max(0.0) / rate)
            .filter(|seconds| *seconds < window.as_secs_f64())
            .map(Duration::from_secs_f64);
        Budget { left, time_left }
    }

    /// From the finest counts that reach so far back.
    fn sum(&self, now: Timestamp, window: Duration) -> (f64, f64) {
        let reaches = |ring: &&Ring| ring.step * (ring.reach as u32 - 1) >= window;
        let ring = self.rings.iter().find(reaches).or(self.rings.last());
        ring.map_or((0.0, 0.0), |ring| ring.sum(now, window))
    }
}

#[cfg(test)]
mod tests;
