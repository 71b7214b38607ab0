//! A running server of its own for each test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_echobase");

/// A server with its own folder and free ports.
pub struct World {
    pub folder: TempDir,
    pub api: String,
    pub otlp_http: String,
    pub otlp_grpc: String,
    /// All addresses, as the server printed them.
    pub addresses: Value,
    pub signin: Option<String>,
    pub http: Client,
    server: Child,
    config: Option<PathBuf>,
}

impl World {
    /// With the built-in configuration, without the host collector.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more configuration.
    pub fn with(extra: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("echobase.toml");
        let host = if extra.contains("[host]") { "" } else { "[host]\nenabled = false\n" };
        let cycle = if extra.contains("[cycle]") { "" } else { "[cycle]\nevery = \"200ms\"\n" };
        std::fs::write(&config, format!("{host}{cycle}{extra}")).unwrap();
        let (server, addresses, signin) = launch(folder.path(), Some(&config));
        let text = |k: &str| addresses[k].as_str().unwrap().to_owned();
        Self {
            api: text("api"),
            otlp_http: text("otlp_http"),
            otlp_grpc: text("otlp_grpc"),
            addresses,
            signin,
            http: Client::builder().no_proxy().build().unwrap(),
            folder,
            server,
            config: Some(config),
        }
    }

    /// Kills the process at once (SIGKILL) and starts it again on the same folder.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    pub fn restart(&mut self) {
        let (server, addresses, signin) = launch(self.folder.path(), self.config.as_deref());
        self.server = server;
        self.signin = signin;
        let text = |k: &str| addresses[k].as_str().unwrap().to_owned();
        self.api = text("api");
        self.otlp_http = text("otlp_http");
        self.otlp_grpc = text("otlp_grpc");
        self.addresses = addresses;
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("admin.key")
    }

    pub fn key(&self) -> String {
        std::fs::read_to_string(self.key_file()).unwrap().trim().to_owned()
    }

    /// A request of the administrator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.api)).bearer_auth(self.key())
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        json_of(response, StatusCode::OK).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.request(Method::POST, path).json(body).send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {} {}",
            response.status(),
            response.text().await.unwrap()
        );
        response.json().await.unwrap()
    }

    pub async fn sql(&self, sql: &str) -> Vec<Vec<Value>> {
        let answer = self.post("/api/v1/query", &serde_json::json!({ "sql": sql })).await;
        serde_json::from_value(answer["rows"].clone()).unwrap()
    }

    /// The one number that a question answers.
    pub async fn count(&self, sql: &str) -> i64 {
        let rows = self.sql(sql).await;
        rows[0][0].as_i64().unwrap_or_else(|| panic!("{sql}: {rows:?}"))
    }

    /// Runs the binary as a client of this server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .env("ECHOBASE_SERVER", &self.api)
            .env("ECHOBASE_KEY_FILE", self.key_file())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Asks again until the answer fits; a state that never comes fails the test.
    /// Asks until the count that a question answers is one.
    pub async fn wait_for_row(&self, sql: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.count(sql).await != 1 {
            assert!(Instant::now() < deadline, "no such row came: {sql}");
            tokio::task::yield_now().await;
        }
    }

    pub async fn wait_for(&self, what: &str, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        // Longer than a dead controller's lease lasts.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = self.get(path).await;
            if fits(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{what} did not come to pass; last seen: {seen}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn launch(folder: &Path, config: Option<&Path>) -> (Child, Value, Option<String>) {
    let mut command = Command::new(BINARY);
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--otlp-http",
            "127.0.0.1:0",
            "--otlp-grpc",
            "127.0.0.1:0",
        ])
        .arg("--print-addresses")
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--bootstrap-key-file")
        .arg(folder.join("admin.key"))
        .stdout(Stdio::piped())
        .stderr(std::fs::File::options().create(true).append(true).open(folder.join("server.log")).unwrap());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let mut server = command.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut signin = None;
    loop {
        let Some(Ok(line)) = lines.next() else {
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            let _ = server.kill();
            panic!("the server did not start:\n{log}");
        };
        if let Some(at) = line.find("/signin?token=") {
            signin = Some(line[at..].trim().to_owned());
        }
        if line.starts_with('{') {
            // What else is printed is drained, so that the server never blocks on a full pipe.
            std::thread::spawn(move || lines.count());
            return (server, serde_json::from_str(&line).unwrap(), signin);
        }
    }
}

/// The body of an answer with that status.
pub async fn json_of(response: Response, status: StatusCode) -> Value {
    let given = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(given, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {body}"))
}
