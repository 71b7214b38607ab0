//! The offline verifier: judges an export with nothing but the export, the log's public keys and whatever the
//! verifier got from elsewhere and trusts.
//!
//! It reads every entry once, in order, and checks form, numbering, chain, time and tenant; the tree against tiles,
//! checkpoints and receipts; openings against commitments; and the rules of interventions ([`crate::semantic`]).
//! It never stops at the first fault: one pass names all of them.

mod anchor;
mod openings;
mod report;
mod tiles;
mod walk;

mod flat;

use std::collections::BTreeMap;

use echobase_types::ErrorKind;

use crate::note::{Note, VerifierKey};
use crate::proof::{ProofError, Receipt};
use crate::tile::{self, WIDTH};

use anchor::Anchors;
use openings::Openings;
use report::Findings;
use tiles::TileCheck;
use walk::{AskedFor, Walk};

pub use flat::FlatVerifier;
pub use report::{CheckpointSummary, Code, Finding, Report, SignatureState};

/// Reads the files of an export. Paths use `/` and are relative to the folder.
pub trait ExportFiles {
    /// The bytes of a file; `None` if there is no such file.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Unreadable>;

    /// Paths of all files whose path begins with `prefix`, in any order.
    fn list(&self, prefix: &str) -> Result<Vec<String>, Unreadable>;
}

/// An export in memory.
impl ExportFiles for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.get(path).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Unreadable> {
        Ok(self.keys().filter(|path| path.starts_with(prefix)).cloned().collect())
    }
}

/// The export could not be read, so nothing can be said about it: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read `{path}` of the export: {detail}")]
pub struct Unreadable {
    /// Which file.
    pub path: String,
    /// Why.
    pub detail: String,
}

impl Unreadable {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Something that the log's operator cannot take back: a client's receipt, a witness's or an auditor's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// A signed checkpoint.
    Checkpoint(Note),
    /// A receipt.
    Receipt(Receipt),
}

impl Trusted {
    /// Reads a checkpoint or a `.tlog-proof`, whichever it is.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.starts_with("c2sp.org/tlog-proof@") {
            return Ok(Self::Receipt(Receipt::parse(text)?));
        }
        let note = Note::parse(text)?;
        crate::checkpoint::Checkpoint::parse(note.text())?;
        Ok(Self::Checkpoint(note))
    }
}

/// What the verifier brings along.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys of the log and of its witnesses. Without a log key signatures are not checked, and the report says so.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints and receipts from elsewhere. Without one, a cut tail cannot be seen: `unanchored`.
    pub trusted: Vec<Trusted>,
    /// How many witnesses must have cosigned the newest checkpoint.
    pub witnesses: usize,
}

/// Judges an export folder. `Err` means exit code 2; else [`Report::exit_code`] says 0 or 1.
pub fn verify_export(files: &impl ExportFiles, trust: &Trust) -> Result<Report, Unreadable> {
    let bundles = tiles::positions(files, "tile/entries/")?;
    let newest = files.read("checkpoint")?;
    if bundles.is_empty() && newest.is_none() {
        let detail = "there is neither a checkpoint nor an entry bundle".to_owned();
        return Err(Unreadable { path: "checkpoint".to_owned(), detail });
    }
    let mut findings = Findings::default();
    let mut anchors = Anchors::new(trust);
    anchors.take_newest(newest, &mut findings);
    anchors.take_stored(files.read("checkpoints.jsonl")?, &mut findings);
    anchors.take_receipts(files, &mut findings)?;
    anchors.take_trusted(trust, &mut findings);
    anchors.settle(&mut findings);

    let payloads = files.read("payloads.jsonl")?;
    let asked = if payloads.is_some() { AskedFor::Yes } else { AskedFor::No };
    let mut walk = Walk::new(anchors.sizes(), anchors.indexes(), asked);
    let mut check = TileCheck::new(files)?;
    let required = anchors.required();
    let last = bundles.keys().next_back().map_or(0, |n| n + 1);
    for index in 0..last.max(required.div_ceil(WIDTH)) {
        let begin = index * WIDTH;
        let expected = if index + 1 < last { WIDTH } else { required.saturating_sub(begin).min(WIDTH) };
        let Some(&width) = bundles.get(&index) else {
            let path = tile::bundle_path(index, expected.max(1));
            findings.file(Code::Missing, &path, "this entry bundle is missing".to_owned());
            if index >= last {
                break;
            }
            check.bridge(&mut walk, begin + WIDTH, &mut findings)?;
            continue;
        };
        let path = tile::bundle_path(index, width);
        let Some(bytes) = files.read(&path)? else {
            return Err(Unreadable { path, detail: "it was listed and is gone".to_owned() });
        };
        let mut count = 0;
        for entry in tile::entries(&bytes) {
            let Ok(entry) = entry else {
                findings.file(Code::Schema, &path, format!("entry {count} of the bundle is cut short"));
                break;
            };
            count += 1;
            check.leaf(walk.entry(entry, &mut findings), &mut findings)?;
        }
        if count > width {
            findings.file(Code::Schema, &path, format!("the bundle holds {count} entries, not {width}"));
        }
        if index + 1 < last && count < WIDTH {
            findings.rows(Code::Missing, begin + count, begin + WIDTH - 1, "not in their bundle".to_owned());
            check.bridge(&mut walk, begin + WIDTH, &mut findings)?;
        } else if count < width {
            findings.rows(Code::Missing, begin + count, begin + width - 1, "not in their bundle".to_owned());
        }
    }
    check.finish(required, &mut findings)?;
    anchors.judge(&walk, &mut findings);
    check.blame(anchors.confirmed(&walk), &mut findings);
    if let Some(payloads) = payloads {
        Openings::judge(&payloads, &walk, &mut findings);
    }
    Ok(Report::new(&walk, &anchors, findings))
}

#[cfg(test)]
mod tests;
