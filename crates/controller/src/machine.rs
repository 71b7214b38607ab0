//! The state machine: what an event makes of an intervention, and the ledger entry that tells of it. Pure.
//!
//! [`advance`] is the only place where the state of an intervention changes. What it returns is written in one
//! transaction: state and entry exist together or not at all.

use echobase_types::intervention::{
    Approval, Intervention, InterventionState as S, Preview, Proposer, RiskClass, StepReceipt, Verification,
};
use echobase_types::ledger::{Actor, EntryDraft, Outcome};
use echobase_types::{ErrorKind, InterventionId, PrincipalId, Timestamp};

use crate::digest::digest;

/// Longest text of a person that goes into the ledger, in characters.
const MAX_WORDS: usize = 500;

/// The name under which the envelope approves.
pub const ENVELOPE: &str = "envelope";

/// Something that happens to an intervention.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The dry run went well: the plan is fixed. The class of risk may have gone up.
    Validate {
        /// What each step would do.
        previews: Vec<Preview>,
        /// The class of risk of the plan.
        risk: RiskClass,
        /// When an open approval ends.
        expires_at: Timestamp,
    },
    /// A yes to a digest; `None` is the policy envelope.
    Approve {
        /// Who.
        by: Option<PrincipalId>,
        /// To what.
        digest: String,
        /// When the approved plan is no longer to be begun.
        expires_at: Timestamp,
    },
    /// Refused by the dry run, the envelope or a person.
    Reject {
        /// Why.
        why: String,
    },
    /// Taken back.
    Cancel {
        /// Why.
        why: String,
    },
    /// Nobody approved, or nothing could be begun, in time.
    Expire,
    /// A newer one takes its place.
    Supersede {
        /// Which.
        by: InterventionId,
    },
    /// It begins to act, under a fencing number.
    Execute {
        /// The number.
        epoch: u64,
    },
    /// A step is done. `last` tells when the effect of the whole plan is awaited.
    Step {
        /// Its receipt.
        receipt: StepReceipt,
        /// Under which fencing number.
        epoch: u64,
        /// Whether more steps follow.
        last: Last,
    },
    /// A step failed; what was begun of it has a receipt, if it left anything.
    StepFailed {
        /// Which step, from 0.
        step: u32,
        /// Under which fencing number.
        epoch: u64,
        /// Why.
        why: String,
        /// What undoes it.
        receipt: Option<StepReceipt>,
    },
    /// The success criteria were judged for good.
    Verify {
        /// How.
        result: Verification,
        /// In words.
        words: String,
    },
    /// What was done is to be undone.
    RollBack {
        /// Why.
        why: String,
    },
    /// A step was undone.
    Reverted {
        /// Which step, from 0.
        step: u32,
        /// Under which fencing number.
        epoch: u64,
        /// What was done, in words.
        words: String,
    },
    /// All is undone.
    RolledBack,
    /// Undoing failed.
    RollbackFailed {
        /// Why.
        why: String,
    },
    /// It failed, and there is nothing to undo.
    Fail {
        /// Why.
        why: String,
    },
}

/// Whether a step is the last one of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is.
    Yes,
    /// More follow.
    No,
}

/// An event that the state, or a rule, does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state does not allow it.
    #[error("intervention `{id}` is {}: it cannot {act} now", state.as_str())]
    State {
        /// Which.
        id: InterventionId,
        /// Its state.
        state: S,
        /// What was wanted.
        act: &'static str,
    },
    /// The digest is not that of the plan.
    #[error("the digest is not that of intervention `{0}` as it stands now: look at the plan again")]
    Digest(InterventionId),
    /// The proposer cannot approve.
    #[error("who proposed an intervention cannot approve it: another person must")]
    OwnProposal,
    /// One person counts once.
    #[error("you have approved this already: another person must")]
    Twice,
    /// The envelope can approve only what is of low risk.
    #[error("the envelope cannot approve a plan of {} risk", .0.as_str())]
    Envelope(RiskClass),
    /// The time for it is over.
    #[error("the time to approve intervention `{0}` is over")]
    Expired(InterventionId),
    /// What was executed once is not executed again.
    #[error("intervention `{0}` was executed already")]
    Executed(InterventionId),
    /// Fewer approvals than the risk asks for.
    #[error("intervention `{id}` has {have} of {needed} approvals")]
    Approvals {
        /// Which.
        id: InterventionId,
        /// How many it has.
        have: u32,
        /// How many it needs.
        needed: u32,
    },
}

impl Refused {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OwnProposal | Self::Envelope(_) => ErrorKind::Denied,
            _ => ErrorKind::Conflict,
        }
    }
}

/// The entry of a new intervention.
pub fn proposed(intervention: &Intervention, actor: Actor) -> EntryDraft {
    entry(intervention, actor, "propose").fact("reason", cut(&intervention.reason))
}

