//! Deciding: whether a playbook acts on an assessment, and which guard stops it. Pure: a dry run, a backtest and the
//! control loop ask the same function.

mod autonomy;
mod blast;
mod guard;

use std::time::Duration;

use echobase_store::freeze::Freeze;
use echobase_types::assessment::Assessment;
use echobase_types::intervention::{InterventionState, InterventionType, RiskClass};
use echobase_types::playbook::{Autonomy, Playbook};
use echobase_types::{InterventionId, PlaybookId, ResourceId, Timestamp, duration};

use crate::condition::{Condition, ConditionFault, Facts, Truth};
use crate::config::ControllerConfig;

pub use autonomy::effective;
pub use blast::blast_radius;
pub use guard::Guard;
pub(crate) use guard::{Past, first_that_stops_by_hand, storm};

/// The least class of risk where no autonomy was earned: at least one person approves.
pub(crate) const FLOOR_WITHOUT_AUTONOMY: RiskClass = RiskClass::Medium;

/// Limits that hold for all playbooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least cool-down on a target.
    pub cooldown_floor: Duration,
    /// Interventions per tenant and hour.
    pub tenant_per_hour: u32,
    /// Interventions per hour over all tenants.
    pub global_per_hour: u32,
    /// From so many interventions within `storm_window` on, a person must approve.
    pub storm_threshold: u32,
    /// Window of the storm detector.
    pub storm_window: Duration,
    /// So many ineffective attempts within `ineffective_window` freeze a playbook.
    pub ineffective_attempts: u32,
    /// Window of the ineffective-loop breaker.
    pub ineffective_window: Duration,
    /// Verified successes before `auto` takes effect.
    pub autonomy_successes: u32,
}

impl From<&ControllerConfig> for Limits {
    fn from(c: &ControllerConfig) -> Self {
        Self {
            cooldown_floor: c.cooldown_floor,
            tenant_per_hour: c.tenant_per_hour,
            global_per_hour: c.global_per_hour,
            storm_threshold: c.storm_threshold,
            storm_window: c.storm_window,
            ineffective_attempts: c.ineffective_attempts,
            ineffective_window: c.ineffective_window,
            autonomy_successes: c.autonomy_successes,
        }
    }
}

/// A playbook in force, with its conditions compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The playbook.
    pub playbook: Playbook,
    /// Its condition.
    pub condition: Condition,
}

impl Rule {
    /// Compiles the condition of a stored playbook.
    pub fn compile(playbook: Playbook) -> Result<Self, Vec<ConditionFault>> {
        let condition = Condition::compile(&playbook.condition)?;
        Ok(Self { playbook, condition })
    }
}

/// An intervention of the past, or one that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: InterventionId,
    /// Its target.
    pub target: ResourceId,
    /// The playbook with its version; `None` if a person wanted it.
    pub playbook: Option<(PlaybookId, u32)>,
    /// Its sort.
    pub kind: InterventionType,
    /// Its state.
    pub state: InterventionState,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was approved and began to act; `None` if it never did.
    pub started_at: Option<Timestamp>,
}

/// What is known of the past when a decision is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Interventions of the tenant of at least the last `ineffective_window`, and all that are open; any order.
    pub attempts: Vec<Attempt>,
    /// Interventions that began to act within the last hour, over all tenants.
    pub started_global: u64,
    /// For each playbook that was released from a freeze: when. Older attempts do not count against it.
    pub released: Vec<(PlaybookId, Timestamp)>,
    /// The states of the newest interventions of each playbook and version, newest first.
    pub record: Vec<((PlaybookId, u32), Vec<InterventionState>)>,
}

/// What was decided on one playbook and one assessment.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The playbook does not look at this resource, or its condition does not hold.
    No,
    /// The condition needs what is not known.
    Unknown(String),
    /// The condition holds, not yet long enough.
    Holding,
    /// The condition holds, and the playbook only records that it would have acted.
    WouldAct {
        /// Why, in words.
        reason: String,
    },
    /// The condition holds, and a guard stops it.
    Suppressed {
        /// Which.
        guard: Guard,
        /// Why, in words.
        words: String,
    },
    /// Propose an intervention.
    Propose(Wanted),
}

