//! The walk from the symptom along calls.

use std::collections::{BTreeMap, VecDeque};

use super::{Cause, Incident};

/// How much of a caller's score goes when a callee is as deep in the incident as itself.
const CARRIED: f64 = 0.7;

/// How much a node counts that the symptom does not call.
const OUTSIDE: f64 = 0.3;

/// Takes from callers what their callees explain better, and notes the way from the symptom to each node.
pub(super) fn along(causes: &mut [Cause], incident: &Incident) {
    if incident.calls.is_empty() {
        return;
    }
    let mut callees: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (caller, callee) in &incident.calls {
        if caller != callee {
            callees.entry(caller).or_default().push(callee);
        }
    }
    let scores: BTreeMap<String, f64> =
        causes.iter().map(|cause| (cause.node.clone(), cause.score)).collect();
    let paths = incident.symptom.as_ref().map(|symptom| paths(&callees, &symptom.node));
    for cause in causes {
        let below = callees.get(cause.node.as_str()).into_iter().flatten();
        let best = below.filter_map(|callee| scores.get(*callee)).copied().fold(0.0, f64::max);
        if cause.score > 0.0 {
            cause.score *= 1.0 - CARRIED * (best / cause.score).min(1.0);
        }
        let Some(paths) = &paths else { continue };
        match paths.get(cause.node.as_str()) {
            Some(path) => cause.path = path.iter().map(|node| (*node).to_owned()).collect(),
            None => cause.score *= OUTSIDE,
        }
    }
}

/// The shortest way along calls from one node to every node that it reaches.
fn paths<'a>(callees: &BTreeMap<&'a str, Vec<&'a str>>, from: &'a str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found = BTreeMap::from([(from, vec![from])]);
    let mut open = VecDeque::from([from]);
    while let Some(node) = open.pop_front() {
        let path = found.get(node).cloned().unwrap_or_default();
        for callee in callees.get(node).into_iter().flatten() {
            if !found.contains_key(callee) {
                let mut longer = path.clone();
                longer.push(callee);
                found.insert(callee, longer);
                open.push_back(callee);
            }
        }
    }
    found
}
