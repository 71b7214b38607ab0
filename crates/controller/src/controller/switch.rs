//! The freeze switch.

use echobase_store::freeze::{Freeze, FreezeScope};
use echobase_store::principal::Standing;
use echobase_store::{PageRequest, Trail, Tx};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::principal::{PrincipalKind, Role};
use echobase_types::{ErrorKind, PlaybookId, PrincipalId, ResourceId, TenantId, Timestamp};
use tracing::warn;

use super::history::released_setting;
use super::{Controller, Inner};
use crate::error::ControllerError;
use crate::freeze::Flag;

/// What came of asking for the end of a freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// A second person must confirm.
    Asked,
    /// It is over.
    Done,
}

fn entry(actor: Actor, verb: &str, scope: &FreezeScope, reason: &str) -> EntryDraft {
    EntryDraft::new(actor, verb, "freeze", scope).fact("scope", scope.to_string()).fact("reason", reason)
}

/// The dedup key of the alert on a failed rollback.
pub(super) fn rollback_failed_key(target: &ResourceId) -> String {
    format!("intervention.rollback_failed/{target}")
}

/// The dedup key of the alert on a frozen playbook.
pub(super) fn playbook_frozen_key(id: PlaybookId) -> String {
    format!("playbook.frozen/{id}")
}

impl Controller {
    /// Freezes a scope, for a reason that is not empty. In force when this returns, also where only the file could be written: then the entry
    /// follows, marked late, when the database takes it.
    pub async fn freeze(
        &self,
        tenant: &TenantId,
        scope: FreezeScope,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        if reason.trim().is_empty() {
            return Err(ControllerError::Invalid("say why it is frozen: the reason is empty".to_owned()));
        }
        let inner = &self.inner;
        let freeze = Freeze {
            scope: scope.clone(),
            reason: reason.to_owned(),
            by: actor.id.clone(),
            since: now,
            release_requested_by: None,
        };
        // The file first: it works while the database does not.
        let by_file = inner.flag.add(tenant, &freeze);
        let trail = entry(actor.clone(), "freeze.set", &scope, reason).into();
        let by_store = inner.store.freezes().set(tenant, &scope, reason, &actor.id, trail, now).await;
        inner.tell_freezes(tenant);
        match (by_file, by_store) {
            (_, Ok(_)) => Ok(()),
            (Ok(()), Err(error)) => {
                warn!(tenant = %tenant, scope = %scope, error = %error, "frozen by the file alone");
                Ok(())
            }
            (Err(_), Err(error)) => Err(error.into()),
        }
    }

    /// Asks for the end of a freeze, or confirms what another person asked for. With
    /// `allow_single_person_unfreeze`, the only person of a tenant who may do so ends it alone.
    pub async fn release(
        &self,
        tenant: &TenantId,
        scope: FreezeScope,
        reason: &str,
        by: PrincipalId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Release, ControllerError> {
        let inner = &self.inner;
        if inner.flag.read() == Flag::Everything {
            let words = "the freeze file in the data folder was made by hand: remove it by hand";
            return Err(ControllerError::Conflict(words.to_owned()));
        }
        let alone = inner.is_alone(tenant, by).await?;
        let mut tx = inner.store.begin(tenant, now).await?;
        let freeze = tx.freeze(&scope).await?;
        let second = freeze.release_requested_by.is_some_and(|first| first != by);
        let single = alone && inner.config.allow_single_person_unfreeze;
        if !second && !single {
            drop(tx);
            let trail = entry(actor, "freeze.request_release", &scope, reason).into();
            inner.store.freezes().request_release(tenant, &scope, by, trail, now).await?;
            inner.tell_freezes(tenant);
            if alone {
                let words = "noted; a second person must confirm, and this tenant has only you: add a person, or \
                             set `controller.allow_single_person_unfreeze`";
                return Err(ControllerError::Conflict(words.to_owned()));
            }
            return Ok(Release::Asked);
        }
        tx.clear_freeze(&scope).await?;
        match &scope {
            FreezeScope::Playbook(id) => {
                // What it did in vain before its release does not count again.
                tx.set_setting(&released_setting(*id), &now.to_string()).await?;
                inner.resolve(&mut tx, &playbook_frozen_key(*id)).await?;
            }
            FreezeScope::Resource(target) => inner.resolve(&mut tx, &rollback_failed_key(target)).await?,
            FreezeScope::Tenant => {}
        }
        let first = freeze.release_requested_by.map_or_else(String::new, |p| p.to_string());
        let told = entry(actor, "freeze.release", &scope, reason).fact("first", first).fact("alone", !second);
        tx.leave(told.into()).await?;
        // The file first: were it last, a crash in between would leave a freeze that nobody set.
        inner.flag.remove(tenant, &scope)?;
        tx.commit().await?;
        inner.tell_freezes(tenant);
        inner.wake.notify_one();
        Ok(Release::Done)
    }

    /// The freezes in force in a tenant, from the database and from the file.
    pub async fn freezes(&self, tenant: &TenantId) -> Result<Vec<Freeze>, ControllerError> {
        self.inner.freezes(tenant).await
    }
}

impl Inner {
    /// The freezes in force, from both places.
    pub(super) async fn freezes(&self, tenant: &TenantId) -> Result<Vec<Freeze>, ControllerError> {
        let mut all = self.store.freezes().list(tenant).await?;
        for freeze in self.flag.read().of(tenant) {
            if !all.iter().any(|f| f.scope == freeze.scope) {
                all.push(freeze);
            }
        }
        Ok(all)
    }

