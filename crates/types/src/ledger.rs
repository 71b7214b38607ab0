//! What a state change leaves behind: the draft of a ledger entry. `audit` gives it its bytes and its place.

use std::collections::BTreeMap;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The sort of actor.
    pub kind: ActorKind,
    /// Its id; people are named by random id only.
    pub id: String,
}

/// The sort of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A person.
    User,
    /// A machine with a key.
    Service,
    /// An AI agent.
    Agent,
    /// The control loop.
    Controller,
    /// Echobase itself.
    System,
}

impl ActorKind {
    /// The word in the entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Agent => "agent",
            Self::Controller => "controller",
            Self::System => "system",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Refused by policy.
    Deny,
    /// Tried and failed.
    Error,
}

impl Outcome {
    /// The word in the entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// A non-sensitive fact of an entry. ELX/1 has no fractions: decimals are texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A whole number within ±(2^53−1).
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Several texts.
    List(Vec<String>),
}

impl From<&str> for Fact {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}

impl From<String> for Fact {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}

impl From<i64> for Fact {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}

impl From<bool> for Fact {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}

/// An entry before it has its sequence number, time and hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryDraft {
    /// Who.
    pub actor: Actor,
    /// A dotted verb such as `intervention.approve`.
    pub action: String,
    /// What sort of thing it was done to, such as `intervention`.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Non-sensitive facts.
    pub data: BTreeMap<String, Fact>,
}

impl EntryDraft {
    /// A draft with outcome `ok` and no facts.
    pub fn new(actor: Actor, action: &str, resource_type: &str, resource_id: impl ToString) -> Self {
        Self {
            actor,
            action: action.to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id: resource_id.to_string(),
            outcome: Outcome::Ok,
            data: BTreeMap::new(),
        }
    }

    /// With another outcome.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// With one fact more.
    pub fn fact(mut self, name: &str, value: impl Into<Fact>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

impl Actor {
    /// Echobase itself, by the name of the part that acts.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, id: part.to_owned() }
    }

    /// The control loop.
    pub fn controller() -> Self {
        Self { kind: ActorKind::Controller, id: "controller".to_owned() }
    }
}
