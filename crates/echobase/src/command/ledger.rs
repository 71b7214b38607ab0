//! `echobase ledger`.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_api::Page;
use echobase_api::ledger::{Checkpoint, Entry, Receipt};
use echobase_audit::verify::Trusted;
use echobase_audit::{ExportFiles, FlatVerifier, Trust, Unreadable, VerifierKey, verify_export};
use reqwest::Method;

use crate::cli::{LedgerArgs, LedgerCommand};
use crate::client::Client;
use crate::exit::{self, Unusable};
use crate::output;

pub(super) fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        LedgerCommand::Verify { export, vkeys, trusted, witnesses } => {
            verify(&export, &vkeys, &trusted, witnesses)
        }
        LedgerCommand::Show { ref action, ref resource, limit } => {
            super::wait(show(&args, action.clone(), resource.clone(), limit))
        }
        LedgerCommand::Export { ref folder } => super::wait(export(&args, folder.clone())),
        LedgerCommand::Receipt { seq } => super::wait(receipt(&args, seq)),
    }
}

/// Verifies an export without a server, a clock or a network.
fn verify(
    export: &Path,
    vkeys: &[String],
    trusted: &[PathBuf],
    witnesses: usize,
) -> anyhow::Result<ExitCode> {
    let mut trust = Trust { witnesses, ..Trust::default() };
    for vkey in vkeys {
        trust.keys.push(VerifierKey::parse(vkey).map_err(|e| Unusable(format!("--vkey {vkey}: {e}")))?);
    }
    for file in trusted {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Unusable(format!("--trusted {}: {e}", file.display())))?;
        let read =
            Trusted::parse(&text).map_err(|e| Unusable(format!("--trusted {}: {e}", file.display())))?;
        trust.trusted.push(read);
    }
    let report = if export.is_file() {
        let mut flat = FlatVerifier::new(&trust);
        let mut file = std::fs::File::open(export).with_context(|| format!("read {}", export.display()))?;
        let mut chunk = vec![0; 1 << 20];
        loop {
            let read = std::io::Read::read(&mut file, &mut chunk)
                .map_err(|e| Unusable(format!("read {}: {e}", export.display())))?;
            if read == 0 {
                break;
            }
            flat.push(chunk.get(..read).unwrap_or_default());
        }
        flat.finish()
    } else {
        let folder = Folder(export.to_owned());
        verify_export(&folder, &trust).map_err(|e| Unusable(e.to_string()))?
    };
    output::line(&report.to_json())?;
    if trust.keys.is_empty() {
        eprintln!("echobase: no --vkey was given, so signatures were not checked");
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// An export on disk.
struct Folder(PathBuf);

impl ExportFiles for Folder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable { path: path.to_owned(), detail: error.to_string() }),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Unreadable> {
        let mut found = Vec::new();
        walk(&self.0, "", &mut found)?;
        found.retain(|path| path.starts_with(prefix));
        Ok(found)
    }
}

fn walk(root: &Path, below: &str, found: &mut Vec<String>) -> Result<(), Unreadable> {
    let fault = |e: std::io::Error| Unreadable { path: below.to_owned(), detail: e.to_string() };
    let folder = match std::fs::read_dir(root.join(below)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !below.is_empty() => return Ok(()),
        Err(error) => return Err(fault(error)),
    };
    for entry in folder {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().map_err(fault)?.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

async fn show(
    args: &LedgerArgs,
    action: Option<String>,
    resource: Option<String>,
    limit: u32,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let mut query = vec![("limit", limit.to_string())];
    query.extend(action.map(|a| ("action", a)));
    query.extend(resource.map(|r| ("resource_id", r)));
    let page: Page<Entry> = client.get("/api/v1/ledger/entries", &query).await?;
    let rows = page.items.iter().map(|e| {
        let what = format!("{} {}", e.resource_type, e.resource_id);
        vec![
            e.seq.to_string(),
            e.ts.to_string(),
            e.action.clone(),
            e.outcome.clone(),
            what,
            format!("{} {}", e.actor_type, e.actor_id),
        ]
    });
    let header = ["seq", "time", "action", "outcome", "on", "by"];
    output::rows(args.connection.output, &page, &header, rows.collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

async fn export(args: &LedgerArgs, folder: PathBuf) -> anyhow::Result<ExitCode> {
    if folder.exists() {
        return Err(Unusable(format!("{} exists; name a folder that does not", folder.display())).into());
    }
    let client = Client::new(&args.connection)?;
    let checkpoint: Checkpoint = client.get("/api/v1/ledger/checkpoint", &[]).await?;
    let response = client.send(client.request(Method::GET, "/api/v1/ledger:export")).await?;
    // The archive is written to a file first, so that a large log does not fill the memory.
    let mut spool = tempfile::tempfile().context("make a temporary file")?;
    let mut response = response;
    while let Some(chunk) = response.chunk().await.context("read the export")? {
        std::io::Write::write_all(&mut spool, &chunk).context("write the export")?;
    }
    std::io::Seek::rewind(&mut spool).context("write the export")?;
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    tar::Archive::new(BufReader::new(spool)).unpack(&folder).context("unpack the export")?;
    output::line(&format!("wrote {}", folder.display()))?;
    output::line(&format!(
        "verify it anywhere: echobase ledger verify {} --vkey '{}'",
        folder.display(),
        checkpoint.vkey
    ))?;
    Ok(ExitCode::from(exit::OK))
}

async fn receipt(args: &LedgerArgs, seq: u64) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let receipt: Receipt = client.get(&format!("/api/v1/ledger/entries/{seq}/receipt"), &[]).await?;
    match args.connection.output {
        output::Output::Json => output::json(&receipt)?,
        _ => output::line(receipt.proof.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
