//! The application: every part, wired once, handed around as one cheap clone.

use std::ops::Deref;
use std::sync::Arc;

use echobase_api::causes::Causes;
use echobase_api::intervention::InterventionSummary;
use echobase_api::playbook::PlaybookDraft;
use echobase_controller::{Controller, playbook as source};
use echobase_ingest::datagram::DatagramStats;
use echobase_oncall::Oncall;
use echobase_policy::{Action, Decision, DecisionPoint, ResourceRef};
use echobase_store::Store;
use echobase_telemetry::Telemetry;
use echobase_types::playbook::Playbook;
use echobase_types::principal::Principal;
use echobase_types::{ErrorKind, PlaybookId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::analysis::Analysis;
use crate::clock::Clock;
use crate::config::Config;
use crate::convert;
use crate::guard::Caller;
use crate::intake::Intake;
use crate::keeper::Keeper;
use crate::learning::Learning;
use crate::limiter::Limiter;
use crate::live::Hub;
use crate::problem::{Answer, Failure};
use crate::searches::Searches;
use crate::slo::Slos;

/// The application.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// Its parts.
pub(crate) struct Parts {
    /// The configuration in force.
    pub config: Config,
    /// State at rest.
    pub store: Store,
    /// Signals at rest.
    pub telemetry: Telemetry,
    /// The decision point.
    pub policy: DecisionPoint,
    /// Act by machine.
    pub controller: Controller,
    /// Act by people.
    pub oncall: Oncall,
    /// The latest verdicts.
    pub analysis: Analysis,
    /// The risk model in use, and who waits to be trained.
    pub learning: Learning,
    /// The latest verdicts on objectives.
    pub slos: Slos,
    /// Signals on their way in.
    pub intake: Intake,
    /// What became of datagrams, by receiver.
    pub datagrams: Vec<(&'static str, Arc<DatagramStats>)>,
    /// The live stream.
    pub live: Hub,
    /// Checkpoints, receipts and self-check of the ledger.
    pub keeper: Keeper,
    /// Requests per caller.
    pub limiter: Limiter,
    /// The wall clock.
    pub clock: Clock,
    /// Places for searches that read much, and the causes that were found last.
    pub searches: Searches<Causes>,
    /// Ends everything.
    pub shutdown: CancellationToken,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// From its parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The present.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether the decision point permits an action in the principal's tenant: for showing, not for deciding.
    pub(crate) fn permits(&self, principal: &Principal, action: Action) -> bool {
        let resource = ResourceRef::tenant(principal.tenant.clone());
        matches!(self.policy.decide(principal, action, &resource), Decision::Permit)
    }

    /// The summary with the proposer's name where the id alone stands. Names stay out of the ledger, not out of
    /// the page.
    pub(crate) fn name_proposer(mut summary: InterventionSummary) -> InterventionSummary {
        if summary.proposer_type == "principal" {
            summary.proposer_name = "a person".to_owned();
        }
        summary
    }

    /// Saves a playbook from its source text.
    pub(crate) async fn save_playbook(
        &self,
        caller: &Caller,
        id: Option<PlaybookId>,
        draft: &PlaybookDraft,
    ) -> Answer<Playbook> {
        let parsed = source::parse(&draft.source).map_err(|faults| {
            let errors = faults.iter().map(convert::fault).collect();
            let words = "the playbook has faults; see `errors` for line and column";
            Failure(Failure::new(ErrorKind::Unprocessable, words).0.with_errors(errors))
        })?;
        Ok(self
            .controller
            .save_playbook(
                caller.tenant(),
                id,
                parsed,
                &draft.source,
                draft.enabled,
                caller.actor(),
                self.now(),
            )
            .await?)
    }

    /// What is ready, and what is not and why.
    pub(crate) async fn readiness(&self) -> Vec<(&'static str, Option<&'static str>)> {
        let store = self.store.check().await.is_err().then_some("the state store does not answer");
        let telemetry =
            (!self.intake.is_writable().await).then_some("signals cannot be written; is the disk full?");
        let stopping = self.shutdown.is_cancelled().then_some("the server is shutting down");
        vec![("store", store), ("telemetry", telemetry), ("shutdown", stopping)]
    }
}
