//! Structured log lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::environment::variable;

/// Starts logging. `ECHOBASE_LOG` filters (`info` by default), `ECHOBASE_LOG_FORMAT=json` writes JSON lines.
pub fn start() {
    let filter = variable("ECHOBASE_LOG").and_then(|f| EnvFilter::try_new(f).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // Colours are for people: not for a file or a pipe.
        .with_ansi(std::io::stderr().is_terminal());
    let is_json = variable("ECHOBASE_LOG_FORMAT").is_some_and(|f| f == "json");
    // A second start in one process keeps the first subscriber.
    let _ = if is_json { log.json().try_init() } else { log.try_init() };
}
