//! What is usual at this time: 96 quarter hours of two day types (weekday, weekend; UTC), and what the hours of the
//! week add to that, where they remove a good part of the error: Friday night is not Monday night everywhere. A cycle
//! of any other length ([`crate::cycle`]) is added in the same way.

use crate::cycle::Cycle;

/// Quarter hours of a day.
pub(crate) const BUCKETS: usize = 96;
const DAY: i64 = 86_400;
/// Pairs of hours of a week.
const PAIRS: usize = 84;
const PAIR: i64 = 7_200;
/// The hours of the week count where they bring the error below this share of what it is without them.
const HELPS: f32 = 0.7;
/// Seconds that must have been seen before they are tried: a week and a day.
const TRIED_AFTER: i64 = 8 * DAY;
/// Share of a value in the running errors.
const ERROR_RATE: f32 = 0.003;

/// Learned levels and how often each was learned. The order of the fields is kept: what every value needs comes last,
/// beside what the detector needs.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Profile {
    /// Weekdays and weekends, each once it is over a quarter hour old: many a series does not live to see both.
    days: [Option<Box<Day>>; 2],
    /// What each pair of hours of the week adds to that, and how often it was learned.
    week: [f32; PAIRS],
    week_count: [u8; PAIRS],
    cycle: Cycle,
    first: Option<i64>,
    /// Running error without and with what the hour of the week adds.
    errors: [f32; 2],
    here: Here,
}

/// The quarter hours of one day type.
#[derive(Clone, Debug)]
struct Day {
    level: [f32; BUCKETS],
    count: [u8; BUCKETS],
}

/// The cells of the present quarter hour, weekday and weekend: they are written back when it is over.
#[derive(Clone, Copy, Debug, Default)]
struct Here {
    level: [f32; 2],
    week: f32,
    count: [u8; 2],
    week_count: u8,
    bucket: u8,
    hour: u8,
}

/// What the profile says of one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    kind: usize,
    day_level: f32,
    /// What a cycle adds.
    cycle: f32,
    is_day_known: bool,
    is_day_old: bool,
    is_week_old: bool,
    /// The usual level; the fallback where nothing was learned.
    pub(crate) level: f32,
    /// Whether the level rests on at least two values, or a cycle is known.
    pub(crate) is_known: bool,
}

impl Profile {
    pub(crate) fn new() -> Self {
        Self {
            days: [None, None],
            week: [0.0; PAIRS],
            week_count: [0; PAIRS],
            cycle: Cycle::default(),
            first: None,
            errors: [0.0; 2],
            here: Here::default(),
        }
    }

    /// What the tables of both day types take on the heap, in bytes.
    pub(crate) const DAYS: usize = 2 * size_of::<Day>();

