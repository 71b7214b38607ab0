//! `echobase key`.

use std::process::ExitCode;

use echobase_api::Page;
use echobase_api::principal::{ApiKey, ApiKeyCreated, ApiKeyDraft, RotateRequest};
use reqwest::Method;

use crate::cli::{KeyArgs, KeyCommand};
use crate::client::{Client, segment};
use crate::output::{self, Output};

const PATH: &str = "/api/v1/keys";

pub(super) async fn run(args: KeyArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let out = args.connection.output;
    let made: ApiKeyCreated = match args.command {
        KeyCommand::List => {
            let page: Page<ApiKey> = client.get(PATH, &[("limit", "500".into())]).await?;
            let rows = page.items.iter().map(|k| {
                let used = k.last_used_at.map_or_else(|| "never".to_owned(), |t| t.to_string());
                let ends = k.revoked_at.map_or_else(|| k.expires_at.to_string(), |t| format!("revoked {t}"));
                vec![k.id.clone(), k.name.clone(), k.prefix.clone(), k.scopes.join(" "), ends, used]
            });
            let header = ["id", "name", "prefix", "scopes", "ends", "last used"];
            output::rows(out, &page, &header, rows.collect::<Vec<_>>())?;
            return Ok(ExitCode::SUCCESS);
        }
        KeyCommand::Create { name, scopes, days } => {
            let draft = ApiKeyDraft { name, principal_id: None, scopes, expires_in_days: Some(days) };
            client.post(PATH, &draft).await?
        }
        KeyCommand::Rotate { id, overlap_hours } => {
            let request = RotateRequest { overlap_hours: Some(overlap_hours) };
            client.post(&format!("{PATH}/{}:rotate", segment(&id)), &request).await?
        }
        KeyCommand::Revoke { id } => {
            client.send(client.request(Method::DELETE, &format!("{PATH}/{}", segment(&id)))).await?;
            output::line(&format!("revoked {id}"))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    match out {
        Output::Json => output::json(&made)?,
        _ => {
            output::line(&made.secret)?;
            eprintln!("echobase: this is the only time the key is shown; it ends {}", made.key.expires_at);
        }
    }
    Ok(ExitCode::SUCCESS)
}
