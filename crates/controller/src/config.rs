//! The settings of the controller and its actuators.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use echobase_types::intervention::RiskClass;
use echobase_types::{ResourceId, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_text;

/// The controller: limits that hold for all playbooks, and the actuators `process` and `command`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControllerConfig {
    /// The least cool-down after an intervention on a target, whatever a playbook says. Default: "5m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub cooldown_floor: Duration,
    /// Interventions per tenant and hour, over all playbooks. Default: 20.
    pub tenant_per_hour: u32,
    /// Interventions per hour over all tenants of this installation. Default: 60.
    pub global_per_hour: u32,
    /// Storm: from this many interventions within `storm_window` on, each further one needs a person. Default: 5.
    pub storm_threshold: u32,
    /// The window of the storm detector. Default: "10m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub storm_window: Duration,
    /// So many attempts of one playbook that failed, or whose trouble came back, within `ineffective_window`, and the
    /// playbook is frozen. Default: 3.
    pub ineffective_attempts: u32,
    /// The window of the ineffective-loop breaker. Default: "4h".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub ineffective_window: Duration,
    /// Verified successes of a playbook's newest version before `autonomy: auto` takes effect; until then a person
    /// approves. After a failure they are counted anew (at least one). Default: 3.
    pub autonomy_successes: u32,
    /// How long an approval may be given, and then how long the approved plan may wait. Default: "15m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub approval_expiry: Duration,
    /// How long a suggestion may wait to be taken up. Default: "1h".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub suggestion_expiry: Duration,
    /// Assessments in a row, newer than the last step, in which all success criteria must hold. Default: 2.
    pub confirmations: u32,
    /// Whether the only person of a tenant who may release a freeze can do so alone. Default: false (add a second
    /// person, who confirms).
    pub allow_single_person_unfreeze: bool,
    /// Processes that Echobase starts, watches, restarts and scales.
    pub processes: Vec<ProcessConfig>,
    /// Commands that playbooks may run.
    pub commands: Vec<CommandConfig>,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            cooldown_floor: Duration::from_secs(300),
            tenant_per_hour: 20,
            global_per_hour: 60,
            storm_threshold: 5,
            storm_window: Duration::from_secs(600),
            ineffective_attempts: 3,
            ineffective_window: Duration::from_secs(4 * 3_600),
            autonomy_successes: 3,
            approval_expiry: Duration::from_secs(900),
            suggestion_expiry: Duration::from_secs(3_600),
            confirmations: 2,
            allow_single_person_unfreeze: false,
            processes: Vec::new(),
            commands: Vec::new(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("controller configuration `{key}`: {detail}")]
pub struct InvalidConfig {
    /// Which key.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub detail: String,
}

impl ControllerConfig {
    /// What no single key can say.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let wrong = |key: String, detail: String| Err(InvalidConfig { key, detail });
        for (index, process) in self.processes.iter().enumerate() {
            if let Err(detail) = process.check() {
                return wrong(format!("processes[{index}]"), detail);
            }
            if self.processes.iter().take(index).any(|p| p.name == process.name) {
                return wrong(format!("processes[{index}].name"), format!("`{}` stands twice", process.name));
            }
        }
        for (index, command) in self.commands.iter().enumerate() {
            if let Err(detail) = command.check() {
                return wrong(format!("commands[{index}]"), detail);
            }
            if self.commands.iter().take(index).any(|c| c.name == command.name) {
                return wrong(format!("commands[{index}].name"), format!("`{}` stands twice", command.name));
            }
        }
        Ok(())
    }
}

/// A process that Echobase supervises. In `command`, `env` and `readiness`, `{instance}` stands for the number of the
/// instance from 0, and `{port}` for its port (`base_port` + instance).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessConfig {
    /// Its name, unique: a-z, 0-9 and `-`.
    pub name: String,
    /// The resource that it is, such as "service:shop/orders": interventions on that resource act on this process.
    pub resource: String,
    /// The tenant whose resource that is. Default: "default".
    pub tenant: String,
    /// Argument vector; the first is the program. No shell is involved.
    pub command: Vec<String>,
    /// Folder in which it runs. Default: that of Echobase.
    pub cwd: Option<PathBuf>,
    /// Variables added to those it inherits.
    pub env: BTreeMap<String, String>,
    /// Instances at the start, at least 1. Default: 1.
    pub instances: u32,
    /// Instances at most when scaled. Default: 4.
    pub max_instances: u32,
    /// Port of the first instance. Default: none.
    pub base_port: Option<u16>,
    /// When an instance counts as ready. Default: as soon as it runs.
    pub readiness: ReadinessConfig,
    /// How long an instance may take to be ready. Default: "30s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub start_timeout: Duration,
    /// How long an instance may take to end after SIGTERM, before SIGKILL. Default: "10s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub stop_timeout: Duration,
    /// Wait before an instance that ended by itself is started again; doubled each time up to `restart_max`.
    /// Default: "1s".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub restart_delay: Duration,
    /// The longest such wait. Default: "1m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub restart_max: Duration,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            resource: String::new(),
            tenant: "default".to_owned(),
            command: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            instances: 1,
            max_instances: 4,
            base_port: None,
            readiness: ReadinessConfig::Running,
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            restart_delay: Duration::from_secs(1),
            restart_max: Duration::from_secs(60),
        }
    }
}

