//! Listeners: addresses, TLS, and the rule that nothing crosses a network in the open by accident.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::serve::{IncomingStream, Listener};
use echobase_ingest::datagram::DatagramReceiver;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::{Config, resolve};

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is not loopback, and there is no TLS.
    #[error(
        "`{key} = \"{address}\"` is reachable from other machines without TLS, so passwords and keys would cross the \
         network in the open; set server.tls_certificate and server.tls_key, listen on 127.0.0.1, or pass \
         --allow-remote-plaintext"
    )]
    Exposed {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: String,
    },
    /// The address is not loopback, and nothing protects datagrams.
    #[error(
        "`{key} = \"{address}\"` is reachable from other machines, and whoever reaches it can write unseen; listen on \
         127.0.0.1, or pass --allow-remote-plaintext"
    )]
    ExposedDatagrams {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: String,
    },
    /// The address cannot be had.
    #[error("listen on {address} (`{key}`)")]
    Bind {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("use TLS certificate or key {path}: {detail}")]
    Tls {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
}

/// The addresses in use; printed by `--print-addresses`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Addresses {
    /// API and web app.
    pub api: String,
    /// OTLP over HTTP.
    pub otlp_http: String,
    /// OTLP over gRPC.
    pub otlp_grpc: String,
    /// Syslog over UDP, where it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// StatsD over UDP, where it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statsd: Option<String>,
    /// The process.
    pub pid: u32,
}

/// The open sockets, not yet served.
pub(crate) struct Sockets {
    api: TcpListener,
    otlp_http: TcpListener,
    otlp_grpc: TcpListener,
    tls: Option<TlsAcceptor>,
    /// Receivers of datagrams.
    pub datagrams: Vec<DatagramReceiver>,
}

impl Sockets {
    /// Opens all, or none.
    pub(crate) async fn open(config: &Config) -> Result<Self, ListenError> {
        let tls = match (&config.server.tls_certificate, &config.server.tls_key) {
            (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
            _ => None,
        };
        let is_open_allowed = tls.is_some() || config.server.allow_remote_plaintext;
        Ok(Self {
            api: bind("server.listen", &config.server.listen, is_open_allowed).await?,
            otlp_http: bind("otlp.http", &config.otlp.http, is_open_allowed).await?,
            otlp_grpc: bind("otlp.grpc", &config.otlp.grpc, is_open_allowed).await?,
            tls,
            datagrams: datagrams(config).await?,
        })
    }

    /// The addresses that were given.
    pub(crate) fn addresses(&self) -> Addresses {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = |l: &TcpListener| l.local_addr().map(|a| format!("{scheme}://{a}")).unwrap_or_default();
        let datagrams = |name: &str| {
            let receiver = self.datagrams.iter().find(|receiver| receiver.name() == name)?;
            receiver.address().ok().map(|address| address.to_string())
        };
        Addresses {
            api: url(&self.api),
            otlp_http: url(&self.otlp_http),
            otlp_grpc: url(&self.otlp_grpc),
            syslog: datagrams("syslog"),
            statsd: datagrams("statsd"),
            pid: std::process::id(),
        }
    }

    /// Serves the three routers until shutdown, then lets running requests end.
    pub(crate) async fn serve(
        self,
        api: Router,
        otlp_http: Router,
        otlp_grpc: Router,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let Self { api: a, otlp_http: h, otlp_grpc: g, tls, datagrams: _ } = self;
        tokio::try_join!(
            serve(a, tls.clone(), api, shutdown.clone()),
            serve(h, tls.clone(), otlp_http, shutdown.clone()),
            serve(g, tls, otlp_grpc, shutdown),
        )?;
        Ok(())
    }
}

/// Opens what is configured. Nothing protects a datagram on its way, so TLS for the rest allows no other address.
async fn datagrams(config: &Config) -> Result<Vec<DatagramReceiver>, ListenError> {
    let mut receivers = Vec::new();
    for (key, address) in [("syslog.listen", &config.syslog.listen), ("statsd.listen", &config.statsd.listen)]
    {
        if address.is_empty() {
            continue;
        }
        let unusable = |source| ListenError::Bind { key, address: address.clone(), source };
        let parsed = resolve(address).map_err(|detail| unusable(io::Error::other(detail)))?;
        if !parsed.ip().is_loopback() && !config.server.allow_remote_plaintext {
            return Err(ListenError::ExposedDatagrams { key, address: address.clone() });
        }
        let opened = match key {
            "syslog.listen" => DatagramReceiver::syslog(parsed).await,
            _ => DatagramReceiver::statsd(parsed, &config.statsd).await,
        };
        receivers.push(opened.map_err(unusable)?);
    }
    Ok(receivers)
}

async fn bind(key: &'static str, address: &str, is_open_allowed: bool) -> Result<TcpListener, ListenError> {
    let unusable = |source| ListenError::Bind { key, address: address.to_owned(), source };
    let parsed = resolve(address).map_err(|detail| unusable(io::Error::other(detail)))?;
    if !parsed.ip().is_loopback() && !is_open_allowed {
        return Err(ListenError::Exposed { key, address: address.to_owned() });
    }
    TcpListener::bind(parsed).await.map_err(unusable)
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ListenError> {
    let fault = |path: &Path, detail: String| ListenError::Tls { path: path.display().to_string(), detail };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|e| fault(certificate, e.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| fault(key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| fault(certificate, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| fault(certificate, e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let done = shutdown.cancelled_owned();
    match tls {
        None => {
            let make = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, make).with_graceful_shutdown(done).await
        }
        Some(acceptor) => {
            let router = router.layer(axum::middleware::map_request(plain_peer));
            let make = router.into_make_service_with_connect_info::<TlsPeer>();
            let listener = TlsListener { listener, acceptor, handshakes: JoinSet::new() };
            axum::serve(listener, make).with_graceful_shutdown(done).await
        }
    }
}

/// Accepts TCP, finishes TLS handshakes side by side, and hands over what is finished. A peer that never finishes
/// its handshake holds up nobody else.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

/// A handshake may take this long.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way; further peers wait in the kernel's queue.
const HANDSHAKES: usize = 1_024;

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = ended {
                        return ready;
                    }
                }
                (stream, peer) = Listener::accept(&mut self.listener), if self.handshakes.len() < HANDSHAKES => {
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(async move {
                        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                            Ok(Ok(stream)) => Some((stream, peer)),
                            Ok(Err(error)) => {
                                debug!(%peer, %error, "TLS handshake failed");
                                None
                            }
                            Err(_) => None,
                        }
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The peer of a TLS connection.
#[derive(Clone, Copy, Debug)]
struct TlsPeer(SocketAddr);

impl Connected<IncomingStream<'_, TlsListener>> for TlsPeer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Handlers read the peer under one type, with and without TLS.
async fn plain_peer(mut request: Request) -> Request {
    let peer = request.extensions().get::<ConnectInfo<TlsPeer>>().map(|c| c.0.0);
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    request
}
