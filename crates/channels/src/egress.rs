//! The egress guard: which URLs may be asked, and at which address.
//!
//! The rule for URLs that come in through the API: `https` on a listed port, no user name, a public name or address;
//! the name is resolved once, and refused if **any** of its addresses is not public; the connection goes to the vetted
//! addresses only; redirects are not followed. URLs of the operator's own configuration may be local.

mod address;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use echobase_types::ErrorKind;
use reqwest::{Client, redirect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

pub use crate::egress::address::{AddressClass, class};

/// Bytes of the longest URL that is taken.
const MAX_URL: usize = 2_048;

/// Names that never leave a network, whatever they resolve to.
const LOCAL_SUFFIXES: [&str; 9] =
    ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "test", "invalid"];

/// What may be asked by URLs that come in through the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// Ports that may be asked. Default: 443 and 8443.
    pub ports: Vec<u16>,
    /// Whether `http` may be asked beside `https`, on the same ports. Default: `false`.
    pub allow_http: bool,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self { ports: vec![443, 8443], allow_http: false }
    }
}

/// Who named a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator, in the configuration file: any port, plain text and local addresses are allowed.
    Configuration,
    /// A user, through the API: the whole rule holds.
    Api,
}

/// Why a URL may not be asked. No address stands in the message, as who named the URL must not learn what a name
/// resolves to on the inside.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The text is no URL that can be asked.
    #[error("URL {0}")]
    Url(&'static str),
    /// The scheme is not allowed.
    #[error("URL has the scheme `{0}`, which is not allowed")]
    Scheme(String),
    /// The port is not on the list.
    #[error("URL has port {0}, which is not allowed")]
    Port(u16),
    /// The name is one that stays on a network.
    #[error("URL names `{0}`, which is a local name")]
    LocalName(String),
    /// The address, or one of the addresses of the name, is not public.
    #[error("URL leads to a {class} address", class = .0.as_str())]
    Address(AddressClass),
    /// The name does not resolve.
    #[error("resolve `{host}`")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// The HTTP client could not be built.
    #[error("build HTTP client")]
    Client(#[source] reqwest::Error),
}

impl EgressError {
    /// `Unprocessable` for a refusal; `Unavailable` where the name did not resolve, which may pass.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Url(_) => ErrorKind::Invalid,
            Self::Scheme(_) | Self::Port(_) | Self::LocalName(_) | Self::Address(_) => {
                ErrorKind::Unprocessable
            }
            Self::Resolve { .. } => ErrorKind::Unavailable,
            Self::Client(_) => ErrorKind::Internal,
        }
    }
}

