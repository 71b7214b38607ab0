//! What the verifier says.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::anchor::Anchors;
use super::walk::Walk;

/// What is wrong. `E_…` is about the ledger as such, `S_…` about the rules that interventions must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// `E_NONCANONICAL`: the bytes of an entry are not canonical JSON of the allowed subset.
    NonCanonical,
    /// `E_SCHEMA`: a member of an entry, or a line or frame of a file, breaks the format.
    Schema,
    /// `E_SEQ`: an entry is not numbered by its place.
    Seq,
    /// `E_CHAIN`: `prev` is not the leaf hash of the entry before.
    Chain,
    /// `E_TIME`: the time goes back.
    Time,
    /// `E_TENANT`: an entry belongs to another tenant than the first.
    Tenant,
    /// `E_LEAF`: an entry does not hash to its place in the level-0 tile.
    Leaf,
    /// `E_TILE`: a tile is malformed, is not built from the tile below, or disagrees with a signed checkpoint that
    /// the entries agree with.
    Tile,
    /// `E_ROOT`: the entries do not have the root that a checkpoint states; the rows are where the change lies.
    Root,
    /// `E_SIG`: a signature is false, of no known key, of another log, or too few witnesses cosigned.
    Sig,
    /// `E_FORK`: two signed checkpoints cannot both be of one log.
    Fork,
    /// `E_TRUNCATED`: entries that a checkpoint, receipt or tile knows of are not there.
    Truncated,
    /// `E_UNSIGNED_TAIL`: entries follow the newest checkpoint, signed by nobody.
    UnsignedTail,
    /// `E_PROOF`: a receipt is malformed or does not hold for the entry.
    Proof,
    /// `E_COMMIT`: an opening is malformed, opens nothing, or does not fit its commitment.
    Commit,
    /// `E_NOT_SHREDDED`: an opening is still there though its data key was destroyed.
    NotShredded,
    /// `E_MISSING_OPENING`: a sealed field has no opening though its data key was not destroyed.
    MissingOpening,
    /// `E_CORRECTS`: an entry corrects itself or a later one.
    Corrects,
    /// `E_MISSING`: a file or rows that must be there are not.
    Missing,
    /// `S_STATE`: an intervention took a step that its state does not allow, or changed its target.
    State,
    /// `S_APPROVALS`: executed before enough distinct principals had approved the validated digest.
    Approvals,
    /// `S_SELF_APPROVAL`: the proposer approved.
    SelfApproval,
    /// `S_DIGEST`: approved or executed something else than was validated.
    Digest,
    /// `S_EXECUTE_TWICE`: more than one execute entry.
    ExecuteTwice,
    /// `S_EPOCH`: an older controller acted on a target after a newer one (fencing).
    Epoch,
    /// `S_RISK`: fewer approvals asked for than the risk class needs.
    Risk,
    /// `S_FACT`: a fact that the rules need is missing or unknown.
    Fact,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 27] = [
        Self::NonCanonical,
        Self::Schema,
        Self::Seq,
        Self::Chain,
        Self::Time,
        Self::Tenant,
        Self::Leaf,
        Self::Tile,
        Self::Root,
        Self::Sig,
        Self::Fork,
        Self::Truncated,
        Self::UnsignedTail,
        Self::Proof,
        Self::Commit,
        Self::NotShredded,
        Self::MissingOpening,
        Self::Corrects,
        Self::Missing,
        Self::State,
        Self::Approvals,
        Self::SelfApproval,
        Self::Digest,
        Self::ExecuteTwice,
        Self::Epoch,
        Self::Risk,
        Self::Fact,
    ];

    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonCanonical => "E_NONCANONICAL",
            Self::Schema => "E_SCHEMA",
            Self::Seq => "E_SEQ",
            Self::Chain => "E_CHAIN",
            Self::Time => "E_TIME",
            Self::Tenant => "E_TENANT",
            Self::Leaf => "E_LEAF",
            Self::Tile => "E_TILE",
            Self::Root => "E_ROOT",
            Self::Sig => "E_SIG",
            Self::Fork => "E_FORK",
            Self::Truncated => "E_TRUNCATED",
            Self::UnsignedTail => "E_UNSIGNED_TAIL",
            Self::Proof => "E_PROOF",
            Self::Commit => "E_COMMIT",
            Self::NotShredded => "E_NOT_SHREDDED",
            Self::MissingOpening => "E_MISSING_OPENING",
            Self::Corrects => "E_CORRECTS",
            Self::Missing => "E_MISSING",
            Self::State => "S_STATE",
            Self::Approvals => "S_APPROVALS",
            Self::SelfApproval => "S_SELF_APPROVAL",
            Self::Digest => "S_DIGEST",
            Self::ExecuteTwice => "S_EXECUTE_TWICE",
            Self::Epoch => "S_EPOCH",
            Self::Risk => "S_RISK",
            Self::Fact => "S_FACT",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One fault. Rows that lie together and have the same fault are one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub code: Code,
    /// The first row it is about, by place in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The last row, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// The file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was seen, in words; for several rows, at the first.
    pub detail: String,
}

