//! The last deviations of a series, to find where a change began.

use std::time::Duration;

use echobase_types::Timestamp;

use super::sums::Kind;

/// How far back a change is looked for, in points.
const LENGTH: usize = 64;

/// A ring of the newest deviations with their times.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    value: [f32; LENGTH],
    /// Tenths of a second since `origin`: enough for 13 years.
    time: [u32; LENGTH],
    origin: Option<Timestamp>,
    next: u8,
    len: u8,
}

impl Default for Recent {
    fn default() -> Self {
        Self { value: [0.0; LENGTH], time: [0; LENGTH], origin: None, next: 0, len: 0 }
    }
}

/// Where a change began, and what came after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) since: Timestamp,
    /// Points since then, the one that announced it included.
    pub(super) rows: u32,
    /// Mean deviation and its standard deviation since then.
    pub(super) mean: f32,
    pub(super) spread: f32,
    /// Mean absolute innovation since then.
    pub(super) innovation: f32,
}

impl Recent {
    pub(super) fn push(&mut self, value: f32, time: Timestamp) {
        let at = usize::from(self.next) % LENGTH;
        let origin = *self.origin.get_or_insert(time);
        let tenths = u32::try_from(time.since(origin).as_millis() / 100).unwrap_or(u32::MAX);
        (self.value[at], self.time[at]) = (value, tenths);
        self.next = ((at + 1) % LENGTH) as u8;
        self.len = (self.len + 1).min(LENGTH as u8);
    }

    /// The `back`-th point from the newest (0).
    fn at(&self, back: usize) -> (f32, Timestamp) {
        let at = (usize::from(self.next) + 2 * LENGTH - 1 - back) % LENGTH;
        let since = Duration::from_millis(u64::from(self.time[at]) * 100);
        (self.value[at], self.origin.unwrap_or(Timestamp::EPOCH) + since)
    }

    /// Mean and standard deviation of the last `rows` points.
    pub(super) fn moments(&self, rows: usize) -> (f32, f32) {
        let rows = rows.clamp(1, usize::from(self.len).max(1));
        let mean = (0..rows).map(|b| self.at(b).0).sum::<f32>() / rows as f32;
        let squares: f32 = (0..rows).map(|b| (self.at(b).0 - mean).powi(2)).sum();
        (mean, (squares / rows as f32).sqrt())
    }

    /// The likeliest beginning of a change within the last `within` points of a segment with that `level` and lag-one
    /// autocorrelation: a step by δ moves the innovation by δ at once and by (1 − φ) δ from then on.
    pub(super) fn split(&self, kind: Kind, level: f32, phi: f32, within: u32) -> Split {
        // The sum may have begun by chance a little before or after the change: look around it.
        let most = (within as usize + 12).min(usize::from(self.len).saturating_sub(1)).max(1);
        let innovation = |back: usize| {
            let (now, before) = (self.at(back).0, self.at(back + 1).0);
            (now - level) - phi * (before - level)
        };
        let mut usual = 0.0;
        for back in 0..most {
            usual += innovation(back).powi(2);
        }
        usual = usual / most as f32 + f32::MIN_POSITIVE;
        let (mut best, mut rows) = (f32::MIN, 1);
        let (mut sum, mut squares) = (0.0_f32, 0.0_f32);
        let small = 1.0 - phi;
        let mut weight = 0.0_f32;
        for back in 0..most {
            let e = innovation(back);
            let n = (back + 1) as f32;
            squares += e * e;
            let gain = match kind {
                Kind::Level => {
                    let moved = sum + e;
                    sum += small * e;
                    let all = weight + 1.0;
                    weight += small * small;
                    moved * moved / all / usual
                }
                Kind::Variance => {
                    let rest = (usual * most as f32 - squares).max(1e-6 * usual) / (most as f32 - n).max(1.0);
                    let own = (squares / n).max(1e-6 * usual);
                    if back + 4 > most || back < 3 {
                        f32::MIN
                    } else {
                        -n * own.ln() - (most as f32 - n) * rest.ln()
                    }
                }
            };
            if gain > best {
                (best, rows) = (gain, back + 1);
            }
        }
        let n = rows as f32;
        let (mean, spread) = self.moments(rows);
        let size = (0..rows).map(|b| innovation(b).abs()).sum::<f32>() / n;
        Split { since: self.at(rows - 1).1, rows: rows as u32, mean, spread, innovation: size }
    }
}
