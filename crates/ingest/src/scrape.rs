//! The scrape collector: asks configured targets for their metrics.

mod config;
mod target;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use echobase_types::signal::MetricKind;
use echobase_types::{Attributes, ErrorKind, IngestLimits, Resource, TenantId, Timestamp};
use futures::future::join_all;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, redirect};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::identity::Identified;
use crate::intake::{Intake, Metric, shown};
use crate::prometheus::{Format, Held, LabelConflict, Origin, decode_into};
use crate::{Admission, Clock, Decoded, Malformed, SeriesBudget, Sink};

use crate::scrape::config::Token;
pub use crate::scrape::config::{Scheme, ScrapeConfig, ScrapeConfigError};
use crate::scrape::target::Target;

/// What targets are told we understand.
const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Asks each configured target for its metrics, each on its own time.
#[derive(Debug)]
pub struct Scraper {
    client: Client,
    tenant: TenantId,
    limits: IngestLimits,
    budget: Arc<SeriesBudget>,
    targets: Vec<Target>,
    statuses: Arc<Mutex<Vec<TargetStatus>>>,
}

/// Reads how the targets of a running scraper are doing.
#[derive(Clone, Debug)]
pub struct ScrapeHandle(Arc<Mutex<Vec<TargetStatus>>>);

/// How one target is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetStatus {
    /// The job it belongs to.
    pub job: String,
    /// Its `instance` label.
    pub instance: String,
    /// The resource its metrics are stored under; a guess until its first answer.
    pub resource: Resource,
    /// When it was last asked.
    pub last_at: Option<Timestamp>,
    /// Why the last time failed, or `None` where it did not.
    pub last_error: Option<String>,
    /// How often it was asked.
    pub scrapes: u64,
    /// How often that failed.
    pub failures: u64,
    /// How many samples were refused.
    pub rejected: u64,
    /// How often its samples could not be stored.
    pub unstored: u64,
}

/// One answer of one target, or why there is none. The batch always holds `up`.
#[derive(Debug)]
pub struct Scrape {
    /// The job.
    pub job: String,
    /// The `instance` label.
    pub instance: String,
    /// What to store, and what was refused.
    pub decoded: Decoded,
    /// Why the target counts as down.
    pub error: Option<ScrapeError>,
}

/// Why a target counts as down.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No connection, or it broke.
    #[error("ask target for metrics")]
    Request(#[source] reqwest::Error),
    /// It did not answer in time.
    #[error("target did not answer within {0:?}")]
    Timeout(Duration),
    /// It answered with something else than 200. A redirect is not followed.
    #[error("target answered with status {0}")]
    Status(u16),
    /// It answered with more than is taken.
    #[error("answer of target is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The bearer token could not be read.
    #[error("read bearer token from {path}", path = path.display())]
    Token {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It answered with something that is no exposition, such as a page for people.
    #[error("target answered with content type `{0}`, which is no exposition format")]
    ContentType(String),
    /// The answer does not parse, or no line of it does.
    #[error("read answer of target")]
    Malformed(#[source] Malformed),
    /// The HTTP client could not be built.
    #[error("build HTTP client")]
    Client(#[source] reqwest::Error),
}

impl ScrapeError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Timeout(_) => ErrorKind::Timeout,
            Self::Request(_) | Self::Status(_) => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::ContentType(_) | Self::Malformed(_) => ErrorKind::Invalid,
            Self::Token { .. } => ErrorKind::Unauthenticated,
            Self::Client(_) => ErrorKind::Internal,
        }
    }
}

