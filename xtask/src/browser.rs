//! The browser lane: every page of a built server in a real Chromium.

use anyhow::{Context, Result};

use crate::command::Run;
use crate::daemon::Daemon;
use crate::house::{House, Selection};
use crate::{debian, web};

/// Starts a server and lets `ui/tests/browser/walk.mjs` walk through it; pictures and findings are left in
/// `target/xtask/browser`.
pub fn run(house: &House) -> Result<()> {
    web::build(house)?;
    let binary = house.binary(Selection::Everything)?;
    let chromium = debian::program("chromium", "chromium")?.context(
        "Chromium is missing, and this user may not install it: install the package `chromium`, or skip this lane \
         with `--skip browser`",
    )?;
    let scratch = house.empty_scratch("browser")?;
    let pictures = scratch.join("pictures");
    let daemon = Daemon::start(house, &binary, &scratch, "")?;
    Run::new("node")
        .arg("tests/browser/walk.mjs")
        .args(["--base", &daemon.base])
        .args(["--signin-link", &daemon.signin_link])
        .arg("--out")
        .arg(&pictures)
        .env("CHROMIUM", &chromium)
        .folder(&house.ui())
        .status()
}
