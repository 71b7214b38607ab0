//! Receivers of datagrams: syslog and StatsD over UDP. A datagram is not acknowledged, so one may be lost; what is lost is
//! counted, in the system's queue too.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echobase_types::{IngestLimits, TenantId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::intake::Intake;
use crate::statsd::Tally;
use crate::{Admission, Clock, Decoded, SeriesBudget, Sink, duration_text, syslog};

/// Syslog over UDP.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogConfig {
    /// Address of the UDP socket, such as "127.0.0.1:5514". Default: "", none. Senders are not authenticated: whoever
    /// reaches it can write.
    pub listen: String,
}

/// StatsD over UDP.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatsdConfig {
    /// Address of the UDP socket, such as "127.0.0.1:8125". Default: "", none. Senders are not authenticated: whoever
    /// reaches it can write.
    pub listen: String,
    /// Over which metrics are added up, 1 s to 5 min. Default: "10s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// The service that metrics are of that say of none by a tag. Default: "statsd".
    pub service: String,
}

impl Default for StatsdConfig {
    fn default() -> Self {
        Self { listen: String::new(), interval: Duration::from_secs(10), service: "statsd".to_owned() }
    }
}

/// Messages of syslog are kept at least this often.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that wait to be kept; then they are kept at once.
const WAITING: usize = 10_000;
/// Bytes of the longest datagram.
const LONGEST: usize = 65_536;

/// What became of datagrams and of what was in them, since the start.
#[derive(Debug, Default)]
pub struct DatagramStats {
    /// Datagrams that came.
    pub received: AtomicU64,
    /// Messages or lines that were refused.
    pub rejected: AtomicU64,
    /// Rows that could not be stored.
    pub unstored: AtomicU64,
    /// Datagrams that the system dropped because its queue was full; known on Linux only.
    pub dropped: AtomicU64,
}

enum Format {
    Syslog { waiting: Vec<(Vec<u8>, IpAddr)> },
    Statsd(Tally),
}

/// A socket whose datagrams are read.
pub struct DatagramReceiver {
    name: &'static str,
    socket: UdpSocket,
    format: Format,
    every: Duration,
    stats: Arc<DatagramStats>,
}

impl DatagramReceiver {
    /// Opens the socket of syslog at a resolved address.
    pub async fn syslog(address: SocketAddr) -> std::io::Result<Self> {
        let format = Format::Syslog { waiting: Vec::new() };
        Self::open("syslog", address, format, EVERY).await
    }

    /// Opens the socket of StatsD at a resolved address.
    pub async fn statsd(address: SocketAddr, config: &StatsdConfig) -> std::io::Result<Self> {
        Self::open("statsd", address, Format::Statsd(Tally::new(&config.service)), config.interval).await
    }

    async fn open(
        name: &'static str,
        address: SocketAddr,
        format: Format,
        every: Duration,
    ) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        Ok(Self { name, socket, format, every, stats: Arc::default() })
    }

    /// `syslog` or `statsd`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The address in use.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What became of datagrams; may be read while it runs.
    pub fn stats(&self) -> Arc<DatagramStats> {
        self.stats.clone()
    }

    /// Reads datagrams until `shutdown`, and keeps what they say as rows of `tenant`.
    pub async fn run(
        mut self,
        tenant: TenantId,
        limits: IngestLimits,
        budget: Arc<SeriesBudget>,
        sink: Arc<dyn Sink>,
        clock: Clock,
        shutdown: CancellationToken,
    ) {
        let mut tick = interval(self.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = vec![0; LONGEST];
        loop {
            let is_over = tokio::select! {
                () = shutdown.cancelled() => true,
                _ = tick.tick() => false,
                got = self.socket.recv_from(&mut buffer) => {
                    let is_full = match got {
                        Ok((bytes, peer)) => self.take(&buffer[..bytes], peer.ip()),
                        // An answer of the network to a datagram of ours, of which there are none: nothing is lost.
                        Err(_) => false,
                    };
                    if !is_full {
                        continue;
                    }
                    false
                }
            };
            let now = clock();
            let decoded = self.hand_out(&Admission::live(&tenant, &limits, &budget, now), now);
            self.keep(decoded, &tenant, sink.as_ref()).await;
            if is_over {
                return;
            }
        }
    }

    /// Takes a datagram in; whether so much waits that it must be kept now.
    fn take(&mut self, datagram: &[u8], peer: IpAddr) -> bool {
        self.stats.received.fetch_add(1, Ordering::Relaxed);
        match &mut self.format {
            Format::Syslog { waiting } => {
                waiting.push((datagram.to_vec(), peer));
                waiting.len() >= WAITING
            }
            Format::Statsd(tally) => {
                let (_, refused) = tally.take(datagram);
                self.stats.rejected.fetch_add(refused.len() as u64, Ordering::Relaxed);
                if let Some(first) = refused.first() {
                    tracing::debug!(receiver = self.name, refused = first.detail, "lines refused");
                }
                false
            }
        }
    }

    fn hand_out(&mut self, admission: &Admission<'_>, now: Timestamp) -> Decoded {
        let mut intake = Intake::new(admission);
        match &mut self.format {
            Format::Syslog { waiting } => {
                for (n, (datagram, peer)) in waiting.drain(..).enumerate() {
                    let outcome = syslog::take(&mut intake, &datagram, peer);
                    intake.row(format_args!("message {} from {peer}", n + 1), outcome);
                }
            }
            Format::Statsd(tally) => tally.hand_out(&mut intake, now),
        }
        intake.finish()
    }

    async fn keep(&self, decoded: Decoded, tenant: &TenantId, sink: &dyn Sink) {
        let port = self.socket.local_addr().map(|address| address.port());
        if let Some(dropped) = port.ok().and_then(dropped_at) {
            self.stats.dropped.store(dropped, Ordering::Relaxed);
        }
        self.stats.rejected.fetch_add(decoded.rejected_total(), Ordering::Relaxed);
        if let Some(first) = decoded.rejected.first() {
            tracing::debug!(receiver = self.name, at = first.at, refused = first.detail, "rows refused");
        }
        let rows = decoded.batch.rows() as u64;
        if rows == 0 {
            return;
        }
        if let Err(error) = sink.append(tenant, decoded.batch).await {
            self.stats.unstored.fetch_add(rows, Ordering::Relaxed);
            warn!(receiver = self.name, rows, error = %error, "rows of datagrams not stored: they are lost");
        }
    }
}

