//! When does a surprise deserve an alert? Sparse onsets, habituation, and the false-alarm budget.
//!
//! An onset is a surprise above a decaying maximum of those before it, at least a few points after the last one. The
//! onsets of a series are remembered by size in a fading histogram: what came up often before is discounted by the
//! logarithm of how often (a series gets used to what it does). On series of very different kinds (network, load,
//! prices, traffic, temperature; the project's benchmark page has the table) the rate of onsets that remain is the
//! same function of the discounted size, log₁₀(onsets per point) = −1.85 − 0.55 · size; the bar for a budget is its
//! inverse. What a series does differently is learned: by the habituation, and by a loop that raises the bar of a
//! series which is young, or has opened more alerts than its budget foresaw.

/// Points in which the decaying maximum halves, at most; less where the budget allows alerts more often.
const HALF_LIFE: f32 = 150.0;
/// What the maximum remembers of a surprise at most, above the bar: after a monstrous one the series must not be deaf.
const HEARD: f32 = 2.5;
/// Points after an onset in which only a clearly higher one counts, at most.
const REFRACTORY: f32 = 20.0;
/// Clearly higher.
const RISE: f32 = 0.5;
/// Cells of the histogram per unit of surprise, and their number.
const FINE: f32 = 5.0;
const CELLS: usize = 48;
/// Onsets smaller by this still count as the same size.
const ALIKE: f32 = 0.2;
/// Discount per factor of ten of onsets alike: for the decision, and for the order of alerts across series.
const HABIT: f32 = 0.7;
const HABIT_OF_RANK: f32 = 1.5;
/// How onsets come and are forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Habits {
    /// log₁₀(onsets per point) = `rate_at_0` + `slope` · size.
    rate_at_0: f32,
    slope: f32,
    /// Points in which the memory of past onsets halves.
    memory: f32,
}

/// Of one series: it does what it ever did. Of many together: what they are changes with every deployment.
static OF_ONE: Habits = Habits { rate_at_0: -1.85, slope: -0.55, memory: 20_000.0 };
static OF_MANY: Habits = Habits { rate_at_0: -1.75, slope: -0.58, memory: 2_000.0 };

/// Share of the budget that is aimed at: neighbouring series and days differ.
const AIM: f32 = 0.8;
/// A week counts as at least so many points: few points cannot prove a rare event.
const LEAST_ROWS: f32 = 450.0;
/// The loop heeds a series that opens more than this multiple of what was foreseen (true incidents open alerts too).
/// It starts before anything was foreseen: what is young cannot prove that something is rare, so that the first alert
/// needs [`FIRST`] / [`PATIENCE`] times the rarity, and no more than usual once a fifth of an alert was foreseen.
const LICENCE: f32 = 3.0;
const FIRST: f32 = 0.6;
const PATIENCE: f32 = 0.1;
/// Both counts halve after so many foreseen.
const FORGET_AT: f32 = 50.0;
/// Surprises below this are no onsets.
const LEAST: f32 = 0.3;

/// What the budget means for a series with this step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Discounted size at which an alert opens.
    pub(crate) height: f32,
    decay: f32,
    refractory: f32,
    /// Alerts foreseen per point.
    rate: f32,
    habits: &'static Habits,
}

impl Bar {
    /// The same bar, so many times as high.
    pub(crate) fn times(self, factor: f32) -> Self {
        Self { height: self.height * factor, ..self }
    }

    /// The bar of one series for so many false alarms per week at this step (seconds).
    pub(crate) fn new(step: f64, false_alarms_per_week: f64) -> Self {
        Self::with(&OF_ONE, step, false_alarms_per_week)
    }

    /// The bar of many series that are judged together.
    pub(crate) fn of_many(step: f64, false_alarms_per_week: f64) -> Self {
        Self::with(&OF_MANY, step, false_alarms_per_week)
    }

    fn with(habits: &'static Habits, step: f64, false_alarms_per_week: f64) -> Self {
        let rows = ((7.0 * 86_400.0 / step.max(1e-3)) as f32).max(LEAST_ROWS);
        let budget = false_alarms_per_week as f32;
        let spacing = rows / budget.max(1e-6);
        let height = (habits.rate_at_0 - (AIM / spacing).log10()) / -habits.slope;
        Self {
            height: height.clamp(LEAST, 12.0),
            decay: (-std::f32::consts::LN_2 / HALF_LIFE.min(spacing).max(1.0)).exp(),
            refractory: REFRACTORY.min(0.25 * spacing),
            rate: AIM / spacing,
            habits,
        }
    }
}

/// An onset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Onset {
    /// Surprise less the habituation: an alert opens where it exceeds the bar.
    pub(crate) size: f32,
    /// Severity with the stronger discount, by which alerts of different series are put in order; above 0.
    pub(crate) rank: f32,
}

/// Memory of the onsets of one series. The order of the fields is kept: what every value needs comes last.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Onsets {
    counts: [f32; CELLS],
    maximum: f32,
    since: f32,
    last: f32,
    weight: f32,
    foreseen: f32,
    opened: f32,
}

impl Default for Onsets {
    fn default() -> Self {
        Self {
            maximum: 0.0,
            since: f32::MAX,
            last: 0.0,
            weight: 1.0,
            foreseen: 0.0,
            opened: 0.0,
            counts: [0.0; CELLS],
        }
    }
}

