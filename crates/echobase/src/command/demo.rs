//! `echobase demo`, and the processes of its plant.

use std::process::ExitCode;

use anyhow::Context as _;
use echobase_simulation::demo::{self, DemoConfig};
use echobase_simulation::{node, plan};
use tokio_util::sync::CancellationToken;

use crate::cli::Demo;
use crate::exit;
use crate::output::{self, Output};

pub(super) fn run(args: Demo) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::tempdir().context("make a temporary folder")?;
    let folder = match &args.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            std::fs::canonicalize(folder).with_context(|| format!("use {}", folder.display()))?
        }
        None => temporary.path().to_owned(),
    };
    let config = DemoConfig {
        binary: std::env::current_exe().context("find this program's own file")?,
        folder,
        plan: if args.short { plan::short(args.seed) } else { plan::full(args.seed) },
    };
    let report = runtime()?.block_on(async {
        let shutdown = CancellationToken::new();
        let mut told = |progress: demo::Progress| eprintln!("{progress}");
        let demo = demo::run(config, echobase_server::clock::system(), &mut told, shutdown.clone());
        tokio::pin!(demo);
        tokio::select! {
            done = &mut demo => done,
            _ = tokio::signal::ctrl_c() => {
                shutdown.cancel();
                demo.await
            }
        }
    })?;
    match args.output {
        Output::Json => output::json(&report.json())?,
        Output::Table | Output::Csv => output::line(&report.table())?,
    }
    Ok(ExitCode::from(if report.passes() { exit::OK } else { exit::FAILED }))
}

pub(super) fn plant_node(arguments: &[String]) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(node::main(arguments, echobase_server::clock::system()))?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}
