//! `echobase detect`.

mod rows;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_analysis::AnalysisConfig;

use super::files;
use crate::cli;
use crate::exit::Unusable;

/// Judges the rows of a CSV file as if each had just arrived.
pub(super) fn run(args: cli::Detect) -> anyhow::Result<ExitCode> {
    let mut config = AnalysisConfig::default();
    if let Some(budget) = args.budget {
        if !(0.001..=1_000.0).contains(&budget) {
            return Err(Unusable(format!("the budget is 0.001 to 1000 a week, not {budget}")).into());
        }
        config.false_alarms_per_week = budget;
    }
    let (input, output) = (files::input(&args.input)?, files::sink(&args.output)?);
    let told = match rows::detect(input, output, &config) {
        Err(error) if is_closed(&error) => return Ok(ExitCode::SUCCESS),
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

/// Whether the reader of the verdicts has seen enough (`| head`).
fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
