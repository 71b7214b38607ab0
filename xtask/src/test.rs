//! `cargo xtask test`: all of continuous integration, lane by lane.

use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::command;
use crate::house::{House, Selection};
use crate::{browser, clients, demo, generate, tidy, web};

/// Options of `test`.
#[derive(clap::Args)]
pub struct Options {
    /// Runs only these lanes.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    only: Vec<Lane>,
    /// Runs all but these lanes.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    skip: Vec<Lane>,
    /// Goes on after a lane that failed.
    #[arg(long)]
    keep_going: bool,
}

/// A part of the test run. In the order in which they run: cheap ones first, and each after what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lane {
    /// The source is formatted.
    Fmt,
    /// The rules of the house hold.
    Tidy,
    /// The web app: types, unit tests, build.
    Web,
    /// The generated pages are what the code makes.
    Generate,
    /// No lint fires.
    Clippy,
    /// Dependencies have no known hole (only if cargo-deny is installed; licences are checked by tidy).
    Deny,
    /// No known misspelling (only if typos is installed).
    Typos,
    /// Unit and integration tests.
    Unit,
    /// Examples in the documentation.
    Doc,
    /// Every page in a real browser.
    Browser,
    /// The demo finds its faults.
    Demo,
    /// Real clients feed it.
    Clients,
}

impl Lane {
    const ALL: [Self; 12] = [
        Self::Fmt,
        Self::Tidy,
        Self::Web,
        Self::Generate,
        Self::Clippy,
        Self::Deny,
        Self::Typos,
        Self::Unit,
        Self::Doc,
        Self::Browser,
        Self::Demo,
        Self::Clients,
    ];

    fn run(self, house: &House) -> Result<Ran> {
        match self {
            Self::Fmt => house.cargo(["fmt", "--all", "--check"]).status()?,
            Self::Tidy => tidy::run(house, &tidy::Options::default())?,
            Self::Web => web::check(house)?,
            Self::Generate => generate::run(house, &generate::Options { check: true })?,
            Self::Clippy => house
                .cargo(["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
                .status()?,
            Self::Deny => return if_installed(house, "cargo-deny", &["deny", "--workspace", "check"]),
            Self::Typos => {
                let Some(typos) = command::find("typos") else { return Ok(Ran::Skipped("typos")) };
                command::Run::new(typos).folder(&house.root).status()?;
            }
            Self::Unit => unit(house)?,
            Self::Doc => house.cargo(["test", "--locked", "--workspace", "--doc", "--quiet"]).status()?,
            Self::Browser => browser::run(house)?,
            Self::Demo => demo::run(house, &house.binary(Selection::Everything)?)?,
            Self::Clients => clients::run(house)?,
        }
        Ok(Ran::Passed)
    }
}

/// How a lane ended that did not fail.
enum Ran {
    Passed,
    /// For want of this program.
    Skipped(&'static str),
}

fn unit(house: &House) -> Result<()> {
    if command::find("cargo-nextest").is_some() {
        return house.cargo(["nextest", "run", "--locked", "--workspace"]).status();
    }
    println!("cargo-nextest is not installed, so `cargo test` runs the tests: slower, same verdict");
    house.cargo(["test", "--locked", "--workspace", "--bins", "--lib", "--tests", "--quiet"]).status()
}

fn if_installed(house: &House, program: &'static str, arguments: &[&str]) -> Result<Ran> {
    if command::find(program).is_none() {
        return Ok(Ran::Skipped(program));
    }
    house.cargo(arguments.iter().copied()).status()?;
    Ok(Ran::Passed)
}

/// Runs the lanes in order; stops at the first failure unless told to go on.
pub fn run(house: &House, options: &Options) -> Result<()> {
    let lanes: Vec<Lane> = Lane::ALL
        .into_iter()
        .filter(|lane| options.only.is_empty() || options.only.contains(lane))
        .filter(|lane| !options.skip.contains(lane))
        .collect();
    let mut score = Score::default();
    for lane in lanes {
        let name = format!("{lane:?}").to_lowercase();
        println!("\n== {name}");
        let begun = Instant::now();
        let ended = lane.run(house);
        let seconds = begun.elapsed().as_secs_f64();
        match ended {
            Ok(Ran::Passed) => score.passed(&name, seconds),
            Ok(Ran::Skipped(program)) => score.skipped(&name, program),
            Err(error) => {
                score.failed(&name, seconds, &error);
                if !options.keep_going {
                    break;
                }
            }
        }
    }
    score.close()
}

/// How the lanes ended.
#[derive(Default)]
struct Score {
    passed: u32,
    failed: u32,
    lines: Vec<String>,
}

impl Score {
    fn passed(&mut self, lane: &str, seconds: f64) {
        self.passed += 1;
        self.lines.push(format!("{lane:<9} passed  {seconds:>7.1} s"));
    }

    fn skipped(&mut self, lane: &str, program: &str) {
        println!("skipped: {program} is not installed");
        self.lines.push(format!("{lane:<9} skipped ({program} is not installed)"));
    }

    fn failed(&mut self, lane: &str, seconds: f64, error: &anyhow::Error) {
        self.failed += 1;
        eprintln!("{lane} failed: {error:#}");
        self.lines.push(format!("{lane:<9} FAILED  {seconds:>7.1} s  {error:#}"));
    }

    /// Prints the score; the last line is `N passed, N failed`.
    fn close(self) -> Result<()> {
        println!("\n{}", self.lines.join("\n"));
        println!("{} passed, {} failed", self.passed, self.failed);
        match (self.failed, self.passed) {
            (0, 0) => bail!("no lane ran"),
            (0, _) => Ok(()),
            _ => Err(anyhow!("the test run failed")),
        }
    }
}
