//! One supervised process: the task that owns its instances.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use echobase_types::intervention::{Preview, Step, StepReceipt};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::memory::{Memory, start_time};
use super::{Action, InstanceStatus, ProcessStatus, kill_group, readiness, signal_group};
use crate::actuator::{ActuatorError, Call, Refusal, Settled};
use crate::config::{ProcessConfig, ReadinessConfig};

/// Between two questions whether an instance is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A log larger than this is set aside when its instance starts.
const MAX_LOG: u64 = 10 * 1024 * 1024;
/// An instance that ran so long has recovered: the next wait is the first one again.
const RECOVERED: Duration = Duration::from_secs(60);

/// What may be asked of a unit.
pub(super) enum Request {
    Preview { step: Step, answer: oneshot::Sender<Result<Preview, Refusal>> },
    Apply { step: Step, call: Call, answer: oneshot::Sender<Result<StepReceipt, ActuatorError>> },
    Revert { receipt: StepReceipt, call: Call, answer: oneshot::Sender<Result<String, ActuatorError>> },
    Settle { key: String, answer: oneshot::Sender<Settled> },
}

struct Instance {
    pid: u32,
    since: Instant,
    ready: bool,
}

/// An instance that waits to be started again.
struct Due {
    at: Instant,
    wait: Duration,
}

pub(super) struct Unit {
    config: ProcessConfig,
    folder: PathBuf,
    requests: mpsc::Receiver<Request>,
    status: watch::Sender<ProcessStatus>,
    memory: Memory,
    running: BTreeMap<u32, Instance>,
    due: BTreeMap<u32, Due>,
    /// Waits of instances that ended by themselves, until they have recovered.
    waits: BTreeMap<u32, Duration>,
    exits: JoinSet<(u32, u32, io::Result<ExitStatus>)>,
}

