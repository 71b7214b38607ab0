//! `echobase risk`.

use std::process::ExitCode;

use super::{pipe, verdicts};
use crate::cli;

pub(super) fn run(args: &cli::Risk) -> anyhow::Result<ExitCode> {
    let text = pipe::read(&args.input)?;
    let out = verdicts::risk(&text, args.horizon).map_err(|e| pipe::unusable(&args.input, e))?;
    pipe::write(&args.output, &out)?;
    Ok(ExitCode::SUCCESS)
}
