//! How far a metric is outside its normal, row by row.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;

use super::Measured;

const DAY: Duration = Duration::from_secs(86_400);

/// Earlier days whose same time tells what to expect, at most.
const DAYS: i64 = 3;

/// Share of the symptom's peak below which it counts as quiet.
const QUIET: f64 = 0.25;

/// Share of the rows that surprise is the mean of: the worst quarter, so that a lone spike does not decide.
const WORST: f64 = 0.25;

/// Distance beyond which further makes no difference, in usual spreads.
const FURTHEST: f64 = 1e6;

/// Mean size of each metric over all nodes: a floor, so that a flat metric cannot win by division.
#[derive(Debug)]
pub(super) struct Scales<'a>(BTreeMap<&'a str, f64>);

impl<'a> Scales<'a> {
    pub(super) fn learn(measured: &'a [Measured]) -> Self {
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for measured in measured.iter().filter(|measured| !measured.normal.is_empty()) {
            let size = mean(measured.normal.iter().map(|(_, value)| sane(*value).abs()));
            let (sum, count) = sums.entry(&measured.metric).or_default();
            *sum += size;
            *count += 1.0;
        }
        Self(sums.into_iter().map(|(metric, (sum, count))| (metric, sum / count)).collect())
    }
}

/// Above or below what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// Rows of the incident with their distance from what was expected.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    times: Vec<Timestamp>,
    off: Vec<f64>,
    /// The usual spread; infinite where there is too little normal to tell.
    scale: f64,
    usual: f64,
    /// Rows of other metrics belong together that are at most so far apart: half the usual step.
    reach: Duration,
}

impl Deviation {
    /// Against the metric's own normal.
    pub(super) fn of(measured: &Measured, scales: &Scales<'_>) -> Self {
        let normal = &measured.normal;
        let times: Vec<Timestamp> = measured.incident.iter().map(|(time, _)| *time).collect();
        if normal.len() < 5 {
            let off = vec![0.0; times.len()];
            return Self { times, off, scale: f64::INFINITY, usual: 0.0, reach: Duration::ZERO };
        }
        let usual = mean(normal.iter().map(|(_, value)| sane(*value)));
        let plain = mean(normal.iter().map(|(_, value)| (sane(*value) - usual).powi(2))).sqrt();
        let floor = 0.01 * usual.abs()
            + 0.02 * scales.0.get(measured.metric.as_str()).unwrap_or(&0.0)
            + measured.floor
            + 1e-9;
        let reach = half_step(normal);
        // The spread of a difference of two days is √2 times that of one; the median of few days adds its own.
        let daily = differences(normal, reach)
            .map(|spread| spread / 2.0_f64.sqrt() * 1.2)
            .filter(|daily| *daily < plain);
        let expected = |time: Timestamp| daily.and_then(|_| same_time(normal, time, reach)).unwrap_or(usual);
        let off = measured.incident.iter().map(|(time, value)| sane(*value) - expected(*time)).collect();
        Self { times, off, scale: daily.unwrap_or(plain) + floor, usual, reach }
    }

    pub(super) fn is_known(&self) -> bool {
        self.scale.is_finite()
    }