impl Unit {
    pub(super) fn new(
        config: ProcessConfig,
        folder: PathBuf,
        requests: mpsc::Receiver<Request>,
        status: watch::Sender<ProcessStatus>,
    ) -> Self {
        Self {
            config,
            folder,
            requests,
            status,
            memory: Memory::default(),
            running: BTreeMap::new(),
            due: BTreeMap::new(),
            waits: BTreeMap::new(),
            exits: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        self.remember().await;
        tokio::select! {
            () = self.start_all() => {}
            () = shutdown.cancelled() => return self.stop_all().await,
        }
        loop {
            let next_due = self.due.values().map(|d| d.at).min();
            let wait_due = async {
                match next_due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return self.stop_all().await,
                Some(ended) = self.exits.join_next() => {
                    if let Ok((number, pid, status)) = ended {
                        self.note_exit(number, pid, status);
                    }
                }
                () = wait_due => self.start_due().await,
                asked = self.requests.recv() => match asked {
                    Some(request) => self.serve(request).await,
                    // Nobody holds the handle any more: only supervision is left.
                    None => {
                        shutdown.cancelled().await;
                        return self.stop_all().await;
                    }
                },
            }
            self.tell();
        }
    }

    fn memory_path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.config.name))
    }

    /// Takes up the memory of the last run and ends what it left running.
    async fn remember(&mut self) {
        if let Err(e) = tokio::fs::create_dir_all(&self.folder).await {
            warn!(folder = %self.folder.display(), error = %e, "the folder of supervised processes cannot be made");
        }
        let configured = self.config.instances;
        let old = Memory::load(&self.memory_path()).await.unwrap_or_default();
        for (pid, started) in &old.children {
            if start_time(*pid).await.as_deref() == Some(started) {
                warn!(process = %self.config.name, pid, "ending a process that an earlier run left behind");
                self.end_orphan(*pid, started).await;
            }
        }
        let keeps = old.configured == configured && (1..=self.config.max_instances).contains(&old.wanted);
        let wanted = if keeps { old.wanted } else { configured };
        self.memory = Memory { configured, wanted, children: Vec::new(), ..old };
    }

    async fn end_orphan(&self, pid: u32, started: &str) {
        signal_group(Some(pid), Signal::TERM);
        let until = Instant::now() + self.config.stop_timeout;
        while start_time(pid).await.as_deref() == Some(started) {
            if Instant::now() >= until {
                kill_group(Some(pid));
                return;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn start_all(&mut self) {
        for number in 0..self.memory.wanted {
            if let Err(detail) = self.start(number).await {
                warn!(process = %self.config.name, instance = number, detail, "not started");
                self.start_later(number);
            }
            self.tell();
        }
    }

    async fn start_due(&mut self) {
        let now = Instant::now();
        let ready: Vec<u32> = self.due.iter().filter(|(_, d)| d.at <= now).map(|(n, _)| *n).collect();
        for number in ready {
            let Some(due) = self.due.remove(&number) else { continue };
            self.waits.insert(number, due.wait);
            if number >= self.memory.wanted || self.running.contains_key(&number) {
                continue;
            }
            if let Err(detail) = self.start(number).await {
                warn!(process = %self.config.name, instance = number, detail, "not started again");
                self.start_later(number);
            }
        }
    }

    /// Starts an instance again after a while that doubles each time.
    fn start_later(&mut self, number: u32) {
        let last = self.waits.get(&number).copied();
        let wait =
            last.map_or(self.config.restart_delay, |w| w.saturating_mul(2)).min(self.config.restart_max);
        self.due.insert(number, Due { at: Instant::now() + wait, wait });
    }

    fn note_exit(&mut self, number: u32, pid: u32, status: io::Result<ExitStatus>) {
        let ours = self.running.get(&number).is_some_and(|i| i.pid == pid);
        if !ours {
            return;
        }
        let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
        warn!(process = %self.config.name, instance = number, pid, how, "ended by itself");
        let ran = self.running.remove(&number).map_or(Duration::ZERO, |i| i.since.elapsed());
        if ran >= RECOVERED {
            self.waits.remove(&number);
        }
        // What it started must not hold its port.
        kill_group(Some(pid));
        if number < self.memory.wanted {
            self.start_later(number);
        }
    }

    fn fill(&self, number: u32, template: &str) -> String {
        let port = self.port(number).map_or_else(String::new, |p| p.to_string());
        template.replace("{instance}", &number.to_string()).replace("{port}", &port)
    }

    fn port(&self, number: u32) -> Option<u16> {
        self.config.base_port?.checked_add(u16::try_from(number).ok()?)
    }

    fn log(&self, number: u32) -> io::Result<File> {
        let path = self.folder.join(format!("{}.{number}.log", self.config.name));
        if std::fs::metadata(&path).is_ok_and(|m| m.len() > MAX_LOG) {
            std::fs::rename(&path, path.with_extension("log.1"))?;
        }
        OpenOptions::new().create(true).append(true).open(path)
    }

    /// Starts an instance and waits until it is ready.
    async fn start(&mut self, number: u32) -> Result<(), String> {
        self.due.remove(&number);
        let argv: Vec<String> = self.config.command.iter().map(|a| self.fill(number, a)).collect();
        let (program, arguments) = argv.split_first().ok_or("no program is configured")?;
        let log = self.log(number).map_err(|e| format!("cannot open the log: {e}"))?;
        let errors = log.try_clone().map_err(|e| format!("cannot open the log: {e}"))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(self.config.env.iter().map(|(k, v)| (k, self.fill(number, v))));
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0).kill_on_drop(true);
        if let Some(cwd) = &self.config.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|e| format!("cannot run {program}: {e}"))?;
        let pid = child.id().ok_or("it ended at once")?;
        self.exits.spawn(async move { (number, pid, child.wait().await) });
        self.running.insert(number, Instance { pid, since: Instant::now(), ready: false });
        self.note_children().await;
        self.await_ready(number, pid).await
    }

    async fn await_ready(&mut self, number: u32, pid: u32) -> Result<(), String> {
        let readiness = match &self.config.readiness {
            ReadinessConfig::Running => ReadinessConfig::Running,
            ReadinessConfig::Tcp { address } => ReadinessConfig::Tcp { address: self.fill(number, address) },
            ReadinessConfig::Http { address, path } => {
                ReadinessConfig::Http { address: self.fill(number, address), path: self.fill(number, path) }
            }
        };
        let until = Instant::now() + self.config.start_timeout;
        loop {
            if readiness::answers(&readiness).await
                && let Some(instance) = self.running.get_mut(&number).filter(|i| i.pid == pid)
            {
                instance.ready = true;
                info!(process = %self.config.name, instance = number, pid, "ready");
                return Ok(());
            }
            if Instant::now() >= until {
                // It stays: it may be slow, and its end would be noted.
                let limit = echobase_types::duration::format(self.config.start_timeout);
                return Err(format!("instance {number} was not ready within {limit}"));
            }
            tokio::select! {
                Some(Ok((ended, ended_pid, status))) = self.exits.join_next() => {
                    self.note_exit(ended, ended_pid, status);
                    if (ended, ended_pid) == (number, pid) {
                        return Err(format!("instance {number} ended before it was ready"));
                    }
                }
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    /// Ends an instance: SIGTERM, then after the timeout SIGKILL. Returns when it is gone.
    async fn stop(&mut self, number: u32) {
        self.due.remove(&number);
        let Some(instance) = self.running.remove(&number) else { return };
        signal_group(Some(instance.pid), Signal::TERM);
        let until = Instant::now() + self.config.stop_timeout;
        let mut killed = false;
        loop {
            tokio::select! {
                ended = self.exits.join_next() => match ended {
                    Some(Ok((_, pid, _))) if pid == instance.pid => break,
                    Some(Ok((other, pid, status))) => self.note_exit(other, pid, status),
                    Some(Err(_)) => {}
                    None => break,
                },
                () = sleep_until(until), if !killed => {
                    warn!(process = %self.config.name, instance = number, "did not end on SIGTERM: killed");
                    kill_group(Some(instance.pid));
                    killed = true;
                }
            }
        }
        kill_group(Some(instance.pid));
        self.tell();
    }

    async fn stop_all(mut self) {
        for instance in self.running.values() {
            signal_group(Some(instance.pid), Signal::TERM);
        }
        let numbers: Vec<u32> = self.running.keys().copied().collect();
        for number in numbers {
            self.stop(number).await;
        }
        self.note_children().await;
        self.tell();
    }

    fn tell(&self) {
        let instances = self
            .running
            .iter()
            .map(|(n, i)| InstanceStatus { number: *n, pid: i.pid, port: self.port(*n), ready: i.ready })
            .collect();
        self.status.send_if_modified(|status| {
            let changed = status.wanted != self.memory.wanted || status.instances != instances;
            status.wanted = self.memory.wanted;
            status.instances = instances;
            changed
        });
    }

    async fn note_children(&mut self) {
        let mut children = Vec::new();
        for instance in self.running.values() {
            if let Some(started) = start_time(instance.pid).await {
                children.push((instance.pid, started));
            }
        }
        self.memory.children = children;
        if let Err(e) = self.memory.save(&self.memory_path()).await {
            warn!(process = %self.config.name, error = %e, "its memory cannot be written");
        }
    }

    async fn serve(&mut self, request: Request) {
        // Whoever asked may be gone by now: then nobody waits for the answer.
        match request {
            Request::Preview { step, answer } => drop(answer.send(self.preview(&step))),
            Request::Apply { step, call, answer } => drop(answer.send(self.apply(&step, &call).await)),
            Request::Revert { receipt, call, answer } => {
                drop(answer.send(self.revert(&receipt, &call).await))
            }
            Request::Settle { key, answer } => drop(answer.send(self.settle(&key))),
        }
    }

    fn preview(&self, step: &Step) -> Result<Preview, Refusal> {
        let (name, wanted) = (&self.config.name, self.memory.wanted);
        let target_version = format!("{wanted}:{}", self.memory.generation);
        let count = |n: u32| if n == 1 { "1 instance".to_owned() } else { format!("{n} instances") };
        Ok(match Action::read(step, wanted, self.config.max_instances)? {
            Action::Restart { only } => Preview {
                summary: match only {
                    Some(number) => format!("restart instance {number} of {name}"),
                    None if wanted == 1 => format!("restart {name}"),
                    None => format!("restart {name}, one of {} at a time", count(wanted)),
                },
                before: count(wanted),
                after: format!("{}, restarted", count(wanted)),
                // One at a time: never more than one is away.
                units: 1,
                units_total: wanted,
                target_version,
                reversible: true,
            },
            Action::Scale { to } => Preview {
                summary: format!("scale {name} from {wanted} to {}", count(to)),
                before: count(wanted),
                after: count(to),
                units: wanted.abs_diff(to),
                units_total: wanted.max(to),
                target_version,
                reversible: true,
            },
        })
    }

    async fn apply(&mut self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError> {
        let key = call.key();
        if let Some(noted) = self.memory.step(&key).filter(|s| s.done) {
            return Ok(noted.receipt.clone());
        }
        self.check_epoch(call)?;
        let before = self.memory.wanted;
        let action = Action::read(step, before, self.config.max_instances)
            .map_err(|e| ActuatorError::untouched(e.reason))?;
        let (summary, undo) = match action {
            Action::Restart { .. } => (format!("restarted {}", self.config.name), serde_json::json!({})),
            Action::Scale { to } => (
                format!("scaled {} from {before} to {to}", self.config.name),
                serde_json::json!({ "to": before }),
            ),
        };
        let receipt = StepReceipt { step: call.step, summary, undo: undo.to_string(), output: String::new() };
        self.memory.begin(&key, receipt.clone());
        self.memory.generation += 1;
        self.memory
            .save(&self.memory_path())
            .await
            .map_err(|e| ActuatorError::untouched(format!("cannot note the step before it is done: {e}")))?;
        let done = match action {
            Action::Restart { only } => self.restart(only).await,
            Action::Scale { to } => self.scale(to).await,
        };
        match done {
            Ok(()) => {
                self.memory.end(&key);
                self.note_children().await;
                Ok(receipt)
            }
            Err(detail) => {
                self.note_children().await;
                Err(ActuatorError::Partly { detail, receipt })
            }
        }
    }

    fn check_epoch(&mut self, call: &Call) -> Result<(), ActuatorError> {
        if call.epoch < self.memory.epoch {
            let words = format!("epoch {} is over: epoch {} acts on it", call.epoch, self.memory.epoch);
            return Err(ActuatorError::untouched(words));
        }
        self.memory.epoch = call.epoch;
        Ok(())
    }

    async fn restart(&mut self, only: Option<u32>) -> Result<(), String> {
        let numbers: Vec<u32> = match only {
            Some(number) => vec![number],
            None => (0..self.memory.wanted).collect(),
        };
        for number in numbers {
            self.stop(number).await;
            self.waits.remove(&number);
            let started = self.start(number).await;
            self.tell();
            // One that does not come back stops the round: the others still work.
            if started.is_err() && !self.running.contains_key(&number) && !self.due.contains_key(&number) {
                self.start_later(number);
            }
            started?;
        }
        Ok(())
    }

    async fn scale(&mut self, to: u32) -> Result<(), String> {
        let before = self.memory.wanted;
        self.memory.wanted = to;
        for number in before..to {
            let started = self.start(number).await;
            self.tell();
            if started.is_err() && !self.running.contains_key(&number) && !self.due.contains_key(&number) {
                self.start_later(number);
            }
            started?;
        }
        for number in (to..before).rev() {
            self.stop(number).await;
        }
        Ok(())
    }

    async fn revert(&mut self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError> {
        self.check_epoch(call)?;
        let undo: serde_json::Value = serde_json::from_str(&receipt.undo)
            .map_err(|e| ActuatorError::untouched(format!("the receipt is damaged: {e}")))?;
        let Some(to) = undo["to"].as_u64().and_then(|n| u32::try_from(n).ok()) else {
            return Ok("a restart leaves nothing to undo".to_owned());
        };
        if !(1..=self.config.max_instances).contains(&to) {
            return Err(ActuatorError::untouched(format!("{to} instances are not allowed any more")));
        }
        if to == self.memory.wanted {
            return Ok(format!("{} has {to} instances already", self.config.name));
        }
        let before = self.memory.wanted;
        self.memory.generation += 1;
        let done = self.scale(to).await;
        self.note_children().await;
        done.map_err(ActuatorError::untouched)?;
        Ok(format!("scaled {} from {before} back to {to}", self.config.name))
    }

    fn settle(&self, key: &str) -> Settled {
        match self.memory.step(key) {
            None => Settled::NotDone,
            Some(step) if step.done => Settled::Done(step.receipt.clone()),
            Some(step) => Settled::InDoubt(Some(step.receipt.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
