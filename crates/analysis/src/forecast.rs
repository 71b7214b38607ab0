//! Forecasts: many cheap methods, weighted by how well they did on the end of the history.

mod autoregression;
pub mod member;
mod profile;
mod recall;
mod smoothing;

/// Lengths of the seasons in rows; 0 and 1 stand for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seasons {
    /// The season that was told or found.
    pub short: usize,
    /// A week of days, where the short season is a day.
    pub long: usize,
}

impl Seasons {
    /// The seasons of a series of `rows` whose season is `short` rows.
    pub fn new(short: usize, rows: usize) -> Self {
        let long = 7 * short;
        let is_day = short >= 24 && short % 24 == 0;
        Self { short: short.max(1), long: if is_day && rows >= long + 2 * short { long } else { 0 } }
    }

    fn cycle(self) -> usize {
        if self.long > 0 { self.long } else { self.short.max(1) }
    }
}
