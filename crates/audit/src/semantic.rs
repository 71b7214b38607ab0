//! Replay of the rules that interventions must keep, from their entries alone: an insider who signs a false
//! history correctly is still found if the history breaks the rules.
//!
//! Entries with action `intervention.<verb>` and resource type `intervention` are read; entries with outcome
//! `deny` record a refused request and move nothing. Facts that are used:
//!
//! | verb | facts | moves to |
//! | --- | --- | --- |
//! | `propose` | `target`, `risk`, `proposer`, `approvals_needed` (else that of the risk class) | proposed |
//! | `validate` | `digest`; `approvals_needed` and `risk` if they changed | validated |
//! | `approve` | `digest`, `approver` (else the actor) | approved, once there are enough |
//! | `execute` | `digest`, `epoch` | executing |
//! | `step` | `epoch` | – (only while executing or rolling back) |
//! | `verify` | `verification`: `pass` (default), `fail` or `unknown` | verified, if it passed |
//! | `rollback`, `rolled_back`, `rollback_failed`, `fail`, `reject`, `expire`, `cancel`, `supersede` | | the state so named |
//!
//! Findings: [`Code::State`], [`Code::Approvals`], [`Code::SelfApproval`], [`Code::Digest`], [`Code::ExecuteTwice`],
//! [`Code::Epoch`], [`Code::Risk`], [`Code::Fact`]; each says its rule in its documentation.

use std::collections::{BTreeSet, HashMap};

use echobase_types::intervention::{InterventionState as State, RiskClass};
use echobase_types::ledger::{ActorKind, Outcome};

use crate::entry::{EntryView, Scalar};
use crate::verify::Code;

/// A broken rule at an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which rule.
    pub code: Code,
    /// What was seen.
    pub detail: String,
}

/// What is known of one intervention so far.
#[derive(Debug)]
struct Case {
    state: State,
    target: Option<String>,
    /// Approvals that the risk class asks for.
    class: u32,
    /// Approvals that are needed, never fewer than the class asks for.
    needed: u32,
    proposer: Option<String>,
    digest: Option<String>,
    approvers: BTreeSet<String>,
    executed: bool,
}

/// The replay. Feed it entries in order.
#[derive(Debug, Default)]
pub struct Replay {
    cases: HashMap<String, Case>,
    epochs: HashMap<String, u64>,
}

/// The part of an entry that the rules read.
struct Seen<'e> {
    verb: &'e str,
    id: &'e str,
    actor_kind: ActorKind,
    actor: &'e str,
    outcome: Outcome,
    facts: [Option<Scalar<'e>>; FACTS.len()],
}

/// Facts that the rules read.
const FACTS: [&str; 8] =
    ["approvals_needed", "approver", "digest", "epoch", "proposer", "risk", "target", "verification"];

impl<'e> Seen<'e> {
    fn new(verb: &'e str, entry: &'e EntryView<'_>) -> Self {
        let mut facts = [const { None }; FACTS.len()];
        entry.data.scalars(|name, value| {
            if let Some(fact) = FACTS.iter().position(|known| *known == name).and_then(|n| facts.get_mut(n)) {
                *fact = Some(value);
            }
        });
        Self {
            verb,
            id: &entry.resource_id,
            actor_kind: entry.actor_kind,
            actor: &entry.actor_id,
            outcome: entry.outcome,
            facts,
        }
    }

    fn fact(&self, name: &str) -> Option<&Scalar<'e>> {
        FACTS.iter().position(|known| *known == name).and_then(|n| self.facts.get(n)).and_then(Option::as_ref)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.fact(name)? {
            Scalar::Text(text) => Some(&**text).filter(|text| !text.is_empty()),
            Scalar::Integer(_) => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.fact(name)? {
            Scalar::Integer(number) => u64::try_from(*number).ok(),
            Scalar::Text(text) => text.parse().ok(),
        }
    }
}

impl Replay {
    /// Judges the next entry. Entries of other actions cost a comparison.
    pub fn observe(&mut self, entry: &EntryView<'_>) -> Vec<Breach> {
        let Some(verb) = entry.action.strip_prefix("intervention.") else { return Vec::new() };
        if entry.resource_type != "intervention" || entry.outcome == Outcome::Deny {
            return Vec::new();
        }
        let seen = Seen::new(verb, entry);
        let mut breaches = Vec::new();
        self.judge(&seen, &mut |code, detail: String| breaches.push(Breach { code, detail }));
        breaches
    }

