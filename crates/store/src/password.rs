//! Passwords: argon2id with 19 MiB, two passes, one lane, computed off the async threads.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::StoreError;

/// Characters of the shortest password.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Bytes of the longest password.
pub const MAX_PASSWORD_BYTES: usize = 1_024;

/// A hashed password, as a PHC text.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Hashes a password of at least 12 characters and at most 1,024 bytes.
    pub async fn new(password: String) -> Result<Self, StoreError> {
        if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
            return Err(StoreError::invalid(
                "password",
                "use 12 characters or more, and at most 1,024 bytes",
            ));
        }
        blocking(move || {
            let argon2 = Argon2::new(
                Algorithm::Argon2id,
                Version::V0x13,
                Params::new(19 * 1_024, 2, 1, None)
                    .map_err(|e| StoreError::System(format!("set password parameters: {e}")))?,
            );
            let hash: Phc = argon2
                .hash_password(password.as_bytes())
                .map_err(|e| StoreError::System(format!("hash a password: {e}")))?;
            Ok(Self(hash.to_string()))
        })
        .await
    }

    pub(crate) fn from_column(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a password fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Right,
    Wrong,
}

/// Checks a password. Without a stored hash it does the same work and answers `Wrong`, so that the time taken does
/// not tell which names exist.
pub(crate) async fn check(stored: Option<PasswordHash>, password: String) -> Result<Fit, StoreError> {
    /// The hash of a password nobody has, with the parameters above.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$ZWNob2Jhc2Utbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(Fit::Wrong);
    }
    blocking(move || {
        let text = stored.as_ref().map_or(NOBODY, PasswordHash::as_str);
        let hash = Phc::new(text).map_err(|e| StoreError::damaged("password hash", "", e))?;
        let fits = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
        Ok(if fits && stored.is_some() { Fit::Right } else { Fit::Wrong })
    })
    .await
}

/// Passwords that are computed at the same time, each with 19 MiB: a flood of sign-ins waits here, not in memory.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let _place =
        AT_ONCE.acquire().await.map_err(|e| StoreError::System(format!("wait to hash a password: {e}")))?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| StoreError::System(format!("password thread ended: {e}")))?
}
