//! Starting and stopping: everything is opened, wired, run, and in the end joined.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Request};
use axum::middleware::map_request_with_state;
use axum::response::Response;
use echobase_controller::{Actuators, Controller, actuator};
use echobase_ingest::Sink;
use echobase_ingest::host::HostCollector;
use echobase_ingest::scrape::Scraper;
use echobase_oncall::Oncall;
use echobase_policy::{DecisionPoint, PolicyError};
use echobase_store::{Location, OpenMode, Store, StoreError};
use echobase_telemetry::{Telemetry, TelemetryError};
use echobase_types::TenantId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tracing::{error, info, warn};

use crate::analysis::{self, Analysis, Eye};
use crate::app::{App, Parts};
use crate::bootstrap;
pub use crate::bootstrap::BootstrapError;
use crate::catalog::StoredCatalog;
use crate::config::Config;
use crate::intake::{Intake, Pipeline};
pub use crate::keeper::KeyError;
use crate::keeper::{self, Keeper};
use crate::learning::{self, Learning};
use crate::limiter::Limiter;
pub use crate::listen::ListenError;
use crate::listen::Sockets;
use crate::live::Hub;
use crate::searches::Searches;
use crate::slo::Slos;
use crate::{clock, environment, live, otlp, outbox, route, routes, ui};

