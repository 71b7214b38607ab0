//! The handle: from assessments and other parts' troubles to alerts, entries and messages.

mod objective;
mod subject;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echobase_store::alert::{AlertFilter, Fired};
use echobase_store::outbox::NewMessage;
use echobase_store::{PageRequest, Store, Trail, fresh_uuid};
use echobase_types::alert::{Alert, AlertState};
use echobase_types::assessment::{Assessment, Severity};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::{AlertId, Attributes, PrincipalId, ResourceId, TenantId, Timestamp};
use tokio::sync::broadcast;
use tracing::{error, info, warn};

use crate::config::OncallConfig;
use crate::error::OncallError;
use crate::message;
use crate::rule::{Memory, Rule, Verdict, group, judge};
use subject::{About, Key, Subject};

/// Changes that a slow reader may lag behind.
const LAG: usize = 1_024;
/// An alert that fires on is written so often.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// The setting that lists the open alerts of other parts that were told.
const TOLD: &str = "oncall.told";
/// Ids that the list holds at most: it stays within what a setting may have.
const MAX_TOLD: usize = 1_500;

/// An alert changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose.
    pub tenant: TenantId,
    /// As it is now.
    pub alert: Alert,
}

/// Trouble that another part has found.
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
    /// Labels, such as the objective that burns.
    pub labels: Attributes,
}

/// Act by people. Cheap to clone.
#[derive(Clone)]
pub struct Oncall {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    config: OncallConfig,
    changes: broadcast::Sender<Change>,
    volatile: Mutex<Volatile>,
}

/// What may be forgotten: open alerts are found in the store again.
#[derive(Default)]
struct Volatile {
    /// Tenants whose open alerts were taken up.
    known: HashSet<TenantId>,
    memory: HashMap<Key, Memory>,
    /// When a firing alert was last written, and how it read.
    written: HashMap<Key, (Timestamp, Severity)>,
    /// When each group is told next, or was told last.
    told: HashMap<(TenantId, String), Timestamp>,
}

