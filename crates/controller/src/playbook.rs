//! Playbooks as people write them: YAML, read into [`echobase_types::playbook::Playbook`], every fault with its
//! line and column.

mod keys;
mod place;
mod source;
mod step;

use echobase_types::intervention::{InterventionType, RiskClass, Step};
use echobase_types::playbook::{Autonomy, Playbook, SafetyEnvelope, Selector};
use echobase_types::{PlaybookId, ResourceId, ResourceKind, Timestamp};
use std::time::Duration;

use crate::condition::Condition;

pub use source::{MAX_BYTES, schema};

/// A fault in a playbook's source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Which key, such as `envelope.cooldown`; empty where it is the whole text.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// A playbook that was read and found well-formed, before it has an id and a version.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedPlaybook {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Which resources it looks at.
    pub selector: Selector,
    /// The condition.
    pub condition: Condition,
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
    /// What must hold afterwards.
    pub success: Vec<Condition>,
    /// How long success may take to show.
    pub verify_within: Duration,
    /// Limits.
    pub envelope: SafetyEnvelope,
    /// How far it may go by itself.
    pub autonomy: Autonomy,
}

impl ParsedPlaybook {
    /// As one stored version.
    pub fn into_version(
        self,
        id: PlaybookId,
        version: u32,
        source: &str,
        enabled: bool,
        saved_at: Timestamp,
    ) -> Playbook {
        Playbook {
            id,
            name: self.name,
            version,
            description: self.description,
            source: source.to_owned(),
            enabled,
            selector: self.selector,
            condition: self.condition.source().to_owned(),
            hold_for: self.hold_for,
            kind: self.kind,
            risk: self.risk,
            actuator: self.actuator,
            steps: self.steps,
            success: self.success.iter().map(|c| c.source().to_owned()).collect(),
            verify_within: self.verify_within,
            envelope: self.envelope,
            autonomy: self.autonomy,
            saved_at,
        }
    }
}

/// Reads a playbook. Either it is well-formed and every condition in it was compiled and tried, or all its faults
/// are listed in the order of the text.
pub fn parse(text: &str) -> Result<ParsedPlaybook, Vec<Fault>> {
    source::read(text)
}

/// Whether a pattern could take in a resource of one of these kinds: it is made of the characters of ids and `*`, and
/// begins with a kind, or with what a kind could begin with.
pub fn could_match(pattern: &str, kinds: &[ResourceKind]) -> bool {
    let (fixed, is_open) = pattern.split_once('*').map_or((pattern, false), |(fixed, _)| (fixed, true));
    let of_kind = |kind: &ResourceKind| {
        let head = format!("{}:", kind.as_str());
        if is_open {
            fixed.starts_with(&head) || head.starts_with(fixed)
        } else {
            fixed.strip_prefix(&head).is_some_and(|name| !name.is_empty())
        }
    };
    // With a letter for each `*` it is an id.
    ResourceId::new(&pattern.replace('*', "x")).is_ok() && kinds.iter().any(of_kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn a_pattern_that_takes_in_nothing_is_known() {
        let all = &ResourceKind::ALL[..];
        for (pattern, kinds, expected) in [
            ("service:shop/orders", all, true),
            ("service:shop/*", all, true),
            ("service:shop/*", &[ResourceKind::Host], false),
            ("*", all, true),
            ("*orders", all, true),
            ("ho*", all, true),
            ("host:*", &[ResourceKind::Host], true),
            ("", all, false),
            ("orders", all, false),
            ("shop/*", all, false),
            ("pod:orders", all, false),
            ("service:", all, false),
            ("service:shop orders", all, false),
            ("[", all, false),
        ] {
            assert_eq!(could_match(pattern, kinds), expected, "{pattern} {kinds:?}");
        }
    }
}
