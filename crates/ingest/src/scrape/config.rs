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
    /// Where to read the bearer token: `env:NAME`, read at the start, or `file:PATH`, read at each scrape. Default: none is sent.
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

/// A bearer token, or where it is read at each scrape.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Token {
    Fixed(String),
    File(PathBuf),
}

impl Token {
    /// The token that `env:NAME` or `file:PATH` refers to; an `Err` says what the reference must be.
    pub(super) fn of(reference: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() => environment(name)
                .map(Self::Fixed)
                .ok_or_else(|| format!("names the environment variable `{name}`, which is not set")),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err("must be `env:NAME` or `file:PATH`".to_owned()),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
