//! `cargo xtask bench`: the benchmarks of the crates, in release.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::house::House;

/// Options of `bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Only benchmarks whose name, or whose crate's name, is this.
    name: Option<String>,
}

/// Runs each `crates/*/benches/*.rs`; they print their own figures.
pub fn run(house: &House, options: &Options) -> Result<()> {
    let mut found = 0;
    for (package, bench) in benches(house)? {
        if options.name.as_ref().is_some_and(|wanted| wanted != &bench && wanted != &package) {
            continue;
        }
        found += 1;
        println!("\n== {package}: {bench}");
        house.cargo(["bench", "--locked", "--package", &package, "--bench", &bench]).status()?;
    }
    match (found, &options.name) {
        (0, Some(name)) => bail!("no benchmark and no crate is called `{name}`"),
        _ => Ok(()),
    }
}

fn benches(house: &House) -> Result<Vec<(String, String)>> {
    let mut benches = Vec::new();
    for entry in fs::read_dir(house.root.join("crates")).context("list crates")? {
        let folder = entry?.path();
        let Ok(files) = fs::read_dir(folder.join("benches")) else { continue };
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let package = if name == "echobase" { name } else { format!("echobase-{name}") };
        for file in files {
            let file = file?.path();
            if file.extension().is_some_and(|x| x == "rs") {
                let bench = file.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                benches.push((package.clone(), bench));
            }
        }
    }
    benches.sort();
    Ok(benches)
}
