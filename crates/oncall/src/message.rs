//! What a message about a group of alerts says. It is written when it is sent, so that it tells how things are then.

use echobase_types::alert::{Alert, AlertState};
use serde::Serialize;

/// How the subject of a message about a group begins; the group's key follows.
pub const SUBJECT: &str = "alert-group:";

/// The body that receivers get.
#[derive(Debug, Serialize)]
struct Body<'a> {
    /// `alerts`.
    kind: &'a str,
    tenant: &'a str,
    group: &'a str,
    /// `firing` if any alert of the group is open, else `resolved`.
    status: &'a str,
    summary: String,
    alerts: Vec<One<'a>>,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    id: String,
    rule: &'a str,
    severity: &'a str,
    state: &'a str,
    resource: Option<String>,
    summary: &'a str,
    detail: &'a str,
    started_at: String,
}

/// The JSON body for a group with these alerts, worst first.
pub fn body(tenant: &str, group: &str, alerts: &[Alert]) -> String {
    let open = alerts.iter().filter(|a| !matches!(a.state, AlertState::Resolved { .. })).count();
    let summary = match alerts {
        [only] => only.summary.clone(),
        [first, ..] => format!("{} (and {} more)", first.summary, alerts.len() - 1),
        [] => format!("nothing fires in {group} any more"),
    };
    let body = Body {
        kind: "alerts",
        tenant,
        group,
        status: if open > 0 { "firing" } else { "resolved" },
        summary,
        alerts: alerts
            .iter()
            .map(|a| One {
                id: a.id.to_string(),
                rule: &a.rule,
                severity: a.severity.as_str(),
                state: a.state.as_str(),
                resource: a.resource_id.as_ref().map(ToString::to_string),
                summary: &a.summary,
                detail: &a.detail,
                started_at: a.started_at.to_string(),
            })
            .collect(),
    };
    serde_json::to_string(&body).unwrap_or_default()
}
