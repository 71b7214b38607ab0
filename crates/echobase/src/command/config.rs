//! `echobase config`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::config::{self, Config};

use crate::cli::{ConfigArgs, ConfigCommand};
use crate::exit::Unusable;
use crate::output;

pub(super) fn run(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ConfigCommand::Check { file } => {
            load(file.as_deref())?;
            output::line("the configuration fits")?;
        }
        ConfigCommand::Show { file } => {
            let config = load(file.as_deref())?;
            output::line(&toml::to_string(&config).context("write the configuration as TOML")?)?;
        }
        ConfigCommand::Schema => output::json(&config::schema())?,
        ConfigCommand::Reference => output::line(config::reference().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration of a file and of the environment.
pub(super) fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    Config::load(file, echobase_server::environment::variables())
        .map_err(|error| anyhow::Error::new(error).context(Unusable("read the configuration".to_owned())))
}
