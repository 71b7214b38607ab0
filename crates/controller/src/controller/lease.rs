//! The right to act: one controller per tenant, under a fencing number.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use echobase_store::Store;
use echobase_store::lease::{Acquired, Lease};
use echobase_types::{ErrorKind, TenantId, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::error::ControllerError;

const NAME: &str = "controller";
/// How long a lease lasts.
const LASTS: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// So long after the last renewal nothing new is begun: well before another could hold it.
const STOP: Duration = Duration::from_secs(7);

/// The leases of this process.
pub(super) struct Leases {
    holder: String,
    held: Mutex<HashMap<TenantId, Held>>,
}

struct Held {
    lease: Lease,
    renewed: Instant,
}

impl Leases {
    /// The holder's name is that of the data folder: a process that starts again on the same folder gets its lease
    /// back at once, under a larger number; what the killed one still does is fenced off.
    pub(super) fn new(data: &Path) -> Self {
        Self { holder: format!("controller of {}", data.display()), held: Mutex::default() }
    }

    /// The fencing number under which this process may act for a tenant; `None` while another may.
    pub(super) async fn epoch(
        &self,
        store: &Store,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Option<u64>, ControllerError> {
        let mut all = self.held.lock().await;
        if let Some(held) = all.get_mut(tenant) {
            if held.renewed.elapsed() < RENEW && now < held.lease.expires_at {
                return Ok(Some(held.lease.epoch));
            }
            let asked = Instant::now();
            match store.leases().renew(tenant, &held.lease, LASTS, now).await {
                Ok(lease) => {
                    *held = Held { lease, renewed: asked };
                    return Ok(Some(held.lease.epoch));
                }
                Err(e) if e.kind() == ErrorKind::Conflict => {
                    all.remove(tenant);
                }
                Err(e) => return Err(e.into()),
            }
        }
        let asked = Instant::now();
        match store.leases().acquire(tenant, NAME, &self.holder, LASTS, now).await? {
            Acquired::Held(lease) => {
                let epoch = lease.epoch;
                info!(tenant = %tenant, epoch, "this controller may act");
                all.insert(tenant.clone(), Held { lease, renewed: asked });
                Ok(Some(epoch))
            }
            Acquired::Busy(_) => Ok(None),
        }
    }

    /// The fencing number, if something new may be begun now.
    pub(super) async fn may_begin(&self, tenant: &TenantId) -> Option<u64> {
        let all = self.held.lock().await;
        all.get(tenant).filter(|held| held.renewed.elapsed() < STOP).map(|held| held.lease.epoch)
    }

    /// Gives all leases back, so that another need not wait.
    pub(super) async fn release(&self, store: &Store, now: Timestamp) {
        for (tenant, held) in self.held.lock().await.drain() {
            if let Err(e) = store.leases().release(&tenant, &held.lease, now).await {
                warn!(tenant = %tenant, error = %e, "lease not given back; it runs out");
            }
        }
    }
}
