//! The growing end of a log: gives the next entry its place, time and bytes.

use echobase_types::ledger::EntryDraft;
use echobase_types::{ErrorKind, TenantId, Timestamp};

use crate::entry::{Entry, EntryError, EntryView, Sealed};
use crate::hash::{self, Hash};
use crate::tree::{Frontier, TreeError};

/// An entry could not be appended, or stored bytes do not continue the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The entry has no valid form.
    #[error("append entry {seq}")]
    Entry {
        /// The place it would have had.
        seq: u64,
        /// What is wrong.
        #[source]
        source: EntryError,
    },
    /// Stored bytes are not the next entry of this log.
    #[error("continue ledger at entry {seq}: {detail}")]
    Broken {
        /// The expected place.
        seq: u64,
        /// The rule that is broken.
        detail: &'static str,
    },
    /// The stored tree does not fit.
    #[error("resume ledger")]
    Tree(#[from] TreeError),
}

impl AppendError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Entry { source, .. } => source.kind(),
            Self::Broken { .. } | Self::Tree(_) => ErrorKind::Internal,
        }
    }
}

/// What a draft cannot say: commitments and the entry it compensates for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Commitments to facts that are kept outside.
    pub sealed: Vec<Sealed>,
    /// An earlier entry.
    pub corrects: Option<u64>,
}

/// An entry that has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place.
    pub seq: u64,
    /// Its time: the later of `now` and the time of the entry before.
    pub ts: Timestamp,
    /// Its canonical bytes, to be stored as they are.
    pub bytes: Vec<u8>,
    /// Its leaf hash, `prev` of the next.
    pub leaf: Hash,
}

/// The end of one tenant's log. A store keeps it in memory, works on a clone within a transaction and takes the
/// clone over when the transaction has committed; after a restart it comes from [`ChainHead::resume`] or by
/// [`ChainHead::replay`] of the stored entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    tenant: TenantId,
    prev: Hash,
    last: Option<Timestamp>,
    frontier: Frontier,
}

