//! The web app: packages, checks, build. Each is skipped when what it reads has not changed.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{self, Run};
use crate::house::House;

/// What a build of the web app reads.
const SOURCES: [&str; 6] =
    ["src", "public", "index.html", "package-lock.json", "tsconfig.json", "vite.config.ts"];

/// How to get Node, for people who do not have it.
pub const HOW_TO_INSTALL: &str = "Node.js 20.19 or newer and npm build the web app. On Debian: `apt-get install nodejs npm`; \
     elsewhere see https://nodejs.org/en/download. Without them everything but the web app works.";

/// Whether Node and npm are installed.
pub fn is_possible() -> bool {
    command::find("node").is_some() && command::find("npm").is_some()
}

/// `npm` in the web app's folder.
pub fn npm<'a>(house: &House, arguments: impl IntoIterator<Item = &'a str>) -> Run {
    Run::new("npm").args(arguments).folder(&house.ui())
}

/// Installs the packages of the lock file, unless exactly these are installed.
pub fn install(house: &House) -> Result<()> {
    if !is_possible() {
        bail!("node or npm is missing. {HOW_TO_INSTALL}");
    }
    let stamp = house.ui().join("node_modules/.echobase-lock");
    let wanted = digest(&[house.ui().join("package-lock.json")])?;
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    npm(house, ["ci", "--no-audit", "--no-fund", "--loglevel=error"]).status()?;
    fs::write(&stamp, wanted).context("write the stamp of the installed packages")
}

/// Builds the web app, unless its sources are those of the last build.
pub fn build(house: &House) -> Result<()> {
    install(house)?;
    let stamp = house.ui().join("node_modules/.echobase-dist");
    let sources: Vec<PathBuf> = SOURCES.iter().map(|name| house.ui().join(name)).collect();
    let wanted = digest(&sources)?;
    let built = house.ui().join("dist/index.html").is_file();
    if built && fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        println!("the web app is up to date");
        return Ok(());
    }
    npm(house, ["run", "--silent", "build"]).status()?;
    fs::write(&stamp, wanted).context("write the stamp of the built web app")
}

/// Types, tests, build.
pub fn check(house: &House) -> Result<()> {
    install(house)?;
    npm(house, ["run", "--silent", "lint"]).status()?;
    npm(house, ["run", "--silent", "test"]).status()?;
    build(house)
}

/// A digest over names and contents, to see a change; not for security.
fn digest(paths: &[PathBuf]) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file).with_context(|| format!("read {}", file.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    if !path.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("list {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
