//! From what is stored of a node to metrics that can be held against each other: whatever its sender calls them,
//! `latency`, `error_ratio` and `requests_per_second` are those of the requests that it serves, and `dependency_…` those
//! of the calls that it makes. All other series keep their names.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::signal::{MetricKind, Series};
use echobase_types::{SeriesId, Timestamp};

use super::Measured;
use crate::config::VitalRule;
use crate::vital::{Reading, Vitals, lookup};
use echobase_types::assessment::Vital;

/// What an operator notices first.
pub(super) const SYMPTOMS: [&str; 2] = ["error_ratio", "latency"];

/// Shares below this are of no account: one failure in fifty.
const FLOOR_SHARE: f64 = 0.02;
/// Waiting requests below this are of no account.
const FLOOR_QUEUE: f64 = 1.0;
/// Seconds below this are of no account.
const FLOOR_SECONDS: f64 = 0.005;

/// One stored series of a node, in even steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The node.
    pub node: String,
    /// The series; its `resource` is not looked at.
    pub series: Series,
    /// Its rows, oldest first.
    pub rows: Rows,
}

/// The rows of a stored series.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Values as people see them: counters and sums per interval as rates per second.
    Values(Vec<(Timestamp, f64)>),
    /// How many values came in each step, and their sum.
    Distribution(Vec<(Timestamp, f64, f64)>),
}

/// The calls that a node answered or made, in even steps, from its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// The node.
    pub node: String,
    /// Whether it made them; else it answered them.
    pub made: bool,
    /// Start of each step, calls, failed calls, seconds in all.
    pub rows: Vec<(Timestamp, f64, f64, f64)>,
}

/// Where the figures of a metric come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// One series as it is stored.
    Series,
    /// Distributions or counters of requests, added up.
    Requests,
    /// Spans, added up.
    Spans,
    /// Calls to the node as those who made them measured them: what hangs or is dead does not measure itself.
    Callers,
}

impl Origin {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Requests => "requests",
            Self::Spans => "spans",
            Self::Callers => "callers",
        }
    }
}

/// A metric with the series that it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Gathered {
    /// The metric.
    pub measured: Measured,
    /// Where its figures come from.
    pub origin: Origin,
    /// The series, in the order of their ids; none for spans.
    pub series: Vec<SeriesId>,
}

/// A metric's name, rows and floor.
type Sign = (String, Vec<(Timestamp, f64)>, f64);

/// Requests of one side of a node.
#[derive(Default)]
struct Traffic {
    origin: Option<Origin>,
    timed: bool,
    series: Vec<SeriesId>,
    /// Requests, failures, seconds by step.
    steps: BTreeMap<Timestamp, [f64; 3]>,
}

impl Traffic {
    fn add(&mut self, at: Timestamp, requests: f64, failures: f64, seconds: f64) {
        let step = self.steps.entry(at).or_default();
        *step = [step[0] + requests, step[1] + failures, step[2] + seconds];
    }

    /// Mean duration, where it is known, and failed share of what was answered.
    fn answers(&self, lead: &str) -> impl Iterator<Item = Sign> {
        let answered = || self.steps.iter().filter(|(_, [requests, ..])| *requests > 0.0);
        let latency = answered().map(|(at, [requests, _, seconds])| (*at, seconds / requests)).collect();
        let failed = answered().map(|(at, [requests, failures, _])| (*at, (failures / requests).min(1.0)));
        let timed = self.timed.then(|| (format!("{lead}latency"), latency, FLOOR_SECONDS));
        timed.into_iter().chain([(format!("{lead}error_ratio"), failed.collect(), FLOOR_SHARE)])
    }

    fn joins(&mut self, series: SeriesId) {
        if !self.series.contains(&series) {
            self.series.push(series);
        }
    }
}

/// What a series of requests says, and of which side.
struct Part {
    made: bool,
    failed: bool,
    /// Whether it counts failures beside a series that counts all.
    is_apart: bool,
    factor: f64,
}

