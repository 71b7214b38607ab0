//! Playbooks: when this assessment holds, propose that intervention, under these limits.

use std::time::Duration;

use crate::intervention::{InterventionType, RiskClass, Step};
use crate::{PlaybookId, ResourceId, ResourceKind, Timestamp};

/// How far a playbook may go by itself. Going up needs people; going down is automatic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Autonomy {
    /// Only records that it would have acted.
    Observe,
    /// Proposes; a person must take the proposal up and approve it.
    Suggest,
    /// Proposes and validates by itself; a person approves.
    Approve,
    /// Approves by itself within the envelope, if the risk class is low.
    Auto,
}

impl Autonomy {
    /// All steps of the ladder, lowest first.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Suggest, Self::Approve, Self::Auto];

    /// The word in playbooks, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }

    /// The step of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == word)
    }
}

/// Limits within which interventions stay.
#[derive(Clone, Debug, PartialEq)]
pub struct SafetyEnvelope {
    /// Time after an intervention on a target before the next. At least 5 minutes unless the operator's
    /// configuration lowers the floor (the demo does).
    pub cooldown: Duration,
    /// Units (processes, replicas) one intervention may touch.
    pub max_units: u32,
    /// Share of the target's units one intervention may touch, 0..=1. One unit is always allowed.
    pub max_share: f64,
    /// Interventions of this playbook per hour, over all targets.
    pub max_per_hour: u32,
    /// Units that must stay untouched.
    pub min_available: u32,
}

/// One version of a playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbook {
    /// Its id, over all versions.
    pub id: PlaybookId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Version, from 1.
    pub version: u32,
    /// What it is for, in words.
    pub description: String,
    /// The source text, as written.
    pub source: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Which resources it looks at.
    pub selector: Selector,
    /// The condition (CEL over the assessment).
    pub condition: String,
    /// How long the condition must hold.
    pub hold_for: Duration,
    /// What sort of intervention.
    pub kind: InterventionType,
    /// How much harm it could do.
    pub risk: RiskClass,
    /// The actuator.
    pub actuator: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// CEL conditions that must all hold for the intervention to count as verified.
    pub success: Vec<String>,
    /// How long after the last step success may take to show.
    pub verify_within: Duration,
    /// Limits.
    pub envelope: SafetyEnvelope,
    /// How far it may go by itself.
    pub autonomy: Autonomy,
    /// When this version was saved.
    pub saved_at: Timestamp,
}

/// Which resources a playbook or an objective looks at: all conditions that are set must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// The kind of the resource.
    pub kind: Option<ResourceKind>,
    /// Its id, or a pattern with `*`.
    pub resource: Option<String>,
}

impl Selector {
    /// Whether it takes in a resource; `*` in the pattern stands for any characters.
    pub fn takes_in(&self, resource: &ResourceId) -> bool {
        let id = resource.as_str();
        let is_kind =
            self.kind.is_none_or(|k| id.split_once(':').is_some_and(|(found, _)| found == k.as_str()));
        is_kind && self.resource.as_deref().is_none_or(|pattern| matches_pattern(pattern, id))
    }
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn selectors_take_in_by_kind_and_pattern() {
        for (kind, pattern, id, expected) in [
            (None, None, "service:shop/orders", true),
            (Some(ResourceKind::Service), None, "service:shop/orders", true),
            (Some(ResourceKind::Host), None, "service:shop/orders", false),
            (None, Some("service:shop/*"), "service:shop/orders", true),
            (None, Some("service:shop/*"), "service:shop2/orders", false),
            (None, Some("*orders"), "service:shop/orders", true),
            (None, Some("service:*/ord*s"), "service:shop/orders", true),
            (None, Some("service:*/ord*z"), "service:shop/orders", false),
            (None, Some("service:shop/orders"), "service:shop/orders2", false),
            (None, Some("a*a"), "a", false),
            (Some(ResourceKind::Host), Some("*"), "host:a", true),
        ] {
            let selector = Selector { kind, resource: pattern.map(str::to_owned) };
            let id = ResourceId::new(id).unwrap();
            assert_eq!(selector.takes_in(&id), expected, "{selector:?} {id}");
        }
    }
}
