#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
use std::path::Path;

use echobase_types::{InterventionId, ResourceId, TenantId};
use tokio::net::TcpListener;

use super::*;
use crate::actuator::process::{Processes, supervise};
use crate::actuator::{Actuator as _, Target};

struct Plant {
    processes: Processes,
    shutdown: CancellationToken,
    task: JoinSet<()>,
}

impl Plant {
    fn start(config: &ProcessConfig, folder: &Path) -> Self {
        let (processes, supervisor) = supervise(std::slice::from_ref(config), folder.to_owned());
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(supervisor.run(shutdown.clone()));
        Self { processes, shutdown, task }
    }

    /// Waits on a state; the limit only bounds a failing test.
    async fn wait_for(&self, holds: impl Fn(&ProcessStatus) -> bool) -> ProcessStatus {
        let mut status = self.processes.units[0].status.clone();
        let found = tokio::time::timeout(Duration::from_secs(10), status.wait_for(|s| holds(s))).await;
        found.expect("the state did not come in time").unwrap().clone()
    }

    async fn pids(&self) -> Vec<u32> {
        self.processes.ready().await;
        self.processes.status()[0].instances.iter().map(|i| i.pid).collect()
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

fn sleeper() -> ProcessConfig {
    ProcessConfig {
        name: "orders".to_owned(),
        resource: "service:orders".to_owned(),
        command: vec!["/bin/sleep".to_owned(), "1000{instance}".to_owned()],
        restart_delay: Duration::from_millis(10),
        start_timeout: Duration::from_millis(300),
        stop_timeout: Duration::from_millis(300),
        ..ProcessConfig::default()
    }
}

fn target() -> Target {
    Target { tenant: TenantId::default_tenant(), resource: ResourceId::new("service:orders").unwrap() }
}

fn call(id: u128, epoch: u64) -> Call {
    let intervention = InterventionId::from_uuid(uuid::Uuid::from_u128(id));
    Call { target: target(), intervention, step: 0, epoch }
}

fn step(action: &str, arguments: &[(&str, &str)]) -> Step {
    let arguments = arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Step { action: action.to_owned(), arguments, argv: Vec::new() }
}

async fn alive(pid: u32) -> bool {
    start_time(pid).await.is_some()
}

#[tokio::test]
async fn processes_start_scale_restart_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(&sleeper(), folder.path());
    let first = plant.pids().await;
    assert_eq!(first.len(), 1);

    let scale = step("scale", &[("by", "1")]);
    let preview = plant.processes.preview(&target(), &scale).await.unwrap();
    assert_eq!((preview.units, preview.units_total, preview.target_version.as_str()), (1, 2, "1:0"));
    let receipt = plant.processes.apply(&scale, &call(1, 1)).await.unwrap();
    let two = plant.pids().await;
    assert_eq!((two.len(), two[0]), (2, first[0]));
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", two[1])).unwrap();
    assert!(cmdline.contains("10001"), "{cmdline}");

    // The same key again is the same act: nothing more is done.
    assert_eq!(plant.processes.apply(&scale, &call(1, 1)).await.unwrap(), receipt);
    assert_eq!(plant.pids().await, two);

    plant.processes.apply(&step("restart", &[]), &call(2, 1)).await.unwrap();
    let fresh = plant.pids().await;
    assert!(fresh.len() == 2 && fresh.iter().all(|pid| !two.contains(pid)));
    assert!(!alive(two[0]).await && !alive(two[1]).await);
    let one = step("restart", &[("instance", "1")]);
    plant.processes.apply(&one, &call(3, 1)).await.unwrap();
    let last = plant.pids().await;
    assert!(last[0] == fresh[0] && last[1] != fresh[1]);

    let words = plant.processes.revert(&receipt, &call(1, 1)).await.unwrap();
    assert_eq!(words, "scaled orders from 2 back to 1");
    assert_eq!(plant.pids().await, [fresh[0]]);
    assert!(plant.processes.revert(&receipt, &call(1, 1)).await.unwrap().contains("already"));

    plant.stop().await;
    assert!(!alive(fresh[0]).await);
}

#[tokio::test]
async fn an_old_epoch_and_an_unknown_target_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(&sleeper(), folder.path());
    let scale = step("scale", &[("to", "2")]);
    plant.processes.apply(&step("restart", &[]), &call(1, 5)).await.unwrap();
    let late = plant.processes.apply(&scale, &call(2, 4)).await.unwrap_err();
    assert!(late.to_string().contains("epoch 4 is over"), "{late}");
    assert_eq!(plant.pids().await.len(), 1);
    let elsewhere = Target { resource: ResourceId::new("service:store").unwrap(), ..target() };
    assert!(plant.processes.preview(&elsewhere, &scale).await.unwrap_err().reason.contains("service:orders"));
    let other_tenant = Target { tenant: TenantId::new("b").unwrap(), ..target() };
    assert!(plant.processes.preview(&other_tenant, &scale).await.is_err());
    plant.stop().await;
}

