//! Receipts: c2sp.org/tlog-proof@v1. A client that keeps one can show for ever that an entry was in the log at a
//! place, and that the log vouched for all entries before it.

use base64::prelude::{BASE64_STANDARD, Engine};
use echobase_types::ErrorKind;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{self, Hash};
use crate::note::{Note, NoteError, VerifierKey};
use crate::tree::{self, NodeSource, TreeError};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A receipt could not be made, read or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no receipt.
    #[error("read receipt: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it.
    #[error("open the checkpoint of a receipt")]
    Checkpoint(#[from] CheckpointError),
    /// The path in it.
    #[error("follow the path of a receipt")]
    Tree(#[from] TreeError),
}

impl ProofError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Invalid,
            Self::Checkpoint(source) => source.kind(),
            Self::Tree(source) => source.kind(),
        }
    }
}

impl From<NoteError> for ProofError {
    fn from(source: NoteError) -> Self {
        Self::Checkpoint(source.into())
    }
}

/// An inclusion proof with the checkpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Opaque bytes for the application; not authenticated.
    pub extra: Option<Vec<u8>>,
    /// Which entry.
    pub index: u64,
    /// Path from the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint, its signatures not yet judged.
    pub checkpoint: Note,
}

impl Receipt {
    /// Proves entry `index` under a signed checkpoint, from any source of nodes of that tree.
    pub fn new(
        source: &(impl NodeSource + ?Sized),
        index: u64,
        checkpoint: &Note,
    ) -> Result<Self, ProofError> {
        let size = Checkpoint::parse(checkpoint.text())?.size;
        let path = tree::inclusion_proof(source, index, size)?;
        Ok(Self { extra: None, index, path, checkpoint: checkpoint.clone() })
    }

    /// The bytes of a `.tlog-proof` file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", BASE64_STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint.to_string());
        text
    }

    /// Reads a `.tlog-proof` file without judging it.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(malformed("an empty line must precede the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line must be `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(
                BASE64_STANDARD
                    .decode(&line["extra ".len()..])
                    .map_err(|_| malformed("the extra data must be base64"))?,
            ),
            None => None,
        };
        let digits = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .ok_or(malformed("a line `index N` must follow"))?;
        let index: u64 = digits.parse().map_err(|_| malformed("the index must be a whole number"))?;
        if index.to_string() != digits {
            return Err(malformed("the index must have no leading zeros or sign"));
        }
        let path = lines
            .map(|line| Hash::parse_base64(line).ok_or(malformed("a line of the path must be a hash")))
            .collect::<Result<Vec<_>, _>>()?;
        if path.len() > 64 {
            return Err(malformed("the path is longer than any tree is high"));
        }
        Ok(Self { extra, index, path, checkpoint: Note::parse(checkpoint)? })
    }

    /// Checks that these entry bytes are in the log at the place of the receipt, as the keys vouch. Returns the
    /// checkpoint and the number of witnesses.
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<(Checkpoint, usize), ProofError> {
        let (checkpoint, witnesses) = Checkpoint::open(&self.checkpoint, keys)?;
        self.leads(&hash::leaf(entry), &checkpoint)?;
        Ok((checkpoint, witnesses))
    }

    /// Checks the path only.
    pub(crate) fn leads(&self, leaf: &Hash, checkpoint: &Checkpoint) -> Result<(), TreeError> {
        tree::verify_inclusion(leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;
    use crate::note::Signer;

    fn made() -> (Signer, Receipt) {
        let leaves: Vec<_> = (0..21_u8).map(|n| hash::leaf(&[n])).collect();
        let signer = Signer::from_seed("log.example", [3; 32]).unwrap();
        let note = signer.checkpoint(21, tree::root(&leaves)).unwrap();
        let receipt = Receipt::new(leaves.as_slice(), 13, &note).unwrap();
        (signer, receipt)
    }

    #[test]
    fn a_receipt_reads_back_and_holds_for_its_entry_only() {
        let (signer, mut receipt) = made();
        let keys = [signer.verifier_key()];
        for extra in [None, Some(b"age-v1".to_vec())] {
            receipt.extra = extra;
            let read = Receipt::parse(&receipt.to_text()).unwrap();
            assert_eq!(read, receipt);
            assert_eq!(read.verify(&[13], &keys).unwrap().0.size, 21);
            assert_eq!(read.verify(&[12], &keys), Err(TreeError::Mismatch.into()));
        }
        let stranger = [Signer::from_seed("log.example", [4; 32]).unwrap().verifier_key()];
        assert!(matches!(receipt.verify(&[13], &stranger), Err(ProofError::Checkpoint(_))));
    }

    #[test]
    fn the_text_is_that_of_the_specification() {
        let (_, receipt) = made();
        let text = receipt.to_text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 13"]);
        assert_eq!((lines[7], lines[8], lines[9]), ("", "log.example", "21"));
    }

    #[test]
    fn damaged_receipts_are_refused() {
        let text = made().1.to_text();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 13", "index 013"),
            ("index 13", "index -1"),
            ("index 13\n", ""),
            ("index 13", "extra !\nindex 13"),
            ("index 13", "index 13\nAAAA"),
            ("\n\nlog", "\nlog"),
            ("\u{2014} ", "- "),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text);
            assert!(Receipt::parse(&bad).is_err(), "{bad}");
        }
    }
}
