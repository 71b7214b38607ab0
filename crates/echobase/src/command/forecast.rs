//! `echobase forecast`: what comes next in every series of a file.

mod table;

use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::Forecast;
use crate::command::files;
use crate::exit::Unusable;

pub(super) fn run(args: Forecast) -> anyhow::Result<ExitCode> {
    let series = table::read(files::input(&args.input)?)
        .with_context(|| Unusable(format!("read {}", args.input.display())))?;
    let horizon = usize::try_from(args.horizon).context("horizon")?;
    let season = args.season.map(usize::try_from).transpose().context("season")?;
    let answers = table::ahead(&series, horizon, season);
    files::output(&args.out, table::write(&series, &answers)?.as_slice())?;
    Ok(ExitCode::SUCCESS)
}
