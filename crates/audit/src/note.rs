//! Signed notes (c2sp.org/signed-note): a text and lines that say who signed it. Signatures are Ed25519
//! (type 0x01) or timestamped Ed25519 cosignatures of witnesses (type 0x04, c2sp.org/tlog-cosignature).

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use echobase_types::ErrorKind;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Most signature lines that are read; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

/// A key or a note could not be read or is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A key name that the format cannot carry.
    #[error("name key `{0}`: use a text without spaces, control characters and `+`")]
    Name(String),
    /// A verifier key that cannot be read.
    #[error("read verifier key: {0}")]
    Key(&'static str),
    /// A text that is no signed note.
    #[error("read signed note: {0}")]
    Malformed(&'static str),
    /// No signature by a known key.
    #[error("verify note: no signature by a known key")]
    Unsigned,
    /// A signature by a known key that does not hold.
    #[error("verify note: the signature of `{0}` does not hold")]
    Forged(String),
}

impl NoteError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) | Self::Key(_) | Self::Malformed(_) => ErrorKind::Invalid,
            Self::Unsigned | Self::Forged(_) => ErrorKind::Unprocessable,
        }
    }
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyType {
    /// Plain Ed25519 over the note text (0x01): the log itself.
    Log,
    /// Timestamped Ed25519 cosignature of a checkpoint (0x04): a witness.
    Witness,
}

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(NoteError::Name(name.chars().take(80).collect()));
    }
    Ok(())
}

