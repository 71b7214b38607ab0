//! How informative each component of the stability score was of the trouble that this resource had.
//!
//! Trouble is harm: requests that fail, or a resource that does not answer. Of each component is remembered how bad it
//! was lately (the worst, forgotten within a quarter of an hour), and the mean of that is kept apart for what came
//! before trouble and for calm times. A component that was bad before trouble and is not bad otherwise was informative;
//! one that is bad all the time, or was well while requests began to fail, was not:
//!
//! factor = 1.5 ^ (evidence × (2 × lift − 1)), lift = max(0, mean before trouble − mean in calm),
//! evidence = t / (t + 10 min)
//!
//! with t the time of trouble that counts: of one long trouble the first quarter of an hour. So a factor lies between ⅔
//! and 1½, is 1 while nothing ever happened, and moves without jumps. Half of what is known is forgotten in thirty days.
//!
//! It follows from the signals alone, so that a replay of them brings it back. Its state is bounded: about 120 bytes.
//!
//! Sources: eligibility traces (Sutton 1988); the lift is Youden's index (1950) of a graded test.

use echobase_types::Timestamp;

/// Within so many seconds what was bad is forgotten (to a third), and of one trouble so much counts.
const LATELY: f32 = 900.0;
/// Seconds of trouble that are believed half.
const BELIEVED: f64 = 600.0;
/// Seconds in which half of what is known is forgotten.
const HALF_LIFE: f64 = 30.0 * 86_400.0;
/// The most that lies between two looks.
const LONGEST: f32 = 300.0;
/// The least.
const SHORTEST: f32 = 1.0;
/// The largest factor; the least is its inverse.
pub(crate) const MOST: f64 = 1.5;

/// Badness of the error component at which trouble begins (about 1 % of requests fail), and from which on it is all
/// trouble (about 6 %).
const TROUBLE: (f64, f64) = (0.5, 2.5);

/// Streaming state of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Informed {
    last: Option<Timestamp>,
    /// How bad each component was lately, 0..=1.
    lately: [f32; 4],
    calm: Mean,
    before: Mean,
    /// How long the present trouble has lasted.
    lasted: f32,
}

/// A weighted mean of four figures.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    seconds: f64,
    sums: [f64; 4],
}

impl Mean {
    fn add(&mut self, seconds: f32, figures: [f32; 4], kept: f64) {
        self.seconds = self.seconds * kept + f64::from(seconds);
        for (sum, figure) in self.sums.iter_mut().zip(figures) {
            *sum = *sum * kept + f64::from(seconds * figure);
        }
    }

    fn of(&self, component: usize) -> f64 {
        if self.seconds > 0.0 { self.sums.get(component).copied().unwrap_or(0.0) / self.seconds } else { 0.0 }
    }
}

/// How much trouble a badness of the error component is, 0..=1.
fn trouble(error: Option<f64>) -> f32 {
    let (from, to) = TROUBLE;
    ((error.unwrap_or(0.0) - from) / (to - from)).clamp(0.0, 1.0) as f32
}

