//! Time to the limit of a bounded vital sign.
//!
//! The used share is kept at three resolutions (16 values of 1, 4 and 16 points each). Each gives a robust slope
//! (Theil 1950, Sen 1968), its error from the spread around the line, and a time to the limit. A trend is believed
//! as far ahead as it has lasted, times six; the share of saw-tooth (garbage collection, log rotation: it was as
//! high before and came down by itself) discounts it.
//!
//! What is told as time to exhaustion must be believed by half. What follows the load of the moment (a processor, a
//! pool) is no store that fills: there a trend is believed only as far ahead as it has lasted. Of a store the slope of
//! the longest look is told as well, however far it reaches.

use std::time::Duration;

use echobase_types::Timestamp;

const LENGTH: usize = 16;
const DECIMATION: [u32; 3] = [1, 4, 16];
/// What a used share cannot be known better than.
const RESOLUTION: f64 = 5e-4;

/// What bounds a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounded {
    /// It fills with what is kept: memory, a disk.
    Store,
    /// It follows the load of the moment: a processor, a pool.
    Flow,
}

impl Bounded {
    /// How far ahead a trend is told, in multiples of what it has lasted.
    const fn reach(self) -> f64 {
        match self {
            Self::Store => 6.0,
            Self::Flow => 1.0,
        }
    }
}

/// A straight way to the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ahead {
    /// Growth of the used share per second.
    pub(crate) growth: f64,
    /// Time to the limit.
    pub(crate) time_left: Duration,
}

/// Where the share is heading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlook {
    /// Growth of the used share per second.
    pub(crate) growth: f64,
    /// Time to the limit.
    pub(crate) time_left: Duration,
    /// Probability that the limit is reached within the horizon.
    pub(crate) probability: f64,
    /// What people are told.
    pub(crate) told: Option<Ahead>,
}

#[derive(Clone, Copy, Debug)]
struct Ring {
    time: [f32; LENGTH],
    value: [f32; LENGTH],
    next: u8,
    len: u8,
    sum_time: f32,
    sum_value: f32,
    count: u16,
}

impl Ring {
    const EMPTY: Self = Self {
        time: [0.0; LENGTH],
        value: [0.0; LENGTH],
        next: 0,
        len: 0,
        sum_time: 0.0,
        sum_value: 0.0,
        count: 0,
    };

    fn push(&mut self, time: f32, value: f32, decimation: u32) {
        // Times are averaged as distances from the first of the group, for f32.
        if self.count == 0 {
            self.time[usize::from(self.next)] = time;
        }
        let start = self.time[usize::from(self.next)];
        self.sum_time += time - start;
        self.sum_value += value;
        self.count += 1;
        if u32::from(self.count) < decimation {
            return;
        }
        let at = usize::from(self.next);
        self.time[at] = start + self.sum_time / f32::from(self.count);
        self.value[at] = self.sum_value / f32::from(self.count);
        self.next = ((at + 1) % LENGTH) as u8;
        self.len = (self.len + 1).min(LENGTH as u8);
        (self.sum_time, self.sum_value, self.count) = (0.0, 0.0, 0);
    }

    /// Filled entries, oldest first. The entry being averaged is not among them.
    fn entries(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        let full = usize::from(self.len) == LENGTH;
        let skip = usize::from(full && self.count > 0);
        let (start, len) = if full { (usize::from(self.next), LENGTH) } else { (0, usize::from(self.len)) };
        (skip..len).map(move |i| {
            let at = (start + i) % LENGTH;
            (self.time[at], self.value[at])
        })
    }
}

/// A straight line through one ring.
#[derive(Clone, Copy, Debug)]
struct Line {
    slope: f64,
    /// The slope over its own standard error.
    significance: f64,
    lasted: f64,
}

/// Streaming state of one bounded vital sign: about 500 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Trend {
    origin: Option<Timestamp>,
    rings: [Ring; 3],
    now: f64,
    peak: f64,
    trough: f64,
    teeth: u32,
    highest: f64,
    dropped: Option<Timestamp>,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            origin: None,
            rings: [Ring::EMPTY; 3],
            now: 0.0,
            peak: 0.0,
            trough: 0.0,
            teeth: 0,
            highest: 0.0,
            dropped: None,
        }
    }
}

