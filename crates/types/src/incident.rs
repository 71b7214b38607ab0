//! Incidents: what people say happened, the truth that verdicts are held against.

use crate::{IncidentId, PrincipalId, ResourceId, Timestamp};

/// Something that happened to a resource, as a person or another system labelled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What it happened to.
    pub resource_id: ResourceId,
    /// What it was.
    pub label: IncidentLabel,
    /// The metric it showed in, where the label is about one finding.
    pub metric: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over; absent while it lasts.
    pub ended_at: Option<Timestamp>,
    /// Why it is labelled so, in the words of who did.
    pub note: String,
    /// Who labelled it.
    pub labelled_by: PrincipalId,
    /// When it was labelled.
    pub labelled_at: Timestamp,
}

/// What an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentLabel {
    /// The resource failed or served badly: it should have been foreseen.
    Real,
    /// Nothing was wrong: what was found should not have been.
    Noise,
    /// Something was planned, such as a deployment or a load test: right to see, wrong to alarm.
    Expected,
}

impl IncidentLabel {
    /// All labels.
    pub const ALL: [Self; 3] = [Self::Real, Self::Noise, Self::Expected];

    /// The word in API, ledger and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Noise => "noise",
            Self::Expected => "expected",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.as_str() == word)
    }
}
