//! `echobase import`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_api::ingest::{IngestAnswer, PointColumn, PointResource, PointTable};
use echobase_server::import::{self, Chunk, Column, Mapping, MetricColumn, Place, TimeFormat};
use echobase_types::{ResourceId, ResourceKind};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cli;
use crate::client::Client;
use crate::exit::Unusable;
use crate::output::{self, Output};

/// Rows sent at a time.
const ROWS_PER_CHUNK: usize = 5_000;
/// Bytes of the beginning and of the end that tell one file from another.
const SAMPLE: u64 = 64 << 10;

/// How far an import has come, kept beside the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// What is imported, and how.
    fingerprint: String,
    /// How far.
    offset: u64,
    line: u64,
    /// What became of it so far.
    tally: Tally,
    /// Whether the end was reached.
    done: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// Values stored.
    stored: u64,
    /// Values refused by the server.
    refused: u64,
    /// Rows skipped because a cell does not read.
    dirty: u64,
}

pub(super) async fn run(args: cli::Import) -> anyhow::Result<ExitCode> {
    let mapping = mapping(&args)?;
    let beside = PathBuf::from(format!("{}.echobase-import", args.file.display()));
    let fingerprint = fingerprint(&args)?;
    let known = std::fs::read(&beside).ok().and_then(|b| serde_json::from_slice::<Progress>(&b).ok());
    let mut progress = match known.filter(|p| p.fingerprint == fingerprint && !args.restart) {
        Some(progress) => progress,
        None => Progress { fingerprint, ..Progress::default() },
    };
    if progress.done {
        eprintln!("echobase: {} was imported already; --restart does it again", args.file.display());
        return finish(args.connection.output, &progress.tally);
    }
    let client = Client::new(&args.connection)?;
    let unusable = |e: import::OpenError| {
        anyhow::Error::new(e).context(Unusable(format!("import {}", args.file.display())))
    };
    let opened = import::open(&args.file, &mapping).map_err(unusable)?;
    let columns: Vec<PointColumn> = opened.columns().iter().map(column).collect();
    let left_out = opened.left_out().join(", ");
    if !left_out.is_empty() {
        eprintln!("echobase: columns left out: {left_out}");
    }
    let bar = bar(&args.file)?;
    let start = Place { offset: progress.offset, line: progress.line };
    let mut listed = 0;
    for chunk in opened.resume(start) {
        let chunk = chunk.context("read the file")?;
        for dirty in &chunk.dirty {
            progress.tally.dirty += 1;
            listed += 1;
            if listed <= args.list_dirty {
                let at = if dirty.column.is_empty() {
                    String::new()
                } else {
                    format!(", column `{}`", dirty.column)
                };
                bar.suspend(|| {
                    eprintln!("skipped line {}{at}: {} (`{}`)", dirty.line, dirty.detail, dirty.cell)
                });
            }
        }
        send(&client, &columns, &chunk, &mut progress, &bar).await?;
        progress.offset = chunk.place.offset;
        progress.line = chunk.place.line;
        keep(&beside, &progress);
        bar.set_position(chunk.place.offset.min(bar.length().unwrap_or(u64::MAX)));
    }
    progress.done = true;
    keep(&beside, &progress);
    bar.finish_and_clear();
    finish(args.connection.output, &progress.tally)
}

async fn send(
    client: &Client,
    columns: &[PointColumn],
    chunk: &Chunk,
    progress: &mut Progress,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    for (n, table) in chunk.tables.iter().enumerate() {
        let body = PointTable {
            resource: PointResource {
                kind: table.resource.kind.as_str().to_owned(),
                name: table.resource.name.clone(),
            },
            columns: columns.to_vec(),
            times_us: table.rows.iter().map(|r| r.time.as_micros()).collect(),
            rows: table.rows.iter().map(|r| r.values.clone()).collect(),
        };
        // The same part of the same file has the same key: sent again after a crash, it is not stored twice.
        let key = format!("import/{}/{}/{n}", progress.fingerprint, chunk.place.offset);
        let request =
            client.request(Method::POST, "/api/v1/points").header("Idempotency-Key", key).json(&body);
        let answer: IngestAnswer =
            client.send(request).await?.json().await.context("read the server's answer")?;
        progress.tally.stored += answer.accepted;
        progress.tally.refused += answer.rejected;
        for rejection in answer.rejections.iter().take(5) {
            bar.suspend(|| eprintln!("refused {}: {}", rejection.at, rejection.detail));
        }
    }
    Ok(())
}

