//! The guards of the safety envelope: each alone can stop a playbook.

use std::time::Duration;

use echobase_store::freeze::Freeze;
use echobase_types::intervention::{InterventionState as S, InterventionType};
use echobase_types::playbook::Playbook;
use echobase_types::{InterventionId, ResourceId, Timestamp, duration};

use super::{Attempt, History, Limits};

const HOUR: Duration = Duration::from_secs(3_600);

/// A guard of the safety envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// The target, the playbook or the tenant is frozen.
    Freeze,
    /// Another intervention on the target is under way.
    Pending,
    /// The target was acted on a short while ago.
    Cooldown,
    /// The playbook has used its hourly budget up.
    Rate,
    /// The tenant has used its hourly budget up.
    TenantRate,
    /// The installation has used its hourly budget up.
    GlobalRate,
    /// The playbook keeps acting without effect: it is to be frozen.
    Ineffective,
    /// The plan would touch more units than it may.
    BlastRadius,
}

impl Guard {
    /// All, in the order in which they are asked.
    pub const ALL: [Self; 8] = [
        Self::Freeze,
        Self::Pending,
        Self::Ineffective,
        Self::Cooldown,
        Self::Rate,
        Self::TenantRate,
        Self::GlobalRate,
        Self::BlastRadius,
    ];

    /// The word in API, UI and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Pending => "pending",
            Self::Cooldown => "cooldown",
            Self::Rate => "rate",
            Self::TenantRate => "tenant_rate",
            Self::GlobalRate => "global_rate",
            Self::Ineffective => "ineffective",
            Self::BlastRadius => "blast_radius",
        }
    }
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether it acted on its target, whatever came of it.
fn acted(attempt: &Attempt) -> bool {
    attempt.started_at.is_some()
        || matches!(attempt.state, S::Verified | S::RolledBack | S::RollbackFailed | S::Failed)
}

/// What guards look at, whoever wants to act.
pub(crate) struct Past<'a> {
    /// The past.
    pub(crate) history: &'a History,
    /// Freezes in force in the tenant.
    pub(crate) freezes: &'a [Freeze],
    /// The limits.
    pub(crate) limits: &'a Limits,
    /// The present.
    pub(crate) now: Timestamp,
}

/// The first guard that stops a playbook on a target, with the reason in words.
pub(super) fn first_that_stops(
    playbook: &Playbook,
    target: &ResourceId,
    seen: &Past<'_>,
) -> Option<(Guard, String)> {
    if let Some(words) = frozen(target, Some(playbook), seen) {
        return Some((Guard::Freeze, words));
    }
    if let Some(other) = pending(playbook, target, seen.history) {
        return Some((Guard::Pending, waits_on(other)));
    }
    if let Some(words) = ineffective(playbook, target, seen) {
        return Some((Guard::Ineffective, words));
    }
    let cooldown = playbook.envelope.cooldown.max(seen.limits.cooldown_floor);
    if let Some(words) = cooling(cooldown, target, Some(playbook), seen) {
        return Some((Guard::Cooldown, words));
    }
    used_up(Some(playbook), seen)
}

/// The first guard that stops what somebody wants by hand on a target, with the reason in words. The past is that of
/// all others: it does not hold the proposal itself.
pub(crate) fn first_that_stops_by_hand(
    target: &ResourceId,
    cooldown: Duration,
    seen: &Past<'_>,
) -> Option<(Guard, String)> {
    if let Some(words) = frozen(target, None, seen) {
        return Some((Guard::Freeze, words));
    }
    // What a person wants takes no other's place, either.
    let open = |a: &&Attempt| a.target == *target && !a.state.is_final();
    if let Some(other) = seen.history.attempts.iter().find(open) {
        return Some((Guard::Pending, waits_on(other)));
    }
    if let Some(words) = cooling(cooldown.max(seen.limits.cooldown_floor), target, None, seen) {
        return Some((Guard::Cooldown, words));
    }
    used_up(None, seen)
}

fn frozen(target: &ResourceId, playbook: Option<&Playbook>, seen: &Past<'_>) -> Option<String> {
    let freeze = seen.freezes.iter().find(|f| f.scope.covers(target, playbook.map(|p| p.id)))?;
    Some(format!("{} is frozen: {}", freeze.scope, freeze.reason))
}

fn waits_on(other: &Attempt) -> String {
    format!("intervention {} on it is {}", other.id, other.state.as_str())
}

