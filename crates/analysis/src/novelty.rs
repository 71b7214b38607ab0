//! Novelty: has a quantity ever been in this cell before, and how unusual is it that it enters a new one?
//!
//! A quantity is cut into cells; a set of bits remembers which were ever entered. The chance that the next value
//! opens a new cell is the share of values that did so lately (Good 1953, after Turing), so that a series that
//! keeps wandering is not told as new for ever, and one that has long shown all it does is believed at once.

/// Values before a new cell says anything.
const YOUNG: u32 = 50;
/// Share of a value in the running chance of a new cell.
const RATE: f32 = 0.002;

/// The cells of one quantity, `64 * WORDS` of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Novelty<const WORDS: usize> {
    seen: [u64; WORDS],
    chance: f32,
}

impl<const WORDS: usize> Default for Novelty<WORDS> {
    fn default() -> Self {
        Self { seen: [0; WORDS], chance: 1.0 }
    }
}

impl<const WORDS: usize> Novelty<WORDS> {
    /// See [`crate::channel::Channel::touch`]: 8 words are a line of a cache.
    pub(crate) fn touch(&self) -> u32 {
        self.seen.iter().step_by(8).fold(self.chance.to_bits(), |sum, word| sum ^ *word as u32)
    }

    /// Enters `cell` (taken modulo the number of cells) as the `n`-th value. The answer is −log₁₀ of the chance that
    /// a new cell had; 0 where the cell is known or the series is young.
    pub(crate) fn enter(&mut self, cell: u32, n: u32) -> f32 {
        let cell = cell as usize % (64 * WORDS);
        let (word, bit) = (cell / 64, 1_u64 << (cell % 64));
        let is_new = self.seen.get(word).is_some_and(|w| w & bit == 0);
        let surprise = if is_new && n > YOUNG { -self.chance.max(1e-9).log10() } else { 0.0 };
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
        let rate = (1.0 / (n as f32 + 1.0)).max(RATE);
        self.chance += rate * (f32::from(u8::from(is_new)) - self.chance);
        surprise
    }
}

/// The cell of a signed logarithm: `per_fold` cells per e-fold, the middle at half of `cells`.
pub(crate) fn cell(log: f32, per_fold: f32, cells: u32) -> u32 {
    let half = (cells / 2) as f32;
    let at = log * per_fold;
    // The same as `floor`, which is a call on processors of the oldest kind. Beyond 2³¹ it is clamped anyway.
    let whole = at as i32 as f32;
    let below = if whole > at { whole - 1.0 } else { whole };
    if at.is_nan() { 0 } else { (below + half).clamp(0.0, cells as f32 - 1.0) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_cell_is_the_more_surprising_the_longer_nothing_was_new() {
        let after = |n: u32| {
            let mut novelty = Novelty::<4>::default();
            for i in 0..n {
                novelty.enter(i % 5, i);
            }
            novelty.enter(200, n)
        };
        assert_eq!(after(40), 0.0, "too young");
        let (early, late) = (after(100), after(3_000));
        assert!(early > 0.5 && late > early + 0.5, "{early} {late}");
    }

    #[test]
    fn a_known_cell_is_no_surprise_and_a_wandering_series_becomes_none() {
        let mut novelty = Novelty::<64>::default();
        let mut last = 0.0;
        for i in 0..2_000 {
            last = novelty.enter(i, i);
        }
        assert!(last < 0.05, "{last}");
        assert_eq!(novelty.enter(7, 2_000), 0.0);
    }

    #[test]
    fn cells_are_ordered_and_bounded() {
        for (log, expected) in [(0.0, 128), (1.0, 134), (-1.0, 122), (1e9, 255), (-1e9, 0), (f32::NAN, 0)] {
            assert_eq!(cell(log, 6.0, 256), expected, "{log}");
        }
    }
}
