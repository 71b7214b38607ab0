//! The actuator `command`: runs programs that the operator's configuration names. A playbook gives the name and the
//! arguments that the configuration allows; it can neither bring a program of its own nor reach a shell.

use std::process::Stdio;

use async_trait::async_trait;
use echobase_types::intervention::{Preview, RiskClass, Step, StepReceipt};
use echobase_types::playbook::Selector;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::{Actuator, ActuatorError, Call, MAX_OUTPUT, Refusal, Settled, Target, cut_output};
use crate::config::CommandConfig;

/// The step argument that names the command.
const NAME: &str = "command";
/// The only action.
const RUN: &str = "run";
/// Bytes read of an output before the rest is thrown away.
const MAX_READ: usize = 4 * MAX_OUTPUT;

/// The actuator. The environment is that of Echobase, handed in by whoever reads it.
#[derive(Clone, Debug)]
pub struct Commands {
    all: Vec<CommandConfig>,
    environment: Vec<(String, String)>,
}

/// A command with its arguments filled in.
struct Ready<'a> {
    config: &'a CommandConfig,
    argv: Vec<String>,
    revert: Vec<String>,
}

/// What happened to a program.
struct Ran {
    ended_well: bool,
    how: String,
    output: String,
}

impl Commands {
    /// Of these commands; `environment` is what `pass_env` picks from.
    pub fn new(all: Vec<CommandConfig>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { all, environment: environment.into_iter().collect() }
    }

    fn find(&self, step: &Step) -> Option<&CommandConfig> {
        let name = step.arguments.get(NAME)?;
        self.all.iter().find(|c| c.name == *name)
    }

    fn ready(&self, target: &Target, step: &Step) -> Result<Ready<'_>, Refusal> {
        if step.action != RUN {
            return Err(Refusal::new(format!(
                "the actuator `command` has the action `run`, not `{}`",
                step.action
            )));
        }
        if !step.argv.is_empty() {
            let words = "a step cannot bring its own argument vector: name a configured command as `command`";
            return Err(Refusal::new(words));
        }
        let Some(config) = self.find(step) else {
            let known: Vec<&str> = self.all.iter().map(|c| c.name.as_str()).collect();
            return Err(Refusal::new(format!(
                "name a configured command as `command`: {}",
                known.join(", ")
            )));
        };
        let allowed = |pattern: &String| {
            Selector { kind: None, resource: Some(pattern.clone()) }.takes_in(&target.resource)
        };
        if !config.targets.is_empty() && !config.targets.iter().any(allowed) {
            let words = format!("`{}` is not configured for {}", config.name, target.resource);
            return Err(Refusal::new(words));
        }
        for (name, value) in step.arguments.iter().filter(|(name, _)| *name != NAME) {
            if !config.arguments.contains(name) {
                return Err(Refusal::new(format!("`{}` takes no argument `{name}`", config.name)));
            }
            check_value(name, value)?;
        }
        let fill =
            |argv: &[String]| argv.iter().map(|arg| fill(arg, target, step)).collect::<Result<Vec<_>, _>>();
        Ok(Ready { config, argv: fill(&config.argv)?, revert: fill(&config.revert_argv)? })
    }

    async fn run(&self, config: &CommandConfig, argv: &[String], call: &Call) -> Result<Ran, std::io::Error> {
        let (program, arguments) = argv.split_first().map_or(("", [].as_slice()), |(p, a)| (p.as_str(), a));
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        command.envs(self.environment.iter().filter(|(k, _)| config.pass_env.contains(k)).cloned());
        command
            .envs(&config.env)
            .env("ECHOBASE_INTERVENTION", call.intervention.to_string())
            .env("ECHOBASE_STEP", call.step.to_string())
            .env("ECHOBASE_EPOCH", call.epoch.to_string())
            .env("ECHOBASE_TARGET", call.target.resource.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(cwd) = &config.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn()?;
        let group = child.id();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (out, err, status) = tokio::join!(read_some(out), read_some(err), child.wait());
            status.map(|status| (out, err, status))
        };
        match tokio::time::timeout(config.timeout, work).await {
            Ok(done) => {
                let (out, err, status) = done?;
                let output = if err.is_empty() { out } else { format!("{out}\n--- errors ---\n{err}") };
                Ok(Ran {
                    ended_well: status.success(),
                    how: status.to_string(),
                    output: cut_output(output.trim()),
                })
            }
            Err(_) => {
                // The whole group: what it started must not outlive it.
                super::process::kill_group(group);
                let _ = child.wait().await;
                let how = format!("took longer than {}", echobase_types::duration::format(config.timeout));
                Ok(Ran { ended_well: false, how, output: String::new() })
            }
        }
    }

    fn receipt(call: &Call, config: &CommandConfig, revert: &[String], output: String) -> StepReceipt {
        let undo = serde_json::json!({ NAME: config.name, "argv": revert }).to_string();
        StepReceipt { step: call.step, summary: format!("ran {}", config.name), undo, output }
    }
}