/// Makes metrics of what is stored. Rows before `begin` are normal, the others the incident; `step` is their distance.
/// `is_normal` says of which times the rows count as normal. Distributions of durations are preferred to counters, and
/// both to spans, which may be sampled. `names` has the nodes by the names that callers have for them.
pub fn gather(
    stored: &[Stored],
    calls: &[Calls],
    vitals: &[VitalRule],
    names: &BTreeMap<String, String>,
    (step, begin): (Duration, Timestamp),
    is_normal: impl Fn(&str, Timestamp) -> bool,
) -> Vec<Gathered> {
    let vitals = Vitals::new(vitals.to_vec());
    let seconds = step.as_secs_f64().max(1e-6);
    let mut traffic: BTreeMap<(&str, bool), Traffic> = BTreeMap::new();
    let mut counted: BTreeMap<(&str, bool), Traffic> = BTreeMap::new();
    let mut seen: BTreeMap<&str, Traffic> = BTreeMap::new();
    let split = |node: &str, metric: String, rows: Vec<(Timestamp, f64)>, floor: f64| {
        let (normal, incident): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(time, _)| *time < begin);
        let kept = normal.iter().filter(|(time, _)| is_normal(node, *time)).copied().collect::<Vec<_>>();
        Measured { node: node.to_owned(), metric, normal: kept, incident, floor }
    };
    let mut all = Vec::new();
    for one in stored {
        let part = part_of(&vitals, &one.series);
        match (&one.rows, part) {
            (Rows::Distribution(rows), Some(part)) => {
                let of = traffic.entry((&one.node, part.made)).or_default();
                (of.origin, of.timed) = (Some(Origin::Requests), true);
                of.joins(one.series.id);
                for (at, count, sum) in rows {
                    let failures = if part.failed { *count } else { 0.0 };
                    of.add(*at, *count, failures, sum * part.factor);
                }
                let called = peer(&one.series).filter(|_| part.made).and_then(|name| names.get(&name));
                let Some(called) = called.filter(|called| **called != one.node) else { continue };
                let of = seen.entry(called).or_default();
                of.timed = true;
                of.joins(one.series.id);
                for (at, count, sum) in rows {
                    let failures = if part.failed { *count } else { 0.0 };
                    of.add(*at, *count, failures, sum * part.factor);
                }
            }
            (Rows::Distribution(_), None) => {}
            (Rows::Values(rows), Some(part)) => {
                let of = counted.entry((&one.node, part.made)).or_default();
                of.origin = Some(Origin::Requests);
                of.joins(one.series.id);
                for (at, rate) in rows {
                    let count = rate * seconds;
                    let requests = if part.is_apart { 0.0 } else { count };
                    of.add(*at, requests, if part.failed { count } else { 0.0 }, 0.0);
                }
            }
            (Rows::Values(rows), None) => {
                let floor = floor(&vitals, &one.series);
                all.push(Gathered {
                    measured: split(&one.node, one.series.name.clone(), rows.clone(), floor),
                    origin: Origin::Series,
                    series: vec![one.series.id],
                });
            }
        }
    }
    for (side, of) in counted {
        traffic.entry(side).or_insert(of);
    }
    for one in calls {
        let of = traffic.entry((&one.node, one.made)).or_default();
        if of.origin.is_some_and(|origin| origin != Origin::Spans) {
            continue;
        }
        (of.origin, of.timed) = (Some(Origin::Spans), true);
        for (at, count, failed, in_all) in &one.rows {
            of.add(*at, *count, *failed, *in_all);
        }
    }
    for called in seen.keys() {
        traffic.entry((called, false)).or_default();
    }
    for ((node, made), of) in &mut traffic {
        of.series.sort_unstable();
        let lead = if *made { "dependency_" } else { "" };
        let callers = seen.get(node).filter(|_| !made);
        let mut signs: Vec<(Sign, Origin, &[SeriesId])> = Vec::new();
        if let Some(origin) = of.origin {
            signs.extend(of.answers(lead).map(|sign| (sign, origin, of.series.as_slice())));
        }
        if let Some(callers) = callers {
            signs.extend(callers.answers("").map(|sign| (sign, Origin::Callers, callers.series.as_slice())));
        }
        // What hangs counts no calls; those who wait for it do.
        let mut rates: BTreeMap<Timestamp, f64> = BTreeMap::new();
        let steps = of.steps.iter().chain(callers.into_iter().flat_map(|callers| &callers.steps));
        for (at, [requests, ..]) in steps {
            let rate = rates.entry(*at).or_default();
            *rate = rate.max(requests / seconds);
        }
        let rate = (format!("{lead}requests_per_second"), rates.into_iter().collect(), 0.0);
        signs.push((rate, of.origin.unwrap_or(Origin::Callers), &of.series));
        all.extend(signs.into_iter().map(|((metric, rows, floor), origin, series)| Gathered {
            measured: split(node, metric, rows, floor),
            origin,
            series: series.to_vec(),
        }));
    }
    all
}

