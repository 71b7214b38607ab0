//! Writes a log as the files of an ELX/1 export, without touching a disk: entries go in one by one, finished files
//! come out, and at no time are more than one tile per level and one bundle held.

use echobase_types::ErrorKind;

use crate::hash;
use crate::note::Note;
use crate::proof::Receipt;
use crate::tile::{self, EntryTooLong, WIDTH};
use crate::tree::Frontier;

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Path within the folder, with `/` between parts.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl ExportFile {
    fn new(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes }
    }
}

/// The export could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// An entry does not fit a bundle.
    #[error("export entry {seq}")]
    Entry {
        /// Which.
        seq: u64,
        /// Why.
        #[source]
        source: EntryTooLong,
    },
}

impl ExportError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Entry { source, .. } => source.kind(),
        }
    }
}

/// A folder export under way. It does not judge the entries: a damaged log can be exported, so that the verifier
/// can show the damage.
#[derive(Clone, Debug, Default)]
pub struct Export {
    frontier: Frontier,
    bundle: Vec<u8>,
    tiles: Vec<Vec<u8>>,
}

impl Export {
    /// Adds the next entry; returns the files that it completes, mostly none.
    pub fn push(&mut self, entry: &[u8]) -> Result<Vec<ExportFile>, ExportError> {
        let seq = self.frontier.size();
        tile::push_entry(&mut self.bundle, entry).map_err(|source| ExportError::Entry { seq, source })?;
        let mut files = Vec::new();
        if (seq + 1).is_multiple_of(WIDTH) {
            files.push(ExportFile::new(
                tile::bundle_path(seq / WIDTH, WIDTH),
                std::mem::take(&mut self.bundle),
            ));
        }
        let tiles = &mut self.tiles;
        self.frontier.append_noting(hash::leaf(entry), |height, index, hash| {
            if height % 8 != 0 {
                return;
            }
            let level = height / 8;
            if tiles.len() <= usize::from(level) {
                tiles.push(Vec::with_capacity(32 * WIDTH as usize));
            }
            let Some(open) = tiles.get_mut(usize::from(level)) else { return };
            open.extend_from_slice(hash.as_bytes());
            if (index + 1) % WIDTH == 0 {
                files.push(ExportFile::new(
                    tile::tile_path(level, index / WIDTH, WIDTH),
                    std::mem::take(open),
                ));
            }
        });
        Ok(files)
    }

    /// Number of entries so far.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root of the entries so far; the checkpoint given to [`Export::finish`] must have it.
    pub fn root(&self) -> hash::Hash {
        self.frontier.root()
    }

    /// The remaining files: partial tiles and bundle, the newest checkpoint, all older checkpoints (oldest first;
    /// none writes no `checkpoints.jsonl`), and receipts.
    pub fn finish(self, newest: &Note, older: &[Note], receipts: &[Receipt]) -> Vec<ExportFile> {
        let size = self.frontier.size();
        let mut files = Vec::new();
        if !self.bundle.is_empty() {
            files.push(ExportFile::new(tile::bundle_path(size / WIDTH, size % WIDTH), self.bundle));
        }
        for (level, bytes) in (0_u8..).zip(self.tiles) {
            if !bytes.is_empty() {
                let hashes = tile::hashes_at(level, size);
                files.push(ExportFile::new(tile::tile_path(level, hashes / WIDTH, hashes % WIDTH), bytes));
            }
        }
        if !older.is_empty() {
            let lines = older.iter().chain([newest]).map(checkpoint_line).collect::<String>();
            files.push(ExportFile::new("checkpoints.jsonl", lines.into_bytes()));
        }
        for receipt in receipts {
            let path = format!("proofs/{}.tlog-proof", receipt.index);
            files.push(ExportFile::new(path, receipt.to_text().into_bytes()));
        }
        files.push(ExportFile::new("checkpoint", newest.to_string().into_bytes()));
        files
    }
}

/// One line of `checkpoints.jsonl`, line end included.
pub fn checkpoint_line(note: &Note) -> String {
    format!("{}\n", serde_json::json!({ "note": note.to_string() }))
}

/// The line of an entry in the flat form, line end included.
pub fn flat_line(entry: &[u8]) -> Vec<u8> {
    [entry, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use std::collections::BTreeSet;

    use super::*;
    use crate::note::Signer;

    #[test]
    fn an_export_has_just_the_files_of_its_size() {
        let signer = Signer::from_seed("log", [1; 32]).unwrap();
        for size in [0_u64, 1, 255, 256, 257, 700, 65_537] {
            let mut export = Export::default();
            let mut paths = BTreeSet::new();
            for n in 0..size {
                for file in export.push(&n.to_be_bytes()).unwrap() {
                    assert!(paths.insert(file.path));
                }
            }
            let note = signer.checkpoint(size, export.root()).unwrap();
            paths.extend(export.finish(&note, &[], &[]).into_iter().map(|f| f.path));
            let mut want: BTreeSet<_> = tile::tiles(size).map(|(l, n, w)| tile::tile_path(l, n, w)).collect();
            want.extend(tile::tiles(size).filter(|t| t.0 == 0).map(|(_, n, w)| tile::bundle_path(n, w)));
            want.insert("checkpoint".to_owned());
            assert_eq!(paths, want, "{size}");
        }
    }

    #[test]
    fn checkpoints_are_kept_oldest_first() {
        let signer = Signer::from_seed("log", [1; 32]).unwrap();
        let notes: Vec<_> = (0..3).map(|n| signer.checkpoint(n, hash::Hash::ZERO).unwrap()).collect();
        let files = Export::default().finish(&notes[2], &notes[..2], &[]);
        let lines = String::from_utf8(files[0].bytes.clone()).unwrap();
        let read: Vec<String> = lines
            .lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).unwrap()["note"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(read, notes.iter().map(Note::to_string).collect::<Vec<_>>());
    }
}
