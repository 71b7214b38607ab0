//! Weighing playbooks that want to act on the same trouble: what is each expected to bring? Pure.
//!
//! `effect = chance × fit × loss − cost`, all in units of one failure of the resource:
//!
//! - *chance* that it works: a Beta posterior of what worked before, of this playbook on this trouble, shrunk to the
//!   playbook on any trouble, that to its actions in any playbook, and that to the stated prior (one success and one
//!   failure). Old outcomes fade: half of one counts after 30 days;
//! - *fit*: less where the trouble comes from elsewhere;
//! - *loss* if nothing is done: how likely failure is, times the resource and a quarter for each that depends on it;
//! - *cost* of the steps: what class of risk they are in, how many units they may touch, and whom that disturbs.
//!
//! More success never lowers a rank, more failure never raises one. The figures are rough on purpose: they order what an
//! operator allowed, they allow nothing.

use std::time::Duration;

use echobase_types::assessment::{Assessment, Vital};
use echobase_types::intervention::{Intervention, InterventionState as S, Proposer, RiskClass, Step};
use echobase_types::playbook::Playbook;
use echobase_types::{PlaybookId, ResourceId, Timestamp};

/// Chance of success where nothing is known, and how many outcomes it counts as.
pub const PRIOR: (f64, f64) = (0.5, 2.0);
/// How many outcomes the level above counts as on the level below.
const SHRINK: f64 = 2.0;
/// After this time an outcome counts half.
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// What a dependent adds to a loss or a disturbance, as a share of the resource itself.
const DEPENDENT: f64 = 0.25;
/// Dependents that count.
const DEPENDENTS: usize = 20;
/// What an intervention brings where the trouble comes from elsewhere for certain, or perhaps.
const ELSEWHERE: (f64, f64) = (0.3, 0.6);
/// Trouble that comes back within this time was not cured.
pub const COMES_BACK: Duration = Duration::from_secs(600);

/// How an intervention of the past ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its success criteria held, and the trouble stayed away.
    Worked,
    /// It failed, was rolled back, or the trouble came back within ten minutes.
    Failed,
}

/// What an intervention of the past taught.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// The playbook; `None` if a person wanted it.
    pub playbook: Option<PlaybookId>,
    /// What it acted on.
    pub target: ResourceId,
    /// What it did, such as `process restart`.
    pub action: String,
    /// The vital sign that it was to mend, where its success criteria name one.
    pub trouble: Option<Vital>,
    /// When it was proposed.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
}

/// What is known of the resource beside its assessment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How many depend on it, directly or through others.
    pub dependents: usize,
    /// Where its trouble comes from, if that is another resource.
    pub origin: Option<Origin>,
}

/// Where trouble comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The resource.
    pub resource: ResourceId,
    /// Whether that is clear.
    pub certainty: Certainty,
}

/// How clear it is where trouble comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// Clearly there.
    Clear,
    /// There or elsewhere.
    Perhaps,
}

/// Outcomes, faded by age.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Record {
    /// What worked.
    pub worked: f64,
    /// What failed.
    pub failed: f64,
}

impl Record {
    /// All outcomes.
    pub fn all(self) -> f64 {
        self.worked + self.failed
    }

    /// The mean with `above` counted as [`SHRINK`] outcomes.
    fn shrunk_to(self, above: f64) -> f64 {
        (self.worked + SHRINK * above) / (self.all() + SHRINK)
    }
}

/// A playbook, weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// The playbook.
    pub playbook: PlaybookId,
    /// Its name.
    pub name: String,
    /// The vital sign that it is to mend, where its success criteria name one.
    pub trouble: Option<Vital>,
    /// Its outcomes on this trouble.
    pub on_trouble: Record,
    /// Its outcomes on any trouble.
    pub of_playbook: Record,
    /// Outcomes of its actions in any playbook.
    pub of_action: Record,
    /// Chance that it works, 0..=1.
    pub chance: f64,
    /// Standard deviation of that chance.
    pub uncertainty: f64,
    /// What is left of its use where the trouble comes from elsewhere, 0..=1.
    pub fit: f64,
    /// Expected loss if nothing is done, in failures of the resource.
    pub loss: f64,
    /// Cost of the steps, in failures of the resource.
    pub cost: f64,
    /// What it is expected to bring, in failures of the resource.
    pub effect: f64,
}

impl Weighed {
    /// Whether nothing of the past says anything, so that the chance is the stated prior.
    pub fn is_prior_only(&self) -> bool {
        self.of_action.all() + self.of_playbook.all() <= 0.0
    }

    /// The figures in one sentence.
    pub fn words(&self) -> String {
        let mut text = format!("expected effect {:+.2}: ", self.effect);
        let percent = (self.chance * 100.0).round();
        if self.is_prior_only() {
            text.push_str(&format!("it has no history, so {percent} % is assumed"));
        } else {
            let (worked, all) = (self.of_playbook.worked.round(), self.of_playbook.all().round());
            text.push_str(&match all > 0.0 {
                true => format!("{percent} % likely to work, worked {worked} of {all} times lately"),
                false => format!("{percent} % likely to work by what its actions did elsewhere"),
            });
        }
        text.push_str(&format!(", loss {:.2} if nothing is done, cost {:.2}", self.loss, self.cost));
        if self.fit < 1.0 {
            text.push_str("; the trouble comes from elsewhere");
        }
        text
    }
}

