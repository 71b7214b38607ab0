//! Which of the playbooks that fit the same trouble acts, and what each would bring.

use std::sync::Arc;
use std::time::Duration;

use echobase_store::PageRequest;
use echobase_store::intervention::InterventionFilter;
use echobase_types::assessment::Assessment;
use echobase_types::intervention::InterventionState as S;
use echobase_types::playbook::{Autonomy, Playbook};
use echobase_types::{TenantId, Timestamp};
use tracing::debug;

use super::{Controller, Inner};
use crate::condition::{Facts, Truth};
use crate::error::ControllerError;
use crate::plan::{Decision, Guard, History, Rule, Situation, Wanted, consider};
use crate::planner::{Lesson, Surroundings, Weighed, lessons, weigh};

/// Outcomes older than this have faded to almost nothing.
const LOOK_BACK: Duration = Duration::from_secs(180 * 86_400);
/// Interventions of the past that are looked at; the newest count.
const MOST: usize = 2_000;

/// A playbook that looks at a resource, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The playbook.
    pub playbook: Playbook,
    /// Whether it would act now.
    pub stands: Stands,
    /// What it is expected to bring; absent where its condition does not hold.
    pub weighed: Option<Weighed>,
}

/// Whether a playbook would act now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It would propose.
    Ready,
    /// It would only record that it would have acted.
    Observes,
    /// Its condition holds, not yet long enough.
    Holding,
    /// A guard stops it, with the reason in words.
    Stopped(Guard, String),
    /// Its condition needs what is not known, with what in words.
    Unknown(String),
    /// Its condition does not hold.
    Unmet,
}

impl Controller {
    /// The playbooks in force that look at a resource: those whose condition holds first, the one with the best expected
    /// effect at the head, then the others by name. Touches nothing.
    pub async fn advise(
        &self,
        tenant: &TenantId,
        assessment: &Assessment,
        around: &Surroundings,
        now: Timestamp,
    ) -> Result<Vec<Advice>, ControllerError> {
        let inner = &self.inner;
        let rules = inner.rules(tenant).await?;
        let looking: Vec<&Arc<Rule>> =
            rules.iter().filter(|r| r.playbook.selector.takes_in(&assessment.resource_id)).collect();
        let facts = Facts::of(assessment);
        let fits = |rule: &&&Arc<Rule>| rule.condition.ask_facts(&facts) == Truth::True;
        let fitting: Vec<&Playbook> = looking.iter().filter(fits).map(|rule| &rule.playbook).collect();
        let mut weighed = match fitting.is_empty() {
            true => Vec::new(),
            false => weigh(&fitting, &inner.lessons(tenant, now).await?, assessment, around, now),
        };
        let mut history = inner.history(tenant, now).await?;
        let freezes = inner.freezes(tenant).await?;
        let mut all = Vec::with_capacity(looking.len());
        for rule in looking {
            let playbook = &rule.playbook;
            if playbook.autonomy == Autonomy::Auto {
                let record = inner.record(tenant, playbook).await?;
                history.record.push(((playbook.id, playbook.version), record));
            }
            let key = (tenant.clone(), playbook.id, assessment.resource_id.clone());
            let held_since = inner.volatile().held.get(&key).copied();
            let situation = Situation {
                facts: &facts,
                assessment,
                held_since,
                history: &history,
                freezes: &freezes,
                limits: &inner.limits,
                now,
            };
            let stands = match consider(rule, &situation) {
                Decision::No => Stands::Unmet,
                Decision::Unknown(why) => Stands::Unknown(why),
                Decision::Holding => Stands::Holding,
                Decision::WouldAct { .. } => Stands::Observes,
                Decision::Suppressed { guard, words } => Stands::Stopped(guard, words),
                Decision::Propose(_) => Stands::Ready,
            };
            let place = weighed.iter().position(|one| one.playbook == playbook.id);
            let order = place.unwrap_or(usize::MAX);
            all.push((order, Advice { playbook: playbook.clone(), stands, weighed: None }));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.playbook.name.cmp(&b.1.playbook.name)));
        let mut weighed = weighed.drain(..);
        Ok(all
            .into_iter()
            .map(|(order, advice)| match order {
                usize::MAX => advice,
                _ => Advice { weighed: weighed.next(), ..advice },
            })
            .collect())
    }
}

impl Inner {
    /// What interventions of the past taught.
    async fn lessons(&self, tenant: &TenantId, now: Timestamp) -> Result<Vec<Lesson>, ControllerError> {
        let filter = InterventionFilter {
            states: vec![S::Verified, S::Failed, S::RolledBack, S::RollbackFailed],
            since: Some(now - LOOK_BACK),
            ..InterventionFilter::default()
        };
        let mut past = Vec::new();
        let mut request = PageRequest::largest();
        loop {
            let page = self.store.interventions().page(tenant, &filter, &request).await?;
            past.extend(page.items);
            match page.next.filter(|_| past.len() < MOST) {
                Some(next) => request = request.at(next),
                None => return Ok(lessons(&past)),
            }
        }
    }

    /// Of the playbooks that want to act on a resource in this cycle, the one with the best expected effect. Those whose
    /// interventions wait are weighed as well: what waits gives way only to what is expected to bring more.
    pub(super) async fn choose<'r>(
        &self,
        tenant: &TenantId,
        holding: &[&'r Rule],
        mut wanting: Vec<(&'r Rule, Wanted)>,
        assessment: &Assessment,
        history: &History,
        now: Timestamp,
    ) -> Result<Option<(&'r Rule, Wanted)>, ControllerError> {
        let gives_way = |rule: &&&Rule| {
            let mut waiting = wanting.iter().flat_map(|(_, wanted)| &wanted.supersedes);
            waiting.any(|id| {
                let of = history.attempts.iter().find(|attempt| attempt.id == *id);
                of.and_then(|attempt| attempt.playbook).is_some_and(|(id, _)| id == rule.playbook.id)
            })
        };
        let wants = |rule: &Rule| wanting.iter().any(|(other, _)| other.playbook.id == rule.playbook.id);
        let mut weighed: Vec<&Playbook> = wanting.iter().map(|(rule, _)| &rule.playbook).collect();
        weighed.extend(holding.iter().filter(gives_way).filter(|r| !wants(r)).map(|r| &r.playbook));
        if weighed.len() < 2 {
            return Ok(wanting.pop());
        }
        let around = self.sensor.surroundings(tenant, &assessment.resource_id, now).await;
        let order = weigh(&weighed, &self.lessons(tenant, now).await?, assessment, &around, now);
        let Some((best, others)) = order.split_first() else { return Ok(None) };
        debug!(target = %assessment.resource_id, best = best.name, weighed = order.len(), "playbooks weighed");
        let Some(at) = wanting.iter().position(|(rule, _)| rule.playbook.id == best.playbook) else {
            return Ok(None);
        };
        let (rule, mut wanted) = wanting.swap_remove(at);
        wanted.reason = format!("{} · {}", wanted.reason, why(best, others));
        Ok(Some((rule, wanted)))
    }
}

/// Why one was chosen, and what else was weighed.
fn why(best: &Weighed, others: &[Weighed]) -> String {
    let other = |other: &Weighed| format!("{} ({:+.2})", other.name, other.effect);
    let others: Vec<String> = others.iter().take(3).map(other).collect();
    format!("chosen over {}: {}", others.join(", "), best.words())
}
