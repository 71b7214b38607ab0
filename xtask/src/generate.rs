//! `cargo xtask generate`: pages and types that are made from code, written or compared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::house::{House, Selection};
use crate::web;

/// Options of `generate`.
#[derive(clap::Args)]
pub struct Options {
    /// Writes nothing; fails if a file is not what would be written.
    #[arg(long)]
    pub check: bool,
}

/// What the binary prints, and where it is kept.
const PAGES: [(&[&str], &str); 4] = [
    (&["openapi"], "docs/reference/openapi.json"),
    (&["config", "reference"], "docs/reference/configuration.md"),
    (&["config", "schema"], "docs/reference/config.schema.json"),
    (&["help-all"], "docs/reference/cli.md"),
];

/// The wire types of the web app, made from the OpenAPI page.
const UI_TYPES: &str = "ui/src/api/schema.ts";

/// Writes or compares all of it.
pub fn run(house: &House, options: &Options) -> Result<()> {
    let binary = house.binary(Selection::Everything)?;
    let mut stale = Vec::new();
    for (command, path) in PAGES {
        let made = Run::new(&binary).args(command.iter().copied()).output()?;
        settle(house, options, Path::new(path), &made, &mut stale)?;
    }
    if web::is_possible() {
        web::install(house)?;
        settle(house, options, Path::new(UI_TYPES), &ui_types(house)?, &mut stale)?;
    } else if options.check {
        bail!("node or npm is missing, so the UI types cannot be compared. {}", web::HOW_TO_INSTALL);
    } else {
        println!("{UI_TYPES}: left as it is, node or npm is missing. {}", web::HOW_TO_INSTALL);
    }
    if !stale.is_empty() {
        let list: Vec<String> = stale.iter().map(|path| path.display().to_string()).collect();
        bail!(
            "not what the code makes: {}. Run `cargo xtask generate` and commit the result",
            list.join(", ")
        );
    }
    Ok(())
}

fn ui_types(house: &House) -> Result<Vec<u8>> {
    let made = house.scratch("generate")?.join("schema.ts");
    Run::new(house.ui().join("node_modules/.bin/openapi-typescript"))
        .arg(house.root.join("docs/reference/openapi.json"))
        .arg("-o")
        .arg(&made)
        .folder(&house.ui())
        .output()?;
    fs::read(&made).with_context(|| format!("read {}", made.display()))
}

/// Writes `made` to `path`, or notes that it differs.
fn settle(
    house: &House,
    options: &Options,
    path: &Path,
    made: &[u8],
    stale: &mut Vec<PathBuf>,
) -> Result<()> {
    let file = house.root.join(path);
    let same = fs::read(&file).is_ok_and(|kept| kept == made);
    match (same, options.check) {
        (true, _) => println!("{}: up to date", path.display()),
        (false, true) => stale.push(path.to_owned()),
        (false, false) => {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
            }
            fs::write(&file, made).with_context(|| format!("write {}", file.display()))?;
            println!("{}: written", path.display());
        }
    }
    Ok(())
}
