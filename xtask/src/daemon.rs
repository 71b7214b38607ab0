//! A built server on free ports with a data folder of its own, for lanes that talk to it. Ends with its owner.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::command::Run;
use crate::house::House;

/// How long a server may take to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server.
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// Base URL of API and web app.
    pub base: String,
    /// Base URL of OTLP over HTTP.
    pub otlp_http: String,
    /// Base URL of OTLP over gRPC.
    pub otlp_grpc: String,
    /// The one-time sign-in link.
    pub signin_link: String,
    /// File with the administrator's API key.
    pub key_file: PathBuf,
}

/// What the server said on its standard output.
#[derive(Debug, Default, PartialEq)]
struct Said {
    addresses: Option<[String; 3]>,
    signin_link: Option<String>,
}

impl Said {
    /// Takes one line in: the line of JSON with the addresses, or one with the sign-in link.
    fn hear(&mut self, line: &str) {
        if let Ok(Value::Object(said)) = serde_json::from_str::<Value>(line) {
            let address = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
            if let (Some(api), Some(otlp_http), Some(otlp_grpc)) =
                (address("api"), address("otlp_http"), address("otlp_grpc"))
            {
                self.addresses = Some([api, otlp_http, otlp_grpc]);
            }
        }
        let link = line
            .split(|c: char| c.is_whitespace() || c == '"')
            .find(|word| word.starts_with("http") && word.contains("/signin"));
        if let Some(link) = link {
            self.signin_link = Some(link.to_owned());
        }
    }
}

impl Daemon {
    /// Starts `echobase serve` on free ports with an empty data folder below `scratch` and `configuration` as its
    /// configuration file, and waits until it has said where it listens.
    pub fn start(house: &House, binary: &Path, scratch: &Path, configuration: &str) -> Result<Self> {
        let (data, config) = (scratch.join("data"), scratch.join("echobase.toml"));
        let key_file = scratch.join("admin.key");
        fs::create_dir_all(&data).with_context(|| format!("make folder {}", data.display()))?;
        fs::write(&config, configuration).with_context(|| format!("write {}", config.display()))?;
        let log = fs::File::create(scratch.join("server.log")).context("make the server's log file")?;
        let mut command = Run::new(binary)
            .arg("serve")
            .arg("--data")
            .arg(&data)
            .arg("--config")
            .arg(&config)
            .args(["--listen", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"])
            .args(["--print-addresses", "--bootstrap-key-file"])
            .arg(&key_file)
            .folder(&house.root)
            .into_command();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("the server has no standard output"))?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line).ok())
        });
        let empty = String::new();
        let mut daemon = Self {
            child,
            lines,
            base: empty.clone(),
            otlp_http: empty.clone(),
            otlp_grpc: empty.clone(),
            signin_link: empty,
            key_file,
        };
        daemon
            .listen()
            .with_context(|| format!("the server's log is {}", scratch.join("server.log").display()))?;
        Ok(daemon)
    }

    fn listen(&mut self) -> Result<()> {
        let mut said = Said::default();
        loop {
            if let (Some([api, otlp_http, otlp_grpc]), Some(link)) = (&said.addresses, &said.signin_link) {
                (self.base, self.otlp_http, self.otlp_grpc) =
                    (api.clone(), otlp_http.clone(), otlp_grpc.clone());
                self.signin_link = link.clone();
                return Ok(());
            }
            match self.lines.recv_timeout(START_LIMIT) {
                Ok(line) => said.hear(&line),
                Err(_) => bail!("the server did not say where it listens and how to sign in"),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let asked = Run::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).output();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_link_are_heard_in_any_order_among_other_lines() {
        let mut said = Said::default();
        for line in [
            "starting",
            "  Sign in once: http://127.0.0.1:7700/signin?token=abc  (15 minutes)",
            r#"{"api":"http://127.0.0.1:1","otlp_http":"http://127.0.0.1:2","otlp_grpc":"http://127.0.0.1:3","pid":4}"#,
        ] {
            said.hear(line);
        }
        let expected = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"].map(str::to_owned);
        assert_eq!(said.addresses, Some(expected));
        assert_eq!(said.signin_link.as_deref(), Some("http://127.0.0.1:7700/signin?token=abc"));
    }

    #[test]
    fn a_line_of_json_without_addresses_is_not_an_address_line() {
        let mut said = Said::default();
        said.hear(r#"{"level":"info","api":1}"#);
        assert_eq!(said, Said::default());
    }
}
