//! The alerts of all tenants: judged each cycle, raised by other parts, taken by people.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use echobase_store::alert::{AlertFilter, Fired, StateFilter};
use echobase_store::outbox::NewMessage;
use echobase_store::{PageRequest, Store, StoreError, Trail, fresh_uuid};
use echobase_types::alert::{Alert, AlertState};
use echobase_types::assessment::{Assessment, Severity};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::{AlertId, Attributes, ErrorKind, PrincipalId, ResourceId, TenantId, Timestamp};
use tokio::sync::broadcast;
use tracing::{info, warn};

use crate::config::OncallConfig;
use crate::message;
use crate::rule::{Finding, Rule, Standing, Verdict, judge};

/// Changes that a slow subscriber may lag behind.
const LAG: usize = 256;
/// Alerts that one message lists.
const LISTED: usize = 50;

/// Something that another part wants people to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Raise {
    /// Same key, same alert.
    pub dedup_key: String,
    /// Alerts of one group are told in one message.
    pub group_key: String,
    /// What it is about, where it is one resource.
    pub resource_id: Option<ResourceId>,
    /// Which rule, such as `ledger.damage`.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// The reasons.
    pub detail: String,
}

/// An alert that changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whose.
    pub tenant: TenantId,
    /// The alert as it is now.
    pub alert: Alert,
}

/// A failed act on alerts.
#[derive(Debug, thiserror::Error)]
#[error("keep alerts")]
pub struct OncallError(#[from] StoreError);

impl OncallError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }
}

/// The alerts. Cheap to clone.
#[derive(Clone)]
pub struct Oncall {
    store: Store,
    config: Arc<OncallConfig>,
    memory: Arc<Mutex<HashMap<TenantId, Memory>>>,
    changes: broadcast::Sender<Change>,
}

/// What is remembered of a tenant between cycles. All of it can be had again from the store.
#[derive(Debug, Default)]
struct Memory {
    standings: HashMap<(ResourceId, Rule), Standing>,
    /// When the next message of a group is due, or when its last one was.
    told: HashMap<String, Timestamp>,
}

impl Oncall {
    /// With these settings.
    pub fn new(store: Store, config: OncallConfig) -> Self {
        let config = Arc::new(config);
        Self { store, config, memory: Arc::default(), changes: broadcast::channel(LAG).0 }
    }

