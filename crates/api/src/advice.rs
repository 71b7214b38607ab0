//! What would help a resource: the playbooks that look at it, weighed against each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// What would help a resource, the best first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// The resource.
    pub resource_id: String,
    /// The assessment that it rests on; absent where the resource is not judged yet.
    pub assessed_at: Option<Time>,
    /// How many resources depend on it.
    pub dependents: u32,
    /// Where the trouble comes from, if that is another resource.
    pub origin: Option<AdviceOrigin>,
    /// Why the search for causes gave no answer, in words; absent where it gave one or was not needed. The origin is then
    /// what the path of the failure says.
    pub search_failed: Option<String>,
    /// The chance of success that is assumed of what has no history.
    pub prior_chance: f64,
    /// How many outcomes the prior counts as.
    pub prior_strength: f64,
    /// Playbooks whose condition holds, the one with the best expected effect first; then the others, by name.
    pub options: Vec<AdviceOption>,
}

/// Where trouble comes from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AdviceOrigin {
    /// The resource.
    pub resource_id: String,
    /// Whether that is clear.
    pub clear: bool,
    /// How that is known: `causes` of the incident, or the `path` of the failure along the latest verdicts.
    pub by: String,
}

/// A playbook that looks at the resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AdviceOption {
    /// Its id.
    pub playbook_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it does, such as `process restart`.
    pub action: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// `observe`, `suggest`, `approve` or `auto`, as it is declared.
    pub autonomy: String,
    /// `ready`: it proposes in the next cycle; `observes`: it would only be recorded; `holding`: its condition holds, not
    /// yet long enough; `stopped` by a guard; `unknown`: its condition needs what is not known; `unmet`: it does not hold.
    pub stands: String,
    /// The guard that stops it, or what is not known, in words; else empty.
    pub stands_words: String,
    /// What it is expected to bring; absent where its condition does not hold.
    pub weighed: Option<Weighed>,
}

/// The figures of a playbook. Losses, costs and effects are in units of one failure of the resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Weighed {
    /// `chance × fit × loss − cost`.
    pub effect: f64,
    /// Chance that it works, 0 to 1.
    pub chance: f64,
    /// Standard deviation of that chance.
    pub uncertainty: f64,
    /// Whether nothing of the past says anything, so that the chance is the prior.
    pub prior_only: bool,
    /// The vital sign that it is to mend, where its success criteria name one.
    pub trouble: Option<String>,
    /// Outcomes on this trouble.
    pub on_trouble: Outcomes,
    /// Its outcomes on any trouble.
    pub of_playbook: Outcomes,
    /// Outcomes of its actions in any playbook.
    pub of_action: Outcomes,
    /// What is left of its use where the trouble comes from elsewhere, 0 to 1.
    pub fit: f64,
    /// Expected loss if nothing is done.
    pub loss: f64,
    /// Cost of the steps by class of risk, blast radius and dependents.
    pub cost: f64,
    /// The same in one sentence.
    pub words: String,
}

/// Outcomes of the past; each counts half after 30 days.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Outcomes {
    /// What was verified and stayed cured.
    pub worked: f64,
    /// What failed, was rolled back, or came back within ten minutes.
    pub failed: f64,
}
