//! The sections whose reader is the server itself.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use echobase_types::IngestLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Durations are texts such as "5s", "10m", "7d".
pub(super) mod length {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in crate::config) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&echobase_types::duration::format(*value))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        echobase_types::duration::parse(&text).map_err(de::Error::custom)
    }
}

/// Address, TLS and limits of the API and the web app.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address of API and web app. An address that is not loopback needs TLS. Default: "127.0.0.1:7700".
    pub listen: String,
    /// Certificate chain (PEM). With `tls_key`, all listeners speak TLS. Default: none.
    pub tls_certificate: Option<PathBuf>,
    /// Private key (PEM). Default: none.
    pub tls_key: Option<PathBuf>,
    /// Allow an address that is not loopback without TLS. Default: false.
    pub allow_remote_plaintext: bool,
    /// The address that people type, for links in messages. Default: made from `listen`.
    pub public_url: Option<String>,
    /// Requests per minute and caller; ingest routes do not count. Default: 1000.
    pub requests_per_minute: NonZeroU32,
    /// Body size in bytes of routes that are not ingest routes. Default: 10485760.
    pub max_body_bytes: NonZeroUsize,
    /// Length of a browser session. Default: "12h".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub session_length: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7700".to_owned(),
            tls_certificate: None,
            tls_key: None,
            allow_remote_plaintext: false,
            public_url: None,
            requests_per_minute: NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN),
            max_body_bytes: NonZeroUsize::new(10 << 20).unwrap_or(NonZeroUsize::MIN),
            session_length: Duration::from_secs(12 * 3_600),
        }
    }
}

/// OTLP listeners.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// Address of OTLP over HTTP. Default: "127.0.0.1:4318".
    pub http: String,
    /// Address of OTLP over gRPC. Default: "127.0.0.1:4317".
    pub grpc: String,
    /// Whether senders on this machine may send without a key, as the built-in principal `local`, into the tenant
    /// `default`. Requests that a browser made for another site are refused in any case. Default: true.
    pub allow_local_without_key: bool,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            http: "127.0.0.1:4318".to_owned(),
            grpc: "127.0.0.1:4317".to_owned(),
            allow_local_without_key: true,
        }
    }
}

/// Limits on what senders may send. A row over a limit is listed as rejected; its neighbours are kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Rows older than this are refused. Imports have no such limit. Default: "365d".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// Rows further in the future than this are refused. Default: "10m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub max_ahead: Duration,
    /// Bytes of a metric, attribute or span name. Default: 256.
    pub max_name_bytes: usize,
    /// Bytes of one attribute value. Default: 4096.
    pub max_value_bytes: usize,
    /// Attributes of one row. Default: 128.
    pub max_attributes: usize,
    /// Bytes of a log body. Default: 65536.
    pub max_log_bytes: usize,
    /// New series per tenant and minute. Default: 20000.
    pub max_new_series_per_minute: usize,
    /// Bytes of a request body after decompression. Default: 67108864.
    pub max_request_bytes: usize,
}

impl Default for IngestConfig {
    fn default() -> Self {
        let limits = IngestLimits::default();
        Self {
            max_age: limits.max_age,
            max_ahead: limits.max_ahead,
            max_name_bytes: limits.max_name_bytes,
            max_value_bytes: limits.max_value_bytes,
            max_attributes: limits.max_attributes,
            max_log_bytes: limits.max_body_bytes,
            max_new_series_per_minute: limits.max_new_series_per_minute,
            max_request_bytes: 64 << 20,
        }
    }
}

impl IngestConfig {
    /// As the decoders take them.
    pub fn limits(&self) -> IngestLimits {
        IngestLimits {
            max_age: self.max_age,
            max_ahead: self.max_ahead,
            max_name_bytes: self.max_name_bytes,
            max_value_bytes: self.max_value_bytes,
            max_attributes: self.max_attributes,
            max_body_bytes: self.max_log_bytes,
            max_new_series_per_minute: self.max_new_series_per_minute,
            ..IngestLimits::default()
        }
    }
}

/// A dependency that no span shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DependencyConfig {
    /// The caller, as `kind:name`.
    pub from: String,
    /// The called, as `kind:name`.
    pub to: String,
}

/// Learning from labels: when new versions of the risk model are made and put in use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearningConfig {
    /// Train by itself once so many labels came since the last training; 0: only by hand. Default: 5.
    pub new_labels: u32,
    /// Look for new labels this often. Default: "10m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub check_every: Duration,
    /// How much history is learned from. Default: "14d".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub history: Duration,
    /// Put a version in use by itself where it is better by the margin on failures that it has not seen; otherwise a
    /// person does. Default: true.
    pub promote_automatically: bool,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self {
            new_labels: 5,
            check_every: Duration::from_secs(600),
            history: Duration::from_secs(14 * 86_400),
            promote_automatically: true,
        }
    }
}

/// The cycle of assessment and control.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CycleConfig {
    /// Time between two assessments of everything. Default: "10s".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub every: Duration,
    /// An assessment that did not change is stored at least this often. Default: "1m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub store_at_least_every: Duration,
    /// How much history the analysis is rebuilt from after a start. Default: "2h".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub replay: Duration,
}

impl Default for CycleConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            store_at_least_every: Duration::from_secs(60),
            replay: Duration::from_secs(2 * 3_600),
        }
    }
}

/// An endpoint that may be called. Named here by the operator, it may be local.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The name that playbooks and alert routes use.
    pub name: String,
    /// The address.
    pub url: String,
    /// The signing secret: `env:NAME` or `file:PATH` of a text `whsec_…`.
    pub secret: String,
}

/// The ledger.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// A checkpoint is signed this often if the log has grown. Default: "1s".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub checkpoint_every: Duration,
    /// The daemon re-reads and checks its whole log this often. Default: "10m".
    #[serde(with = "length")]
    #[schemars(with = "String")]
    pub check_every: Duration,
    /// The name in checkpoints; choose one that is yours. Default: "echobase.local".
    pub origin: String,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            checkpoint_every: Duration::from_secs(1),
            check_every: Duration::from_secs(600),
            origin: "echobase.local".to_owned(),
        }
    }
}
