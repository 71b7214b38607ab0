//! StatsD: counters, gauges, timers and sets from datagrams, added up over an interval.
//!
//! Formats: <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>, with the tags (`|#a:b`) and the packed values
//! (`name:1:2|ms`) of <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>.
//!
//! | StatsD | here, once an interval |
//! |---|---|
//! | counter `c`, by its sample rate | delta: what was added |
//! | gauge `g`, set or by `+` and `-` | gauge, if it was told in the interval |
//! | timer `ms`, histogram `h`, distribution `d` | histogram of the interval with the default bounds of OpenTelemetry |
//! | set `s` | gauge: how many different members |
//! | tags | attributes; the resource by the tag `service`, else by [`identity::of_labels`](crate::identity::of_labels), else the service that is configured |

use std::collections::{BTreeMap, HashSet};

use echobase_types::signal::{HistogramPoint, MetricKind, RejectReason};
use echobase_types::{Attributes, ResourceKind, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::identity::{Identified, named, of_labels};
use crate::intake::{Intake, Metric, Refusal, malformed, shown};

/// Upper bounds of a distribution (OpenTelemetry SDK specification, explicit bucket histogram).
const BOUNDS: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0,
    10_000.0,
];
/// Metrics that are held at once; more are refused until the interval ends.
const MOST: usize = 100_000;
/// Members of one set that are told apart.
const MEMBERS: usize = 100_000;

/// What was told since the last interval, and gauges, which stand until they are set again.
#[derive(Debug)]
pub(crate) struct Tally {
    service: String,
    metrics: BTreeMap<Key, Held>,
}

/// A name with its tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    tags: Vec<(String, String)>,
}

#[derive(Debug)]
enum Held {
    Counter(f64),
    Gauge { value: f64, is_told: bool },
    Distribution { unit: &'static str, count: f64, sum: f64, buckets: [f64; BOUNDS.len() + 1] },
    Set(HashSet<u64>),
}

/// A line as it stands.
struct Line<'a> {
    name: &'a str,
    values: &'a str,
    kind: &'a str,
    rate: f64,
    tags: &'a str,
}

impl Tally {
    /// Nothing yet; what says of no resource is of this service.
    pub(crate) fn new(service: &str) -> Self {
        Self { service: service.to_owned(), metrics: BTreeMap::new() }
    }