/// First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
fn key_id(name: &str, key_type: KeyType, key: &VerifyingKey) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', key_type.byte()]);
    hasher.update(key.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The public half of a key, as a verifier is configured with it: `name+id+base64(type ‖ key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_type: KeyType,
    key: VerifyingKey,
    id: [u8; 4],
}

impl VerifierKey {
    /// Reads a vkey. The id in it must be that of name and key.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it must be `name+id+key`"));
        };
        check_name(name)?;
        let bytes =
            BASE64_STANDARD.decode(key).map_err(|_| NoteError::Key("the key must be standard base64"))?;
        let (key_type, key) = match bytes.split_first() {
            Some((1, key)) => (KeyType::Log, key),
            Some((4, key)) => (KeyType::Witness, key),
            _ => return Err(NoteError::Key("only Ed25519 keys (types 0x01 and 0x04) are known")),
        };
        let key = key
            .try_into()
            .ok()
            .and_then(|bytes| VerifyingKey::from_bytes(bytes).ok())
            .ok_or(NoteError::Key("it is no Ed25519 key"))?;
        let made = Self { name: name.to_owned(), key_type, id: key_id(name, key_type, &key), key };
        if hex_id(made.id) != id {
            return Err(NoteError::Key("the id is not that of name and key"));
        }
        Ok(made)
    }

    /// Name of the key; for a log the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    fn holds(&self, text: &str, signature: &[u8]) -> bool {
        let (message, signature) = match self.key_type {
            KeyType::Log => (text.as_bytes().to_vec(), signature),
            KeyType::Witness => {
                let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
                (cosigned(u64::from_be_bytes(*time), text), signature)
            }
        };
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(&message, &s).is_ok())
    }
}

fn hex_id(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// What a witness signs: two lines before the note text.
fn cosigned(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.key_type.byte()];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex_id(self.id), BASE64_STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// A key that signs notes. Its secret is wiped from memory when it is dropped, and is never shown.
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

impl Signer {
    /// From the 32 secret bytes of an Ed25519 key (RFC 8032) and the name of the key, which for a log is the
    /// origin of its checkpoints.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half for notes signed by [`Signer::sign`].
    pub fn verifier_key(&self) -> VerifierKey {
        self.public(KeyType::Log)
    }

    /// The public half for checkpoints cosigned by [`Signer::cosign`].
    pub fn witness_key(&self) -> VerifierKey {
        self.public(KeyType::Witness)
    }

    fn public(&self, key_type: KeyType) -> VerifierKey {
        let key = self.key.verifying_key();
        VerifierKey { name: self.name.clone(), key_type, id: key_id(&self.name, key_type, &key), key }
    }

    /// Signs a text; it must end with a line end and hold no control character but line ends.
    pub fn sign(&self, text: &str) -> Result<Note, NoteError> {
        check_text(text)?;
        let mut note = Note { text: text.to_owned(), signatures: Vec::new() };
        self.add_to(&mut note);
        Ok(note)
    }

    /// Adds this key's signature to a note, as during the change from one log key to the next.
    pub fn add_to(&self, note: &mut Note) {
        let signature = self.key.sign(note.text.as_bytes()).to_bytes();
        note.signatures.push(self.line(KeyType::Log, &signature));
    }

    /// Adds a witness's cosignature to a checkpoint; `seconds` since 1970 is when the witness saw it. Whoever
    /// calls this has checked that the checkpoint is consistent with all it cosigned before.
    pub fn cosign(&self, note: &mut Note, seconds: u64) {
        let mut blob = seconds.to_be_bytes().to_vec();
        blob.extend_from_slice(&self.key.sign(&cosigned(seconds, &note.text)).to_bytes());
        note.signatures.push(self.line(KeyType::Witness, &blob));
    }

    fn line(&self, key_type: KeyType, signature: &[u8]) -> SignatureLine {
        let id = key_id(&self.name, key_type, &self.key.verifying_key());
        SignatureLine { name: self.name.clone(), id, signature: signature.to_vec() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A text with its signature lines. The text is not to be trusted before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text must end with a line end"));
    }
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::Malformed("control characters are not allowed"));
    }
    Ok(())
}

impl Note {
    /// Reads a note without judging its signatures.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        check_text(note)?;
        let (text, lines) = note
            .rfind("\n\n")
            .map(|at| (&note[..=at], &note[at + 2..]))
            .ok_or(NoteError::Malformed("an empty line must follow the text"))?;
        let signatures: Vec<_> = lines
            .lines()
            .take(MAX_SIGNATURES + 1)
            .map(|line| signature_line(line).ok_or(NoteError::Malformed("a signature line is malformed")))
            .collect::<Result<_, _>>()?;
        match signatures.len() {
            0 => Err(NoteError::Malformed("there is no signature line")),
            n if n > MAX_SIGNATURES => Err(NoteError::Malformed("there are too many signature lines")),
            _ => Ok(Self { text: text.to_owned(), signatures }),
        }
    }

    /// The text, final line end included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks all signatures by known keys and returns those keys, each once. Lines of unknown keys are ignored,
    /// a false signature by a known key refuses the note.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed: Vec<&VerifierKey> = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.iter().find(|k| k.name == line.name && k.id == line.id) else { continue };
            if !key.holds(&self.text, &line.signature) {
                return Err(NoteError::Forged(line.name.clone()));
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }
}

fn signature_line(line: &str) -> Option<SignatureLine> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    check_name(name).ok()?;
    let blob = BASE64_STANDARD.decode(blob).ok()?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    (!signature.is_empty()).then(|| SignatureLine {
        name: name.to_owned(),
        id: *id,
        signature: signature.to_vec(),
    })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| {
            let blob = [line.id.as_slice(), &line.signature].concat();
            writeln!(f, "\u{2014} {} {}", line.name, BASE64_STANDARD.encode(blob))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    // The example of the reference implementation (documentation of golang.org/x/mod/sumdb/note).
    const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> Signer {
        let seed = BASE64_STANDARD.decode(SECRET).unwrap()[1..].try_into().unwrap();
        Signer::from_seed("PeterNeumann", seed).unwrap()
    }

    #[test]
    fn the_reference_note_is_made_and_verified_byte_for_byte() {
        assert_eq!(peter().verifier_key().to_string(), VKEY);
        let note = peter().sign(TEXT).unwrap();
        assert_eq!(note.to_string(), format!("{TEXT}\n{LINE}"));
        let key = VerifierKey::parse(VKEY).unwrap();
        let read = Note::parse(&note.to_string()).unwrap();
        assert_eq!(read, note);
        assert_eq!(read.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
    }

    /// The example of c2sp.org/signed-note; its key is not published, so only its form can be checked.
    #[test]
    fn a_text_with_empty_lines_ends_at_the_last_one() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \u{e8} subito sera.\n\n\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let read = Note::parse(note).unwrap();
        assert!(read.text().ends_with("sera.\n"));
        assert_eq!(read.to_string(), note);
        assert_eq!(read.verify(&[VerifierKey::parse(VKEY).unwrap()]), Err(NoteError::Unsigned));
    }

    #[test]
    fn signatures_of_unknown_keys_are_ignored_and_false_ones_of_known_keys_are_not() {
        let keys = [peter().verifier_key()];
        let other = Signer::from_seed("PeterNeumann", [1; 32]).unwrap();
        let mut note = other.sign(TEXT).unwrap();
        assert_eq!(note.verify(&keys), Err(NoteError::Unsigned), "same name, other key");
        peter().add_to(&mut note);
        peter().add_to(&mut note);
        assert_eq!(note.verify(&keys).unwrap().len(), 1, "each key counts once");
        let forged = note.to_string().replacen("answer", "Answer", 1);
        assert_eq!(
            Note::parse(&forged).unwrap().verify(&keys),
            Err(NoteError::Forged("PeterNeumann".to_owned()))
        );
    }

    #[test]
    fn a_cosignature_holds_for_its_time_only() {
        let witness = Signer::from_seed("w.example/1", [2; 32]).unwrap();
        let mut note = peter().sign(TEXT).unwrap();
        witness.cosign(&mut note, 1_679_315_147);
        let keys = [peter().verifier_key(), witness.witness_key()];
        let types: Vec<_> = note.verify(&keys).unwrap().iter().map(|k| k.key_type()).collect();
        assert_eq!(types, [KeyType::Log, KeyType::Witness]);
        assert_eq!(VerifierKey::parse(&keys[1].to_string()), Ok(keys[1].clone()));
        note.signatures[1].signature[7] ^= 1;
        assert_eq!(note.verify(&keys), Err(NoteError::Forged("w.example/1".to_owned())));
    }

    /// The example of c2sp.org/tlog-cosignature: its framing.
    #[test]
    fn the_published_cosignature_says_its_time() {
        let line = signature_line("\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==").unwrap();
        let (time, signature) = line.signature.split_first_chunk::<8>().unwrap();
        assert_eq!((u64::from_be_bytes(*time), signature.len()), (1_679_315_147, 64));
    }

    #[test]
    fn malformed_notes_and_keys_are_refused() {
        for bad in [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}{LINE}"),
            format!("{TEXT}\n{}", LINE.trim_end()),
            format!("{TEXT}\n{LINE}x\n"),
            format!("{TEXT}\n{}", LINE.replace('\u{2014}', "-")),
            format!("{TEXT}\n\u{2014} a b\n"),
            format!("{TEXT}\n\u{2014} a AAAA\n"),
            format!("{TEXT}\n\u{2014} a+b AAAAAAAA\n"),
            format!("a\tb\n\n{LINE}"),
            format!("{TEXT}\n{}", LINE.repeat(MAX_SIGNATURES + 1)),
        ] {
            assert!(matches!(Note::parse(&bad), Err(NoteError::Malformed(_))), "{bad}");
        }
        for bad in [
            "",
            "a",
            "a+b",
            "a+00000000+AA==",
            &VKEY.replace("c74f", "c74e"),
            &VKEY.replace("+c74f20a3", "+C74F20A3"),
            &VKEY.replace("PeterNeumann", "Peter Neumann"),
            &VKEY.replace("10TW", "10T="),
        ] {
            assert!(VerifierKey::parse(bad).is_err(), "{bad}");
        }
        assert!(Signer::from_seed("a b", [0; 32]).is_err());
        assert!(peter().sign("no line end").is_err());
    }
}
