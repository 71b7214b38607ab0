//! Every id is a type. Record ids are UUID version 7 (they sort by creation time); ids that people read in
//! links (`TenantId`, `ResourceId`) are short texts with a stated alphabet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// A text that is not a well-formed id of the named kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// Which kind of id was expected.
    pub kind: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), rule }
    }
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that the caller made (the maker of randomness is an edge, never this crate).
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId::new($kind, text, "it must be a UUID"))
            }
        }
    )*};
}

uuid_id! {
    /// A person or a machine that may ask for things.
    PrincipalId = "principal id";
    /// An API key (the public half).
    KeyId = "key id";
    /// A browser session.
    SessionId = "session id";
    /// A playbook, over all its versions.
    PlaybookId = "playbook id";
    /// One planned action.
    InterventionId = "intervention id";
    /// One alert, from firing to resolved.
    AlertId = "alert id";
    /// One anomaly, from onset to end.
    AnomalyId = "anomaly id";
    /// Something that happened to a resource, as people labelled it.
    IncidentId = "incident id";
    /// A service level objective, over all its versions.
    SloId = "objective id";
    /// A change: a deploy, another configuration, model or prompt.
    ChangeId = "change id";
    /// A level that somebody took as the new reference.
    ReferenceId = "reference id";
    /// A job that runs in the background.
    JobId = "job id";
    /// A message waiting in the outbox.
    MessageId = "message id";
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $max:literal, $rule:literal, $ok:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the alphabet and the length.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let ok: fn(char) -> bool = $ok;
                if text.is_empty() || text.len() > $max || !text.chars().all(ok) {
                    return Err(InvalidId::new($kind, text, $rule));
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    )*};
}

text_id! {
    /// An isolated customer or team. Names folders and databases, so its alphabet is narrow.
    TenantId = "tenant id", 63, "use 1 to 63 of a-z, 0-9 and `-`",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    /// A watched thing: `<kind>:<name>`, for example `service:shop/orders` or `host:db-3`. Built by
    /// `ingest::identity`; characters outside the alphabet arrive percent-encoded.
    ResourceId = "resource id", 255, "use 1 to 255 of A-Z, a-z, 0-9 and `:/._-%`",
        |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '_' | '-' | '%');
}

impl TenantId {
    /// The tenant that a fresh installation has.
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }
}

/// A metric series within a tenant: the 64-bit hash of its canonical form (resource id, metric name,
/// sorted attributes). Built by `ingest::identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u64);

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SeriesId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| InvalidId::new("series id", text, "it must be 16 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_keep_to_their_alphabet() {
        for (text, ok) in [("default", true), ("a-1", true), ("", false), ("A", false), ("a/b", false)] {
            assert_eq!(TenantId::new(text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [("service:shop/orders", true), ("host:a%20b", true), ("host:a b", false)] {
            assert_eq!(ResourceId::new(text).is_ok(), ok, "{text}");
        }
        assert!(TenantId::new(&"a".repeat(64)).is_err());
    }

    #[test]
    fn series_id_reads_back() {
        let id = SeriesId(0x00ab_cdef);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