    /// Takes a datagram of one or more lines in; answers how many lines were taken, and what is wrong with the others.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> (u64, Vec<Refusal>) {
        let (mut taken, mut refused) = (0, Vec::new());
        for line in datagram.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let text =
                std::str::from_utf8(line.trim_ascii()).map_err(|_| malformed("line is not UTF-8".to_owned()));
            match text.and_then(|text| self.line(text)) {
                Ok(()) => taken += 1,
                Err(refusal) => refused.push(refusal),
            }
        }
        (taken, refused)
    }

    fn line(&mut self, text: &str) -> Result<(), Refusal> {
        let line = read(text)?;
        let mut tags: Vec<(String, String)> = line
            .tags
            .split(',')
            .filter(|tag| !tag.is_empty())
            .map(|tag| tag.split_once(':').unwrap_or((tag, "true")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        tags.sort_unstable();
        let key = Key { name: line.name.to_owned(), tags };
        let is_known = self.metrics.contains_key(&key);
        if !is_known && self.metrics.len() >= MOST {
            let detail = format!("more than {MOST} metrics in one interval");
            return Err(Refusal::new(RejectReason::SeriesLimit, detail));
        }
        // What does not read must leave nothing behind.
        let values: Vec<&str> =
            if line.kind == "s" { vec![line.values] } else { line.values.split(':').collect() };
        let read = values.iter().map(|value| number(value).ok_or_else(|| wrong(text, value)));
        let numbers: Vec<f64> = if line.kind == "s" { Vec::new() } else { read.collect::<Result<_, _>>()? };
        let held = self.metrics.entry(key).or_insert_with(|| Held::new(line.kind));
        match (held, line.kind) {
            (Held::Counter(sum), "c") => *sum += numbers.iter().sum::<f64>() / line.rate,
            (Held::Gauge { value, is_told }, "g") => {
                for (text, number) in values.iter().zip(&numbers) {
                    let is_change = text.starts_with(['+', '-']);
                    *value = if is_change { *value + number } else { *number };
                }
                *is_told = true;
            }
            (Held::Distribution { count, sum, buckets, .. }, "ms" | "h" | "d") => {
                for value in numbers {
                    let bucket = BOUNDS.partition_point(|bound| *bound < value);
                    buckets[bucket] += 1.0 / line.rate;
                    *count += 1.0 / line.rate;
                    *sum += value / line.rate;
                }
            }
            (Held::Set(members), "s") => {
                if members.len() < MEMBERS {
                    members.insert(xxh3_64(line.values.as_bytes()));
                }
            }
            _ => {
                let detail =
                    format!("`{}` was told as another kind than `{}` before", shown(line.name), line.kind);
                return Err(malformed(detail));
            }
        }
        Ok(())
    }

    /// Hands out what was told since the last time, as of `now`, and begins anew.
    pub(crate) fn hand_out(&mut self, intake: &mut Intake<'_>, now: Timestamp) {
        for (key, held) in &self.metrics {
            let outcome = self.one(intake, key, held, now);
            intake.row(&key.name, outcome);
        }
        self.metrics.retain(|_, held| match held {
            // A gauge stands: changes by `+` and `-` go from it. It is forgotten when it was not told for an interval.
            Held::Gauge { is_told, .. } => std::mem::take(is_told),
            Held::Counter(_) | Held::Distribution { .. } | Held::Set(_) => false,
        });
    }

    fn one(&self, intake: &mut Intake<'_>, key: &Key, held: &Held, now: Timestamp) -> Result<(), Refusal> {
        let tag =
            |wanted: &str| key.tags.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let has_owner =
            ["job", "host", "hostname", "echobase_resource_name"].iter().any(|name| tag(name).is_some());
        let known = match tag("service") {
            None if has_owner => of_labels(&key.name, tag),
            service => {
                let name = service.unwrap_or(&self.service);
                let resource = named(ResourceKind::Service, name, Attributes::new());
                Identified { resource, instance: Attributes::new() }
            }
        };
        let source = intake.source(known)?;
        let attributes: Attributes =
            key.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let metric = |unit, kind| Metric { name: &key.name, unit, kind };
        match held {
            Held::Counter(sum) => intake.point(&source, metric("", MetricKind::Delta), attributes, now, *sum),
            Held::Gauge { is_told: false, .. } => Ok(()),
            Held::Gauge { value, .. } => {
                intake.point(&source, metric("", MetricKind::Gauge), attributes, now, *value)
            }
            Held::Set(members) => {
                intake.point(&source, metric("", MetricKind::Gauge), attributes, now, members.len() as f64)
            }
            Held::Distribution { unit, count, sum, buckets } => {
                let point = HistogramPoint {
                    series: 0,
                    time: now,
                    cumulative: false,
                    count: count.round() as u64,
                    sum: *sum,
                    bounds: BOUNDS.to_vec(),
                    counts: buckets.iter().map(|count| count.round() as u64).collect(),
                };
                intake.histogram(&source, metric(unit, MetricKind::Histogram), attributes, point)
            }
        }
    }
}

impl Held {
    fn new(kind: &str) -> Self {
        let distribution =
            |unit| Self::Distribution { unit, count: 0.0, sum: 0.0, buckets: [0.0; BOUNDS.len() + 1] };
        match kind {
            "c" => Self::Counter(0.0),
            "g" => Self::Gauge { value: 0.0, is_told: false },
            "s" => Self::Set(HashSet::new()),
            "ms" => distribution("ms"),
            _ => distribution(""),
        }
    }
}

fn wrong(line: &str, value: &str) -> Refusal {
    malformed(format!("`{}` in `{}` is no number", shown(value), shown(line)))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `name:value|kind`, then in any order `@rate` and `#tags`; what else comes is for others.
fn read(text: &str) -> Result<Line<'_>, Refusal> {
    let shape = || malformed(format!("`{}` is not name:value|kind", shown(text)));
    let (head, rest) = text.split_once('|').ok_or_else(shape)?;
    let (name, values) = head.split_once(':').ok_or_else(shape)?;
    let mut parts = rest.split('|');
    let kind = parts.next().unwrap_or_default();
    if name.is_empty() || values.is_empty() {
        return Err(shape());
    }
    if !matches!(kind, "c" | "g" | "ms" | "h" | "d" | "s") {
        let detail = format!("kind `{}` is not c, g, ms, h, d or s", shown(kind));
        return Err(Refusal::new(RejectReason::Unsupported, detail));
    }
    let mut line = Line { name, values, kind, rate: 1.0, tags: "" };
    for part in parts {
        if let Some(rate) = part.strip_prefix('@') {
            let rate = number(rate).filter(|rate| *rate > 0.0 && *rate <= 1.0);
            line.rate = rate
                .ok_or_else(|| malformed(format!("sample rate of `{}` is not above 0 to 1", shown(text))))?;
        } else if let Some(tags) = part.strip_prefix('#') {
            line.tags = tags;
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use echobase_types::{IngestLimits, TenantId};
    use proptest::prelude::*;

    use super::*;
    use crate::{Admission, Decoded, SeriesBudget};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn handed(tally: &mut Tally) -> Decoded {
        let (tenant, limits, budget) =
            (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
        let mut intake = Intake::new(&Admission::live(&tenant, &limits, &budget, NOW));
        tally.hand_out(&mut intake, NOW);
        intake.finish()
    }

    /// Name, kind, value of each point.
    fn points(decoded: &Decoded) -> Vec<(String, MetricKind, f64)> {
        let of = |series: u32| &decoded.batch.series[series as usize];
        decoded.batch.points.iter().map(|p| (of(p.series).name.clone(), of(p.series).kind, p.value)).collect()
    }

    #[test]
    fn an_interval_is_added_up_and_the_next_begins_anew() {
        let mut tally = Tally::new("app");
        let lines = "hits:1|c\nhits:2|c|@0.5\nhits:1:1|c\nroom:20|g\nroom:-5|g\nroom:+1|g\nusers:ann|s\nusers:bob|s\nusers:ann|s\n";
        assert_eq!(tally.take(lines.as_bytes()), (9, vec![]));
        let decoded = handed(&mut tally);
        let expected = [
            ("hits".to_owned(), MetricKind::Delta, 7.0),
            ("room".to_owned(), MetricKind::Gauge, 16.0),
            ("users".to_owned(), MetricKind::Gauge, 2.0),
        ];
        assert_eq!(points(&decoded), expected);
        assert_eq!(decoded.batch.resources[0].id.as_str(), "service:app");
        tally.take(b"room:+4|g");
        assert_eq!(points(&handed(&mut tally)), [("room".to_owned(), MetricKind::Gauge, 20.0)]);
        assert_eq!(points(&handed(&mut tally)), []);
    }

    #[test]
    fn timers_become_a_histogram_of_the_interval() {
        let mut tally = Tally::new("app");
        tally
            .take(b"took:3|ms|#route:/a,cached\ntook:30:5|ms|@0.5|#cached,route:/a\ntook:20000|ms|#route:/b");
        let decoded = handed(&mut tally);
        let point = &decoded.batch.histograms[0];
        assert_eq!((point.count, point.sum, point.cumulative), (5, 73.0, false));
        assert_eq!((point.counts[1], point.counts[4]), (3, 2), "3 and twice 5 up to 5, twice 30 up to 50");
        assert_eq!(decoded.batch.histograms[1].counts[15], 1, "beyond the last bound");
        let series = &decoded.batch.series[0];
        assert_eq!((series.unit.as_str(), series.attributes.text("route")), ("ms", Some("/a")));
        assert_eq!(series.attributes.text("cached"), Some("true"));
    }

    #[test]
    fn tags_say_whose_it_is() {
        let table = [
            ("x:1|c|#service:shop/cart", "service:shop/cart"),
            ("x:1|c|#host:web-1", "host:web-1"),
            ("x:1|c|#job:batch", "service:batch"),
            ("x:1|c|#env:prod", "service:app"),
        ];
        for (line, resource) in table {
            let mut tally = Tally::new("app");
            tally.take(line.as_bytes());
            assert_eq!(handed(&mut tally).batch.resources[0].id.as_str(), resource, "{line}");
        }
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let mut tally = Tally::new("app");
        let lines = "a:1|c\nb\nb:|c\nb:x|c\nb:1|q\nb:1|c|@0\nb:1|c|@2\nb:nan|g\na:1|g\na:1:x|c\nc:1|c";
        let (taken, refused) = tally.take(lines.as_bytes());
        assert_eq!((taken, refused.len()), (2, 9), "{refused:?}");
        let names: Vec<String> = points(&handed(&mut tally)).into_iter().map(|p| p.0).collect();
        assert_eq!(names, ["a", "c"], "what was refused left nothing behind");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes: Vec<u8>, text in r"[ab:|@#,.+\-0-9cgms\n]{0,60}") {
            let mut tally = Tally::new("app");
            tally.take(&bytes);
            tally.take(text.as_bytes());
            let _ = handed(&mut tally);
        }
    }
}
