//! The past, as decisions need it.

use std::time::Duration;

use echobase_store::PageRequest;
use echobase_store::intervention::{CountScope, InterventionFilter};
use echobase_types::intervention::{Intervention, InterventionState, Proposer};
use echobase_types::playbook::Playbook;
use echobase_types::{PlaybookId, TenantId, Timestamp};

use super::Inner;
use crate::error::ControllerError;
use crate::plan::{Attempt, History};

const HOUR: Duration = Duration::from_secs(3_600);
/// Settings that note when a playbook was released from a freeze begin so.
const RELEASED: &str = "controller.released.";

/// The name of the setting that notes when a playbook was released from a freeze.
pub(super) fn released_setting(id: PlaybookId) -> String {
    format!("{RELEASED}{id}")
}

/// An intervention as decisions see it.
pub(super) fn attempt(i: &Intervention) -> Attempt {
    let started = i.epoch > 0;
    Attempt {
        id: i.id,
        target: i.target.clone(),
        playbook: match &i.proposer {
            Proposer::Playbook { id, version, .. } => Some((*id, *version)),
            Proposer::Principal { .. } => None,
        },
        kind: i.kind,
        state: i.state,
        created_at: i.created_at,
        updated_at: i.updated_at,
        started_at: started.then(|| i.executed_at.unwrap_or(i.updated_at)),
    }
}

impl Inner {
    /// The past of a tenant as far as guards look back.
    pub(super) async fn history(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<History, ControllerError> {
        let window = self.limits.ineffective_window.max(self.limits.storm_window).max(HOUR);
        let since = Some(now - window);
        let filter = InterventionFilter { since, ..InterventionFilter::default() };
        let interventions = self.store.interventions();
        let mut attempts: Vec<Attempt> = interventions.open(tenant).await?.iter().map(attempt).collect();
        let mut request = PageRequest::largest();
        loop {
            let page = interventions.page(tenant, &filter, &request).await?;
            for i in &page.items {
                if i.state.is_final() {
                    attempts.push(attempt(i));
                }
            }
            match page.next {
                Some(next) => request = request.at(next),
                None => break,
            }
        }
        let settings = self.store.settings().list(tenant).await?;
        let released = settings
            .iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix(RELEASED)?.parse().ok()?, value.parse().ok()?))
            })
            .collect();
        let mut started_global = 0;
        for other in self.store.tenants().ids().await? {
            started_global += interventions.started_since(&other, &CountScope::Tenant, now - HOUR).await?;
        }
        Ok(History { attempts, started_global, released, record: Vec::new() })
    }

    /// The states of the newest interventions of one version of a playbook, newest first.
    pub(super) async fn record(
        &self,
        tenant: &TenantId,
        playbook: &Playbook,
    ) -> Result<Vec<InterventionState>, ControllerError> {
        let filter = InterventionFilter { playbook: Some(playbook.id), ..InterventionFilter::default() };
        let page = self.store.interventions().page(tenant, &filter, &PageRequest::largest()).await?;
        let same = |i: &&Intervention| matches!(&i.proposer, Proposer::Playbook { version, .. } if *version == playbook.version);
        Ok(page.items.iter().filter(same).map(|i| i.state).collect())
    }
}
