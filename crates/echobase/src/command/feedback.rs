//! `echobase label`, `whatif` and `rereference`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use echobase_api::assessment::Assessment;
use echobase_api::feedback::{Reference, ReferenceRequest, WhatIf, WhatIfRequest};
use echobase_api::incident::Incident;
use serde_json::json;

use crate::cli;
use crate::client::{Client, segment};
use crate::exit::Unusable;
use crate::output;

pub(super) async fn label(args: cli::Label) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let draft = json!({
        "anomaly_id": args.anomaly, "label": args.label, "change": args.change, "note": args.note,
    });
    let kept: Incident = client.post("/api/v1/incidents", &draft).await?;
    let row = vec![
        kept.id.clone(),
        kept.label.clone(),
        kept.resource_id.clone(),
        kept.metric.clone().unwrap_or_default(),
        kept.change.clone().unwrap_or_default(),
    ];
    output::rows(args.connection.output, &kept, &["id", "label", "resource", "metric", "change"], vec![row])?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn whatif(args: cli::WhatIf) -> anyhow::Result<ExitCode> {
    let request =
        WhatIfRequest { vitals: figures(&args.vitals)?, dependencies: figures(&args.dependencies)? };
    let client = Client::new(&args.connection)?;
    let path = format!("/api/v1/resources/{}:whatif", segment(&args.resource));
    let told: WhatIf = client.post(&path, &request).await?;
    let row = |name: &str, of: fn(&Assessment) -> Option<f64>| {
        let shown = |a| of(a).map_or_else(|| "no signal".to_owned(), |v| format!("{v:.2}"));
        vec![name.to_owned(), shown(&told.now), shown(&told.then)]
    };
    let mut rows = vec![row("stability", |a| Some(a.score)), row("risk", |a| Some(a.risk.probability))];
    for (now, then) in told.now.components.iter().zip(&told.then.components) {
        let shown = |score: Option<f64>| score.map_or_else(|| "no signal".to_owned(), |v| format!("{v:.2}"));
        rows.push(vec![now.name.clone(), shown(now.score), shown(then.score)]);
    }
    rows.push(vec![told.words.clone(), String::new(), String::new()]);
    output::rows(args.connection.output, &told, &["", "now", "then"], rows)?;
    Ok(ExitCode::SUCCESS)
}

fn figures(pairs: &[String]) -> anyhow::Result<BTreeMap<String, f64>> {
    pairs
        .iter()
        .map(|pair| {
            let parsed =
                pair.rsplit_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
            parsed.ok_or_else(|| Unusable(format!("`{pair}` is not NAME=NUMBER")).into())
        })
        .collect()
}

pub(super) async fn rereference(args: cli::Rereference) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let path = format!("/api/v1/resources/{}:rereference", segment(&args.resource));
    let request = ReferenceRequest { metric: args.metric, note: args.note };
    let taken: Reference = client.post(&path, &request).await?;
    let row = vec![
        taken.resource_id.clone(),
        taken.metric.clone().unwrap_or_else(|| "every metric".to_owned()),
        taken.taken_at.0.to_string(),
    ];
    output::rows(args.connection.output, &taken, &["resource", "metric", "reference since"], vec![row])?;
    Ok(ExitCode::SUCCESS)
}
