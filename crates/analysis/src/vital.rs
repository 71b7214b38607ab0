//! What a metric means for stability: the map from metric names to vital signs.
//!
//! One table ([`RULES`]) covers the OpenTelemetry semantic conventions (1.40), node_exporter, the process metrics of
//! Prometheus client libraries, model servers, and plain words as tables of metrics use them. Configuration goes
//! before it ([`crate::config::VitalRule`]). The table is shown in `docs/reference/vital-signs.md`, and a test keeps
//! that page true.

mod table;

use echobase_types::assessment::Vital;
use echobase_types::signal::{MetricKind, Series};
use echobase_types::{AttributeValue, Attributes};

use crate::config::{Transform, VitalRule};
pub use table::RULES;

/// How a series contributes to a vital sign. A counter is turned into its rate per second first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// The value is the vital sign.
    Value,
    /// 1 − value is the vital sign.
    Complement,
    /// The used amount of used / limit; amounts of one instance add up.
    Used,
    /// The limit of used / limit or 1 − free / limit.
    Limit,
    /// The free amount of 1 − free / limit.
    Free,
    /// An amount in a state that counts as used: used / all states, once two states are known.
    InState,
    /// An amount in any other state.
    OtherState,
    /// Processor seconds per second: over the processors of the instance where they are known, else over the
    /// largest whole number ever needed.
    Cores,
    /// The number of processors for `Cores`.
    CoreCount,
    /// Requests, told apart by their outcome: rate, and failed share.
    Requests,
    /// Failed requests, counted apart from all requests.
    Failures,
    /// A distribution of durations: its median and 99th percentile.
    Duration,
}

impl Reading {
    /// The words of the reference page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Complement => "1 − value",
            Self::Used => "used / limit",
            Self::Limit => "limit",
            Self::Free => "1 − free / limit",
            Self::InState => "share of all states",
            Self::OtherState => "all states",
            Self::Cores => "busy processors / processors",
            Self::CoreCount => "processors",
            Self::Requests => "rate, failed share",
            Self::Failures => "failed requests",
            Self::Duration => "quantiles of the distribution",
        }
    }
}

/// A condition on one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The attribute under each name that senders give it; the first that is present decides.
    pub keys: &'static [&'static str],
    /// What it must be.
    pub test: Test,
}

/// What an attribute must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Present with one of these values.
    OneOf(&'static [&'static str]),
    /// Absent, or none of these values.
    NoneOf(&'static [&'static str]),
    /// Absent.
    Absent,
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By the unit of the series, else by the end of its name; a share without either as it is.
    Unit,
    /// A share that some senders give in per cent: from its first value above 1.5 on it is divided by 100, and a
    /// value above 100 makes the series no share at all.
    MaybePercent,
    /// A share only if it never exceeds 1.5 (a count of connections is no share).
    ShareOnly,
    /// In per cent.
    Percent,
    /// In milliseconds.
    Milliseconds,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The metric name; `*` stands for any characters, `.` and `_` are the same, and an ending that only names the
    /// unit (`_seconds`, `_ratio`, `_total`, …) may follow.
    pub metric: &'static str,
    /// Conditions on the attributes; all must hold.
    pub when: &'static [Condition],
    /// The vital sign. `Reading::Requests` gives `RequestRate` and `ErrorRatio` together, `Reading::Duration` gives
    /// `LatencyP50` and `LatencyP99`, or `DependencyLatency`.
    pub vital: Vital,
    /// How the series contributes.
    pub reading: Reading,
    /// Rules with the same family and vital sign make one figure; empty: the metric alone.
    pub family: &'static str,
    /// Attributes that tell instances apart (each instance is a figure of its own), beside those of the process.
    pub by: &'static [&'static str],
    /// How values are scaled.
    pub scale: Scale,
}

/// What a series is read as.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mapped {
    pub(crate) vital: Vital,
    pub(crate) reading: Reading,
    pub(crate) family: String,
    /// The instance within the family, as `key=value,…`.
    pub(crate) instance: String,
    pub(crate) scale: Scale,
    /// A fixed factor from unit or name.
    pub(crate) factor: f64,
    /// Whether the requests that this series counts failed.
    pub(crate) failed: bool,
}

/// Attributes that tell instances of one resource apart.
const INSTANCES: [&str; 8] = [
    "service.instance.id",
    "instance",
    "host.name",
    "k8s.pod.name",
    "pod",
    "container",
    "process.pid",
    "pid",
];