async fn read_some(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let mut buffer = [0; 4_096];
    // Read to the end in any case: a full pipe would stop the program.
    while let Ok(n) = pipe.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        let room = MAX_READ.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..n.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn check_value(name: &str, value: &str) -> Result<(), Refusal> {
    let fits = (1..=200).contains(&value.len())
        && !value.starts_with('-')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c));
    if fits {
        return Ok(());
    }
    let words =
        format!("the argument `{name}` must be 1 to 200 of a-z, A-Z, 0-9 and `._:/@-`, without `-` in front");
    Err(Refusal::new(words))
}

/// Fills `{target}` and `{name}` in; a name without a value is refused.
fn fill(template: &str, target: &Target, step: &Step) -> Result<String, Refusal> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else { break };
        let name = &rest[open + 1..open + length];
        filled.push_str(&rest[..open]);
        match (name, step.arguments.get(name)) {
            ("target", _) => filled.push_str(target.resource.as_str()),
            (_, Some(value)) => filled.push_str(value),
            _ => return Err(Refusal::new(format!("the argument `{name}` is missing"))),
        }
        rest = &rest[open + length + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[async_trait]
impl Actuator for Commands {
    fn name(&self) -> &str {
        NAME
    }

    fn risk_floor(&self, step: &Step) -> RiskClass {
        self.find(step).map_or(RiskClass::Medium, CommandConfig::risk_class)
    }

    async fn preview(&self, target: &Target, step: &Step) -> Result<Preview, Refusal> {
        let ready = self.ready(target, step)?;
        let reversible = !ready.revert.is_empty();
        let undo = if reversible { ready.revert.join(" ") } else { "nothing".to_owned() };
        // The configuration is part of what is approved.
        let state = format!("{:?}", (&ready.argv, &ready.revert, &ready.config.cwd, &ready.config.env));
        let hash = Sha256::digest(state.as_bytes());
        Ok(Preview {
            summary: format!("run {} for {}", ready.config.name, target.resource),
            before: "not run".to_owned(),
            after: format!("ran: {} · undone by: {undo}", ready.argv.join(" ")),
            units: 1,
            units_total: 1,
            target_version: hash.iter().take(8).map(|b| format!("{b:02x}")).collect(),
            reversible,
        })
    }

    async fn apply(&self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError> {
        let ready = self.ready(&call.target, step).map_err(|e| ActuatorError::untouched(e.reason))?;
        let ran = self
            .run(ready.config, &ready.argv, call)
            .await
            .map_err(|e| ActuatorError::untouched(format!("cannot run {}: {e}", ready.config.name)))?;
        let receipt = Self::receipt(call, ready.config, &ready.revert, ran.output);
        if ran.ended_well {
            return Ok(receipt);
        }
        Err(ActuatorError::Partly { detail: format!("{} failed: {}", ready.config.name, ran.how), receipt })
    }

    async fn revert(&self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError> {
        let undo: serde_json::Value = serde_json::from_str(&receipt.undo)
            .map_err(|e| ActuatorError::untouched(format!("the receipt is damaged: {e}")))?;
        let argv: Vec<String> = undo["argv"]
            .as_array()
            .map(|all| all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let name = undo[NAME].as_str().unwrap_or_default();
        if argv.is_empty() {
            return Ok(format!("nothing undoes {name}"));
        }
        let config = self.all.iter().find(|c| c.name == name).ok_or_else(|| {
            ActuatorError::untouched(format!("the command `{name}` is no longer configured"))
        })?;
        let ran = self
            .run(config, &argv, call)
            .await
            .map_err(|e| ActuatorError::untouched(format!("cannot run {}: {e}", argv.join(" "))))?;
        if ran.ended_well {
            return Ok(format!("ran {}", argv.join(" ")));
        }
        Err(ActuatorError::untouched(format!("{} failed: {}", argv.join(" "), ran.how)))
    }

    async fn settle(&self, step: &Step, call: &Call) -> Settled {
        // Whether the program had an effect only the program knows; what undoes it is known all the same.
        let receipt = self.ready(&call.target, step).ok().filter(|r| !r.revert.is_empty());
        Settled::InDoubt(receipt.map(|r| Self::receipt(call, r.config, &r.revert, String::new())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may fail loudly")]
    use super::*;
    use echobase_types::{InterventionId, ResourceId, TenantId};
    use std::time::Duration;

    fn commands(change: impl FnOnce(&mut CommandConfig)) -> Commands {
        let mut config = CommandConfig {
            name: "probe".to_owned(),
            argv: ["/usr/bin/env", "printf", "%s|", "{target}", "{word}"].map(str::to_owned).to_vec(),
            arguments: vec!["word".to_owned()],
            ..CommandConfig::default()
        };
        change(&mut config);
        let secret = ("SECRET".to_owned(), "s3cret".to_owned());
        Commands::new(vec![config], [("PATH".to_owned(), "/usr/bin:/bin".to_owned()), secret])
    }

    fn target() -> Target {
        Target { tenant: TenantId::default_tenant(), resource: ResourceId::new("host:db-3").unwrap() }
    }

    fn step(arguments: &[(&str, &str)]) -> Step {
        Step {
            action: "run".to_owned(),
            arguments: arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            argv: Vec::new(),
        }
    }

    fn call() -> Call {
        let intervention = InterventionId::from_uuid(uuid::Uuid::nil());
        Call { target: target(), intervention, step: 0, epoch: 7 }
    }

    #[tokio::test]
    async fn arguments_reach_the_program_as_they_are() {
        let commands = commands(|_| {});
        let receipt = commands.apply(&step(&[("command", "probe"), ("word", "a/b")]), &call()).await.unwrap();
        assert_eq!(receipt.output, "host:db-3|a/b|");
    }

    #[tokio::test]
    async fn what_is_not_configured_is_refused_in_the_dry_run() {
        let commands = commands(|c| c.targets = vec!["host:*".to_owned()]);
        let mut own = step(&[("command", "probe")]);
        own.argv = vec!["/bin/rm".to_owned()];
        let mut other = step(&[("command", "probe")]);
        other.action = "shell".to_owned();
        let long = "x".repeat(201);
        for (step, words) in [
            (own, "own argument vector"),
            (other, "`run`"),
            (step(&[]), "name a configured command"),
            (step(&[("command", "rm")]), "name a configured command"),
            (step(&[("command", "probe"), ("flag", "x")]), "no argument `flag`"),
            (step(&[("command", "probe")]), "`word` is missing"),
            (step(&[("command", "probe"), ("word", "--force")]), "in front"),
            (step(&[("command", "probe"), ("word", "a;b")]), "1 to 200"),
            (step(&[("command", "probe"), ("word", "$(id)")]), "1 to 200"),
            (step(&[("command", "probe"), ("word", &long)]), "1 to 200"),
            (step(&[("command", "probe"), ("word", "")]), "1 to 200"),
        ] {
            let refusal = commands.preview(&target(), &step).await.unwrap_err();
            assert!(refusal.reason.contains(words), "{refusal}");
        }
        let elsewhere = Target { resource: ResourceId::new("service:x").unwrap(), ..target() };
        let good = step(&[("command", "probe"), ("word", "x")]);
        assert!(commands.preview(&elsewhere, &good).await.unwrap_err().reason.contains("not configured for"));
        assert!(!commands.preview(&target(), &good).await.unwrap().reversible);
    }

    #[tokio::test]
    async fn a_program_sees_only_the_variables_it_is_meant_to_see() {
        let commands = commands(|c| {
            c.argv = vec!["/usr/bin/env".to_owned()];
            c.env = [("GIVEN".to_owned(), "yes".to_owned())].into();
        });
        let receipt = commands.apply(&step(&[("command", "probe")]), &call()).await.unwrap();
        assert!(receipt.output.contains("GIVEN=yes") && receipt.output.contains("ECHOBASE_EPOCH=7"));
        assert!(!receipt.output.contains("s3cret"));
        let names = receipt.output.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n);
        assert!(names.clone().all(|n| n.starts_with("ECHOBASE_") || ["PATH", "GIVEN"].contains(&n)));
    }

    #[tokio::test]
    async fn a_program_that_fails_or_hangs_is_undone_by_its_receipt() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark").display().to_string();
        let made = |argv: &[&str], timeout: Duration| {
            commands(|c| {
                c.argv = argv.iter().map(|a| (*a).to_owned()).collect();
                c.revert_argv = vec!["/usr/bin/env".to_owned(), "touch".to_owned(), mark.clone()];
                c.timeout = timeout;
            })
        };
        let long = Duration::from_secs(30);
        for (argv, timeout) in
            [(&["/bin/false"][..], long), (&["/bin/sleep", "60"], Duration::from_millis(50))]
        {
            let step = step(&[("command", "probe")]);
            let error = made(argv, timeout).apply(&step, &call()).await.unwrap_err();
            let ActuatorError::Partly { receipt, .. } = error else { unreachable!("{error}") };
            let patient = made(argv, long);
            patient.revert(&receipt, &call()).await.unwrap();
            assert!(std::fs::remove_file(&mark).is_ok());
            assert!(
                matches!(patient.settle(&step, &call()).await, Settled::InDoubt(Some(r)) if r.undo == receipt.undo)
            );
        }
        let absent = commands(|c| c.argv = vec!["/nowhere/program".to_owned()]);
        let error = absent.apply(&step(&[("command", "probe")]), &call()).await.unwrap_err();
        assert!(matches!(error, ActuatorError::Untouched { .. }));
    }

    #[tokio::test]
    async fn a_change_of_configuration_changes_the_version_that_is_approved() {
        let step = step(&[("command", "probe"), ("word", "x")]);
        let a = commands(|_| {}).preview(&target(), &step).await.unwrap();
        let b = commands(|c| c.argv.push("more".to_owned())).preview(&target(), &step).await.unwrap();
        assert_ne!(a.target_version, b.target_version);
    }

    #[tokio::test]
    async fn a_flood_of_output_is_cut() {
        let commands = commands(|c| {
            c.argv = ["/usr/bin/env", "head", "-c", "1000000", "/dev/zero"].map(str::to_owned).to_vec();
        });
        let receipt = commands.apply(&step(&[("command", "probe")]), &call()).await.unwrap();
        assert!(receipt.output.len() <= MAX_OUTPUT);
    }
}
