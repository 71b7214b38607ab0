//! Alerts of service level objectives.

use std::collections::BTreeSet;
use std::time::Duration;

use echobase_types::slo::{Slo, SloVerdict, Urgency};
use echobase_types::{Attributes, SloId, TenantId, Timestamp};

use super::subject::{About, Key, Subject};
use super::{Inner, Oncall};
use crate::burn;
use crate::error::OncallError;
use crate::rule::decide;

impl Oncall {
    /// Judges the objectives of a tenant. `known` are all that it has: alerts of others are resolved, since what was
    /// promised is promised no more.
    pub async fn observe_slos(
        &self,
        tenant: &TenantId,
        judged: &[(&Slo, &SloVerdict)],
        known: &BTreeSet<SloId>,
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let inner = &self.inner;
        inner.take_up(tenant).await?;
        for (slo, verdict) in judged {
            for urgency in burn::URGENCIES {
                inner.judge_slo(tenant, urgency, slo, verdict, now).await?;
            }
        }
        for gone in inner.open_slos(tenant).into_iter().filter(|(id, _)| !known.contains(id)) {
            let subject = Subject::Objective(gone.0, gone.1);
            inner.resolve(tenant, &subject.dedup_key(), now).await?;
            inner.volatile().memory.remove(&(tenant.clone(), subject));
        }
        Ok(())
    }
}

impl Inner {
    async fn judge_slo(
        &self,
        tenant: &TenantId,
        urgency: Urgency,
        slo: &Slo,
        verdict: &SloVerdict,
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let key = (tenant.clone(), Subject::Objective(slo.id, urgency));
        let before = self.volatile().memory.get(&key).copied().unwrap_or_default();
        let seen = burn::level(urgency, slo, verdict);
        // The long window is the time that it must last.
        let (verdict, after) = decide(seen, before, Duration::ZERO, self.config.rules.resolve_after, now);
        let about = || {
            let resource_id = burn::resource(slo);
            let mut labels = Attributes::new();
            labels.insert("slo", slo.id.to_string());
            About {
                group_key: resource_id
                    .as_ref()
                    .map_or_else(|| format!("slo:{}", slo.name), |r| r.to_string()),
                resource_id,
                rule: burn::rule(urgency),
                labels,
            }
        };
        self.carry_out(key, before, after, verdict, about, now).await
    }

    /// The objectives of which an alert fires.
    fn open_slos(&self, tenant: &TenantId) -> Vec<(SloId, Urgency)> {
        let volatile = self.volatile();
        let of = |(whose, subject): &Key| match subject {
            Subject::Objective(slo, urgency) if whose == tenant => Some((*slo, *urgency)),
            _ => None,
        };
        let firing = volatile.memory.iter().filter(|(_, memory)| memory.firing.is_some());
        firing.filter_map(|(key, _)| of(key)).collect()
    }
}
