//! What carries steps out. An operator may add one: implement [`Actuator`] and register it in [`Actuators`].

pub mod command;
pub mod process;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use echobase_types::intervention::{Preview, RiskClass, Step, StepReceipt};
use echobase_types::{ErrorKind, InterventionId, ResourceId, TenantId};

/// Output of a step that is kept, in bytes.
pub const MAX_OUTPUT: usize = 16 * 1024;

/// What is acted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Whose.
    pub tenant: TenantId,
    /// Which resource.
    pub resource: ResourceId,
}

/// One call of an actuator: what to pass on to the target, so that it can refuse what is late or known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is acted on.
    pub target: Target,
    /// Of which intervention; the idempotency key.
    pub intervention: InterventionId,
    /// Which step, from 0.
    pub step: u32,
    /// Fencing number of the controller that acts.
    pub epoch: u64,
}

impl Call {
    /// The idempotency key of this step towards a target.
    pub fn key(&self) -> String {
        format!("{}/{}", self.intervention, self.step)
    }
}

/// A step that an actuator will not carry out, found without doing it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Why, in words for people.
    pub reason: String,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActuatorError {
    /// Nothing was done.
    #[error("{detail}")]
    Untouched {
        /// What failed.
        detail: String,
    },
    /// Something was done, or may have been; the receipt undoes it.
    #[error("{detail}")]
    Partly {
        /// What failed.
        detail: String,
        /// What undoes it.
        receipt: StepReceipt,
    },
}

impl ActuatorError {
    /// Nothing was done.
    pub fn untouched(detail: impl Into<String>) -> Self {
        Self::Untouched { detail: detail.into() }
    }

    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// What became of a step that was begun but has no receipt, because the controller ended in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was done.
    Done(StepReceipt),
    /// It was not done.
    NotDone,
    /// Nobody can know. The receipt undoes it whether it was done or not, where there is such a thing.
    InDoubt(Option<StepReceipt>),
}

/// Something that can carry a step out, tell beforehand what it would do, and undo it.
///
/// Promises: `preview` changes nothing. `apply` is called at most once per [`Call::key`], unless `settle` said that
/// nothing was done. The `undo` of a receipt is never empty. `revert` may be called again after a crash and must then
/// come to the same end.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// The name that playbooks use.
    fn name(&self) -> &str;

    /// The least class of risk of a plan with this step.
    fn risk_floor(&self, _step: &Step) -> RiskClass {
        RiskClass::Low
    }

    /// What the step would do.
    async fn preview(&self, target: &Target, step: &Step) -> Result<Preview, Refusal>;

    /// Carries the step out.
    async fn apply(&self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError>;

    /// Undoes a step, and says in words what was done.
    async fn revert(&self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError>;

    /// What became of a step without a receipt. Default: nobody can know.
    async fn settle(&self, _step: &Step, _call: &Call) -> Settled {
        Settled::InDoubt(None)
    }
}

/// The actuators by name.
#[derive(Clone, Default)]
pub struct Actuators(BTreeMap<String, Arc<dyn Actuator>>);

impl std::fmt::Debug for Actuators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Actuators {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more; it takes the place of one with the same name.
    pub fn with(mut self, actuator: Arc<dyn Actuator>) -> Self {
        self.0.insert(actuator.name().to_owned(), actuator);
        self
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Actuator>, Refusal> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            Refusal::new(format!("there is no actuator `{name}`; there are {}", known.join(", ")))
        })
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Cuts output to [`MAX_OUTPUT`] bytes: its beginning and its end are kept.
pub fn cut_output(text: &str) -> String {
    if text.len() <= MAX_OUTPUT {
        return text.to_owned();
    }
    const MARK: &str = "\n… cut …\n";
    let half = (MAX_OUTPUT - MARK.len()) / 2;
    let head = (0..=half).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let tail = (text.len() - half..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    format!("{}{MARK}{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_in_its_middle() {
        assert_eq!(cut_output("short"), "short");
        let long = format!("begin{}end", "é".repeat(MAX_OUTPUT));
        let cut = cut_output(&long);
        assert!(cut.len() <= MAX_OUTPUT);
        assert!(cut.starts_with("begin") && cut.ends_with("end") && cut.contains("… cut …"));
    }
}