/// Whether a series speaks of a vital sign: such are looked at first where there are too many.
pub fn is_vital(series: &Series, vitals: &[VitalRule]) -> bool {
    !Vitals::new(vitals.to_vec()).map(series).is_empty()
}

/// What a series says of requests, if it does.
fn part_of(vitals: &Vitals, series: &Series) -> Option<Part> {
    let mapped = vitals.map(series);
    let is_traffic =
        |reading: Reading| matches!(reading, Reading::Requests | Reading::Failures | Reading::Duration);
    let first = mapped.iter().find(|one| is_traffic(one.reading))?;
    let timed = mapped.iter().find(|one| one.reading == Reading::Duration);
    if series.kind == MetricKind::Histogram && timed.is_none() {
        return None;
    }
    Some(Part {
        made: matches!(first.vital, Vital::DependencyErrorRatio | Vital::DependencyLatency),
        failed: mapped.iter().any(|one| one.failed),
        is_apart: first.reading == Reading::Failures,
        factor: timed.map_or(1.0, |one| one.factor),
    })
}

/// What a caller calls the one that it calls.
fn peer(series: &Series) -> Option<String> {
    const KEYS: [&str; 4] = ["server.address", "peer.service", "net.peer.name", "rpc.service"];
    KEYS.iter().find_map(|key| lookup(&series.attributes, key)).map(ToString::to_string)
}