/// What interventions of the past taught, in any order. What did not act taught nothing.
pub fn lessons(past: &[Intervention]) -> Vec<Lesson> {
    let mut all: Vec<Lesson> = past.iter().filter_map(lesson).collect();
    all.sort_by_key(|lesson| lesson.at);
    for at in 0..all.len() {
        let (before, after) = all.split_at_mut(at + 1);
        let Some(this) = before.last_mut() else { continue };
        let is_same = |later: &&Lesson| later.target == this.target && later.trouble == this.trouble;
        let next = after.iter().find(is_same);
        if this.trouble.is_some() && next.is_some_and(|next| next.at.since(this.at) <= COMES_BACK) {
            this.outcome = Outcome::Failed;
        }
    }
    all
}

fn lesson(past: &Intervention) -> Option<Lesson> {
    let outcome = match past.state {
        S::Verified => Outcome::Worked,
        S::Failed | S::RolledBack | S::RollbackFailed => Outcome::Failed,
        _ => return None,
    };
    Some(Lesson {
        playbook: match &past.proposer {
            Proposer::Playbook { id, .. } => Some(*id),
            Proposer::Principal { .. } => None,
        },
        target: past.target.clone(),
        action: action(&past.plan.actuator, &past.plan.steps),
        trouble: trouble(&past.plan.success),
        at: past.created_at,
        outcome,
    })
}

/// Weighs playbooks on an assessment, the one with the best expected effect first; equal ones by name.
pub fn weigh(
    playbooks: &[&Playbook],
    lessons: &[Lesson],
    assessment: &Assessment,
    around: &Surroundings,
    now: Timestamp,
) -> Vec<Weighed> {
    let mut all: Vec<Weighed> =
        playbooks.iter().map(|playbook| one(playbook, lessons, assessment, around, now)).collect();
    all.sort_by(|a, b| b.effect.total_cmp(&a.effect).then_with(|| a.name.cmp(&b.name)));
    all
}

fn one(
    playbook: &Playbook,
    lessons: &[Lesson],
    assessment: &Assessment,
    around: &Surroundings,
    now: Timestamp,
) -> Weighed {
    let action = action(&playbook.actuator, &playbook.steps);
    let trouble = trouble(&playbook.success).or_else(|| trouble_in(&playbook.condition));
    let record = |counts: &dyn Fn(&Lesson) -> bool| {
        let mut record = Record::default();
        for lesson in lessons.iter().filter(|lesson| counts(lesson)) {
            let faded = 0.5_f64.powf(now.since(lesson.at).as_secs_f64() / HALF_LIFE.as_secs_f64());
            match lesson.outcome {
                Outcome::Worked => record.worked += faded,
                Outcome::Failed => record.failed += faded,
            }
        }
        record
    };
    let of_action = record(&|lesson| lesson.action == action);
    let of_playbook = record(&|lesson| lesson.playbook == Some(playbook.id));
    let on_trouble = record(&|lesson| lesson.playbook == Some(playbook.id) && lesson.trouble == trouble);
    let (mean, strength) = PRIOR;
    let by_action = (of_action.worked + strength * mean) / (of_action.all() + strength);
    let above = of_playbook.shrunk_to(by_action);
    let (alpha, beta) = (on_trouble.worked + SHRINK * above, on_trouble.failed + SHRINK * (1.0 - above));
    let weight = alpha + beta;
    let chance = alpha / weight;
    let uncertainty = (alpha * beta / (weight * weight * (weight + 1.0))).sqrt();
    let fit = match &around.origin {
        Some(origin) if origin.resource != assessment.resource_id => match origin.certainty {
            Certainty::Clear => ELSEWHERE.0,
            Certainty::Perhaps => ELSEWHERE.1,
        },
        _ => 1.0,
    };
    let reach = 1.0 + DEPENDENT * around.dependents.min(DEPENDENTS) as f64;
    let loss = likely_failure(assessment) * reach;
    let share = playbook.envelope.max_share.clamp(0.0, 1.0);
    let cost = harm(playbook.risk) * (0.5 + 0.5 * share) * reach;
    Weighed {
        playbook: playbook.id,
        name: playbook.name.clone(),
        trouble,
        on_trouble,
        of_playbook,
        of_action,
        chance,
        uncertainty,
        fit,
        loss,
        cost,
        effect: chance * fit * loss - cost,
    }
}

/// How likely failure is if nothing is done: what is foreseen, or what is there already.
fn likely_failure(assessment: &Assessment) -> f64 {
    let foreseen = if assessment.risk.predictable { assessment.risk.probability } else { 0.0 };
    let is_failing = 1.0 - assessment.stability.score;
    foreseen.max(is_failing).clamp(0.0, 1.0)
}

/// What steps of a class of risk cost when they go as planned, in failures of the resource.
const fn harm(risk: RiskClass) -> f64 {
    match risk {
        RiskClass::Low => 0.02,
        RiskClass::Medium => 0.08,
        RiskClass::High => 0.2,
    }
}

fn action(actuator: &str, steps: &[Step]) -> String {
    let mut text = actuator.to_owned();
    for step in steps {
        text.push(' ');
        text.push_str(&step.action);
    }
    text
}

/// The vital sign that criteria name first.
fn trouble(criteria: &[String]) -> Option<Vital> {
    criteria.iter().find_map(|criterion| trouble_in(criterion))
}

fn trouble_in(source: &str) -> Option<Vital> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    source.split(|c: char| !is_word(c)).find_map(Vital::parse)
}

#[cfg(test)]
mod tests;
