//! The threads that questions, flushes and merges run on: not those that answer requests, so that a heavy
//! question does not make everything else wait.

use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

/// Stack of a thread: planning a question walks its tree, and the tree may be as deep as `query` allows.
/// Memory of a stack is taken only as deep as it was used.
const STACK: usize = 64 << 20;

/// A small runtime of its own. Whoever drops the future of `run` stops the work.
pub(crate) struct Workers {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Workers {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(16)
            .thread_stack_size(STACK)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs `work` on these threads and waits for it.
    pub(crate) async fn run<F>(&self, work: F) -> Result<F::Output, JoinError>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let task = self.handle.spawn(work);
        let _stop = AbortOnDrop(task.abort_handle());
        task.await
    }

    /// Runs work that blocks and waits for it. It is not stopped half-way.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        self.handle.spawn_blocking(work).await
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
