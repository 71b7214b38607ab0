//! The configuration: one TOML file, every key with a default, environment override `ECHOBASE_SECTION__KEY`,
//! unknown keys refused.

mod reference;
mod section;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use echobase_analysis::AnalysisConfig;
use echobase_controller::ControllerConfig;
use echobase_ingest::datagram::{StatsdConfig, SyslogConfig};
use echobase_ingest::host::HostConfig;
use echobase_ingest::scrape::{ScrapeConfig, Scraper};
use echobase_oncall::OncallConfig;
use echobase_telemetry::TelemetryConfig;
use echobase_types::TenantId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use reference::{reference, schema};
pub use section::{
    CycleConfig, DependencyConfig, IngestConfig, LearningConfig, LedgerConfig, OtlpConfig, ServerConfig,
    WebhookConfig,
};

/// The whole configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address, TLS and limits of the API and the web app.
    pub server: ServerConfig,
    /// OTLP listeners.
    pub otlp: OtlpConfig,
    /// Limits on what senders may send.
    pub ingest: IngestConfig,
    /// The collector that watches this machine.
    pub host: HostConfig,
    /// Prometheus targets to scrape.
    pub scrape: Vec<ScrapeConfig>,
    /// Syslog over UDP.
    pub syslog: SyslogConfig,
    /// StatsD over UDP.
    pub statsd: StatsdConfig,
    /// Dependencies that no span shows.
    pub dependencies: Vec<DependencyConfig>,
    /// Signals at rest.
    pub telemetry: TelemetryConfig,
    /// The analysis.
    pub analysis: AnalysisConfig,
    /// Learning from labels.
    pub learning: LearningConfig,
    /// The cycle of assessment and control.
    pub cycle: CycleConfig,
    /// The controller and its actuators.
    pub controller: ControllerConfig,
    /// Alerts and where they go.
    pub oncall: OncallConfig,
    /// Endpoints that the webhook actuator and alert messages may call.
    pub webhooks: Vec<WebhookConfig>,
    /// The ledger.
    pub ledger: LedgerConfig,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration file {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not parse, or a key is unknown or of the wrong type.
    #[error("the configuration {origin} does not fit: {detail}")]
    Fit {
        /// File or environment.
        origin: String,
        /// Where and what.
        detail: String,
    },
    /// Values that do not go together.
    #[error("the configuration key `{key}`: {detail}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong, and what to do.
        detail: String,
    },
}

