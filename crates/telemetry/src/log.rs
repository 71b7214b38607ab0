//! The write-ahead log: frames in segments, and group commit. While one `fdatasync` runs, every batch that
//! arrives waits for the next one together with its neighbours; `append` answers after the sync, never before.
//!
//! What is synced is handed to the owner in log order on the writer's thread, before the answer: whoever has an
//! answer can read their rows.

pub(crate) mod frame;
pub(crate) mod recovery;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use echobase_types::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::TelemetryError;

/// First bytes of a segment.
pub(crate) const SEGMENT_MAGIC: &[u8; 8] = b"EBTLOG01";
/// Ending of a segment's name; the stem is the number of its first frame.
pub(crate) const SEGMENT_ENDING: &str = "log";
/// Bytes of frames that may wait for the writer; more make their senders wait.
const QUEUE_KIB: u32 = 128 << 10;

/// A segment on disk.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Number of its last good frame; `None` if it has none.
    pub(crate) last: Option<u64>,
    pub(crate) bytes: u64,
}

/// What the log has done since it was opened.
#[derive(Debug, Default)]
pub(crate) struct LogCounters {
    pub(crate) syncs: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Frames written and synced by one thread. `T` is what the owner gets back once it is durable.
pub(crate) struct Log<T> {
    shared: Arc<Shared<T>>,
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    wake: Condvar,
    /// Segments that are no longer written, and the one that is.
    segments: Mutex<Segments>,
    counters: LogCounters,
}

struct Queue<T> {
    pending: Vec<Pending<T>>,
    stopping: bool,
    rotate: bool,
}

#[derive(Default)]
struct Segments {
    closed: Vec<Segment>,
    active: Option<Segment>,
}

struct Pending<T> {
    frame: frame::Frame,
    item: T,
    answer: oneshot::Sender<Result<(), Arc<io::Error>>>,
    _room: OwnedSemaphorePermit,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Log<T> {
    /// Starts the writer. `next` is the number of the next frame, `closed` the segments that recovery found,
    /// `synced` gets each durable item with its number, in order.
    pub(crate) fn start(
        dir: &Path,
        segment_bytes: u64,
        next: u64,
        closed: Vec<Segment>,
        synced: impl FnMut(u64, T) + Send + 'static,
    ) -> Result<Self, TelemetryError> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { pending: Vec::new(), stopping: false, rotate: false }),
            wake: Condvar::new(),
            segments: Mutex::new(Segments { closed, active: None }),
            counters: LogCounters::default(),
        });
        let writer =
            Writer { dir: dir.to_owned(), segment_bytes, next, active: None, shared: shared.clone(), synced };
        let thread = std::thread::Builder::new()
            .name("telemetry-log".to_owned())
            .spawn(move || writer.run())
            .map_err(TelemetryError::file("start the writer of", dir))?;
        let room = Arc::new(Semaphore::new(QUEUE_KIB as usize));
        Ok(Self { shared, room, thread: Mutex::new(Some(thread)) })
    }

    /// Appends one payload and answers when it is on disk and its item was handed over. If the caller goes
    /// away meanwhile the batch is stored all the same.
    pub(crate) async fn append(
        &self,
        tenant: &TenantId,
        payload: &[u8],
        item: T,
    ) -> Result<(), TelemetryError> {
        let frame = frame::Frame::new(tenant, payload);
        let kib = u32::try_from(frame.len() >> 10).unwrap_or(u32::MAX).clamp(1, QUEUE_KIB);
        let room = self.room.clone().acquire_many_owned(kib).await;
        let room = room.map_err(|_| TelemetryError::ShuttingDown)?;
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = lock(&self.shared.queue);
            if queue.stopping {
                return Err(TelemetryError::ShuttingDown);
            }
            queue.pending.push(Pending { frame, item, answer, _room: room });
        }
        self.shared.wake.notify_one();
        answered.await.map_err(|_| TelemetryError::ShuttingDown)?.map_err(TelemetryError::Log)
    }

    /// Makes the next frame begin a new segment, so that the present one can be removed once it is covered.
    pub(crate) fn rotate(&self) {
        lock(&self.shared.queue).rotate = true;
        self.shared.wake.notify_one();
    }

    /// Removes the segments whose frames are all in files.
    pub(crate) fn remove_covered(&self, position: u64) -> Result<usize, TelemetryError> {
        let mut segments = lock(&self.shared.segments);
        let covered = |s: &Segment| s.last.is_none_or(|last| last <= position);
        let mut removed = 0;
        while let Some(at) = segments.closed.iter().position(covered) {
            let path = &segments.closed[at].path;
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(TelemetryError::file("remove", path)(e));
                }
                _ => {}
            }
            segments.closed.remove(at);
            removed += 1;
        }
        Ok(removed)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        let segments = lock(&self.shared.segments);
        segments.closed.iter().chain(&segments.active).map(|s| s.bytes).sum()
    }

    pub(crate) fn counters(&self) -> &LogCounters {
        &self.shared.counters
    }

    /// Refuses new frames, writes and answers those that wait, and joins the writer. Blocks for as long as
    /// that takes; may be called again.
    pub(crate) fn stop(&self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.wake.notify_one();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer of the telemetry log ended in a panic");
        }
    }
}