/// The table with the rules of the configuration before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vitals {
    extra: Vec<VitalRule>,
}

impl Vitals {
    pub(crate) fn new(extra: Vec<VitalRule>) -> Self {
        Self { extra }
    }

    /// Everything that a series is read as; empty if it is no vital sign.
    pub(crate) fn map(&self, series: &Series) -> Vec<Mapped> {
        let name = canonical(&series.name);
        let own: Vec<Mapped> = self
            .extra
            .iter()
            .filter(|r| extra_applies(r, &name, series))
            .map(|r| extra_mapped(r, series))
            .collect();
        if !own.is_empty() {
            return own;
        }
        let found = Self::in_table(&name, series);
        let stem = stem(&name);
        if found.is_empty() && stem != name { Self::in_table(stem, series) } else { found }
    }

    fn in_table(name: &str, series: &Series) -> Vec<Mapped> {
        let mut found: Vec<Mapped> = Vec::new();
        for rule in RULES {
            if !glob(&canonical(rule.metric), name)
                || !fits(rule.reading, series.kind)
                || !rule.when.iter().all(|c| c.holds(&series.attributes))
            {
                continue;
            }
            let family = if rule.family.is_empty() { rule.metric } else { rule.family };
            if found.iter().any(|m| m.vital == rule.vital && m.reading == rule.reading) {
                continue;
            }
            found.push(Mapped {
                vital: rule.vital,
                reading: rule.reading,
                family: canonical(family),
                instance: instance(rule, &series.attributes),
                scale: rule.scale,
                factor: factor(rule, series),
                failed: rule.reading == Reading::Failures
                    || failed(&series.attributes, rule.vital == Vital::DependencyErrorRatio),
            });
        }
        found
    }
}

/// Whether a reading can be made of a series of that kind at all.
fn fits(reading: Reading, kind: MetricKind) -> bool {
    match reading {
        Reading::Duration => kind == MetricKind::Histogram,
        Reading::Requests => matches!(kind, MetricKind::Histogram | MetricKind::Counter | MetricKind::Delta),
        Reading::Failures => matches!(kind, MetricKind::Counter | MetricKind::Delta),
        _ => kind != MetricKind::Histogram,
    }
}

impl Condition {
    fn holds(&self, attributes: &Attributes) -> bool {
        let value = self.keys.iter().find_map(|key| lookup(attributes, key)).map(AttributeValue::to_string);
        match (self.test, value) {
            (Test::OneOf(all), Some(v)) => all.contains(&v.as_str()),
            (Test::OneOf(_), None) => false,
            (Test::NoneOf(all), Some(v)) => !all.contains(&v.as_str()),
            (Test::NoneOf(_) | Test::Absent, None) => true,
            (Test::Absent, Some(_)) => false,
        }
    }

    /// The words of the reference page.
    fn words(&self) -> String {
        let key = self.keys.first().copied().unwrap_or_default();
        match self.test {
            Test::OneOf(all) => format!("`{key}` = {}", all.join(", ")),
            Test::NoneOf(all) => format!("`{key}` ≠ {}", all.join(", ")),
            Test::Absent => format!("no `{key}`"),
        }
    }
}

/// An attribute by its name, or by the name that Prometheus makes of it.
pub(crate) fn lookup<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a AttributeValue> {
    attributes
        .get(key)
        .or_else(|| if key.contains('.') { attributes.get(&key.replace('.', "_")) } else { None })
}

/// Lower case, with `_` for `.`, `-`, `/` and spaces.
fn canonical(name: &str) -> String {
    name.chars()
        .map(|c| if matches!(c, '.' | '-' | ' ' | '/') { '_' } else { c.to_ascii_lowercase() })
        .collect()
}

/// The name without an ending that Prometheus exporters add for unit and kind.
fn stem(name: &str) -> &str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    ["_ratio", "_seconds", "_milliseconds", "_bytes", "_percent"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name)
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(rest, &text[at..]))
}

fn instance(rule: &Rule, attributes: &Attributes) -> String {
    let is_traffic = matches!(rule.reading, Reading::Requests | Reading::Failures | Reading::Duration);
    let own: &[&str] = if is_traffic { &[] } else { &INSTANCES };
    let mut parts: Vec<String> = Vec::new();
    for key in rule.by.iter().chain(own) {
        if let Some(value) = lookup(attributes, key) {
            parts.push(format!("{key}={value}"));
        }
    }
    parts.join(",")
}

