//! One process of the plant: serves, calls, measures itself, and breaks when told to.

mod arguments;
mod request;
mod serve;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echobase_types::ErrorKind;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use arguments::{InvalidArguments, NodeConfig};

use crate::Clock;
use crate::export::Exporter;
use state::Node;

/// Time that requests under way have to end after a stop is asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Time between two looks at the memory and at the parent process.
const WATCH: Duration = Duration::from_millis(250);

/// A process of the plant that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The arguments cannot be used.
    #[error(transparent)]
    Arguments(#[from] InvalidArguments),
    /// The address is not to be had.
    #[error("listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Signals of the operating system cannot be heard.
    #[error("listen for signals")]
    Signals(#[source] std::io::Error),
    /// The server ended with an error.
    #[error("serve requests")]
    Serve(#[source] std::io::Error),
    /// The memory limit is reached: what a container would answer with a kill.
    #[error("out of memory: {used} bytes of {limit} in use")]
    OutOfMemory {
        /// Bytes in use.
        used: u64,
        /// The limit.
        limit: u64,
    },
}

impl NodeError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Arguments(_) => ErrorKind::Invalid,
            Self::Listen { .. } => ErrorKind::Conflict,
            Self::Signals(_) | Self::Serve(_) => ErrorKind::Internal,
            Self::OutOfMemory { .. } => ErrorKind::Unavailable,
        }
    }
}

/// The whole life of a process of the plant, from its arguments to its end: by signal, with the process that started
/// it, or by its memory limit.
pub async fn main(arguments: &[String], clock: Clock) -> Result<(), NodeError> {
    let config = NodeConfig::parse(arguments)?;
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NodeError::Signals)?;
    let node = run(config, clock, shutdown.clone());
    tokio::pin!(node);
    tokio::select! {
        ended = &mut node => return ended,
        _ = terminate.recv() => shutdown.cancel(),
        _ = interrupt.recv() => shutdown.cancel(),
    }
    node.await
}

/// Runs the process until told to stop.
pub async fn run(config: NodeConfig, clock: Clock, shutdown: CancellationToken) -> Result<(), NodeError> {
    let address = config.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| NodeError::Listen { address, source })?;
    let endpoint = config.telemetry.clone();
    let node = Arc::new(Node::new(config, clock));
    info!(role = %node.role, %address, "plant process listens");
    let stop = shutdown.child_token();
    let exporter = Exporter {
        client: node.client.clone(),
        endpoint,
        identity: node.identity(),
        meter: Arc::clone(&node.meter),
        tracer: Arc::clone(&node.tracer),
        clock: Arc::clone(&node.clock),
        start: (node.clock)(),
    };
    let sampled = Arc::clone(&node);
    let mut tasks: JoinSet<Result<(), NodeError>> = JoinSet::new();
    let served = serve::run(Arc::clone(&node), listener, stop.clone());
    tasks.spawn(async move { served.await.map_err(NodeError::Serve) });
    tasks.spawn({
        let exported = exporter.run(move || sampled.sample(), stop.clone());
        async move {
            exported.await;
            Ok(())
        }
    });
    tasks.spawn(watch(node, stop.clone()));

    let mut outcome = Ok(());
    // The first that ends ends them all; the rest have their time of grace.
    if let Some(ended) = tasks.join_next().await {
        outcome = ended.unwrap_or(Ok(()));
    }
    stop.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tasks.abort_all();
    }
    outcome
}

/// Lets a leak grow, dies at the memory limit, and ends with the process that started this one.
async fn watch(node: Arc<Node>, stop: CancellationToken) -> Result<(), NodeError> {
    let parent = std::os::unix::process::parent_id();
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        if std::os::unix::process::parent_id() != parent {
            return Ok(());
        }
        node.leak();
        let (used, limit) = node.memory();
        if used >= limit {
            return Err(NodeError::OutOfMemory { used, limit });
        }
    }
}
