//! Root cause: which node most likely began an incident, and by which of its metrics it shows.
//!
//! `score = surprise × alignment × share × earliness`, less what a callee explains better:
//!
//! - *surprise*: how far the metric's own values lie outside their normal, the same time of earlier days where that
//!   tells more ([`deviation`]); the logarithm, so that one wild metric does not outweigh all others;
//! - *alignment*: whether it moves in the rows where the symptom moves, and only there;
//! - *share*: how much of the symptom it can account for: what it costs per call times its calls, against the same of
//!   the symptom;
//! - *earliness*: a little less for metrics that moved later;
//! - *walk*: from the symptom along calls; a caller whose callee is as much in the incident only carries it, and what
//!   the symptom does not call, directly or not, counts little ([`walk`]);
//! - a *change* (deploy, configuration, model, prompt) shortly before counts for its node.
//!
//! Sources: Liu et al. 2021 (MicroHECL) and Kim et al. 2013 (MonitorRank) for the walk along calls, Hardt et al. 2023
//! (PetShop) for what simple rankers miss: offsets that were there before, and callers that only carry.

mod deviation;
mod evidence;
mod sign;
mod told;
mod walk;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;

use deviation::{Deviation, Scales, Way};
use evidence::Field;

pub use sign::{Calls, Gathered, Origin, Rows, Stored, gather, is_vital};

/// One metric of one node: values in normal times and during the incident, each in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The node: a resource, or the metric itself where only one resource is looked at.
    pub node: String,
    /// The metric.
    pub metric: String,
    /// Normal times.
    pub normal: Vec<(Timestamp, f64)>,
    /// The incident, with a little of what was before or after it if possible.
    pub incident: Vec<(Timestamp, f64)>,
    /// A difference below this is of no account, in the metric's unit; 0 where that is not known.
    pub floor: f64,
}

/// Where the trouble was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// The node.
    pub node: String,
    /// Its metric, or how the metric's name begins (`latency` stands for `latency_p99` as well).
    pub metric: Option<String>,
}

/// Something that people or automation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The node it was done to.
    pub node: String,
    /// When.
    pub time: Timestamp,
    /// What, in words: `deploy 1.4.2`.
    pub what: String,
}

/// All that is known of an incident.
#[derive(Clone, Debug, Default)]
pub struct Incident {
    /// The metrics.
    pub measured: Vec<Measured>,
    /// Who calls whom: caller, callee. May be empty.
    pub calls: Vec<(String, String)>,
    /// The symptom, if one is known.
    pub symptom: Option<Symptom>,
    /// Changes shortly before or during the incident.
    pub changes: Vec<Change>,
}

/// Whether the first cause stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first is clearly ahead, and unusual.
    Determined,
    /// The second is within a tenth of the first, or the first is not unusual itself: it is one of the first few.
    Close,
    /// The fifth is within a tenth of the first, or nothing is unusual: the order is only a place to start.
    NotDetermined,
}

/// The order of likely causes, best first; every node with metrics is in it.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Whether to believe the first.
    pub verdict: Verdict,
    /// The nodes.
    pub causes: Vec<Cause>,
}

impl Ranking {
    /// The causes that count, in their order. What moved within its usual spread began nothing, even where nothing
    /// else moved more.
    pub fn unusual(&self) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(|cause| cause.is_unusual())
    }
}

/// One node as a cause, with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The node.
    pub node: String,
    /// The metric that speaks for it most.
    pub metric: String,
    /// What it is ordered by; only comparable within one ranking.
    pub score: f64,
    /// How far outside normal the metric was, in units of its usual spread.
    pub surprise: f64,
    /// How well it moves with the symptom, 0..=1; 1 without symptom.
    pub alignment: f64,
    /// How much of the symptom it can account for, 0..=1, where its calls and its kind tell.
    pub share: Option<f64>,
    /// When it left its normal.
    pub onset: Option<Timestamp>,
    /// From the symptom to this node along calls, both included; empty if there is no such way.
    pub path: Vec<String>,
    /// The change that speaks for it.
    pub change: Option<Change>,
    /// The place of the metric in [`Incident::measured`].
    pub at: usize,
    /// The value in normal times, on average.
    pub usual: f64,
    /// The value furthest from normal.
    pub worst: f64,
}

impl Cause {
    fn is_unusual(&self) -> bool {
        self.score > 0.0 && self.surprise >= UNUSUAL
    }
}

