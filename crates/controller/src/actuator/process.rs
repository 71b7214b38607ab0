//! The actuator `process`: processes that Echobase starts, watches, restarts and scales.
//!
//! Each configured process is owned by one task ([`Supervisor::run`]); [`Processes`] is the handle. What a step did
//! is noted in a file of its process together with its idempotency key, so that a step that was begun before a crash
//! is recognised after it. Children run in process groups of their own; they are ended on shutdown, and those that a
//! killed Echobase left behind are ended on the next start, before new ones take their place.

mod memory;
mod readiness;
mod unit;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use echobase_types::intervention::{Preview, Step, StepReceipt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Actuator, ActuatorError, Call, Refusal, Settled, Target};
use crate::config::ProcessConfig;
use unit::{Request, Unit};

/// Requests that may wait for one process.
const QUEUE: usize = 16;

/// The handle on all supervised processes. Cheap to clone.
#[derive(Clone)]
pub struct Processes {
    units: Arc<Vec<UnitHandle>>,
}

struct UnitHandle {
    target: Target,
    name: String,
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<ProcessStatus>,
}

/// The task behind the handle.
pub struct Supervisor {
    units: Vec<Unit>,
}

/// A supervised process as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub target: Target,
    /// How many instances there should be.
    pub wanted: u32,
    /// The instances that run, by number.
    pub instances: Vec<InstanceStatus>,
}

/// One running instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its number, from 0.
    pub number: u32,
    /// Its process id.
    pub pid: u32,
    /// Its port, if it has one.
    pub port: Option<u16>,
    /// Whether it was found ready.
    pub ready: bool,
}

/// Makes the handle and its task. `folder` takes logs and notes; processes without a well-formed target are left out
/// ([`crate::ControllerConfig::check`] refuses them before).
pub fn supervise(all: &[ProcessConfig], folder: PathBuf) -> (Processes, Supervisor) {
    let (mut handles, mut units) = (Vec::new(), Vec::new());
    for config in all {
        let Some((tenant, resource)) = config.target() else { continue };
        let target = Target { tenant, resource };
        let (requests, waiting) = mpsc::channel(QUEUE);
        let first = ProcessStatus {
            name: config.name.clone(),
            target: target.clone(),
            wanted: config.instances,
            instances: Vec::new(),
        };
        let (tell, status) = watch::channel(first);
        handles.push(UnitHandle { target, name: config.name.clone(), requests, status });
        units.push(Unit::new(config.clone(), folder.clone(), waiting, tell));
    }
    (Processes { units: Arc::new(handles) }, Supervisor { units })
}

impl Supervisor {
    /// Starts all processes and keeps them running until shutdown; then ends them.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        for unit in self.units {
            tasks.spawn(unit.run(shutdown.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(e) = ended {
                error!(error = %e, "supervision of a process ended by itself");
            }
        }
    }
}

impl Processes {
    /// All processes as they are now.
    pub fn status(&self) -> Vec<ProcessStatus> {
        self.units.iter().map(|u| u.status.borrow().clone()).collect()
    }

    /// Returns when every process has all its instances ready, or gives up with the supervisor.
    pub async fn ready(&self) {
        for unit in self.units.iter() {
            let all_ready = |s: &ProcessStatus| {
                s.instances.len() == s.wanted as usize && s.instances.iter().all(|i| i.ready)
            };
            let _ = unit.status.clone().wait_for(all_ready).await;
        }
    }

    fn unit(&self, target: &Target) -> Result<&UnitHandle, Refusal> {
        self.units.iter().find(|u| u.target == *target).ok_or_else(|| {
            let known: Vec<&str> = self.units.iter().map(|u| u.target.resource.as_str()).collect();
            Refusal::new(format!(
                "{} is not a supervised process; there are {}",
                target.resource,
                known.join(", ")
            ))
        })
    }
}

impl UnitHandle {
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Refusal> {
        let (answer, waiting) = oneshot::channel();
        let gone = || Refusal::new(format!("the supervision of {} has ended", self.name));
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        waiting.await.map_err(|_| gone())
    }
}

/// What a step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Restart { only: Option<u32> },
    Scale { to: u32 },
}

