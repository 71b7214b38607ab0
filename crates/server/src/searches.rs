//! Searches that read much: so many at a time, each for so long, and what was found is told again for some seconds.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echobase_types::{ErrorKind, ResourceId, TenantId, Timestamp};
use tokio::sync::Semaphore;

use crate::problem::{Answer, Failure};

/// Searches at a time: they read much, and nobody else shall wait for them.
const AT_A_TIME: usize = 2;
/// Time that one search may take, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(20);
/// What was found is told again for so long: pages that ask for the same at once cost one search.
const FRESH: Duration = Duration::from_secs(15);
/// Findings that are kept, unless more are asked for at the same time.
const KEPT: usize = 32;

type Found<T> = Arc<tokio::sync::Mutex<Option<(Timestamp, T)>>>;

/// The places for searches, and what was found last of each resource.
pub(crate) struct Searches<T> {
    places: Semaphore,
    found: Mutex<BTreeMap<(TenantId, ResourceId), Found<T>>>,
}

impl<T> Default for Searches<T> {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_A_TIME), found: Mutex::default() }
    }
}

impl<T: Clone> Searches<T> {
    /// Searches in a place of its own. Dropping the future ends the reading. Fails with `Timeout` where the search and
    /// the wait for its place last too long; `what` is sought.
    pub(crate) async fn run<A>(
        &self,
        what: impl Display,
        search: impl Future<Output = Answer<A>>,
    ) -> Answer<A> {
        let work = async {
            // The semaphore is never closed: the place is a permit for as long as it lives.
            let _place = self.places.acquire().await;
            search.await
        };
        limited(what, work).await
    }

    /// As `run`; what was found of the resource some seconds ago, or is being sought by somebody else, is told again.
    pub(crate) async fn run_once(
        &self,
        what: impl Display,
        key: (TenantId, ResourceId),
        now: impl Fn() -> Timestamp,
        search: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let slot = self.slot(key, now());
        let work = async {
            let mut held = slot.lock().await;
            if let Some((_, found)) = held.as_ref().filter(|(at, _)| now().since(*at) < FRESH) {
                return Ok(found.clone());
            }
            let _place = self.places.acquire().await;
            let found = search.await?;
            *held = Some((now(), found.clone()));
            Ok(found)
        };
        limited(what, work).await
    }

    fn slot(&self, key: (TenantId, ResourceId), now: Timestamp) -> Found<T> {
        let mut all: MutexGuard<'_, _> = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT && !all.contains_key(&key) {
            // One that is locked is being filled, one that is held elsewhere is about to be.
            all.retain(|_, slot: &mut Found<T>| {
                Arc::strong_count(slot) > 1
                    || slot
                        .try_lock()
                        .is_ok_and(|held| held.as_ref().is_some_and(|(at, _)| now.since(*at) < FRESH))
            });
        }
        Arc::clone(all.entry(key).or_default())
    }
}

async fn limited<A>(what: impl Display, work: impl Future<Output = Answer<A>>) -> Answer<A> {
    tokio::time::timeout(LIMIT, work).await.map_err(|_| {
        let words = format!("{what} not found within {} s; ask for a shorter time", LIMIT.as_secs());
        Failure::new(ErrorKind::Timeout, words)
    })?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use super::*;

    fn key(name: &str) -> (TenantId, ResourceId) {
        (TenantId::new("here").unwrap(), ResourceId::new(&format!("service:{name}")).unwrap())
    }

    #[test]
    fn pages_that_ask_at_once_cost_one_search_and_failures_are_not_told_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (searches, clock, runs) = (Searches::<u32>::default(), AtomicI64::new(100), AtomicU32::new(0));
        let now = || Timestamp::from_secs(clock.load(Ordering::Relaxed));
        let search = async |is_well: bool| {
            tokio::task::yield_now().await;
            let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
            if is_well { Ok(run) } else { Err(Failure::new(ErrorKind::Unavailable, "gone")) }
        };
        let ask = async |name: &str, is_well| {
            let found = searches.run_once("it", key(name), now, search(is_well)).await;
            found.ok()
        };
        runtime.block_on(async {
            assert_eq!(tokio::join!(ask("a", true), ask("a", true)), (Some(1), Some(1)));
            assert_eq!((ask("b", false).await, ask("b", true).await), (None, Some(3)));
            clock.fetch_add(14, Ordering::Relaxed);
            assert_eq!(ask("a", true).await, Some(1));
            clock.fetch_add(1, Ordering::Relaxed);
            assert_eq!(ask("a", true).await, Some(4));
            for n in 0..100 {
                clock.fetch_add(1, Ordering::Relaxed);
                ask(&format!("n{n}"), true).await;
            }
        });
        assert!(searches.found.lock().unwrap().len() <= KEPT, "what is old is dropped");
    }

    #[test]
    fn only_so_many_search_at_a_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (searches, most, at_work) = (Searches::<u32>::default(), AtomicU32::new(0), AtomicU32::new(0));
        let one = async || {
            let search = async {
                most.fetch_max(at_work.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                at_work.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            };
            searches.run("it", search).await.is_ok()
        };
        let done = runtime.block_on(async { tokio::join!(one(), one(), one(), one()) });
        assert_eq!((done, most.load(Ordering::Relaxed)), ((true, true, true, true), AT_A_TIME as u32));
    }
}
