//! Ledger entries, hash chain, Merkle tree, checkpoints, proofs and the offline verifier (format ELX/1).
//!
//! **Invariant:** no I/O, no clock, no randomness, and bytes decide: what is hashed is exactly what was encoded,
//! and bytes that are not the one canonical form of an entry are refused. The caller stores, signs at its time
//! and reads files; this crate only makes bytes and judges them.
//!
//! One SHA-256 per entry serves two structures: `prev` of entry *n+1* is the RFC 6962 leaf hash of entry *n*, so
//! the chain and the Merkle tree cannot disagree. An export is at the same time a C2SP *tlog-tiles* log.
//!
//! ```
//! use echobase_audit::{ChainHead, Export, ExportFiles, Receipt, Signer, Trust, verify_export};
//! use echobase_types::ledger::{Actor, EntryDraft};
//! use echobase_types::{TenantId, Timestamp};
//!
//! let signer = Signer::from_seed("ledger.example/default", [7; 32])?;
//! let mut head = ChainHead::new(TenantId::default_tenant());
//! let mut export = Export::default();
//! let mut files = std::collections::BTreeMap::new();
//! for n in 0..3 {
//!     let draft = EntryDraft::new(Actor::system("docs"), "note.write", "note", n);
//!     let entry = head.append(&draft, Timestamp::from_secs(1_700_000_000 + n))?;
//!     files.extend(export.push(&entry.bytes)?.into_iter().map(|f| (f.path, f.bytes)));
//! }
//! let checkpoint = signer.checkpoint(head.size(), head.root())?;
//! files.extend(export.finish(&checkpoint, &[], &[]).into_iter().map(|f| (f.path, f.bytes)));
//!
//! let trust = Trust { keys: vec![signer.verifier_key()], ..Trust::default() };
//! let report = verify_export(&files, &trust)?;
//! assert_eq!((report.entries, report.exit_code()), (3, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod canonical;
pub mod chain;
pub mod checkpoint;
pub mod entry;
pub mod export;
pub mod hash;
pub mod note;
pub mod proof;
pub mod semantic;
pub mod tile;
pub mod tree;
pub mod verify;

mod instant;

pub use chain::{AppendError, Appended, ChainHead, Extras};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use entry::{Entry, EntryError, EntryView, Sealed};
pub use export::{Export, ExportError, ExportFile};
pub use hash::Hash;
pub use note::{Note, NoteError, Signer, VerifierKey};
pub use proof::{ProofError, Receipt};
pub use tree::{Frontier, TreeError};
pub use verify::{Code, ExportFiles, Finding, FlatVerifier, Report, Trust, Unreadable, verify_export};