    fn judge(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if seen.verb == "propose" {
            if self.cases.contains_key(seen.id) {
                breach(Code::State, "proposed a second time".to_owned());
            }
            let case = Case::proposed(seen, breach);
            self.cases.insert(seen.id.to_owned(), case);
            return;
        }
        if !VERBS.contains(&seen.verb) {
            return;
        }
        if !self.cases.contains_key(seen.id) {
            breach(Code::State, format!("`{}` of an intervention that was never proposed", seen.verb));
            self.cases.insert(seen.id.to_owned(), Case::unknown(seen.verb));
        }
        let Some(case) = self.cases.get_mut(seen.id) else { return };
        case.check_target(seen, breach);
        match seen.verb {
            "validate" => case.validate(seen, breach),
            "approve" => case.approve(seen, breach),
            "execute" => case.execute(seen, breach),
            "step" => case.must_act(seen, breach),
            "verify" => case.verify(seen, breach),
            verb => case.end(verb, breach),
        }
        if matches!(seen.verb, "execute" | "step")
            && let Some(target) = &case.target
        {
            fence(&mut self.epochs, target, seen, breach);
        }
    }
}

fn fence(
    epochs: &mut HashMap<String, u64>,
    target: &str,
    seen: &Seen<'_>,
    breach: &mut impl FnMut(Code, String),
) {
    let Some(epoch) = seen.number("epoch") else {
        if seen.verb == "execute" {
            breach(Code::Fact, "execute without `epoch`".to_owned());
        }
        return;
    };
    match epochs.get_mut(target) {
        None => drop(epochs.insert(target.to_owned(), epoch)),
        Some(last) => {
            if epoch < *last {
                breach(Code::Epoch, format!("epoch {epoch} acts on a target that epoch {last} acted on"));
            }
            *last = epoch.max(*last);
        }
    }
}

const VERBS: [&str; 13] = [
    "validate",
    "approve",
    "execute",
    "step",
    "verify",
    "rollback",
    "rolled_back",
    "rollback_failed",
    "fail",
    "reject",
    "expire",
    "cancel",
    "supersede",
];

/// The state that a verb leads to, where it is the verb alone that says so.
fn leads_to(verb: &str) -> Option<State> {
    Some(match verb {
        "validate" => State::Validated,
        "approve" => State::Approved,
        "execute" | "step" => State::Executing,
        "verify" => State::Verified,
        "rollback" => State::RollingBack,
        "rolled_back" => State::RolledBack,
        "rollback_failed" => State::RollbackFailed,
        "fail" => State::Failed,
        "reject" => State::Rejected,
        "expire" => State::Expired,
        "cancel" => State::Cancelled,
        "supersede" => State::Superseded,
        _ => return None,
    })
}

impl Case {
    fn proposed(seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) -> Self {
        let risk = seen.text("risk").and_then(RiskClass::parse);
        let target = seen.text("target").map(str::to_owned);
        if risk.is_none() || target.is_none() {
            breach(Code::Fact, "propose without a known `risk` or without `target`".to_owned());
        }
        let mut case = Self {
            state: State::Proposed,
            target,
            class: 0,
            needed: 0,
            proposer: Some(seen.text("proposer").unwrap_or(seen.actor).to_owned()),
            digest: None,
            approvers: BTreeSet::new(),
            executed: false,
        };
        case.take_risk(seen, breach);
        case
    }

    fn unknown(verb: &str) -> Self {
        Self {
            state: leads_to(verb).unwrap_or(State::Proposed),
            target: None,
            class: 0,
            needed: 0,
            proposer: None,
            digest: None,
            approvers: BTreeSet::new(),
            executed: false,
        }
    }

    fn take_risk(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if let Some(risk) = seen.text("risk").and_then(RiskClass::parse) {
            self.class = risk.approvals_needed();
            self.needed = self.class;
        }
        let Some(stated) = seen.number("approvals_needed").and_then(|n| u32::try_from(n).ok()) else {
            return;
        };
        if stated < self.class {
            let class = self.class;
            breach(Code::Risk, format!("{stated} approvals asked for, the risk class needs {class}"));
        }
        self.needed = stated.max(self.class);
    }

    fn check_target(&self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if let (Some(known), Some(named)) = (self.target.as_deref(), seen.text("target"))
            && known != named
        {
            breach(Code::State, format!("acts on `{named}`, was proposed for `{known}`"));
        }
    }

    fn move_to(&mut self, next: State, breach: &mut impl FnMut(Code, String)) {
        if !self.state.may_become(next) && self.state != next {
            breach(Code::State, format!("{} may not become {}", self.state.as_str(), next.as_str()));
        } else if self.state == next && next != State::Approved && self.known() {
            breach(Code::State, format!("{} a second time", next.as_str()));
        }
        self.state = next;
    }