#[tokio::test]
async fn an_instance_that_ends_by_itself_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(&sleeper(), folder.path());
    let pid = plant.pids().await[0];
    kill_group(Some(pid));
    let back = plant.wait_for(|s| s.instances.first().is_some_and(|i| i.pid != pid && i.ready)).await;
    assert_eq!(back.instances.len(), 1);
    plant.stop().await;
}

#[tokio::test]
async fn what_a_killed_run_left_behind_is_ended_and_its_steps_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut plant = Plant::start(&sleeper(), folder.path());
    let receipt = plant.processes.apply(&step("scale", &[("to", "2")]), &call(1, 1)).await.unwrap();
    let left = plant.pids().await;
    // A step that was begun when the power went: noted, not done.
    let path = folder.path().join("orders.json");
    let mut memory = Memory::load(&path).await.unwrap();
    assert_eq!(memory.children.len(), 2);
    // The processes of a killed Echobase live on: here they are started apart from the plant.
    let mut apart =
        std::process::Command::new("/bin/sleep").arg("1000").process_group_zero().spawn().unwrap();
    memory.children.push((apart.id(), start_time(apart.id()).await.unwrap()));
    memory.children.push((std::process::id(), "not its start time".to_owned()));
    memory.begin(&call(9, 1).key(), receipt.clone());
    plant.shutdown.cancel();
    while plant.task.join_next().await.is_some() {}
    memory.save(&path).await.unwrap();

    let plant = Plant::start(&sleeper(), folder.path());
    let now = plant.pids().await;
    assert_eq!(now.len(), 2, "what was scaled stays scaled");
    assert!(now.iter().all(|pid| !left.contains(pid)));
    assert!(!alive(apart.id()).await);
    apart.wait().unwrap();
    let any = step("restart", &[]);
    assert_eq!(plant.processes.settle(&any, &call(1, 1)).await, Settled::Done(receipt.clone()));
    assert_eq!(plant.processes.settle(&any, &call(9, 1)).await, Settled::InDoubt(Some(receipt)));
    assert_eq!(plant.processes.settle(&any, &call(8, 1)).await, Settled::NotDone);
    plant.stop().await;

    // A changed configuration wins over what was scaled.
    let plant = Plant::start(&ProcessConfig { instances: 3, ..sleeper() }, folder.path());
    assert_eq!(plant.pids().await.len(), 3);
    plant.stop().await;
}

trait ProcessGroupZero {
    fn process_group_zero(&mut self) -> &mut Self;
}

impl ProcessGroupZero for std::process::Command {
    fn process_group_zero(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}

#[tokio::test]
async fn a_step_that_does_not_become_ready_fails_with_what_undoes_it() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let readiness = ReadinessConfig::Tcp { address: format!("127.0.0.{{instance}}1:{port}") };
    // Instance 0 finds a listener at 127.0.0.01; instance 1 finds none at 127.0.0.11.
    let readiness = match readiness {
        ReadinessConfig::Tcp { address } => {
            ReadinessConfig::Tcp { address: address.replace("0.{instance}1", "{instance}.1") }
        }
        other => other,
    };
    let config = ProcessConfig { readiness, ..sleeper() };
    let plant = Plant::start(&config, folder.path());
    plant.processes.ready().await;
    let error = plant.processes.apply(&step("scale", &[("to", "2")]), &call(1, 1)).await.unwrap_err();
    let ActuatorError::Partly { detail, receipt } = error else { panic!("{error}") };
    assert!(detail.contains("not ready within"), "{detail}");
    plant.processes.revert(&receipt, &call(1, 1)).await.unwrap();
    assert_eq!(plant.wait_for(|s| s.instances.len() == 1).await.wanted, 1);
    plant.stop().await;
}

#[tokio::test]
async fn a_program_that_ends_at_once_or_is_absent_is_tried_again_and_reported() {
    for program in ["/bin/false", "/nowhere/program"] {
        let folder = tempfile::tempdir().unwrap();
        let readiness = ReadinessConfig::Tcp { address: "127.0.0.1:1".to_owned() };
        let config = ProcessConfig { command: vec![program.to_owned()], readiness, ..sleeper() };
        let plant = Plant::start(&config, folder.path());
        let error = plant.processes.apply(&step("restart", &[]), &call(1, 1)).await.unwrap_err();
        assert!(matches!(&error, ActuatorError::Partly { .. }), "{error}");
        plant.stop().await;
    }
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_and_its_output_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let script = "import signal,sys,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(1000)";
    let mut config = sleeper();
    config.command =
        vec!["/usr/bin/env".to_owned(), "python3".to_owned(), "-c".to_owned(), script.to_owned()];
    let plant = Plant::start(&config, folder.path());
    let pid = plant.pids().await[0];
    let log = folder.path().join("orders.0.log");
    let until = Instant::now() + Duration::from_secs(10);
    while !std::fs::read_to_string(&log).unwrap_or_default().contains("up") {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
    plant.stop().await;
    assert!(!alive(pid).await);
}
