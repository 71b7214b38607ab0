//! Requests per minute and caller, by the generic cell rate algorithm (ITU-T I.371): one time per caller says when
//! its bucket would be empty.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use echobase_types::{ErrorKind, Timestamp};

use crate::problem::{Answer, Failure};

/// Callers remembered; the ones whose bucket is empty are dropped first.
const CALLERS: usize = 100_000;

/// The limiter.
pub(crate) struct Limiter {
    interval_us: i64,
    window_us: i64,
    full_at: Mutex<HashMap<String, i64>>,
}

impl Limiter {
    /// So many requests per minute, in bursts of at most half a minute's worth.
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        let interval_us = 60_000_000 / i64::from(per_minute.get());
        Self { interval_us, window_us: 30_000_000, full_at: Mutex::default() }
    }

    /// Takes one request of the caller, or says when to come again.
    pub(crate) fn take(&self, caller: &str, now: Timestamp) -> Answer<()> {
        let now = now.as_micros();
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CALLERS {
            all.retain(|_, at| *at > now);
        }
        let at = all.get(caller).copied().unwrap_or(now).max(now);
        let next = at + self.interval_us;
        if next - now > self.window_us.max(self.interval_us) {
            let wait = (next - now - self.window_us).div_euclid(1_000_000) + 1;
            let mut failure =
                Failure::new(ErrorKind::RateLimited, format!("too many requests; wait {wait} s"));
            failure.0.retry_after_s = u64::try_from(wait).ok();
            return Err(failure);
        }
        all.insert(caller.to_owned(), next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_then_refused_then_taken_again_later() {
        let limiter = Limiter::new(NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN));
        let start = Timestamp::from_secs(1_000);
        let taken = (0..100).filter(|_| limiter.take("a", start).is_ok()).count();
        assert_eq!(taken, 30, "half a minute's worth");
        assert!(limiter.take("b", start).is_ok(), "callers do not share a bucket");
        assert!(limiter.take("a", Timestamp::from_secs(1_002)).is_ok());
    }
}