impl Config {
    /// Reads the file (none: defaults) and the overrides, given as pairs of variable and value.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
            None => String::new(),
        };
        let origin = file.map_or_else(|| "defaults".to_owned(), |p| p.display().to_string());
        let fit =
            |e: &dyn std::fmt::Display| ConfigError::Fit { origin: origin.clone(), detail: e.to_string() };
        // Checked alone first, so that faults carry the line of the file.
        let _: Self = toml::from_str(&text).map_err(|e| fit(&e))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| fit(&e))?;
        for (variable, value) in environment {
            let Some(path) = variable.strip_prefix("ECHOBASE_").filter(|p| p.contains("__")) else {
                continue;
            };
            let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            set(&mut table, &keys, read_value(&value)).map_err(|detail| ConfigError::Fit {
                origin: format!("variable {variable}"),
                detail: detail.to_owned(),
            })?;
        }
        let config: Self = table
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError::Fit { origin, detail: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// What no single key can say.
    fn check(&self) -> Result<(), ConfigError> {
        let fault = |key: &str, detail: String| ConfigError::Value { key: key.to_owned(), detail };
        for (key, address) in [
            ("server.listen", &self.server.listen),
            ("otlp.http", &self.otlp.http),
            ("otlp.grpc", &self.otlp.grpc),
        ] {
            resolve(address).map_err(|detail| fault(key, detail))?;
        }
        self.controller.check().map_err(|e| fault(&format!("controller.{}", e.key), e.detail))?;
        self.oncall.check().map_err(|e| fault(&format!("oncall.{}", e.key), e.detail))?;
        for (key, length) in [
            ("server.session_length", self.server.session_length),
            ("ingest.max_age", self.ingest.max_age),
            ("cycle.every", self.cycle.every),
            ("learning.check_every", self.learning.check_every),
            ("learning.history", self.learning.history),
            ("cycle.store_at_least_every", self.cycle.store_at_least_every),
            ("ledger.checkpoint_every", self.ledger.checkpoint_every),
            ("ledger.check_every", self.ledger.check_every),
            ("analysis.horizon", self.analysis.horizon),
            ("host.interval", self.host.interval),
        ] {
            if length.is_zero() {
                return Err(fault(key, "it must be longer than zero".into()));
            }
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&self.statsd.interval) {
            return Err(fault("statsd.interval", "it must be from 1s to 5m".into()));
        }
        if self.statsd.service.trim().is_empty() {
            return Err(fault("statsd.service", "it must be a name".into()));
        }
        let origin = &self.ledger.origin;
        if origin.is_empty() || origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            let words =
                format!("`{origin}` must be a name without spaces and `+`, such as example.com/echobase");
            return Err(fault("ledger.origin", words));
        }
        // Secrets stand in the environment of the server, which need not be that of who checks the file.
        let anything = |_: &str| Some(String::from("x"));
        let limits = self.ingest.limits();
        Scraper::new(&self.scrape, TenantId::default_tenant(), limits, Arc::default(), &anything)
            .map_err(|e| fault("scrape", e.to_string()))?;
        for name in &self.oncall.tell {
            if !self.webhooks.iter().any(|w| w.name == *name) {
                return Err(fault("oncall.tell", format!("there is no [[webhooks]] named `{name}`")));
            }
        }
        if self.server.tls_certificate.is_some() != self.server.tls_key.is_some() {
            return Err(fault("server.tls_certificate", "set `server.tls_key` as well, or neither".into()));
        }
        for webhook in &self.webhooks {
            if self.webhooks.iter().filter(|w| w.name == webhook.name).count() > 1 {
                return Err(fault("webhooks", format!("the name `{}` stands twice", webhook.name)));
            }
        }
        for dependency in &self.dependencies {
            for id in [&dependency.from, &dependency.to] {
                id.parse::<echobase_types::ResourceId>().map_err(|e| fault("dependencies", e.to_string()))?;
            }
        }
        Ok(())
    }
}

/// The first address of `host:port`.
pub fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address
        .to_socket_addrs()
        .map_err(|e| format!("`{address}` is not an address such as 127.0.0.1:7700: {e}"))?;
    found.next().ok_or_else(|| format!("`{address}` stands for no address"))
}

fn read_value(text: &str) -> toml::Value {
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("v = {text}"));
    parsed.ok().and_then(|mut t| t.remove("v")).unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, keys: &[String], value: toml::Value) -> Result<(), &'static str> {
    let Some((first, rest)) = keys.split_first() else { return Err("it names no key") };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return Ok(());
    }
    let inner = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match inner {
        toml::Value::Table(inner) => set(inner, rest, value),
        _ => Err("a part of it is a value, not a section"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(None, pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn the_environment_overrides_and_other_variables_are_left_alone() {
        let config = with(&[
            ("ECHOBASE_SERVER__LISTEN", "127.0.0.1:0"),
            ("ECHOBASE_SERVER__REQUESTS_PER_MINUTE", "50"),
            ("ECHOBASE_SERVER", "http://x"),
            ("HOME", "/nowhere"),
        ])
        .unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:0");
        assert_eq!(config.server.requests_per_minute.get(), 50);
    }

    #[test]
    fn what_the_server_would_refuse_later_is_refused_at_once() {
        for (pairs, word) in [
            (&[("ECHOBASE_CYCLE__EVERY", "0s")][..], "cycle.every"),
            (&[("ECHOBASE_LEDGER__CHECK_EVERY", "0s")][..], "ledger.check_every"),
            (&[("ECHOBASE_LEDGER__ORIGIN", "a b")][..], "ledger.origin"),
        ] {
            let error = with(pairs).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let job = ScrapeConfig { job: "x".to_owned(), ..ScrapeConfig::default() };
        let error = Config { scrape: vec![job], ..Config::default() }.check().unwrap_err().to_string();
        assert!(error.contains("targets"), "{error}");
    }

    #[test]
    fn unknown_keys_and_half_a_tls_pair_are_refused() {
        for (pairs, word) in [
            (&[("ECHOBASE_SERVER__LISTN", "x")][..], "listn"),
            (&[("ECHOBASE_SERVER__LISTEN", "no port")][..], "server.listen"),
            (&[("ECHOBASE_SERVER__TLS_KEY", "k.pem")][..], "tls_key"),
        ] {
            let error = with(pairs).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
