//! `cargo xtask clients`: real clients with no special settings. The OpenTelemetry Python SDK sends over HTTP and
//! gRPC, Debian's node exporter is scraped by us and by Debian's Prometheus, which writes on to us, and the API is asked what arrived.
//! The same Prometheus and we are then asked the same questions in PromQL. Tables of pandas and pyarrow are judged.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::daemon::Daemon;
use crate::debian;
use crate::house::{House, Selection};
use crate::python;

/// Sends with real clients and checks what arrived.
pub fn run(house: &House) -> Result<()> {
    let binary = house.binary(Selection::Everything)?;
    let scripts = house.root.join("xtask/clients");
    let python = python::environment(house, "clients-venv", &scripts.join("requirements.txt"))?;
    let scratch = house.empty_scratch("clients")?;
    let exporter = NodeExporter::start()?;
    let configuration = exporter.as_ref().map_or_else(String::new, NodeExporter::scrape_configuration);
    if exporter.is_none() {
        println!("prometheus-node-exporter: SKIPPED (not installed, and this user may not install it)");
    }
    let daemon = Daemon::start(house, &binary, &scratch, &configuration)?;
    let script = |name: &str| Run::new(&python).arg(scripts.join(name)).named(name);
    script("arrow.py").arg(&binary).status()?;
    script("send.py").args(["http", &daemon.otlp_http]).status()?;
    script("send.py").args(["grpc", &daemon.otlp_grpc]).status()?;
    let prometheus = match &exporter {
        Some(exporter) => Prometheus::start(&scratch, &exporter.address, &daemon.otlp_http)?,
        None => None,
    };
    if prometheus.is_none() {
        println!("prometheus: SKIPPED (not installed, and this user may not install it)");
    }
    let mut check = script("check.py").args(["--base", &daemon.base]).arg("--key-file").arg(&daemon.key_file);
    if exporter.is_some() {
        check = check.arg("--node-exporter");
    }
    if prometheus.is_some() {
        check = check.arg("--prometheus");
    }
    check.status()?;
    let Some(prometheus) = &prometheus else { return Ok(()) };
    script("promql.py")
        .args(["--base", &daemon.base])
        .arg("--key-file")
        .arg(&daemon.key_file)
        .args(["--prometheus", &prometheus.base])
        .status()
}

/// A node exporter on a free port. Ends with its owner.
struct NodeExporter {
    child: Child,
    address: String,
}

impl NodeExporter {
    /// Starts it, or says that it is not to be had.
    fn start() -> Result<Option<Self>> {
        let Some(program) = debian::program("prometheus-node-exporter", "prometheus-node-exporter")? else {
            return Ok(None);
        };
        let mut child = Run::new(program)
            .arg("--web.listen-address=127.0.0.1:0")
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start prometheus-node-exporter")?;
        let Some(log) = child.stderr.take() else { bail!("the node exporter has no log") };
        let mut exporter = Self { child, address: String::new() };
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        exporter.address = lines
            .find_map(|line| listening(&line))
            .context("the node exporter did not say where it listens")?;
        // Someone must read on, or the exporter stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Some(exporter))
    }

    fn scrape_configuration(&self) -> String {
        format!(
            "[[scrape]]\njob = \"node\"\ntargets = [\"{}\"]\ninterval = \"1s\"\ntimeout = \"1s\"\n",
            self.address
        )
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Prometheus that scrapes the exporter and itself and writes on. Ends with its owner.
struct Prometheus {
    child: Child,
    /// Where its own API is.
    base: String,
}

impl Prometheus {
    /// Starts it, or says that it is not to be had.
    fn start(scratch: &Path, exporter: &str, to: &str) -> Result<Option<Self>> {
        let Some(program) = debian::program("prometheus", "prometheus")? else { return Ok(None) };
        let folder = scratch.join("prometheus");
        std::fs::create_dir_all(&folder).context("make a folder for prometheus")?;
        let configuration = folder.join("prometheus.yml");
        let address = free_address()?;
        let text = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n  - job_name: forwarded\n    \
             static_configs: [{{targets: [\"{exporter}\", \"{address}\"]}}]\n\
             remote_write:\n  - url: {to}/api/v1/write\n    send_exemplars: true\n    send_native_histograms: true\n    \
             queue_config: {{batch_send_deadline: 1s}}\n"
        );
        std::fs::write(&configuration, text).context("write the configuration of prometheus")?;
        let child = Run::new(program)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .context("start prometheus")?;
        Ok(Some(Self { child, base: format!("http://{address}") }))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on this machine that nobody listens at. Prometheus does not say which port it was given.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("look for a free port")?;
    Ok(listener.local_addr().context("read the address of a free port")?.to_string())
}

/// The address in a line such as `… msg="Listening on" address=127.0.0.1:9100`.
fn listening(line: &str) -> Option<String> {
    if !line.contains("Listening on") {
        return None;
    }
    let address = line.split_once("address=")?.1.split_whitespace().next()?.trim_matches('"');
    Some(address.replace("[::]", "127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_says_it() {
        let line = r#"ts=2026-01-01T00:00:00Z caller=tls_config.go:232 level=info msg="Listening on" address=127.0.0.1:41234"#;
        assert_eq!(listening(line).as_deref(), Some("127.0.0.1:41234"));
        assert_eq!(listening("level=info address=127.0.0.1:1"), None);
    }
}
