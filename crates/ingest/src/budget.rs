//! The budget of new series: how many a tenant may begin in a minute.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use echobase_types::{ResourceId, SeriesId, SignalBatch, TenantId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// Knows which series were seen, with bounded memory, and how many were new in the running minute.
///
/// Known ids are kept in two generations. When the younger is full, the older is forgotten and the younger takes
/// its place; a series that is still sent moves into the younger by being seen. So at least `capacity` and at
/// most twice `capacity` ids are kept per tenant (about 10 to 20 bytes each), and a forgotten series that comes
/// back counts as new.
#[derive(Debug)]
pub struct SeriesBudget {
    capacity: usize,
    tenants: RwLock<HashMap<TenantId, Arc<Mutex<Known>>>>,
}

impl Default for SeriesBudget {
    /// Remembers at least a million series per tenant.
    fn default() -> Self {
        Self::new(1_000_000)
    }
}

impl SeriesBudget {
    /// Remembers at least `capacity` series per tenant.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), tenants: RwLock::default() }
    }

    /// Makes the series and resources of a stored batch known after a start, so that they are not new when they are
    /// sent again.
    pub fn remember(&self, tenant: &TenantId, batch: &SignalBatch) {
        let known = self.tenant(tenant);
        let mut ids = known.lock();
        let series = batch.series.iter().map(|series| series.id);
        for id in series.chain(batch.resources.iter().map(|resource| of_resource(&resource.id))) {
            ids.learn(id, self.capacity);
        }
    }

    /// The share of one tenant.
    pub(crate) fn tenant(&self, tenant: &TenantId) -> Share {
        let read = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(tenant) {
            return Share { known: Arc::clone(known), capacity: self.capacity };
        }
        drop(read);
        let mut write = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::clone(write.entry(tenant.clone()).or_default());
        Share { known, capacity: self.capacity }
    }
}

/// What a resource itself counts as: a series of its own.
pub(crate) fn of_resource(id: &ResourceId) -> SeriesId {
    SeriesId(xxh3_64(id.as_str().as_bytes()))
}

/// One tenant's share of the budget.
#[derive(Debug)]
pub(crate) struct Share {
    known: Arc<Mutex<Known>>,
    capacity: usize,
}

impl Share {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a row of `series` may come in at `now`, when `per_minute` new series are allowed per minute of the
    /// clock. A series that is let in is known from then on.
    pub(crate) fn admit(&self, series: SeriesId, now: Timestamp, per_minute: usize) -> bool {
        let mut known = self.lock();
        if known.has(series, self.capacity) {
            return true;
        }
        let minute = now.as_micros().div_euclid(60_000_000);
        if known.minute != minute {
            (known.minute, known.begun) = (minute, 0);
        }
        if known.begun >= per_minute {
            return false;
        }
        known.begun += 1;
        known.learn(series, self.capacity);
        true
    }
}

#[derive(Debug, Default)]
struct Known {
    young: HashSet<u64, BuildHasherDefault<AlreadyHashed>>,
    old: HashSet<u64, BuildHasherDefault<AlreadyHashed>>,
    minute: i64,
    begun: usize,
}

impl Known {
    fn has(&mut self, id: SeriesId, capacity: usize) -> bool {
        if self.young.contains(&id.0) {
            return true;
        }
        let kept = self.old.contains(&id.0);
        if kept {
            self.learn(id, capacity);
        }
        kept
    }

    fn learn(&mut self, id: SeriesId, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id.0);
    }
}

/// Series ids are hashes already, so they are their own hash.
#[derive(Debug, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

#[cfg(test)]
mod tests {
    use echobase_types::Attributes;
    use echobase_types::signal::{MetricKind, Series};

    use super::*;

    fn admitted(budget: &SeriesBudget, ids: std::ops::Range<u64>, now: Timestamp) -> usize {
        let share = budget.tenant(&TenantId::default_tenant());
        ids.filter(|id| share.admit(SeriesId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)), now, 100)).count()
    }

    #[test]
    fn a_minute_lets_in_its_budget_and_the_next_minute_lets_in_more() {
        let budget = SeriesBudget::new(1_000);
        let (first, next) = (Timestamp::from_secs(600), Timestamp::from_secs(660));
        assert_eq!(admitted(&budget, 0..1_000, first), 100);
        assert_eq!(admitted(&budget, 0..100, first), 100, "known series cost nothing");
        assert_eq!(admitted(&budget, 0..1_000, next), 200);
    }

    #[test]
    fn remembered_series_are_not_new() {
        let budget = SeriesBudget::new(1_000);
        let series = (0..500_u64).map(|id| Series {
            id: SeriesId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            resource: 0,
            name: "m".to_owned(),
            unit: String::new(),
            kind: MetricKind::Gauge,
            attributes: Attributes::new(),
        });
        let stored = SignalBatch { series: series.collect(), ..SignalBatch::default() };
        budget.remember(&TenantId::default_tenant(), &stored);
        assert_eq!(admitted(&budget, 0..500, Timestamp::EPOCH), 500);
    }

    #[test]
    fn memory_is_bounded_and_series_in_use_are_not_forgotten() {
        let budget = SeriesBudget::new(200);
        for minute in 0..50_u64 {
            let now = Timestamp::from_secs(60 * minute as i64);
            assert_eq!(admitted(&budget, 0..10, now), 10);
            admitted(&budget, 100 * (minute + 1)..100 * (minute + 2), now);
        }
        let share = budget.tenant(&TenantId::default_tenant());
        assert!({
            let known = share.lock();
            known.young.len() + known.old.len() <= 400
        });
    }

    #[test]
    fn tenants_do_not_share_a_budget() -> Result<(), echobase_types::InvalidId> {
        let budget = SeriesBudget::new(1_000);
        assert_eq!(admitted(&budget, 0..1_000, Timestamp::EPOCH), 100);
        let other = budget.tenant(&TenantId::new("other")?);
        assert!(other.admit(SeriesId(7), Timestamp::EPOCH, 100));
        Ok(())
    }
}
