//! Signals in: OTLP, Prometheus text, events, wide rows, files, datagrams, and the host and scrape collectors.
//!
//! **Invariant:** this crate turns what arrived into valid `SignalBatch`es and a list of what was refused, and
//! hands batches to a [`Sink`]. It serves no request, stores nothing and judges nothing. One bad row never fails
//! its batch; only a body that does not parse at all is [`Malformed`].
//!
//! The way of a row: a decoder (`otlp`, `prometheus`, `remote_write`, `influx`, `syslog`, `statsd`, `events`, `points`, `import`) reads it, [`identity`] says
//! which resource and series it belongs to, [`Admission`] says whether limits, clock and budget let it in.

pub mod admission;
pub mod budget;
pub mod datagram;
pub mod decoded;
pub mod epoch;
pub mod events;
pub mod host;
pub mod identity;
pub mod import;
pub mod inflate;
pub mod influx;
pub mod otlp;
pub mod points;
pub mod prometheus;
pub mod remote_write;
pub mod scrape;
pub mod severity;
pub mod sink;

mod duration_text;
mod intake;
mod statsd;
mod syslog;
mod wire;

pub use admission::{Admission, Age};
pub use budget::SeriesBudget;
pub use decoded::{Decoded, Malformed, Position};
pub use host::{HostCollector, HostConfig};
pub use scrape::{ScrapeConfig, Scraper};
pub use sink::{Clock, Sink, SinkError};
