//! The keeper of the ledger: signs checkpoints, gives receipts and exports, re-reads the log and tells of damage.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Body;
use echobase_api::ledger::{Checkpoint, Finding, LedgerState, Verification};
use echobase_api::live::LiveEvent;
use echobase_audit::Signer;
use echobase_oncall::Raise;
use echobase_store::ledger::Report;
use echobase_store::{Store, StoreError};
use echobase_types::assessment::Severity;
use echobase_types::{Attributes, ErrorKind, TenantId, Timestamp};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::app::App;
use crate::clock::Clock;
use crate::problem::{Answer, Failure};

/// The keeper. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keeper {
    store: Store,
    clock: Clock,
    origin: String,
    seed: Arc<[u8; 32]>,
    states: Arc<RwLock<BTreeMap<TenantId, LedgerState>>>,
}

/// The signing key cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{act} the ledger's signing key {path}")]
pub struct KeyError {
    act: &'static str,
    path: String,
    #[source]
    source: io::Error,
}

impl Keeper {
    /// With the signing key of the data folder, made at the first start (mode 0600).
    pub(crate) fn new(store: Store, clock: Clock, origin: &str, data: &Path) -> Result<Self, KeyError> {
        let seed = Arc::new(load_or_make(&data.join("ledger.key"))?);
        Ok(Self { store, clock, origin: origin.to_owned(), seed, states: Arc::default() })
    }

    fn signer(&self, tenant: &TenantId) -> Answer<Signer> {
        Signer::from_seed(&format!("{}/{tenant}", self.origin), *self.seed)
            .map_err(|e| Failure::of(ErrorKind::Internal, &e))
    }

    /// What is known of a tenant's log.
    pub(crate) fn state(&self, tenant: &TenantId) -> LedgerState {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.get(tenant).cloned().unwrap_or_else(unchecked)
    }

    /// What is known of all logs.
    pub(crate) fn states(&self) -> Vec<(TenantId, LedgerState)> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(t, s)| (t.clone(), s.clone())).collect()
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut LedgerState)) -> LedgerState {
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(tenant.clone()).or_insert_with(unchecked);
        change(state);
        state.clone()
    }

    /// Signs a checkpoint if the log has grown; says what changed.
    async fn checkpoint_grown(&self, tenant: &TenantId, now: Timestamp) -> Answer<Option<LedgerState>> {
        let signer = self.signer(tenant)?;
        let made =
            self.store.ledger().checkpoint(tenant, |size, root| signer.checkpoint(size, root), now).await?;
        let known = self.state(tenant);
        let newest = match made {
            Some(made) => Some(made),
            None if known.checkpoint_at.is_none() => self.store.ledger().newest_checkpoint(tenant).await?,
            None => None,
        };
        let Some(newest) = newest else { return Ok(None) };
        Ok(Some(self.change(tenant, |state| {
            state.size = state.size.max(newest.size);
            state.checkpoint_size = newest.size;
            state.checkpoint_at = Some(newest.signed_at.into());
        })))
    }

    /// The newest checkpoint, as the API shows it.
    pub(crate) async fn checkpoint(&self, tenant: &TenantId) -> Answer<Option<Checkpoint>> {
        let vkey = self.signer(tenant)?.verifier_key().to_string();
        let found = self.store.ledger().newest_checkpoint(tenant).await?;
        Ok(found.map(|c| Checkpoint {
            size: c.size,
            root: c.root.to_string(),
            note: c.note,
            signed_at: c.signed_at.into(),
            vkey,
        }))
    }

    /// The receipt of an entry; a checkpoint that covers it is signed first if there is none.
    pub(crate) async fn receipt(
        &self,
        tenant: &TenantId,
        seq: u64,
    ) -> Answer<echobase_store::ledger::EntryReceipt> {
        match self.store.ledger().receipt(tenant, seq).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.checkpoint_grown(tenant, (self.clock)()).await?;
                Ok(self.store.ledger().receipt(tenant, seq).await?)
            }
            done => Ok(done?),
        }
    }

    /// Re-reads the whole log.
    pub(crate) async fn verify(&self, tenant: &TenantId) -> Answer<Verification> {
        let begun = Instant::now();
        let report = self.store.ledger().verify(tenant).await?;
        self.note(tenant, &report);
        Ok(Verification {
            intact: report.findings.is_empty(),
            entries: report.entries,
            root: report.root.to_string(),
            findings: report
                .findings
                .iter()
                .map(|f| Finding { code: f.code.to_owned(), seq: f.seq, detail: f.detail.clone() })
                .collect(),
            elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn note(&self, tenant: &TenantId, report: &Report) -> LedgerState {
        let now = (self.clock)();
        self.change(tenant, |state| {
            state.size = report.entries;
            state.state = if report.findings.is_empty() { "intact" } else { "damaged" }.to_owned();
            state.checked_at = Some(now.into());
        })
    }

    /// The whole log as a tar archive, written to a nameless file first, so that memory stays small and a slow
    /// reader holds nothing up.
    pub(crate) async fn export(&self, tenant: &TenantId) -> Answer<Body> {
        self.checkpoint_grown(tenant, (self.clock)()).await?;
        let broken = |e: io::Error| Failure::of(ErrorKind::Unavailable, &e);
        let file = tempfile::tempfile().map_err(broken)?;
        let mut archive = tar::Builder::new(io::BufWriter::new(file));
        self.store
            .ledger()
            .export(tenant, |file| {
                let mut header = tar::Header::new_ustar();
                header.set_size(file.bytes.len() as u64);
                header.set_mode(0o644);
                header.set_mtime(0);
                archive.append_data(&mut header, &file.path, file.bytes.as_slice())
            })
            .await?;
        let mut writer = archive.into_inner().map_err(broken)?;
        writer.flush().map_err(broken)?;
        let mut file = writer.into_inner().map_err(|e| broken(e.into_error()))?;
        file.rewind().map_err(broken)?;
        Ok(Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file))))
    }
}

