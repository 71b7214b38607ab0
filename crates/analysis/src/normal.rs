//! The own normal of a vital sign that has no absolute scale: latency, queue, memory without a limit.
//!
//! Level and spread are learned on a logarithmic scale, so that units cancel. The level is a plain mean at first;
//! later it follows within about an hour (or 200 points, whichever is longer), and the further a value is off, the
//! less it is believed (a redescending influence, Hampel 1974): a daily swing is followed, an incident is not.

/// Points before the normal counts.
pub(crate) const READY: u32 = 10;
/// Influence of a value that is far off: never nothing, so that a lasting change is learned in the end.
const LEAST_INFLUENCE: f64 = 0.05;

/// Level, spread and the present, all as natural logarithms.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Normal {
    n: u32,
    level: f64,
    spread: f64,
    now: f64,
}

impl Normal {
    /// Takes a value on the logarithmic scale; `step` in seconds.
    pub(crate) fn observe(&mut self, log: f64, step: f64) {
        self.n = self.n.saturating_add(1);
        if self.n == 1 {
            (self.level, self.now) = (log, log);
            return;
        }
        self.now += 0.4 * (log - self.now);
        let first = 1.0 / f64::from(self.n);
        let off = log - self.level;
        if self.n <= READY {
            self.level += first * off;
            self.spread += first * (off.abs() - self.spread);
            return;
        }
        let rate = first.max((step / 3_600.0).min(0.005));
        // Good news (below the level) is believed at once: it can only make the judgement stricter.
        let influence = if off > 0.0 { (-off * off).exp().max(LEAST_INFLUENCE) } else { 1.0 };
        self.level += rate * influence * off.max(-1.0);
        let size = off.abs().min(2.0 * self.spread + 0.02);
        self.spread += rate * influence * (size - self.spread);
    }

    /// Whether the normal counts.
    pub(crate) fn is_ready(&self) -> bool {
        self.n >= READY
    }

    /// The level.
    pub(crate) fn level(&self) -> f64 {
        self.level
    }

    /// Takes the present as the level.
    pub(crate) fn rebase(&mut self) {
        if self.n > 0 {
            self.level = self.now;
        }
    }

    /// The same where the present were at `log`.
    pub(crate) fn standing_at(self, log: f64) -> Self {
        Self { now: log, ..self }
    }

    /// The present, smoothed over about three values.
    pub(crate) fn now(&self) -> f64 {
        self.now
    }

    /// How far the present is above normal, beyond what is usual: four spreads, and at least `slack`; young normals
    /// are given more.
    pub(crate) fn excess(&self, slack: f64) -> f64 {
        if !self.is_ready() {
            return 0.0;
        }
        let young = 1.0 + 3.0 / f64::from(self.n);
        let usual = (4.0 * self.spread).clamp(slack, slack.max(1.2)) * young;
        (self.now - self.level - usual).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_swing_is_followed_and_a_jump_is_not() {
        let mut slow = Normal::default();
        let mut worst: f64 = 0.0;
        for i in 0..900 {
            slow.observe(0.55 * (1.0 - (f64::from(i) / 1_440.0 * std::f64::consts::TAU).cos()), 60.0);
            worst = worst.max(slow.excess(0.4));
        }
        assert!(worst < 0.35, "a daily swing by a factor of three exceeds the usual by {worst}");
        let mut jump = Normal::default();
        for i in 0..900 {
            jump.observe(if i < 600 { 0.0 } else { 2.2 }, 60.0);
        }
        assert!(jump.excess(0.4) > 1.2, "{}", jump.excess(0.4));
    }

    #[test]
    fn the_present_is_seen_within_three_points_and_forgotten_as_fast() {
        let mut normal = Normal::default();
        for _ in 0..60 {
            normal.observe(0.0, 1.0);
        }
        for _ in 0..3 {
            normal.observe(1.4, 1.0);
        }
        assert!(normal.excess(0.4) > 0.5, "{}", normal.excess(0.4));
        for _ in 0..3 {
            normal.observe(0.0, 1.0);
        }
        assert_eq!(normal.excess(0.4), 0.0);
    }

    #[test]
    fn fewer_than_ten_points_are_no_normal() {
        let mut normal = Normal::default();
        for _ in 0..8 {
            normal.observe(0.0, 1.0);
        }
        normal.observe(9.0, 1.0);
        assert_eq!(normal.excess(0.4), 0.0);
    }
}