/// How many findings of one code are listed; the rest is counted.
const LISTED: usize = 100;

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// Per code: findings listed, rows or files counted, place in the list of the newest.
    tally: BTreeMap<Code, (usize, u64, usize)>,
}

impl Findings {
    pub(super) fn row(&mut self, code: Code, seq: u64, detail: String) {
        self.rows(code, seq, seq, detail);
    }

    pub(super) fn rows(&mut self, code: Code, first: u64, last: u64, detail: String) {
        let (_, count, newest) = self.tally.entry(code).or_default();
        if *count > 0
            && let Some(finding) = self.list.get_mut(*newest)
        {
            let end = finding.last_seq.or(finding.seq);
            if finding.path.is_none() && end.and_then(|end| end.checked_add(1)) == Some(first) {
                finding.last_seq = Some(last);
                *count += last - first + 1;
                return;
            }
        }
        let last_seq = (last > first).then_some(last);
        self.add(last - first + 1, Finding { code, seq: Some(first), last_seq, path: None, detail });
    }

    pub(super) fn file(&mut self, code: Code, path: &str, detail: String) {
        self.add(1, Finding { code, seq: None, last_seq: None, path: Some(path.to_owned()), detail });
    }

    pub(super) fn file_row(&mut self, code: Code, path: &str, rows: (u64, u64), detail: String) {
        let (first, last) = rows;
        let last_seq = (last > first).then_some(last);
        self.add(1, Finding { code, seq: Some(first), last_seq, path: Some(path.to_owned()), detail });
    }

    fn add(&mut self, count: u64, finding: Finding) {
        let (listed, counted, newest) = self.tally.entry(finding.code).or_default();
        *counted += count;
        if *listed < LISTED {
            *listed += 1;
            *newest = self.list.len();
            self.list.push(finding);
        }
    }
}

/// Whether the newest checkpoint is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureState {
    /// Signed by a given key of the log.
    Valid,
    /// Not signed by a given key of the log, or falsely.
    Invalid,
    /// No key of a log was given.
    Unchecked,
}

/// The newest checkpoint of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointSummary {
    /// Which log.
    pub origin: String,
    /// Number of entries that it vouches for.
    pub size: u64,
    /// Root of those entries, base64.
    pub root: String,
    /// Whether it is to be believed.
    pub signature: SignatureState,
    /// Witnesses among the given keys that cosigned it.
    pub witnesses: usize,
}

/// The verdict on an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ELX/1`.
    pub format: &'static str,
    /// Whether nothing was found.
    pub ok: bool,
    /// Whose log it is.
    pub tenant: Option<String>,
    /// Entries that were read.
    pub entries: u64,
    /// Time of the first entry.
    pub first_ts: Option<String>,
    /// Time of the last entry.
    pub last_ts: Option<String>,
    /// Size of the newest checkpoint, if there is one.
    pub size: Option<u64>,
    /// Root of the entries that were read, base64; none if rows are missing.
    pub root: Option<String>,
    /// The newest checkpoint.
    pub checkpoint: Option<CheckpointSummary>,
    /// Older checkpoints that were compared with the entries.
    pub stored_checkpoints: u64,
    /// Receipts of the export that were followed.
    pub receipts: u64,
    /// Trusted checkpoints and receipts that were compared.
    pub trusted: u64,
    /// Nothing trusted was given, so a tail that was cut off together with its checkpoints cannot be seen.
    pub unanchored: bool,
    /// Rows and files by code; a finding that spans rows counts each of them.
    pub counts: BTreeMap<Code, u64>,
    /// What was found, at most 100 of each code.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(walk: &Walk, anchors: &Anchors, findings: Findings) -> Self {
        let mut list = findings.list;
        list.sort_by_key(|f| (f.seq.unwrap_or(u64::MAX), f.code));
        Self {
            format: "ELX/1",
            ok: list.is_empty(),
            tenant: walk.tenant().map(str::to_owned),
            entries: walk.entries(),
            first_ts: walk.first_ts().map(|ts| ts.to_string()),
            last_ts: walk.last_ts().map(|ts| ts.to_string()),
            size: anchors.newest().map(|c| c.size),
            root: walk.root().map(|root| root.to_base64()),
            checkpoint: anchors.newest().cloned(),
            stored_checkpoints: anchors.stored(),
            receipts: anchors.receipts(),
            trusted: anchors.trusted(),
            unanchored: anchors.trusted() == 0,
            counts: findings.tally.into_iter().map(|(code, (_, count, _))| (code, count)).collect(),
            findings: list,
        }
    }

    /// 0 if nothing was found, else 1. An export that cannot be read at all is 2, which is the `Err` of the verifier.
    pub const fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }

    /// The report as indented JSON.
    pub fn to_json(&self) -> String {
        // A report has only string keys and plain values, so this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
