//! Changes: deploys, configurations, models and prompts.

use echobase_types::change as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Something that people or automation did to a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeEvent {
    /// Its id.
    pub id: String,
    /// What it was done to.
    pub resource_id: String,
    /// `deploy`, `configuration`, `model` or `prompt`.
    pub kind: String,
    /// What was changed.
    pub what: String,
    /// The version or value before, where known.
    pub before: Option<String>,
    /// The version or value after, where known.
    pub after: Option<String>,
    /// Who did it; empty if nobody said.
    pub by: String,
    /// When it was done.
    pub at: Time,
    /// Where to read more.
    pub link: Option<String>,
    /// How it became known: `reported` over the API, told by an `event`, or the resource took another `version`.
    pub source: String,
    /// When it became known.
    pub noted_at: Time,
    /// The change in a few words.
    pub words: String,
}

/// A change to report.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDraft {
    /// What it was done to; the resource must be known.
    pub resource_id: String,
    /// `deploy`, `configuration`, `model` or `prompt`.
    pub kind: String,
    /// What was changed, 1 to 256 characters.
    pub what: String,
    /// The version or value before, at most 256 characters. Default: not known.
    #[serde(default)]
    pub before: Option<String>,
    /// The version or value after, at most 256 characters. Default: not known.
    #[serde(default)]
    pub after: Option<String>,
    /// Who did it, at most 256 characters. Default: the caller's name.
    #[serde(default)]
    pub by: Option<String>,
    /// When it was done; not in the future. Default: now.
    #[serde(default)]
    pub at: Option<Time>,
    /// Where to read more: an http or https address of at most 1,024 characters. Default: none.
    #[serde(default)]
    pub link: Option<String>,
}

/// Which changes are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ChangeQuery {
    /// Only of this resource.
    pub resource_id: Option<String>,
    /// Only of this kind: `deploy`, `configuration`, `model` or `prompt`.
    pub kind: Option<String>,
    /// Done at this time or later. Default: any.
    pub from: Option<Time>,
    /// Done before this time. Default: any.
    pub to: Option<Time>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

impl From<&domain::ChangeEvent> for ChangeEvent {
    fn from(c: &domain::ChangeEvent) -> Self {
        Self {
            id: c.id.to_string(),
            resource_id: c.resource_id.to_string(),
            kind: c.kind.as_str().to_owned(),
            what: c.what.clone(),
            before: c.before.clone(),
            after: c.after.clone(),
            by: c.by.clone(),
            at: c.at.into(),
            link: c.link.clone(),
            source: c.source.as_str().to_owned(),
            noted_at: c.noted_at.into(),
            words: c.words(),
        }
    }
}
