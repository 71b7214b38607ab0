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
        return Ok(written(resource, None, &Surroundings::default(), "path", Vec::new()));
    };
    let arrows = graph::arrows(&app.store, tenant, now).await?;
    let risk = app.config.oncall.rules.risk_warning;
    let mut around = graph::surroundings(&app.analysis, tenant, &arrows, resource, risk);
    let mut by = "path";
    if let Some(cause) = cause(app, tenant, resource, assessment).await? {
        (around.origin, by) = (Some(cause), "causes");
    }
    let options = app.controller.advise(tenant, assessment, &around, now).await?;
    Ok(written(resource, Some(assessment), &around, by, options))
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
    by: &str,
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
            by: by.to_owned(),
        }),
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
