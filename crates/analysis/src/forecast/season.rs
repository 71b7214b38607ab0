//! Which seasons a series has.

/// Lengths of the seasons in rows; 1 and 0 stand for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seasons {
    /// The season that was told or found.
    pub short: usize,
    /// Seven of them, where the short season can be a day and the history holds more than a week.
    pub long: usize,
}

impl Seasons {
    /// The seasons of a series of `rows` whose season is `short` rows.
    ///
    /// ```
    /// use echobase_analysis::forecast::Seasons;
    ///
    /// assert_eq!(Seasons::new(24, 700).long, 168);
    /// assert_eq!(Seasons::new(12, 700).long, 0);
    /// ```
    pub fn new(short: usize, rows: usize) -> Self {
        let short = short.max(1);
        let is_day = short >= 24 && short.is_multiple_of(24);
        let has_week = rows >= short.saturating_mul(9);
        Self { short, long: if is_day && has_week { 7 * short } else { 0 } }
    }
}

/// Seasons of clocks and calendars: quarters and months of a year, days of a week, weeks of a year, minutes of an hour,
/// days and weeks in rows of 1, 5, 10, 15, 30 and 60 minutes.
const USUAL: [usize; 13] = [4, 7, 12, 24, 48, 52, 60, 96, 144, 168, 288, 1_440, 2_016];

/// The length of the strongest season in rows, 1 for none: the first high peak of the autocorrelation of what a
/// straight line leaves, between 2 rows and a third of the history.
///
/// ```
/// let y: Vec<f64> = (0..200).map(|t| f64::from(t % 12) + 0.01 * f64::from(t)).collect();
/// assert_eq!(echobase_analysis::forecast::find_season(&y), 12);
/// ```
pub fn find_season(values: &[f64]) -> usize {
    const LONGEST: usize = 2_100;
    let y: Vec<f64> = values.iter().copied().filter(|v| v.abs() < 1e150).collect();
    let y = &y[y.len().saturating_sub(3 * LONGEST)..];
    let slope = super::smoothing::line_slope(y);
    let middle = (y.len() as f64 - 1.0) / 2.0;
    let mean = y.iter().sum::<f64>() / y.len().max(1) as f64;
    let rest: Vec<f64> = y.iter().enumerate().map(|(t, v)| v - mean - slope * (t as f64 - middle)).collect();
    let total: f64 = rest.iter().map(|v| v * v).sum();
    let longest = y.len() / 3;
    if longest < 2 || total <= 1e-18 * y.iter().map(|v| v * v).sum::<f64>() {
        return 1;
    }
    let alike: Vec<f64> = (0..=longest + 1)
        .map(|lag| rest.iter().zip(rest.get(lag..).unwrap_or(&[])).map(|(a, b)| a * b).sum::<f64>() / total)
        .map(|share: f64| share.min(1.0))
        .collect();
    // A peak counts above what remains of chance, and only behind the first fall: a slow series is like itself nearby.
    let chance = 3.0 / (y.len() as f64).sqrt();
    let Some(fallen) = alike.iter().position(|share| *share < 0.5 * chance) else { return 1 };
    let corrected = |lag: usize| alike[lag] * y.len() as f64 / (y.len() - lag) as f64;
    let is_peak = |lag: &usize| alike[*lag] >= alike[lag - 1] && alike[*lag] > alike[lag + 1];
    let peaks: Vec<usize> = (fallen.max(2)..=longest).filter(is_peak).collect();
    let Some(best) =
        peaks.iter().copied().map(corrected).reduce(f64::max).filter(|best| *best > chance.max(0.2))
    else {
        return 1;
    };
    // Whole multiples of a season are as like: take the first that is nearly as high as the highest.
    let found = peaks.into_iter().find(|lag| corrected(*lag) >= 0.9 * best).unwrap_or(1);
    // Noise moves a peak by some rows: a length that clocks and calendars have is the likelier one nearby.
    let is_near = |usual: &usize| usual.abs_diff(found) * 20 <= found && *usual <= longest;
    let usual = USUAL.into_iter().filter(is_near).find(|usual| corrected(*usual) >= 0.9 * corrected(found));
    usual.unwrap_or(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u32) -> f64 {
        let mixed = (u64::from(i) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
    }

    #[test]
    fn seasons_are_found_in_noise_and_not_where_there_are_none() {
        for (name, found, want) in [
            (
                "day of hours",
                (0..700).map(|t| (f64::from(t) * 0.261_8).sin() + noise(t)).collect::<Vec<_>>(),
                24,
            ),
            ("week of days", (0..90).map(|t| f64::from(u32::from(t % 7 < 5)) + 0.3 * noise(t)).collect(), 7),
            ("noise", (0..500).map(noise).collect(), 1),
            ("a line", (0..500).map(f64::from).collect(), 1),
            ("nothing", vec![3.0; 500], 1),
            ("too short", vec![1.0, 2.0], 1),
            ("empty", vec![], 1),
        ]
        .map(|(name, y, want): (_, Vec<f64>, usize)| (name, find_season(&y), want))
        {
            assert!(found.abs_diff(want) <= want / 24, "{name}: {found} instead of {want}");
        }
    }
}
