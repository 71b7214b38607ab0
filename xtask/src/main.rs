//! Automation of this repository: `cargo xtask up`, `test`, `tidy`, `generate`, `bench`, `clients`.
//!
//! **Invariant:** each check is one function from what was read to findings; only the commands read and run things.
//! What `cargo xtask test` does is all that continuous integration does.

#![allow(unreachable_pub, reason = "a binary has no outside: `pub` says `for the other modules`")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod browser;
mod clients;
mod command;
mod daemon;
mod debian;
mod demo;
mod generate;
mod house;
mod python;
mod test;
mod tidy;
mod up;
mod web;

use house::House;

/// Automation of the Echobase repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the web app and the binary, then serves: the first page shows this machine.
    Up(up::Options),
    /// Runs everything that continuous integration runs, lane by lane.
    Test(test::Options),
    /// Checks the rules of the house: arrows, homes of heavy dependencies, file sizes, licences, words.
    Tidy(tidy::Options),
    /// Writes (or with --check compares) what is made from code: OpenAPI, configuration and CLI reference, UI types.
    Generate(generate::Options),
    /// Runs the benchmarks of one or all crates in release; `analysis` also scores the verdicts on the open data sets.
    Bench(bench::Options),
    /// Feeds a built server with the OpenTelemetry Python SDK and a real node exporter, and asks what arrived.
    Clients,
    /// Walks through every page of a built server with a real browser.
    Browser,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let house = House::find()?;
    match Arguments::parse().command {
        Task::Up(options) => up::run(&house, &options),
        Task::Test(options) => test::run(&house, &options),
        Task::Tidy(options) => tidy::run(&house, &options),
        Task::Generate(options) => generate::run(&house, &options),
        Task::Bench(options) => bench::run(&house, &options),
        Task::Clients => clients::run(&house),
        Task::Browser => browser::run(&house),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_arguments_of_all_tasks_fit_together() {
        Arguments::command().debug_assert();
    }
}
