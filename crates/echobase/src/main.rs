//! The `echobase` binary: arguments in, output and exit code out. No logic of its own.
//!
//! **Invariant:** what a command decides is decided in a library crate; this one only reads arguments, calls, and
//! prints.

mod cli;
mod client;
mod command;
mod exit;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("echobase: {error:#}");
            exit::code_of(&error)
        }
    }
}
