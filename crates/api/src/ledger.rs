//! The ledger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One entry, decoded, with its hashes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Sequence number, from 0; the leaf index.
    pub seq: u64,
    /// When.
    pub ts: Time,
    /// `user`, `service`, `agent`, `controller` or `system`.
    pub actor_type: String,
    /// Id of the actor.
    pub actor_id: String,
    /// A dotted verb.
    pub action: String,
    /// What sort of thing it was done to.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// `ok`, `deny` or `error`.
    pub outcome: String,
    /// Non-sensitive facts.
    pub data: serde_json::Value,
    /// Leaf hash of the entry before, hex.
    pub prev: String,
    /// Leaf hash, hex.
    pub leaf: String,
}

/// Which entries are wanted. Newest first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct EntryQuery {
    /// Only actions that begin so, such as `intervention.`.
    pub action: Option<String>,
    /// Only on this resource id.
    pub resource_id: Option<String>,
    /// Only by this actor id.
    pub actor_id: Option<String>,
    /// From (inclusive).
    pub from: Option<Time>,
    /// To (exclusive).
    pub to: Option<Time>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// The newest signed checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Number of entries it covers.
    pub size: u64,
    /// Root hash, hex.
    pub root: String,
    /// The signed note (C2SP tlog-checkpoint).
    pub note: String,
    /// When it was signed.
    pub signed_at: Time,
    /// The verifier key (vkey) that checks the note.
    pub vkey: String,
}

/// A receipt: proof that an entry is in the log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The entry.
    pub seq: u64,
    /// The proof (C2SP tlog-proof@v1).
    pub proof: String,
    /// The entry bytes as text.
    pub entry: String,
}

/// State of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerState {
    /// Number of entries.
    pub size: u64,
    /// `intact`, `damaged` or `unchecked`.
    pub state: String,
    /// When the daemon last checked it.
    pub checked_at: Option<Time>,
    /// Size of the newest checkpoint.
    pub checkpoint_size: u64,
    /// When the newest checkpoint was signed.
    pub checkpoint_at: Option<Time>,
}

/// What a verification found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Whether nothing was found.
    pub intact: bool,
    /// Entries read.
    pub entries: u64,
    /// Root over all of them, hex.
    pub root: String,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
}

/// One finding.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Code, such as `E_CHAIN`.
    pub code: String,
    /// First entry concerned, where known.
    pub seq: Option<u64>,
    /// In words.
    pub detail: String,
}