    /// Whether the proposal was seen; else the first state is only assumed.
    const fn known(&self) -> bool {
        self.proposer.is_some()
    }

    fn same_digest(&self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) -> bool {
        let same = self.digest.is_some() && self.digest.as_deref() == seen.text("digest");
        if !same && self.known() {
            breach(Code::Digest, format!("`{}` of a digest that is not the validated one", seen.verb));
        }
        same
    }

    fn validate(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        self.move_to(State::Validated, breach);
        self.take_risk(seen, breach);
        self.digest = seen.text("digest").map(str::to_owned);
        if self.digest.is_none() {
            breach(Code::Fact, "validate without `digest`".to_owned());
        }
    }

    fn approve(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if seen.outcome != Outcome::Ok {
            return;
        }
        if self.known() && !matches!(self.state, State::Validated | State::Approved) {
            breach(Code::State, format!("approved while {}", self.state.as_str()));
        }
        let same = self.same_digest(seen, breach);
        let approver = seen.text("approver").unwrap_or(seen.actor);
        let may_approve = matches!(seen.actor_kind, ActorKind::User | ActorKind::Service);
        if self.needed > 0 && may_approve && self.proposer.as_deref() == Some(approver) {
            breach(Code::SelfApproval, "the proposer approved".to_owned());
        } else if same && may_approve {
            self.approvers.insert(approver.to_owned());
        }
        if self.state == State::Validated && self.approved() {
            self.state = State::Approved;
        }
    }

    fn approved(&self) -> bool {
        self.approvers.len() >= self.needed as usize
    }

    fn execute(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if self.executed {
            breach(Code::ExecuteTwice, "executed a second time".to_owned());
            return;
        }
        self.executed = true;
        if self.known() && matches!(self.state, State::Validated | State::Approved) {
            if !self.approved() {
                let (have, need) = (self.approvers.len(), self.needed);
                breach(Code::Approvals, format!("executed with {have} of {need} approvals"));
            }
            self.state = State::Approved;
        }
        self.same_digest(seen, breach);
        if self.known() {
            self.move_to(State::Executing, breach);
        }
    }

    fn must_act(&self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        if !matches!(self.state, State::Executing | State::RollingBack) {
            breach(Code::State, format!("`{}` while {}", seen.verb, self.state.as_str()));
        }
    }

    fn verify(&mut self, seen: &Seen<'_>, breach: &mut impl FnMut(Code, String)) {
        let passed = seen.outcome == Outcome::Ok && seen.text("verification").is_none_or(|v| v == "pass");
        if passed {
            self.move_to(State::Verified, breach);
        } else {
            self.must_act(seen, breach);
        }
    }

