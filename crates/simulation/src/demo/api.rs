//! The server's API, as far as the demo needs it.

use std::time::Duration;

use echobase_api::Page;
use echobase_api::alert::Alert;
use echobase_api::intervention::{Intervention, InterventionSummary};
use echobase_api::resource::Resource;
use echobase_types::ErrorKind;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer, or one that is not what the API promises.
    #[error("call {path}")]
    Call {
        /// Which route.
        path: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("call {path}: status {status}: {detail}")]
    Refused {
        /// Which route.
        path: String,
        /// The status code.
        status: u16,
        /// The problem document.
        detail: String,
    },
}

impl ApiError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Call { .. } => ErrorKind::Unavailable,
            Self::Refused { .. } => ErrorKind::Unprocessable,
        }
    }
}

/// The API of one server, with an administrator's key.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    pub(super) fn new(base: &str, key: &str) -> Self {
        Self { client: reqwest::Client::new(), base: base.to_owned(), key: key.to_owned() }
    }

    pub(super) async fn save_playbook(&self, source: &str) -> Result<(), ApiError> {
        let path = "/api/v1/playbooks";
        let request = self.client.post(self.url(path)).json(&json!({ "source": source, "enabled": true }));
        self.send(path, request).await.map(drop)
    }

    /// All interventions, newest first.
    pub(super) async fn interventions(&self) -> Result<Vec<InterventionSummary>, ApiError> {
        self.get::<Page<InterventionSummary>>("/api/v1/interventions?limit=500").await.map(|page| page.items)
    }

    pub(super) async fn intervention(&self, id: &str) -> Result<Intervention, ApiError> {
        self.get(&format!("/api/v1/interventions/{id}")).await
    }

    /// All alerts, newest first.
    pub(super) async fn alerts(&self) -> Result<Vec<Alert>, ApiError> {
        self.get::<Page<Alert>>("/api/v1/alerts?limit=500").await.map(|page| page.items)
    }

    /// All resources with their latest assessments.
    pub(super) async fn resources(&self) -> Result<Vec<Resource>, ApiError> {
        self.get::<Page<Resource>>("/api/v1/resources?limit=500").await.map(|page| page.items)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let response = self.send(path, self.client.get(self.url(path))).await?;
        response.json().await.map_err(|source| ApiError::Call { path: path.to_owned(), source })
    }

    async fn send(
        &self,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ApiError> {
        let call = |source| ApiError::Call { path: path.to_owned(), source };
        let request = request.bearer_auth(&self.key).timeout(Duration::from_secs(30));
        let response = request.send().await.map_err(call)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let detail = response.text().await.unwrap_or_default();
        Err(ApiError::Refused { path: path.to_owned(), status: status.as_u16(), detail })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