/// How to start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Folder for everything that is kept.
    pub data: PathBuf,
    /// Print one line of JSON with the addresses in use.
    pub print_addresses: bool,
    /// Write an administrator's API key here.
    pub bootstrap_key_file: Option<PathBuf>,
    /// Start although the ledger is damaged.
    pub accept_damage: bool,
}

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error("use the data folder {path}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The addresses cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The state store cannot be opened.
    #[error("open the state store")]
    Store(#[from] StoreError),
    /// The telemetry cannot be opened.
    #[error("open the telemetry")]
    Telemetry(#[from] TelemetryError),
    /// The policies cannot be loaded.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The signing key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The first administrator cannot be made.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A collector cannot be set up.
    #[error("set up a collector: {0}")]
    Collector(String),
    /// The actuators cannot be set up.
    #[error("set up the actuators: {0}")]
    Actuators(String),
    /// A part ended that must not end.
    #[error("{0} ended, so everything was stopped")]
    Ended(&'static str),
}

/// Runs the server until it is told to stop (SIGINT, SIGTERM) or a part ends.
pub async fn serve(start: Start) -> Result<(), ServeError> {
    let clock = clock::system();
    let folder = |source| ServeError::Folder { path: start.data.display().to_string(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&start.data).map_err(folder)?;
    let data = std::fs::canonicalize(&start.data).map_err(folder)?;
    let _lock = lock(&data).map_err(folder)?;
    let mut sockets = Sockets::open(&start.config).await?;
    let addresses = sockets.addresses();
    let mode = if start.accept_damage { OpenMode::AcceptDamage } else { OpenMode::RefuseDamage };
    let store = Store::open(Location::File(data.join("state.db")), mode, clock()).await?;
    store.jobs().fail_orphans(clock()).await?;
    let link = bootstrap::way_in(&store, clock()).await?;
    if let Some(path) = &start.bootstrap_key_file {
        bootstrap::key_file(&store, path, clock()).await?;
    }
    let catalog = Arc::new(StoredCatalog { store: store.clone(), clock: clock.clone() });
    let telemetry = Telemetry::open(start.config.telemetry.clone(), &data, catalog, clock.clone()).await?;
    let shutdown = CancellationToken::new();
    let (analysis, fed) = Analysis::new();
    let (learning, ordered) = Learning::new();
    let oncall = Oncall::new(store.clone(), start.config.oncall.clone());
    let eye = Eye {
        analysis: analysis.clone(),
        fresh_within: start.config.cycle.every * 3,
        store: store.clone(),
        ails_from_risk: start.config.oncall.rules.risk_warning,
    };
    let (processes, supervisor) =
        actuator::process::supervise(&start.config.controller.processes, data.join("processes"));
    let commands =
        actuator::command::Commands::new(start.config.controller.commands.clone(), environment::variables());
    let webhooks = crate::actuator::webhooks(&start.config.webhooks, &data, clock.clone())
        .map_err(ServeError::Actuators)?;
    let actuators =
        Actuators::new().with(Arc::new(processes)).with(Arc::new(commands)).with(Arc::new(webhooks.clone()));
    let controller = Controller::new(
        store.clone(),
        start.config.controller.clone(),
        Arc::new(eye),
        actuators,
        &data,
        clock.clone(),
    );
    let pipeline = Pipeline {
        telemetry: telemetry.clone(),
        analysis: analysis.clone(),
        kept: Arc::default(),
        failing: Arc::default(),
        data: Arc::from(data.as_path()),
        clock: clock.clone(),
    };
    let intake =
        Intake::new(start.config.ingest.limits(), start.config.ingest.max_request_bytes, pipeline.clone());
    let receivers = std::mem::take(&mut sockets.datagrams);
    let app = App::new(Parts {
        datagrams: receivers.iter().map(|receiver| (receiver.name(), receiver.stats())).collect(),
        keeper: Keeper::new(store.clone(), clock.clone(), &start.config.ledger.origin, &data)?,
        limiter: Limiter::new(start.config.server.requests_per_minute),
        policy: DecisionPoint::new()?,
        live: Hub::default(),
        config: start.config,
        store,
        telemetry: telemetry.clone(),
        controller: controller.clone(),
        oncall,
        analysis,
        learning,
        slos: Slos::default(),
        intake,
        clock: clock.clone(),
        searches: Searches::default(),
        shutdown: shutdown.clone(),
    });

    let mut tasks = Tasks::default();
    let token = || shutdown.child_token();
    tasks.add("the analysis", analysis::run(app.clone(), fed, token()));
    tasks.add("the learning", learning::run(app.clone(), ordered, token()));
    tasks.add("the controller", controller.run(token()));
    tasks.add("the supervisor of processes", supervise(supervisor, token()));
    tasks.add("the ledger's keeper", keeper::run(app.clone(), token()));
    tasks.add("the outbox", outbox::run(app.clone(), webhooks, token()));
    tasks.add("the live stream", live::relay(app.clone(), token()));
    tasks.add("the sweeper", sweep(app.clone(), token()));
    // The telemetry flushes once more when it is told to stop; it stops after the listeners.
    let telemetry_stop = CancellationToken::new();
    let mut telemetry_task = JoinSet::new();
    telemetry_task.spawn(telemetry.run(telemetry_stop.clone()));
    let sink: Arc<dyn Sink> = Arc::new(pipeline);
    let tenant = TenantId::default_tenant();
    if app.config.host.enabled {
        let host =
            HostCollector::new(app.config.host.clone()).map_err(|e| ServeError::Collector(e.to_string()))?;
        tasks.add("the host collector", host.run(tenant.clone(), sink.clone(), clock.clone(), token()));
    }
    for receiver in receivers {
        let (name, limits, budget) = (receiver.name(), app.intake.limits.clone(), app.intake.budget.clone());
        let run = receiver.run(tenant.clone(), limits, budget, sink.clone(), clock.clone(), token());
        tasks.add(name, run);
    }
    if !app.config.scrape.is_empty() {
        let (limits, budget) = (app.intake.limits.clone(), app.intake.budget.clone());
        let scraper = Scraper::new(&app.config.scrape, tenant, limits, budget, &environment::variable)
            .map_err(|e| ServeError::Collector(e.to_string()))?;
        tasks.add("the scraper", scraper.run(sink, clock, token()));
    }
    let (api, http, grpc) = (api_router(&app), secured(otlp::http(&app)), otlp::grpc(&app));
    let stop = shutdown.clone();
    tasks.add("the listeners", async move {
        if let Err(error) = sockets.serve(api, http, grpc, stop).await {
            error!(error = %error, "a listener failed");
        }
    });

    tell(&app, &addresses, link, start.print_addresses);
    let ended = tokio::select! {
        () = signal() => None,
        name = tasks.first_end() => Some(name),
    };
    info!("stopping");
    shutdown.cancel();
    tasks.join_all().await;
    telemetry_stop.cancel();
    while telemetry_task.join_next().await.is_some() {}
    if let Err(error) = app.telemetry.close().await {
        warn!(error = %error, "telemetry not closed cleanly; its log is read at the next start");
    }
    match ended {
        Some(name) => Err(ServeError::Ended(name)),
        None => Ok(()),
    }
}

/// One process per data folder: the lock ends with the process, however it ends.
fn lock(data: &std::path::Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(data.join("lock"))?;
    file.try_lock().map_err(|_| std::io::Error::other("another Echobase uses it; stop that one first"))?;
    Ok(file)
}

fn tell(app: &App, addresses: &crate::listen::Addresses, link: Option<String>, print_addresses: bool) {
    let base = app.config.server.public_url.clone().unwrap_or_else(|| addresses.api.clone());
    println!("Echobase is at {base}");
    if let Some(path) = link {
        println!("Sign in once within 15 minutes: {base}{path}");
    }
    if print_addresses && let Ok(line) = serde_json::to_string(addresses) {
        println!("{line}");
    }
    info!(api = addresses.api, otlp_http = addresses.otlp_http, otlp_grpc = addresses.otlp_grpc, "listening");
}

/// The tasks with their names.
#[derive(Default)]
struct Tasks(JoinSet<&'static str>);

impl Tasks {
    fn add(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            task.await;
            name
        });
    }

    async fn first_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                error!(error = %error, "a part panicked");
                "a part"
            }
            None => "everything",
        }
    }

    async fn join_all(&mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended {
                error!(error = %error, "a part panicked while stopping");
            }
        }
    }
}

