//! `echobase causes`: what most likely began an incident.

mod table;

use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::Causes;
use crate::command::files;
use crate::exit::Unusable;

pub(super) fn run(args: Causes) -> anyhow::Result<ExitCode> {
    let incident = table::read(&args.folder)
        .with_context(|| Unusable(format!("read the incident in {}", args.folder.display())))?;
    let ranking = echobase_analysis::causes::causes(&incident);
    files::output(&args.out, table::write(&ranking)?.as_slice())?;
    // Words go where they cannot be taken for rows.
    for sentence in ranking.words() {
        eprintln!("{sentence}");
    }
    Ok(ExitCode::SUCCESS)
}
