//! What each metric has to say: surprise, alignment with the symptom, share of it, earliness.

use std::collections::{BTreeMap, BTreeSet};

use echobase_types::Timestamp;

use super::deviation::{Deviation, Scales, Way, nearest, sane};
use super::{Cause, Incident};

/// How much a metric of another kind than the symptom's counts: for nodes that do not have that kind, and for those
/// that have it (they could show the symptom, and do not).
const OTHER_KIND: (f64, f64) = (0.3, 0.1);

/// All metrics of an incident, held against the symptom.
pub(super) struct Field<'a> {
    incident: &'a Incident,
    /// How the symptom's metrics begin; all metrics are of its kind where that is not known.
    kind: Option<&'a str>,
    deviations: Vec<Deviation>,
    /// What the symptom shows most in.
    symptom: Option<Deviation>,
    /// Calls of each node.
    volumes: BTreeMap<&'a str, &'a [(Timestamp, f64)]>,
    /// What the symptom's node itself shows, by metric.
    whole: BTreeMap<&'a str, f64>,
    /// Nodes that have metrics of the symptom's kind.
    with_kind: BTreeSet<&'a str>,
    /// When the first metric left its normal.
    first: Option<Timestamp>,
}

impl<'a> Field<'a> {
    pub(super) fn of(incident: &'a Incident) -> Self {
        let measured = &incident.measured;
        let scales = Scales::learn(measured);
        let mut field = Self {
            incident,
            kind: incident.symptom.as_ref().and_then(|symptom| symptom.metric.as_deref()),
            deviations: measured.iter().map(|measured| Deviation::of(measured, &scales)).collect(),
            symptom: None,
            volumes: volumes(incident),
            whole: BTreeMap::new(),
            with_kind: BTreeSet::new(),
            first: None,
        };
        let shown: Vec<usize> = (0..measured.len()).filter(|at| field.is_symptom(*at)).collect();
        if let Some(way) = field.kind.and_then(bad_way) {
            shown.iter().for_each(|at| field.deviations[*at].keep(way));
        }
        let peaks = shown.iter().map(|at| &field.deviations[*at]).filter(|deviation| deviation.peak() > 0.0);
        field.symptom = peaks.max_by(|a, b| a.peak().total_cmp(&b.peak())).cloned();
        if let Some(symptom) = &field.symptom {
            for (deviation, measured) in field.deviations.iter_mut().zip(measured) {
                deviation.quieten(measured, symptom);
                if field.kind.is_some_and(|kind| measured.metric.starts_with(kind)) {
                    deviation.keep(symptom.way());
                }
            }
        }
        let known = (0..measured.len()).filter(|at| field.is_kind(*at) && field.deviations[*at].is_known());
        field.with_kind = known.map(|at| measured[at].node.as_str()).collect();
        let whole = shown.iter().filter_map(|at| Some((measured[*at].metric.as_str(), field.impact(*at)?)));
        field.whole = whole.collect();
        field.first = field.deviations.iter().filter_map(Deviation::onset).min();
        field
    }

    /// A metric as the cause.
    pub(super) fn cause(&self, at: usize) -> Option<Cause> {
        let (measured, deviation) = (self.incident.measured.get(at)?, self.deviations.get(at)?);
        let share = self.share(at);
        let alignment = self.symptom.as_ref().map_or(1.0, |symptom| deviation.alignment(symptom));
        let factor = match (self.is_kind(at), self.with_kind.contains(measured.node.as_str())) {
            (true, _) => 1.0,
            (false, false) => OTHER_KIND.0,
            (false, true) => OTHER_KIND.1,
        };
        let surprise = deviation.surprise();
        let evidence = surprise.ln_1p() * alignment * share.unwrap_or(1.0) * factor;
        let (usual, worst) = deviation.extremes(measured);
        Some(Cause {
            node: measured.node.clone(),
            metric: measured.metric.clone(),
            score: evidence * deviation.earliness(self.first),
            surprise,
            alignment,
            share,
            onset: deviation.onset(),
            path: Vec::new(),
            change: None,
            at,
            usual,
            worst,
        })
    }

    /// How much of the symptom a metric accounts for; `None` where its kind or its calls do not tell.
    fn share(&self, at: usize) -> Option<f64> {
        let measured = self.incident.measured.get(at).filter(|_| self.is_kind(at))?;
        let whole = self.whole.get(measured.metric.as_str()).filter(|whole| **whole > 0.0)?;
        Some((self.impact(at)? / whole).min(1.0))
    }

    /// What a metric was off, times the node's calls, in the rows of the symptom.
    fn impact(&self, at: usize) -> Option<f64> {
        let (symptom, measured) = (self.symptom.as_ref()?, self.incident.measured.get(at)?);
        let calls = self.volumes.get(measured.node.as_str())?;
        let deviation = self.deviations.get(at)?;
        let row = |(time, off): (Timestamp, f64)| {
            let calls = nearest(calls, time, deviation.reach()).unwrap_or(0.0);
            symptom.strength(time) * off.abs() * sane(calls).max(0.0)
        };
        Some(deviation.rows().map(row).sum())
    }

    /// Whether a metric is one in which the symptom was noticed.
    fn is_symptom(&self, at: usize) -> bool {
        let node = self.incident.symptom.as_ref().map(|symptom| symptom.node.as_str());
        node.is_some_and(|node| self.incident.measured[at].node == node) && self.is_kind(at)
    }

    fn is_kind(&self, at: usize) -> bool {
        self.kind.is_none_or(|kind| self.incident.measured[at].metric.starts_with(kind))
    }
}

/// The way in which a kind of metric is bad, where its name tells.
fn bad_way(kind: &str) -> Option<Way> {
    const UP: [&str; 8] =
        ["latency", "duration", "response_time", "error", "fail", "queue", "saturation", "lag"];
    const DOWN: [&str; 4] = ["availability", "success", "uptime", "goodput"];
    let kind = kind.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| kind.starts_with(word));
    if begins(&UP) { Some(Way::Up) } else { begins(&DOWN).then_some(Way::Down) }
}

/// Calls of each node during the incident, from the first metric that counts them.
fn volumes(incident: &Incident) -> BTreeMap<&str, &[(Timestamp, f64)]> {
    const COUNTS: [&str; 5] = ["request", "call", "throughput", "rps", "qps"];
    let mut out: BTreeMap<&str, &[(Timestamp, f64)]> = BTreeMap::new();
    for measured in &incident.measured {
        let name = measured.metric.to_ascii_lowercase();
        if COUNTS.iter().any(|word| name.starts_with(word)) {
            out.entry(&measured.node).or_insert(&measured.incident);
        }
    }
    out
}