impl Action {
    /// Reads a step against the present number of instances and the largest allowed.
    fn read(step: &Step, wanted: u32, most: u32) -> Result<Self, Refusal> {
        let number = |name: &str| -> Result<Option<i64>, Refusal> {
            let Some(text) = step.arguments.get(name) else { return Ok(None) };
            text.parse()
                .map(Some)
                .map_err(|_| Refusal::new(format!("the argument `{name}` must be a whole number")))
        };
        let known: &[&str] = match step.action.as_str() {
            "restart" => &["instance"],
            "scale" => &["by", "to"],
            other => {
                let words =
                    format!("the actuator `process` has the actions `restart` and `scale`, not `{other}`");
                return Err(Refusal::new(words));
            }
        };
        if let Some(unknown) = step.arguments.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(Refusal::new(format!("`{}` takes no argument `{unknown}`", step.action)));
        }
        if !step.argv.is_empty() {
            return Err(Refusal::new("the actuator `process` takes no argument vector"));
        }
        if step.action == "restart" {
            let Some(only) = number("instance")? else { return Ok(Self::Restart { only: None }) };
            let only = u32::try_from(only).ok().filter(|n| *n < wanted);
            return match only {
                Some(only) => Ok(Self::Restart { only: Some(only) }),
                None => {
                    Err(Refusal::new(format!("there is no such instance; there are 0 to {}", wanted - 1)))
                }
            };
        }
        let to = match (number("by")?, number("to")?) {
            (Some(by), None) => i64::from(wanted).saturating_add(by),
            (None, Some(to)) => to,
            _ => return Err(Refusal::new("`scale` takes either `by` or `to`")),
        };
        match u32::try_from(to) {
            Ok(to) if to == wanted => Err(Refusal::new(format!("there are {wanted} instances already"))),
            Ok(to) if (1..=most).contains(&to) => Ok(Self::Scale { to }),
            _ => Err(Refusal::new(format!("{to} instances are asked for, 1 to {most} are allowed"))),
        }
    }
}

#[async_trait]
impl Actuator for Processes {
    fn name(&self) -> &str {
        "process"
    }

    async fn preview(&self, target: &Target, step: &Step) -> Result<Preview, Refusal> {
        let step = step.clone();
        self.unit(target)?.ask(|answer| Request::Preview { step, answer }).await?
    }

    async fn apply(&self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError> {
        let (step, call) = (step.clone(), call.clone());
        let unit = self.unit(&call.target).map_err(|e| ActuatorError::untouched(e.reason))?;
        let done = unit.ask(|answer| Request::Apply { step, call, answer }).await;
        done.map_err(|e| ActuatorError::untouched(e.reason))?
    }

    async fn revert(&self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError> {
        let (receipt, call) = (receipt.clone(), call.clone());
        let unit = self.unit(&call.target).map_err(|e| ActuatorError::untouched(e.reason))?;
        let done = unit.ask(|answer| Request::Revert { receipt, call, answer }).await;
        done.map_err(|e| ActuatorError::untouched(e.reason))?
    }

    async fn settle(&self, _step: &Step, call: &Call) -> Settled {
        let key = call.key();
        let Ok(unit) = self.unit(&call.target) else { return Settled::InDoubt(None) };
        unit.ask(|answer| Request::Settle { key, answer }).await.unwrap_or(Settled::InDoubt(None))
    }
}

/// Ends a process group at once. A group that is gone is no error.
pub(super) fn kill_group(pid: Option<u32>) {
    signal_group(pid, Signal::KILL);
}

fn signal_group(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    // Never the first process: as a group it would stand for every process of the machine.
    if let Some(pid) = pid.filter(|pid| *pid != Pid::INIT) {
        let _ = kill_process_group(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn steps_are_read_against_what_runs_now() {
        let read = |action: &str, arguments: &[(&str, &str)]| {
            let step = Step {
                action: action.to_owned(),
                arguments: arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
                argv: Vec::new(),
            };
            Action::read(&step, 2, 4).map_err(|e| e.reason)
        };
        assert_eq!(read("restart", &[]), Ok(Action::Restart { only: None }));
        assert_eq!(read("restart", &[("instance", "1")]), Ok(Action::Restart { only: Some(1) }));
        assert_eq!(read("scale", &[("by", "1")]), Ok(Action::Scale { to: 3 }));
        assert_eq!(read("scale", &[("by", "-1")]), Ok(Action::Scale { to: 1 }));
        assert_eq!(read("scale", &[("to", "4")]), Ok(Action::Scale { to: 4 }));
        for (action, arguments, words) in [
            ("restart", &[("instance", "2")][..], "0 to 1"),
            ("restart", &[("by", "1")][..], "no argument `by`"),
            ("scale", &[][..], "either"),
            ("scale", &[("by", "1"), ("to", "2")][..], "either"),
            ("scale", &[("by", "x")][..], "whole number"),
            ("scale", &[("to", "2")][..], "already"),
            ("scale", &[("to", "5")][..], "1 to 4"),
            ("scale", &[("by", "-2")][..], "1 to 4"),
            ("kill", &[][..], "`kill`"),
        ] {
            let said = read(action, arguments).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