/// The difference that is of no account, where the vital sign tells: of shares of something bounded, and of queues, which
/// are empty when all is well.
fn floor(vitals: &Vitals, series: &Series) -> f64 {
    let is_direct = |reading: Reading| matches!(reading, Reading::Value | Reading::Complement);
    let floor_of = |vital: Vital| match vital {
        Vital::QueueLength => FLOOR_QUEUE,
        vital if vital.is_bounded() => FLOOR_SHARE,
        _ => 0.0,
    };
    let mapped = vitals.map(series);
    mapped.iter().filter(|one| is_direct(one.reading)).map(|one| floor_of(one.vital)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::Attributes;

    use super::*;

    fn at(n: i64) -> Timestamp {
        Timestamp::from_secs(n * 10)
    }

    fn series(id: u64, name: &str, kind: MetricKind, attributes: &[(&str, &str)]) -> Series {
        let attributes: Attributes = attributes.iter().copied().collect();
        Series { id: SeriesId(id), resource: 0, name: name.into(), unit: "s".into(), kind, attributes }
    }

    fn distribution(id: u64, name: &str, code: &str, count: f64, sum: f64) -> Stored {
        let attributes: &[(&str, &str)] = &[("http.response.status_code", code)];
        let rows = Rows::Distribution((0..20).map(|n| (at(n), count, sum)).collect());
        Stored { node: "shop".into(), series: series(id, name, MetricKind::Histogram, attributes), rows }
    }

    fn gathered(stored: &[Stored], calls: &[Calls]) -> Vec<Gathered> {
        let names = BTreeMap::from([("db".to_owned(), "service:db".to_owned())]);
        gather(stored, calls, &[], &names, (Duration::from_secs(10), at(15)), |_, _| true)
    }

    fn value(all: &[Gathered], metric: &str) -> Option<(f64, Origin, usize)> {
        let one = all.iter().find(|one| one.measured.metric == metric)?;
        assert_eq!((one.measured.normal.len(), one.measured.incident.len()), (15, 5), "{metric}");
        Some((one.measured.incident[0].1, one.origin, one.series.len()))
    }

    #[test]
    fn requests_of_all_outcomes_make_latency_failed_share_and_rate() {
        let name = "http.server.request.duration";
        let stored = [
            distribution(1, name, "200", 30.0, 3.0),
            distribution(2, name, "500", 10.0, 5.0),
            distribution(3, "http.client.request.duration", "503", 20.0, 10.0),
        ];
        let all = gathered(&stored, &[]);
        assert_eq!(value(&all, "latency"), Some((0.2, Origin::Requests, 2)));
        assert_eq!(value(&all, "error_ratio"), Some((0.25, Origin::Requests, 2)));
        assert_eq!(value(&all, "requests_per_second"), Some((4.0, Origin::Requests, 2)));
        assert_eq!(value(&all, "dependency_error_ratio"), Some((1.0, Origin::Requests, 1)));
        assert_eq!(value(&all, "dependency_latency"), Some((0.5, Origin::Requests, 1)));
    }

    #[test]
    fn what_is_dead_is_seen_by_its_callers() {
        let mut call = distribution(3, "http.client.request.duration", "503", 20.0, 10.0);
        call.series.attributes.insert("server.address", "db");
        let of_db = |all: &[Gathered]| -> Vec<(String, f64, Origin)> {
            let all = all.iter().filter(|one| one.measured.node == "service:db");
            all.map(|one| (one.measured.metric.clone(), one.measured.incident[0].1, one.origin)).collect()
        };
        let seen = |metric: &str, value| (metric.to_owned(), value, Origin::Callers);
        let silent = gathered(std::slice::from_ref(&call), &[]);
        assert_eq!(
            of_db(&silent),
            [seen("latency", 0.5), seen("error_ratio", 1.0), seen("requests_per_second", 2.0)]
        );
        // It answers a quarter of the calls itself.
        let mut own = distribution(4, "http.server.request.duration", "200", 5.0, 1.0);
        own.node = "service:db".to_owned();
        let both = of_db(&gathered(&[call, own], &[]));
        assert_eq!(both.len(), 5);
        assert!(both.contains(&("latency".to_owned(), 0.2, Origin::Requests)), "{both:?}");
        assert!(both.contains(&("requests_per_second".to_owned(), 2.0, Origin::Requests)), "{both:?}");
    }

    #[test]
    fn spans_speak_where_no_metric_does_and_other_series_keep_their_names() {
        let rows: Vec<_> = (0..20).map(|n| (at(n), 10.0, 1.0, 5.0)).collect();
        let calls = [Calls { node: "shop".into(), made: false, rows }];
        let memory = Stored {
            node: "shop".into(),
            series: series(9, "process.memory.usage", MetricKind::Gauge, &[]),
            rows: Rows::Values((0..20).map(|n| (at(n), 7.0)).collect()),
        };
        let all = gathered(std::slice::from_ref(&memory), &calls);
        assert_eq!(value(&all, "latency"), Some((0.5, Origin::Spans, 0)));
        assert_eq!(value(&all, "error_ratio"), Some((0.1, Origin::Spans, 0)));
        assert_eq!(value(&all, "process.memory.usage"), Some((7.0, Origin::Series, 1)));
        let depth = series(5, "messaging.queue.depth", MetricKind::Gauge, &[]);
        let busy = series(6, "process.cpu.utilization", MetricKind::Gauge, &[]);
        for (series, floor) in [(&memory.series, 0.0), (&depth, FLOOR_QUEUE), (&busy, FLOOR_SHARE)] {
            let one = Stored { series: series.clone(), ..memory.clone() };
            assert_eq!(gathered(&[one], &[])[0].measured.floor, floor, "{}", series.name);
        }
        let both = [memory, distribution(1, "http.server.request.duration", "200", 30.0, 3.0)];
        assert_eq!(value(&gathered(&both, &calls), "latency"), Some((0.1, Origin::Requests, 1)));
    }

    #[test]
    fn rows_of_times_that_were_not_normal_are_left_out_of_normal_only() {
        let stored = [distribution(1, "http.server.request.duration", "200", 30.0, 3.0)];
        let names = BTreeMap::new();
        let all = gather(&stored, &[], &[], &names, (Duration::from_secs(10), at(15)), |node, time| {
            node == "shop" && time >= at(5)
        });
        assert!(all.iter().all(|one| one.measured.normal.len() == 10 && one.measured.incident.len() == 5));
    }
}