    /// The freeze that holds an intervention still. If the database does not answer, the file alone decides that
    /// something is frozen; that nothing is, needs both.
    pub(super) async fn frozen(
        &self,
        tenant: &TenantId,
        target: &ResourceId,
        playbook: Option<PlaybookId>,
    ) -> Result<Option<Freeze>, ControllerError> {
        if let Some(freeze) = self.flag.read().covering(tenant, target, playbook) {
            return Ok(Some(freeze));
        }
        Ok(self.store.freezes().covering(tenant, target, playbook).await?)
    }

    /// Freezes within a transaction of the controller's own; the file follows.
    pub(super) async fn freeze_in(
        &self,
        tx: &mut Tx,
        scope: &FreezeScope,
        reason: &str,
    ) -> Result<(), ControllerError> {
        tx.set_freeze(scope, reason, "controller").await?;
        tx.leave(entry(Actor::controller(), "freeze.set", scope, reason).into()).await?;
        Ok(())
    }

    /// Brings freezes that stand only in the file into the database, marked late.
    pub(super) async fn catch_up(&self, tenant: &TenantId, now: Timestamp) -> Result<(), ControllerError> {
        let Flag::Scopes(all) = self.flag.read() else { return Ok(()) };
        let mine: Vec<Freeze> = all.into_iter().filter(|(t, _)| t == tenant).map(|(_, f)| f).collect();
        if mine.is_empty() {
            return Ok(());
        }
        let known = self.store.freezes().list(tenant).await?;
        for freeze in mine.iter().filter(|f| !known.iter().any(|k| k.scope == f.scope)) {
            let late = entry(Actor::system("freeze-file"), "freeze.set", &freeze.scope, &freeze.reason)
                .fact("late", true)
                .fact("since", freeze.since.to_string())
                .fact("by", freeze.by.as_str());
            let (scope, reason) = (&freeze.scope, &freeze.reason);
            self.store.freezes().set(tenant, scope, reason, &freeze.by, late.into(), now).await?;
            self.tell_freezes(tenant);
        }
        Ok(())
    }

    /// Whether somebody is the only person of a tenant who may release.
    async fn is_alone(&self, tenant: &TenantId, by: PrincipalId) -> Result<bool, ControllerError> {
        let mut request = PageRequest::largest();
        let mut others = 0;
        loop {
            let page = self.store.principals().page(tenant, &request).await?;
            others += page
                .items
                .iter()
                .filter(|a| a.kind == PrincipalKind::User && a.standing == Standing::Active && a.id != by)
                .filter(|a| matches!(a.role, Role::Admin | Role::Operator))
                .count();
            match page.next {
                Some(next) => request = request.at(next),
                None => return Ok(others == 0),
            }
        }
    }

    /// Resolves an alert of the controller, if it fires.
    pub(super) async fn resolve(&self, tx: &mut Tx, dedup_key: &str) -> Result<(), ControllerError> {
        if let Some(alert) = tx.resolve_alert(dedup_key).await? {
            let told = EntryDraft::new(Actor::controller(), "alert.resolve", "alert", alert.id)
                .fact("rule", alert.rule.as_str());
            tx.leave(Trail::from(told)).await?;
        }
        Ok(())
    }

    /// Writes a freeze of the controller's own into the file. The database has it already.
    pub(super) fn flag(&self, tenant: &TenantId, scope: FreezeScope, reason: &str, now: Timestamp) {
        let by = "controller".to_owned();
        let freeze = Freeze { scope, reason: reason.to_owned(), by, since: now, release_requested_by: None };
        if let Err(error) = self.flag.add(tenant, &freeze) {
            let kind: ErrorKind = error.kind();
            warn!(tenant = %tenant, error = %error, kind = kind.as_str(), "freeze file not written");
        }
        self.tell_freezes(tenant);
    }
}
