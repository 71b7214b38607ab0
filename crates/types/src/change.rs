//! Changes: what people or automation did to a resource that may explain what came after.

use crate::{ChangeId, ResourceId, Timestamp};

/// Something that was done to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent {
    /// Its id. A change that was recognised has the same id however often it is seen.
    pub id: ChangeId,
    /// What it was done to.
    pub resource_id: ResourceId,
    /// What sort of change.
    pub kind: ChangeKind,
    /// What was changed, in words; never empty.
    pub what: String,
    /// The version or value before, where known.
    pub before: Option<String>,
    /// The version or value after, where known.
    pub after: Option<String>,
    /// Who did it, in the words of who told; empty if nobody said.
    pub by: String,
    /// When it was done.
    pub at: Timestamp,
    /// Where to read more: an http or https address.
    pub link: Option<String>,
    /// How it became known.
    pub source: ChangeSource,
    /// When it became known.
    pub noted_at: Timestamp,
}

impl ChangeEvent {
    /// The change in a few words: `deploy checkout 1.4.1 → 1.4.2`.
    pub fn words(&self) -> String {
        let mut text = format!("{} {}", self.kind.as_str(), self.what);
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => text.push_str(&format!(" {before} → {after}")),
            (None, Some(after)) => text.push_str(&format!(" → {after}")),
            (Some(before), None) => text.push_str(&format!(", was {before}")),
            (None, None) => {}
        }
        text
    }
}

/// What sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Other code runs.
    Deploy,
    /// The same code runs with other settings.
    Configuration,
    /// Another model answers.
    Model,
    /// The model is asked in other words.
    Prompt,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Deploy, Self::Configuration, Self::Model, Self::Prompt];

    /// The word in API, ledger and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Configuration => "configuration",
            Self::Model => "model",
            Self::Prompt => "prompt",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How a change became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeSource {
    /// Somebody told it over the API.
    Reported,
    /// A log record with an event name told it.
    Event,
    /// The resource began to call itself another version.
    Version,
}

impl ChangeSource {
    /// All sources.
    pub const ALL: [Self; 3] = [Self::Reported, Self::Event, Self::Version];

    /// The word in API, ledger and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Event => "event",
            Self::Version => "version",
        }
    }

    /// The source of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}
