//! Incidents: what people say happened, the truth that verdicts are held against.

use crate::change::ChangeKind;
use crate::{AnomalyId, IncidentId, PrincipalId, ReferenceId, ResourceId, Timestamp};

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
    /// The anomaly it is about, where it is about one.
    pub anomaly_id: Option<AnomalyId>,
    /// Of something expected: the kind of change that brought it.
    pub change: Option<ChangeKind>,
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

/// The level of a metric at a time, taken as what is normal from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReference {
    /// Its id.
    pub id: ReferenceId,
    /// The resource.
    pub resource_id: ResourceId,
    /// The metric, with or without its attributes; none: every metric of the resource.
    pub metric: Option<String>,
    /// Why, in the words of who took it.
    pub note: String,
    /// Who took it.
    pub taken_by: PrincipalId,
    /// When: the level at this time counts.
    pub taken_at: Timestamp,
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
