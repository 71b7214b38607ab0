//! Randomness, tokens and their hashes, and the pepper of API keys.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use echobase_types::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::StoreError;

/// `N` random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::System(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// A new UUID of version 7 for `now`: later ones sort later.
pub fn fresh_uuid(now: Timestamp) -> Result<Uuid, StoreError> {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>()?).into_uuid())
}

/// A secret text of 256 random bits, 64 hexadecimal digits.
pub(crate) fn fresh_token() -> Result<String, StoreError> {
    Ok(hex(&random::<32>()?))
}

/// What is stored of a token: its SHA-256. The token has 256 random bits, so that no slow hash is needed.
pub(crate) fn hash_token(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
    text
}

/// A key that never enters the database: with the database alone, API keys cannot be guessed against, and session
/// tokens for forged requests cannot be made.
#[derive(Clone)]
pub(crate) struct Pepper([u8; 32]);

impl Pepper {
    /// A pepper that lives as long as this process.
    pub(crate) fn fresh() -> Result<Self, StoreError> {
        Ok(Self(random()?))
    }

    /// Reads the pepper file, or makes it, readable by its owner alone.
    pub(crate) fn load_or_make(path: &Path) -> Result<Self, StoreError> {
        let fail = |act: &'static str| {
            let path = path.display().to_string();
            move |source| StoreError::File { act, path, source }
        };
        match fs::read(path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes.as_slice())
                .map(Self)
                .map_err(|_| StoreError::damaged("pepper file", path.display(), "it must hold 32 bytes")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let pepper = Self(random()?);
                let mut options = fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut file = options.open(path).map_err(fail("make"))?;
                file.write_all(&pepper.0).and_then(|()| file.sync_all()).map_err(fail("write"))?;
                Ok(pepper)
            }
            Err(source) => Err(fail("read")(source)),
        }
    }

    /// HMAC-SHA-256 of a text for a purpose, in hex. The purposes keep the uses apart.
    pub(crate) fn mac(&self, purpose: &str, text: &str) -> Result<String, StoreError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|e| StoreError::System(format!("make a keyed hash: {e}")))?;
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    }
}
