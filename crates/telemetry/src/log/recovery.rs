//! Reading a log back, frame by frame. Nothing in a log stops the start: a torn tail is cut off, a damaged
//! stretch is copied aside and counted, and the good frames behind it are kept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use echobase_types::TenantId;

use super::frame::{HEAD, Head, MAGIC};
use super::{SEGMENT_ENDING, SEGMENT_MAGIC, Segment};
use crate::TelemetryError;

/// Folder inside the log's for what could not be read.
pub(crate) const QUARANTINE: &str = "quarantine";
/// Bytes looked at in one go behind damage.
const BLOCK: usize = 64 << 10;

/// A good frame.
pub(crate) struct Found<'a> {
    pub(crate) sequence: u64,
    pub(crate) tenant: TenantId,
    pub(crate) payload: &'a [u8],
}

/// Says that a frame is sound but its payload is not understood: it is quarantined.
pub(crate) struct NotUnderstood;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Segment>,
    /// Number of the last good frame; 0 if there is none.
    pub(crate) last: u64,
    /// Damaged stretches copied aside.
    pub(crate) quarantined: u64,
    /// Bytes cut off the end of the newest segment: a write that was never acknowledged.
    pub(crate) torn_bytes: u64,
}

/// The segments of a folder, oldest first.
pub(crate) fn segments(dir: &Path) -> Result<Vec<PathBuf>, TelemetryError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(TelemetryError::file("list", dir))? {
        let path = entry.map_err(TelemetryError::file("list", dir))?.path();
        if path.extension().is_some_and(|e| e == SEGMENT_ENDING) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads all segments of `dir` and hands over each good frame, in order.
#[cfg(test)]
pub(crate) fn recover(
    dir: &Path,
    mut each: impl FnMut(Found<'_>) -> Result<(), NotUnderstood>,
) -> Result<Recovered, TelemetryError> {
    let mut all = Recovered::default();
    let paths = segments(dir)?;
    for (n, path) in paths.iter().enumerate() {
        let mut reader = SegmentReader::open(path, n + 1 == paths.len());
        while reader.next(&mut each) {}
        reader.close(&mut all);
    }
    Ok(all)
}

/// Reads one segment. A failure to read is treated like damage: counted, told, and passed over.
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: Option<File>,
    len: u64,
    at: u64,
    newest: bool,
    last: Option<u64>,
    quarantined: u64,
    torn: u64,
    body: Vec<u8>,
}

impl SegmentReader {
    /// Opens a segment. `newest` is the one that may end in a torn write.
    pub(crate) fn open(path: &Path, newest: bool) -> Self {
        let opened = OpenOptions::new().read(true).write(true).open(path).or_else(|_| File::open(path));
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let mut reader = Self {
            path: path.to_owned(),
            file: None,
            len: 0,
            at: 0,
            newest,
            last: None,
            quarantined: 0,
            torn: 0,
            body: Vec::new(),
        };
        match opened {
            Ok((len, file)) => {
                (reader.file, reader.len) = (Some(file), len);
                let mut magic = [0; SEGMENT_MAGIC.len()];
                if reader.read_at(&mut magic, 0) && &magic == SEGMENT_MAGIC {
                    reader.at = magic.len() as u64;
                }
            }
            Err(error) => {
                reader.quarantined += 1;
                tracing::error!(%error, segment = %path.display(), "telemetry log segment cannot be opened");
            }
        }
        reader
    }

    fn read_at(&self, out: &mut [u8], at: u64) -> bool {
        self.file.as_ref().is_some_and(|file| file.read_exact_at(out, at).is_ok())
    }

    /// Hands over the next good frame; `false` at the end.
    pub(crate) fn next(&mut self, mut each: impl FnMut(Found<'_>) -> Result<(), NotUnderstood>) -> bool {
        while self.at < self.len {
            let Some(head) = self.head(self.at) else {
                self.skip_damage();
                continue;
            };
            let (start, end) = (self.at, self.at + (HEAD + head.body) as u64);
            self.body.resize(head.body, 0);
            let body = std::mem::take(&mut self.body);
            let mut body = body;
            let opened = self.read_at(&mut body, start + HEAD as u64).then(|| head.open(&body)).flatten();
            self.body = body;
            if opened.is_none() && end > self.len {
                // The head is good and the body breaks off, or frames follow inside what it claims.
                self.skip_damage();
                continue;
            }
            self.at = end;
            self.last = self.last.max(Some(head.sequence));
            let understood = opened.is_some_and(|(tenant, payload)| {
                each(Found { sequence: head.sequence, tenant, payload: &payload }).is_ok()
            });
            if understood {
                return true;
            }
            self.quarantine(start, end);
        }
        false
    }

    /// Ends the reading: cuts a torn tail off and adds what was found.
    pub(crate) fn close(self, all: &mut Recovered) {
        all.quarantined += self.quarantined;
        all.torn_bytes += self.torn;
        all.last = all.last.max(self.last.unwrap_or(0));
        let mut bytes = self.len;
        if self.torn > 0
            && let Some(file) = &self.file
        {
            bytes = self.len - self.torn;
            if let Err(error) = file.set_len(bytes).and_then(|()| file.sync_all()) {
                tracing::warn!(%error, segment = %self.path.display(), "torn tail could not be cut off");
            }
        }
        all.segments.push(Segment { path: self.path, last: self.last, bytes });
    }

    fn head(&self, at: u64) -> Option<Head> {
        let mut bytes = [0; HEAD];
        self.read_at(&mut bytes, at).then(|| Head::read(&bytes)).flatten()
    }

    /// Goes to the next good head. Without one the rest is a torn tail, or damage if it is not at the very end
    /// of the log.
    fn skip_damage(&mut self) {
        let start = self.at;
        match self.next_head(start + 1) {
            Some(at) => {
                self.quarantine(start, at);
                self.at = at;
            }
            None if self.newest => {
                self.torn = self.len - start;
                self.at = self.len;
            }
            None => {
                self.quarantine(start, self.len);
                self.at = self.len;
            }
        }
    }

    /// The next place with a good head whose body is within the segment.
    fn next_head(&self, from: u64) -> Option<u64> {
        let mut block = vec![0; BLOCK];
        let mut at = from;
        while at + (HEAD as u64) <= self.len {
            let n = BLOCK.min((self.len - at) as usize);
            if !self.read_at(&mut block[..n], at) {
                return None;
            }
            for offset in 0..n.saturating_sub(MAGIC.len() - 1) {
                if &block[offset..offset + MAGIC.len()] != MAGIC {
                    continue;
                }
                let here = at + offset as u64;
                if let Some(head) = self.head(here)
                    && here + (HEAD + head.body) as u64 <= self.len
                {
                    return Some(here);
                }
            }
            at += (n - (MAGIC.len() - 1).min(n - 1)) as u64;
        }
        None
    }

    /// Copies a damaged stretch aside, once.
    fn quarantine(&mut self, start: u64, end: u64) {
        self.quarantined += 1;
        let end = end.min(self.len);
        tracing::error!(segment = %self.path.display(), start, end, "damaged telemetry log frame quarantined");
        if let Err(error) = self.copy_aside(start, end) {
            tracing::error!(%error, "damaged telemetry log frame could not be copied aside");
        }
    }

    fn copy_aside(&self, start: u64, end: u64) -> io::Result<()> {
        let (Some(dir), Some(stem)) = (self.path.parent(), self.path.file_stem()) else {
            return Ok(());
        };
        let dir = dir.join(QUARANTINE);
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{}-{start}.damaged", stem.to_string_lossy()));
        if path.exists() {
            return Ok(());
        }
        let mut out = File::create(&path)?;
        let mut block = vec![0; BLOCK];
        let mut at = start;
        while at < end {
            let n = BLOCK.min((end - at) as usize);
            if !self.read_at(&mut block[..n], at) {
                break;
            }
            io::Write::write_all(&mut out, &block[..n])?;
            at += n as u64;
        }
        out.sync_all()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::Frame;
    use super::*;

    /// A segment of `n` frames with payloads "0", "1", … and where each frame begins.
    fn segment(n: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (SEGMENT_MAGIC.to_vec(), Vec::new());
        for i in 0..n {
            starts.push(bytes.len());
            Frame::new(&TenantId::default_tenant(), i.to_string().repeat(20).as_bytes())
                .write(i + 1, &mut bytes);
        }
        (bytes, starts)
    }

    fn read(dir: &Path) -> (Vec<u64>, Recovered) {
        let mut found = Vec::new();
        let recovered = recover(dir, |f| {
            found.push(f.sequence);
            Ok(())
        });
        (found, recovered.unwrap())
    }

    fn write(dir: &Path, first: u64, bytes: &[u8]) -> PathBuf {
        let path = dir.join(format!("{first:020}.log"));
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_what_stands_before_it_is_kept() {
        let (bytes, starts) = segment(3);
        for cut in [starts[2] + 1, starts[2] + HEAD, bytes.len() - 1] {
            let dir = tempfile::tempdir().unwrap();
            let path = write(dir.path(), 1, &bytes[..cut]);
            let (found, recovered) = read(dir.path());
            assert_eq!(found, [1, 2], "cut at {cut}");
            assert_eq!((recovered.last, recovered.quarantined), (2, 0));
            assert_eq!(recovered.torn_bytes, (cut - starts[2]) as u64);
            assert_eq!(fs::metadata(path).unwrap().len(), starts[2] as u64);
        }
    }

    #[test]
    fn a_bad_frame_is_quarantined_once_and_its_neighbours_are_kept() {
        let (bytes, starts) = segment(4);
        for at in [starts[1], starts[1] + 20, starts[1] + HEAD + 3] {
            let dir = tempfile::tempdir().unwrap();
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            write(dir.path(), 1, &damaged);
            for _start in 0..2 {
                let (found, recovered) = read(dir.path());
                assert_eq!(found, [1, 3, 4], "damage at {at}");
                assert_eq!((recovered.last, recovered.quarantined, recovered.torn_bytes), (4, 1, 0));
                let kept: Vec<_> = fs::read_dir(dir.path().join(QUARANTINE)).unwrap().collect();
                assert_eq!(kept.len(), 1);
                assert_eq!(
                    fs::read(kept[0].as_ref().unwrap().path()).unwrap(),
                    damaged[starts[1]..starts[2]]
                );
            }
        }
    }

    #[test]
    fn a_broken_end_of_an_older_segment_is_damage_and_not_a_torn_tail() {
        let (bytes, starts) = segment(2);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, &bytes[..starts[1] + 5]);
        write(dir.path(), 9, SEGMENT_MAGIC);
        let (found, recovered) = read(dir.path());
        assert_eq!((found.as_slice(), recovered.quarantined, recovered.torn_bytes), (&[1][..], 1, 0));
        assert_eq!(recovered.segments.len(), 2);
    }

    #[test]
    fn a_frame_that_is_sound_but_not_understood_is_quarantined() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, &segment(3).0);
        let mut n = 0;
        let recovered = recover(dir.path(), |f| {
            n += 1;
            if f.sequence == 2 { Err(NotUnderstood) } else { Ok(()) }
        });
        assert_eq!((n, recovered.unwrap().quarantined), (3, 1));
    }

    #[test]
    fn what_is_no_log_at_all_does_not_stop_the_start() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, b"");
        write(dir.path(), 2, b"EBT");
        write(dir.path(), 3, &[0; 100_000]);
        write(dir.path(), 4, &b"EBTF".repeat(30_000));
        let (found, recovered) = read(dir.path());
        assert!(found.is_empty());
        assert_eq!((recovered.quarantined, recovered.torn_bytes), (2, 120_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn one_damaged_byte_costs_at_most_one_frame(at in any::<prop::sample::Index>(), with in 1_u8..) {
            let (mut bytes, _) = segment(6);
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), 1, &bytes);
            let (found, recovered) = read(dir.path());
            prop_assert!(found.len() >= 5, "{} kept, {:?}", found.len(), recovered);
        }
    }
}