impl Oncall {
    /// Over this store.
    pub fn new(store: Store, config: OncallConfig) -> Self {
        let inner = Inner { store, config, changes: broadcast::channel(LAG).0, volatile: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The changes to come.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Judges the rules on the assessments of one cycle, and takes up alerts that other parts have fired in
    /// transactions of their own.
    pub async fn observe(
        &self,
        tenant: &TenantId,
        assessments: &[Assessment],
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let inner = &self.inner;
        inner.take_up(tenant).await?;
        for assessment in assessments {
            for rule in Rule::ALL {
                inner.judge(tenant, rule, assessment, now).await?;
            }
        }
        self.tick(tenant, now).await
    }

    /// What is due by the clock alone: tells of alerts that other parts have fired, and resolves those of resources
    /// that are heard of no more.
    pub async fn tick(&self, tenant: &TenantId, now: Timestamp) -> Result<(), OncallError> {
        let open = self.inner.store.alerts().open(tenant).await?;
        self.inner.tell_others(tenant, &open, now).await?;
        for alert in &open {
            let ours = Rule::parse(&alert.rule).is_some();
            if ours && now.since(alert.last_fired_at) >= self.inner.config.forget_after {
                self.resolve(tenant, &alert.dedup_key, now).await?;
            }
        }
        Ok(())
    }

    /// Fires an alert for another part. Firing it again only updates it.
    pub async fn raise(&self, tenant: &TenantId, raise: Raise, now: Timestamp) -> Result<Alert, OncallError> {
        self.inner.fire(tenant, raise, now).await
    }

    /// Resolves the alert of a dedup key; `None` if it does not fire.
    pub async fn resolve(
        &self,
        tenant: &TenantId,
        dedup_key: &str,
        now: Timestamp,
    ) -> Result<Option<Alert>, OncallError> {
        self.inner.resolve(tenant, dedup_key, now).await
    }

    /// Notes that a person has taken an alert.
    pub async fn acknowledge(
        &self,
        tenant: &TenantId,
        id: AlertId,
        by: PrincipalId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Alert, OncallError> {
        let entry = EntryDraft::new(actor, "alert.ack", "alert", id);
        let alert = self.inner.store.alerts().acknowledge(tenant, id, by, entry.into(), now).await?;
        self.inner.changed(tenant, &alert);
        Ok(alert)
    }

    /// The body of a message on a group, as things are now.
    pub async fn message(&self, tenant: &TenantId, group: &str) -> Result<String, OncallError> {
        let filter = AlertFilter { group_key: Some(group.to_owned()), ..AlertFilter::default() };
        let page = self.inner.store.alerts().page(tenant, &filter, &PageRequest::largest()).await?;
        Ok(message::render(tenant, group, &page.items))
    }
}

impl Inner {
    fn volatile(&self) -> MutexGuard<'_, Volatile> {
        // What may be forgotten is not damaged by a panic elsewhere.
        self.volatile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, tenant: &TenantId, alert: &Alert) {
        // Nobody listening is fine.
        let _ = self.changes.send(Change { tenant: tenant.clone(), alert: alert.clone() });
    }

    /// After a start: what fires in the store fires in memory.
    async fn take_up(&self, tenant: &TenantId) -> Result<(), OncallError> {
        if self.volatile().known.contains(tenant) {
            return Ok(());
        }
        let open = self.store.alerts().open(tenant).await?;
        let mut volatile = self.volatile();
        for alert in open {
            let Some(subject) = Subject::of(&alert) else { continue };
            let firing = Memory { firing: Some(alert.severity), ..Memory::default() };
            volatile.memory.insert((tenant.clone(), subject), firing);
        }
        volatile.known.insert(tenant.clone());
        Ok(())
    }

    async fn judge(
        &self,
        tenant: &TenantId,
        rule: Rule,
        assessment: &Assessment,
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let key = (tenant.clone(), Subject::Resource(assessment.resource_id.clone(), rule));
        let before = self.volatile().memory.get(&key).copied().unwrap_or_default();
        let (verdict, after) = judge(rule, assessment, before, &self.config.rules, now);
        let about = || About {
            group_key: group(rule, assessment),
            resource_id: Some(assessment.resource_id.clone()),
            rule: rule.as_str(),
            labels: Attributes::new(),
        };
        self.carry_out(key, before, after, verdict, about, now).await
    }

    async fn carry_out(
        &self,
        key: Key,
        before: Memory,
        after: Memory,
        verdict: Verdict,
        about: impl FnOnce() -> About,
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let tenant = key.0.clone();
        match verdict {
            Verdict::Keep => {}
            Verdict::Fire { severity, summary, detail } => {
                let last = self.volatile().written.get(&key).copied();
                let is_due = last.is_none_or(|(at, was)| was != severity || now.since(at) >= WRITE_EVERY);
                if before.firing.is_none() || is_due {
                    let about = about();
                    let raise = Raise {
                        dedup_key: key.1.dedup_key(),
                        group_key: about.group_key,
                        resource_id: about.resource_id,
                        rule: about.rule.to_owned(),
                        severity,
                        summary,
                        detail,
                        labels: about.labels,
                    };
                    self.fire(&tenant, raise, now).await?;
                    self.volatile().written.insert(key.clone(), (now, severity));
                }
            }
            Verdict::Resolve => {
                self.resolve(&tenant, &key.1.dedup_key(), now).await?;
            }
        }
        // Only now: had the store refused, the same verdict comes again.
        let mut volatile = self.volatile();
        if after == Memory::default() {
            volatile.memory.remove(&key);
            volatile.written.remove(&key);
        } else {
            volatile.memory.insert(key, after);
        }
        Ok(())
    }

    async fn fire(&self, tenant: &TenantId, raise: Raise, now: Timestamp) -> Result<Alert, OncallError> {
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
            labels: raise.labels,
        };
        let mut due = None;
        let trail = |fired: &Fired| {
            let told = fired.alert();
            let entry = entry("alert.fire", told).fact("worse", matches!(fired, Fired::Worse(_)));
            due = self.next_message(tenant, &told.group_key, now);
            self.with_messages(entry.into(), &told.group_key, due)
        };
        let fired = self.store.alerts().fire(tenant, &alert, trail, now).await?;
        self.note_message(tenant, &fired.alert().group_key, due);
        match &fired {
            Fired::New(a) | Fired::Worse(a) if a.severity == Severity::Critical => {
                error!(tenant = %tenant, rule = a.rule, alert = %a.id, summary = a.summary, "alert");
            }
            Fired::New(a) | Fired::Worse(a) => {
                warn!(tenant = %tenant, rule = a.rule, alert = %a.id, summary = a.summary, "alert");
            }
            Fired::Again(_) => {}
        }
        self.changed(tenant, fired.alert());
        Ok(fired.alert().clone())
    }

    async fn resolve(
        &self,
        tenant: &TenantId,
        dedup_key: &str,
        now: Timestamp,
    ) -> Result<Option<Alert>, OncallError> {
        let mut due = None;
        let trail = |alert: &Alert| {
            due = self.next_message(tenant, &alert.group_key, now);
            self.with_messages(entry("alert.resolve", alert).into(), &alert.group_key, due)
        };
        let resolved = self.store.alerts().resolve(tenant, dedup_key, trail, now).await?;
        if let Some(alert) = &resolved {
            self.note_message(tenant, &alert.group_key, due);
            if let Some(subject) = Subject::of(alert) {
                let key = (tenant.clone(), subject);
                let mut volatile = self.volatile();
                volatile.memory.remove(&key);
                volatile.written.remove(&key);
            }
            info!(tenant = %tenant, rule = alert.rule, alert = %alert.id, summary = alert.summary, "alert resolved");
            self.changed(tenant, alert);
        }
        Ok(resolved)
    }

    /// When a group is to be told of a change now; `None` if a message that is still to be sent tells of it anyway.
    fn next_message(&self, tenant: &TenantId, group: &str, now: Timestamp) -> Option<Timestamp> {
        if self.config.tell.is_empty() {
            return None;
        }
        let soonest = now + self.config.group_wait;
        match self.volatile().told.get(&(tenant.clone(), group.to_owned())) {
            Some(last) if *last > now => None,
            Some(last) => Some(soonest.max(*last + self.config.group_interval)),
            None => Some(soonest),
        }
    }

    fn note_message(&self, tenant: &TenantId, group: &str, due: Option<Timestamp>) {
        if let Some(due) = due {
            self.volatile().told.insert((tenant.clone(), group.to_owned()), due);
        }
    }

    fn with_messages(&self, trail: Trail, group: &str, due: Option<Timestamp>) -> Trail {
        if due.is_none() {
            return trail;
        }
        self.config.tell.iter().fold(trail, |trail, channel| {
            trail.message(NewMessage {
                channel: channel.clone(),
                subject: format!("{}{group}", message::SUBJECT),
                // Rendered when it is sent.
                body: String::new(),
                not_before: due,
            })
        })
    }

    /// Tells of alerts that other parts have fired in transactions of their own. Which were told is noted in the
    /// transaction that tells of them.
    async fn tell_others(
        &self,
        tenant: &TenantId,
        open: &[Alert],
        now: Timestamp,
    ) -> Result<(), OncallError> {
        let told = self.store.settings().get(tenant, TOLD).await?.unwrap_or_default();
        let told: HashSet<&str> = told.split(' ').collect();
        let is_theirs = |a: &&Alert| a.rule.starts_with("intervention.") || a.rule.starts_with("playbook.");
        let theirs: Vec<&Alert> = open.iter().filter(is_theirs).collect();
        let new: Vec<&Alert> =
            theirs.iter().copied().filter(|a| !told.contains(a.id.to_string().as_str())).collect();
        if new.is_empty() {
            return Ok(());
        }
        let groups: BTreeSet<&str> = new.iter().map(|a| a.group_key.as_str()).collect();
        let mut trail = Trail::none();
        let mut due = Vec::new();
        for group in groups {
            let at = self.next_message(tenant, group, now);
            trail = self.with_messages(trail, group, at);
            due.push((group, at));
        }
        let ids: Vec<String> = theirs.iter().rev().take(MAX_TOLD).map(|a| a.id.to_string()).collect();
        self.store.settings().set(tenant, TOLD, &ids.join(" "), trail, now).await?;
        for (group, at) in due {
            self.note_message(tenant, group, at);
        }
        for alert in new {
            warn!(tenant = %tenant, rule = alert.rule, alert = %alert.id, summary = alert.summary, "alert");
            self.changed(tenant, alert);
        }
        Ok(())
    }
}

fn entry(action: &str, alert: &Alert) -> EntryDraft {
    let mut entry = EntryDraft::new(Actor::system("oncall"), action, "alert", alert.id)
        .fact("rule", alert.rule.as_str())
        .fact("severity", alert.severity.as_str())
        .fact("dedup_key", alert.dedup_key.as_str());
    if let Some(resource) = &alert.resource_id {
        entry = entry.fact("resource", resource.as_str());
    }
    entry
}

#[cfg(test)]
mod tests;