impl Onsets {
    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.weight.to_bits()
    }

    /// Takes the surprise of one point.
    pub(crate) fn observe(&mut self, surprise: f32, bar: &Bar) -> Option<Onset> {
        // New onsets weigh more instead of old ones less: one multiplication a point.
        self.weight *= 1.0 + std::f32::consts::LN_2 / bar.habits.memory;
        if self.weight > 1e6 {
            for count in &mut self.counts {
                *count /= self.weight;
            }
            self.weight = 1.0;
        }
        self.foreseen += bar.rate;
        if self.foreseen > FORGET_AT {
            self.foreseen *= 0.5;
            self.opened *= 0.5;
        }
        self.since += 1.0;
        let is_height = surprise > self.maximum && surprise > LEAST;
        self.maximum = (self.maximum * bar.decay).max(surprise.min(bar.height + HEARD));
        if !is_height {
            return None;
        }
        let alike = self.counts.iter().skip(cell(surprise - ALIKE)).sum::<f32>() / self.weight;
        let habit = (1.0 + alike).log10();
        let size = surprise - HABIT * habit;
        if self.since <= bar.refractory && size <= RISE + self.last {
            return None;
        }
        (self.since, self.last) = (0.0, size);
        if let Some(count) = self.counts.get_mut(cell(surprise)) {
            *count += self.weight;
        }
        Some(Onset { size, rank: (surprise - HABIT_OF_RANK * habit).max(1e-3) })
    }

    /// What an onset must exceed: the bar, and more for a series that has opened more alerts than foreseen.
    pub(crate) fn height(&self, bar: &Bar) -> f32 {
        let excess = ((FIRST + self.opened) / (PATIENCE + LICENCE * self.foreseen)).log10().max(0.0);
        bar.height + excess / -bar.habits.slope
    }

    /// Whether an onset opens an alert; then it counts.
    pub(crate) fn opens(&mut self, onset: &Onset, bar: &Bar) -> bool {
        let opens = onset.size > self.height(bar);
        if opens {
            self.opened += 1.0;
        }
        opens
    }
}

fn cell(surprise: f32) -> usize {
    ((surprise * FINE).max(0.0) as usize).min(CELLS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: f64 = 300.0;

    #[test]
    fn the_bar_rises_when_the_budget_falls_and_when_points_come_faster() {
        let height = |step, budget| Bar::new(step, budget).height;
        let table = [(MINUTES, 20.0), (MINUTES, 7.0), (MINUTES, 2.0), (MINUTES, 0.1), (5.0, 0.1), (1.0, 0.1)];
        for pair in table.windows(2) {
            assert!(height(pair[0].0, pair[0].1) < height(pair[1].0, pair[1].1), "{pair:?}");
        }
        assert!((height(MINUTES, 2.0) - 2.28).abs() < 0.05, "{}", height(MINUTES, 2.0));
        assert_eq!(height(86_400.0, 2.0), height(3_600.0, 2.0), "a week counts as 1,000 points at least");
    }

    #[test]
    fn what_comes_up_often_is_discounted_and_what_is_new_is_not() {
        let bar = Bar::new(MINUTES, 2.0);
        let mut onsets = Onsets::default();
        let mut sizes = Vec::new();
        for i in 0..3_000 {
            let surprise = if i % 300 == 299 { 4.0 } else { 0.1 };
            sizes.extend(onsets.observe(surprise, &bar).map(|o| o.size));
        }
        assert_eq!(sizes.len(), 10);
        assert!(sizes.windows(2).all(|p| p[1] < p[0]), "{sizes:?}");
        assert_eq!(sizes[0], 4.0);
        let larger = onsets.observe(6.0, &bar).map(|o| o.size);
        assert_eq!(larger, Some(6.0));
    }

    /// Lets so many quiet points pass.
    fn wait(onsets: &mut Onsets, bar: &Bar, points: u32) {
        for _ in 0..points {
            onsets.observe(0.0, bar);
        }
    }

    #[test]
    fn a_series_that_overdraws_its_budget_must_do_more() {
        let bar = Bar::new(MINUTES, 2.0);
        let mut onsets = Onsets::default();
        let onset = Onset { size: bar.height + 0.5, rank: 1.0 };
        wait(&mut onsets, &bar, 2_000);
        let opened = (0..20).filter(|_| onsets.opens(&onset, &bar)).count();
        assert!((2..12).contains(&opened), "{opened}");
        wait(&mut onsets, &bar, 20_000);
        assert!(onsets.opens(&onset, &bar), "the budget of ten weeks was not used");
    }

    #[test]
    fn the_first_alert_of_a_young_series_must_be_larger() {
        let bar = Bar::new(MINUTES, 2.0);
        for (points, over, opens) in
            [(50, 0.3, false), (50, 3.0, true), (1_000, 0.3, true), (1_000, -0.1, false)]
        {
            let mut onsets = Onsets::default();
            wait(&mut onsets, &bar, points);
            let onset = Onset { size: bar.height + over, rank: 1.0 };
            assert_eq!(onsets.opens(&onset, &bar), opens, "{over} over the bar after {points}");
        }
    }

    #[test]
    fn an_onset_is_told_once_and_a_clearly_higher_one_again() {
        let bar = Bar::new(MINUTES, 2.0);
        let mut onsets = Onsets::default();
        let told: Vec<bool> =
            [3.0, 3.1, 2.9, 5.0, 5.0].into_iter().map(|s| onsets.observe(s, &bar).is_some()).collect();
        assert_eq!(told, [true, false, false, true, false]);
    }
}