/// What an event makes of an intervention, with the entries that tell of it.
pub fn advance(
    before: &Intervention,
    event: Event,
    actor: Actor,
    now: Timestamp,
) -> Result<(Intervention, Vec<EntryDraft>), Refused> {
    let mut next = before.clone();
    let act = verb(&event);
    let refuse = || Refused::State { id: before.id, state: before.state, act };
    let go = |next: &mut Intervention, to: S, why: String| {
        if !before.state.may_become(to) {
            return Err(refuse());
        }
        next.state = to;
        next.state_reason = why;
        Ok(())
    };
    let mut entries = Vec::new();
    match event {
        Event::Validate { previews, risk, expires_at } => {
            go(&mut next, S::Validated, "waits for approval".to_owned())?;
            next.plan.previews = previews;
            // A dry run may find more risk than was declared, never less.
            next.risk = risk.max(before.risk);
            next.plan.risk = next.risk;
            next.digest = Some(digest(&next.plan));
            next.expires_at = expires_at;
            entries.push(entry(&next, actor, act));
        }
        Event::Approve { by, digest, expires_at } => {
            approve(&mut next, by, digest, expires_at, now)?;
            let approver = by.map_or_else(|| ENVELOPE.to_owned(), |id| id.to_string());
            entries.push(entry(&next, actor, act).fact("approver", approver));
        }
        Event::Execute { epoch } => {
            execute(&mut next, epoch, now)?;
            entries.push(entry(&next, actor, act));
        }
        Event::Step { receipt, epoch, last } => {
            // A person may have asked for the way back while it was done: then it is noted to be undone.
            if !matches!(before.state, S::Executing | S::RollingBack) {
                return Err(refuse());
            }
            let words = receipt.summary.clone();
            let step = i64::from(receipt.step);
            next.receipts.retain(|r| r.step != receipt.step);
            next.receipts.push(receipt);
            next.epoch = epoch;
            if last == Last::Yes && before.state == S::Executing {
                next.executed_at = Some(now);
                next.state_reason = "done; its effect is awaited".to_owned();
            }
            entries.push(entry(&next, actor, act).fact("step", step).fact("summary", cut(&words)));
        }
        Event::StepFailed { step, epoch, why, receipt } => {
            if !matches!(before.state, S::Executing | S::RollingBack) {
                return Err(refuse());
            }
            next.epoch = epoch;
            next.receipts.retain(|r| r.step != step);
            next.receipts.extend(receipt);
            let failed = entry(&next, actor, act).outcome(Outcome::Error);
            entries.push(failed.fact("step", i64::from(step)).fact("reason", cut(&why)));
        }
        Event::Verify { result, words } => {
            // Only what was done to its end can be judged.
            if before.executed_at.is_none() || before.state != S::Executing {
                return Err(refuse());
            }
            if result == Verification::Pass {
                go(&mut next, S::Verified, words.clone())?;
            }
            next.verification = Some(result);
            let outcome = if result == Verification::Pass { Outcome::Ok } else { Outcome::Error };
            let judged = entry(&next, actor, act).outcome(outcome).fact("verification", result.as_str());
            entries.push(judged.fact("reason", cut(&words)));
        }
        Event::RollBack { why } => {
            go(&mut next, S::RollingBack, why.clone())?;
            entries.push(entry(&next, actor, act).fact("reason", cut(&why)));
        }
        Event::Reverted { step, epoch, words } => {
            if before.state != S::RollingBack {
                return Err(refuse());
            }
            next.epoch = epoch;
            let undone = entry(&next, actor, act).fact("direction", "revert").fact("step", i64::from(step));
            entries.push(undone.fact("summary", cut(&words)));
        }
        Event::RolledBack => {
            go(&mut next, S::RolledBack, before.state_reason.clone())?;
            entries.push(entry(&next, actor, act));
        }
        Event::RollbackFailed { why } => {
            go(&mut next, S::RollbackFailed, why.clone())?;
            entries.push(entry(&next, actor, act).outcome(Outcome::Error).fact("reason", cut(&why)));
        }
        Event::Fail { why } => {
            go(&mut next, S::Failed, why.clone())?;
            entries.push(entry(&next, actor, act).outcome(Outcome::Error).fact("reason", cut(&why)));
        }
        Event::Reject { why } => {
            go(&mut next, S::Rejected, why.clone())?;
            entries.push(entry(&next, actor, act).fact("reason", cut(&why)));
        }
        Event::Cancel { why } => {
            go(&mut next, S::Cancelled, why.clone())?;
            entries.push(entry(&next, actor, act).fact("reason", cut(&why)));
        }
        Event::Expire => {
            let why = match before.state {
                S::Approved => "approved, but it could not begin in time",
                _ => "nobody approved in time",
            };
            go(&mut next, S::Expired, why.to_owned())?;
            entries.push(entry(&next, actor, act).fact("reason", why));
        }
        Event::Supersede { by } => {
            go(&mut next, S::Superseded, format!("intervention {by} took its place"))?;
            entries.push(entry(&next, actor, act).fact("by", by.to_string()));
        }
    }
    Ok((next, entries))
}

