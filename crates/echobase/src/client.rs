//! The API as the command line uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use echobase_api::Problem;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::Connection;

/// The server said no, with its problem document.
#[derive(Debug)]
pub(crate) struct Refused(pub Problem);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.0.title, self.0.status, self.0.detail)?;
        for fault in &self.0.errors {
            write!(f, "\n  ")?;
            if let Some(line) = fault.line {
                write!(f, "line {line}")?;
                if let Some(column) = fault.column {
                    write!(f, ", column {column}")?;
                }
                write!(f, ": ")?;
            } else if let Some(pointer) = &fault.pointer {
                write!(f, "{pointer}: ")?;
            }
            write!(f, "{}", fault.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// A connection to one server with one key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// Where a key is looked for when none is given: what `cargo xtask up` writes.
const DEFAULT_KEY_FILE: &str = "data/admin.key";

impl Client {
    /// Reads the key and prepares a connection; nothing is sent yet.
    pub(crate) fn new(connection: &Connection) -> anyhow::Result<Self> {
        let key = match (&connection.api_key, &connection.key_file) {
            (Some(key), _) => Some(key.trim().to_owned()),
            (None, Some(file)) => Some(read_key(file)?),
            (None, None) => {
                let file = PathBuf::from(DEFAULT_KEY_FILE);
                if file.exists() { Some(read_key(&file)?) } else { None }
            }
        };
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .context("set up the HTTP client")?;
        Ok(Self { http, base: connection.server.trim_end_matches('/').to_owned(), key })
    }

    /// A request to a path below the server's address.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends, and turns a problem document into an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response =
            request.send().await.with_context(|| format!("talk to the server at {}", self.base))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let problem = serde_json::from_slice::<Problem>(&body).unwrap_or_else(|_| {
            let mut problem =
                Problem::new(echobase_types::ErrorKind::Internal, String::from_utf8_lossy(&body));
            problem.status = status.as_u16();
            problem.title = status.canonical_reason().unwrap_or("The server refused").to_owned();
            problem
        });
        let no_key = status.as_u16() == 401 && self.key.is_none();
        let refused = anyhow::Error::new(Refused(problem));
        Err(if no_key {
            refused
                .context("no API key was given: set ECHOBASE_API_KEY or ECHOBASE_KEY_FILE, or use --key-file")
        } else {
            refused
        })
    }

    /// Gets JSON.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let response = self.send(self.request(Method::GET, path).query(query)).await?;
        response.json().await.context("read the server's answer")
    }

    /// Posts JSON and gets JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.write(Method::POST, path, body).await
    }

    /// Writes JSON and gets JSON. Each call has its own idempotency key.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request =
            self.request(method, path).header("Idempotency-Key", uuid::Uuid::new_v4().to_string()).json(body);
        self.send(request).await?.json().await.context("read the server's answer")
    }
}

fn read_key(file: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("read the API key from {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// A path segment, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
