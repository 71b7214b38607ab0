//! The host collector: this machine under OpenTelemetry names.
//!
//! | metric | unit | kind | attributes |
//! |---|---|---|---|
//! | `system.uptime` | s | gauge | |
//! | `system.cpu.logical.count` | {cpu} | updowncounter | |
//! | `system.cpu.time` | s | counter | `cpu.mode` |
//! | `system.cpu.utilization` | 1 | gauge | `cpu.mode`: user, nice, system, idle, iowait, interrupt, steal; they sum to 1. Without it (busy share) where the modes are not known |
//! | `system.cpu.load_average.1m`, `.5m`, `.15m` | {thread} | gauge | |
//! | `system.memory.usage`, `.utilization` | By, 1 | updowncounter, gauge | `system.memory.state`: used, cached, free; used is what cannot be given to others |
//! | `system.memory.limit` | By | updowncounter | |
//! | `system.paging.utilization` | 1 | gauge | `system.paging.state`: used |
//! | `system.disk.io`, `system.disk.operations` | By, {operation} | counter | `system.device`, `disk.io.direction` |
//! | `system.filesystem.usage`, `.utilization` | By, 1 | updowncounter, gauge | `system.filesystem.mountpoint`, `.type`, `.mode`, `system.device`; usage by `system.filesystem.state`: used, free |
//! | `system.filesystem.limit` | By | updowncounter | the same |
//! | `system.network.io`, `.packet.count`, `.errors` | By, {packet}, {error} | counter | `network.interface.name`, `network.io.direction` |
//! | `system.process.count` | {process} | updowncounter | `process.state` |
//! | `system.linux.file_descriptor.count`, `.limit`, `.utilization` | {file_descriptor}, 1 | updowncounter, gauge | |
//! | `process.cpu.utilization` | 1 | gauge | `process.executable.name`; share of the whole machine |
//! | `process.memory.usage` | By | updowncounter | `process.executable.name` |
//! | `process.open_file_descriptor.count` | {file_descriptor} | updowncounter | `process.executable.name` |
//!
//! Processes are added up by the name of their program, without ids, and only the largest are told: see
//! [`HostConfig::top_processes`]. So the number of series is bounded whatever starts and stops.

mod batch;
mod linux;
mod processes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use echobase_types::signal::MetricKind::{Counter, Gauge, UpDownCounter};
use echobase_types::{Attributes, ErrorKind, Resource, ResourceKind, SignalBatch, TenantId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysinfo::{DiskRefreshKind, Disks, MemoryRefreshKind, Networks, System};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::host::batch::Measures;
use crate::host::linux::CpuTimes;
use crate::host::processes::Processes;
use crate::{Clock, Sink, duration_text, identity};

/// The collector that watches the machine Echobase runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Whether this machine is watched. Default: `true`.
    pub enabled: bool,
    /// How often. Default: `5s`.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Name of the host resource. Default: the host name of the machine.
    pub host_name: Option<String>,
    /// How many programs are told, by processor time and again by memory. A program that was among them is told for
    /// ten minutes more, and at most five times as many names are told in a day; the rest is told as `other`.
    /// Default: 10; 0 tells no process.
    pub top_processes: usize,
    /// Network interfaces whose name begins with one of these are left out, as containers make a new one at each
    /// start. Default: `lo`, `veth`, `cali`, `cni`, `flannel`, `tap`, `tunl`, `vnet`, `ifb`.
    pub ignored_interfaces: Vec<String>,
}

impl Default for HostConfig {
    fn default() -> Self {
        let ignored = ["lo", "veth", "cali", "cni", "flannel", "tap", "tunl", "vnet", "ifb"];
        Self {
            enabled: true,
            interval: Duration::from_secs(5),
            host_name: None,
            top_processes: 10,
            ignored_interfaces: ignored.map(str::to_owned).to_vec(),
        }
    }
}

/// Why this machine cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The interval is zero.
    #[error("host collector: `interval` must be longer than zero")]
    Interval,
    /// The system tells nothing of itself.
    #[error("read the state of this machine: {0}")]
    System(String),
}

impl HostError {
    /// `Invalid` or `Unsupported`.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Interval => ErrorKind::Invalid,
            Self::System(_) => ErrorKind::Unsupported,
        }
    }
}

/// Measures this machine.
#[derive(Debug)]
pub struct HostCollector {
    config: HostConfig,
    resource: Resource,
    system: System,
    disks: Disks,
    networks: Networks,
    processes: Processes,
    cpu: Option<CpuTimes>,
}