impl Trend {
    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.rings
            .iter()
            .fold(self.teeth, |sum, ring| sum ^ ring.sum_value.to_bits() ^ ring.value[0].to_bits())
    }

    /// Takes a used share (0..=1).
    pub(crate) fn observe(&mut self, share: f64, time: Timestamp) {
        let origin = *self.origin.get_or_insert(time);
        let seconds = time.since(origin).as_secs_f64() as f32;
        for (ring, decimation) in self.rings.iter_mut().zip(DECIMATION) {
            ring.push(seconds, share as f32, decimation);
        }
        if origin == time {
            (self.now, self.peak, self.trough) = (share, share, share);
        }
        self.now = share;
        self.peak = self.peak.max(share);
        self.trough = self.trough.min(share);
        if self.peak - share > (0.4 * (self.peak - self.trough)).max(0.03) {
            // At 95 % and above it did not come down by itself: something was killed or cleaned up.
            if self.peak < 0.95 {
                self.teeth = self.teeth.saturating_add(1);
                self.highest = self.highest.max(self.peak);
            }
            self.dropped = Some(time);
            (self.peak, self.trough) = (share, share);
            // What was before the drop is no part of a new trend.
            self.rings = [Ring::EMPTY; 3];
        }
    }

    /// The process restarted at `time`: a drop within `near` of it was no saw-tooth.
    pub(crate) fn restarted(&mut self, time: Timestamp, near: Duration) {
        let is_near = |drop: Timestamp| time.since(drop) <= near && drop.since(time) <= near;
        if self.dropped.take_if(|drop| is_near(*drop)).is_some() {
            self.teeth = self.teeth.saturating_sub(1);
            if self.teeth == 0 {
                self.highest = 0.0;
            }
        }
    }

    /// The same where the share were at `share`, with the growth it has.
    pub(crate) fn standing_at(mut self, share: f64) -> Self {
        self.now = share;
        self
    }

    /// Where it is heading; `None` while it does not grow.
    pub(crate) fn outlook(&self, horizon: Duration, bounded: Bounded) -> Option<Outlook> {
        let horizon = horizon.as_secs_f64();
        let room = (1.0 - self.now).max(0.0);
        let discount = self.discount(0.03);
        // What is told must be new by half a tooth: at the peak of a day they all are higher.
        let familiar = self.discount((0.5 * (self.highest - self.trough)).max(0.03));
        let mut found: [Option<Outlook>; 3] = [None; 3];
        let mut told: Option<Ahead> = None;
        let mut longest = None;
        for (ring, found) in self.rings.iter().zip(&mut found) {
            longest = None;
            let Some(line) = line(ring) else { continue };
            if line.slope <= 0.0 || line.significance < 3.0 {
                continue;
            }
            let left = room / line.slope;
            let in_time = 1.0 / (1.0 + (left / horizon).powi(3));
            let believed = |reach: f64| 1.0 / (1.0 + (left / (reach * line.lasted)).powi(2));
            let sure = ((line.significance - 3.0) / 3.0).min(1.0);
            let probability = in_time * believed(6.0) * sure * discount;
            let time_left = Duration::from_secs_f64(left.min(3.15e9));
            let ahead = Ahead { growth: line.slope, time_left };
            if believed(bounded.reach()) * sure * familiar >= 0.5
                && told.is_none_or(|told| time_left < told.time_left)
            {
                told = Some(ahead);
            }
            longest = Some(ahead);
            *found = Some(Outlook { growth: line.slope, time_left, probability, told: None });
        }
        let told = told.or(longest.filter(|_| bounded == Bounded::Store));
        // The longest look decides how probable it is, the shortest that agrees by half how soon.
        let probability = found.iter().flatten().map(|o| o.probability).reduce(f64::max)?;
        let soon = found.into_iter().flatten().find(|o| o.probability >= 0.5 * probability)?;
        Some(Outlook { probability, told, ..soon })
    }

    /// 1 for a height that is new by `margin`, less the more often it was as high and came down by itself.
    fn discount(&self, margin: f64) -> f64 {
        if self.teeth == 0 || self.now > self.highest + margin {
            return 1.0;
        }
        1.0 / (1.0 + 1.5 * f64::from(self.teeth.min(6)))
    }
}

