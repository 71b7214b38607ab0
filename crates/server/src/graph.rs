//! The graph of dependencies, and what runs along it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use echobase_analysis::path::{self, Ailing, Standing};
use echobase_api::causes::{FailureHit, FailurePath};
use echobase_controller::planner::{Certainty, Origin, Surroundings};
use echobase_store::{Store, StoreError};
use echobase_types::{ResourceId, TenantId, Timestamp};

use crate::analysis::Analysis;
use crate::app::App;
use crate::problem::Answer;

/// An arrow that was not seen for this long does not count any more.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// A score below this needs somebody's attention.
pub(crate) const LOW_SCORE: f64 = 0.7;

/// Caller and called, each pair once, whether learned from spans or configured.
pub(crate) type Arrows = Vec<(ResourceId, ResourceId)>;

/// The arrows of a tenant.
pub(crate) async fn arrows(store: &Store, tenant: &TenantId, now: Timestamp) -> Result<Arrows, StoreError> {
    let seen = store.resources().dependencies(tenant, now - SEEN_WITHIN).await?;
    let pairs: BTreeSet<_> = seen.into_iter().map(|s| (s.dependency.from, s.dependency.to)).collect();
    Ok(pairs.into_iter().collect())
}

/// A resource and what it depends on, directly and through others, nearest first; at most `most`.
pub(crate) fn below(arrows: &Arrows, start: &ResourceId, most: usize) -> Vec<ResourceId> {
    let mut called: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    for (caller, callee) in arrows {
        called.entry(caller).or_default().push(callee);
    }
    let mut found = vec![start.clone()];
    let mut seen = BTreeSet::from([start]);
    let mut open = VecDeque::from([start]);
    while let Some(caller) = open.pop_front() {
        for &callee in called.get(caller).into_iter().flatten() {
            if found.len() < most && seen.insert(callee) {
                found.push(callee.clone());
                open.push_back(callee);
            }
        }
    }
    found
}

/// The path of a failure at a resource by the latest verdicts; `None` while it is well.
pub(crate) fn failure_path(
    analysis: &Analysis,
    tenant: &TenantId,
    arrows: &Arrows,
    resource: &ResourceId,
    risk: f64,
) -> Option<path::FailurePath> {
    let standing = |id: &ResourceId| {
        let latest = analysis.of(tenant, id)?;
        let said = &latest.assessment.risk;
        let risk = if said.predictable { said.probability } else { 0.0 };
        Some(Standing { score: latest.assessment.stability.score, risk })
    };
    path::failure_path(resource, arrows, Ailing { score: LOW_SCORE, risk }, standing)
}

/// Who depends on a resource, and where its trouble comes from by the latest verdicts. What verdicts say of an origin is
/// no proof: it may only be ill itself.
pub(crate) fn surroundings(
    analysis: &Analysis,
    tenant: &TenantId,
    arrows: &Arrows,
    resource: &ResourceId,
    risk: f64,
) -> Surroundings {
    let callers: Arrows = arrows.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
    let dependents = below(&callers, resource, usize::MAX).len().saturating_sub(1);
    let path = failure_path(analysis, tenant, arrows, resource, risk);
    let origin = path.and_then(|path| path.origin().cloned());
    let origin = origin.map(|resource| Origin { resource, certainty: Certainty::Perhaps });
    Surroundings { dependents, origin }
}

/// The path of a failure for the API.
pub(crate) async fn path_of(
    app: &App,
    tenant: &TenantId,
    resource: &ResourceId,
) -> Answer<Option<FailurePath>> {
    let arrows = arrows(&app.store, tenant, app.now()).await?;
    let risk = app.config.oncall.rules.risk_warning;
    let found = failure_path(&app.analysis, tenant, &arrows, resource, risk);
    let texts = |path: &[ResourceId]| path.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(found.map(|path| FailurePath {
        origin: path.origin().map(ToString::to_string).unwrap_or_default(),
        chain: texts(&path.chain),
        hit: (path.hit.iter())
            .map(|hit| FailureHit {
                resource_id: hit.resource.to_string(),
                path: texts(&hit.path),
                ails: hit.ails,
            })
            .collect(),
        words: path.words(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn what_a_resource_depends_on_is_found_nearest_first_and_bounded() {
        let id = |name: &str| ResourceId::new(&format!("service:{name}")).unwrap();
        let arrows: Arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("x", "a")]
            .map(|(from, to)| (id(from), id(to)))
            .to_vec();
        assert_eq!(below(&arrows, &id("a"), 10), [id("a"), id("b"), id("d"), id("c")]);
        assert_eq!(below(&arrows, &id("a"), 2), [id("a"), id("b")]);
        assert_eq!(below(&arrows, &id("nobody"), 9), [id("nobody")]);
    }
}