    /// Every change from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Judges one cycle's assessments.
    pub async fn observe(
        &self,
        tenant: &TenantId,
        all: &[Assessment],
        now: Timestamp,
    ) -> Result<(), OncallError> {
        self.remember(tenant).await?;
        for assessment in all {
            for rule in Rule::ALL {
                match self.step(tenant, rule, assessment, now) {
                    Verdict::Quiet => {}
                    Verdict::Fire(found) => {
                        self.raise(tenant, raise_of(rule, assessment, found), now).await?;
                    }
                    Verdict::Resolve => {
                        self.resolve(tenant, &key(rule, &assessment.resource_id), now).await?
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&self, tenant: &TenantId, rule: Rule, assessment: &Assessment, now: Timestamp) -> Verdict {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let standings = &mut memory.entry(tenant.clone()).or_default().standings;
        let place = (assessment.resource_id.clone(), rule);
        let standing = standings.get(&place).copied().unwrap_or_default();
        let (next, verdict) = judge(rule, standing, assessment, &self.config, now);
        if next == Standing::Clear {
            standings.remove(&place);
        } else {
            standings.insert(place, next);
        }
        verdict
    }

    /// After a start: what fired before fires still, until an assessment says otherwise.
    async fn remember(&self, tenant: &TenantId) -> Result<(), OncallError> {
        let known = self.memory.lock().unwrap_or_else(PoisonError::into_inner).contains_key(tenant);
        if known {
            return Ok(());
        }
        let open = self.store.alerts().open(tenant).await?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let own = memory.entry(tenant.clone()).or_default();
        for alert in open {
            let rule = Rule::ALL.into_iter().find(|r| r.as_str() == alert.rule);
            if let (Some(resource), Some(rule)) = (alert.resource_id, rule) {
                own.standings.insert((resource, rule), Standing::Firing);
            }
        }
        Ok(())
    }

    /// Fires an alert, or notes that it fires still.
    pub async fn raise(&self, tenant: &TenantId, raise: Raise, now: Timestamp) -> Result<(), OncallError> {
        let alert = Alert {
            id: AlertId::from_uuid(fresh_uuid(now)?),
            dedup_key: raise.dedup_key,
            group_key: raise.group_key,
            resource_id: raise.resource_id,
            rule: raise.rule,
            severity: raise.severity,
            summary: raise.summary,
            detail: raise.detail,
            state: AlertState::Firing,
            started_at: now,
            last_fired_at: now,
            count: 1,
            labels: Attributes::new(),
        };
        let trail = |fired: &Fired| self.trail(tenant, fired.alert(), "alert.fire", now);
        let fired = self.store.alerts().fire(tenant, &alert, trail, now).await?;
        if !matches!(fired, Fired::Again(_)) {
            let a = fired.alert();
            warn!(tenant = %tenant, alert = %a.id, rule = a.rule, severity = a.severity.as_str(), "{}", a.summary);
            self.tell(tenant, a);
        }
        Ok(())
    }

    /// Resolves the open alert of a key, if there is one.
    pub async fn resolve(
        &self,
        tenant: &TenantId,
        dedup_key: &str,
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let trail = |alert: &Alert| self.trail(tenant, alert, "alert.resolve", now);
        if let Some(alert) = self.store.alerts().resolve(tenant, dedup_key, trail, now).await? {
            info!(tenant = %tenant, alert = %alert.id, rule = alert.rule, "resolved: {}", alert.summary);
            self.tell(tenant, &alert);
        }
        Ok(())
    }

    /// A person takes an alert.
    pub async fn acknowledge(
        &self,
        tenant: &TenantId,
        id: AlertId,
        by: PrincipalId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Alert, OncallError> {
        let trail = EntryDraft::new(actor, "alert.acknowledge", "alert", id).into();
        let alert = self.store.alerts().acknowledge(tenant, id, by, trail, now).await?;
        self.tell(tenant, &alert);
        Ok(alert)
    }

    /// The body of a message about a group, as things are now.
    pub async fn message(&self, tenant: &TenantId, group: &str) -> Result<String, OncallError> {
        let filter = AlertFilter { group_key: Some(group.to_owned()), ..AlertFilter::default() };
        let open = AlertFilter { state: Some(StateFilter::Open), ..filter.clone() };
        let mut alerts = self.store.alerts().page(tenant, &open, &PageRequest::largest()).await?.items;
        if alerts.is_empty() {
            // The newest of the group says what is over.
            alerts = self.store.alerts().page(tenant, &filter, &PageRequest::first()).await?.items;
            alerts.truncate(1);
        }
        alerts.sort_by_key(|a| std::cmp::Reverse(a.severity));
        alerts.truncate(LISTED);
        Ok(message::body(tenant.as_str(), group, &alerts))
    }

    fn tell(&self, tenant: &TenantId, alert: &Alert) {
        // Nobody listening is fine.
        let _ = self.changes.send(Change { tenant: tenant.clone(), alert: alert.clone() });
    }

    /// Entry and messages of a change. One message per group, channel and interval; what comes in between is in it,
    /// because it is written when it is sent.
    fn trail(&self, tenant: &TenantId, alert: &Alert, action: &str, now: Timestamp) -> Trail {
        let entry = EntryDraft::new(Actor::system("oncall"), action, "alert", alert.id)
            .fact("rule", alert.rule.as_str())
            .fact("severity", alert.severity.as_str())
            .fact("dedup_key", alert.dedup_key.as_str());
        let entry = match &alert.resource_id {
            Some(resource) => entry.fact("resource", resource.to_string()),
            None => entry,
        };
        let mut trail = Trail::from(entry);
        let Some(due) = self.due(tenant, &alert.group_key, now) else { return trail };
        for webhook in &self.config.webhooks {
            trail = trail.message(NewMessage {
                channel: webhook.clone(),
                subject: format!("{}{}", message::SUBJECT, alert.group_key),
                body: String::new(),
                not_before: Some(due),
            });
        }
        trail
    }

    /// When the next message of a group is to leave; `None` if one is on its way already.
    fn due(&self, tenant: &TenantId, group: &str, now: Timestamp) -> Option<Timestamp> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let told = &mut memory.entry(tenant.clone()).or_default().told;
        let due = match told.get(group) {
            Some(waiting) if *waiting > now => return None,
            Some(last) => (*last + self.config.group_interval).max(now + self.config.group_wait),
            None => now + self.config.group_wait,
        };
        told.insert(group.to_owned(), due);
        Some(due)
    }
}

fn key(rule: Rule, resource: &ResourceId) -> String {
    format!("{}/{resource}", rule.as_str())
}

fn raise_of(rule: Rule, assessment: &Assessment, found: Finding) -> Raise {
    Raise {
        dedup_key: key(rule, &assessment.resource_id),
        group_key: assessment.resource_id.to_string(),
        resource_id: Some(assessment.resource_id.clone()),
        rule: rule.as_str().to_owned(),
        severity: found.severity,
        summary: found.summary,
        detail: found.detail,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use std::time::Duration;

    use echobase_store::{Location, OpenMode};

    use super::*;

    async fn oncall(webhooks: &[&str]) -> (Oncall, TenantId) {
        let store = Store::open(Location::Memory, OpenMode::RefuseDamage, Timestamp::EPOCH).await.unwrap();
        let tenant = TenantId::default_tenant();
        store.tenants().create(&tenant, "Default", Trail::none(), Timestamp::EPOCH).await.unwrap();
        let config = OncallConfig {
            webhooks: webhooks.iter().map(|w| (*w).to_owned()).collect(),
            group_wait: Duration::from_secs(10),
            ..OncallConfig::default()
        };
        (Oncall::new(store, config), tenant)
    }

    fn raise(key: &str, severity: Severity) -> Raise {
        Raise {
            dedup_key: key.to_owned(),
            group_key: "g".to_owned(),
            resource_id: None,
            rule: "test.rule".to_owned(),
            severity,
            summary: format!("{key} is bad"),
            detail: String::new(),
        }
    }

    #[tokio::test]
    async fn the_same_key_is_one_alert_and_one_entry_until_it_is_resolved() {
        let (oncall, tenant) = oncall(&[]).await;
        let at = Timestamp::from_secs;
        for second in 0..5 {
            oncall.raise(&tenant, raise("a", Severity::Warning), at(second)).await.unwrap();
        }
        let open = oncall.store.alerts().open(&tenant).await.unwrap();
        assert_eq!((open.len(), open[0].count), (1, 5));
        oncall.resolve(&tenant, "a", at(6)).await.unwrap();
        oncall.resolve(&tenant, "a", at(7)).await.unwrap();
        let head = oncall.store.ledger().head(&tenant).await.unwrap();
        assert_eq!(head.size, 2, "one entry for firing, one for resolving");
    }

    #[tokio::test]
    async fn alerts_of_a_group_leave_in_one_message_that_tells_how_things_are_then() {
        let (oncall, tenant) = oncall(&["pager"]).await;
        let at = Timestamp::from_secs;
        oncall.raise(&tenant, raise("a", Severity::Warning), at(100)).await.unwrap();
        oncall.raise(&tenant, raise("b", Severity::Critical), at(105)).await.unwrap();
        let outbox = oncall.store.outbox();
        let lease = Duration::from_secs(30);
        assert!(outbox.claim("w", 10, lease, at(106)).await.unwrap().is_empty(), "the group waits for more");
        let due = outbox.claim("w", 10, lease, at(111)).await.unwrap();
        assert_eq!(due.len(), 1);
        let group = due[0].subject.strip_prefix(message::SUBJECT).unwrap();
        let body = oncall.message(&tenant, group).await.unwrap();
        assert!(body.contains("b is bad (and 1 more)") && body.contains("\"firing\""), "{body}");
    }

    #[tokio::test]
    async fn what_fired_before_a_restart_resolves_after_it() {
        let (first, tenant) = oncall(&[]).await;
        let config = OncallConfig { hold: Duration::ZERO, ..OncallConfig::default() };
        let firing = Raise {
            dedup_key: "stability.low/service:x".to_owned(),
            resource_id: Some("service:x".parse().unwrap()),
            rule: "stability.low".to_owned(),
            ..raise("x", Severity::Warning)
        };
        first.raise(&tenant, firing, Timestamp::from_secs(1)).await.unwrap();
        let second = Oncall::new(first.store.clone(), config);
        second.remember(&tenant).await.unwrap();
        let memory = second.memory.lock().unwrap();
        let place = ("service:x".parse().unwrap(), Rule::StabilityLow);
        assert_eq!(memory[&tenant].standings.get(&place), Some(&Standing::Firing));
    }
}
