//! `echobase intervention`, `freeze`, `unfreeze`, `alerts`.

use std::process::ExitCode;

use echobase_api::Page;
use echobase_api::alert::Alert;
use echobase_api::freeze::{Freeze, FreezeRequest, ReleaseRequest};
use echobase_api::intervention::{
    ApproveRequest, Intervention, InterventionDraft, InterventionSummary, ReasonRequest, Step,
};

use crate::cli::{self, InterventionArgs, InterventionCommand};
use crate::client::{Client, segment};
use crate::exit::Unusable;
use crate::output::{self, Output};

const PATH: &str = "/api/v1/interventions";
const HEADER: [&str; 6] = ["id", "state", "target", "what", "approvals", "why"];

pub(super) async fn run(args: InterventionArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let out = args.connection.output;
    let verb = |id: &str, verb: &str| format!("{PATH}/{}:{verb}", segment(id));
    let one: Intervention = match args.command {
        InterventionCommand::List { state } => {
            let query: Vec<_> = state.into_iter().map(|s| ("state", s)).collect();
            let page: Page<InterventionSummary> = client.get(PATH, &query).await?;
            output::rows(out, &page, &HEADER, page.items.iter().map(row).collect::<Vec<_>>())?;
            return Ok(ExitCode::SUCCESS);
        }
        InterventionCommand::Show { id } => client.get(&format!("{PATH}/{}", segment(&id)), &[]).await?,
        InterventionCommand::Propose { target, actuator, action, arguments, risk, reason } => {
            let arguments = arguments
                .iter()
                .map(|a| match a.split_once('=') {
                    Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                    None => Err(Unusable(format!("`{a}` is not NAME=VALUE"))),
                })
                .collect::<Result<_, _>>()?;
            let draft = InterventionDraft {
                target,
                kind: None,
                risk: Some(risk),
                actuator,
                steps: vec![Step { action, arguments, argv: Vec::new() }],
                success: Vec::new(),
                verify_within_s: None,
                reason,
            };
            client.post(PATH, &draft).await?
        }
        InterventionCommand::Approve { id, digest } => {
            client.post(&verb(&id, "approve"), &ApproveRequest { digest }).await?
        }
        InterventionCommand::Reject { id, reason } => {
            client.post(&verb(&id, "reject"), &ReasonRequest { reason }).await?
        }
        InterventionCommand::Cancel { id, reason } => {
            client.post(&verb(&id, "cancel"), &ReasonRequest { reason }).await?
        }
        InterventionCommand::Rollback { id, reason } => {
            client.post(&verb(&id, "rollback"), &ReasonRequest { reason }).await?
        }
    };
    show(out, &one)?;
    Ok(ExitCode::SUCCESS)
}

fn row(i: &InterventionSummary) -> Vec<String> {
    vec![
        i.id.clone(),
        i.state.clone(),
        i.target.clone(),
        i.title.clone(),
        format!("{} of {}", i.approvals_given, i.approvals_needed),
        if i.state_reason.is_empty() { i.reason.clone() } else { i.state_reason.clone() },
    ]
}

fn show(out: Output, i: &Intervention) -> anyhow::Result<()> {
    let s = &i.summary;
    let mut rows = vec![
        vec!["id".to_owned(), s.id.clone()],
        vec!["state".to_owned(), format!("{} {}", s.state, s.state_reason)],
        vec!["target".to_owned(), s.target.clone()],
        vec!["why".to_owned(), s.reason.clone()],
        vec!["risk class".to_owned(), s.risk.clone()],
        vec!["approvals".to_owned(), format!("{} of {}", s.approvals_given, s.approvals_needed)],
        vec!["digest".to_owned(), s.digest.clone().unwrap_or_else(|| "none yet: not tried dry".to_owned())],
    ];
    for (at, step) in i.steps.iter().enumerate() {
        let preview = i.previews.get(at).map_or_else(
            || step.action.clone(),
            |p| {
                format!(
                    "{}\n{} -> {}\ntouches {} of {} units",
                    p.summary, p.before, p.after, p.units, p.units_total
                )
            },
        );
        rows.push(vec![format!("step {}", at + 1), preview]);
    }
    for receipt in &i.receipts {
        rows.push(vec![format!("done {}", receipt.step + 1), receipt.summary.clone()]);
    }
    if let Some(verification) = &s.verification {
        rows.push(vec!["verification".to_owned(), verification.clone()]);
    }
    output::rows(out, i, &["", ""], rows)
}

pub(super) async fn freeze(args: cli::Freeze) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let request = FreezeRequest { scope: Some(args.scope), reason: args.reason };
    let freezes: Vec<Freeze> = client.post("/api/v1/freeze", &request).await?;
    print_freezes(args.connection.output, &freezes)
}

pub(super) async fn unfreeze(args: cli::Freeze) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let request = ReleaseRequest { scope: args.scope, reason: args.reason };
    let freezes: Vec<Freeze> = client.post("/api/v1/freeze:release", &request).await?;
    print_freezes(args.connection.output, &freezes)
}

fn print_freezes(out: Output, freezes: &Vec<Freeze>) -> anyhow::Result<ExitCode> {
    if freezes.is_empty() && out == Output::Table {
        output::line("nothing is frozen")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = freezes.iter().map(|f| {
        let release = f.release_requested_by.clone().unwrap_or_default();
        vec![f.scope.clone(), f.since.to_string(), f.by.clone(), f.reason.clone(), release]
    });
    let header = ["scope", "since", "by", "why", "release asked by"];
    output::rows(out, freezes, &header, rows.collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn alerts(args: cli::Alerts) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let query: Vec<_> = args.state.into_iter().map(|s| ("state", s)).collect();
    let page: Page<Alert> = client.get("/api/v1/alerts", &query).await?;
    let rows = page.items.iter().map(|a| {
        let resource = a.resource_id.clone().unwrap_or_default();
        vec![
            a.state.clone(),
            a.severity.clone(),
            a.rule.clone(),
            resource,
            a.summary.clone(),
            a.started_at.to_string(),
        ]
    });
    let header = ["state", "severity", "rule", "resource", "summary", "since"];
    output::rows(args.connection.output, &page, &header, rows.collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}