/// When an instance counts as ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReadinessConfig {
    /// As soon as it runs.
    #[default]
    Running,
    /// When this address accepts a connection, such as "127.0.0.1:{port}".
    Tcp {
        /// The address.
        address: String,
    },
    /// When this path answers 2xx to a GET, such as "127.0.0.1:{port}" and "/health". Plain HTTP.
    Http {
        /// The address.
        address: String,
        /// The path. Default: "/".
        #[serde(default = "root")]
        path: String,
    },
}

fn root() -> String {
    "/".to_owned()
}

impl ProcessConfig {
    /// The target that it is. Checked by [`ControllerConfig::check`].
    pub(crate) fn target(&self) -> Option<(TenantId, ResourceId)> {
        Some((TenantId::new(&self.tenant).ok()?, ResourceId::new(&self.resource).ok()?))
    }

    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        TenantId::new(&self.tenant).map_err(|e| e.to_string())?;
        ResourceId::new(&self.resource).map_err(|e| e.to_string())?;
        if self.command.first().is_none_or(String::is_empty) {
            return Err("`command` names no program".to_owned());
        }
        if self.instances == 0 || self.instances > self.max_instances {
            return Err("`instances` must be 1 to `max_instances`".to_owned());
        }
        let last = u32::from(self.base_port.unwrap_or(1)) + self.max_instances - 1;
        if last > u32::from(u16::MAX) {
            return Err("`base_port` plus `max_instances` is beyond port 65535".to_owned());
        }
        Ok(())
    }
}

/// A command that playbooks may run by its name. No shell: the arguments go to the program as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommandConfig {
    /// Its name, unique: a-z, 0-9 and `-`. A playbook's step names it as the argument `command`.
    pub name: String,
    /// Argument vector; the first is the program, by its whole path. `{target}` stands for the resource id, and
    /// `{name}` for an argument `name` of the step that `arguments` lists.
    pub argv: Vec<String>,
    /// Arguments that a step may give; each value is 1 to 200 of a-z, A-Z, 0-9 and `._:/@-`, and does not begin
    /// with `-`. Default: none.
    pub arguments: Vec<String>,
    /// What undoes it, in the same form. Default: it cannot be undone, and so is never automatic.
    pub revert_argv: Vec<String>,
    /// Folder in which it runs. Default: that of Echobase.
    pub cwd: Option<PathBuf>,
    /// Variables it gets. Nothing is inherited but what `pass_env` lists.
    pub env: BTreeMap<String, String>,
    /// Variables of Echobase that it inherits. Default: "PATH".
    pub pass_env: Vec<String>,
    /// How long it may take. Default: "1m".
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// `low`, `medium` or `high`: the least class of risk of a plan that has it. Default: "medium".
    pub risk: String,
    /// Resources that it may be run for: ids or patterns with `*`. Default: all.
    pub targets: Vec<String>,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            argv: Vec::new(),
            arguments: Vec::new(),
            revert_argv: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            pass_env: vec!["PATH".to_owned()],
            timeout: Duration::from_secs(60),
            risk: "medium".to_owned(),
            targets: Vec::new(),
        }
    }
}

impl CommandConfig {
    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        if self.argv.first().is_none_or(String::is_empty) {
            return Err("`argv` names no program".to_owned());
        }
        if RiskClass::parse(&self.risk).is_none() {
            return Err(format!("`risk` is `{}`, it must be low, medium or high", self.risk));
        }
        if self.timeout.is_zero() {
            return Err("`timeout` must be longer than zero".to_owned());
        }
        Ok(())
    }

    /// The least class of risk.
    pub(crate) fn risk_class(&self) -> RiskClass {
        RiskClass::parse(&self.risk).unwrap_or(RiskClass::Medium)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits { Ok(()) } else { Err(format!("`name` is `{name}`, use 1 to 63 of a-z, 0-9 and `-`")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn process(change: impl FnOnce(&mut ProcessConfig)) -> ControllerConfig {
        let mut process = ProcessConfig {
            name: "orders".to_owned(),
            resource: "service:shop/orders".to_owned(),
            command: vec!["/bin/sleep".to_owned()],
            ..ProcessConfig::default()
        };
        change(&mut process);
        ControllerConfig { processes: vec![process], ..ControllerConfig::default() }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_its_key() {
        assert_eq!(process(|_| {}).check(), Ok(()));
        for (config, words) in [
            (process(|p| p.name = "Orders".into()), "a-z"),
            (process(|p| p.resource = "orders now".into()), "resource id"),
            (process(|p| p.tenant = "A".into()), "tenant id"),
            (process(|p| p.command.clear()), "program"),
            (process(|p| p.instances = 5), "max_instances"),
            (process(|p| p.instances = 0), "1 to"),
            (process(|p| p.base_port = Some(65_533)), "65535"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.key.starts_with("processes[0]"), "{error}");
        }
        let mut twice = process(|_| {});
        twice.processes.push(twice.processes[0].clone());
        assert!(twice.check().unwrap_err().detail.contains("twice"));
    }

    #[test]
    fn unknown_keys_are_refused_and_lengths_are_texts() {
        let read = |text: &str| serde_json::from_str::<ControllerConfig>(text);
        assert_eq!(read(r#"{"cooldown_floor":"10s"}"#).unwrap().cooldown_floor, Duration::from_secs(10));
        for text in [r#"{"cooldown":"10s"}"#, r#"{"cooldown_floor":10}"#, r#"{"commands":[{"nam":"x"}]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        let tcp = r#"{"processes":[{"readiness":{"kind":"tcp","address":"127.0.0.1:{port}"}}]}"#;
        assert!(matches!(read(tcp).unwrap().processes[0].readiness, ReadinessConfig::Tcp { .. }));
    }
}