/// The first hourly budget that is used up: the playbook's own, the tenant's, the installation's.
fn used_up(playbook: Option<&Playbook>, seen: &Past<'_>) -> Option<(Guard, String)> {
    let history = seen.history;
    let started = |attempt: &&Attempt| {
        let at = attempt.started_at.or_else(|| (!attempt.state.is_final()).then_some(attempt.created_at));
        at.is_some_and(|at| seen.now.since(at) < HOUR)
    };
    let own = playbook.map(|playbook| {
        let same = |a: &&Attempt| a.playbook.is_some_and(|(id, _)| id == playbook.id);
        let count = history.attempts.iter().filter(started).filter(same).count() as u64;
        (Guard::Rate, count, playbook.envelope.max_per_hour, "this playbook")
    });
    let by_tenant = history.attempts.iter().filter(started).count() as u64;
    let shared = [
        (Guard::TenantRate, by_tenant, seen.limits.tenant_per_hour, "this tenant"),
        (Guard::GlobalRate, history.started_global, seen.limits.global_per_hour, "this installation"),
    ];
    own.into_iter().chain(shared).find(|(_, count, most, _)| *count >= u64::from(*most)).map(
        |(guard, count, most, whose)| {
            (guard, format!("{whose} may act {most} times an hour, and did {count} times"))
        },
    )
}

/// An open intervention on the target that does not give way.
fn pending<'h>(playbook: &Playbook, target: &ResourceId, history: &'h History) -> Option<&'h Attempt> {
    history
        .attempts
        .iter()
        .filter(|a| a.target == *target && !a.state.is_final())
        .find(|a| !gives_way(a, playbook))
}

/// Waiting interventions of playbooks give way to a newer version of their own playbook and to what is more urgent.
fn gives_way(waiting: &Attempt, to: &Playbook) -> bool {
    if !matches!(waiting.state, S::Proposed | S::Validated | S::Approved) {
        return false;
    }
    match waiting.playbook {
        // What a person wants gives way to nobody.
        None => false,
        Some((id, version)) if id == to.id => version < to.version,
        Some(_) => urgency(to.kind) > urgency(waiting.kind),
    }
}

const fn urgency(kind: InterventionType) -> u8 {
    match kind {
        InterventionType::Recovery => 3,
        InterventionType::Reactive => 2,
        InterventionType::Proactive => 1,
        InterventionType::Optimisation => 0,
    }
}

/// The waiting interventions that give way.
pub(super) fn superseded(playbook: &Playbook, target: &ResourceId, history: &History) -> Vec<InterventionId> {
    history
        .attempts
        .iter()
        .filter(|a| a.target == *target && !a.state.is_final() && gives_way(a, playbook))
        .map(|a| a.id)
        .collect()
}

/// Whether a target is still cooling down. What acted counts for everybody; what was refused, taken back or not
/// answered counts for the playbook that wanted it, so that it does not ask again at once.
fn cooling(
    cooldown: Duration,
    target: &ResourceId,
    playbook: Option<&Playbook>,
    seen: &Past<'_>,
) -> Option<String> {
    let counts = |a: &&Attempt| {
        let same = matches!((a.playbook, playbook), (Some((id, _)), Some(p)) if id == p.id);
        a.target == *target && a.state.is_final() && a.state != S::Superseded && (acted(a) || same)
    };
    let last = seen.history.attempts.iter().filter(counts).map(|a| a.updated_at).max()?;
    let left = cooldown.checked_sub(seen.now.since(last)).filter(|left| !left.is_zero())?;
    let left = duration::format(Duration::from_secs(left.as_secs().max(1)));
    Some(format!("{target} cools down for {left} more"))
}

/// Whether a playbook acted often enough without lasting effect. An attempt that was verified counts if its trouble
/// came back: the condition holds again on the same target.
fn ineffective(playbook: &Playbook, target: &ResourceId, seen: &Past<'_>) -> Option<String> {
    let limits = seen.limits;
    let released = seen.history.released.iter().filter(|(id, _)| *id == playbook.id).map(|(_, at)| *at).max();
    let from = (seen.now - limits.ineffective_window).max(released.unwrap_or(Timestamp::EPOCH));
    let in_vain = |a: &&Attempt| {
        a.playbook == Some((playbook.id, playbook.version))
            && a.created_at >= from
            && match a.state {
                S::Failed | S::RolledBack | S::RollbackFailed => true,
                S::Verified => a.target == *target,
                _ => false,
            }
    };
    let count = seen.history.attempts.iter().filter(in_vain).count() as u64;
    (count >= u64::from(limits.ineffective_attempts.max(1))).then(|| {
        let window = duration::format(limits.ineffective_window);
        format!("it acted {count} times within {window}, and what it is to cure failed or came back")
    })
}

/// Whether there is a storm: so many interventions in a short time that a person must look.
pub(crate) fn storm(history: &History, limits: &Limits, now: Timestamp) -> Option<String> {
    let recent = |a: &&Attempt| a.state != S::Superseded && now.since(a.created_at) < limits.storm_window;
    let count = history.attempts.iter().filter(recent).count() as u64;
    (count >= u64::from(limits.storm_threshold.max(1))).then(|| {
        let window = duration::format(limits.storm_window);
        format!("{count} interventions within {window}: a person must approve each further one")
    })
}
