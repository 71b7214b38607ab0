//! `echobase detect`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::judge;

use super::files;
use crate::cli;
use crate::exit::Unusable;

/// Judges the rows of a table as if each had just arrived.
pub(super) fn run(args: cli::Detect) -> anyhow::Result<ExitCode> {
    let format = files::format(args.format, &args.output);
    let (input, output) = (files::input(&args.input)?, files::sink(&args.output)?);
    let told = match judge::detect(input, output, format, args.budget) {
        Err(error) if error.is_closed() => return Ok(ExitCode::SUCCESS),
        told => told.with_context(|| Unusable(format!("judge {}", args.input.display())))?,
    };
    if let Some(first) = told.first_late {
        let late = told.late;
        writeln!(
            io::stderr(),
            "{late} of {} rows are not later than the row before them and were not judged; the first is line {first}",
            told.rows
        )
        .context("write to standard error")?;
    }
    Ok(ExitCode::SUCCESS)
}