fn approve(
    next: &mut Intervention,
    by: Option<PrincipalId>,
    digest: String,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Refused> {
    if next.state != S::Validated {
        return Err(Refused::State { id: next.id, state: next.state, act: "approve" });
    }
    if next.digest.as_deref() != Some(digest.as_str()) {
        return Err(Refused::Digest(next.id));
    }
    if now >= next.expires_at {
        return Err(Refused::Expired(next.id));
    }
    match by {
        None if next.risk != RiskClass::Low => return Err(Refused::Envelope(next.risk)),
        None => {}
        Some(by) => {
            if next.proposer == (Proposer::Principal { id: by }) && next.risk.approvals_needed() > 0 {
                return Err(Refused::OwnProposal);
            }
            if next.approvals.iter().any(|a| a.by == Some(by)) {
                return Err(Refused::Twice);
            }
        }
    }
    next.approvals.push(Approval { by, at: now, digest });
    if has_approvals(next) {
        next.state = S::Approved;
        next.state_reason = "waits for its turn".to_owned();
        next.expires_at = expires_at;
    } else {
        let (have, needed) = (next.approvals.len(), next.risk.approvals_needed());
        next.state_reason = format!("{have} of {needed} approvals");
    }
    Ok(())
}

/// Distinct people who approved this very digest, none of them its proposer.
fn people(intervention: &Intervention) -> u32 {
    let mut people: Vec<PrincipalId> = intervention
        .approvals
        .iter()
        .filter(|a| Some(&a.digest) == intervention.digest.as_ref())
        .filter_map(|a| a.by)
        .filter(|by| intervention.proposer != (Proposer::Principal { id: *by }))
        .collect();
    people.sort();
    people.dedup();
    u32::try_from(people.len()).unwrap_or(u32::MAX)
}

fn has_approvals(intervention: &Intervention) -> bool {
    let same = |a: &&Approval| Some(&a.digest) == intervention.digest.as_ref();
    match intervention.risk.approvals_needed() {
        0 => intervention.approvals.iter().filter(same).count() > 0,
        needed => people(intervention) >= needed,
    }
}

fn execute(next: &mut Intervention, epoch: u64, now: Timestamp) -> Result<(), Refused> {
    if next.state != S::Approved {
        return Err(Refused::State { id: next.id, state: next.state, act: "execute" });
    }
    if next.executed_at.is_some() || !next.receipts.is_empty() {
        return Err(Refused::Executed(next.id));
    }
    if next.digest.as_deref() != Some(digest(&next.plan).as_str()) {
        return Err(Refused::Digest(next.id));
    }
    if !has_approvals(next) {
        let needed = next.risk.approvals_needed();
        return Err(Refused::Approvals { id: next.id, have: people(next), needed });
    }
    if now >= next.expires_at {
        return Err(Refused::Expired(next.id));
    }
    next.state = S::Executing;
    next.state_reason = "its steps are carried out".to_owned();
    next.epoch = epoch;
    Ok(())
}

const fn verb(event: &Event) -> &'static str {
    match event {
        Event::Validate { .. } => "validate",
        Event::Approve { .. } => "approve",
        Event::Reject { .. } => "reject",
        Event::Cancel { .. } => "cancel",
        Event::Expire => "expire",
        Event::Supersede { .. } => "supersede",
        Event::Execute { .. } => "execute",
        Event::Step { .. } | Event::StepFailed { .. } | Event::Reverted { .. } => "step",
        Event::Verify { .. } => "verify",
        Event::RollBack { .. } => "rollback",
        Event::RolledBack => "rolled_back",
        Event::RollbackFailed { .. } => "rollback_failed",
        Event::Fail { .. } => "fail",
    }
}

/// An entry with the facts that every entry of an intervention has.
fn entry(i: &Intervention, actor: Actor, verb: &str) -> EntryDraft {
    let mut entry = EntryDraft::new(actor, &format!("intervention.{verb}"), "intervention", i.id)
        .fact("target", i.target.as_str())
        .fact("risk", i.risk.as_str())
        .fact("approvals_needed", i64::from(i.risk.approvals_needed()));
    match &i.proposer {
        Proposer::Playbook { id, name, version } => {
            entry = entry
                .fact("proposer", id.to_string())
                .fact("playbook", name.as_str())
                .fact("version", i64::from(*version));
        }
        Proposer::Principal { id } => entry = entry.fact("proposer", id.to_string()),
    }
    if let Some(digest) = &i.digest {
        entry = entry.fact("digest", digest.as_str());
    }
    if i.epoch > 0 {
        entry = entry.fact("epoch", i64::try_from(i.epoch).unwrap_or(i64::MAX));
    }
    entry
}

fn cut(words: &str) -> String {
    if words.chars().count() <= MAX_WORDS {
        words.to_owned()
    } else {
        words.chars().take(MAX_WORDS).collect()
    }
}

#[cfg(test)]
mod tests;