impl Informed {
    /// Whether a look at that time counts.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.last.is_none_or(|last| now > last && now.since(last).as_secs_f64() as f32 >= SHORTEST)
    }

    /// Takes the badness of the four components ([`crate::stability::WORST`] at most; `None`: nothing speaks of it) at a
    /// time. The second is the error component. Looks that follow each other within a second are one.
    pub(crate) fn observe(&mut self, badness: [Option<f64>; 4], now: Timestamp) {
        if !self.is_due(now) {
            return;
        }
        let seconds = self.last.map_or(SHORTEST, |last| now.since(last).as_secs_f64() as f32);
        self.last = Some(now);
        let counted = seconds.min(LONGEST);
        let trouble = trouble(badness[1]);
        let kept = (-f64::from(counted) * std::f64::consts::LN_2 / HALF_LIFE).exp();
        self.lasted = (self.lasted + trouble * counted) * (-(1.0 - trouble) * seconds / LATELY).exp();
        // What is told of trouble is how bad it was before this look.
        let weight = trouble * (-self.lasted / LATELY).exp();
        self.before.add(weight * counted, self.lately, kept);
        self.calm.add((1.0 - trouble) * counted, self.lately, kept);
        let forgotten = (-seconds / LATELY).exp();
        for (lately, badness) in self.lately.iter_mut().zip(badness) {
            let now = 1.0 - (-badness.unwrap_or(0.0)).exp() as f32;
            *lately = now.max(*lately * forgotten);
        }
    }

    /// The factor of each component's weight, from 1 / [`MOST`] to [`MOST`].
    pub(crate) fn factors(&self) -> [f64; 4] {
        let evidence = self.before.seconds / (self.before.seconds + BELIEVED);
        [0, 1, 2, 3].map(|c| {
            let lift = (self.before.of(c) - self.calm.of(c)).clamp(0.0, 1.0);
            MOST.powf(evidence * (2.0 * lift - 1.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stability::{WORST, combine};

    /// Resource, error, performance, dependency, every 10 s.
    fn after(looks: impl IntoIterator<Item = [f64; 4]>) -> Informed {
        let mut informed = Informed::default();
        for (i, badness) in (0..).zip(looks) {
            informed.observe(badness.map(Some), Timestamp::from_secs(10 * i));
        }
        informed
    }

    const CALM: [f64; 4] = [0.0; 4];

    /// Three troubles, each announced by slow answers; the resource looks bad all day.
    fn announced() -> Informed {
        after((0..3).flat_map(|_| {
            let calm = std::iter::repeat_n([2.0, 0.0, 0.0, 0.0], 600);
            let slow = std::iter::repeat_n([2.0, 0.0, 4.0, 0.0], 30);
            calm.chain(slow).chain(std::iter::repeat_n([2.0, 4.0, 4.0, 0.0], 60))
        }))
    }

    #[test]
    fn while_nothing_happened_nothing_is_learned() {
        assert_eq!(after([CALM; 100]).factors(), [1.0; 4]);
        assert_eq!(after([[5.0, 0.0, 3.0, 2.0]; 100]).factors(), [1.0; 4], "bad, but without harm");
    }

    #[test]
    fn what_announced_the_trouble_gains_and_what_is_always_bad_or_always_well_loses() {
        let [resource, _, performance, dependency] = announced().factors();
        assert!(performance > 1.15, "{performance}");
        assert!(resource < 0.85 && dependency < 0.85, "{resource} {dependency}");
    }

    #[test]
    fn the_score_then_falls_further_where_it_was_right_and_less_where_it_was_not() {
        let (plain, learned) = ([1.0; 4], announced().factors());
        let of = |factors, badness: [f64; 4]| combine(badness.map(Some), factors).0;
        let (slow, full) = ([0.0, 0.0, 2.0, 0.0], [2.0, 0.0, 0.0, 0.0]);
        assert!(of(learned, slow) < of(plain, slow) - 0.02);
        assert!(of(learned, full) > of(plain, full) + 0.02);
    }

    #[test]
    fn one_long_trouble_counts_for_little_more_than_a_short_one() {
        let long = |looks| {
            after(std::iter::repeat_n(CALM, 600).chain(std::iter::repeat_n([0.0, 6.0, 6.0, 0.0], looks)))
        };
        let (short, day) = (long(180).factors()[2], long(8_640).factors()[2]);
        assert!(day < short * 1.1, "{short} {day}");
    }

    #[test]
    fn it_is_forgotten_again() {
        let mut informed = announced();
        let before = informed.before.seconds;
        for i in 0..30 * 288 {
            informed.observe([Some(0.0); 4], Timestamp::from_secs(100_000 + 300 * i));
        }
        assert!((informed.before.seconds / before - 0.5).abs() < 0.02, "half of it in thirty days");
    }

    fn looks() -> impl Strategy<Value = Vec<([Option<f64>; 4], u32)>> {
        let badness = prop::array::uniform4(prop::option::weighted(0.9, 0.0..=WORST));
        prop::collection::vec((badness, 0..4_000_u32), 0..60)
    }

    fn seen(looks: &[([Option<f64>; 4], u32)]) -> Informed {
        let mut informed = Informed::default();
        let mut at = 0;
        for (badness, seconds) in looks {
            at += i64::from(*seconds);
            informed.observe(*badness, Timestamp::from_secs(at));
        }
        informed
    }

    proptest! {
        #[test]
        fn the_factors_stay_within_their_bounds_whatever_comes(looks in looks()) {
            for factor in seen(&looks).factors() {
                prop_assert!((1.0 / MOST - 1e-6..=MOST + 1e-6).contains(&factor), "{factor}");
            }
        }

        #[test]
        fn a_replay_learns_the_same(looks in looks()) {
            prop_assert_eq!(seen(&looks).factors(), seen(&looks).factors());
        }

        #[test]
        fn a_small_change_of_what_was_seen_is_a_small_change_of_what_is_learned(
            looks in looks(), which in 0_usize..60, component in 0_usize..4,
        ) {
            let mut near = looks.clone();
            if let Some((badness, _)) = near.get_mut(which)
                && let Some(b) = &mut badness[component]
            {
                *b = (*b + 1e-3).min(WORST);
            }
            for (a, b) in seen(&looks).factors().into_iter().zip(seen(&near).factors()) {
                prop_assert!((a - b).abs() < 5e-3, "{a} {b}");
            }
        }

        #[test]
        fn whatever_was_learned_more_badness_never_raises_the_score(
            looks in looks(), b in prop::array::uniform4(prop::option::weighted(0.8, 0.0..=WORST)),
            which in 0_usize..4, more in 0.0..WORST,
        ) {
            let factors = seen(&looks).factors();
            let mut worse = b;
            if let Some(value) = &mut worse[which] {
                *value = (*value + more).min(WORST);
            }
            let (score, weights) = combine(b, factors);
            prop_assert!(combine(worse, factors).0 <= score + 1e-12);
            prop_assert!(score > 0.0 && score <= 1.0);
            let sum: f64 = weights.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9 || b.iter().all(Option::is_none));
        }
    }
}
