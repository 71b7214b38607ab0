//! Watched things and what they depend on.

use crate::{Attributes, ResourceId, Timestamp};

/// What sort of thing a resource is. The prefix of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A machine.
    Host,
    /// A service, over all its instances.
    Service,
    /// An AI agent.
    Agent,
    /// A model server.
    Engine,
    /// A business process or an imported table of metrics.
    Process,
}

impl ResourceKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Host, Self::Service, Self::Agent, Self::Engine, Self::Process];

    /// The prefix of the id and the word in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Service => "service",
            Self::Agent => "agent",
            Self::Engine => "engine",
            Self::Process => "process",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }
}

/// A watched thing, as its resource attributes describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id, by the identity rule of `ingest::identity`.
    pub id: ResourceId,
    /// What sort of thing it is.
    pub kind: ResourceKind,
    /// The name people use.
    pub name: String,
    /// The OpenTelemetry resource attributes, without those that tell instances apart.
    pub attributes: Attributes,
}

/// That `from` calls or uses `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// The caller.
    pub from: ResourceId,
    /// The called.
    pub to: ResourceId,
    /// How we know.
    pub source: DependencySource,
}

/// How a dependency became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencySource {
    /// A client span and the server span below it.
    Spans,
    /// The operator's configuration.
    Configuration,
}

/// A dependency with the time it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDependency {
    /// The arrow.
    pub dependency: Dependency,
    /// When it was last seen.
    pub last_seen: Timestamp,
}
