//! The arguments of a process of the plant.

use std::net::SocketAddr;

use crate::plant::{MEMORY_LIMIT, Role};

/// What a process of the plant is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its part.
    pub role: Role,
    /// Number of the instance, from 0.
    pub instance: u32,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Base URL of an OTLP/HTTP receiver.
    pub telemetry: String,
    /// Instances of the roles it calls.
    pub upstreams: Vec<(Role, Vec<SocketAddr>)>,
    /// Seed of its jitter and its ids.
    pub seed: u64,
    /// Bytes at which it dies.
    pub memory_limit: u64,
}

/// Arguments that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the arguments of a plant process: {0}")]
pub struct InvalidArguments(String);

impl NodeConfig {
    /// Reads `--role R --listen ADDRESS --telemetry URL [--instance N] [--upstream R=A,B]… [--seed N]
    /// [--memory-limit BYTES]`.
    pub fn parse(arguments: &[String]) -> Result<Self, InvalidArguments> {
        let (mut role, mut listen, mut telemetry, mut instance) = (None, None, None, 0);
        let (mut upstreams, mut seed, mut memory_limit) = (Vec::new(), 0, MEMORY_LIMIT);
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or_else(|| InvalidArguments(format!("`{name}` has no value")))?;
            let invalid = || InvalidArguments(format!("`{value}` is no value for `{name}`"));
            match name.as_str() {
                "--role" => role = Some(Role::parse(value).ok_or_else(invalid)?),
                "--instance" => instance = value.parse().map_err(|_| invalid())?,
                "--listen" => listen = Some(value.parse().map_err(|_| invalid())?),
                "--telemetry" => telemetry = Some(value.trim_end_matches('/').to_owned()),
                "--upstream" => {
                    let (upstream, instances) = value.split_once('=').ok_or_else(invalid)?;
                    let upstream = Role::parse(upstream).ok_or_else(invalid)?;
                    upstreams.push((upstream, addresses(instances).ok_or_else(invalid)?));
                }
                "--seed" => seed = value.parse().map_err(|_| invalid())?,
                "--memory-limit" => memory_limit = value.parse().map_err(|_| invalid())?,
                _ => return Err(InvalidArguments(format!("`{name}` is unknown"))),
            }
        }
        let missing = |name: &str| InvalidArguments(format!("`{name}` is missing"));
        let role = role.ok_or_else(|| missing("--role"))?;
        let listen = listen.ok_or_else(|| missing("--listen"))?;
        for called in role.upstreams() {
            if !upstreams.iter().any(|(upstream, _)| upstream == called) {
                return Err(missing(&format!("--upstream {called}=…")));
            }
        }
        let telemetry = telemetry.ok_or_else(|| missing("--telemetry"))?;
        Ok(Self { role, instance, listen, telemetry, upstreams, seed, memory_limit })
    }

    /// The same as arguments.
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--role".to_owned(), self.role.to_string()];
        let mut push = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        push("--instance", self.instance.to_string());
        push("--listen", self.listen.to_string());
        push("--telemetry", self.telemetry.clone());
        for (role, instances) in &self.upstreams {
            push("--upstream", format!("{role}={}", joined(instances)));
        }
        push("--seed", self.seed.to_string());
        push("--memory-limit", self.memory_limit.to_string());
        arguments
    }
}

fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    text.split(',').map(|address| address.parse().ok()).collect()
}

fn joined(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_read_back() {
        let config = NodeConfig {
            role: Role::Orders,
            instance: 2,
            listen: "127.0.0.1:1".parse().unwrap(),
            telemetry: "http://127.0.0.1:4318".to_owned(),
            upstreams: vec![(
                Role::Stock,
                vec!["127.0.0.1:3".parse().unwrap(), "127.0.0.1:4".parse().unwrap()],
            )],
            seed: 7,
            memory_limit: 1 << 20,
        };
        assert_eq!(NodeConfig::parse(&config.to_arguments()), Ok(config));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (given, word) in [
            ("", "--role"),
            ("--role waiter", "waiter"),
            ("--role stock", "--listen"),
            ("--role stock --listen here", "here"),
            ("--role stock --listen 127.0.0.1:1", "--telemetry"),
            ("--role orders --listen 127.0.0.1:1 --telemetry http://x", "--upstream stock"),
            ("--role", "no value"),
            ("--colour red", "unknown"),
        ] {
            let error = NodeConfig::parse(&words(given)).unwrap_err().to_string();
            assert!(error.contains(word), "{given}: {error}");
        }
    }
}
