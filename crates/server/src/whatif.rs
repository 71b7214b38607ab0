//! What would be if some vital signs stood elsewhere.

use std::collections::BTreeMap;

use echobase_analysis::engine::{Supposed, Unsupposable, WhatIf as Judged};
use echobase_api::feedback::{WhatIf, WhatIfRequest};
use echobase_types::assessment::{Component, Vital};
use echobase_types::{ErrorKind, ResourceId, TenantId};

use crate::app::App;
use crate::problem::{Answer, Failure};

/// Things that one request may suppose.
const MOST: usize = 64;

/// The verdict as it is and as it would be.
pub(crate) async fn judge(
    app: &App,
    tenant: &TenantId,
    resource: ResourceId,
    request: &WhatIfRequest,
) -> Answer<WhatIf> {
    let supposed = supposed(request)?;
    let (now, of) = (app.now(), resource.clone());
    let asked = app.analysis.ask(tenant, move |engine| {
        Some((engine.suppose(&of, &supposed, now)?, engine.dependencies_of(&of, now)))
    });
    let (judged, dependencies) = asked.await?.ok_or_else(|| {
        let words = format!("{resource} has no verdict now: its signals stopped, or it is new");
        Failure::new(ErrorKind::Unprocessable, words)
    })?;
    let judged = judged.map_err(|fault| refused(&resource, &fault))?;
    let dependencies: BTreeMap<String, f64> =
        dependencies.into_iter().map(|(id, score)| (id.to_string(), score)).collect();
    let words = words(&judged);
    Ok(WhatIf { now: (&judged.now).into(), then: (&judged.then).into(), dependencies, words })
}

fn supposed(request: &WhatIfRequest) -> Answer<Vec<Supposed>> {
    if request.vitals.len() + request.dependencies.len() > MOST {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("at most {MOST} things can be supposed at once"),
        ));
    }
    let vital = |(name, value): (&String, &f64)| {
        let vital = Vital::parse(name).ok_or_else(|| {
            let known = Vital::ALL.map(Vital::as_str).join(", ");
            Failure::new(ErrorKind::Invalid, format!("`{name}` is no vital sign; use {known}"))
        })?;
        Ok(Supposed::Vital(vital, *value))
    };
    let dependency = |(id, score): (&String, &f64)| Ok(Supposed::Dependency(id.parse()?, *score));
    request.vitals.iter().map(vital).chain(request.dependencies.iter().map(dependency)).collect()
}

fn refused(resource: &ResourceId, fault: &Unsupposable) -> Failure {
    let words = match fault {
        Unsupposable::NoVital(vital) => {
            format!(
                "{resource} has no vital sign `{}` now: its assessment lists those it has",
                vital.as_str()
            )
        }
        Unsupposable::NoDependency(to) => format!("{resource} is not known to depend on {to}"),
        Unsupposable::OutOfRange { what, value, range: (low, high) } => {
            format!("`{what}` can be {low} to {high}, not {value}")
        }
    };
    Failure::new(ErrorKind::Unprocessable, words)
}

/// The difference in words: the score, what moved it most, and the risk.
fn words(judged: &Judged) -> String {
    let (now, then) = (&judged.now, &judged.then);
    let (before, after) = (now.stability.score, then.stability.score);
    let mut text = match after - before {
        d if d.abs() < 0.005 => format!("The score would stay at {before:.2}"),
        d if d > 0.0 => format!("The score would rise from {before:.2} to {after:.2}"),
        _ => format!("The score would fall from {before:.2} to {after:.2}"),
    };
    let moved =
        Component::ALL.into_iter().zip(now.stability.components.iter().zip(&then.stability.components));
    let moved = moved.map(|(c, (a, b))| (c, b.score.unwrap_or(1.0) - a.score.unwrap_or(1.0)));
    let most = moved.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).filter(|(_, by)| by.abs() >= 0.005);
    if let Some((component, by)) = most {
        let way = if by > 0.0 { "better" } else { "worse" };
        text.push_str(&format!(": {} is {way}", component.as_str()));
    }
    let (before, after) = (100.0 * now.risk.probability, 100.0 * then.risk.probability);
    if then.risk.predictable {
        let minutes = then.risk.horizon.as_secs_f64() / 60.0;
        let way = match after - before {
            d if d.abs() < 0.5 => format!("stay at {before:.0} %"),
            d if d > 0.0 => format!("rise from {before:.0} to {after:.0} %"),
            _ => format!("fall from {before:.0} to {after:.0} %"),
        };
        text.push_str(&format!(". The risk of failure within {minutes:.0} min would {way}"));
    }
    text.push('.');
    text
}