/// From so many of its usual spreads on a metric is unusual: a symptom shows, a cause counts.
const UNUSUAL: f64 = 2.0;

/// So many nodes as likely as each other say nothing of any of them.
const ALIKE: usize = 5;

/// Changes older than this before the incident do not count.
const RECENT: Duration = Duration::from_secs(7_200);

/// Orders the nodes by how likely each began the incident.
///
/// ```
/// use echobase_analysis::causes::{Incident, Measured, causes};
/// use echobase_types::Timestamp;
///
/// let series = |node: &str, bad: f64| Measured {
///     node: node.into(),
///     metric: "latency".into(),
///     normal: (0..60).map(|i| (Timestamp::from_secs(i * 60), 1.0 + 0.01 * (i % 7) as f64)).collect(),
///     incident: (60..65).map(|i| (Timestamp::from_secs(i * 60), if i > 61 { bad } else { 1.0 })).collect(),
///     floor: 0.0,
/// };
/// let measured = vec![series("shop", 1.0), series("orders", 5.0)];
/// let ranking = causes(&Incident { measured, ..Incident::default() });
/// assert_eq!(ranking.causes[0].node, "orders");
/// ```
pub fn causes(incident: &Incident) -> Ranking {
    let field = Field::of(incident);
    let mut best: BTreeMap<&str, Cause> = BTreeMap::new();
    for at in 0..incident.measured.len() {
        let Some(cause) = field.cause(at) else { continue };
        let node = incident.measured[at].node.as_str();
        if best.get(node).is_none_or(|known| ahead(&cause, known).is_lt()) {
            best.insert(node, cause);
        }
    }
    let mut causes: Vec<Cause> = best.into_values().collect();
    walk::along(&mut causes, incident);
    changed(&mut causes, incident);
    // Nodes are in order of name, and the sort is stable: same incident, same order.
    causes.sort_by(ahead);
    Ranking { verdict: verdict(&causes), causes }
}

/// What a node's trouble was noticed in: failures or slow answers, whichever is further outside its normal; without a
/// metric where it shows in neither.
pub fn noticed(measured: &[Measured], node: &str) -> Symptom {
    let scales = Scales::learn(measured);
    let shown = measured.iter().filter(|m| m.node == node && sign::SYMPTOMS.contains(&m.metric.as_str()));
    let strength = |measured: &Measured| {
        let mut deviation = Deviation::of(measured, &scales);
        deviation.keep(Way::Up);
        if deviation.is_known() { deviation.surprise() } else { 0.0 }
    };
    let worst = shown.map(|m| (strength(m), m)).max_by(|a, b| a.0.total_cmp(&b.0));
    let metric =
        worst.filter(|(strength, _)| *strength >= UNUSUAL).map(|(_, measured)| measured.metric.clone());
    Symptom { node: node.to_owned(), metric }
}

/// By score; where nothing speaks for either, by surprise.
fn ahead(a: &Cause, b: &Cause) -> Ordering {
    b.score.total_cmp(&a.score).then(b.surprise.total_cmp(&a.surprise))
}

/// A change of a node just before the incident doubles what speaks for it, and lifts it above silence.
fn changed(causes: &mut [Cause], incident: &Incident) {
    let times = incident.measured.iter().flat_map(|measured| measured.incident.iter().map(|(time, _)| *time));
    let (Some(begin), Some(end)) = (times.clone().min(), times.max()) else { return };
    let top = causes.iter().map(|cause| cause.score).fold(0.0, f64::max);
    for change in &incident.changes {
        if change.time > end || begin.since(change.time) > RECENT {
            continue;
        }
        let fresh = 1.0 - begin.since(change.time).as_secs_f64() / RECENT.as_secs_f64();
        for cause in causes.iter_mut().filter(|cause| cause.node == change.node && cause.change.is_none()) {
            cause.score = cause.score * (1.0 + fresh) + 0.2 * fresh * top;
            cause.change = Some(change.clone());
        }
    }
}

fn verdict(causes: &[Cause]) -> Verdict {
    let limit = causes.first().map_or(0.0, |first| 0.9 * first.score);
    let is_near = |at: usize| causes.get(at).is_some_and(|cause| cause.score >= limit);
    match causes.first() {
        Some(first) if causes.iter().any(Cause::is_unusual) && !is_near(ALIKE - 1) => {
            if is_near(1) || !first.is_unusual() { Verdict::Close } else { Verdict::Determined }
        }
        _ => Verdict::NotDetermined,
    }
}

#[cfg(test)]
mod tests;
