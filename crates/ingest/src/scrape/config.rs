//! What to scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use echobase_types::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_text;

/// Targets that expose metrics in the Prometheus text formats, asked at an interval. One entry is one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrapeConfig {
    /// Name of the job: the label `job` of every sample, and the resource name unless `resource_name` is set. Required.
    pub job: String,
    /// Where to ask: `host:port`, `host`, or a URL. Required.
    pub targets: Vec<String>,
    /// How often each target is asked. Default: `15s`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// A target that has not answered after this time counts as down. At most the interval. Default: `10s`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Path of the metrics, for targets that are not a URL with a path. Default: `/metrics`.
    pub metrics_path: String,
    /// Scheme for targets that are not a URL. Default: `http`.
    pub scheme: Scheme,
    /// Labels added to every sample. `job` and `instance` given here replace the usual ones.
    pub labels: BTreeMap<String, String>,
    /// What the targets are: `host`, `service`, `agent`, `engine` or `process`. Default: `host` where a target has
    /// `node_uname_info` (node exporter), `engine` where it has metrics of a known model server, else `service`.
    pub resource_kind: Option<String>,
    /// Name of the resource. Default: the host name for hosts, else the job.
    pub resource_name: Option<String>,
    /// Whether a label of a sample wins over an added label of the same name. Else it is renamed to
    /// `exported_<label>`. Default: `false`.
    pub honor_labels: bool,
    /// Where to read the bearer token: `env:NAME` or `file:PATH`, read again at each scrape. Default: none is sent.
    pub bearer_token: Option<String>,
    /// Bytes of the largest answer, unpacked. Default: 64 MiB.
    pub max_body_bytes: usize,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        Self {
            job: String::new(),
            targets: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            metrics_path: "/metrics".to_owned(),
            scheme: Scheme::Http,
            labels: BTreeMap::new(),
            resource_kind: None,
            resource_name: None,
            honor_labels: false,
            bearer_token: None,
            max_body_bytes: 64 << 20,
        }
    }
}

/// How targets are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS, with the certificate checked.
    Https,
}

impl Scheme {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why a scrape configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeConfigError {
    /// A key has a value that does not work.
    #[error("scrape job `{job}`: `{key}` {rule}")]
    Invalid {
        /// The job.
        job: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        rule: String,
    },
    /// The HTTP client could not be built.
    #[error("build HTTP client")]
    Client(#[source] reqwest::Error),
}

impl ScrapeConfigError {
    /// `Invalid` or `Internal`.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Client(_) => ErrorKind::Internal,
        }
    }
}

/// Where a bearer token is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenSource {
    Env(String),
    File(PathBuf),
}

impl TokenSource {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Env(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(PathBuf::from(path))),
            _ => None,
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}
