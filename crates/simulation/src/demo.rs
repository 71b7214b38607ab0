//! The demo: a server and a plant from one binary, faults by plan, and a report of what the loop made of them.
//!
//! Everything is real: the server supervises the plant through its process actuator, judges what the plant exports,
//! and acts by the playbooks that are loaded over its API. This module only breaks things, looks, and counts.

mod address;
mod api;
mod configuration;
mod ledger;
mod server;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use echobase_types::{ErrorKind, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::Clock;
use crate::load::{self, LoadConfig, LoadCounts};
use crate::plan::{Injection, Plan};
use crate::plant::{LOAD_PER_SECOND, Role};
use crate::report::{Report, Row};
use address::Addresses;
use api::Api;
use server::Server;
use watch::Watch;

pub use api::ApiError;
pub use ledger::LedgerError;
pub use server::ServerError;

/// What the demo is told.
#[derive(Clone, Debug)]
pub struct DemoConfig {
    /// The `echobase` binary, for the server and for the processes of the plant.
    pub binary: PathBuf,
    /// An empty folder for data, configuration and logs.
    pub folder: PathBuf,
    /// What to do to the plant.
    pub plan: Plan,
}

/// What is happening, for people who watch.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// The server listens.
    Serving {
        /// Address of API and web app.
        base: String,
        /// One-time sign-in link, where the server printed one.
        signin_link: Option<String>,
    },
    /// The plant runs, and the analysis learns what is normal for that long.
    Learning(Duration),
    /// The control period begins.
    Quiet(Duration),
    /// A fault was put in.
    Injected(Injection),
    /// What became of it.
    Settled(Row),
    /// The ledger is exported and verified.
    Proving,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving { base, signin_link: None } => write!(f, "the server is at {base}"),
            Self::Serving { base, signin_link: Some(link) } => {
                write!(f, "the server is at {base}, sign in: {link}")
            }
            Self::Learning(time) => {
                write!(f, "the plant runs; learning what is normal, {} s", time.as_secs())
            }
            Self::Quiet(time) => write!(f, "control period: nothing is wrong for {} s", time.as_secs()),
            Self::Injected(injection) => {
                write!(f, "{} at {}", injection.fault.kind.title(), injection.role.resource_id())
            }
            Self::Settled(row) => {
                let seen = row.detected.as_ref().map_or_else(
                    || "not seen".to_owned(),
                    |d| format!("seen after {:.1} s by {}", d.after.as_secs_f64(), d.by),
                );
                let done = row.step.as_ref().map_or_else(
                    || "nothing done".to_owned(),
                    |s| format!("{} by {}: {}", s.actions.join(", "), s.playbook, s.state),
                );
                write!(f, "{}: {seen}; {done}", row.injection.fault.kind.title())
            }
            Self::Proving => write!(f, "exporting the ledger and verifying it offline"),
        }
    }
}

/// A demo that could not be carried through. A fault that was not found is no error: it stands in the report.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No free addresses.
    #[error("reserve addresses for the demo")]
    Addresses(#[source] std::io::Error),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Its API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The plant did not come up.
    #[error("wait for {what} within {} s", limit.as_secs())]
    Waited {
        /// For what.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A fault could not be put in.
    #[error("put a fault into {role}")]
    Inject {
        /// Where.
        role: Role,
        /// Why.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The ledger could not be exported or verified.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Someone stopped the demo.
    #[error("the demo was stopped")]
    Stopped,
}

impl DemoError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Addresses(_) => ErrorKind::Conflict,
            Self::Server(error) => error.kind(),
            Self::Api(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::Waited { .. } => ErrorKind::Timeout,
            Self::Inject { .. } => ErrorKind::Internal,
            Self::Stopped => ErrorKind::Unavailable,
        }
    }
}

/// Time that the plant may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Runs the whole demo. Stopped or failed, it takes the server and the plant down with it.
pub async fn run(
    config: DemoConfig,
    clock: Clock,
    progress: &mut (dyn FnMut(Progress) + Send),
    shutdown: CancellationToken,
) -> Result<Report, DemoError> {
    let addresses = Addresses::reserve().map_err(DemoError::Addresses)?;
    let text = configuration::text(&config, &addresses);
    let server = Server::start(&config, &text, &addresses).await?;
    progress(Progress::Serving { base: server.base.clone(), signin_link: server.signin_link.clone() });
    let counts = Arc::new(LoadCounts::default());
    let stop = shutdown.child_token();
    let load = load::run(
        LoadConfig {
            front: addresses.of(Role::Front).to_vec(),
            per_second: LOAD_PER_SECOND,
            seed: config.plan.seed,
        },
        Arc::clone(&counts),
        stop.clone(),
    );
    let demo = Demo { server: &server, addresses: &addresses, plan: &config.plan, clock: &clock };
    let begun = clock();
    let acted = tokio::select! {
        acted = demo.act(progress) => acted,
        () = load => Err(DemoError::Stopped),
    };
    stop.cancel();
    let (rows, alarms) = match acted {
        Ok(acted) => acted,
        Err(error) => {
            server.stop().await;
            return Err(error);
        }
    };
    progress(Progress::Proving);
    let ledger = ledger::verify(&config, &server).await;
    server.stop().await;
    Ok(Report {
        seed: config.plan.seed,
        form: config.plan.form,
        rows,
        quiet: config.plan.quiet,
        quiet_interventions: alarms.in_quiet.len(),
        false_alarms: alarms.in_quiet.into_iter().chain(alarms.elsewhere).collect(),
        requests: (counts.sent(), counts.failed()),
        ledger: ledger?,
        took: clock().since(begun),
    })
}

/// What was done that nothing called for.
struct FalseAlarms {
    in_quiet: Vec<String>,
    elsewhere: Vec<String>,
}

struct Demo<'a> {
    server: &'a Server,
    addresses: &'a Addresses,
    plan: &'a Plan,
    clock: &'a Clock,
}

impl Demo<'_> {
    async fn act(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Vec<Row>, FalseAlarms), DemoError> {
        let api = Api::new(&self.server.base, &self.server.key);
        for playbook in configuration::PLAYBOOKS {
            api.save_playbook(playbook).await?;
        }
        let watch = Watch::new(&api, self.clock);
        watch.until_judged(START_LIMIT).await?;
        progress(Progress::Learning(self.plan.warm_up));
        tokio::time::sleep(self.plan.warm_up).await;

        let mut elsewhere = watch.carried_out(Timestamp::EPOCH, None).await?;
        let begun = (self.clock)();
        progress(Progress::Quiet(self.plan.quiet));
        tokio::time::sleep(self.plan.quiet).await;
        let in_quiet = watch.carried_out(begun, None).await?;
        let mut rows = Vec::new();
        for injection in &self.plan.injections {
            let since = (self.clock)();
            progress(Progress::Injected(*injection));
            self.addresses.begin_fault(injection.role, injection.fault).await?;
            let row = watch.settle(*injection, since).await?;
            self.addresses.end_fault(injection.role, injection.fault.kind).await;
            progress(Progress::Settled(row.clone()));
            rows.push(row);
            tokio::time::sleep(self.plan.recovery).await;
            watch.until_well(injection.role, self.plan.recovery * 3).await?;
            elsewhere.extend(watch.carried_out(since, Some(injection.role)).await?);
        }
        Ok((rows, FalseAlarms { in_quiet, elsewhere }))
    }
}
