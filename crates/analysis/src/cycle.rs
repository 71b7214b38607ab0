//! Cycles that no calendar knows: a job every 37 minutes, a batch every 8 hours, a sweep every 12 values.
//!
//! What the day profile leaves over (before a day has been seen: the distance from the slow mean) is kept in a ring
//! of 256 small numbers. At checkpoints, when the ring is full, its autocorrelation is searched for a period: the
//! first lag from 4 slots to half a ring whose correlation is at least 0.5, is a peak, stands 0.4 above what lies
//! before it, and is nearly as high as the highest. Peaks at its multiples sharpen it. Where nothing is found, pairs
//! of slots are merged and the search goes on at half the pace, until the ring spans three days; then it begins again.
//!
//! A period is only a guess until it proves itself: its levels (one for each of up to 48 phases, first folded from
//! the ring, then learned) are added to the profile only while they bring the error below half of what it is without.
//! A random walk has humps in its autocorrelation, too, and fails here. State: 0.3 kB, and as much again where a
//! period is known.

/// Slots of the ring.
const SLOTS: usize = 256;
/// Longest lag in slots: two turns must have been seen.
const LONGEST: usize = SLOTS / 2;
/// Shortest lag in slots: of single values, and of merged ones (shorter lags had their turn before the merge).
const SHORTEST: usize = 4;
const SHORTEST_MERGED: usize = 8;
/// Phases of a cycle at most.
const PHASES: usize = 48;
/// Least correlation of a period, least correlation of its multiples, and how far it must stand above what lies before.
const LEAST: f32 = 0.5;
const LEAST_AGAIN: f32 = 0.4;
const RISE: f32 = 0.4;
/// A shorter period wins where its correlation is at most this much lower.
const NEARLY: f32 = 0.1;
/// Longer periods are those of the day and the week, which have a profile of their own.
const LONGEST_SECONDS: f32 = 0.75 * 86_400.0;
/// The ring does not span more than three days, or so many rows a slot.
const SPAN: f32 = 3.0 * 86_400.0;
const MOST_ROWS: u16 = 1_024;
/// Small numbers per unit (the usual deviation) of a rest.
const FINE: f32 = 32.0;
/// The levels count while they bring the error below this share, tried on so many values at least.
const HELPS: f32 = 0.5;
const TRIED: u16 = 24;
/// Share of a value in the running errors, and in the level of its phase.
const ERROR_RATE: f32 = 0.01;
const RATE: f32 = 0.1;
/// Periods closer than this share are the same.
const SAME: f32 = 0.02;

/// The search for a period, and what was found.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Cycle {
    ring: [i8; SLOTS],
    filled: u16,
    /// Rows that make a slot, rows in the present one, and the sum of their rests.
    per_slot: u16,
    rows: u16,
    sum: f32,
    last: i64,
    /// Most series have none.
    known: Option<Box<Known>>,
}

/// A period with the levels of its phases.
#[derive(Clone, Debug)]
struct Known {
    /// Length in seconds.
    period: f32,
    phases: u8,
    tried: u16,
    /// Where in the period the newest value is, 0 to 1.
    phase: f32,
    /// Running error without and with the levels.
    errors: [f32; 2],
    level: [f32; PHASES],
    count: [u8; PHASES],
}

impl Default for Cycle {
    fn default() -> Self {
        Self { ring: [0; SLOTS], filled: 0, per_slot: 1, rows: 0, sum: 0.0, last: 0, known: None }
    }
}

impl Cycle {
    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |_| size_of::<Known>())
    }

    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        let slot = self.ring.get(usize::from(self.filled)).copied().unwrap_or(0);
        self.sum.to_bits() ^ slot as u32
    }

    /// Moves to `second` (since 1970); the answer is what the cycle adds to the level there, if it is known to help.
    pub(crate) fn at(&mut self, second: i64) -> Option<f32> {
        let passed = (second - self.last) as f32;
        self.last = second;
        let known = self.known.as_mut()?;
        known.phase = (known.phase + passed / known.period).rem_euclid(1.0);
        let here = known.here();
        (known.helps() && known.count[here] > 0).then(|| known.level[here])
    }

    fn helps(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.helps())
    }

    /// Learns what was left over at the present place; `unit` is the usual size of a deviation, `step` the usual
    /// distance of values in seconds.
    pub(crate) fn learn(&mut self, rest: f32, unit: f32, step: f64) {
        if let Some(known) = &mut self.known {
            known.learn(rest);
        }
        self.rows += 1;
        self.sum += rest;
        if self.rows < self.per_slot {
            return;
        }
        let mean = self.sum / f32::from(self.rows);
        (self.rows, self.sum) = (0, 0.0);
        if let Some(slot) = self.ring.get_mut(usize::from(self.filled)) {
            *slot = (FINE * mean / unit).clamp(-127.0, 127.0) as i8;
        }
        self.filled += 1;
        if usize::from(self.filled) == SLOTS {
            self.checkpoint(unit, step as f32);
        }
    }

    /// The ring is full: searches it, then makes room.
    fn checkpoint(&mut self, unit: f32, step: f32) {
        let found = if self.helps() { None } else { period(&self.ring, self.per_slot > 1) };
        let seconds = found.map(|slots| slots * f32::from(self.per_slot) * step);
        if let (Some(slots), Some(seconds)) = (found, seconds)
            && seconds < LONGEST_SECONDS
            && self.known.as_ref().is_none_or(|k| (seconds - k.period).abs() > SAME * k.period)
        {
            self.known = Some(Box::new(Known::begin(&self.ring, slots, seconds, unit)));
        }
        let is_wide = SLOTS as f32 * f32::from(self.per_slot) * step >= SPAN || self.per_slot >= MOST_ROWS;
        if found.is_some() || self.helps() {
            self.ring.copy_within(SLOTS / 2.., 0);
            self.filled = SLOTS as u16 / 2;
        } else if is_wide {
            (self.filled, self.per_slot) = (0, 1);
        } else {
            for i in 0..SLOTS / 2 {
                self.ring[i] = ((i16::from(self.ring[2 * i]) + i16::from(self.ring[2 * i + 1])) / 2) as i8;
            }
            (self.filled, self.per_slot) = (SLOTS as u16 / 2, 2 * self.per_slot);
        }
    }
}

