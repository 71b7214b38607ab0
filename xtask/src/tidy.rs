//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! **Invariant:** each rule is a function from what was read to findings; this module reads and prints.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command::Run;
use crate::house::House;

mod arrows;
mod licences;
mod pages;
mod sizes;
mod suppressions;
mod words;

/// Options of `tidy`.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Lowers the allow-lists to what is still needed. They never grow this way.
    #[arg(long)]
    shrink: bool,
}

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, in one word.
    pub rule: &'static str,
    /// A file, a crate or an arrow.
    pub at: String,
    /// What is wrong and what to do.
    pub words: String,
}

impl Finding {
    fn new(rule: &'static str, at: impl Into<String>, words: impl Into<String>) -> Self {
        Self { rule, at: at.into(), words: words.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.rule, self.at, self.words)
    }
}

/// A file that is, or is about to be, under version control.
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text; empty if it is not text.
    pub text: String,
}

impl Source {
    /// What the name ends with after the last dot.
    fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether it is made by a program.
    fn is_generated(&self) -> bool {
        self.path.starts_with("docs/reference/") || self.path == "ui/src/api/schema.ts"
    }
}

/// Reads everything, prints every finding, and fails if there is one.
pub fn run(house: &House, options: &Options) -> Result<()> {
    let sources = sources(house)?;
    let (large, suppressed) = ("xtask/allow-large.txt", "xtask/allow-lints.txt");
    if options.shrink {
        let lists = [
            (large, sizes::shrunk(&sources, &read(house, large)?)),
            (suppressed, suppressions::shrunk(&sources, &read(house, suppressed)?)),
        ];
        for (path, list) in lists {
            fs::write(house.root.join(path), list).with_context(|| format!("write {path}"))?;
        }
    }
    let members = metadata(house, &["--no-deps"])?;
    let host = host_platform(house)?;
    let packages = metadata(house, &["--filter-platform", &host])?;

    let rules = arrows::Rules::parse(&read(house, "xtask/arrows.toml")?)?;
    let (size_findings, long) = sizes::judge(&sources, &read(house, large)?);
    let findings: Vec<Finding> = [
        arrows::judge(&rules, &arrows::edges(&members)),
        licences::judge(&licences::Rules::parse(&read(house, "deny.toml")?)?, &licences::packages(&packages)),
        size_findings,
        suppressions::judge(&sources, &read(house, suppressed)?),
        words::judge(&sources, &words::machine_paths(&house.root)),
        pages::judge(&sources),
    ]
    .into_iter()
    .flatten()
    .collect();
    for finding in &findings {
        eprintln!("{finding}");
    }
    println!(
        "{} files read, {} packages; {long} files above the aim of {} lines",
        sources.len(),
        packages.packages.len(),
        sizes::AIM
    );
    if !findings.is_empty() {
        bail!("{} rules of the house are broken", findings.len());
    }
    Ok(())
}

fn read(house: &House, path: &str) -> Result<String> {
    fs::read_to_string(house.root.join(path)).with_context(|| format!("read {path}"))
}

fn sources(house: &House) -> Result<Vec<Source>> {
    let listed = Run::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .folder(&house.root)
        .text()?;
    let mut sources = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // A file that is deleted but still in the index is no longer our concern.
        if let Ok(bytes) = fs::read(house.root.join(path)) {
            sources
                .push(Source { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
        }
    }
    Ok(sources)
}

fn metadata(house: &House, options: &[&str]) -> Result<Metadata> {
    let printed = house
        .cargo(["metadata", "--format-version", "1", "--locked"])
        .args(options.iter().copied())
        .output()
        .context("read the workspace with `cargo metadata`")?;
    serde_json::from_slice(&printed).context("read what `cargo metadata` printed")
}

/// What `cargo metadata` prints, as far as rules need it. The crate of that name would switch on a feature of
/// serde_json for the whole workspace, and so build everything above serde_json twice.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package: ours where it has no source.
#[derive(Deserialize)]
struct Package {
    name: String,
    source: Option<String>,
    license: Option<String>,
    dependencies: Vec<Dependency>,
}

/// A dependency as a manifest states it: ours where it has a path.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null`, `dev` or `build`.
    kind: Option<String>,
    path: Option<String>,
}

fn host_platform(house: &House) -> Result<String> {
    let said = Run::new("rustc").arg("-vV").folder(&house.root).text()?;
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc did not say its host platform")
}
