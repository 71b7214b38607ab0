//! What would be if: the verdict on a resource with some of its vital signs replaced.
//!
//! The verdict is made by the very code that makes the real one. A vital sign that is supposed to stand elsewhere keeps
//! its history, its normal and its growth; only its present is another.

use echobase_types::assessment::{Assessment, Vital};
use echobase_types::{ResourceId, Timestamp};

use super::{Engine, verdict};

/// Something that is supposed to be otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Supposed {
    /// A vital sign, in its own unit; of several instances none is worse.
    Vital(Vital, f64),
    /// The stability score of a dependency, 0..=1.
    Dependency(ResourceId, f64),
}

/// Why something cannot be supposed.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsupposable {
    /// The resource has no such vital sign now.
    NoVital(Vital),
    /// It is not known to depend on that.
    NoDependency(ResourceId),
    /// The figure is outside of what the vital sign or score can be.
    OutOfRange {
        /// What it was meant for.
        what: String,
        /// The figure.
        value: f64,
        /// The lowest and highest that can be.
        range: (f64, f64),
    },
}

/// The verdict as it is, and as it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// As it is.
    pub now: Assessment,
    /// As it would be.
    pub then: Assessment,
}

/// What a vital sign can be.
fn range(vital: Vital) -> (f64, f64) {
    match vital {
        Vital::ErrorRatio | Vital::DependencyErrorRatio | Vital::Up => (0.0, 1.0),
        v if v.is_bounded() => (0.0, 1.0),
        Vital::LatencyP50 | Vital::LatencyP99 | Vital::DependencyLatency => (1e-6, 1e6),
        _ => (0.0, 1e18),
    }
}

impl Engine {
    /// The verdict on a resource at `now` if all that is `supposed` held; `None` for a resource that is not watched.
    /// The engine is afterwards as it was before.
    pub fn suppose(
        &mut self,
        resource: &ResourceId,
        supposed: &[Supposed],
        now: Timestamp,
    ) -> Option<Result<WhatIf, Unsupposable>> {
        let known = self.dependencies_of(resource, now);
        if let Some(fault) = supposed.iter().find_map(|s| match s {
            Supposed::Dependency(to, _) if !known.iter().any(|(id, _)| id == to) => {
                Some(Unsupposable::NoDependency(to.clone()))
            }
            Supposed::Dependency(to, score) => out_of(&to.to_string(), *score, (0.0, 1.0)),
            Supposed::Vital(vital, value) => out_of(vital.as_str(), *value, range(*vital)),
        }) {
            return Some(Err(fault));
        }
        let score_of = |(id, score): &(ResourceId, f64)| {
            let replaced = supposed.iter().find_map(|s| match s {
                Supposed::Dependency(to, score) if to == id => Some(*score),
                _ => None,
            });
            (id.clone(), replaced.unwrap_or(*score))
        };
        let worst = |all: Vec<(ResourceId, f64)>| all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (real, other) = (worst(known.clone()), worst(known.iter().map(score_of).collect()));
        let watched = self.resources.get_mut(resource)?;
        let kept = watched.keep();
        let judge = |watched: &mut _, dependency: &Option<(ResourceId, f64)>| {
            let dependency = dependency.as_ref().map(|(to, score)| (to, *score));
            verdict::assess(resource, watched, now, &self.config, (&self.model, &self.layer), dependency)
        };
        let before = judge(watched, &real);
        for one in supposed {
            if let Supposed::Vital(vital, value) = one
                && !watched.suppose(*vital, *value, now)
            {
                watched.restore(kept);
                return Some(Err(Unsupposable::NoVital(*vital)));
            }
        }
        let then = judge(watched, &other);
        watched.restore(kept);
        Some(Ok(WhatIf { now: before, then }))
    }

    /// What a resource depends on, with the scores of the last cycle.
    pub fn dependencies_of(&self, resource: &ResourceId, now: Timestamp) -> Vec<(ResourceId, f64)> {
        let after = self.config.forget_after;
        let of =
            self.arrows.iter().filter(|((from, _), known)| from == resource && !known.is_over(now, after));
        of.filter_map(|((_, to), _)| Some((to.clone(), *self.scores.get(to)?))).collect()
    }
}

fn out_of(what: &str, value: f64, range: (f64, f64)) -> Option<Unsupposable> {
    let fits = value >= range.0 && value <= range.1;
    (!fits).then(|| Unsupposable::OutOfRange { what: what.to_owned(), value, range })
}