impl ChainHead {
    /// The end of an empty log.
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant, prev: Hash::ZERO, last: None, frontier: Frontier::default() }
    }

    /// From the frontier and the bytes of the newest entry as they are stored; the bytes must be that entry.
    /// `newest` is `None` for an empty log.
    pub fn resume(tenant: TenantId, frontier: Frontier, newest: Option<&[u8]>) -> Result<Self, AppendError> {
        let size = frontier.size();
        let broken = |detail| AppendError::Broken { seq: size.saturating_sub(1), detail };
        let Some(bytes) = newest else {
            if size > 0 {
                return Err(broken("the newest entry is missing"));
            }
            return Ok(Self::new(tenant));
        };
        let entry = EntryView::parse(bytes)
            .map_err(|source| AppendError::Entry { seq: size.saturating_sub(1), source })?;
        if entry.seq.checked_add(1) != Some(size) {
            return Err(broken("the frontier has another size"));
        }
        if entry.tenant != tenant.as_str() {
            return Err(broken("the entry belongs to another tenant"));
        }
        let prev = hash::leaf(bytes);
        if size % 2 == 1 && frontier.peaks().last() != Some(&prev) {
            return Err(broken("the frontier ends in another entry"));
        }
        Ok(Self { tenant, prev, last: Some(entry.ts), frontier })
    }

    /// Number of entries.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root of the tree of all entries.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Leaf hash of the newest entry; [`Hash::ZERO`] before the first.
    pub const fn prev(&self) -> Hash {
        self.prev
    }

    /// Time of the newest entry.
    pub const fn last_ts(&self) -> Option<Timestamp> {
        self.last
    }

    /// Whose log it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The right edge of the tree.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Makes the next entry and the end after it, and leaves this one as it is.
    pub fn next(&self, draft: &EntryDraft, now: Timestamp) -> Result<(Appended, Self), AppendError> {
        let mut after = self.clone();
        let appended = after.append(draft, now)?;
        Ok((appended, after))
    }

    /// Makes the next entry and moves this end behind it. After an error nothing has moved.
    pub fn append(&mut self, draft: &EntryDraft, now: Timestamp) -> Result<Appended, AppendError> {
        self.append_with(draft, &Extras::default(), now, |_, _, _| ())
    }

    /// As [`ChainHead::append`], with commitments or a correction, and telling of each tree node that the entry
    /// completes as [`Frontier::append_noting`] does.
    pub fn append_with(
        &mut self,
        draft: &EntryDraft,
        extras: &Extras,
        now: Timestamp,
        completed: impl FnMut(u8, u64, Hash),
    ) -> Result<Appended, AppendError> {
        let seq = self.size();
        let failed = |source| AppendError::Entry { seq, source };
        let ts = self.last.map_or(now, |last| last.max(now));
        let mut entry = Entry::from_draft(draft, seq, self.prev, ts, &self.tenant).map_err(failed)?;
        if extras.corrects.is_some_and(|earlier| earlier >= seq) {
            return Err(failed(EntryError::schema("corrects", "it must name an earlier entry")));
        }
        entry.sealed.clone_from(&extras.sealed);
        entry.corrects = extras.corrects;
        let bytes = entry.encode().map_err(failed)?;
        let leaf = hash::leaf(&bytes);
        self.frontier.append_noting(leaf, completed);
        (self.prev, self.last) = (leaf, Some(ts));
        Ok(Appended { seq, ts, bytes, leaf })
    }

    /// Takes over an entry that is stored already, after checking that it continues this log: for a restart, which
    /// must refuse to go on over a broken chain.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<Hash, AppendError> {
        let seq = self.size();
        let broken = |detail| Err(AppendError::Broken { seq, detail });
        let entry = EntryView::parse(bytes).map_err(|source| AppendError::Entry { seq, source })?;
        if entry.seq != seq {
            return broken("it has another number");
        }
        if entry.prev != self.prev {
            return broken("it does not follow the entry before");
        }
        if entry.tenant != self.tenant.as_str() {
            return broken("it belongs to another tenant");
        }
        if self.last.is_some_and(|last| entry.ts < last) {
            return broken("its time goes back");
        }
        let leaf = hash::leaf(bytes);
        self.frontier.append(leaf);
        (self.prev, self.last) = (leaf, Some(entry.ts));
        Ok(leaf)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::ledger::Actor;

    use super::*;
    use crate::tree;

    fn draft(n: i64) -> EntryDraft {
        EntryDraft::new(Actor::system("test"), "note.write", "note", n)
    }

    fn grown(entries: i64) -> (ChainHead, Vec<Appended>) {
        let mut head = ChainHead::new(TenantId::default_tenant());
        let made = (0..entries).map(|n| head.append(&draft(n), Timestamp::from_secs(n)).unwrap()).collect();
        (head, made)
    }

    #[test]
    fn each_entry_names_the_leaf_before_it() {
        let (head, made) = grown(20);
        let mut prev = Hash::ZERO;
        for (n, appended) in made.iter().enumerate() {
            let entry = Entry::parse(&appended.bytes).unwrap();
            assert_eq!((entry.seq, entry.prev), (n as u64, prev));
            prev = appended.leaf;
        }
        assert_eq!(head.prev(), prev);
        assert_eq!(head.root(), tree::root(&made.iter().map(|a| a.leaf).collect::<Vec<_>>()));
    }

    #[test]
    fn time_never_goes_back() {
        let mut head = ChainHead::new(TenantId::default_tenant());
        for (now, want) in [(-5, -5), (10, 10), (9, 10), (11, 11)] {
            let appended = head.append(&draft(0), Timestamp::from_secs(now)).unwrap();
            assert_eq!(appended.ts, Timestamp::from_secs(want));
        }
    }

    #[test]
    fn a_failed_append_moves_nothing() {
        let (mut head, _) = grown(3);
        let before = head.clone();
        assert!(head.append(&draft(0).fact("n", i64::MAX), Timestamp::EPOCH).is_err());
        let extras = Extras { corrects: Some(3), ..Extras::default() };
        assert!(head.append_with(&draft(0), &extras, Timestamp::EPOCH, |_, _, _| ()).is_err());
        assert_eq!(head, before);
        let (_, after) = head.next(&draft(0), Timestamp::EPOCH).unwrap();
        assert_eq!((head.size(), after.size()), (3, 4));
    }

    #[test]
    fn a_log_resumes_only_where_it_ended() {
        for entries in [1, 2, 7, 8] {
            let (head, made) = grown(entries);
            let newest = &made.last().unwrap().bytes;
            let stored = Frontier::from_peaks(head.size(), head.frontier().peaks().to_vec()).unwrap();
            let tenant = TenantId::default_tenant();
            assert_eq!(ChainHead::resume(tenant.clone(), stored.clone(), Some(newest)).unwrap(), head);
            assert!(ChainHead::resume(tenant.clone(), stored.clone(), None).is_err());
            assert!(
                ChainHead::resume(TenantId::new("other").unwrap(), stored.clone(), Some(newest)).is_err()
            );
            assert!(ChainHead::resume(tenant, Frontier::default(), Some(newest)).is_err());
        }
    }

    #[test]
    fn replay_stops_at_the_first_entry_that_does_not_continue() {
        let (head, made) = grown(6);
        let mut again = ChainHead::new(TenantId::default_tenant());
        for appended in &made {
            assert_eq!(again.replay(&appended.bytes), Ok(appended.leaf));
        }
        assert_eq!(again, head);
        assert!(matches!(again.replay(&made[5].bytes), Err(AppendError::Broken { seq: 6, .. })));
        let mut fresh = ChainHead::new(TenantId::new("other").unwrap());
        assert!(matches!(fresh.replay(&made[0].bytes), Err(AppendError::Broken { seq: 0, .. })));
    }
}
