//! `echobase risk`.

use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::judge;

use super::files;
use crate::cli;
use crate::exit::Unusable;

pub(super) fn run(args: &cli::Risk) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    let format = files::format(args.format, &args.output);
    judge::risk(files::input(&args.input)?, &mut out, format, args.horizon)
        .with_context(|| Unusable(format!("judge {}", args.input.display())))?;
    files::output(&args.output, &out)?;
    Ok(ExitCode::SUCCESS)
}