fn factor(rule: &Rule, series: &Series) -> f64 {
    match rule.scale {
        Scale::Percent => 0.01,
        Scale::Milliseconds => 1e-3,
        Scale::Unit | Scale::MaybePercent | Scale::ShareOnly => unit_factor(&series.unit, &series.name),
    }
}

fn unit_factor(unit: &str, name: &str) -> f64 {
    match unit {
        "%" | "percent" => 0.01,
        "ms" | "milliseconds" => 1e-3,
        "us" | "µs" | "microseconds" => 1e-6,
        "ns" | "nanoseconds" => 1e-9,
        "KiBy" => 1_024.0,
        "MiBy" => 1_048_576.0,
        "GiBy" => 1_073_741_824.0,
        "kBy" => 1e3,
        "MBy" => 1e6,
        "GBy" => 1e9,
        "" if name.ends_with("_percent") => 0.01,
        "" if name.ends_with("_ms") || name.ends_with("_milliseconds") => 1e-3,
        _ => 1.0,
    }
}

/// Whether the attributes say that the requests of a series failed. A caller's mistake (4xx) is no failure of the
/// server; seen from the caller (`as_client`), "too many requests" (429) and "time-out" (408) are failures of the
/// dependency.
pub(crate) fn failed(attributes: &Attributes, as_client: bool) -> bool {
    const STATUS: [&str; 5] =
        ["http.response.status_code", "http.status_code", "status_code", "code", "status"];
    const GRPC: [&str; 4] = ["rpc.grpc.status_code", "rpc.response.status_code", "grpc_code", "grpc_status"];
    if let Some(value) = GRPC.iter().find_map(|k| lookup(attributes, k)) {
        let code = value.to_string().to_ascii_uppercase().replace('_', "");
        let server = ["2", "4", "12", "13", "14", "15", "UNKNOWN", "DEADLINEEXCEEDED", "UNIMPLEMENTED"];
        let others = ["INTERNAL", "UNAVAILABLE", "DATALOSS"];
        return server.contains(&code.as_str())
            || others.contains(&code.as_str())
            || (as_client && matches!(code.as_str(), "8" | "RESOURCEEXHAUSTED"));
    }
    if let Some(value) = STATUS.iter().find_map(|k| lookup(attributes, k)) {
        let text = value.to_string().to_ascii_lowercase();
        if text.len() == 3 && text.starts_with(|c: char| c.is_ascii_digit()) {
            return text.starts_with('5') || (as_client && matches!(text.as_str(), "429" | "408"));
        }
        return ["error", "failed", "failure", "fail", "timeout"].contains(&text.as_str());
    }
    if let Some(value) = ["result", "outcome"].iter().find_map(|k| lookup(attributes, k)) {
        let text = value.to_string().to_ascii_lowercase();
        return ["error", "failed", "failure", "fail", "timeout", "server_error"].contains(&text.as_str());
    }
    lookup(attributes, "error.type").is_some_and(|v| !v.to_string().is_empty())
}

fn extra_applies(rule: &VitalRule, name: &str, series: &Series) -> bool {
    glob(&canonical(&rule.metric), name)
        && rule
            .attributes
            .iter()
            .all(|(key, value)| series.attributes.get(key).is_some_and(|v| v.to_string() == *value))
        && series.kind != MetricKind::Histogram
}

fn extra_mapped(rule: &VitalRule, series: &Series) -> Mapped {
    let (reading, scale) = match rule.transform {
        Transform::Value => (Reading::Value, Scale::Unit),
        Transform::Complement => (Reading::Complement, Scale::Unit),
        Transform::Percent => (Reading::Value, Scale::Percent),
        Transform::Milliseconds => (Reading::Value, Scale::Milliseconds),
        Transform::Used => (Reading::Used, Scale::Unit),
        Transform::Limit => (Reading::Limit, Scale::Unit),
        Transform::Free => (Reading::Free, Scale::Unit),
    };
    let factor = match scale {
        Scale::Percent => 0.01,
        Scale::Milliseconds => 1e-3,
        _ => unit_factor(&series.unit, &series.name),
    };
    let mut parts: Vec<String> = Vec::new();
    for key in INSTANCES {
        if let Some(value) = lookup(&series.attributes, key) {
            parts.push(format!("{key}={value}"));
        }
    }
    let is_pair = matches!(reading, Reading::Used | Reading::Limit | Reading::Free);
    let family = if is_pair { format!("configured:{}", rule.vital.as_str()) } else { rule.metric.clone() };
    Mapped { vital: rule.vital, reading, family, instance: parts.join(","), scale, factor, failed: false }
}

