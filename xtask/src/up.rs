//! `cargo xtask up`: from a fresh clone to a page, in one command.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::house::{House, Selection};
use crate::{command::Run, web};

/// Options of `up`.
#[derive(clap::Args)]
pub struct Options {
    /// Leaves the web app as it is.
    #[arg(long)]
    no_ui: bool,
    /// Arguments for `echobase serve`, after `--`.
    #[arg(last = true)]
    serve: Vec<String>,
}

/// Builds what is out of date, then becomes the server. The server itself prints its address and the one-time
/// sign-in link.
pub fn run(house: &House, options: &Options) -> Result<()> {
    if options.no_ui {
        println!("the web app is left as it is");
    } else if web::is_possible() {
        web::build(house)?;
    } else {
        println!("going on without the web app. {}", web::HOW_TO_INSTALL);
    }
    let binary = house.binary(Selection::Binary)?;
    let mut serve = Run::new(&binary).arg("serve").folder(&house.root).args(&options.serve);
    let says = |flag: &str| options.serve.iter().any(|said| said.split('=').next() == Some(flag));
    if !says("--data") {
        serve = serve.args(["--data", "./data"]);
        if !says("--bootstrap-key-file") {
            // Where the other commands of the binary look for a key.
            serve = serve.args(["--bootstrap-key-file", "./data/admin.key"]);
        }
    }
    let cause = serve.into_command().exec();
    Err(cause).with_context(|| format!("start {}", binary.display()))
}
