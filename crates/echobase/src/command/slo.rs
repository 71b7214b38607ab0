//! `echobase slo`.

use std::process::ExitCode;

use echobase_api::Page;
use echobase_api::slo::Slo;

use crate::cli::{SloArgs, SloCommand};
use crate::client::{Client, segment};
use crate::exit::Unusable;
use crate::output::{self, Output};

const PATH: &str = "/api/v1/slos";
const HEADER: [&str; 7] = ["name", "state", "left", "burns", "good", "target", "days"];

pub(super) async fn run(args: SloArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let out = args.connection.output;
    match args.command {
        SloCommand::List => {
            let page: Page<Slo> = client.get(PATH, &[("limit", "500".into())]).await?;
            output::rows(out, &page, &HEADER, page.items.iter().map(row).collect::<Vec<_>>())?;
        }
        SloCommand::Show { slo } => {
            let found = find(&client, &slo).await?;
            output::rows(out, &found, &HEADER, [row(&found)])?;
            if out == Output::Table {
                output::line(&found.status.words)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(slo: &Slo) -> Vec<String> {
    let percent = |share: f64| format!("{} %", (share * 100_000.0).floor() / 1_000.0);
    let some = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), percent);
    let burns = slo.status.forecast.as_ref().map_or_else(|| "-".to_owned(), |f| format!("{:.1}", f.rate));
    vec![
        slo.name.clone(),
        slo.status.state.clone(),
        some(slo.status.left),
        burns,
        some(slo.status.attained),
        percent(slo.target),
        slo.window_days.to_string(),
    ]
}

async fn find(client: &Client, name_or_id: &str) -> anyhow::Result<Slo> {
    if name_or_id.parse::<uuid::Uuid>().is_ok() {
        return client.get(&format!("{PATH}/{}", segment(name_or_id)), &[]).await;
    }
    let page: Page<Slo> = client.get(PATH, &[("limit", "500".into())]).await?;
    let found = page.items.into_iter().find(|slo| slo.name == name_or_id);
    found.ok_or_else(|| Unusable(format!("there is no objective `{name_or_id}`")).into())
}
