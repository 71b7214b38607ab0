//! The server of the demo: a child process with data, configuration and ports of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use echobase_types::ErrorKind;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::DemoConfig;
use super::address::Addresses;

/// Time that the server may take to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Time that the server and the processes it supervises have to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A server that does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file or folder of the demo.
    #[error("write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The binary.
    #[error("start {}", binary.display())]
    Start {
        /// Which.
        binary: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended, or said nothing.
    #[error("the server did not say where it listens; its log is {}", log.display())]
    Silent {
        /// Its log.
        log: PathBuf,
    },
    /// There is no key.
    #[error("read the administrator's key from {}", path.display())]
    Key {
        /// Where it should stand.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ServerError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Write { .. } | Self::Start { .. } => ErrorKind::Invalid,
            Self::Silent { .. } | Self::Key { .. } => ErrorKind::Unavailable,
        }
    }
}

/// The running server. It ends with this value, and so do the processes it supervises.
pub(super) struct Server {
    child: Child,
    /// Base URL of API and web app.
    pub(super) base: String,
    /// One-time sign-in link, where the server printed one.
    pub(super) signin_link: Option<String>,
    /// The administrator's API key.
    pub(super) key: String,
    /// File that holds it.
    pub(super) key_file: PathBuf,
    /// Keeps the pipe open: a server that cannot print would stop.
    _printed: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Writes the configuration and starts the server in the demo's folder.
    pub(super) async fn start(
        config: &DemoConfig,
        text: &str,
        addresses: &Addresses,
    ) -> Result<Self, ServerError> {
        let path = |name: &str| config.folder.join(name);
        let (file, log, key_file) = (path("echobase.toml"), path("server.log"), path("admin.key"));
        let write = |path: &PathBuf| {
            let path = path.clone();
            move |source| ServerError::Write { path, source }
        };
        std::fs::create_dir_all(&config.folder).map_err(write(&config.folder))?;
        std::fs::write(&file, text).map_err(write(&file))?;
        let errors = std::fs::File::create(&log).map_err(write(&log))?;
        let mut child = Command::new(&config.binary)
            .arg("serve")
            .arg("--data")
            .arg(path("data"))
            .arg("--config")
            .arg(&file)
            .args(["--listen", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--print-addresses"])
            .arg("--otlp-http")
            .arg(addresses.telemetry.to_string())
            .arg("--bootstrap-key-file")
            .arg(&key_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ServerError::Start { binary: config.binary.clone(), source })?;
        let silent = || ServerError::Silent { log: log.clone() };
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(silent)?).lines();
        let mut signin_link = None;
        let listening = async {
            while let Ok(Some(line)) = lines.next_line().await {
                signin_link = signin_link.take().or_else(|| link(&line));
                if let Some(base) = address(&line) {
                    return Some(base);
                }
            }
            None
        };
        let base = tokio::time::timeout(START_LIMIT, listening).await.ok().flatten().ok_or_else(silent)?;
        let key = std::fs::read_to_string(&key_file)
            .map_err(|source| ServerError::Key { path: key_file.clone(), source })?;
        Ok(Self { child, base, signin_link, key: key.trim().to_owned(), key_file, _printed: lines })
    }

    /// Asks the server to end, and ends it if it does not.
    pub(super) async fn stop(mut self) {
        if let Some(id) = self.child.id() {
            // The shell's own `kill`: there is one wherever there is a shell.
            let asked = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await;
            if asked.is_ok_and(|status| status.success())
                && tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_ok()
            {
                return;
            }
        }
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill().await;
    }
}

/// The base URL in the line of JSON with the addresses.
fn address(line: &str) -> Option<String> {
    let said: Value = serde_json::from_str(line).ok()?;
    said.get("api")?.as_str().map(str::to_owned)
}

/// The sign-in link in a line for people.
fn link(line: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || c == '"');
    words.into_iter().find(|word| word.starts_with("http") && word.contains("/signin")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_line_is_told_from_others() {
        for (line, base) in [
            (
                r#"{"api":"http://127.0.0.1:1","otlp_http":"http://127.0.0.1:2","pid":3}"#,
                Some("http://127.0.0.1:1"),
            ),
            (r#"{"level":"info"}"#, None),
            ("Echobase is at http://127.0.0.1:1", None),
        ] {
            assert_eq!(address(line).as_deref(), base, "{line}");
        }
        assert_eq!(
            link("Sign in once: http://h/signin?token=1 now").as_deref(),
            Some("http://h/signin?token=1")
        );
    }
}
