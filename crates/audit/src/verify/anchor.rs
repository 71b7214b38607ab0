//! Checkpoints from all sides – the export's own, older ones, those of receipts, trusted ones – against the
//! entries and against each other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::report::{CheckpointSummary, Code, Findings, SignatureState};
use super::walk::Walk;
use super::{ExportFiles, Trust, Trusted, Unreadable};
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::{KeyType, Note, VerifierKey};
use crate::proof::Receipt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Newest,
    Stored,
    Receipt,
    Trusted,
}

/// A checkpoint that the entries must agree with.
struct Anchor {
    origin: Origin,
    source: String,
    checkpoint: Checkpoint,
    /// Signed by a given key, or taken as it is because no key was given. Only such a one proves anything.
    usable: bool,
}

/// A receipt whose path is to be followed.
struct Pending {
    path: String,
    receipt: Receipt,
    checkpoint: Checkpoint,
}

/// All checkpoints there are.
pub(super) struct Anchors {
    keys: Vec<VerifierKey>,
    has_log_key: bool,
    witnesses: usize,
    newest: Option<CheckpointSummary>,
    anchors: Vec<Anchor>,
    pending: Vec<Pending>,
}

/// A line of `checkpoints.jsonl`.
#[derive(Deserialize)]
struct StoredLine {
    note: String,
}

/// The chain of causes in one line.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