/// An intervention that a playbook wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// How far it may go by itself now: what is declared, or less.
    pub autonomy: Autonomy,
    /// The class of risk: what is declared, or more.
    pub risk: RiskClass,
    /// Why, in words.
    pub reason: String,
    /// Waiting interventions whose place it takes.
    pub supersedes: Vec<InterventionId>,
}

/// What a decision is made on.
pub struct Situation<'a> {
    /// The facts of the assessment.
    pub facts: &'a Facts,
    /// The assessment.
    pub assessment: &'a Assessment,
    /// Since when the condition has held without a break, as of the last assessment; `None`: it did not.
    pub held_since: Option<Timestamp>,
    /// The past.
    pub history: &'a History,
    /// Freezes in force in the tenant.
    pub freezes: &'a [Freeze],
    /// The limits.
    pub limits: &'a Limits,
    /// The present.
    pub now: Timestamp,
}

/// Whether the condition holds on this assessment, and since when: what the next decision gets as `held_since`.
pub fn hold(
    rule: &Rule,
    facts: &Facts,
    assessment: &Assessment,
    before: Option<Timestamp>,
) -> Option<Timestamp> {
    if !rule.playbook.enabled || !rule.playbook.selector.takes_in(&assessment.resource_id) {
        return None;
    }
    match rule.condition.ask_facts(facts) {
        Truth::True => Some(before.unwrap_or(assessment.at)),
        Truth::False | Truth::Unknown(_) => None,
    }
}

/// Decides on one playbook and one assessment. Touches nothing.
pub fn consider(rule: &Rule, seen: &Situation<'_>) -> Decision {
    let playbook = &rule.playbook;
    let target = &seen.assessment.resource_id;
    if !playbook.enabled || !playbook.selector.takes_in(target) {
        return Decision::No;
    }
    match rule.condition.ask_facts(seen.facts) {
        Truth::False => return Decision::No,
        Truth::Unknown(why) => return Decision::Unknown(why),
        Truth::True => {}
    }
    let since = seen.held_since.unwrap_or(seen.assessment.at);
    if seen.assessment.at.since(since) < playbook.hold_for {
        return Decision::Holding;
    }
    let past = Past { history: seen.history, freezes: seen.freezes, limits: seen.limits, now: seen.now };
    if let Some((guard, words)) = guard::first_that_stops(playbook, target, &past) {
        return Decision::Suppressed { guard, words };
    }
    let reason = reason(rule, seen.assessment, seen.now.since(since));
    let key = (playbook.id, playbook.version);
    let record = seen.history.record.iter().find(|(k, _)| *k == key).map_or(&[][..], |(_, r)| r.as_slice());
    let autonomy = effective(playbook.autonomy, record, seen.limits.autonomy_successes);
    if autonomy == Autonomy::Observe {
        return Decision::WouldAct { reason };
    }
    let storm = storm(seen.history, seen.limits, seen.now);
    let by_itself = autonomy == Autonomy::Auto && storm.is_none();
    let floor = if by_itself { RiskClass::Low } else { FLOOR_WITHOUT_AUTONOMY };
    let reason = storm.map_or_else(|| reason.clone(), |words| format!("{reason} · {words}"));
    Decision::Propose(Wanted {
        autonomy,
        risk: playbook.risk.max(floor),
        reason,
        supersedes: guard::superseded(playbook, target, seen.history),
    })
}

/// Why a playbook wants to act, from the assessment's own reasons.
fn reason(rule: &Rule, a: &Assessment, held: Duration) -> String {
    let mut parts = vec![format!("`{}` holds", rule.condition.source())];
    if !held.is_zero() {
        parts.push(format!("for {}", duration::format(Duration::from_secs(held.as_secs()))));
    }
    let mut text = parts.join(" ");
    text.push_str(&format!("; stability {:.2}", a.stability.score));
    if a.risk.predictable {
        text.push_str(&format!(", risk {:.0} %", a.risk.probability * 100.0));
    }
    let exhaustion = a.exhaustion.iter().map(|e| e.words.as_str());
    let anomalies = a.anomalies.iter().map(|x| x.words.as_str());
    let components = a.stability.components.iter().flat_map(|c| &c.reasons).map(|r| r.words.as_str());
    let mut told: Vec<&str> = Vec::new();
    for words in exhaustion.chain(anomalies).chain(components) {
        if !words.is_empty() && !told.contains(&words) && told.len() < 3 {
            told.push(words);
        }
    }
    for words in told {
        text.push_str("; ");
        text.push_str(words);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
