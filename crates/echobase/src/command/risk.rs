//! `echobase risk`.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{files, verdicts};
use crate::cli;
use crate::exit::Unusable;

pub(super) fn run(args: &cli::Risk) -> anyhow::Result<ExitCode> {
    let out = verdicts::risk(files::input(&args.input)?, args.horizon)
        .with_context(|| Unusable(format!("judge {}", args.input.display())))?;
    files::output(&args.output, out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
