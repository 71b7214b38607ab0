//! Rows that come at any times, put at even steps.

/// The usual distance of rows, in the unit of `times`, which are in order: the mean of the distances that are not gaps
/// (beyond one and a half medians), since each may have been rounded; at least 1. `None` of fewer than two rows.
pub fn usual_step(times: &[i64]) -> Option<f64> {
    let mut distances: Vec<f64> = times.windows(2).map(|pair| far(pair[0], pair[1])).collect();
    distances.sort_by(f64::total_cmp);
    let middle = *distances.get(distances.len() / 2)?;
    distances.retain(|distance| *distance <= 1.5 * middle);
    Some((distances.iter().sum::<f64>() / distances.len() as f64).max(1.0))
}

/// The values of rows at steps of `width` from the first row on, the last included: the mean where several rows fall
/// into one step, NaN where none does. `times` are in order. `None` without a row, and beyond `most` steps.
///
/// ```
/// use echobase_analysis::forecast::{at_even_steps, usual_step};
///
/// let times = [0, 10, 20, 40];
/// let step = usual_step(&times).ok_or("one row alone")?;
/// let even = at_even_steps(&times, &[1.0, 2.0, 3.0, 5.0], step, 100).ok_or("too many steps")?;
/// assert_eq!((step, even.len(), even[3].is_nan(), even[4]), (10.0, 5, true, 5.0));
/// # Ok::<(), &str>(())
/// ```
pub fn at_even_steps(times: &[i64], values: &[f64], width: f64, most: usize) -> Option<Vec<f64>> {
    let (first, last) = (*times.first()?, *times.last()?);
    let place = |at: i64| (far(first, at) / width).round().max(0.0) as usize;
    let rows = place(last).checked_add(1).filter(|rows| *rows <= most)?;
    let mut sums = vec![(0.0, 0_u32); rows];
    for (&at, value) in times.iter().zip(values) {
        if let Some((sum, count)) = sums.get_mut(place(at)) {
            *sum += value;
            *count += 1;
        }
    }
    let mean = |(sum, count): (f64, u32)| if count == 0 { f64::NAN } else { sum / f64::from(count) };
    Some(sums.into_iter().map(mean).collect())
}

/// From one time to another; whole numbers of any size have a distance.
fn far(from: i64, to: i64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_that_were_rounded_are_one_step_and_gaps_are_none() {
        // 6.667 s on a grid of 540 ms, with a hole.
        let times: Vec<i64> =
            (0..200).filter(|i| !(50..70).contains(i)).map(|i| (i * 6_667) / 540 * 540).collect();
        let step = usual_step(&times).unwrap_or_default();
        assert!((step / 6_667.0 - 1.0).abs() < 0.01, "{step}");
        let even = at_even_steps(&times, &[1.0; 180], step, 300).unwrap_or_default();
        assert_eq!((even.len(), even.iter().filter(|v| v.is_nan()).count()), (200, 20));
        assert_eq!(at_even_steps(&times, &[1.0; 180], step, 199), None);
    }

    #[test]
    fn no_rows_one_row_and_rows_very_far_apart() {
        assert_eq!((usual_step(&[]), usual_step(&[5])), (None, None));
        assert_eq!(at_even_steps(&[], &[], 1.0, 9), None);
        assert_eq!(at_even_steps(&[5], &[2.0], 1.0, 9), Some(vec![2.0]));
        let far = [i64::MIN, 0, i64::MAX];
        let step = usual_step(&far).unwrap_or_default();
        assert_eq!(at_even_steps(&far, &[1.0, 2.0, 3.0], step, 9), Some(vec![1.0, 2.0, 3.0]));
    }
}