/// The rows of the table as Markdown, for the reference page.
pub fn render_table() -> String {
    let mut text = String::from("| metric | where | vital sign | reading |\n|---|---|---|---|\n");
    for rule in RULES {
        let conditions: Vec<String> = rule.when.iter().map(Condition::words).collect();
        let vital = match (rule.reading, rule.vital) {
            (Reading::Requests, Vital::RequestRate) => "`request_rate`, `error_ratio`".to_owned(),
            (Reading::Duration, Vital::LatencyP99) => "`latency_p50`, `latency_p99`".to_owned(),
            (_, vital) => format!("`{}`", vital.as_str()),
        };
        let scale = match rule.scale {
            Scale::MaybePercent => ", per cent if above 1.5",
            Scale::ShareOnly => ", only if never above 1.5",
            Scale::Percent => " / 100",
            Scale::Milliseconds => " / 1000",
            Scale::Unit => "",
        };
        let by = if rule.by.is_empty() { String::new() } else { format!(" per `{}`", rule.by[0]) };
        text.push_str(&format!(
            "| `{}` | {} | {vital} | {}{scale}{by} |\n",
            rule.metric,
            conditions.join("; "),
            rule.reading.as_str()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::SeriesId;

    use super::*;

    fn series(name: &str, unit: &str, kind: MetricKind, attributes: &[(&str, &str)]) -> Series {
        Series {
            id: SeriesId(1),
            resource: 0,
            name: name.into(),
            unit: unit.into(),
            kind,
            attributes: attributes.iter().copied().collect(),
        }
    }

    fn read(name: &str, unit: &str, kind: MetricKind, attributes: &[(&str, &str)]) -> Vec<(Vital, Reading)> {
        Vitals::default()
            .map(&series(name, unit, kind, attributes))
            .iter()
            .map(|m| (m.vital, m.reading))
            .collect()
    }

    #[test]
    fn metrics_of_every_family_find_their_vital_sign() {
        use MetricKind::{Counter, Gauge, Histogram, UpDownCounter};
        use Vital as V;
        for (name, kind, attributes, vital, reading) in [
            (
                "system.cpu.utilization",
                Gauge,
                &[("cpu.mode", "idle")][..],
                V::CpuUtilization,
                Reading::Complement,
            ),
            ("system.cpu.utilization", Gauge, &[("state", "idle")], V::CpuUtilization, Reading::Complement),
            ("system.cpu.utilization", Gauge, &[], V::CpuUtilization, Reading::Value),
            (
                "system.memory.utilization",
                Gauge,
                &[("system.memory.state", "used")],
                V::MemoryUtilization,
                Reading::Value,
            ),
            (
                "system_memory_utilization_ratio",
                Gauge,
                &[("state", "used")],
                V::MemoryUtilization,
                Reading::Value,
            ),
            (
                "system.filesystem.utilization",
                Gauge,
                &[("system.filesystem.mountpoint", "/")],
                V::DiskUtilization,
                Reading::Value,
            ),
            (
                "process.open_file_descriptor.count",
                UpDownCounter,
                &[],
                V::FileDescriptorUtilization,
                Reading::Used,
            ),
            (
                "node_cpu_seconds_total",
                Counter,
                &[("mode", "idle"), ("cpu", "0")],
                V::CpuUtilization,
                Reading::OtherState,
            ),
            (
                "node_cpu_seconds_total",
                Counter,
                &[("mode", "user"), ("cpu", "0")],
                V::CpuUtilization,
                Reading::InState,
            ),
            ("node_memory_MemAvailable_bytes", Gauge, &[], V::MemoryUtilization, Reading::Free),
            ("node_memory_MemTotal_bytes", Gauge, &[], V::MemoryUtilization, Reading::Limit),
            (
                "node_filesystem_avail_bytes",
                Gauge,
                &[("mountpoint", "/"), ("fstype", "ext4")],
                V::DiskUtilization,
                Reading::Free,
            ),
            ("node_filefd_allocated", Gauge, &[], V::FileDescriptorUtilization, Reading::Used),
            ("node_load1", Gauge, &[], V::LoadPerCpu, Reading::Used),
            ("process_cpu_seconds_total", Counter, &[], V::CpuUtilization, Reading::Cores),
            ("process_open_fds", Gauge, &[], V::FileDescriptorUtilization, Reading::Used),
            ("process_max_fds", Gauge, &[], V::FileDescriptorUtilization, Reading::Limit),
            ("http_requests_total", Counter, &[("code", "200")], V::RequestRate, Reading::Requests),
            ("http_request_duration_seconds", Histogram, &[], V::RequestRate, Reading::Requests),
            (
                "db.client.connection.count",
                UpDownCounter,
                &[("db.client.connection.state", "used")],
                V::PoolUtilization,
                Reading::Used,
            ),
            ("db.client.connection.max", UpDownCounter, &[], V::PoolUtilization, Reading::Limit),
            ("up", Gauge, &[], V::Up, Reading::Value),
            ("mem", Gauge, &[], V::MemoryUtilization, Reading::Value),
            ("Lat_P99", Gauge, &[], V::LatencyP99, Reading::Value),
            ("dep_latency", Gauge, &[], V::DependencyLatency, Reading::Value),
        ] {
            let seen = read(name, "", kind, attributes);
            assert!(seen.contains(&(vital, reading)), "{name} {attributes:?}: {seen:?}");
        }
    }

    #[test]
    fn a_histogram_of_server_durations_gives_rate_errors_and_latency() {
        let seen = read("http.server.request.duration", "s", MetricKind::Histogram, &[]);
        assert_eq!(seen, [(Vital::RequestRate, Reading::Requests), (Vital::LatencyP99, Reading::Duration)]);
        let seen = read("http.client.request.duration", "s", MetricKind::Histogram, &[]);
        assert_eq!(
            seen,
            [(Vital::DependencyErrorRatio, Reading::Requests), (Vital::DependencyLatency, Reading::Duration)]
        );
    }

    #[test]
    fn what_is_no_vital_sign_is_not_made_one() {
        for (name, attributes) in [
            ("node_filesystem_avail_bytes", &[("fstype", "squashfs")][..]),
            ("system.cpu.utilization", &[("state", "user")]),
            ("go_goroutines", &[]),
            ("memory_of_an_elephant", &[]),
        ] {
            assert_eq!(read(name, "", MetricKind::Gauge, attributes), [], "{name}");
        }
    }

    #[test]
    fn failures_are_told_by_status() {
        for (key, value, server, client) in [
            ("http.response.status_code", "503", true, true),
            ("code", "404", false, false),
            ("status", "429", false, true),
            ("status", "5xx", true, true),
            ("rpc.grpc.status_code", "14", true, true),
            ("grpc_code", "OK", false, false),
            ("status", "error", true, true),
            ("error.type", "timeout", true, true),
            ("route", "/", false, false),
        ] {
            let attributes: Attributes = [(key, value)].into_iter().collect();
            assert_eq!(
                (failed(&attributes, false), failed(&attributes, true)),
                (server, client),
                "{key}={value}"
            );
        }
    }

    #[test]
    fn units_become_seconds_and_shares() {
        let one = |name, unit| Vitals::default().map(&series(name, unit, MetricKind::Gauge, &[]))[0].factor;
        assert_eq!(one("lat_p99", "ms"), 1e-3);
        assert_eq!(one("latency_p99_ms", ""), 1e-3);
        assert_eq!(one("cpu", "%"), 0.01);
        assert_eq!(one("lat_p99", ""), 1.0);
    }

    #[test]
    fn configuration_goes_before_the_table() {
        let rule = VitalRule {
            metric: "kafka.*.lag".into(),
            attributes: [("group".to_owned(), "orders".to_owned())].into(),
            vital: Vital::QueueLength,
            transform: Transform::Value,
        };
        let vitals = Vitals::new(vec![rule]);
        let mapped =
            |group| vitals.map(&series("kafka_consumer_lag", "", MetricKind::Gauge, &[("group", group)]));
        assert_eq!(mapped("orders")[0].vital, Vital::QueueLength);
        assert!(mapped("others").is_empty());
    }

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, text, is_match) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*d", "abc", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(glob(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn the_reference_page_holds_the_table() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/vital-signs.md"
        ))
        .unwrap();
        assert!(
            page.contains(&render_table()),
            "replace the table in docs/reference/vital-signs.md with:\n{}",
            render_table()
        );
    }
}
