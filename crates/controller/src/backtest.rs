//! What a playbook would have done on stored history: the same decision as the control loop's, asked of the past.

use std::collections::HashMap;

use echobase_types::assessment::Assessment;
use echobase_types::intervention::InterventionState;
use echobase_types::{InterventionId, PlaybookId, ResourceId, Timestamp};
use uuid::Uuid;

use crate::condition::{Facts, Truth};
use crate::config::ControllerConfig;
use crate::plan::{Attempt, Decision, Guard, History, Limits, Rule, Situation, consider, hold};
use crate::playbook::ParsedPlaybook;

/// Stretches in which a guard stops it are told once each, not at every assessment.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestAction {
    /// When.
    pub at: Timestamp,
    /// On what.
    pub resource: ResourceId,
    /// Stability score then.
    pub score: f64,
    /// Probability of collapse then.
    pub risk: f64,
    /// The guard that would have stopped it; absent: it would have acted.
    pub suppressed_by: Option<Guard>,
    /// Why, in words.
    pub words: String,
}

/// The result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BacktestReport {
    /// Assessments of resources that the playbook looks at.
    pub evaluated: u64,
    /// Of these, how many could not be decided for want of data.
    pub unknown: u64,
    /// Of these, how many fulfilled the condition.
    pub matched: u64,
    /// What it would have done, in the order of the assessments.
    pub actions: Vec<BacktestAction>,
    /// How often it would have acted, for each day (days since 1970-01-01).
    pub per_day: Vec<(i64, u64)>,
}

/// A backtest under way. Feed it assessments in the order of their time.
#[derive(Debug)]
pub struct Backtest {
    rule: Rule,
    limits: Limits,
    history: History,
    held: HashMap<ResourceId, Timestamp>,
    /// The guard that stops it on a resource since the condition holds.
    stopped: HashMap<ResourceId, Guard>,
    report: BacktestReport,
}

impl Backtest {
    /// Of a playbook that was read. It is taken as if it were enabled and acted by itself.
    pub fn new(parsed: ParsedPlaybook, config: &ControllerConfig) -> Self {
        let condition = parsed.condition.clone();
        let mut playbook =
            parsed.into_version(PlaybookId::from_uuid(Uuid::nil()), 1, "", true, Timestamp::EPOCH);
        playbook.autonomy = echobase_types::playbook::Autonomy::Auto;
        Self {
            rule: Rule { playbook, condition },
            limits: Limits::from(config),
            history: History::default(),
            held: HashMap::new(),
            stopped: HashMap::new(),
            report: BacktestReport::default(),
        }
    }

    /// Counts an assessment that does not read back: it cannot be decided.
    pub fn skip(&mut self) {
        self.report.evaluated += 1;
        self.report.unknown += 1;
    }

    /// Takes the next assessment.
    pub fn step(&mut self, assessment: &Assessment) {
        let resource = &assessment.resource_id;
        if !self.rule.playbook.selector.takes_in(resource) {
            return;
        }
        self.report.evaluated += 1;
        let now = assessment.at;
        let window = self.limits.ineffective_window;
        self.history.attempts.retain(|a| now.since(a.created_at) <= window);
        let facts = Facts::of(assessment);
        if self.rule.condition.ask_facts(&facts) == Truth::True {
            self.report.matched += 1;
        }
        let held = hold(&self.rule, &facts, assessment, self.held.get(resource).copied());
        match held {
            Some(since) => drop(self.held.insert(resource.clone(), since)),
            None => {
                self.held.remove(resource);
                self.stopped.remove(resource);
            }
        }
        let hour = |a: &&Attempt| now.since(a.created_at).as_secs() < 3_600;
        self.history.started_global = self.history.attempts.iter().filter(hour).count() as u64;
        let decision = consider(
            &self.rule,
            &Situation {
                facts: &facts,
                assessment,
                held_since: held,
                history: &self.history,
                freezes: &[],
                limits: &self.limits,
                now,
            },
        );
        match decision {
            Decision::No | Decision::Holding => {}
            Decision::Unknown(_) => self.report.unknown += 1,
            Decision::WouldAct { reason } => self.act(assessment, reason),
            Decision::Propose(wanted) => self.act(assessment, wanted.reason),
            Decision::Suppressed { guard, words } => {
                if self.stopped.insert(resource.clone(), guard) != Some(guard) {
                    self.note(assessment, Some(guard), words);
                }
            }
        }
    }

    /// Acts in the mind: as if it had worked.
    fn act(&mut self, assessment: &Assessment, words: String) {
        let now = assessment.at;
        let playbook = &self.rule.playbook;
        let number = self.report.actions.len() as u128;
        self.history.attempts.push(Attempt {
            id: InterventionId::from_uuid(Uuid::from_u128(number)),
            target: assessment.resource_id.clone(),
            playbook: Some((playbook.id, playbook.version)),
            kind: playbook.kind,
            state: InterventionState::Verified,
            created_at: now,
            updated_at: now,
            started_at: Some(now),
        });
        self.stopped.remove(&assessment.resource_id);
        let day = now.as_micros().div_euclid(86_400_000_000);
        match self.report.per_day.last_mut() {
            Some((last, count)) if *last == day => *count += 1,
            _ => self.report.per_day.push((day, 1)),
        }
        self.note(assessment, None, words);
    }

    fn note(&mut self, assessment: &Assessment, suppressed_by: Option<Guard>, words: String) {
        self.report.actions.push(BacktestAction {
            at: assessment.at,
            resource: assessment.resource_id.clone(),
            score: assessment.stability.score,
            risk: assessment.risk.probability,
            suppressed_by,
            words,
        });
    }

    /// The report.
    pub fn finish(self) -> BacktestReport {
        self.report
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;
    use crate::condition::facts::sample_assessment;
    use crate::plan::tests::{NOW, SOURCE};
    use crate::playbook::parse;
    use std::time::Duration;

    #[test]
    fn a_backtest_tells_what_it_would_have_done_and_what_would_have_stopped_it() {
        let mut backtest = Backtest::new(parse(SOURCE).unwrap(), &ControllerConfig::default());
        // Bad for 50 minutes, one assessment each 10 s, with one gap in the data.
        for n in 0..300_u64 {
            let mut a = sample_assessment();
            a.at = NOW + Duration::from_secs(n * 10);
            a.stability.score = if n == 100 { f64::NAN } else { 0.4 };
            backtest.step(&a);
        }
        backtest.skip();
        let report = backtest.finish();
        assert_eq!((report.evaluated, report.matched, report.unknown), (301, 299, 2));
        let told: Vec<(i64, Option<Guard>)> = report
            .actions
            .iter()
            .map(|a| ((a.at.as_secs_f64() - NOW.as_secs_f64()) as i64, a.suppressed_by))
            .collect();
        // After the hold of 30 s it acts; then it cools down for ten minutes at a time; after the third time in vain
        // it would be frozen.
        assert_eq!(
            told,
            [
                (30, None),
                (40, Some(Guard::Cooldown)),
                (630, None),
                (640, Some(Guard::Cooldown)),
                (1_040, Some(Guard::Cooldown)),
                (1_230, None),
                (1_240, Some(Guard::Ineffective)),
            ]
        );
        assert_eq!(report.per_day.iter().map(|(_, n)| n).sum::<u64>(), 3);
    }
}
