//! Checkpoints (c2sp.org/tlog-checkpoint): what a log signs about itself – its origin, size and root.

use echobase_types::ErrorKind;

use crate::hash::Hash;
use crate::note::{KeyType, Note, NoteError, Signer, VerifierKey};

/// A checkpoint could not be read or is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error("open checkpoint")]
    Note(#[from] NoteError),
    /// The text is no checkpoint.
    #[error("read checkpoint: {0}")]
    Malformed(&'static str),
    /// Signed, but not by a key of the log that it names.
    #[error("verify checkpoint: no log key named `{0}`, which is its origin, has signed it")]
    Origin(String),
}

impl CheckpointError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Note(source) => source.kind(),
            Self::Malformed(_) => ErrorKind::Invalid,
            Self::Origin(_) => ErrorKind::Unprocessable,
        }
    }
}

/// Origin, size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; the name of its key.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads the text of a note. Extension lines are allowed and ignored, as the specification says.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or_default().split('\n').collect();
        let [origin, size, root, ..] = lines.as_slice() else {
            return Err(malformed("it must have three lines"));
        };
        if lines.iter().any(|line| line.is_empty()) {
            return Err(malformed("no line may be empty"));
        }
        let parsed: u64 = size.parse().map_err(|_| malformed("the size must be a whole number"))?;
        if parsed.to_string() != **size {
            return Err(malformed("the size must have no leading zeros or sign"));
        }
        let root = Hash::parse_base64(root).ok_or(malformed("the root must be a base64 SHA-256"))?;
        Ok(Self { origin: (*origin).to_owned(), size: parsed, root })
    }

    /// Opens a note as a verifier must: at least one log key named like the origin has signed it, and no known
    /// key's signature is false. Returns the checkpoint and the number of witnesses among `keys` that cosigned.
    ///
    /// The name is compared with the origin because an Ed25519 signature does not cover the key's name: without
    /// it, a checkpoint of one log could be shown as that of another log with the same key.
    pub fn open(note: &Note, keys: &[VerifierKey]) -> Result<(Self, usize), CheckpointError> {
        let signed = note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        if !signed.iter().any(|k| k.key_type() == KeyType::Log && k.name() == checkpoint.origin) {
            return Err(CheckpointError::Origin(checkpoint.origin));
        }
        let mut witnesses: Vec<_> =
            signed.iter().filter(|k| k.key_type() == KeyType::Witness).map(|k| k.name()).collect();
        witnesses.sort_unstable();
        witnesses.dedup();
        Ok((checkpoint, witnesses.len()))
    }
}

impl Signer {
    /// Signs size and root; the origin is the name of this key.
    pub fn checkpoint(&self, size: u64, root: Hash) -> Result<Note, NoteError> {
        self.sign(&Checkpoint { origin: self.name().to_owned(), size, root }.text())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_reads_back() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.text(), EXAMPLE);
        assert_eq!(Checkpoint::parse(&format!("{EXAMPLE}extension\n")), Ok(checkpoint));
    }

    #[test]
    fn other_texts_are_refused() {
        for (from, to) in [
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", "-1"),
            ("20852163", "99999999999999999999"),
            ("20852163", ""),
            ("CsUY", "CsU"),
            ("q2I=\n", "q2I="),
            ("q2I=\n", "q2I=\n\n"),
            ("example.com/behind-the-sofa\n", ""),
        ] {
            let bad = EXAMPLE.replacen(from, to, 1);
            assert!(matches!(Checkpoint::parse(&bad), Err(CheckpointError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_checkpoint_of_another_log_with_the_same_key_is_refused() {
        let (a, b) =
            (Signer::from_seed("log/a", [1; 32]).unwrap(), Signer::from_seed("log/b", [1; 32]).unwrap());
        let mut swapped = a.checkpoint(1, Hash::ZERO).unwrap();
        assert!(Checkpoint::open(&swapped, &[a.verifier_key()]).is_ok());
        b.add_to(&mut swapped);
        assert_eq!(
            Checkpoint::open(&swapped, &[b.verifier_key()]),
            Err(CheckpointError::Origin("log/a".to_owned()))
        );
    }

    #[test]
    fn each_witness_counts_once() {
        let log = Signer::from_seed("log", [1; 32]).unwrap();
        let witnesses: Vec<_> =
            (2..5).map(|n| Signer::from_seed(&format!("w{n}"), [n; 32]).unwrap()).collect();
        let mut note = log.checkpoint(9, Hash::ZERO).unwrap();
        witnesses.iter().take(2).for_each(|w| w.cosign(&mut note, 1));
        witnesses[0].cosign(&mut note, 2);
        let mut keys: Vec<_> = witnesses.iter().map(Signer::witness_key).collect();
        keys.push(log.verifier_key());
        assert_eq!(Checkpoint::open(&note, &keys).unwrap().1, 2);
    }
}
