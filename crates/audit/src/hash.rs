//! SHA-256 as RFC 6962 §2.1 uses it: one domain byte tells leaves from inner nodes.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

/// A SHA-256 value. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// 32 zero bytes: `prev` of the first entry.
    pub const ZERO: Self = Self([0; 32]);

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From a slice of exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From exactly 64 lower-case hex digits.
    pub fn parse_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut out = [0; 32];
        for (slot, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *slot = byte(pair[0], pair[1])?;
        }
        Some(Self(out))
    }

    /// From standard base64 with padding (44 characters), as checkpoints and receipts write it.
    pub fn parse_base64(text: &str) -> Option<Self> {
        Self::from_slice(&BASE64_STANDARD.decode(text).ok()?)
    }

    /// As standard base64 with padding.
    pub fn to_base64(self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// Appends the 64 hex digits to `out`.
    pub(crate) fn push_hex(self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}

/// Value of each byte as a hex digit, 0xff for all that are none.
const NIBBLES: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// The byte that two lower-case hex digits write.
const fn byte(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (NIBBLES[high as usize], NIBBLES[low as usize]);
    if (high | low) & 0xf0 == 0 { Some((high << 4) | low) } else { None }
}

/// Bytes of lower-case hex digits; `None` for an odd length or another character.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| byte(pair[0], pair[1])).collect()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest(b"").into())
}

/// Leaf hash: SHA-256(0x00 ‖ entry bytes).
pub fn leaf(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    Hash(hasher.finalize().into())
}

/// Inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut block = [1; 65];
    block[1..33].copy_from_slice(&left.0);
    block[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(block).into())
}

/// Commitment to a sealed value: SHA-256(`elx/1 commit` ‖ 0x00 ‖ salt ‖ value). The salt keeps a short value from
/// being guessed; value and salt live outside the ledger, encrypted under the data key.
pub fn commitment(salt: &[u8; 32], value: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"elx/1 commit\0");
    hasher.update(salt);
    hasher.update(value);
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    /// RFC 6962 values as certificate-transparency test suites use them.
    #[test]
    fn hashes_are_those_of_rfc_6962() {
        for (name, got, want) in [
            ("empty tree", empty_root(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("empty leaf", leaf(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            ("leaf 0x00", leaf(&[0]), "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
            (
                "node of both",
                node(&leaf(b""), &leaf(&[0])),
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
        ] {
            assert_eq!(got.to_string(), want, "{name}");
        }
    }

    #[test]
    fn texts_of_a_hash_read_back_and_no_other_does() {
        let hash = leaf(b"x");
        assert_eq!(Hash::parse_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::parse_base64(&hash.to_base64()), Some(hash));
        assert_eq!(Hash::parse_hex(&hash.to_string().to_uppercase()), None);
        assert_eq!(Hash::parse_hex("00"), None);
        assert_eq!(Hash::parse_base64("AAAA"), None);
    }
}
