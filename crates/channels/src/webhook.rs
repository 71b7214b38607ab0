//! Webhooks by the Standard Webhooks specification: <https://www.standardwebhooks.com>.
//!
//! Each message carries `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`: `v1,` and the base64 of
//! HMAC-SHA-256 over `<id>.<timestamp>.<body>`. The id stays the same when a message is sent again, and goes out as
//! `Idempotency-Key` too, so that a receiver can tell.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use echobase_types::{ErrorKind, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::egress::{Guard, Origin};

/// How far the clocks of sender and receiver may be apart.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The longest wait that a receiver may ask for.
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// The key a webhook is signed with: 24 to 64 bytes, written `whsec_<base64>`. It is wiped from memory when dropped,
/// and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// The text is no webhook secret. What was given is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook secret must be `whsec_` and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl InvalidSecret {
    /// `Invalid`.
    pub const fn kind(self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl Secret {
    /// Reads `whsec_<base64>`.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let base64 = text.trim().strip_prefix("whsec_").ok_or(InvalidSecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(base64).map_err(|_| InvalidSecret)?);
        Self::from_bytes(&bytes)
    }

    /// A secret of bytes that the caller drew at random.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        if !(24..=64).contains(&bytes.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The text to show to its owner once.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", STANDARD.encode(&*self.0)))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The value of `webhook-signature` for a message.
pub fn sign(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> String {
    let mac = secret.mac(id, at.as_micros().div_euclid(1_000_000), body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Why a message that came in is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The time stamp is no number of seconds.
    #[error("webhook-timestamp is no number of seconds")]
    Timestamp,
    /// The message is older or newer than `TOLERANCE`.
    #[error("webhook-timestamp is more than 300 s from now")]
    Stale,
    /// No signature is that of one of the secrets.
    #[error("no webhook-signature is valid")]
    Signature,
}

impl VerifyError {
    /// `Unauthenticated`.
    pub const fn kind(self) -> ErrorKind {
        ErrorKind::Unauthenticated
    }
}

/// Believes a message, or not: for receivers. Any of `secrets` may have signed it, so that one can be rotated; any of
/// the signatures in the header may be the one. Comparison takes the same time wherever the first difference is.
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let seconds: i64 = timestamp.trim().parse().map_err(|_| VerifyError::Timestamp)?;
    let sent = Timestamp::from_secs(seconds);
    if now.since(sent) > TOLERANCE || sent.since(now) > TOLERANCE {
        return Err(VerifyError::Stale);
    }
    let given = signatures.split_ascii_whitespace().filter_map(|one| one.strip_prefix("v1,"));
    for signature in given.filter_map(|base64| STANDARD.decode(base64).ok()) {
        if secrets.iter().any(|secret| secret.mac(id, seconds, body).verify_slice(&signature).is_ok()) {
            return Ok(());
        }
    }
    Err(VerifyError::Signature)
}

/// A message to a URL.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The id of the message: the same each time it is sent.
    pub id: String,
    /// Where to.
    pub url: String,
    /// Who named the URL.
    pub origin: Origin,
    /// What it is signed with.
    pub secret: Secret,
    /// The body, JSON.
    pub body: Vec<u8>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it (2xx).
    Delivered {
        /// The status of the answer.
        status: u16,
    },
    /// It may work later: no connection, no answer in time, 408, 425, 429 or 5xx.
    Retry {
        /// When the receiver asked to be tried again, at most an hour.
        after: Option<Duration>,
        /// What happened, in words.
        reason: String,
    },
    /// It will not work: refused by the guard, a redirect, or any other answer.
    Refused {
        /// What happened, in words.
        reason: String,
    },
}

/// Sends a message, signed for `now`, where the guard lets it. Never longer than `webhook.timeout` for resolving and
/// again for asking.
pub async fn send(guard: &Guard, webhook: &Webhook, now: Timestamp) -> Outcome {
    let vetting = guard.vet(&webhook.url, webhook.origin);
    let vetted = match tokio::time::timeout(webhook.timeout, vetting).await {
        Err(_) => return retry(None, "name of receiver did not resolve in time"),
        Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => return retry(None, &error.to_string()),
        Ok(Err(error)) => return Outcome::Refused { reason: error.to_string() },
        Ok(Ok(vetted)) => vetted,
    };
    let client = match vetted.client(webhook.timeout) {
        Ok(client) => client,
        Err(error) => return retry(None, &error.to_string()),
    };
    let request = client
        .post(vetted.url().clone())
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", &webhook.id)
        .header("webhook-id", &webhook.id)
        .header("webhook-timestamp", now.as_micros().div_euclid(1_000_000))
        .header("webhook-signature", sign(&webhook.secret, &webhook.id, now, &webhook.body))
        .body(webhook.body.clone());
    match request.send().await {
        Err(error) if error.is_timeout() => retry(None, "receiver did not answer in time"),
        Err(error) if error.is_builder() => Outcome::Refused { reason: "message cannot be sent".to_owned() },
        Err(error) if error.is_connect() => retry(None, "connect to receiver"),
        Err(_) => retry(None, "connection to receiver broke"),
        Ok(answer) => {
            let asked =
                answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            outcome_of(answer.status(), asked.map(Duration::from_secs))
        }
    }
}

fn retry(after: Option<Duration>, reason: &str) -> Outcome {
    Outcome::Retry { after, reason: reason.to_owned() }
}

fn outcome_of(status: StatusCode, asked: Option<Duration>) -> Outcome {
    let (number, reason) = (status.as_u16(), format!("receiver answered with status {}", status.as_u16()));
    if status.is_success() {
        return Outcome::Delivered { status: number };
    }
    if matches!(number, 408 | 425 | 429) || status.is_server_error() {
        return Outcome::Retry { after: asked.map(|wait| wait.min(MAX_WAIT)), reason };
    }
    Outcome::Refused { reason }
}

#[cfg(test)]
mod tests;