    /// Rows with their distance from what was expected, in the metric's own unit.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
        self.times.iter().copied().zip(self.off.iter().copied())
    }

    fn strengths(&self) -> impl Iterator<Item = f64> + '_ {
        self.off.iter().map(|off| (off.abs() / self.scale).min(FURTHEST))
    }

    pub(super) fn reach(&self) -> Duration {
        self.reach
    }

    /// Distance in units of the usual spread at the row nearest to that time, 0 where there is none near.
    pub(super) fn strength(&self, time: Timestamp) -> f64 {
        let at = self.times.partition_point(|then| *then < time);
        let apart = |at: &usize| self.times.get(*at).map_or(Duration::MAX, |then| apart(*then, time));
        let near =
            [at.saturating_sub(1), at].into_iter().min_by_key(apart).filter(|at| apart(at) <= self.reach);
        near.and_then(|at| self.off.get(at)).map_or(0.0, |off| (off.abs() / self.scale).min(FURTHEST))
    }

    /// The largest distance in units of the usual spread.
    pub(super) fn peak(&self) -> f64 {
        self.strengths().fold(0.0, f64::max)
    }

    /// Takes away what was there while the symptom was quiet: an offset that came without it is not its cause.
    pub(super) fn quieten(&mut self, measured: &Measured, symptom: &Self) {
        let limit = QUIET * symptom.peak();
        let mut quiet: Vec<f64> = (measured.incident.iter())
            .filter(|(time, _)| symptom.strength(*time) < limit)
            .map(|(_, value)| sane(*value))
            .collect();
        let Some(level) = median(&mut quiet) else { return };
        for (off, (_, value)) in self.off.iter_mut().zip(&measured.incident) {
            let local = sane(*value) - level;
            let agrees = local.signum() == off.signum();
            *off = if agrees { off.signum() * off.abs().min(local.abs()) } else { 0.0 };
        }
    }

    /// The way of the largest distance.
    pub(super) fn way(&self) -> Way {
        let furthest = self.off.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
        if furthest.is_some_and(|off| off < 0.0) { Way::Down } else { Way::Up }
    }

    /// Forgets the rows that went the other way: what got better is no cause of what got worse.
    pub(super) fn keep(&mut self, way: Way) {
        for off in &mut self.off {
            *off = match way {
                Way::Up => off.max(0.0),
                Way::Down => off.min(0.0),
            };
        }
    }

    /// Mean distance of the worst rows, in units of the usual spread.
    pub(super) fn surprise(&self) -> f64 {
        let mut sorted: Vec<f64> = self.strengths().collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted.truncate((WORST * sorted.len() as f64).ceil() as usize);
        if sorted.is_empty() { 0.0 } else { mean(sorted.into_iter()) }
    }

    /// How well it moves with the symptom, 0..=1: correlation where the incident has quiet rows; where the symptom
    /// never rests, only whether both are strong in the same rows.
    pub(super) fn alignment(&self, symptom: &Self) -> f64 {
        let pairs: Vec<(f64, f64)> =
            self.strengths().zip(&self.times).map(|(own, time)| (own, symptom.strength(*time))).collect();
        let limit = QUIET * symptom.peak();
        let has_rest = symptom.strengths().any(|strength| strength < limit);
        let (x, y) = if has_rest {
            (mean(pairs.iter().map(|p| p.0)), mean(pairs.iter().map(|p| p.1)))
        } else {
            (0.0, 0.0)
        };
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (own, other) in &pairs {
            xy += (own - x) * (other - y);
            xx += (own - x) * (own - x);
            yy += (other - y) * (other - y);
        }
        if pairs.len() < 3 && has_rest || xx <= 1e-18 || yy <= 1e-18 {
            return 0.0;
        }
        (xy / (xx * yy).sqrt()).clamp(0.0, 1.0)
    }

    /// The first row that is half as far off as the worst, where that is outside normal at all.
    pub(super) fn onset(&self) -> Option<Timestamp> {
        let half = 0.5 * self.peak();
        if half < 1.0 {
            return None;
        }
        self.times.iter().zip(self.strengths()).find(|(_, strength)| *strength >= half).map(|(time, _)| *time)
    }

    /// 1 for what moved first, down to 0.9 for what moved at the end.
    pub(super) fn earliness(&self, first: Option<Timestamp>) -> f64 {
        let (Some(first), Some(own), Some(last)) = (first, self.onset(), self.times.last()) else {
            return 0.95;
        };
        let whole = last.since(first).as_secs_f64();
        if whole <= 0.0 { 1.0 } else { 1.0 - 0.1 * own.since(first).as_secs_f64() / whole }
    }

    /// The usual value and the one furthest from it in the incident.
    pub(super) fn extremes(&self, measured: &Measured) -> (f64, f64) {
        let furthest = (self.off.iter().zip(&measured.incident))
            .max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()))
            .map_or(self.usual, |(_, (_, value))| *value);
        (self.usual, furthest)
    }
}

/// Root mean square of the change from one day to the next; `None` without a day to compare.
fn differences(normal: &[(Timestamp, f64)], reach: Duration) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for (time, value) in normal {
        if let Some(before) = shifted(*time, 1).and_then(|then| nearest(normal, then, reach)) {
            sum += (sane(*value) - sane(before)).powi(2);
            count += 1;
        }
    }
    (count >= 12).then(|| (sum / f64::from(count)).sqrt())
}

/// The median of the same time on the last days of normal; `None` with fewer than two.
fn same_time(normal: &[(Timestamp, f64)], time: Timestamp, reach: Duration) -> Option<f64> {
    let last = normal.last()?.0;
    let day = DAY.as_micros() as i64;
    // The newest day that is inside normal.
    let skip = time.as_micros().saturating_sub(last.as_micros()).max(day).div_euclid(day);
    let skip = if shifted(time, skip)? > last { skip + 1 } else { skip };
    let days = (skip..skip + DAYS).filter_map(|days| shifted(time, days));
    let mut found: Vec<f64> = days.filter_map(|then| nearest(normal, then, reach)).map(sane).collect();
    if found.len() < 2 { None } else { median(&mut found) }
}

/// The value nearest to a time, at most `reach` from it.
pub(super) fn nearest(rows: &[(Timestamp, f64)], time: Timestamp, reach: Duration) -> Option<f64> {
    let at = rows.partition_point(|(then, _)| *then < time);
    let near = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|at| rows.get(at));
    let (then, value) = near.min_by_key(|(then, _)| apart(*then, time))?;
    (apart(*then, time) <= reach).then_some(*value)
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

/// Half the usual distance from row to row.
fn half_step(rows: &[(Timestamp, f64)]) -> Duration {
    let mut steps: Vec<Duration> =
        rows.iter().zip(rows.iter().skip(1)).map(|(a, b)| b.0.since(a.0)).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map_or(Duration::ZERO, |step| *step / 2)
}

fn shifted(time: Timestamp, days: i64) -> Option<Timestamp> {
    let back = (DAY.as_micros() as i64).checked_mul(days)?;
    time.as_micros().checked_sub(back).map(Timestamp::from_micros)
}

/// A value whose square does not overflow.
pub(super) fn sane(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-1e100, 1e100) }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let at = values.len() / 2;
    let upper = *values.get(at)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(0.5 * (upper + values[at - 1])) }
}
