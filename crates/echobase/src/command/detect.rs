//! `echobase detect`.

mod rows;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_analysis::AnalysisConfig;

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
    let input: Box<dyn BufRead> = if is_pipe(&args.input) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.input)
            .map_err(|e| Unusable(format!("cannot open {}: {e}", args.input.display())))?;
        Box::new(BufReader::new(file))
    };
    let mut output: Box<dyn Write> = if is_pipe(&args.output) {
        Box::new(io::stdout().lock())
    } else {
        let file = File::create(&args.output)
            .map_err(|e| Unusable(format!("cannot write {}: {e}", args.output.display())))?;
        Box::new(BufWriter::new(file))
    };
    let told = rows::detect(input, &mut output, &config).map_err(|e| match e {
        rows::DetectError::Read(_) | rows::DetectError::Write(_) => anyhow::Error::new(e),
        rows::DetectError::Unusable(_) => Unusable(e.to_string()).into(),
    })?;
    output.flush().context("write the verdicts")?;
    if let Some(first) = told.first_late {
        let late = told.late;
        writeln!(
            io::stderr(),
            "{late} of {} rows are not later than the row before them and were not judged; the first is row {first}",
            told.rows
        )
        .context("write to standard error")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_pipe(path: &Path) -> bool {
    path == Path::new("-")
}
