//! `echobase drift`.

use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::judge;

use super::files;
use crate::cli;
use crate::exit::Unusable;

pub(super) fn run(args: &cli::Drift) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    let format = files::format(args.format, &args.output);
    judge::drift(files::input(&args.input)?, &mut out, format)
        .with_context(|| Unusable(format!("judge {}", args.input.display())))?;
    files::output(&args.output, &out)?;
    Ok(ExitCode::SUCCESS)
}