impl Known {
    /// Begins with a new period of so many slots; the ring is folded into its phases.
    fn begin(ring: &[i8; SLOTS], slots: f32, seconds: f32, unit: f32) -> Self {
        let phases = (slots as usize).clamp(2, PHASES);
        let (mut level, mut count) = ([0.0_f32; PHASES], [0_u8; PHASES]);
        for (i, &x) in ring.iter().enumerate() {
            // The last slot is now.
            let phase = ((i as f32 + 1.0 - SLOTS as f32) / slots).rem_euclid(1.0);
            let here = (phase * phases as f32 + 0.5) as usize % phases;
            let (level, count) = (&mut level[here], &mut count[here]);
            *count = count.saturating_add(1);
            *level += (f32::from(x) * unit / FINE - *level) / f32::from(*count);
        }
        Self { period: seconds, phases: phases as u8, tried: 0, phase: 0.0, errors: [0.0; 2], level, count }
    }

    fn here(&self) -> usize {
        // Half a phase off: values that come evenly stay away from the borders.
        let phases = usize::from(self.phases.max(1));
        (self.phase * phases as f32 + 0.5) as usize % phases
    }

    fn helps(&self) -> bool {
        self.tried >= TRIED && self.errors[1] < HELPS * self.errors[0]
    }

    /// Learns what was left over at the present place.
    fn learn(&mut self, rest: f32) {
        let here = self.here();
        let (level, count) = (&mut self.level[here], &mut self.count[here]);
        if *count > 0 {
            self.tried = self.tried.saturating_add(1);
            let rate = ERROR_RATE.max(1.0 / f32::from(self.tried));
            for (error, size) in self.errors.iter_mut().zip([rest.abs(), (rest - *level).abs()]) {
                *error += rate * (size - *error);
            }
        }
        *count = count.saturating_add(1);
        *level += RATE.max(1.0 / f32::from(*count)) * (rest - *level);
    }
}

/// The period of a series in slots, by its autocorrelation.
fn period(ring: &[i8; SLOTS], is_merged: bool) -> Option<f32> {
    let mean = ring.iter().map(|x| i32::from(*x)).sum::<i32>() / SLOTS as i32;
    let x = ring.map(|x| i32::from(x) - mean);
    let mut ahead: i32 = x.iter().map(|v| v * v).sum();
    let mut behind = ahead;
    if ahead < SLOTS as i32 {
        return None;
    }
    let mut correlation = [0.0_f32; LONGEST + 1];
    for lag in 1..=LONGEST {
        behind -= x[lag - 1] * x[lag - 1];
        ahead -= x[SLOTS - lag] * x[SLOTS - lag];
        let product: i32 = x[lag..].iter().zip(&x).map(|(a, b)| a * b).sum();
        correlation[lag] = product as f32 / (ahead as f32 * behind as f32).sqrt().max(1.0);
    }
    let peak = |lag: usize| {
        let right = correlation.get(lag + 1).copied().unwrap_or(-1.0);
        lag > 0 && correlation[lag] >= correlation[lag - 1] && correlation[lag] >= right
    };
    let shortest = if is_merged { SHORTEST_MERGED } else { SHORTEST };
    let mut low = 1.0_f32;
    let mut best: Option<usize> = None;
    for lag in 1..=LONGEST {
        let c = correlation[lag];
        let is_higher = best.is_none_or(|b| c > correlation[b] + NEARLY);
        if lag >= shortest && c >= LEAST && c - low >= RISE && peak(lag) && is_higher {
            best = Some(lag);
        }
        low = low.min(c);
    }
    let first = best?;
    let (mut at, mut turns) = (first, 1);
    loop {
        let next = at as f32 * (turns + 1) as f32 / turns as f32;
        let near = next.round() as usize;
        let width = 1 + first / 12;
        let candidates = near.saturating_sub(width)..=near + width;
        let top = candidates
            .filter(|l| *l < LONGEST)
            .max_by(|a, b| correlation[*a].total_cmp(&correlation[*b]))
            .filter(|l| correlation[*l] >= LEAST_AGAIN && peak(*l));
        match top {
            Some(lag) => (at, turns) = (lag, turns + 1),
            None => break,
        }
    }
    let side = |lag: usize| correlation.get(lag).copied().unwrap_or(0.0);
    let (left, here, right) = (side(at - 1), side(at), side(at + 1));
    let bend = left - 2.0 * here + right;
    let shift =
        if at < LONGEST && bend < -1e-6 { (0.5 * (left - right) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    Some((at as f32 + shift) / turns as f32)
}

#[cfg(test)]
mod tests;