impl<T> Drop for Log<T> {
    fn drop(&mut self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let _ended = thread.join();
        }
    }
}

struct Writer<T, F> {
    dir: PathBuf,
    segment_bytes: u64,
    next: u64,
    active: Option<Active>,
    shared: Arc<Shared<T>>,
    synced: F,
}

/// The segment that is written, and how much of it is known to be good.
struct Active {
    file: File,
    good: u64,
}

impl<T, F: FnMut(u64, T)> Writer<T, F> {
    fn run(mut self) {
        let mut buffer = Vec::new();
        loop {
            let (group, rotate, stopping) = self.wait();
            if rotate {
                self.close_active();
            }
            if !group.is_empty() {
                self.commit(group, &mut buffer);
            } else if stopping {
                self.close_active();
                return;
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> (Vec<Pending<T>>, bool, bool) {
        let mut queue = lock(&self.shared.queue);
        while queue.pending.is_empty() && !queue.stopping && !queue.rotate {
            queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (std::mem::take(&mut queue.pending), std::mem::take(&mut queue.rotate), queue.stopping)
    }

    /// Writes and syncs a group as one, hands its items over and answers.
    fn commit(&mut self, group: Vec<Pending<T>>, buffer: &mut Vec<u8>) {
        buffer.clear();
        let first = self.next;
        for (pending, sequence) in group.iter().zip(first..) {
            pending.frame.write(sequence, buffer);
        }
        let last = first + group.len() as u64 - 1;
        self.next = last + 1; // a number is never used twice, not even after a failure
        let shared = self.shared.clone();
        let counters = &shared.counters;
        match self.write(buffer, first, last) {
            Ok(()) => {
                counters.syncs.fetch_add(1, Ordering::Relaxed);
                counters.frames.fetch_add(group.len() as u64, Ordering::Relaxed);
                counters.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                for (pending, sequence) in group.into_iter().zip(first..) {
                    (self.synced)(sequence, pending.item);
                    let _caller_gone = pending.answer.send(Ok(()));
                }
            }
            Err(error) => {
                counters.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, frames = group.len(), "telemetry log could not be written");
                let error = Arc::new(error);
                for pending in group {
                    let _caller_gone = pending.answer.send(Err(error.clone()));
                }
            }
        }
        if buffer.capacity() > 16 << 20 {
            *buffer = Vec::new();
        }
    }

    fn write(&mut self, bytes: &[u8], first: u64, last: u64) -> io::Result<()> {
        if self.active.as_ref().is_some_and(|a| a.good >= self.segment_bytes) {
            self.close_active();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create(first)?,
        };
        let done = active.file.write_all(bytes).and_then(|()| active.file.sync_data());
        if let Err(error) = done {
            // What was written is not known to be on disk, and a sync that failed once may lie the next time:
            // cut the segment back to what is good and go on in a new one.
            let cut = active.file.set_len(active.good).and_then(|()| active.file.sync_data());
            if let Err(error) = cut {
                tracing::warn!(%error, "telemetry log segment could not be cut back");
            }
            self.close_active();
            return Err(error);
        }
        active.good += bytes.len() as u64;
        if let Some(segment) = &mut lock(&self.shared.segments).active {
            segment.last = Some(last);
            segment.bytes = active.good;
        }
        self.active = Some(active);
        Ok(())
    }

    fn create(&self, first: u64) -> io::Result<Active> {
        let path = self.dir.join(format!("{first:020}.{SEGMENT_ENDING}"));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        file.write_all(SEGMENT_MAGIC)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        sync_folder(&self.dir)?;
        let good = SEGMENT_MAGIC.len() as u64;
        lock(&self.shared.segments).active = Some(Segment { path, last: None, bytes: good });
        Ok(Active { file, good })
    }

    fn close_active(&mut self) {
        self.active = None;
        let mut segments = lock(&self.shared.segments);
        if let Some(segment) = segments.active.take() {
            segments.closed.push(segment);
        }
    }
}

/// Makes names that were added to or removed from a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
mod tests {
    use std::sync::mpsc;

    use echobase_types::ErrorKind;

    use super::*;

    fn tenant() -> TenantId {
        TenantId::default_tenant()
    }

    #[tokio::test]
    async fn items_are_handed_over_in_order_and_before_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let (out, synced) = mpsc::channel();
        let log =
            Log::start(dir.path(), 1 << 20, 7, Vec::new(), move |n, item: u32| out.send((n, item)).unwrap())
                .unwrap();
        for item in 0..5_u32 {
            log.append(&tenant(), b"payload", item).await.unwrap();
            assert_eq!(synced.try_recv(), Ok((7 + u64::from(item), item)));
        }
        log.stop();
        let error = log.append(&tenant(), b"late", 9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn batches_that_arrive_during_a_sync_share_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::start(dir.path(), 1 << 20, 1, Vec::new(), |_, ()| ()).unwrap();
        let tenant = tenant();
        let all = (0..64).map(|_| log.append(&tenant, b"x", ()));
        for one in futures::future::join_all(all).await {
            one.unwrap();
        }
        let syncs = log.counters().syncs.load(Ordering::Relaxed);
        assert_eq!(log.counters().frames.load(Ordering::Relaxed), 64);
        assert!(syncs < 64, "64 appends took {syncs} syncs");
    }

    #[tokio::test]
    async fn a_folder_that_takes_no_files_makes_appends_unavailable_until_it_does_again() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, away) = (dir.path().join("log"), dir.path().join("away"));
        fs::create_dir(&folder).unwrap();
        let log = Log::start(&folder, 1, 1, Vec::new(), |_, ()| ()).unwrap(); // one frame per segment
        log.append(&tenant(), b"before", ()).await.unwrap();
        fs::rename(&folder, &away).unwrap();
        let error = log.append(&tenant(), b"lost", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        fs::rename(&away, &folder).unwrap();
        log.append(&tenant(), b"after", ()).await.unwrap();
        log.stop();
        let mut payloads = Vec::new();
        let found = recovery::recover(&folder, |f| {
            payloads.push((f.sequence, f.payload.to_vec()));
            Ok(())
        });
        assert_eq!(payloads, [(1, b"before".to_vec()), (3, b"after".to_vec())]);
        assert_eq!(found.unwrap().quarantined, 0);
    }

    #[tokio::test]
    async fn covered_segments_are_removed_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::start(dir.path(), 1, 1, Vec::new(), |_, ()| ()).unwrap();
        for _ in 0..4 {
            log.append(&tenant(), b"x", ()).await.unwrap();
        }
        assert_eq!(log.remove_covered(2).unwrap(), 2);
        assert_eq!(log.remove_covered(9).unwrap(), 1, "the active segment stays");
        log.stop();
        assert_eq!(log.remove_covered(9).unwrap(), 1);
        assert_eq!(log.bytes(), 0);
    }
}