fn finish(out: Output, tally: &Tally) -> anyhow::Result<ExitCode> {
    let row = vec![tally.stored.to_string(), tally.dirty.to_string(), tally.refused.to_string()];
    output::rows(out, tally, &["values stored", "rows skipped", "values refused"], [row])?;
    Ok(ExitCode::SUCCESS)
}

fn column(c: &Column) -> PointColumn {
    PointColumn {
        metric: c.metric.clone(),
        unit: c.unit.clone(),
        kind: Some(c.kind.as_str().to_owned()),
        attributes: c.attributes.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect(),
    }
}

fn mapping(args: &cli::Import) -> anyhow::Result<Mapping> {
    let mut mapping = Mapping {
        time_column: args.time_column.clone(),
        time_format: TimeFormat::parse(&args.time_format).map_err(|e| Unusable(e.to_string()))?,
        resource_column: args.resource_column.clone(),
        resource_kind: ResourceKind::Process,
        skip: args.skip.clone(),
        rows_per_chunk: ROWS_PER_CHUNK,
        ..Mapping::default()
    };
    for text in &args.metrics {
        mapping.metrics.push(MetricColumn::parse(text).map_err(|e| Unusable(e.to_string()))?);
    }
    mapping.resource = match &args.resource {
        Some(id) => {
            id.parse::<ResourceId>().map_err(|e| Unusable(e.to_string()))?;
            id.clone()
        }
        None => {
            args.file.file_stem().map_or_else(|| "import".to_owned(), |s| s.to_string_lossy().into_owned())
        }
    };
    Ok(mapping)
}

/// Tells this file with these settings from any other, without reading all of it.
fn fingerprint(args: &cli::Import) -> anyhow::Result<String> {
    let reading = || format!("read {}", args.file.display());
    let unusable = |e: std::io::Error| anyhow::Error::new(e).context(Unusable(reading()));
    let mut file = File::open(&args.file).map_err(unusable)?;
    let size = file.metadata().with_context(reading)?.len();
    let mut hash = Sha256::new();
    hash.update(size.to_be_bytes());
    let mut sample = Vec::new();
    std::io::Read::by_ref(&mut file).take(SAMPLE).read_to_end(&mut sample).with_context(reading)?;
    file.seek(SeekFrom::Start(size.saturating_sub(SAMPLE))).with_context(reading)?;
    file.take(SAMPLE).read_to_end(&mut sample).with_context(reading)?;
    hash.update(&sample);
    let settings = (
        &args.resource,
        &args.resource_column,
        &args.time_column,
        &args.time_format,
        &args.metrics,
        &args.skip,
    );
    hash.update(format!("{settings:?}"));
    let bytes = hash.finalize();
    Ok(bytes.iter().take(16).map(|b| format!("{b:02x}")).collect())
}

fn bar(file: &Path) -> anyhow::Result<ProgressBar> {
    let size = std::fs::metadata(file).with_context(|| format!("read {}", file.display()))?.len();
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed} so far, {eta} to go")?;
    Ok(ProgressBar::new(size).with_style(style))
}

/// Without a place to write beside the file the import goes on; it only cannot go on after a stop.
fn keep(beside: &Path, progress: &Progress) {
    if let Ok(text) = serde_json::to_vec(progress)
        && let Err(error) = std::fs::write(beside, text)
    {
        eprintln!("echobase: how far it is cannot be kept in {}: {error}", beside.display());
    }
}
