//! `echobase playbook`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use echobase_api::playbook::{BacktestReport, BacktestRequest, Playbook, PlaybookCheck, PlaybookDraft};
use echobase_api::{Page, Time};
use reqwest::Method;

use crate::cli::{PlaybookArgs, PlaybookCommand};
use crate::client::{Client, segment};
use crate::exit::{self, Unusable};
use crate::output::{self, Output};

const PATH: &str = "/api/v1/playbooks";

pub(super) async fn run(args: PlaybookArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let out = args.connection.output;
    match args.command {
        PlaybookCommand::List => {
            let page: Page<Playbook> = client.get(PATH, &[("limit", "500".into())]).await?;
            let rows = page.items.iter().map(row);
            output::rows(out, &page, &HEADER, rows.collect::<Vec<_>>())?;
        }
        PlaybookCommand::Show { playbook } => {
            let found = find(&client, &playbook).await?;
            match out {
                Output::Json => output::json(&found)?,
                _ => output::line(&found.source)?,
            }
        }
        PlaybookCommand::Save { file, disabled } => {
            let draft = PlaybookDraft { source: read(&file)?, enabled: !disabled };
            let saved: Playbook = client.post(PATH, &draft).await?;
            output::rows(out, &saved, &HEADER, [row(&saved)])?;
        }
        PlaybookCommand::Validate { file } => {
            let draft = PlaybookDraft { source: read(&file)?, enabled: false };
            let check: PlaybookCheck = client.post(&format!("{PATH}:validate"), &draft).await?;
            let rows = check.errors.iter().map(|e| {
                let at = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
                vec![at(e.line), at(e.column), e.detail.clone()]
            });
            if out != Output::Table || !check.valid {
                output::rows(out, &check, &["line", "column", "fault"], rows.collect::<Vec<_>>())?;
            } else {
                output::line(&format!("{} is a valid playbook", file.display()))?;
            }
            return Ok(ExitCode::from(if check.valid { exit::OK } else { exit::FAILED }));
        }
        PlaybookCommand::Backtest { file, since } => {
            let to = super::now();
            let from = to - super::duration(&since)?;
            let request =
                BacktestRequest { source: read(&file)?, from: Some(Time(from)), to: Some(Time(to)) };
            let report: BacktestReport = client.post(&format!("{PATH}:backtest"), &request).await?;
            let rows = report.actions.iter().map(|a| {
                let verdict =
                    a.suppressed_by.as_ref().map_or("would act".to_owned(), |g| format!("held by {g}"));
                let at = a.at.to_string();
                vec![at, a.resource_id.clone(), two(a.score), two(a.risk), verdict, a.words.clone()]
            });
            let header = ["at", "resource", "score", "risk", "verdict", "why"];
            output::rows(out, &report, &header, rows.collect::<Vec<_>>())?;
            if out == Output::Table {
                let acts = report.actions.iter().filter(|a| a.suppressed_by.is_none()).count();
                output::line(&format!(
                    "{} assessments from {} to {}: {} matched, {} could not be decided, {acts} actions",
                    report.evaluated, report.from, report.to, report.matched, report.unknown
                ))?;
            }
        }
        PlaybookCommand::Enable { playbook } => switch(&client, out, &playbook, "enable").await?,
        PlaybookCommand::Disable { playbook } => switch(&client, out, &playbook, "disable").await?,
        PlaybookCommand::Delete { playbook } => {
            let found = find(&client, &playbook).await?;
            client.send(client.request(Method::DELETE, &format!("{PATH}/{}", found.id))).await?;
            output::line(&format!("removed {}", found.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HEADER: [&str; 7] = ["name", "version", "enabled", "type", "risk", "autonomy", "id"];

fn row(p: &Playbook) -> Vec<String> {
    vec![
        p.name.clone(),
        p.version.to_string(),
        if p.enabled { "yes" } else { "no" }.to_owned(),
        p.kind.clone(),
        p.risk.clone(),
        p.autonomy.clone(),
        p.id.clone(),
    ]
}

async fn switch(client: &Client, out: Output, playbook: &str, verb: &str) -> anyhow::Result<()> {
    let found = find(client, playbook).await?;
    let changed: Playbook =
        client.post(&format!("{PATH}/{}:{verb}", found.id), &serde_json::json!({})).await?;
    output::rows(out, &changed, &HEADER, [row(&changed)])
}

async fn find(client: &Client, name_or_id: &str) -> anyhow::Result<Playbook> {
    if name_or_id.parse::<uuid::Uuid>().is_ok() {
        return client.get(&format!("{PATH}/{}", segment(name_or_id)), &[]).await;
    }
    let page: Page<Playbook> = client.get(PATH, &[("limit", "500".into())]).await?;
    let found = page.items.into_iter().find(|p| p.name == name_or_id);
    found.ok_or_else(|| Unusable(format!("there is no playbook `{name_or_id}`")).into())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

fn two(x: f64) -> String {
    format!("{x:.2}")
}