fn unchecked() -> LedgerState {
    LedgerState {
        size: 0,
        state: "unchecked".to_owned(),
        checked_at: None,
        checkpoint_size: 0,
        checkpoint_at: None,
    }
}

fn load_or_make(path: &Path) -> Result<[u8; 32], KeyError> {
    let fault = |act, source| KeyError { act, path: path.display().to_string(), source };
    match std::fs::read(path) {
        Ok(bytes) => {
            let wrong = || io::Error::other("it must hold exactly 32 bytes");
            <[u8; 32]>::try_from(bytes).map_err(|_| fault("use", wrong()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0_u8; 32];
            getrandom::fill(&mut seed).map_err(|e| fault("make", io::Error::other(e.to_string())))?;
            crate::files::write_secret(path, &seed).map_err(|e| fault("write", e))?;
            Ok(seed)
        }
        Err(error) => Err(fault("read", error)),
    }
}

/// Runs until shutdown: checkpoints as the logs grow, and a whole check now and then.
pub(crate) async fn run(app: App, shutdown: CancellationToken) {
    let mut checkpoints = tokio::time::interval(app.config.ledger.checkpoint_every);
    checkpoints.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut checks = tokio::time::interval(app.config.ledger.check_every);
    checks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = checkpoints.tick() => checkpoint_all(&app).await,
            _ = checks.tick() => check_all(&app).await,
        }
    }
}

async fn logs(app: &App) -> Vec<TenantId> {
    app.store.ledger().logs().await.unwrap_or_else(|error: StoreError| {
        warn!(error = %error, "ledgers not listed");
        Vec::new()
    })
}

async fn checkpoint_all(app: &App) {
    for tenant in logs(app).await {
        match app.keeper.checkpoint_grown(&tenant, app.now()).await {
            Ok(Some(state)) => app.live.publish(&tenant, &LiveEvent::Ledger(state)),
            Ok(None) => {}
            Err(failure) => warn!(tenant = %tenant, error = failure.0.detail, "checkpoint not signed"),
        }
    }
}

async fn check_all(app: &App) {
    for tenant in logs(app).await {
        let report = match app.store.ledger().verify(&tenant).await {
            Ok(report) => report,
            Err(error) => {
                warn!(tenant = %tenant, error = %error, "ledger not checked");
                continue;
            }
        };
        let state = app.keeper.note(&tenant, &report);
        app.live.publish(&tenant, &LiveEvent::Ledger(state));
        if let Err(error) = tell(app, &tenant, &report).await {
            warn!(tenant = %tenant, error = error.0.detail, "damage of the ledger not told");
        }
    }
}

/// Damage of a log is an alert of its tenant; damage of the system log of the tenant `default`.
async fn tell(app: &App, log: &TenantId, report: &Report) -> Answer<()> {
    let tenant = if log.as_str() == "system" { TenantId::default_tenant() } else { log.clone() };
    let key = format!("ledger.damage/{log}");
    let Some(first) = report.findings.first() else {
        app.oncall.resolve(&tenant, &key, app.now()).await?;
        return Ok(());
    };
    error!(tenant = %log, findings = report.findings.len(), first = %first, "the ledger is damaged");
    app.oncall
        .raise(
            &tenant,
            Raise {
                dedup_key: key,
                group_key: "ledger".to_owned(),
                resource_id: None,
                rule: "ledger.damage".to_owned(),
                severity: Severity::Critical,
                summary: format!("the ledger of `{log}` is damaged: {} findings", report.findings.len()),
                detail: format!("{first}; export it and run `echobase ledger verify` to see all of them"),
                labels: Attributes::new(),
            },
            app.now(),
        )
        .await?;
    Ok(())
}