/// Without processes there is nothing to supervise, and that is no reason to stop.
async fn supervise(supervisor: actuator::process::Supervisor, shutdown: CancellationToken) {
    supervisor.run(shutdown.clone()).await;
    shutdown.cancelled().await;
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return interrupt().await };
        tokio::select! {
            _ = terminate.recv() => {}
            () = interrupt() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Removes what has expired: sessions, links, remembered answers, resources that are gone.
async fn sweep(app: App, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(600));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = app.now();
        let swept = async {
            app.store.sessions().sweep(now).await?;
            app.store.signin_links().sweep(now).await?;
            app.store.idempotency().sweep(now).await?;
            app.store.outbox().return_expired(now).await
        };
        if let Err(error) = swept.await {
            warn!(error = %error, "expired rows not swept; tried again in ten minutes");
        }
    }
}

/// The API listener's router: routes, web app, headers, compression.
fn api_router(app: &App) -> Router {
    let table = routes::table();
    let verbs = Arc::new(route::Verbs::of(&table));
    let inner = route::router(table, app).fallback(ui::file).with_state(app.clone());
    // Streams are not compressed: an event must leave when it happens. Assets are compressed already.
    let worth = SizeAbove::new(1_024).and(NotForContentType::const_new("text/event-stream"));
    let inner = inner.layer(CompressionLayer::new().gzip(true).compress_when(worth));
    // Verbs are rewritten before the inner router matches.
    secured(Router::new().fallback_service(inner).layer(map_request_with_state(verbs, rewrite_verb)))
}

async fn rewrite_verb<B>(State(verbs): State<Arc<route::Verbs>>, mut request: Request<B>) -> Request<B> {
    if let Some(inner) = verbs.rewritten(request.method(), request.uri()) {
        *request.uri_mut() = inner;
    }
    request
}

/// Every answer carries the security headers.
fn secured(router: Router) -> Router {
    router.layer(axum::middleware::map_response(|mut response: Response| async move {
        for (name, value) in ui::SECURITY_HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }))
}