impl Scraper {
    /// Prepares to ask all targets of `jobs`. Tokens named `env:…` are taken from `environment` here, once. Proxies
    /// of the environment are not used: targets are near.
    pub fn new(
        jobs: &[ScrapeConfig],
        tenant: TenantId,
        limits: IngestLimits,
        budget: Arc<SeriesBudget>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ScrapeConfigError> {
        let mut targets = Vec::new();
        for job in jobs {
            targets.extend(Target::all_of(job, environment)?);
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .gzip(true)
            .user_agent(concat!("echobase/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ScrapeConfigError::Client)?;
        let status = |target: &Target| TargetStatus {
            job: target.job.clone(),
            instance: target.instance.clone(),
            resource: target.resource(&[], Format::Text),
            last_at: None,
            last_error: None,
            scrapes: 0,
            failures: 0,
            rejected: 0,
            unstored: 0,
        };
        let statuses = Arc::new(Mutex::new(targets.iter().map(status).collect()));
        Ok(Self { client, tenant, limits, budget, targets, statuses })
    }

    /// Reads the state of the targets while the scraper runs.
    pub fn handle(&self) -> ScrapeHandle {
        ScrapeHandle(Arc::clone(&self.statuses))
    }

    /// Asks every target once, all at the same time.
    pub async fn run_once(&self, now: Timestamp) -> Vec<Scrape> {
        join_all((0..self.targets.len()).map(|at| self.ask(at, now))).await
    }

    /// Asks every target in its interval until `shutdown`. Targets of one interval are spread over it. What the
    /// sink does not take is dropped and counted, as the next scrape tells the state again.
    pub async fn run(self, sink: Arc<dyn Sink>, clock: Clock, shutdown: CancellationToken) {
        join_all((0..self.targets.len()).map(|at| self.follow(at, &*sink, &clock, &shutdown))).await;
    }

    async fn follow(&self, at: usize, sink: &dyn Sink, clock: &Clock, shutdown: &CancellationToken) {
        let target = &self.targets[at];
        let mut ticks = interval_at(Instant::now() + target.offset(), target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let round = async {
            loop {
                ticks.tick().await;
                let scrape = self.ask(at, clock()).await;
                if let Err(error) = sink.append(&self.tenant, scrape.decoded.batch).await {
                    warn!(job = scrape.job, instance = scrape.instance, error = %error, "scraped metrics not stored");
                    self.update(at, |status| status.unstored += 1);
                }
            }
        };
        shutdown.run_until_cancelled(round).await;
    }

    async fn ask(&self, at: usize, now: Timestamp) -> Scrape {
        let target = &self.targets[at];
        let begun = Instant::now();
        let answer = match timeout(target.timeout, self.fetch(target)).await {
            Ok(answer) => answer,
            Err(_) => Err(ScrapeError::Timeout(target.timeout)),
        };
        let took = begun.elapsed();
        let known = self.lock()[at].resource.clone();
        let (decoded, resource, error) = match answer {
            Err(error) => (self.down(target, known.clone(), now, took), known, Some(error)),
            Ok((body, format)) => {
                let resource = target.resource(&body, format);
                match self.up(target, resource.clone(), &body, format, now, took) {
                    Ok(decoded) => (decoded, resource, None),
                    Err(error) => (
                        self.down(target, known.clone(), now, took),
                        known,
                        Some(ScrapeError::Malformed(error)),
                    ),
                }
            }
        };
        self.update(at, |status| {
            status.resource = resource;
            status.last_at = Some(now);
            status.scrapes += 1;
            status.failures += u64::from(error.is_some());
            status.rejected += decoded.rejected_total();
            let text = error.as_ref().map(text_of);
            if text.is_some() && status.last_error.is_none() {
                warn!(job = target.job, instance = target.instance, error = text, "scrape target went down");
            }
            status.last_error = text;
        });
        Scrape { job: target.job.clone(), instance: target.instance.clone(), decoded, error }
    }

    async fn fetch(&self, target: &Target) -> Result<(Vec<u8>, Format), ScrapeError> {
        let mut request = self
            .client
            .get(target.url.clone())
            .header(ACCEPT, ACCEPTED)
            .header("x-prometheus-scrape-timeout-seconds", target.timeout.as_secs_f64().to_string());
        if let Some(token) = &target.token {
            let token = match token {
                Token::Fixed(token) => token.clone(),
                Token::File(path) => tokio::fs::read_to_string(path)
                    .await
                    .map_err(|source| ScrapeError::Token { path: path.clone(), source })?,
            };
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let failed = |error: reqwest::Error| ScrapeError::Request(error.without_url());
        let mut answer = request.send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(ScrapeError::Status(answer.status().as_u16()));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default();
        let format = Format::of_content_type(kind).ok_or_else(|| ScrapeError::ContentType(shown(kind)))?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > target.max_body_bytes {
                return Err(ScrapeError::TooLarge { limit: target.max_body_bytes });
            }
            body.extend_from_slice(&part);
        }
        Ok((body, format))
    }

    fn admission(&self, now: Timestamp) -> Admission<'_> {
        Admission::live(&self.tenant, &self.limits, &self.budget, now)
    }

    fn up(
        &self,
        target: &Target,
        resource: Resource,
        body: &[u8],
        format: Format,
        now: Timestamp,
        took: Duration,
    ) -> Result<Decoded, Malformed> {
        let origin = Origin { resource, labels: target.labels.clone(), conflict: target.conflict };
        let mut intake = Intake::new(&self.admission(now));
        match intake.source(identified(&origin)) {
            Err(refusal) => intake.refuse("target", &refusal, 1),
            Ok(source) => {
                let held = decode_into(&mut intake, &source, body, format, &origin)?;
                let samples = match held {
                    Held { samples: 0, fault: Some(fault) } => return Err(fault),
                    Held { samples, .. } => samples,
                };
                own(
                    &mut intake,
                    &source,
                    &[("up", "1", 1.0), took_of(took), ("scrape_samples_scraped", "1", samples as f64)],
                );
            }
        }
        Ok(intake.finish())
    }

    fn down(&self, target: &Target, resource: Resource, now: Timestamp, took: Duration) -> Decoded {
        let origin = Origin { resource, labels: target.labels.clone(), conflict: LabelConflict::TargetWins };
        let mut intake = Intake::new(&self.admission(now));
        match intake.source(identified(&origin)) {
            Err(refusal) => intake.refuse("target", &refusal, 1),
            Ok(source) => {
                own(
                    &mut intake,
                    &source,
                    &[("up", "1", 0.0), took_of(took), ("scrape_samples_scraped", "1", 0.0)],
                );
            }
        }
        intake.finish()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TargetStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, at: usize, change: impl FnOnce(&mut TargetStatus)) {
        if let Some(status) = self.lock().get_mut(at) {
            change(status);
        }
    }
}

impl ScrapeHandle {
    /// The state of every target, in the order of the configuration.
    pub fn targets(&self) -> Vec<TargetStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn identified(origin: &Origin) -> Identified {
    Identified { resource: origin.resource.clone(), instance: origin.labels.clone() }
}

fn took_of(took: Duration) -> (&'static str, &'static str, f64) {
    ("scrape_duration_seconds", "s", took.as_secs_f64())
}

/// The metrics that a scrape says of itself, under the names Prometheus gives them.
fn own(intake: &mut Intake<'_>, source: &crate::intake::Source, values: &[(&str, &str, f64)]) {
    let now = intake.now();
    for (name, unit, value) in values {
        let metric = Metric { name, unit, kind: MetricKind::Gauge };
        let outcome = intake.point(source, metric, Attributes::new(), now, *value);
        intake.row(name, outcome);
    }
}

/// An error with its causes.
fn text_of(error: &ScrapeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
