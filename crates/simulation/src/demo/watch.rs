//! Looking at the loop from outside: what it said and did since a fault began.

use std::time::Duration;

use echobase_api::alert::Alert;
use echobase_api::intervention::InterventionSummary;
use echobase_types::Timestamp;
use echobase_types::intervention::InterventionState;
use tokio::time::MissedTickBehavior;

use super::DemoError;
use super::api::{Api, ApiError};
use crate::Clock;
use crate::plan::Injection;
use crate::plant::Role;
use crate::report::{Detection, Row, StepTaken};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How much longer than its window a fault is looked at while an intervention is open.
const PATIENCE: Duration = Duration::from_secs(45);

/// A score at which a part counts as well.
const WELL: f64 = 0.7;

pub(super) struct Watch<'a> {
    api: &'a Api,
    clock: &'a Clock,
}

impl<'a> Watch<'a> {
    pub(super) fn new(api: &'a Api, clock: &'a Clock) -> Self {
        Self { api, clock }
    }

    /// Waits until every part of the plant has been judged.
    pub(super) async fn until_judged(&self, limit: Duration) -> Result<(), DemoError> {
        let judged = |resources: &[echobase_api::resource::Resource]| {
            Role::ALL
                .iter()
                .all(|role| resources.iter().any(|r| r.id == role.resource_id() && r.assessment.is_some()))
        };
        self.until(limit, "every part of the plant to be judged", judged).await
    }

    /// Waits until a part is well again; a part that stays ill is no error here, the report shows it.
    pub(super) async fn until_well(&self, role: Role, limit: Duration) -> Result<(), DemoError> {
        let well = |resources: &[echobase_api::resource::Resource]| {
            let resource = resources.iter().find(|r| r.id == role.resource_id());
            resource.and_then(|r| r.assessment.as_ref()).is_some_and(|a| a.score >= WELL)
        };
        match self.until(limit, "a part to be well again", well).await {
            Err(DemoError::Waited { .. }) => Ok(()),
            other => other,
        }
    }

    async fn until(
        &self,
        limit: Duration,
        what: &str,
        holds: impl Fn(&[echobase_api::resource::Resource]) -> bool,
    ) -> Result<(), DemoError> {
        let deadline = (self.clock)() + limit;
        let mut looks = looks();
        loop {
            looks.tick().await;
            if holds(&self.api.resources().await?) {
                return Ok(());
            }
            if (self.clock)() >= deadline {
                return Err(DemoError::Waited { what: what.to_owned(), limit });
            }
        }
    }

    /// Looks until the fault is mended and verified, or its window is over.
    pub(super) async fn settle(&self, injection: Injection, since: Timestamp) -> Result<Row, DemoError> {
        let deadline = since + injection.window;
        let target = injection.role.resource_id();
        let mut looks = looks();
        loop {
            looks.tick().await;
            let interventions = since_then(self.api.interventions().await?, target, since);
            let now = (self.clock)();
            let verified = |i: &&InterventionSummary| i.state == InterventionState::Verified.as_str();
            let is_mended = interventions.iter().any(|i| verified(&i));
            // What is open at the end of the window is seen through: a fault must not begin in the middle of it.
            let is_over = now >= deadline && !interventions.iter().any(is_open);
            if !is_mended && !is_over && now < deadline + PATIENCE {
                continue;
            }
            let alerts = self.api.alerts().await?;
            let detected = first_word(&alerts, &interventions, target, since);
            // The one that helped, else the last that was tried.
            let told = interventions.iter().find(verified).or_else(|| interventions.first());
            let step = match told {
                Some(told) => Some(self.step_of(told, since).await?),
                None => None,
            };
            return Ok(Row { injection, detected, step });
        }
    }

    async fn step_of(&self, summary: &InterventionSummary, since: Timestamp) -> Result<StepTaken, ApiError> {
        let whole = self.api.intervention(&summary.id).await?;
        let done = summary.executed_at.unwrap_or(summary.updated_at);
        Ok(StepTaken {
            after: done.0.since(since),
            actions: whole.steps.into_iter().map(|step| step.action).collect(),
            playbook: summary.proposer_name.clone(),
            state: summary.state.clone(),
        })
    }

