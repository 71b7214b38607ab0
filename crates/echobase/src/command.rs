//! The commands, one module each.

mod causes;
mod config;
mod demo;
mod detect;
mod drift;
mod feedback;
mod files;
mod forecast;
mod import;
mod intervention;
mod key;
mod ledger;
mod playbook;
mod query;
mod reference;
mod risk;
mod serve;
mod slo;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::CommandFactory as _;
use echobase_types::Timestamp;

use crate::cli::{Cli, Command};
use crate::exit::Unusable;
use crate::output;

pub(crate) use files::TableFormat;

/// Runs a command and says how it ended.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Query(args) => wait(query::run(args)),
        Command::Import(args) => wait(import::run(args)),
        Command::Resources(args) => wait(query::resources(args)),
        Command::Label(args) => wait(feedback::label(args)),
        Command::Whatif(args) => wait(feedback::whatif(args)),
        Command::Rereference(args) => wait(feedback::rereference(args)),
        Command::Playbook(args) => wait(playbook::run(args)),
        Command::Intervention(args) => wait(intervention::run(args)),
        Command::Freeze(args) => wait(intervention::freeze(args)),
        Command::Unfreeze(args) => wait(intervention::unfreeze(args)),
        Command::Slo(args) => wait(slo::run(args)),
        Command::Alerts(args) => wait(intervention::alerts(args)),
        Command::Ledger(args) => ledger::run(args),
        Command::Forecast(args) => forecast::run(args),
        Command::Causes(args) => causes::run(args),
        Command::Key(args) => wait(key::run(args)),
        Command::Demo(args) => demo::run(args),
        Command::Detect(args) => detect::run(args),
        Command::Config(args) => config::run(args),
        Command::Drift(args) => drift::run(&args),
        Command::Risk(args) => risk::run(&args),
        Command::Openapi => {
            output::json(&echobase_server::openapi())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "echobase", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::HelpAll => {
            output::line(&reference::markdown(Cli::command()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::PlantNode { arguments } => demo::plant_node(&arguments),
    }
}

/// Runs a client command to its end.
fn wait(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(command)
}

/// The present, by the clock of this machine.
fn now() -> Timestamp {
    (echobase_server::clock::system())()
}

/// A length of time from an argument.
fn duration(text: &str) -> anyhow::Result<Duration> {
    echobase_types::duration::parse(text).map_err(|e| Unusable(e.to_string()).into())
}