impl Anchors {
    pub(super) fn new(trust: &Trust) -> Self {
        Self {
            has_log_key: trust.keys.iter().any(|key| key.key_type() == KeyType::Log),
            keys: trust.keys.clone(),
            witnesses: trust.witnesses,
            newest: None,
            anchors: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Opens a note; what is not to be believed is noted.
    fn open(
        &self,
        note: &Note,
        code: Code,
        source: &str,
        findings: &mut Findings,
    ) -> Option<(Checkpoint, usize)> {
        let opened = if self.has_log_key {
            Checkpoint::open(note, &self.keys)
        } else {
            Checkpoint::parse(note.text()).map(|checkpoint| (checkpoint, 0))
        };
        opened.map_err(|source_error| findings.file(code, source, words(&source_error))).ok()
    }

    pub(super) fn take_newest(&mut self, file: Option<Vec<u8>>, findings: &mut Findings) {
        const PATH: &str = "checkpoint";
        let Some(bytes) = file else {
            findings.file(Code::Missing, PATH, "the export has no checkpoint".to_owned());
            return;
        };
        let note =
            match String::from_utf8(bytes).map_err(|_| None).and_then(|t| Note::parse(&t).map_err(Some)) {
                Ok(note) => note,
                Err(error) => {
                    let detail = error.map_or_else(|| "it is not UTF-8".to_owned(), |e| words(&e));
                    findings.file(Code::Sig, PATH, detail);
                    return;
                }
            };
        let opened = self.open(&note, Code::Sig, PATH, findings);
        let usable = opened.is_some();
        // What it states is compared with the entries even if nobody vouches for it.
        let stated = opened.or_else(|| Checkpoint::parse(note.text()).ok().map(|c| (c, 0)));
        let Some((checkpoint, witnesses)) = stated else { return };
        if witnesses < self.witnesses {
            let detail = format!("{witnesses} witnesses cosigned, {} are asked for", self.witnesses);
            findings.file(Code::Sig, PATH, detail);
        }
        let signature = match (usable, self.has_log_key) {
            (true, true) => SignatureState::Valid,
            (true, false) => SignatureState::Unchecked,
            (false, _) => SignatureState::Invalid,
        };
        self.newest = Some(CheckpointSummary {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root.to_base64(),
            signature,
            witnesses,
        });
        self.anchors.push(Anchor { origin: Origin::Newest, source: PATH.to_owned(), checkpoint, usable });
    }

    pub(super) fn take_stored(&mut self, file: Option<Vec<u8>>, findings: &mut Findings) {
        const PATH: &str = "checkpoints.jsonl";
        let mut last_size = 0;
        let file = file.unwrap_or_default();
        for (number, line) in (1_u64..).zip(file.split(|b| *b == b'\n').filter(|line| !line.is_empty())) {
            let source = format!("{PATH}, line {number}");
            let Ok(StoredLine { note }) = serde_json::from_slice(line) else {
                findings.file(Code::Schema, PATH, format!("line {number} is not {{\"note\":\"…\"}}"));
                continue;
            };
            let note = match Note::parse(&note) {
                Ok(note) => note,
                Err(error) => {
                    findings.file(Code::Sig, PATH, format!("line {number}: {}", words(&error)));
                    continue;
                }
            };
            if let Some((checkpoint, _)) = self.open(&note, Code::Sig, &source, findings) {
                if checkpoint.size < last_size {
                    let detail =
                        format!("line {number} is of {} entries, after one of {last_size}", checkpoint.size);
                    findings.file(Code::Schema, PATH, detail);
                }
                last_size = checkpoint.size;
                self.anchors.push(Anchor { origin: Origin::Stored, source, checkpoint, usable: true });
            }
        }
    }

    pub(super) fn take_receipts(
        &mut self,
        files: &impl ExportFiles,
        findings: &mut Findings,
    ) -> Result<(), Unreadable> {
        let mut paths = files.list("proofs/")?;
        paths.sort_unstable();
        for path in paths {
            let name = path.strip_prefix("proofs/").and_then(|n| n.strip_suffix(".tlog-proof"));
            let Some(name) = name else { continue };
            let Some(bytes) = files.read(&path)? else {
                return Err(Unreadable { path, detail: "it was listed and is gone".to_owned() });
            };
            let receipt = match String::from_utf8(bytes).ok().map(|text| Receipt::parse(&text)) {
                Some(Ok(receipt)) => receipt,
                Some(Err(error)) => {
                    findings.file(Code::Proof, &path, words(&error));
                    continue;
                }
                None => {
                    findings.file(Code::Proof, &path, "it is not UTF-8".to_owned());
                    continue;
                }
            };
            if receipt.index.to_string() != name {
                let detail = format!("it is the receipt of entry {}", receipt.index);
                findings.file(Code::Proof, &path, detail);
            }
            self.take_receipt(Origin::Receipt, path, receipt, findings);
        }
        Ok(())
    }

    fn take_receipt(&mut self, origin: Origin, path: String, receipt: Receipt, findings: &mut Findings) {
        let code = if origin == Origin::Trusted { Code::Sig } else { Code::Proof };
        if let Some((checkpoint, _)) = self.open(&receipt.checkpoint, code, &path, findings) {
            let anchor =
                Anchor { origin, source: path.clone(), checkpoint: checkpoint.clone(), usable: true };
            self.anchors.push(anchor);
            self.pending.push(Pending { path, receipt, checkpoint });
        }
    }

    pub(super) fn take_trusted(&mut self, trust: &Trust, findings: &mut Findings) {
        for (number, trusted) in (1..).zip(&trust.trusted) {
            let source = format!("trusted {number}");
            match trusted {
                Trusted::Receipt(receipt) => {
                    self.take_receipt(Origin::Trusted, source, receipt.clone(), findings);
                }
                Trusted::Checkpoint(note) => {
                    if let Some((checkpoint, _)) = self.open(note, Code::Sig, &source, findings) {
                        self.anchors.push(Anchor {
                            origin: Origin::Trusted,
                            source,
                            checkpoint,
                            usable: true,
                        });
                    }
                }
            }
        }
    }

    /// Drops checkpoints of other logs, after noting them.
    pub(super) fn settle(&mut self, findings: &mut Findings) {
        let Some(log) = self.anchors.first().map(|a| a.checkpoint.origin.clone()) else { return };
        self.anchors.retain(|anchor| {
            let same = anchor.checkpoint.origin == log;
            if !same {
                let detail = format!("it is of `{}`, this log is `{log}`", anchor.checkpoint.origin);
                findings.file(Code::Sig, &anchor.source, detail);
            }
            same
        });
        self.pending.retain(|pending| pending.checkpoint.origin == log);
    }

    /// Sizes whose roots will be asked for.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.anchors.iter().map(|a| a.checkpoint.size).collect()
    }

    /// Rows whose leaf hashes will be asked for.
    pub(super) fn indexes(&self) -> Vec<u64> {
        self.pending.iter().map(|p| p.receipt.index).collect()
    }

    /// How many entries the export's own checkpoint asks files for.
    pub(super) fn required(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.size)
    }

    fn largest(&self) -> Option<&Anchor> {
        let of = |usable: bool| {
            self.anchors.iter().filter(move |a| !usable || a.usable).max_by_key(|a| a.checkpoint.size)
        };
        // A false checkpoint says something only where nothing better does.
        of(true).or_else(|| of(false))
    }

    fn agrees(&self, anchor: &Anchor, walk: &Walk) -> Option<bool> {
        walk.root_at(anchor.checkpoint.size).map(|root| root == anchor.checkpoint.root)
    }

    /// How many entries a believed checkpoint confirms.
    pub(super) fn confirmed(&self, walk: &Walk) -> u64 {
        let good = self.anchors.iter().filter(|a| a.usable && self.agrees(a, walk) == Some(true));
        good.map(|a| a.checkpoint.size).max().unwrap_or(0)
    }