    fn end(&mut self, verb: &str, breach: &mut impl FnMut(Code, String)) {
        if let Some(next) = leads_to(verb) {
            self.move_to(next, breach);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::ledger::{Actor, EntryDraft};
    use echobase_types::{TenantId, Timestamp};

    use super::*;
    use crate::chain::ChainHead;

    /// One line per entry: `verb actor fact=value …`; `!deny` and `!error` set the outcome. The intervention is
    /// `i` unless `id=` says otherwise.
    fn breaches(script: &str) -> Vec<(u64, Code)> {
        let mut head = ChainHead::new(TenantId::default_tenant());
        let (mut replay, mut found) = (Replay::default(), Vec::new());
        for line in script.split(';').map(str::trim).filter(|l| !l.is_empty()) {
            let mut words = line.split(' ');
            let verb = words.next().unwrap();
            let actor = words.next().unwrap();
            let kind = match actor {
                "ctl" => ActorKind::Controller,
                "bot" => ActorKind::Agent,
                _ => ActorKind::User,
            };
            let actor = Actor { kind, id: actor.to_owned() };
            let mut draft = EntryDraft::new(actor, &format!("intervention.{verb}"), "intervention", "i");
            for word in words {
                match word.split_once('=') {
                    Some(("id", id)) => draft.resource_id = id.to_owned(),
                    Some((name, value)) => {
                        draft = match value.parse::<i64>() {
                            Ok(number) => draft.fact(name, number),
                            Err(_) => draft.fact(name, value),
                        }
                    }
                    None if word == "!deny" => draft.outcome = Outcome::Deny,
                    None => draft.outcome = Outcome::Error,
                }
            }
            let made = head.append(&draft, Timestamp::EPOCH).unwrap();
            let view = EntryView::parse(&made.bytes).unwrap();
            found.extend(replay.observe(&view).into_iter().map(|b| (made.seq, b.code)));
        }
        found
    }

    const LOW: &str = "propose ctl target=t risk=low; validate ctl digest=d; ";
    const HIGH: &str = "propose ana target=t risk=high; validate ctl digest=d; ";

    #[test]
    fn sound_histories_break_no_rule() {
        for tail in [
            "execute ctl digest=d epoch=1; step ctl epoch=1; verify ctl verification=pass",
            "approve ctl digest=d; execute ctl digest=d epoch=1; verify ctl",
            "execute ctl digest=d epoch=1; step ctl !error; verify ctl verification=fail; rollback ctl; step ctl; rolled_back ctl",
            "execute ctl digest=d epoch=1; rollback ctl !error; rollback_failed ctl !error",
            "execute ctl digest=d epoch=1; fail ctl !error",
            "execute ctl digest=d epoch=1; verify ctl; rollback ana; rolled_back ctl",
            "reject ana",
            "expire ctl",
            "cancel ana",
            "supersede ctl",
        ] {
            assert_eq!(breaches(&format!("{LOW}{tail}")), [], "{tail}");
        }
        for tail in [
            "approve bob digest=d; approve cyd digest=d; execute ctl digest=d epoch=1; verify ctl",
            "approve bob digest=d; approve ana digest=d !deny; approve cyd digest=d; execute ctl digest=d epoch=4; execute ctl !deny",
        ] {
            assert_eq!(breaches(&format!("{HIGH}{tail}")), [], "{tail}");
        }
    }

    #[test]
    fn each_broken_rule_has_its_code() {
        use Code as C;
        for (script, want) in [
            ("execute ctl digest=d epoch=1".to_owned(), vec![(0, C::State)]),
            (
                "propose ctl target=t risk=low; execute ctl digest=d epoch=1".to_owned(),
                vec![(1, C::Digest), (1, C::State)],
            ),
            (
                format!("{LOW}execute ctl digest=d epoch=1; execute ctl digest=d epoch=1"),
                vec![(3, C::ExecuteTwice)],
            ),
            (format!("{LOW}execute ctl digest=x epoch=1"), vec![(2, C::Digest)]),
            (format!("{LOW}execute ctl digest=d"), vec![(2, C::Fact)]),
            (format!("{LOW}verify ctl"), vec![(2, C::State)]),
            (format!("{LOW}step ctl"), vec![(2, C::State)]),
            (format!("{LOW}reject ana; execute ctl digest=d epoch=1"), vec![(3, C::State)]),
            (format!("{LOW}validate ctl digest=d"), vec![(2, C::State)]),
            (format!("{LOW}execute ctl digest=d epoch=1 target=u"), vec![(2, C::State)]),
            (format!("{LOW}propose ctl target=t risk=low"), vec![(2, C::State)]),
            (format!("{HIGH}approve bob digest=d; execute ctl digest=d epoch=1"), vec![(3, C::Approvals)]),
            (
                format!("{HIGH}approve bob digest=d; approve bob digest=d; execute ctl digest=d epoch=1"),
                vec![(4, C::Approvals)],
            ),
            (
                format!("{HIGH}approve bob digest=d; approve bot digest=d; execute ctl digest=d epoch=1"),
                vec![(4, C::Approvals)],
            ),
            (
                format!("{HIGH}approve bob digest=d; approve cyd digest=x; execute ctl digest=d epoch=1"),
                vec![(3, C::Digest), (4, C::Approvals)],
            ),
            (
                format!("{HIGH}approve bob digest=d; approve ana digest=d; execute ctl digest=d epoch=1"),
                vec![(3, C::SelfApproval), (4, C::Approvals)],
            ),
            ("propose ana target=t risk=high approvals_needed=0".to_owned(), vec![(0, C::Risk)]),
            ("propose ana risk=odd target=t".to_owned(), vec![(0, C::Fact)]),
            ("propose ana target=t risk=low; validate ctl".to_owned(), vec![(1, C::Fact)]),
            (
                format!(
                    "{LOW}execute ctl digest=d epoch=5; propose ctl id=j target=t risk=low; validate ctl id=j digest=e; execute ctl id=j digest=e epoch=4"
                ),
                vec![(5, C::Epoch)],
            ),
        ] {
            let mut got = breaches(&script);
            got.sort();
            let mut want = want;
            want.sort();
            assert_eq!(got, want, "{script}");
        }
    }

    #[test]
    fn epochs_of_different_targets_are_apart() {
        let script = "propose ctl target=t risk=low; validate ctl digest=d; execute ctl digest=d epoch=5; \
                      propose ctl id=j target=u risk=low; validate ctl id=j digest=e; execute ctl id=j digest=e epoch=4";
        assert_eq!(breaches(script), []);
    }
}
