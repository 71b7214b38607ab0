//! What people are told: one message for each group of alerts, rendered when it is sent.

use echobase_types::alert::{Alert, AlertState};
use echobase_types::{TenantId, Timestamp};
use serde_json::{Value, json};

/// Subjects of messages on alerts begin so; the group follows.
pub const SUBJECT: &str = "alerts/";

/// Alerts that one message lists.
const LISTED: usize = 50;
/// Resolved alerts that it lists.
const RESOLVED: usize = 10;

/// The body of a message on a group. `alerts` are those of the group, newest first.
pub fn render(tenant: &TenantId, group: &str, alerts: &[Alert]) -> String {
    let is_open = |a: &&Alert| !matches!(a.state, AlertState::Resolved { .. });
    let open: Vec<&Alert> = alerts.iter().filter(is_open).collect();
    let resolved: Vec<&Alert> = alerts.iter().filter(|a| !is_open(a)).take(RESOLVED).collect();
    let worst = open.iter().map(|a| a.severity).max();
    let status = if open.is_empty() { "resolved" } else { "firing" };
    let title = match (open.as_slice(), resolved.as_slice()) {
        ([], [one, ..]) => format!("resolved: {}", one.summary),
        ([], []) => format!("resolved: {group}"),
        ([one], _) => one.summary.clone(),
        ([first, ..], _) => format!("{} and {} more", first.summary, open.len() - 1),
    };
    let listed: Vec<Value> = open.iter().take(LISTED).chain(&resolved).map(|a| of(a)).collect();
    json!({
        "kind": "alerts",
        "tenant": tenant.as_str(),
        "group": group,
        "status": status,
        "severity": worst.map(|s| s.as_str()),
        "title": title,
        "firing": open.len(),
        "alerts": listed,
    })
    .to_string()
}

fn of(a: &Alert) -> Value {
    let ended: Option<Timestamp> = match a.state {
        AlertState::Firing => None,
        AlertState::Acknowledged { at } | AlertState::Resolved { at } => Some(at),
    };
    json!({
        "id": a.id.to_string(),
        "rule": a.rule,
        "severity": a.severity.as_str(),
        "state": a.state.as_str(),
        "summary": a.summary,
        "detail": a.detail,
        "resource_id": a.resource_id.as_ref().map(ToString::to_string),
        "started_at": a.started_at.to_string(),
        "changed_at": ended.map(|t| t.to_string()),
        "count": a.count,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;
    use echobase_types::assessment::Severity;
    use echobase_types::{AlertId, Attributes};

    fn alert(summary: &str, state: AlertState, severity: Severity) -> Alert {
        Alert {
            id: "00000000-0000-7000-8000-000000000001".parse::<AlertId>().unwrap(),
            dedup_key: "k".into(),
            group_key: "g".into(),
            resource_id: None,
            rule: "stability.low".into(),
            severity,
            summary: summary.into(),
            detail: "why".into(),
            state,
            started_at: Timestamp::from_secs(1),
            last_fired_at: Timestamp::from_secs(2),
            count: 3,
            labels: Attributes::new(),
        }
    }

    #[test]
    fn a_message_tells_how_many_how_bad_and_what() {
        let over = AlertState::Resolved { at: Timestamp::from_secs(9) };
        let (a, b) = (
            alert("a is bad", AlertState::Firing, Severity::Warning),
            alert("b was bad", over, Severity::Critical),
        );
        let read = |alerts: &[Alert]| -> Value {
            serde_json::from_str(&render(&TenantId::default_tenant(), "g", alerts)).unwrap()
        };
        let both = read(&[a.clone(), b.clone()]);
        assert_eq!((both["status"].as_str(), both["severity"].as_str()), (Some("firing"), Some("warning")));
        assert_eq!((both["title"].as_str(), both["firing"].as_u64()), (Some("a is bad"), Some(1)));
        assert_eq!(both["alerts"].as_array().unwrap().len(), 2);
        assert_eq!(read(&[a.clone(), a.clone(), a])["title"], "a is bad and 2 more");
        let end = read(&[b]);
        assert_eq!(
            (end["status"].as_str(), end["title"].as_str()),
            (Some("resolved"), Some("resolved: b was bad"))
        );
        assert_eq!(end["alerts"][0]["changed_at"], "1970-01-01T00:00:09.000000Z");
    }
}