/// Decides about a URL by itself, before any name is resolved: for checking a setting when it is saved. Pure.
///
/// ```
/// use echobase_channels::egress::{EgressConfig, Origin, check_url};
/// let config = EgressConfig::default();
/// assert!(check_url("https://hooks.example.com/a", Origin::Api, &config).is_ok());
/// assert!(check_url("https://127.1/", Origin::Api, &config).is_err());
/// assert!(check_url("http://127.1:9000/", Origin::Configuration, &config).is_ok());
/// ```
pub fn check_url(text: &str, origin: Origin, config: &EgressConfig) -> Result<Url, EgressError> {
    if text.len() > MAX_URL {
        return Err(EgressError::Url("is longer than 2048 bytes"));
    }
    // The parser would quietly drop or turn these, and another parser might not.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(EgressError::Url("holds a blank, a control character or a backslash"));
    }
    let mut url = Url::parse(text).map_err(|_| EgressError::Url("does not parse"))?;
    let is_allowed = match url.scheme() {
        "https" => true,
        "http" => origin == Origin::Configuration || config.allow_http,
        _ => false,
    };
    if !is_allowed {
        return Err(EgressError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() || has_user(text) {
        return Err(EgressError::Url("holds a user name or a password"));
    }
    url.set_fragment(None);
    let port = url.port_or_known_default().unwrap_or(0);
    if port == 0 || (origin == Origin::Api && !config.ports.contains(&port)) {
        return Err(EgressError::Port(port));
    }
    let domain = match url.host() {
        None => return Err(EgressError::Url("names no host")),
        Some(Host::Ipv4(address)) => return check_addresses(&[address.into()], origin).map(|()| url),
        Some(Host::Ipv6(address)) => return check_addresses(&[address.into()], origin).map(|()| url),
        Some(Host::Domain(domain)) => domain.to_ascii_lowercase(),
    };
    let bare = domain.strip_suffix('.').unwrap_or(&domain);
    if bare.is_empty() || bare.starts_with('.') || bare.ends_with('.') || bare.contains("..") {
        return Err(EgressError::Url("names a host with an empty part"));
    }
    let is_local =
        |suffix: &&str| bare == *suffix || bare.strip_suffix(suffix).is_some_and(|s| s.ends_with('.'));
    if origin == Origin::Api && (!bare.contains('.') || LOCAL_SUFFIXES.iter().any(is_local)) {
        return Err(EgressError::LocalName(bare.to_owned()));
    }
    Ok(url)
}

/// Decides about all addresses of a host: one that may not be asked spoils the rest. Pure.
pub fn check_addresses(addresses: &[IpAddr], origin: Origin) -> Result<(), EgressError> {
    for address in addresses {
        let class = class(*address);
        let is_allowed = match origin {
            Origin::Api => class == AddressClass::Public,
            Origin::Configuration => !matches!(
                class,
                AddressClass::Unspecified | AddressClass::Multicast | AddressClass::Broadcast
            ),
        };
        if !is_allowed {
            return Err(EgressError::Address(class));
        }
    }
    Ok(())
}

/// Whether there is an `@` in the authority, even an empty user that the parser drops.
fn has_user(text: &str) -> bool {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches('/');
    rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@')
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of `host`.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Lets URLs pass, or not.
#[derive(Clone)]
pub struct Guard {
    config: EgressConfig,
    resolver: Arc<dyn Resolver>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A URL that may be asked, at the addresses that were vetted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vetted {
    url: Url,
    addresses: Vec<IpAddr>,
}

impl Guard {
    /// A guard that resolves names as this machine does.
    pub fn new(config: EgressConfig) -> Self {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// A guard with a resolver of its own.
    pub fn with_resolver(config: EgressConfig, resolver: Arc<dyn Resolver>) -> Self {
        Self { config, resolver }
    }

    /// Decides about a URL by itself; see [`check_url`].
    pub fn check(&self, url: &str, origin: Origin) -> Result<(), EgressError> {
        check_url(url, origin, &self.config).map(|_| ())
    }

    /// Decides about a URL and the addresses behind it, which are resolved here, once.
    pub async fn vet(&self, url: &str, origin: Origin) -> Result<Vetted, EgressError> {
        let url = check_url(url, origin, &self.config)?;
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(host)) => {
                let failed = |source| EgressError::Resolve { host: host.to_owned(), source };
                let addresses = self.resolver.resolve(host).await.map_err(failed)?;
                if addresses.is_empty() {
                    return Err(failed(io::Error::new(io::ErrorKind::NotFound, "name has no address")));
                }
                addresses
            }
            None => return Err(EgressError::Url("names no host")),
        };
        check_addresses(&addresses, origin)?;
        Ok(Vetted { url, addresses })
    }
}

impl Vetted {
    /// The URL.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The addresses a connection may go to.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// An HTTP client that can reach this URL at the vetted addresses only: it follows no redirect, uses no proxy, and
    /// gives up after `timeout`.
    pub fn client(&self, timeout: Duration) -> Result<Client, EgressError> {
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(timeout)
            .user_agent(concat!("echobase/", env!("CARGO_PKG_VERSION")));
        let builder = match self.url.host() {
            Some(Host::Domain(host)) => {
                // The port of a pinned address counts for nothing: that of the URL is taken.
                let pinned: Vec<SocketAddr> =
                    self.addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
                builder.resolve_to_addrs(host, &pinned)
            }
            _ => builder,
        };
        builder.build().map_err(EgressError::Client)
    }
}

#[cfg(test)]
mod tests;
