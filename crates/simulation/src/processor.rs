//! A share of one core: work that costs processor time, at no more than the share, whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The processor of one process of the plant. Requests take turns; after each turn it rests long enough to keep to its
/// share, so that a saturated process takes no more from the machine than that.
pub(crate) struct Processor {
    share: f64,
    turn: Mutex<()>,
    busy_micros: AtomicU64,
}

impl Processor {
    pub(crate) fn new(share: f64) -> Self {
        Self { share, turn: Mutex::new(()), busy_micros: AtomicU64::new(0) }
    }

    /// Really burns that much processor time, when it is this request's turn.
    pub(crate) async fn burn(&self, cost: Duration) {
        let _turn = self.turn.lock().await;
        let begun = Instant::now();
        let work = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let mut number = 1_u64;
            while begun.elapsed() < cost {
                for _ in 0..1_000 {
                    number =
                        std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            }
        });
        // Fails only if the runtime is shutting down, and then nobody waits for the answer.
        let _ = work.await;
        tokio::time::sleep(cost.mul_f64(1.0 / self.share - 1.0)).await;
        // A machine that gives us less than the share stretches a turn. That counts, but not without end: else a
        // busy machine would look like a saturated plant.
        let took = begun.elapsed().min(cost.mul_f64(2.0 / self.share));
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.busy_micros.fetch_add(took, Ordering::Relaxed);
    }

    /// Time in which the processor was taken, so far: its turns with their rests, each at most twice as long as it
    /// should be.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_micros(self.busy_micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_requests_take_turns_and_the_share_is_kept() {
        let processor = Processor::new(0.5);
        let cost = Duration::from_millis(5);
        let begun = Instant::now();
        tokio::join!(processor.burn(cost), processor.burn(cost));
        assert!(begun.elapsed() >= cost * 4, "two of 5 ms at half a core are 20 ms: {:?}", begun.elapsed());
        assert!(processor.busy() >= cost * 4 && processor.busy() <= begun.elapsed());
    }
}
