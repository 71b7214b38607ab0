//! `echobase query` and `echobase resources`.

use std::io::Read as _;
use std::process::ExitCode;

use echobase_api::Page;
use echobase_api::query::{QueryAnswer, QueryRequest};
use echobase_api::resource::Resource;
use serde_json::Value;

use crate::cli;
use crate::client::{Client, segment};
use crate::output::{self, Output};

pub(super) async fn run(args: cli::Query) -> anyhow::Result<ExitCode> {
    let mut sql = args.sql;
    if sql == "-" {
        sql.clear();
        std::io::stdin().read_to_string(&mut sql)?;
    }
    let client = Client::new(&args.connection)?;
    let request = QueryRequest { sql, max_rows: Some(args.max_rows), timeout_s: None };
    let answer: QueryAnswer = client.post("/api/v1/query", &request).await?;
    let header: Vec<&str> = answer.columns.iter().map(|c| c.name.as_str()).collect();
    let rows = answer.rows.iter().map(|row| row.iter().map(cell).collect());
    output::rows(args.connection.output, &answer, &header, rows.collect::<Vec<_>>())?;
    if answer.truncated && args.connection.output != Output::Json {
        eprintln!("echobase: only the first {} rows; raise --max-rows for more", answer.rows.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) async fn resources(args: cli::Resources) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let out = args.connection.output;
    if let Some(id) = args.id {
        let resource: Resource = client.get(&format!("/api/v1/resources/{}", segment(&id)), &[]).await?;
        let mut rows = vec![row(&resource)];
        if let Some(assessment) = resource.assessment.as_ref().filter(|_| out == Output::Table) {
            for component in &assessment.components {
                let score = component.score.map_or_else(|| "no signal".to_owned(), |s| format!("{s:.2}"));
                let why: Vec<&str> = component.reasons.iter().map(|r| r.words.as_str()).collect();
                let weight = format!("weight {:.0} %", component.weight * 100.0);
                rows.push(vec![component.name.clone(), weight, score, String::new(), why.join("; ")]);
            }
        }
        output::rows(out, &resource, &HEADER, rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut query = vec![("limit", "500".to_owned())];
    query.extend(args.kind.map(|k| ("kind", k)));
    let page: Page<Resource> = client.get("/api/v1/resources", &query).await?;
    output::rows(out, &page, &HEADER, page.items.iter().map(row).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

const HEADER: [&str; 5] = ["resource", "kind", "stability", "risk", "why"];

fn row(r: &Resource) -> Vec<String> {
    let a = r.assessment.as_ref();
    let worst = a.and_then(|a| {
        let reasons = a.components.iter().flat_map(|c| &c.reasons).chain(&a.risk.features);
        reasons.max_by(|x, y| x.contribution.total_cmp(&y.contribution))
    });
    vec![
        r.id.clone(),
        r.kind.clone(),
        a.map_or_else(|| "not judged yet".to_owned(), |a| format!("{:.2}", a.score)),
        a.map_or_else(String::new, |a| {
            format!("{:.0} % in {} min", a.risk.probability * 100.0, a.risk.horizon_s / 60)
        }),
        worst.map_or_else(String::new, |w| w.words.clone()),
    ]
}
