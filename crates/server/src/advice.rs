//! What would help a resource.

use echobase_api::advice::{Advice, AdviceOption, AdviceOrigin, Outcomes, Weighed};
use echobase_api::causes::CausesQuery;
use echobase_controller::planner::{self, Certainty, Origin, PRIOR, Surroundings};
use echobase_controller::{Advice as Advised, Stands};
use echobase_types::assessment::Assessment;
use echobase_types::{ResourceId, TenantId};

use crate::app::App;
use crate::problem::Answer;
use crate::{causes, graph};

/// Weighs the playbooks that look at a resource.
pub(crate) async fn of(app: &App, tenant: &TenantId, resource: &ResourceId) -> Answer<Advice> {
    let now = app.now();
    let latest = app.analysis.of(tenant, resource);
    let Some(assessment) = latest.as_ref().map(|latest| &latest.assessment) else {
        return Ok(written(resource, None, &Surroundings::default(), &Known::default(), Vec::new()));
    };
    let arrows = graph::arrows(&app.store, tenant, now).await?;
    let risk = app.config.oncall.rules.risk_warning;
    let mut around = graph::surroundings(&app.analysis, tenant, &arrows, resource, risk);
    let known = Known::take(cause(app, tenant, resource, assessment).await, &mut around);
    let options = app.controller.advise(tenant, assessment, &around, now).await?;
    Ok(written(resource, Some(assessment), &around, &known, options))
}

/// How the origin of trouble is known.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    by: &'static str,
    /// Why the search for causes said nothing.
    failed: Option<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self { by: "path", failed: None }
    }
}

impl Known {
    /// Takes what the search for causes found. In the middle of an incident it may fail, and then what the verdicts say
    /// of the surroundings still holds.
    fn take(searched: Answer<Option<Origin>>, around: &mut Surroundings) -> Self {
        match searched {
            Ok(Some(cause)) => {
                around.origin = Some(cause);
                Self { by: "causes", failed: None }
            }
            Ok(None) => Self::default(),
            Err(failure) => Self { failed: Some(failure.0.detail), ..Self::default() },
        }
    }
}

/// The first cause of what ails a resource, where the search for it says anything.
async fn cause(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
    assessment: &Assessment,
) -> Answer<Option<Origin>> {
    let risk = &assessment.risk;
    let is_at_risk = risk.predictable && risk.probability >= app.config.oncall.rules.risk_warning;
    if assessment.stability.score >= graph::LOW_SCORE && !is_at_risk && assessment.anomalies.is_empty() {
        return Ok(None);
    }
    let found = causes::of(app, tenant, resource, &CausesQuery::default()).await?;
    let certainty = match found.verdict.as_str() {
        "determined" => Certainty::Clear,
        "close" => Certainty::Perhaps,
        _ => return Ok(None),
    };
    let Some(first) = found.causes.first() else { return Ok(None) };
    Ok(Some(Origin { resource: first.resource_id.parse()?, certainty }))
}

fn written(
    resource: &ResourceId,
    assessment: Option<&Assessment>,
    around: &Surroundings,
    known: &Known,
    options: Vec<Advised>,
) -> Advice {
    let elsewhere = around.origin.as_ref().filter(|origin| origin.resource != *resource);
    Advice {
        resource_id: resource.to_string(),
        assessed_at: assessment.map(|a| a.at.into()),
        dependents: u32::try_from(around.dependents).unwrap_or(u32::MAX),
        origin: elsewhere.map(|origin| AdviceOrigin {
            resource_id: origin.resource.to_string(),
            clear: origin.certainty == Certainty::Clear,
            by: known.by.to_owned(),
        }),
        search_failed: known.failed.clone(),
        prior_chance: PRIOR.0,
        prior_strength: PRIOR.1,
        options: options.iter().map(option).collect(),
    }
}

fn option(advised: &Advised) -> AdviceOption {
    let playbook = &advised.playbook;
    let (stands, stands_words) = match &advised.stands {
        Stands::Ready => ("ready", String::new()),
        Stands::Observes => ("observes", String::new()),
        Stands::Holding => ("holding", String::new()),
        Stands::Stopped(_, words) => ("stopped", words.clone()),
        Stands::Unknown(words) => ("unknown", words.clone()),
        Stands::Unmet => ("unmet", String::new()),
    };
    let actions = playbook.steps.iter().map(|step| step.action.as_str());
    AdviceOption {
        playbook_id: playbook.id.to_string(),
        name: playbook.name.clone(),
        description: playbook.description.clone(),
        action: std::iter::once(playbook.actuator.as_str()).chain(actions).collect::<Vec<_>>().join(" "),
        risk: playbook.risk.as_str().to_owned(),
        autonomy: playbook.autonomy.as_str().to_owned(),
        stands: stands.to_owned(),
        stands_words,
        weighed: advised.weighed.as_ref().map(weighed),
    }
}

fn weighed(w: &planner::Weighed) -> Weighed {
    let outcomes = |record: planner::Record| Outcomes { worked: record.worked, failed: record.failed };
    Weighed {
        effect: w.effect,
        chance: w.chance,
        uncertainty: w.uncertainty,
        prior_only: w.is_prior_only(),
        trouble: w.trouble.map(|vital| vital.as_str().to_owned()),
        on_trouble: outcomes(w.on_trouble),
        of_playbook: outcomes(w.of_playbook),
        of_action: outcomes(w.of_action),
        fit: w.fit,
        loss: w.loss,
        cost: w.cost,
        words: w.words(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::ErrorKind;

    use super::*;
    use crate::problem::Failure;

    fn origin(name: &str, certainty: Certainty) -> Origin {
        Origin { resource: ResourceId::new(&format!("service:{name}")).unwrap(), certainty }
    }

    #[test]
    fn where_the_search_fails_the_path_holds_and_it_is_said() {
        let path = Surroundings { dependents: 3, origin: Some(origin("db", Certainty::Perhaps)) };
        let mut around = path.clone();
        let late = Failure::new(ErrorKind::Timeout, "causes of service:shop not found within 20 s");
        let known = Known::take(Err(late), &mut around);
        assert_eq!((around, known.by), (path.clone(), "path"));
        assert!(known.failed.is_some_and(|words| words.contains("within 20 s")));

        let mut around = path.clone();
        assert_eq!(Known::take(Ok(None), &mut around), Known::default());
        assert_eq!(around, path);
        let cause = origin("cache", Certainty::Clear);
        assert_eq!(Known::take(Ok(Some(cause.clone())), &mut around).by, "causes");
        assert_eq!(around.origin, Some(cause));
    }
}
