//! The path of a failure: where trouble at a resource comes from, and whom it hits next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use echobase_types::ResourceId;

/// Resources that are told as hit, at most.
const HIT: usize = 50;
/// Calls from the one that fails to the furthest that is told as hit.
const HOPS: usize = 6;

/// How a resource stands now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Stability, 0..=1.
    pub score: f64,
    /// Risk of failure, 0..=1; 0 where nothing can be said.
    pub risk: f64,
}

/// From where on a resource ails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ailing {
    /// A score below this.
    pub score: f64,
    /// A risk of at least this.
    pub risk: f64,
}

impl Ailing {
    fn holds(self, standing: Standing) -> bool {
        standing.score < self.score || standing.risk >= self.risk
    }
}

/// Where the trouble of a resource comes from, and whom it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePath {
    /// From the resource where it begins to the one that was asked about, each calling the one before it; only that one
    /// where it begins there.
    pub chain: Vec<ResourceId>,
    /// Who depends on the one that was asked about, nearest first.
    pub hit: Vec<Hit>,
}

/// A resource that depends on one that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which.
    pub resource: ResourceId,
    /// From the one that fails to this, both included, each calling the one before it.
    pub path: Vec<ResourceId>,
    /// Whether it ails already.
    pub ails: bool,
}

impl FailurePath {
    /// Where it begins.
    pub fn origin(&self) -> Option<&ResourceId> {
        self.chain.first()
    }

    /// The path in one or two sentences.
    pub fn words(&self) -> String {
        let names =
            |path: &[ResourceId]| path.iter().map(|id| name(id).to_owned()).collect::<Vec<_>>().join(" → ");
        let mut text = match self.chain.as_slice() {
            [only] => format!("It begins at {} itself.", name(only)),
            chain => format!("It comes from {}: {}.", chain.first().map_or("", name), names(chain)),
        };
        let Some(last) = self.chain.last() else { return text };
        match self.hit.as_slice() {
            [] => text.push_str(&format!(" Nothing is known to depend on {}.", name(last))),
            [one] => text.push_str(&format!(" It hits {}.", names(&one.path))),
            many => {
                let told: Vec<&str> = many.iter().take(3).map(|hit| name(&hit.resource)).collect();
                let more = many.len().saturating_sub(told.len());
                let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
                text.push_str(&format!(" It hits {}{rest}.", told.join(", ")));
            }
        }
        text
    }
}

/// The id without its kind.
fn name(id: &ResourceId) -> &str {
    id.as_str().split_once(':').map_or(id.as_str(), |(_, name)| name)
}

/// The path of a failure at `target`, or `None` if it does not ail. `arrows` are (caller, called).
///
/// The origin is found by walking from the target along calls, through ailing resources only: the worst of those that
/// call nothing that ails (in a ring of such, the worst of the ring).
///
/// ```
/// use echobase_analysis::path::{Ailing, Standing, failure_path};
/// use echobase_types::ResourceId;
///
/// let id = |name: &str| ResourceId::new(&format!("service:{name}")).unwrap();
/// let arrows = [(id("shop"), id("orders")), (id("orders"), id("orders-db"))];
/// let ill = |_: &ResourceId| Some(Standing { score: 0.3, risk: 0.0 });
/// let path = failure_path(&id("orders"), &arrows, Ailing { score: 0.7, risk: 0.5 }, ill).unwrap();
/// assert_eq!(path.words(), "It comes from orders-db: orders-db → orders. It hits orders → shop.");
/// ```
pub fn failure_path(
    target: &ResourceId,
    arrows: &[(ResourceId, ResourceId)],
    from: Ailing,
    standing: impl Fn(&ResourceId) -> Option<Standing>,
) -> Option<FailurePath> {
    let ails = |id: &ResourceId| standing(id).is_some_and(|standing| from.holds(standing));
    if !ails(target) {
        return None;
    }
    let (mut called, mut callers): (Neighbours<'_>, Neighbours<'_>) = (BTreeMap::new(), BTreeMap::new());
    for (caller, callee) in arrows.iter().filter(|(caller, callee)| caller != callee) {
        called.entry(caller).or_default().insert(callee);
        callers.entry(callee).or_default().insert(caller);
    }
    let reached = walk(target, &called, usize::MAX, ails);
    let is_deepest = |id: &ResourceId| !called.get(id).into_iter().flatten().any(|callee| ails(callee));
    let worst = |deepest_only: bool| {
        let candidates =
            reached.iter().filter(|path| path.last().is_some_and(|id| !deepest_only || is_deepest(id)));
        // The first of the worst: paths are in order of their length.
        candidates.fold(None::<(&Vec<&ResourceId>, f64)>, |best, path| {
            let trouble =
                path.last().and_then(|id| standing(id)).map_or(0.0, |s| (1.0 - s.score).max(s.risk));
            match best {
                Some((_, most)) if most >= trouble => best,
                _ => Some((path, trouble)),
            }
        })
    };
    let (path, _) = worst(true).or_else(|| worst(false))?;
    let hit = walk(target, &callers, HOPS, |_| true)
        .into_iter()
        .skip(1)
        .filter_map(|path| {
            let resource = (*path.last()?).clone();
            let ails = ails(&resource);
            Some(Hit { resource, path: path.into_iter().cloned().collect(), ails })
        })
        .take(HIT)
        .collect();
    Some(FailurePath { chain: path.iter().rev().map(|id| (*id).clone()).collect(), hit })
}

