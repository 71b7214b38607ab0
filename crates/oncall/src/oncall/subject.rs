//! What an alert of ours is about: its key in memory and in the store.

use echobase_types::alert::Alert;
use echobase_types::slo::Urgency;
use echobase_types::{Attributes, ResourceId, SloId, TenantId};

use crate::burn;
use crate::rule::Rule;

/// An alert of ours: whose, about what, by which rule.
pub(super) type Key = (TenantId, Subject);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    Resource(ResourceId, Rule),
    Objective(SloId, Urgency),
}

impl Subject {
    /// What an open alert of ours is about.
    pub(super) fn of(alert: &Alert) -> Option<Self> {
        if let Some(urgency) = burn::parse(&alert.rule) {
            let (_, id) = alert.dedup_key.split_once('/')?;
            return Some(Self::Objective(id.parse().ok()?, urgency));
        }
        Some(Self::Resource(alert.resource_id.clone()?, Rule::parse(&alert.rule)?))
    }

    /// Same key, same alert.
    pub(super) fn dedup_key(&self) -> String {
        match self {
            Self::Resource(resource, rule) => format!("{}/{resource}", rule.as_str()),
            Self::Objective(slo, urgency) => burn::dedup_key(*urgency, *slo),
        }
    }
}

/// What an alert says beside its words.
pub(super) struct About {
    pub(super) group_key: String,
    pub(super) resource_id: Option<ResourceId>,
    pub(super) rule: &'static str,
    pub(super) labels: Attributes,
}
