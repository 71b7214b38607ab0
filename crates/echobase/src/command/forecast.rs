//! `echobase forecast`: what comes next in every series of a file.

use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::judge;

use crate::cli::Forecast;
use crate::command::files;
use crate::exit::Unusable;

pub(super) fn run(args: Forecast) -> anyhow::Result<ExitCode> {
    let horizon = usize::try_from(args.horizon).context("horizon")?;
    let season = args.season.map(usize::try_from).transpose().context("season")?;
    let mut out = Vec::new();
    let format = files::format(args.format, &args.out);
    judge::forecast(files::input(&args.input)?, &mut out, format, horizon, season)
        .with_context(|| Unusable(format!("forecast {}", args.input.display())))?;
    files::output(&args.out, &out)?;
    Ok(ExitCode::SUCCESS)
}
