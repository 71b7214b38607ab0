//! `cargo xtask bench analysis`: the built program on the open data sets, judged by the scorers, as one table; and what
//! it costs, from the crate's own benchmarks.
//!
//! Verdicts come from the development build, in which the numerics are optimised: an optimised server takes a quarter
//! of an hour to build and judges the same to the last bit. What it costs is measured in release.

mod figures;
mod job;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::figures::Answers;
use self::job::{Job, Set};
use crate::command::Run;
use crate::house::{House, Selection};
use crate::python;

/// Options of `bench analysis`.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
#[group(id = "analysis")]
pub struct Options {
    /// Folder of the scorers. Default: `shared/bench/analysis` beside this repository.
    #[arg(long, value_name = "DIR")]
    scorers: Option<PathBuf>,
    /// Folder of the open data sets. Default: where the scorers look, `../../data` from their folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only the figures of these sets.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    only: Vec<Set>,
    /// Write the raw figures, with the commands that gave them, to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs what the figures need, one after another, and prints the table.
pub fn run(house: &House, options: &Options) -> Result<()> {
    let begun = Instant::now();
    let sets: Vec<Set> =
        Set::ALL.into_iter().filter(|set| options.only.is_empty() || options.only.contains(set)).collect();
    let mut jobs: Vec<&Job> = Vec::new();
    for job in sets.iter().flat_map(|set| set.jobs()) {
        if jobs.iter().all(|known| known.name != job.name) {
            jobs.push(job);
        }
    }
    let (mut answers, mut told) = (Answers::new(), BTreeMap::new());
    told.insert("commit", json!(commit(house)?));
    // Times are worth as much as the machine was free.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.insert("load_before", json!(load.split(' ').take(3).collect::<Vec<_>>().join(" ")));
    told.insert("started_with", json!(std::env::args().skip(1).collect::<Vec<_>>()));
    if !jobs.is_empty() {
        let place = Place::find(house, options, &jobs)?;
        told.insert("program", json!(Run::new(&place.program).arg("--version").text()?.trim()));
        told.insert("python", json!(Run::new(&place.python).arg("--version").text()?.trim()));
        told.insert("packages", json!(fs::read_to_string(requirements(house))?.lines().collect::<Vec<_>>()));
        told.insert("runs", place.run(&jobs, &mut answers)?);
    }
    if sets.contains(&Set::Cost) {
        cost(house, &mut answers)?;
    }
    let mut lines = Vec::new();
    for set in sets {
        lines.extend(figures::lines(set, &answers)?);
    }
    println!("\n{}", table::text(&lines));
    for name in ["commit", "program", "python", "packages", "load_before"] {
        if let Some(value) = told.get(name) {
            println!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    println!(
        "One setting for all sets. Verdicts: development build with optimised numerics; cost: release.\nTook {:.0} s.",
        begun.elapsed().as_secs_f64()
    );
    if let Some(file) = &options.json {
        told.insert("seconds", json!(begun.elapsed().as_secs_f64()));
        told.insert("answers", json!(answers));
        told.insert("figures", json!(lines));
        let text = serde_json::to_string_pretty(&told).context("write the figures as JSON")?;
        fs::write(file, text).with_context(|| format!("write the figures to {}", file.display()))?;
    }
    Ok(())
}

fn requirements(house: &House) -> PathBuf {
    house.root.join("xtask/bench/requirements.txt")
}

/// The commit that is measured, and whether files differ from it.
fn commit(house: &House) -> Result<String> {
    let git = |arguments: &[&str]| Run::new("git").args(arguments.iter().copied()).folder(&house.root).text();
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(format!("{}{}", commit.trim(), if changed.trim().is_empty() { "" } else { " with local changes" }))
}

/// Where everything is that a job needs.
struct Place {
    scorers: PathBuf,
    data: Option<PathBuf>,
    program: PathBuf,
    python: PathBuf,
    /// Answers and logs.
    scratch: PathBuf,
}

impl Place {
    fn find(house: &House, options: &Options, jobs: &[&Job]) -> Result<Self> {
        let absolute = |folder: &Path| {
            fs::canonicalize(folder).with_context(|| format!("find the folder {}", folder.display()))
        };
        let beside = house.root.join("../shared/bench/analysis");
        let scorers = options.scorers.as_deref().unwrap_or(&beside);
        for job in jobs {
            ensure!(
                scorers.join(job.script()).is_file(),
                "no scorer {} in {}: the figures on open data need the folder of the scorers (score.py, collapse.py, \
                 stability.py, drift.py, forecast.py, rca.py) beside this repository as shared/bench/analysis, or \
                 named by --scorers DIR, with the data sets beside it as shared/data, or named by --data DIR. \
                 `--only cost` needs neither",
                job.script(),
                scorers.display()
            );
        }
        let data = options.data.as_deref().map(absolute).transpose()?;
        let default = scorers.join("../../data");
        let looked = data.as_deref().unwrap_or(&default);
        ensure!(looked.is_dir(), "no folder of data sets at {}: name it by --data DIR", looked.display());
        Ok(Self {
            scorers: absolute(scorers)?,
            data,
            python: python::environment(house, "bench-venv", &requirements(house))?,
            program: house.binary(Selection::Program)?,
            scratch: house.empty_scratch("bench-analysis")?,
        })
    }

    /// Runs the jobs one after another: side by side they would disturb the times of each other.
    fn run(&self, jobs: &[&Job], answers: &mut Answers) -> Result<Value> {
        let mut runs = Vec::new();
        for (at, job) in jobs.iter().enumerate() {
            let begun = Instant::now();
            print!("[{}/{}] {} … ", at + 1, jobs.len(), job.name);
            std::io::stdout().flush().context("write to standard output")?;
            let (answer, log) = (
                self.scratch.join(format!("{}.json", job.name)),
                self.scratch.join(format!("{}.log", job.name)),
            );
            let arguments = job.arguments(&self.scorers, &self.program, &answer);
            self.score(job, &arguments, &log)?;
            let text = fs::read(&answer).with_context(|| format!("read the answer of `{}`", job.name))?;
            let value = serde_json::from_slice(&text)
                .with_context(|| format!("read the answer of `{}`", job.name))?;
            answers.insert(job.name, value);
            let seconds = begun.elapsed().as_secs_f64();
            println!("{seconds:.0} s");
            runs.push(json!({"name": job.name, "arguments": arguments, "seconds": seconds}));
        }
        Ok(Value::Array(runs))
    }

    /// Runs a scorer; what it and the program print goes into a log, whose end is told if it fails.
    fn score(&self, job: &Job, arguments: &[String], log: &Path) -> Result<()> {
        let file = File::create(log).with_context(|| format!("write the log {}", log.display()))?;
        let mut scorer = Run::new(&self.python).args(arguments).folder(&self.scratch);
        // Compiled code of the scorers is kept here, not beside them.
        scorer =
            scorer.env("NUMBA_CACHE_DIR", self.scratch.join("numba")).env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(data) = &self.data {
            scorer = scorer.env("ECHO_OPEN", data);
        }
        let status = scorer
            .into_command()
            .stdout(file.try_clone().context("open the log twice")?)
            .stderr(file)
            .status()
            .with_context(|| format!("start {}", job.script()))?;
        if !status.success() {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n");
            anyhow::bail!("`{}` ended with {status}; the end of {}:\n{end}", job.name, log.display());
        }
        Ok(())
    }
}

/// Runs the crate's own benchmarks and keeps the answers of those that give figures of the table.
fn cost(house: &House, answers: &mut Answers) -> Result<()> {
    for bench in super::benches(house)?.into_iter().filter(|bench| bench.folder == "analysis") {
        let run = house.cargo(["bench", "--locked", "--package", &bench.package, "--bench", &bench.name]);
        match figures::BENCHES.into_iter().find(|name| *name == bench.name) {
            Some(name) => {
                println!("cost: {name}");
                let text = run.args(["--", "--json"]).text()?;
                let answer = serde_json::from_str(text.trim());
                let answer = answer.with_context(|| format!("read the figures of `{name}` in `{text}`"))?;
                answers.insert(name, answer);
            }
            None => run.status()?,
        }
    }
    Ok(())
}