fn line(ring: &Ring) -> Option<Line> {
    let (mut time, mut value) = ([0.0_f32; LENGTH], [0.0_f32; LENGTH]);
    let mut n = 0;
    for (t, v) in ring.entries() {
        (time[n], value[n]) = (t, v);
        n += 1;
    }
    if n < 6 {
        return None;
    }
    // A line that is flat from end to end is the usual case: spare the 120 pairs.
    let quarter = n / 4;
    let ends = value[n - quarter..n].iter().sum::<f32>() - value[..quarter].iter().sum::<f32>();
    if f64::from(ends) / quarter as f64 <= RESOLUTION {
        return None;
    }
    let mut slopes = [0.0_f32; LENGTH * (LENGTH - 1) / 2];
    let mut count = 0;
    for i in 0..n {
        for j in i + 1..n {
            slopes[count] = (value[j] - value[i]) / (time[j] - time[i]).max(1e-6);
            count += 1;
        }
    }
    let slope = median(&mut slopes[..count]);
    let mut rest = [0.0_f32; LENGTH];
    for i in 0..n {
        rest[i] = value[i] - slope * (time[i] - time[0]);
    }
    let middle = median(&mut rest[..n].to_vec());
    let mut off = rest.map(|r| (r - middle).abs());
    let spread = f64::from(median(&mut off[..n])) * 1.48 + RESOLUTION;
    let lasted = f64::from(time[n - 1] - time[0]);
    let error = spread * 12.0_f64.sqrt() / (lasted.max(1e-6) * (n as f64).sqrt());
    Some(Line { slope: f64::from(slope), significance: f64::from(slope) / error, lasted })
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn wobble(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 255.0 - 0.5
    }

    fn after(n: u32, step: u32, f: impl Fn(u32) -> f64) -> Trend {
        let mut trend = Trend::default();
        for i in 0..n {
            trend.observe(f(i), Timestamp::from_secs(i64::from(i * step)));
        }
        trend
    }

    const QUARTER: Duration = Duration::from_secs(900);

    #[test]
    fn a_leak_is_seen_within_half_a_minute_with_its_time_to_the_limit() {
        // 0.4 for a minute, then full after 75 s more.
        let leak = |i: u32| 0.4 + 0.004 * wobble(i) + 0.6 / 75.0 * f64::from(i.saturating_sub(60));
        let early = after(60, 1, leak).outlook(QUARTER, Bounded::Store);
        assert!(early.is_none_or(|o| o.probability < 0.1), "{early:?}");
        let seen = after(78, 1, leak).outlook(QUARTER, Bounded::Store).unwrap();
        assert!(seen.probability > 0.5, "{seen:?}");
        let left = after(100, 1, leak).outlook(QUARTER, Bounded::Store).unwrap().time_left.as_secs_f64();
        assert!((left - 35.0).abs() < 6.0, "{left}");
    }

    #[test]
    fn level_noise_and_decline_run_out_of_nothing() {
        for f in [|i: u32| 0.7 + 0.02 * wobble(i), |i: u32| 0.7 - 0.0005 * f64::from(i), |_| 0.99] {
            let outlook = after(500, 5, f).outlook(QUARTER, Bounded::Store);
            assert!(outlook.is_none_or(|o| o.probability < 0.1), "{outlook:?}");
        }
    }

    #[test]
    fn a_saw_tooth_is_believed_less_each_time() {
        let saw = |i: u32| 0.4 + 0.3 * f64::from(i % 120) / 120.0;
        let first =
            after(110, 60, saw).outlook(Duration::from_secs(9_000), Bounded::Store).unwrap().probability;
        let later = after(120 * 6 + 110, 60, saw)
            .outlook(Duration::from_secs(9_000), Bounded::Store)
            .unwrap()
            .probability;
        assert!(first > 0.3 && later < 0.2 * first, "{first} {later}");
    }

    #[test]
    fn what_follows_the_load_is_told_no_further_than_it_has_grown() {
        // Ten seconds a step: an hour of quiet, then half as much again within two minutes, as a burst does it.
        let burst = |i: u32| 0.3 + 0.02 * wobble(i) + 0.012 * f64::from(i.saturating_sub(360).min(12));
        let told = |n, bounded| after(n, 10, burst).outlook(QUARTER, bounded).and_then(|o| o.told);
        let within_an_hour = |ahead: &Ahead| ahead.time_left <= Duration::from_secs(3_600);
        for n in 362..500 {
            let flow = told(n, Bounded::Flow).filter(within_an_hour);
            assert!(flow.is_none(), "{n}: {flow:?}");
        }
        assert!((362..400).any(|n| told(n, Bounded::Store).is_some_and(|a| within_an_hour(&a))));
    }

    #[test]
    fn a_tooth_that_is_somewhat_higher_is_no_news() {
        // Collected every ten minutes at 40 %, then at the peak of the day at 45 %.
        let saw = |i: u32| 0.25 + f64::from(i % 60) / 60.0 * if i < 600 { 0.15 } else { 0.2 };
        let told = after(658, 10, saw).outlook(QUARTER, Bounded::Store).and_then(|o| o.told);
        assert!(told.is_none_or(|a| a.time_left > Duration::from_secs(7_200)), "{told:?}");
        let leak = |i: u32| saw(i.min(599)) + 0.0025 * f64::from(i.saturating_sub(600));
        let told = after(670, 10, leak).outlook(QUARTER, Bounded::Store).and_then(|o| o.told);
        assert!(told.is_some_and(|a| a.time_left < Duration::from_secs(3_600)), "{told:?}");
    }

    #[test]
    fn a_slow_leak_is_told_days_ahead_and_a_ramp_of_load_before_its_end() {
        let slow = |i: u32| 0.5 + 1e-4 * wobble(i) + 1e-5 * f64::from(i);
        let told = after(400, 10, slow).outlook(QUARTER, Bounded::Store).and_then(|o| o.told).unwrap();
        let days = told.time_left.as_secs_f64() / 86_400.0;
        assert!((5.0..7.0).contains(&days), "{days}");
        let ramp = |i: u32| 0.2 + 0.02 * wobble(i) + 0.005 * f64::from(i.saturating_sub(360));
        let told = after(490, 10, ramp).outlook(QUARTER, Bounded::Flow).and_then(|o| o.told).unwrap();
        assert!(told.time_left <= Duration::from_secs(600), "{told:?}");
    }

    #[test]
    fn a_restart_is_no_saw_tooth() {
        let mut trend = after(100, 1, |i| 0.3 + 0.005 * f64::from(i));
        trend.observe(0.3, Timestamp::from_secs(100));
        assert_eq!(trend.teeth, 1);
        trend.restarted(Timestamp::from_secs(102), Duration::from_secs(10));
        assert_eq!(trend.teeth, 0);
    }
}
