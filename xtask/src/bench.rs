//! `cargo xtask bench`: the benchmarks of the crates, in release; and of the analysis its verdicts on open data.

mod analysis;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::house::House;

/// Options of `bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Only benchmarks of this name, or of the crate of this name. `analysis` prints the table of figures on open data
    /// sets as well, for which it needs the scorers.
    name: Option<String>,
    #[command(flatten)]
    analysis: analysis::Options,
}

/// A file `crates/*/benches/*.rs`.
struct Bench {
    /// The folder of its crate.
    folder: String,
    package: String,
    name: String,
}

/// Runs each benchmark asked for; they print their own figures.
pub fn run(house: &House, options: &Options) -> Result<()> {
    match options.name.as_deref() {
        Some("analysis") => return analysis::run(house, &options.analysis),
        _ if options.analysis != analysis::Options::default() => {
            bail!("--scorers, --data, --only and --json belong to `cargo xtask bench analysis`")
        }
        _ => {}
    }
    let mut found = 0;
    for bench in benches(house)? {
        let names = [&bench.name, &bench.package, &bench.folder];
        if options.name.as_ref().is_some_and(|wanted| !names.contains(&wanted)) {
            continue;
        }
        found += 1;
        println!("\n== {}: {}", bench.package, bench.name);
        house.cargo(["bench", "--locked", "--package", &bench.package, "--bench", &bench.name]).status()?;
    }
    match (found, &options.name) {
        (0, Some(name)) => bail!("no benchmark and no crate is called `{name}`"),
        _ => Ok(()),
    }
}

fn benches(house: &House) -> Result<Vec<Bench>> {
    let mut benches = Vec::new();
    for entry in fs::read_dir(house.root.join("crates")).context("list crates")? {
        let path = entry?.path();
        let Ok(files) = fs::read_dir(path.join("benches")) else { continue };
        let folder = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let package = if folder == "echobase" { folder.clone() } else { format!("echobase-{folder}") };
        for file in files {
            let file = file?.path();
            if file.extension().is_some_and(|x| x == "rs") {
                let name = file.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                benches.push(Bench { folder: folder.clone(), package: package.clone(), name });
            }
        }
    }
    benches.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(benches)
}
