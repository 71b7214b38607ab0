#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(minute * 60 + 30)
}

/// Minutes of 1,000 events; `bad` gives how many of each minute's were bad.
fn after(minutes: i64, target: f64, bad: impl Fn(i64) -> f64) -> Burn {
    let mut burn = Burn::new(Objective::new(target, 30 * DAY).unwrap());
    for minute in 0..minutes {
        burn.observe(at(minute), 1_000.0 - bad(minute), bad(minute));
    }
    burn
}

const THREE_DAYS: i64 = 3 * 24 * 60;

#[test]
fn alerts_of_the_workbook() {
    // Bad events per 1,000 in the last minutes, before them none; the objective allows 1 in 1,000.
    for (bad, minutes, want) in [
        (0.0, 60, None),
        (0.9, THREE_DAYS, None),
        (1.1, THREE_DAYS, Some(Urgency::Ticket)),
        (7.0, 6 * 60, Some(Urgency::Page)),
        (7.0, 60, None),
        (20.0, 60, Some(Urgency::Page)),
        (20.0, 20, None),
        (1_000.0, 1, Some(Urgency::Page)),
    ] {
        let burn = after(THREE_DAYS, 0.999, |m| if m >= THREE_DAYS - minutes { bad } else { 0.0 });
        assert_eq!(burn.alert(at(THREE_DAYS - 1)), want, "{bad} of 1,000 for {minutes} min");
    }
}

#[test]
fn an_alert_closes_soon_after_the_errors_end() {
    let burst = |m: i64| if (600..660).contains(&m) { 50.0 } else { 0.0 };
    let burn = after(660, 0.999, burst);
    assert_eq!(burn.alert(at(659)), Some(Urgency::Page));
    let fast = |burn: &Burn, minute: i64| burn.readings(at(minute))[0].is_firing;
    assert!(fast(&after(662, 0.999, burst), 661));
    assert!(!fast(&after(666, 0.999, burst), 665));
}

#[test]
fn the_budget_and_how_long_it_lasts() {
    let day = 24 * 60;
    // Half the allowed errors all the time: half the budget is left, and it would last beyond the window.
    let calm = after(30 * day, 0.999, |_| 0.5).budget(at(30 * day - 1));
    assert!((calm.left - 0.5).abs() < 0.01 && calm.time_left.is_none(), "{calm:?}");
    // Then ten times the allowed rate for six hours: 30 days x 0.5 / 10, less what is spent meanwhile.
    let worse = after(30 * day, 0.999, |m| if m >= 30 * day - 360 { 10.0 } else { 0.5 });
    let worse = worse.budget(at(30 * day - 1));
    let days = worse.time_left.unwrap().as_secs_f64() / 86_400.0;
    assert!(worse.left < 0.45 && (days - 3.0 * worse.left).abs() < 0.1, "{worse:?} {days}");
    let gone = after(10 * day, 0.999, |_| 5.0).budget(at(10 * day - 1));
    assert!((gone.left + 4.0).abs() < 0.01 && gone.time_left == Some(Duration::ZERO), "{gone:?}");
    let empty = Burn::new(Objective::new(0.9, HOUR).unwrap()).budget(at(0));
    assert_eq!(empty, Budget { left: 1.0, time_left: None });
}

#[test]
fn windows_shrink_with_the_objective_and_state_stays_small() {
    let mut burn = Burn::new(Objective::new(0.99, 7 * DAY).unwrap());
    assert_eq!(burn.rules[0].long, HOUR.mul_f64(7.0 / 30.0));
    for minute in 0..60 * 24 * 60 {
        burn.observe(at(minute), 10.0, 0.0);
    }
    let cells: usize = burn.rings.iter().map(|ring| ring.cells.len()).sum();
    assert!(cells * size_of::<Cell>() < 8_000, "{cells} cells");
}

#[test]
fn objectives_that_mean_nothing_are_refused() {
    for (target, window) in [(0.0, DAY), (1.0, DAY), (f64::NAN, DAY), (0.9, MINUTE), (0.9, 400 * DAY)] {
        assert_eq!(Objective::new(target, window), None);
    }
}

fn events() -> impl Strategy<Value = Vec<(i64, f64, f64)>> {
    let count = prop_oneof![8 => 0.0..1e4_f64, 1 => Just(f64::NAN), 1 => -5.0..0.0, 1 => Just(f64::INFINITY)];
    prop::collection::vec((0..5_000_i64, count.clone(), count), 0..200)
}

proptest! {
    #[test]
    fn figures_stay_in_their_range_whatever_comes_in(events in events(), now in 0..6_000_i64) {
        let mut burn = Burn::new(Objective::new(0.995, 30 * DAY).unwrap());
        for (minute, good, bad) in events {
            burn.observe(at(minute), good, bad);
        }
        let budget = burn.budget(at(now));
        prop_assert!(budget.left <= 1.0 && budget.left >= 1.0 - 1.0 / 0.005 - 1e-6, "{:?}", budget);
        prop_assert!(budget.time_left.is_none_or(|left| left <= 30 * DAY));
        for reading in burn.readings(at(now)) {
            prop_assert!((0.0..=200.0 + 1e-6).contains(&reading.long), "{:?}", reading);
            prop_assert!((0.0..=200.0 + 1e-6).contains(&reading.short), "{:?}", reading);
        }
    }

    #[test]
    fn more_bad_events_never_lower_a_rate_or_raise_the_budget(
        bad in prop::collection::vec(0.0..100.0_f64, 60..200), which in 0..60_usize, more in 1.0..500.0_f64,
    ) {
        let run = |extra: f64| {
            let mut burn = Burn::new(Objective::new(0.99, 30 * DAY).unwrap());
            for (minute, bad) in bad.iter().enumerate() {
                burn.observe(at(minute as i64), 1_000.0, bad + if minute == which { extra } else { 0.0 });
            }
            burn
        };
        let now = at(bad.len() as i64 - 1);
        let (less, more) = (run(0.0), run(more));
        for (less, more) in less.readings(now).iter().zip(more.readings(now)) {
            prop_assert!(more.long >= less.long && more.short >= less.short);
        }
        prop_assert!(more.budget(now).left <= less.budget(now).left);
    }

    #[test]
    fn the_order_of_events_does_not_matter(events in events()) {
        let run = |events: &[(i64, f64, f64)]| {
            let mut burn = Burn::new(Objective::new(0.99, 30 * DAY).unwrap());
            for (minute, good, bad) in events {
                burn.observe(at(*minute), good.round(), bad.round());
            }
            burn.readings(at(5_000)).iter().map(|r| (r.long, r.short)).collect::<Vec<_>>()
        };
        let mut sorted = events.clone();
        sorted.sort_by_key(|event| event.0);
        prop_assert_eq!(run(&events), run(&sorted));
    }
}
