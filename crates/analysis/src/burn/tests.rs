#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;

use super::*;

fn alert(burn: &Burn, now: Timestamp) -> Option<Urgency> {
    burn.readings(now).iter().filter(|r| r.is_firing).map(|r| r.urgency).max()
}

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
        assert_eq!(alert(&burn, at(THREE_DAYS - 1)), want, "{bad} of 1,000 for {minutes} min");
    }
}

#[test]
fn an_alert_closes_soon_after_the_errors_end() {
    let burst = |m: i64| if (600..660).contains(&m) { 50.0 } else { 0.0 };
    let burn = after(660, 0.999, burst);
    assert_eq!(alert(&burn, at(659)), Some(Urgency::Page));
    let fast = |burn: &Burn, minute: i64| burn.readings(at(minute))[0].is_firing;
    assert!(fast(&after(662, 0.999, burst), 661));
    assert!(!fast(&after(666, 0.999, burst), 665));
}

#[test]
fn the_budget_and_how_long_it_lasts() {
    let day = 24 * 60;
    // Half the allowed errors all the time: half the budget is left, and it would last beyond the window.
    let now = at(30 * day - 1);
    let calm = after(30 * day, 0.999, |_| 0.5);
    let told = calm.forecast(now).unwrap();
    assert!((calm.left(now) - 0.5).abs() < 0.01 && told.gone_in.is_none(), "{told:?}");
    assert!((told.left_at_end - 0.5).abs() < 0.01, "{told:?}");
    // Then ten times the allowed rate for six hours: what is left goes ten times too fast, but what is in the window
    // leaves it half as fast as it should come.
    let worse = after(30 * day, 0.999, |m| if m >= 30 * day - 360 { 10.0 } else { 0.5 });
    let (left, told) = (worse.left(now), worse.forecast(now).unwrap());
    let days = told.gone_in.unwrap().as_secs_f64() / 86_400.0;
    assert!(left < 0.45 && (days - 30.0 * left / 9.5).abs() < 0.1, "{told:?} {left} {days}");
    assert!((told.left_at_end + 9.0).abs() < 0.1, "{told:?}");
    let over = after(10 * day, 0.999, |_| 5.0);
    let now = at(10 * day - 1);
    assert!((over.left(now) + 4.0).abs() < 0.01);
    assert_eq!(over.forecast(now).unwrap().gone_in, Some(Duration::ZERO));
    let empty = Burn::new(Objective::new(0.9, HOUR).unwrap());
    assert_eq!((empty.left(at(0)), empty.forecast(at(0))), (1.0, None));
}

#[test]
fn the_forecast_spans_the_recent_rates() {
    // Of the last six hours the first three burn at 2, the last three at 8.
    let minutes = 24 * 60;
    let burn = after(minutes, 0.999, |m| if m >= minutes - 180 { 8.0 } else { 2.0 });
    let told = burn.forecast(at(minutes - 1)).unwrap();
    assert!((told.rate - 8.0).abs() < 0.1, "{told:?}");
    assert!((told.rates.0 - 2.0).abs() < 0.1 && (told.rates.1 - 8.0).abs() < 0.1, "{told:?}");
    assert!(told.gone_in_soonest <= told.gone_in && told.gone_in <= told.gone_in_latest, "{told:?}");
}

#[test]
fn minutes_without_events_are_not_good_but_unknown() {
    let mut burn = Burn::new(Objective::new(0.99, DAY).unwrap());
    for minute in 0..24 * 60 {
        if minute % 2 == 0 {
            burn.observe(at(minute), 5.0, 0.0);
            burn.observe(at(minute), 5.0, 0.0);
        }
    }
    let now = at(24 * 60 - 1);
    assert!((burn.covered(now) - 0.5).abs() < 0.01, "{}", burn.covered(now));
    let later = at(24 * 60 + 30);
    assert!(burn.readings(later)[0].short.is_none(), "nothing came for half an hour");
    assert!(burn.covered(at(72 * 60)) < 1e-9);
}

#[test]
fn one_failure_at_night_wakes_nobody() {
    let mut burn = Burn::new(Objective::new(0.999, 30 * DAY).unwrap());
    burn.observe(at(0), 1.0, 1.0);
    assert_eq!(alert(&burn, at(1)), None);
    burn.observe(at(1), 0.0, 2.0);
    assert_eq!(alert(&burn, at(1)), Some(Urgency::Page));
}

#[test]
fn an_outage_pages_however_large_the_budget() {
    let burn = after(120, 0.8, |m| if m >= 60 { 1_000.0 } else { 0.0 });
    assert_eq!(alert(&burn, at(119)), Some(Urgency::Page));
}

#[test]
fn the_history_runs_down_to_what_is_left() {
    let day = 24 * 60;
    let burn = after(30 * day, 0.999, |m| if m > 20 * day { 2.0 } else { 0.0 });
    let now = at(30 * day - 1);
    let history = burn.history(now);
    assert!((59..=61).contains(&history.len()), "{}", history.len());
    assert!(history.windows(2).all(|pair| pair[0].left >= pair[1].left && pair[0].end < pair[1].end));
    assert!((history.last().unwrap().left - burn.left(now)).abs() < 1e-9);
    let recent = burn.recent(now);
    assert!((recent.last().unwrap().left - burn.left(now)).abs() < 1e-9);
    assert!((recent.first().unwrap().rate.unwrap() - 2.0).abs() < 1e-9);
}

#[test]
fn windows_shrink_with_the_objective_and_state_stays_small() {
    let mut burn = Burn::new(Objective::new(0.99, 7 * DAY).unwrap());
    assert_eq!(burn.rules[0].long, HOUR.mul_f64(7.0 / 30.0));
    assert_eq!(burn.rules[0].short, SHORTEST.1);
    for minute in 0..60 * 24 * 60 {
        burn.observe(at(minute), 10.0, 0.0);
    }
    let cells: usize = burn.rings.iter().map(|ring| ring.cells.len()).sum();
    assert!(cells * size_of::<Cell>() < 12_000, "{cells} cells");
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
        let least = 1.0 - 1.0 / 0.005 - 1e-6;
        let left = burn.left(at(now));
        prop_assert!(left <= 1.0 && left >= least, "{}", left);
        prop_assert!((0.0..=1.0).contains(&burn.covered(at(now))));
        if let Some(told) = burn.forecast(at(now)) {
            prop_assert!(told.rates.0 <= told.rate && told.rate <= told.rates.1, "{:?}", told);
            prop_assert!(told.left_at_end <= 1.0 && told.left_at_end >= least, "{:?}", told);
            for gone in [told.gone_in, told.gone_in_soonest, told.gone_in_latest].into_iter().flatten() {
                prop_assert!(gone <= 31 * DAY, "{:?}", told);
            }
        }
        for reading in burn.readings(at(now)) {
            prop_assert!((0.0..=200.0 + 1e-6).contains(&reading.long), "{:?}", reading);
            prop_assert!(reading.short.is_none_or(|short| (0.0..=200.0 + 1e-6).contains(&short)), "{:?}", reading);
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
        prop_assert!(more.left(now) <= less.left(now));
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
