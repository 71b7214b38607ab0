//! One pass over the entries, in order: what an entry says of itself and of the one before.

use std::collections::{BTreeMap, HashMap};

use echobase_types::Timestamp;
use echobase_types::ledger::Outcome;

use super::report::{Code, Findings};
use crate::entry::{EntryError, EntryView, Sealed};
use crate::hash::{self, Hash};
use crate::semantic::Replay;
use crate::tree::Frontier;

/// State of the pass, and what later checks ask of it.
pub(super) struct Walk {
    index: u64,
    entries: u64,
    /// The number that the next entry should have by its predecessor.
    expected: u64,
    /// Leaf hash of the entry before; `None` after a gap.
    prev: Option<Hash>,
    first_ts: Option<Timestamp>,
    last_ts: Option<Timestamp>,
    tenant: Option<String>,
    /// `None` after a gap that no tile could bridge.
    frontier: Option<Frontier>,
    replay: Replay,
    sizes: Wanted,
    roots: HashMap<u64, Hash>,
    indexes: Wanted,
    leaves: HashMap<u64, Hash>,
    openings: AskedFor,
    sealed: BTreeMap<(u64, String), Sealed>,
    shredded: HashMap<String, u64>,
}

/// Whether openings are there to be compared with sealed fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedFor {
    Yes,
    No,
}

/// Sorted positions of which the next one is known.
struct Wanted {
    positions: Vec<u64>,
    next: usize,
}

impl Wanted {
    fn new(mut positions: Vec<u64>) -> Self {
        positions.sort_unstable();
        positions.dedup();
        Self { positions, next: 0 }
    }

    fn hit(&mut self, position: u64) -> bool {
        let hit = self.positions.get(self.next) == Some(&position);
        self.next += usize::from(hit);
        hit
    }
}

impl Walk {
    /// Keeps the roots of these sizes, the leaf hashes of these rows, and sealed fields if they will be asked for.
    pub(super) fn new(sizes: Vec<u64>, indexes: Vec<u64>, openings: AskedFor) -> Self {
        let mut walk = Self {
            index: 0,
            entries: 0,
            expected: 0,
            prev: Some(Hash::ZERO),
            first_ts: None,
            last_ts: None,
            tenant: None,
            frontier: Some(Frontier::default()),
            replay: Replay::default(),
            sizes: Wanted::new(sizes),
            roots: HashMap::new(),
            indexes: Wanted::new(indexes),
            leaves: HashMap::new(),
            openings,
            sealed: BTreeMap::new(),
            shredded: HashMap::new(),
        };
        walk.note_root();
        walk
    }

    /// Judges the next entry and returns its leaf hash.
    pub(super) fn entry(&mut self, bytes: &[u8], findings: &mut Findings) -> Hash {
        let leaf = hash::leaf(bytes);
        match EntryView::parse(bytes) {
            Ok(view) => self.follow(&view, findings),
            Err(EntryError::NonCanonical(source)) => {
                findings.row(Code::NonCanonical, self.index, source.to_string());
                self.expected += 1;
            }
            Err(source) => {
                findings.row(Code::Schema, self.index, source.to_string());
                self.expected += 1;
            }
        }
        self.entries += 1;
        self.place(leaf);
        leaf
    }

    /// Passes over rows that are not there; their leaf hashes keep the tree whole where a tile knows them.
    pub(super) fn gap(&mut self, leaves: Option<&[Hash]>, until: u64) {
        match leaves {
            Some(leaves) => leaves.iter().for_each(|leaf| self.place(*leaf)),
            None => self.frontier = None,
        }
        if self.index != until {
            (self.index, self.frontier) = (until, None);
        }
        (self.expected, self.prev) = (until, leaves.and_then(|l| l.last()).copied());
    }

    fn place(&mut self, leaf: Hash) {
        if self.indexes.hit(self.index) {
            self.leaves.insert(self.index, leaf);
        }
        if let Some(frontier) = &mut self.frontier {
            frontier.append(leaf);
        }
        self.index += 1;
        self.prev = Some(leaf);
        self.note_root();
    }

    fn note_root(&mut self) {
        if self.sizes.hit(self.index)
            && let Some(frontier) = &self.frontier
        {
            self.roots.insert(self.index, frontier.root());
        }
    }

    fn follow(&mut self, entry: &EntryView<'_>, findings: &mut Findings) {
        let at = self.index;
        if entry.seq != self.expected && entry.seq != at {
            findings.row(Code::Seq, at, format!("numbered {}, {} was expected", entry.seq, self.expected));
        }
        self.expected = entry.seq.saturating_add(1);
        if let Some(prev) = self.prev.filter(|prev| *prev != entry.prev) {
            findings.row(Code::Chain, at, format!("`prev` is {}, the leaf before is {prev}", entry.prev));
        }
        if let Some(last) = self.last_ts.filter(|last| entry.ts < *last) {
            findings.row(Code::Time, at, format!("{} follows {last}", entry.ts));
        }
        self.last_ts = Some(entry.ts);
        self.first_ts.get_or_insert(entry.ts);
        match &self.tenant {
            None => self.tenant = Some(entry.tenant.clone().into_owned()),
            Some(tenant) if *tenant != entry.tenant => {
                findings.row(Code::Tenant, at, format!("of `{}` in the log of `{tenant}`", entry.tenant));
            }
            Some(_) => {}
        }
        if let Some(earlier) = entry.corrects.filter(|earlier| *earlier >= entry.seq) {
            findings.row(Code::Corrects, at, format!("corrects {earlier}, which is not before it"));
        }
        if self.openings == AskedFor::Yes {
            for sealed in &entry.sealed {
                self.sealed.insert((at, sealed.field.clone()), sealed.clone());
            }
        }
        if entry.action == "crypto.shred" && entry.outcome == Outcome::Ok {
            let data = entry.data.to_object();
            match data.get("kid").and_then(|kid| kid.as_text()) {
                Some(kid) => {
                    self.shredded.entry(kid.to_owned()).or_insert(at);
                }
                None => findings.row(Code::Schema, at, "crypto.shred without the fact `kid`".to_owned()),
            }
        }
        for breach in self.replay.observe(entry) {
            let detail = format!("intervention {}: {}", entry.resource_id, breach.detail);
            findings.row(breach.code, at, detail);
        }
    }

    /// Places passed, gaps included.
    pub(super) const fn index(&self) -> u64 {
        self.index
    }

    pub(super) const fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub(super) const fn first_ts(&self) -> Option<Timestamp> {
        self.first_ts
    }

    pub(super) const fn last_ts(&self) -> Option<Timestamp> {
        self.last_ts
    }

    /// Root of all entries, unless rows are missing.
    pub(super) fn root(&self) -> Option<Hash> {
        self.frontier.as_ref().map(Frontier::root)
    }

    /// Root of the first `size` entries, if it was asked for and is known.
    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.roots.get(&size).copied()
    }

    /// Leaf hash of a row, if it was asked for.
    pub(super) fn leaf_at(&self, index: u64) -> Option<Hash> {
        self.leaves.get(&index).copied()
    }

    pub(super) const fn sealed(&self) -> &BTreeMap<(u64, String), Sealed> {
        &self.sealed
    }

    /// The row that records the end of a data key.
    pub(super) fn shredded(&self, kid: &str) -> Option<u64> {
        self.shredded.get(kid).copied()
    }
}
