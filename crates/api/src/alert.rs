//! Alerts.

use std::collections::BTreeMap;

use echobase_types::alert as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Something people should know.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Its id.
    pub id: String,
    /// What it is about, where it is one resource.
    pub resource_id: Option<String>,
    /// Which rule fired.
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// One line.
    pub summary: String,
    /// The reasons.
    pub detail: String,
    /// `firing`, `acknowledged` or `resolved`.
    pub state: String,
    /// Alerts of one group are told in one message.
    pub group_key: String,
    /// When it began.
    pub started_at: Time,
    /// When it was last seen firing.
    pub last_fired_at: Time,
    /// When it was acknowledged or resolved.
    pub ended_at: Option<Time>,
    /// How often it was seen firing.
    pub count: u32,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Which alerts are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct AlertQuery {
    /// `firing`, `acknowledged`, `resolved`; absent: all.
    pub state: Option<String>,
    /// Only of this resource.
    pub resource_id: Option<String>,
    /// Only of this objective.
    pub slo_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

impl From<&domain::Alert> for Alert {
    fn from(a: &domain::Alert) -> Self {
        Self {
            id: a.id.to_string(),
            resource_id: a.resource_id.as_ref().map(ToString::to_string),
            rule: a.rule.clone(),
            severity: a.severity.as_str().to_owned(),
            summary: a.summary.clone(),
            detail: a.detail.clone(),
            state: a.state.as_str().to_owned(),
            group_key: a.group_key.clone(),
            started_at: a.started_at.into(),
            last_fired_at: a.last_fired_at.into(),
            ended_at: match a.state {
                domain::AlertState::Firing => None,
                domain::AlertState::Acknowledged { at } | domain::AlertState::Resolved { at } => {
                    Some(at.into())
                }
            },
            count: a.count,
            labels: a.labels.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect(),
        }
    }
}