type Neighbours<'a> = BTreeMap<&'a ResourceId, BTreeSet<&'a ResourceId>>;

/// The shortest way to each resource that is reached, the nearest first; the start itself is the first.
fn walk<'a>(
    start: &'a ResourceId,
    next: &Neighbours<'a>,
    hops: usize,
    enters: impl Fn(&ResourceId) -> bool,
) -> Vec<Vec<&'a ResourceId>> {
    let mut seen = BTreeSet::from([start]);
    let mut open = VecDeque::from([vec![start]]);
    let mut found = Vec::new();
    while let Some(path) = open.pop_front() {
        let last = path.last().copied().unwrap_or(start);
        if path.len() <= hops {
            for neighbour in next.get(last).into_iter().flatten() {
                if enters(neighbour) && seen.insert(neighbour) {
                    let mut longer = path.clone();
                    longer.push(neighbour);
                    open.push_back(longer);
                }
            }
        }
        found.push(path);
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn id(name: &str) -> ResourceId {
        ResourceId::new(&format!("service:{name}")).unwrap()
    }

    /// The path at `target`, where these have that score; `a>b` is "a calls b".
    fn path(target: &str, arrows: &str, scores: &[(&str, f64)]) -> Option<FailurePath> {
        let arrows: Vec<_> = (arrows.split_whitespace())
            .map(|arrow| arrow.split_once('>').unwrap())
            .map(|(caller, callee)| (id(caller), id(callee)))
            .collect();
        let scores: BTreeMap<ResourceId, f64> = scores.iter().map(|(n, s)| (id(n), *s)).collect();
        failure_path(&id(target), &arrows, Ailing { score: 0.7, risk: 0.5 }, |id| {
            scores.get(id).map(|score| Standing { score: *score, risk: 0.0 })
        })
    }

    #[test]
    fn the_origin_is_the_deepest_that_ails_and_the_dependents_are_told_in_order() {
        let arrows = "shop>orders orders>db orders>mail shop>search web>shop";
        for (target, scores, want) in [
            ("shop", &[("shop", 0.9)][..], ""),
            ("shop", &[("shop", 0.5)], "It begins at shop itself. It hits shop → web."),
            ("shop", &[("shop", 0.5), ("db", 0.1)], "It begins at shop itself. It hits shop → web."),
            (
                "shop",
                &[("shop", 0.5), ("orders", 0.4), ("db", 0.1), ("mail", 0.6)],
                "It comes from db: db → orders → shop. It hits shop → web.",
            ),
            (
                "shop",
                &[("shop", 0.5), ("search", 0.2)],
                "It comes from search: search → shop. It hits shop → web.",
            ),
            ("web", &[("web", 0.5)], "It begins at web itself. Nothing is known to depend on web."),
            ("db", &[("db", 0.2)], "It begins at db itself. It hits orders, shop, web."),
        ] {
            let words = path(target, arrows, scores).map_or(String::new(), |path| path.words());
            assert_eq!(words, want, "{target} {scores:?}");
        }
    }

    #[test]
    fn rings_end_and_their_worst_is_the_origin() {
        let found = path("a", "a>b b>c c>a a>a", &[("a", 0.6), ("b", 0.2), ("c", 0.5)]).unwrap();
        assert_eq!(found.chain, [id("b"), id("a")]);
        assert_eq!(found.hit.iter().map(|hit| hit.path.len()).collect::<Vec<_>>(), [2, 3]);
        assert!(found.hit.iter().all(|hit| hit.ails));
    }

    #[test]
    fn a_long_line_and_a_wide_fan_are_cut() {
        let line: Vec<String> = (0..20).map(|n| format!("n{}>n{n}", n + 1)).collect();
        assert_eq!(path("n0", &line.join(" "), &[("n0", 0.1)]).unwrap().hit.len(), HOPS);
        let fan: Vec<String> = (0..200).map(|n| format!("c{n}>n0")).collect();
        assert_eq!(path("n0", &fan.join(" "), &[("n0", 0.1)]).unwrap().hit.len(), HIT);
    }
}
