//! Programs that Debian packages: found, installed when we may, or said to be missing.

use std::path::PathBuf;

use anyhow::Result;

use crate::command::{self, Run};

/// The program, installing its Debian package first if it is missing and we are root on a Debian. `None` if it is
/// missing and we may not install it.
pub fn program(name: &str, package: &str) -> Result<Option<PathBuf>> {
    if let Some(found) = command::find(name) {
        return Ok(Some(found));
    }
    if command::find("apt-get").is_none() || !is_root()? {
        return Ok(None);
    }
    let apt = || Run::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    apt().args(["update", "-qq"]).status()?;
    apt().args(["install", "-y", "-qq", "--no-install-recommends", package]).status()?;
    Ok(command::find(name))
}

fn is_root() -> Result<bool> {
    Ok(Run::new("id").arg("-u").text()?.trim() == "0")
}
