//! Python environments under the target folder: made by ordinary pip, with exactly the versions of a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{self, Run};
use crate::house::House;

/// The Python of an environment with exactly what `requirements` lists, made if it is not there.
pub fn environment(house: &House, name: &str, requirements: &Path) -> Result<PathBuf> {
    let folder = house.target.join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.stamp"));
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("read the list of packages {}", requirements.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) && python.is_file() {
        return Ok(python);
    }
    let system =
        command::find("python3").context("python3 is missing: install the package `python3-venv`")?;
    Run::new(system).args(["-m", "venv", "--clear"]).arg(&folder).status()?;
    Run::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements)
        .status()?;
    fs::write(&stamp, wanted).context("write the stamp of the Python environment")?;
    Ok(python)
}
