//! What people decide.

use echobase_store::principal::Standing;
use echobase_types::intervention::Intervention;
use echobase_types::ledger::{Actor, ActorKind, EntryDraft, Outcome};
use echobase_types::principal::PrincipalKind;
use echobase_types::{InterventionId, PrincipalId, TenantId, Timestamp};
use tracing::warn;

use super::Controller;
use crate::error::ControllerError;
use crate::machine::Event;

impl Controller {
    /// Approves exactly the plan with this digest. Only people approve; a refusal leaves an entry, too.
    pub async fn approve(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        by: PrincipalId,
        digest: &str,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let inner = &self.inner;
        let approver = inner.store.principals().get(tenant, by).await?;
        let actor = Actor { kind: ActorKind::User, id: by.to_string() };
        let found = inner.store.interventions().get(tenant, id).await?;
        let done = if approver.kind != PrincipalKind::User || approver.standing != Standing::Active {
            Err(ControllerError::Denied("only a person in good standing can approve".to_owned()))
        } else {
            let expires_at = now + inner.config.approval_expiry;
            let event = Event::Approve { by: Some(by), digest: digest.to_owned(), expires_at };
            inner.apply(tenant, &found, event, actor.clone(), now).await
        };
        if let Err(e @ (ControllerError::Denied(_) | ControllerError::Refused(_))) = &done {
            let entry = EntryDraft::new(actor, "intervention.approve", "intervention", id)
                .outcome(Outcome::Deny)
                .fact("approver", by.to_string())
                .fact("reason", e.to_string());
            if let Err(error) = inner.store.ledger().append(tenant, vec![entry], now).await {
                warn!(intervention = %id, error = %error, "a refused approval left no entry");
            }
        }
        inner.wake.notify_one();
        done
    }

    /// Refuses an intervention that waits.
    pub async fn reject(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        self.close(tenant, id, Event::Reject { why: reason.to_owned() }, actor, now).await
    }

    /// Takes an intervention back before it is executed.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        self.close(tenant, id, Event::Cancel { why: reason.to_owned() }, actor, now).await
    }

    /// Has undone what an intervention did. Allowed while its effect is awaited and after it was verified; goes on
    /// under a freeze, too.
    pub async fn rollback(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        self.close(tenant, id, Event::RollBack { why: reason.to_owned() }, actor, now).await
    }

    async fn close(
        &self,
        tenant: &TenantId,
        id: InterventionId,
        event: Event,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Intervention, ControllerError> {
        let found = self.inner.store.interventions().get(tenant, id).await?;
        let closed = self.inner.apply(tenant, &found, event, actor, now).await?;
        self.inner.wake.notify_one();
        Ok(closed)
    }
}