/// Datagrams that the system dropped at a local port, as Linux tells it.
fn dropped_at(port: u16) -> Option<u64> {
    let tables =
        ["/proc/net/udp", "/proc/net/udp6"].iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let counts: Vec<u64> = tables.flat_map(|table| dropped_in(&table, port)).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// The last column of the lines whose second column ends in the port.
fn dropped_in(table: &str, port: u16) -> Vec<u64> {
    let wanted = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(str::split_whitespace);
    lines
        .filter(|line| line.clone().nth(1).is_some_and(|local| local.ends_with(&wanted)))
        .filter_map(|line| line.last()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use std::sync::Mutex;

    use async_trait::async_trait;
    use echobase_types::SignalBatch;
    use tokio::sync::Notify;

    use super::*;
    use crate::SinkError;

    /// Keeps what comes, or refuses it.
    #[derive(Default)]
    struct Shelf {
        refuses: bool,
        batches: Mutex<Vec<SignalBatch>>,
        came: Notify,
    }

    #[async_trait]
    impl Sink for Shelf {
        async fn append(&self, _: &TenantId, batch: SignalBatch) -> Result<(), SinkError> {
            self.batches.lock().unwrap().push(batch);
            self.came.notify_one();
            if self.refuses {
                let reason = "full".to_owned();
                return Err(SinkError::Unavailable { reason, retry_after: Duration::from_secs(1) });
            }
            Ok(())
        }
    }

    /// Sends datagrams to a receiver and waits for the first batch that it keeps.
    async fn kept(
        receiver: DatagramReceiver,
        datagrams: &[&str],
        shelf: Shelf,
    ) -> (SignalBatch, Arc<DatagramStats>) {
        let (stats, address) = (receiver.stats(), receiver.address().unwrap());
        let shelf = Arc::new(shelf);
        let stop = CancellationToken::new();
        let clock: Clock = Arc::new(|| Timestamp::from_secs(1_800_000_000));
        let (limits, budget) = (IngestLimits::default(), Arc::<SeriesBudget>::default());
        let run =
            receiver.run(TenantId::default_tenant(), limits, budget, shelf.clone(), clock, stop.clone());
        let send = async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            for datagram in datagrams {
                socket.send_to(datagram.as_bytes(), address).await.unwrap();
            }
            shelf.came.notified().await;
            stop.cancel();
        };
        tokio::join!(run, send);
        let batch = shelf.batches.lock().unwrap().remove(0);
        (batch, stats)
    }

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn messages_are_kept_and_the_refused_are_counted() {
        let receiver = DatagramReceiver::syslog(any()).await.unwrap();
        let sent = ["<999>1 - - - - - -", "<34>Oct 11 22:14:15 web-1 su: failed"];
        let (batch, stats) = kept(receiver, &sent, Shelf::default()).await;
        assert_eq!(batch.logs[0].body, "failed");
        assert_eq!(batch.resources[0].id.as_str(), "host:web-1");
        assert_eq!(stats.received.load(Ordering::Relaxed), 2);
        assert_eq!(stats.rejected.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_counted_as_lost() {
        let config = StatsdConfig { interval: Duration::from_millis(20), ..StatsdConfig::default() };
        let receiver = DatagramReceiver::statsd(any(), &config).await.unwrap();
        let shelf = Shelf { refuses: true, ..Shelf::default() };
        let (batch, stats) = kept(receiver, &["a:1|c\nb:2|g\nno line"], shelf).await;
        assert_eq!(batch.points.len(), 2);
        assert_eq!(stats.unstored.load(Ordering::Relaxed), 2);
        assert_eq!(stats.rejected.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn drops_of_a_port_are_read_from_the_table_of_the_system() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1234 2 0000000000000000 17\n\
            2: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1235 2 0000000000000000 4\n";
        assert_eq!(dropped_in(table, 5514), [17]);
        assert!(dropped_in(table, 80).is_empty());
    }
}
