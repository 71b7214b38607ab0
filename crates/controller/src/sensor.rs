//! The controller's eye.

use async_trait::async_trait;
use echobase_types::assessment::Assessment;
use echobase_types::{ResourceId, TenantId, Timestamp};

use crate::planner::Surroundings;

/// Tells the latest verdict on a resource, and what stands around it.
#[async_trait]
pub trait Sensor: Send + Sync {
    /// The latest assessment; `None` if there is none or it is not fresh at `now`. What is not fresh must not be
    /// handed out: a target that went silent after an intervention would look as well as it did before.
    async fn assessment(
        &self,
        tenant: &TenantId,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Option<Assessment>;

    /// Who depends on a resource, and where its trouble comes from, as far as that is known at `now`.
    async fn surroundings(&self, tenant: &TenantId, resource: &ResourceId, now: Timestamp) -> Surroundings;
}
