//! A pool of workers before a queue: who comes when all are busy waits his turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The pool.
pub(crate) struct Pool {
    workers: Semaphore,
    size: usize,
    waiting: AtomicUsize,
}

/// Counts one who waits, until he is served or gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self { workers: Semaphore::new(size), size, waiting: AtomicUsize::new(0) }
    }

    /// A worker, first come first served; he is busy until the permit is dropped. `None` never happens while the pool
    /// lives: it is never closed.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.workers.acquire().await.ok()
    }

    /// Requests that wait for a worker.
    pub(crate) fn queue_length(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Workers that are busy.
    pub(crate) fn busy(&self) -> usize {
        self.size.saturating_sub(self.workers.available_permits())
    }

    /// All workers.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_pool_makes_the_next_wait_until_one_is_free() {
        let pool = Pool::new(1);
        let first = pool.enter().await;
        assert_eq!((pool.busy(), pool.queue_length()), (1, 0));
        let second = pool.enter();
        tokio::pin!(second);
        assert!(futures_poll(&mut second).await, "there is no worker left");
        assert_eq!((pool.busy(), pool.queue_length()), (1, 1));
        drop(first);
        assert!(second.await.is_some());
        assert_eq!((pool.busy(), pool.queue_length()), (0, 0));
    }

    /// Polls once; true if it is still waiting.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
