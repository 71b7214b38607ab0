//! One target, ready to be asked, and which resource it is.

use std::time::Duration;

use echobase_types::{Attributes, Resource, ResourceKind};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use crate::identity::{ENGINES, named};
use crate::prometheus::{Format, LabelConflict, find};
use crate::scrape::config::{ScrapeConfig, ScrapeConfigError, Token};

#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) job: String,
    pub(super) instance: String,
    pub(super) url: Url,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) labels: Attributes,
    pub(super) conflict: LabelConflict,
    pub(super) token: Option<Token>,
    pub(super) max_body_bytes: usize,
    kind: Option<ResourceKind>,
    name: Option<String>,
}

impl Target {
    pub(super) fn all_of(
        config: &ScrapeConfig,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Self>, ScrapeConfigError> {
        let job = config.job.trim();
        let invalid = |key, rule: String| ScrapeConfigError::Invalid { job: job.to_owned(), key, rule };
        if job.is_empty() {
            return Err(invalid("job", "must be a name".to_owned()));
        }
        if config.targets.is_empty() {
            return Err(invalid("targets", "must name at least one target".to_owned()));
        }
        if config.interval.is_zero() {
            return Err(invalid("interval", "must be longer than zero".to_owned()));
        }
        if config.timeout.is_zero() || config.timeout > config.interval {
            return Err(invalid("timeout", "must be longer than zero and at most the interval".to_owned()));
        }
        let word = |word: &String| {
            ResourceKind::parse(word).ok_or_else(|| {
                invalid(
                    "resource_kind",
                    format!("is `{word}`, but must be host, service, agent, engine or process"),
                )
            })
        };
        let kind = config.resource_kind.as_ref().map(word).transpose()?;
        let token =
            |text: &String| Token::of(text, environment).map_err(|rule| invalid("bearer_token", rule));
        let token = config.bearer_token.as_ref().map(token).transpose()?;
        let target = |text: &String| {
            let url = url_of(text, config).ok_or_else(|| {
                invalid("targets", format!("has `{text}`, which is neither host:port nor an http(s) URL"))
            })?;
            let instance = instance_of(&url);
            let mut labels: Attributes = [("job", job), ("instance", &instance)].into_iter().collect();
            for (name, value) in &config.labels {
                labels.insert(name.as_str(), value.as_str());
            }
            Ok(Self {
                job: job.to_owned(),
                instance: labels.text("instance").unwrap_or(&instance).to_owned(),
                url,
                interval: config.interval,
                timeout: config.timeout,
                labels,
                conflict: match config.honor_labels {
                    true => LabelConflict::SampleWins,
                    false => LabelConflict::TargetWins,
                },
                token: token.clone(),
                max_body_bytes: config.max_body_bytes,
                kind,
                name: config.resource_name.clone(),
            })
        };
        config.targets.iter().map(target).collect()
    }

    /// When in its interval it is asked: always the same, and spread among targets.
    pub(super) fn offset(&self) -> Duration {
        let share = xxh3_64(self.url.as_str().as_bytes()) % 1_000;
        // The first answer should not keep a fresh installation waiting.
        self.interval.min(Duration::from_secs(2)).mul_f64(share as f64 / 1_000.0)
    }

    /// The resource that an answer speaks about; `body` is empty where there is no answer yet.
    pub(super) fn resource(&self, body: &[u8], format: Format) -> Resource {
        let uname = match self.kind {
            None | Some(ResourceKind::Host) => find(body, format, "node_uname_info").unwrap_or_default(),
            Some(_) => Vec::new(),
        };
        let of_machine = |label: &str| {
            uname
                .iter()
                .find(|(name, value)| name == label && !value.is_empty())
                .map(|(_, value)| value.as_ref())
        };
        let nodename = of_machine("nodename");
        let kind = self.kind.unwrap_or_else(|| match nodename {
            Some(_) => ResourceKind::Host,
            None if is_engine(body) => ResourceKind::Engine,
            None => ResourceKind::Service,
        });
        let name = match (&self.name, kind) {
            (Some(name), _) => name.as_str(),
            (None, ResourceKind::Host) => nodename.or(self.url.host_str()).unwrap_or(&self.job),
            (None, _) => self.job.as_str(),
        };
        let mut attributes = Attributes::new();
        if kind == ResourceKind::Host {
            attributes.insert("host.name", nodename.unwrap_or(name));
            if let Some(system) = of_machine("sysname") {
                attributes.insert("os.type", system.to_ascii_lowercase());
            }
            for (label, attribute) in [("release", "os.version"), ("machine", "host.arch")] {
                if let Some(value) = of_machine(label) {
                    attributes.insert(attribute, value);
                }
            }
        }
        named(kind, name, attributes)
    }
}

fn is_engine(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n').any(|line| ENGINES.iter().any(|name| line.starts_with(name.as_bytes())))
}

fn url_of(text: &str, config: &ScrapeConfig) -> Option<Url> {
    let text = text.trim();
    let mut url = match text.contains("://") {
        true => Url::parse(text).ok()?,
        false => Url::parse(&format!("{}://{text}", config.scheme.as_str())).ok()?,
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    if url.path() == "/" {
        let (path, query) = config.metrics_path.split_once('?').unwrap_or((&config.metrics_path, ""));
        url.set_path(path);
        if !query.is_empty() {
            url.set_query(Some(query));
        }
    }
    Some(url)
}

fn instance_of(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}
