//! Saving playbooks.

use echobase_store::fresh_uuid;
use echobase_store::playbook::Switch;
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::playbook::Playbook;
use echobase_types::{ErrorKind, PlaybookId, TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Controller;
use crate::error::ControllerError;
use crate::playbook::ParsedPlaybook;

impl Controller {
    /// Saves a playbook that was read from `source`: a new version of `id`, or of the playbook of the same name, or
    /// a new one. The actuator it names must be there.
    pub async fn save_playbook(
        &self,
        tenant: &TenantId,
        id: Option<PlaybookId>,
        parsed: ParsedPlaybook,
        source: &str,
        enabled: bool,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Playbook, ControllerError> {
        let inner = &self.inner;
        inner.actuators.get(&parsed.actuator).map_err(|e| ControllerError::Unprocessable(e.reason))?;
        let playbooks = inner.store.playbooks();
        let found = match id {
            Some(id) => Some(playbooks.get(tenant, id).await?),
            None => match playbooks.by_name(tenant, &parsed.name).await {
                Ok(found) => Some(found),
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => return Err(e.into()),
            },
        };
        let (id, seen) = match found {
            Some(found) => (found.id, found.version),
            None => (PlaybookId::from_uuid(fresh_uuid(now)?), 0),
        };
        let hash: String = Sha256::digest(source.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let playbook = parsed.into_version(id, seen, source, enabled, now);
        let trail = |saved: &Playbook| {
            EntryDraft::new(actor, "playbook.save", "playbook", saved.id)
                .fact("name", saved.name.as_str())
                .fact("version", i64::from(saved.version))
                .fact("enabled", saved.enabled)
                .fact("risk", saved.risk.as_str())
                .fact("autonomy", saved.autonomy.as_str())
                .fact("source_sha256", hash)
                .into()
        };
        Ok(playbooks.save(tenant, &playbook, trail, now).await?)
    }

    /// Puts a playbook in force or out of it, and returns it.
    pub async fn switch_playbook(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        to: Switch,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Playbook, ControllerError> {
        let verb = if to == Switch::Enabled { "playbook.enable" } else { "playbook.disable" };
        let playbooks = self.inner.store.playbooks();
        playbooks.switch(tenant, id, to, EntryDraft::new(actor, verb, "playbook", id).into(), now).await?;
        Ok(playbooks.get(tenant, id).await?)
    }

    /// Removes a playbook; what it proposed and what was recorded of it stays.
    pub async fn delete_playbook(
        &self,
        tenant: &TenantId,
        id: PlaybookId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), ControllerError> {
        let entry = EntryDraft::new(actor, "playbook.delete", "playbook", id);
        self.inner.store.playbooks().delete(tenant, id, entry.into(), now).await?;
        Ok(())
    }
}
