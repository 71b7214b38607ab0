//! The last deviations of a series, to find where a change began.

use std::time::Duration;

use echobase_types::Timestamp;

use super::sums::Kind;

/// How far back a change is looked for, in points.
const LENGTH: usize = 64;
/// Microseconds in a tenth of a second.
const TENTH: i64 = 100_000;

/// A ring of the newest deviations with their times, in tenths of a second since `origin`: enough for 13 years.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Recent {
    origin: Option<Timestamp>,
    newest: u32,
    next: u8,
    len: u8,
    value: [f32; LENGTH],
    waits: Waits,
}

/// Tenths of a second from the point before to each point of the ring. Nearly all series send at least every other
/// hour, which fits into half the room.
#[derive(Clone, Debug)]
enum Waits {
    Short([u16; LENGTH]),
    Long(Box<[u32; LENGTH]>),
}

impl Waits {
    fn set(&mut self, at: usize, wait: u32) {
        match self {
            Self::Long(all) => all[at] = wait,
            Self::Short(all) => match u16::try_from(wait) {
                Ok(wait) => all[at] = wait,
                Err(_) => {
                    let mut long = Box::new(all.map(u32::from));
                    long[at] = wait;
                    *self = Self::Long(long);
                }
            },
        }
    }

    fn get(&self, at: usize) -> u32 {
        match self {
            Self::Short(all) => u32::from(all[at]),
            Self::Long(all) => all[at],
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        let waits = Waits::Short([0; LENGTH]);
        Self { value: [0.0; LENGTH], waits, origin: None, newest: 0, next: 0, len: 0 }
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
        let tenths = time.as_micros().saturating_sub(origin.as_micros()).max(0) / TENTH;
        let tenths = u32::try_from(tenths).unwrap_or(u32::MAX);
        self.value[at] = value;
        self.waits.set(at, tenths.saturating_sub(self.newest));
        self.newest = tenths;
        self.next = ((at + 1) % LENGTH) as u8;
        self.len = (self.len + 1).min(LENGTH as u8);
    }

    /// See [`crate::channel::Channel::touch`].
    pub(super) fn touch(&self) -> u32 {
        let at = usize::from(self.next) % LENGTH;
        self.newest ^ self.value[at].to_bits() ^ self.waits.get(at)
    }

    /// The place of the `back`-th point from the newest (0).
    fn place(&self, back: usize) -> usize {
        (usize::from(self.next) + 2 * LENGTH - 1 - back) % LENGTH
    }

    /// The `back`-th deviation from the newest (0).
    fn value(&self, back: usize) -> f32 {
        self.value[self.place(back)]
    }

    /// The time of the `back`-th point from the newest (0).
    fn time(&self, back: usize) -> Timestamp {
        let waited: u32 = (0..back).map(|b| self.waits.get(self.place(b))).sum();
        let since = Duration::from_millis(u64::from(self.newest - waited) * 100);
        self.origin.unwrap_or(Timestamp::EPOCH) + since
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self.waits {
            Waits::Short(_) => 0,
            Waits::Long(_) => size_of::<[u32; LENGTH]>(),
        }
    }

    /// Mean and standard deviation of the last `rows` points.
    pub(super) fn moments(&self, rows: usize) -> (f32, f32) {
        let rows = rows.clamp(1, usize::from(self.len).max(1));
        let mean = (0..rows).map(|b| self.value(b)).sum::<f32>() / rows as f32;
        let squares: f32 = (0..rows).map(|b| (self.value(b) - mean).powi(2)).sum();
        (mean, (squares / rows as f32).sqrt())
    }

    /// The likeliest beginning of a change within the last `within` points of a segment with that `level` and lag-one
    /// autocorrelation: a step by δ moves the innovation by δ at once and by (1 − φ) δ from then on.
    pub(super) fn split(&self, kind: Kind, level: f32, phi: f32, within: u32) -> Split {
        // The sum may have begun by chance a little before or after the change: look around it.
        let most = (within as usize + 12).min(usize::from(self.len).saturating_sub(1)).max(1);
        let innovation = |back: usize| {
            let (now, before) = (self.value(back), self.value(back + 1));
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
        Split { since: self.time(rows - 1), rows: rows as u32, mean, spread, innovation: size }
    }
}