    /// Memory on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cycle.heap_bytes() + self.days.iter().flatten().count() * size_of::<Day>()
    }

    /// See [`crate::channel::Channel::touch`].
    pub(crate) fn touch(&self) -> u32 {
        self.here.week.to_bits() ^ self.cycle.touch()
    }

    /// Moves to the cells of another quarter hour.
    fn turn(&mut self, bucket: u8, hour: u8) {
        let from = self.here;
        let pair = usize::from(from.hour);
        (self.week[pair], self.week_count[pair]) = (from.week, from.week_count);
        let pair = usize::from(hour);
        let (week, week_count) = (self.week[pair], self.week_count[pair]);
        self.here = Here { week, week_count, bucket, hour, ..Here::default() };
        let (old, new) = (usize::from(from.bucket), usize::from(bucket));
        for (kind, day) in self.days.iter_mut().enumerate() {
            if from.count[kind] > 0 {
                let day =
                    day.get_or_insert_with(|| Box::new(Day { level: [0.0; BUCKETS], count: [0; BUCKETS] }));
                (day.level[old], day.count[old]) = (from.level[kind], from.count[kind]);
            }
            if let Some(day) = day {
                (self.here.level[kind], self.here.count[kind]) = (day.level[new], day.count[new]);
            }
        }
    }

    /// The place of a time in seconds since 1970 (UTC): the present one from now on.
    pub(crate) fn at(&mut self, second: i64, fallback: f32) -> Place {
        let first = *self.first.get_or_insert(second);
        let kind = usize::from((second.div_euclid(DAY) + 3).rem_euclid(7) >= 5);
        let bucket = ((second.rem_euclid(DAY) as usize * BUCKETS) / DAY as usize) as u8;
        let hour = second.div_euclid(PAIR).rem_euclid(PAIRS as i64) as u8;
        if (bucket, hour) != (self.here.bucket, self.here.hour) {
            self.turn(bucket, hour);
        }
        let here = &self.here;
        let counts = [here.count[kind], here.count[1 - kind]];
        let day_level = if counts[0] >= 1 {
            here.level[kind]
        } else if counts[1] >= 1 {
            here.level[1 - kind]
        } else {
            fallback
        };
        let is_week_old = second - first >= TRIED_AFTER && here.week_count > 0;
        let is_day_known = u16::from(counts[0]) + u16::from(counts[1]) >= 2;
        let is_day_old = is_day_known && second - first >= DAY;
        let helps = is_day_known && is_week_old && self.errors[1] < HELPS * self.errors[0];
        let turn = self.cycle.at(second);
        let cycle = turn.unwrap_or(0.0);
        let level = if helps { day_level + here.week } else { day_level } + cycle;
        let is_known = is_day_known || turn.is_some();
        Place { kind, day_level, cycle, is_day_known, is_day_old, is_week_old, level, is_known }
    }

    /// Learns a value at the present place: `tame` clips how far it may pull.
    pub(crate) fn learn(&mut self, place: &Place, value: f32, pull: &Pull, tame: impl Fn(f32) -> f32) {
        // Until a day was seen, the profile is the series itself: a cycle is what leaves the slow mean.
        let reference = if place.is_day_old { place.level - place.cycle + pull.offset } else { pull.mean };
        self.cycle.learn(tame(value - reference), pull.unit, pull.step);
        let value = value - place.cycle;
        let here = &mut self.here;
        if place.is_day_known {
            let rest = tame(value - place.day_level - pull.offset);
            if place.is_week_old {
                for (error, size) in self.errors.iter_mut().zip([rest.abs(), (rest - here.week).abs()]) {
                    *error += ERROR_RATE * (size - *error);
                }
            }
            here.week_count = here.week_count.saturating_add(1);
            let share = pull.rate.max(1.0 / f32::from(here.week_count));
            here.week += share * (rest - here.week);
        }
        let (count, cell) = (&mut here.count[place.kind], &mut here.level[place.kind]);
        *count = count.saturating_add(1);
        if *count == 1 {
            *cell = if place.is_day_known { place.day_level + tame(value - place.day_level) } else { value };
        } else {
            *cell += pull.rate.max(1.0 / f32::from(*count)) * tame(value - *cell);
        }
    }
}

/// What else is known where a profile learns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    /// How far the series runs above its profile at present.
    pub(crate) offset: f32,
    /// The slow mean of the series, and the usual size of a deviation.
    pub(crate) mean: f32,
    pub(crate) unit: f32,
    /// Share of a value in the level of its quarter hour.
    pub(crate) rate: f32,
    /// Usual distance of values in seconds.
    pub(crate) step: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULL: Pull = Pull { offset: 0.0, mean: 0.0, unit: 1.0, rate: 0.1, step: 3_600.0 };

    #[test]
    fn the_hours_of_the_week_are_learned_where_they_help() {
        let mut profile = Profile::new();
        let monday = 1_600_041_600; // 2020-09-14 00:00 UTC
        let usual = |hour: i64| if hour % 168 / 2 == 58 { 60.0 } else { 10.0 }; // Friday 20:00 to 22:00
        let mut errors = Vec::new();
        for hour in 0..168 * 6 {
            let place = profile.at(monday + hour * 3_600, 0.0);
            if hour % 168 == 116 {
                errors.push((usual(hour) - place.level).abs());
            }
            profile.learn(&place, usual(hour), &PULL, |x| x);
        }
        assert!(errors[0] > 30.0 && errors[5] < 15.0, "{errors:?}");
    }

    #[test]
    fn a_weekend_is_judged_by_weekdays_until_it_is_known() {
        let mut profile = Profile::new();
        let friday = 1_600_387_200; // 2020-09-18 00:00 UTC
        for _ in 0..2 {
            let place = profile.at(friday, 0.0);
            profile.learn(&place, 7.0, &PULL, |x| x);
        }
        let saturday = profile.at(friday + DAY, 1.0);
        assert_eq!((saturday.level, saturday.is_known), (7.0, true));
        profile.learn(&saturday, 3.0, &PULL, |x| x);
        assert_eq!(profile.at(friday + DAY, 1.0).level, 3.0);
        assert_eq!(profile.at(friday, 1.0).level, 7.0);
        assert_eq!(profile.at(friday + 900, 1.0).level, 1.0, "nothing is known of the next quarter hour");
    }
}