    /// Interventions since then that were carried out on anything but that part, in words.
    pub(super) async fn carried_out(
        &self,
        since: Timestamp,
        but: Option<Role>,
    ) -> Result<Vec<String>, DemoError> {
        let interventions = self.api.interventions().await?;
        let but = but.map(Role::resource_id);
        Ok(interventions
            .iter()
            .filter(|i| i.created_at.0 >= since && but != Some(i.target.as_str()))
            .filter(|i| i.executed_at.is_some())
            .map(|i| format!("{} by {}: {}", i.title, i.proposer_name, i.reason))
            .collect())
    }
}

/// Whether something will still happen.
fn is_open(intervention: &InterventionSummary) -> bool {
    InterventionState::parse(&intervention.state).is_some_and(|state| !state.is_final())
}

fn looks() -> tokio::time::Interval {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Interventions on the target since then, newest first.
fn since_then(all: Vec<InterventionSummary>, target: &str, since: Timestamp) -> Vec<InterventionSummary> {
    let mut kept: Vec<InterventionSummary> =
        all.into_iter().filter(|i| i.target == target && i.created_at.0 >= since).collect();
    kept.sort_by_key(|i| std::cmp::Reverse(i.created_at.0));
    kept
}

/// The first alert or intervention about the target since then.
fn first_word(
    alerts: &[Alert],
    interventions: &[InterventionSummary],
    target: &str,
    since: Timestamp,
) -> Option<Detection> {
    let alerts = alerts
        .iter()
        .filter(|a| a.resource_id.as_deref() == Some(target))
        .map(|a| (a.started_at.0, a.rule.clone()));
    let interventions = interventions.iter().map(|i| (i.created_at.0, i.proposer_name.clone()));
    let (at, by) = alerts.chain(interventions).filter(|(at, _)| *at >= since).min_by_key(|(at, _)| *at)?;
    Some(Detection { after: at.since(since), by })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(second: i64) -> String {
        Timestamp::from_secs(second).to_string()
    }

    fn alert(resource: &str, rule: &str, second: i64) -> Alert {
        serde_json::from_value(json!({
            "id": "a", "resource_id": resource, "rule": rule, "severity": "warning", "summary": "", "detail": "",
            "state": "firing", "group_key": "", "started_at": time(second), "last_fired_at": time(second),
            "ended_at": null, "count": 1, "labels": {},
        }))
        .unwrap()
    }

    fn intervention(target: &str, playbook: &str, second: i64) -> InterventionSummary {
        serde_json::from_value(json!({
            "id": "i", "target": target, "kind": "reactive", "risk": "low", "proposer_type": "playbook",
            "proposer_id": "p", "proposer_name": playbook, "actuator": "process", "title": "", "reason": "",
            "state": "verified", "state_reason": "", "digest": null, "approvals_needed": 0, "approvals_given": 0,
            "verification": null, "created_at": time(second), "updated_at": time(second),
            "expires_at": time(second), "executed_at": null,
        }))
        .unwrap()
    }

    #[test]
    fn the_first_word_is_the_earliest_about_the_target_since_the_fault() {
        let since = Timestamp::from_secs(100);
        let alerts = [alert("t", "old", 99), alert("other", "elsewhere", 101), alert("t", "risk.high", 107)];
        for (interventions, second, by) in [
            (vec![], 7, "risk.high"),
            (vec![intervention("t", "restart v1", 105)], 5, "restart v1"),
            (vec![intervention("t", "restart v1", 109)], 7, "risk.high"),
        ] {
            let word = first_word(&alerts, &interventions, "t", since).unwrap();
            assert_eq!((word.after, word.by.as_str()), (Duration::from_secs(second), by));
        }
        assert_eq!(first_word(&alerts[..2], &[], "t", since), None);
    }

    #[test]
    fn only_what_came_since_then_on_the_target_is_looked_at_newest_first() {
        let all = vec![
            intervention("t", "old", 99),
            intervention("t", "first", 101),
            intervention("other", "elsewhere", 102),
            intervention("t", "second", 103),
        ];
        let names: Vec<String> = since_then(all, "t", Timestamp::from_secs(100))
            .into_iter()
            .map(|intervention| intervention.proposer_name)
            .collect();
        assert_eq!(names, ["second", "first"]);
    }
}