impl HostCollector {
    /// Prepares to measure; figures over time count from here.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        if config.interval.is_zero() {
            return Err(HostError::Interval);
        }
        let failed = |error: sysinfo::Error| HostError::System(error.to_string());
        let name = config.host_name.clone().or_else(|| System::host_name().ok());
        let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "localhost".to_owned());
        let mut attributes = Attributes::new();
        attributes.insert("host.name", name.as_str());
        attributes.insert("host.arch", arch());
        attributes.insert("os.type", std::env::consts::OS);
        for (key, value) in [("os.name", System::name()), ("os.version", System::os_version())] {
            if let Ok(value) = value {
                attributes.insert(key, value);
            }
        }
        let mut collector = Self {
            processes: Processes::new(config.top_processes),
            config,
            resource: identity::named(ResourceKind::Host, &name, attributes),
            system: System::new().map_err(failed)?,
            disks: Disks::new().map_err(failed)?,
            networks: Networks::new().map_err(failed)?,
            cpu: linux::cpu_times(),
        };
        collector.system.refresh_cpu_usage();
        collector.processes.refresh(&mut collector.system);
        Ok(collector)
    }

    /// The host resource that is measured.
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Measures now. Reads files of the system, which takes some milliseconds; call it where blocking is allowed.
    pub fn collect(&mut self, now: Timestamp) -> SignalBatch {
        let mut out = Measures::new(self.resource.clone(), now);
        self.processor(&mut out);
        self.memory(&mut out);
        self.storage(&mut out);
        self.network(&mut out);
        self.processes.collect(&mut self.system, now, &mut out);
        out.finish()
    }

    /// Measures in the interval until `shutdown`. What the sink does not take is dropped.
    pub async fn run(
        mut self,
        tenant: TenantId,
        sink: Arc<dyn Sink>,
        clock: Clock,
        shutdown: CancellationToken,
    ) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = clock();
            let measured = tokio::task::spawn_blocking(move || {
                let batch = self.collect(now);
                (self, batch)
            });
            let batch = match measured.await {
                Ok((collector, batch)) => {
                    self = collector;
                    batch
                }
                Err(broken) => {
                    error!(error = %broken, "host collector ended");
                    return;
                }
            };
            if let Err(refused) = sink.append(&tenant, batch).await {
                warn!(error = %refused, "host metrics not stored");
            }
        }
    }

    fn processor(&mut self, out: &mut Measures) {
        if let Ok(seconds) = System::uptime() {
            out.add("system.uptime", "s", Gauge, &[], seconds as f64);
        }
        self.system.refresh_cpu_usage();
        let cpus = self.system.cpus().len();
        if cpus > 0 {
            out.add("system.cpu.logical.count", "{cpu}", UpDownCounter, &[], cpus as f64);
        }
        match linux::cpu_times() {
            Some(times) => {
                // Over less than a fifth of a second the shares would be those of starting up.
                let elapsed = self.cpu.map_or(0.0, |before| times.total() - before.total());
                let total = if elapsed < 0.2 * cpus as f64 { 0.0 } else { elapsed };
                for (mode, seconds) in times.modes() {
                    out.add("system.cpu.time", "s", Counter, &[("cpu.mode", mode)], seconds);
                    let before = self.cpu.map(|before| before.of(mode));
                    if let (Some(before), true) = (before, total > 0.0) {
                        let share = ((seconds - before) / total).clamp(0.0, 1.0);
                        out.add("system.cpu.utilization", "1", Gauge, &[("cpu.mode", mode)], share);
                    }
                }
                if total > 0.0 || self.cpu.is_none() {
                    self.cpu = Some(times);
                }
            }
            None => {
                let busy = f64::from(self.system.global_cpu_usage()) / 100.0;
                out.add("system.cpu.utilization", "1", Gauge, &[], busy);
            }
        }
        if let Ok(load) = System::load_average() {
            for (name, value) in [("1m", load.one), ("5m", load.five), ("15m", load.fifteen)] {
                out.add(&format!("system.cpu.load_average.{name}"), "{thread}", Gauge, &[], value);
            }
        }
    }

    fn memory(&mut self, out: &mut Measures) {
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let (total, free) = (self.system.total_memory(), self.system.free_memory());
        if total > 0 {
            let available = self.system.available_memory().min(total);
            let free = free.min(available);
            out.add("system.memory.limit", "By", UpDownCounter, &[], total as f64);
            for (state, bytes) in [("used", total - available), ("cached", available - free), ("free", free)]
            {
                let state = [("system.memory.state", state)];
                out.add("system.memory.usage", "By", UpDownCounter, &state, bytes as f64);
                out.add("system.memory.utilization", "1", Gauge, &state, bytes as f64 / total as f64);
            }
        }
        let swap = self.system.total_swap();
        if swap > 0 {
            let share = self.system.used_swap() as f64 / swap as f64;
            out.add("system.paging.utilization", "1", Gauge, &[("system.paging.state", "used")], share);
        }
        if let Some((allocated, limit)) = linux::file_descriptors() {
            out.add("system.linux.file_descriptor.count", "{file_descriptor}", UpDownCounter, &[], allocated);
            out.add("system.linux.file_descriptor.limit", "{file_descriptor}", UpDownCounter, &[], limit);
            if limit > 0.0 {
                out.add("system.linux.file_descriptor.utilization", "1", Gauge, &[], allocated / limit);
            }
        }
    }

    fn storage(&mut self, out: &mut Measures) {
        for disk in linux::disks() {
            for (direction, bytes, operations) in
                [("read", disk.read_bytes, disk.reads), ("write", disk.written_bytes, disk.writes)]
            {
                let of = [("system.device", disk.device.as_str()), ("disk.io.direction", direction)];
                out.add("system.disk.io", "By", Counter, &of, bytes as f64);
                out.add("system.disk.operations", "{operation}", Counter, &of, operations as f64);
            }
        }
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        // One device may be mounted in many places; it is told once, by its shortest mount point.
        let mut mounts: BTreeMap<String, &sysinfo::Disk> = BTreeMap::new();
        for disk in self.disks.iter() {
            if disk.total_space() == 0 || !is_real(disk) {
                continue;
            }
            let length = |disk: &sysinfo::Disk| disk.mount_point().as_os_str().len();
            let known = mounts.entry(disk.name().to_string_lossy().into_owned()).or_insert(disk);
            if length(disk) < length(known) {
                *known = disk;
            }
        }
        for (device, disk) in mounts {
            let (point, kind) = (disk.mount_point().to_string_lossy(), disk.file_system().to_string_lossy());
            let mode = if disk.is_read_only() { "ro" } else { "rw" };
            let of = [
                ("system.device", device.as_str()),
                ("system.filesystem.mode", mode),
                ("system.filesystem.mountpoint", point.as_ref()),
                ("system.filesystem.type", kind.as_ref()),
            ];
            let Some((used, free)) = space(disk.mount_point()) else { continue };
            let limit = used + free;
            out.add("system.filesystem.limit", "By", UpDownCounter, &of, limit as f64);
            out.add("system.filesystem.utilization", "1", Gauge, &of, used as f64 / limit as f64);
            for (state, bytes) in [("used", used), ("free", free)] {
                let of = [&of[..], &[("system.filesystem.state", state)]].concat();
                out.add("system.filesystem.usage", "By", UpDownCounter, &of, bytes as f64);
            }
        }
    }

    fn network(&mut self, out: &mut Measures) {
        self.networks.refresh(true);
        let mut all: Vec<_> = self.networks.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        for (name, data) in all {
            let name = name.to_string_lossy();
            if self.config.ignored_interfaces.iter().any(|prefix| name.starts_with(prefix.as_str())) {
                continue;
            }
            for (direction, bytes, packets, errors) in [
                (
                    "receive",
                    data.total_received(),
                    data.total_packets_received(),
                    data.total_errors_on_received(),
                ),
                (
                    "transmit",
                    data.total_transmitted(),
                    data.total_packets_transmitted(),
                    data.total_errors_on_transmitted(),
                ),
            ] {
                let of = [("network.interface.name", name.as_ref()), ("network.io.direction", direction)];
                out.add("system.network.io", "By", Counter, &of, bytes as f64);
                out.add("system.network.packet.count", "{packet}", Counter, &of, packets as f64);
                out.add("system.network.errors", "{error}", Counter, &of, errors as f64);
            }
        }
    }
}

/// Whether a file system can fill up: not a file mounted over another, not one of the kernel's own.
fn is_real(disk: &sysinfo::Disk) -> bool {
    let kind = disk.file_system().to_string_lossy();
    let own =
        ["efivarfs", "nsfs", "ramfs", "tmpfs", "devtmpfs", "fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse"];
    !own.contains(&kind.as_ref()) && disk.mount_point().is_dir()
}

/// The architecture in the words of OpenTelemetry.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        other => other,
    }
}

/// Bytes used, and bytes that anybody may still use: what is reserved for the administrator is in neither, so that the
/// share is that of `df`. `None` if the file system does not say, or holds nothing.
fn space(mount_point: &std::path::Path) -> Option<(u64, u64)> {
    let told = rustix::fs::statvfs(mount_point).ok()?;
    let used = told.f_blocks.saturating_sub(told.f_bfree).saturating_mul(told.f_frsize);
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    (used + free > 0).then_some((used, free))
}

#[cfg(test)]
mod tests;