    /// Compares everything with the entries.
    pub(super) fn judge(&self, walk: &Walk, findings: &mut Findings) {
        let present = walk.index();
        if let Some(largest) = self.largest() {
            let size = largest.checkpoint.size;
            if present < size {
                let detail = format!("{} is of {size} entries", largest.source);
                findings.rows(Code::Truncated, present, size - 1, detail);
            }
            // A newest checkpoint that is not to be believed has its own finding; it is not counted twice.
            let stated = self.newest.as_ref().map(|newest| newest.size.max(size));
            if let Some(size) = stated.filter(|size| present > *size) {
                let detail = format!("the newest checkpoint is of {size} entries");
                findings.rows(Code::UnsignedTail, size, present - 1, detail);
            }
        }
        self.judge_roots(walk, findings);
        self.judge_forks(walk, findings);
        for pending in &self.pending {
            let index = pending.receipt.index;
            let Some(leaf) = walk.leaf_at(index) else { continue };
            if let Err(error) = pending.receipt.leads(&leaf, &pending.checkpoint) {
                findings.file_row(Code::Proof, &pending.path, (index, index), words(&error));
            }
        }
    }

    /// Of each sort of checkpoint the first that disagrees, with the rows between it and the last that agrees.
    fn judge_roots(&self, walk: &Walk, findings: &mut Findings) {
        let good: BTreeSet<u64> = self
            .anchors
            .iter()
            .filter(|a| a.usable && self.agrees(a, walk) == Some(true))
            .map(|a| a.checkpoint.size)
            .collect();
        let mut first: BTreeMap<Origin, (&Anchor, u64)> = BTreeMap::new();
        for anchor in self.anchors.iter().filter(|a| self.agrees(a, walk) == Some(false)) {
            let (earliest, count) = first.entry(anchor.origin).or_insert((anchor, 0));
            *count += 1;
            if anchor.checkpoint.size < earliest.checkpoint.size {
                *earliest = anchor;
            }
        }
        for (anchor, count) in first.into_values() {
            let size = anchor.checkpoint.size;
            let from = good.range(..size).next_back().copied().unwrap_or(0);
            let is = walk.root_at(size).unwrap_or(Hash::ZERO).to_base64();
            let more = if count > 1 { format!(", and {} more disagree", count - 1) } else { String::new() };
            let said = anchor.checkpoint.root.to_base64();
            let detail = format!("{size} entries have root {is}, {} says {said}{more}", anchor.source);
            let last = size.saturating_sub(1);
            findings.file_row(Code::Root, &anchor.source, (from.min(last), last), detail);
        }
    }

    /// Two believed checkpoints of one size with two roots; or one that the entries contradict though a believed
    /// one of at least its size confirms them.
    fn judge_forks(&self, walk: &Walk, findings: &mut Findings) {
        let mut by_size: BTreeMap<u64, (&Anchor, Option<&Anchor>)> = BTreeMap::new();
        for anchor in self.anchors.iter().filter(|a| a.usable) {
            let (first, other) = by_size.entry(anchor.checkpoint.size).or_insert((anchor, None));
            if first.checkpoint.root != anchor.checkpoint.root {
                other.get_or_insert(anchor);
            }
        }
        for (size, (first, other)) in &by_size {
            if let Some(other) = other {
                let detail =
                    format!("{} and {} sign two roots of {size} entries", first.source, other.source);
                findings.file(Code::Fork, &other.source, detail);
            }
        }
        let confirmed = self.confirmed(walk);
        let usable = by_size.values().filter(|(_, other)| other.is_none()).map(|(anchor, _)| *anchor);
        let contradicted = usable
            .filter(|a| a.checkpoint.size <= confirmed && self.agrees(a, walk) == Some(false))
            .min_by_key(|a| a.checkpoint.size);
        if let Some(anchor) = contradicted {
            let detail = format!(
                "{} is of {} entries that a signed checkpoint of {confirmed} entries contradicts",
                anchor.source, anchor.checkpoint.size
            );
            findings.file(Code::Fork, &anchor.source, detail);
        }
    }

    pub(super) const fn newest(&self) -> Option<&CheckpointSummary> {
        self.newest.as_ref()
    }

    fn count(&self, origin: Origin) -> u64 {
        self.anchors.iter().filter(|a| a.origin == origin).count() as u64
    }

    pub(super) fn stored(&self) -> u64 {
        self.count(Origin::Stored)
    }

    pub(super) fn receipts(&self) -> u64 {
        self.count(Origin::Receipt)
    }

    pub(super) fn trusted(&self) -> u64 {
        self.count(Origin::Trusted)
    }
}
