//! What is usual at this time of day: 96 quarter hours of two day types (weekday, weekend; UTC).

/// Quarter hours of a day.
pub(crate) const BUCKETS: usize = 96;
const DAY: i64 = 86_400;

/// Learned levels and how often each was learned.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    level: [[f32; BUCKETS]; 2],
    count: [[u8; BUCKETS]; 2],
}

/// What the profile says of one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    kind: usize,
    bucket: usize,
    /// The usual level; the fallback where nothing was learned.
    pub(crate) level: f32,
    /// Whether the level rests on at least two values.
    pub(crate) is_known: bool,
}

impl Profile {
    pub(crate) fn new() -> Self {
        Self { level: [[0.0; BUCKETS]; 2], count: [[0; BUCKETS]; 2] }
    }

    /// The place of a time in seconds since 1970 (UTC).
    pub(crate) fn at(&self, second: i64, fallback: f32) -> Place {
        let kind = usize::from((second.div_euclid(DAY) + 3).rem_euclid(7) >= 5);
        let bucket = (second.rem_euclid(DAY) as usize * BUCKETS) / DAY as usize;
        let counts = [self.count[kind][bucket], self.count[1 - kind][bucket]];
        let level = if counts[0] >= 1 {
            self.level[kind][bucket]
        } else if counts[1] >= 1 {
            self.level[1 - kind][bucket]
        } else {
            fallback
        };
        Place { kind, bucket, level, is_known: u16::from(counts[0]) + u16::from(counts[1]) >= 2 }
    }

    /// Learns a value at a place: `tame` clips how far it may pull, `rate` is the share of a value.
    pub(crate) fn learn(&mut self, place: &Place, value: f32, rate: f32, tame: impl Fn(f32) -> f32) {
        let count = &mut self.count[place.kind][place.bucket];
        let cell = &mut self.level[place.kind][place.bucket];
        *count = count.saturating_add(1);
        if *count == 1 {
            *cell = if place.is_known { place.level + tame(value - place.level) } else { value };
        } else {
            *cell += rate.max(1.0 / f32::from(*count)) * tame(value - *cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekend_is_judged_by_weekdays_until_it_is_known() {
        let mut profile = Profile::new();
        let friday = 1_600_387_200; // 2020-09-18 00:00 UTC
        for _ in 0..2 {
            let place = profile.at(friday, 0.0);
            profile.learn(&place, 7.0, 0.1, |x| x);
        }
        let saturday = profile.at(friday + DAY, 1.0);
        assert_eq!((saturday.level, saturday.is_known), (7.0, true));
        profile.learn(&saturday, 3.0, 0.1, |x| x);
        assert_eq!(profile.at(friday + DAY, 1.0).level, 3.0);
        assert_eq!(profile.at(friday, 1.0).level, 7.0);
        assert_eq!(profile.at(friday + 900, 1.0).level, 1.0, "nothing is known of the next quarter hour");
    }
}
