//! The words of a condition: which variables there are, and of which type. The guide's table is this table.

use echobase_types::ResourceKind;
use echobase_types::assessment::{AnomalyShape, Severity, Vital};

/// The type of a value in a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// A text.
    Text,
    /// A text out of a closed set.
    Word(Words),
    /// A list of records.
    Records(&'static [Field]),
    /// A record.
    Record(&'static [Field]),
    /// A list of anything.
    List,
    /// Anything: its type shows when it is run.
    Any,
}

/// A closed set of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Severities.
    Severity,
    /// Shapes of anomalies.
    Shape,
    /// Kinds of resources.
    ResourceKind,
    /// Vital signs.
    Vital,
}

impl Words {
    /// The texts of the set.
    pub fn all(self) -> Vec<&'static str> {
        match self {
            Self::Severity => {
                [Severity::Info, Severity::Warning, Severity::Critical].map(Severity::as_str).to_vec()
            }
            Self::Shape => [
                AnomalyShape::Spike,
                AnomalyShape::LevelShift,
                AnomalyShape::Drift,
                AnomalyShape::Variance,
                AnomalyShape::FlatLine,
                AnomalyShape::Missing,
            ]
            .map(AnomalyShape::as_str)
            .to_vec(),
            Self::ResourceKind => ResourceKind::ALL.map(ResourceKind::as_str).to_vec(),
            Self::Vital => Vital::ALL.map(Vital::as_str).to_vec(),
        }
    }
}

/// A field of a record, or a variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
}

const fn field(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { name, kind, meaning }
}

/// The variables.
pub const VARIABLES: &[Field] = &[
    field("resource", Kind::Record(RESOURCE), "the resource judged"),
    field(
        "stability",
        Kind::Record(STABILITY),
        "the stability score and its components, 0 (failed) to 1 (healthy)",
    ),
    field("risk", Kind::Record(RISK), "risk of a failed state within the horizon"),
    field(
        "vitals",
        Kind::Record(VITALS),
        "vital signs, in their units; absent where no signal speaks of them",
    ),
    field("anomalies", Kind::Records(ANOMALY), "open anomalies, worst first"),
    field("drift", Kind::Records(DRIFT), "series that left their reference, strongest first"),
    field("exhaustion", Kind::Records(EXHAUSTION), "bounded resources that run out, soonest first"),
    field(
        "dependencies",
        Kind::Records(DEPENDENCY),
        "what the dependency component was made of, strongest first",
    ),
    field("series", Kind::Int, "number of live series behind the assessment"),
    field("signal_age_s", Kind::Double, "seconds between the newest signal and the assessment"),
];

const RESOURCE: &[Field] = &[
    field("id", Kind::Text, "id, such as `service:shop/orders`"),
    field("kind", Kind::Word(Words::ResourceKind), "kind"),
    field("name", Kind::Text, "the id without its kind"),
];

const STABILITY: &[Field] = &[
    field("score", Kind::Double, "the score"),
    field("resource", Kind::Double, "head-room of bounded resources"),
    field("error", Kind::Double, "failed work"),
    field("performance", Kind::Double, "speed against its own normal"),
    field("dependency", Kind::Double, "state of what it depends on"),
];

const RISK: &[Field] = &[
    field("probability", Kind::Double, "0 to 1; absent while there is too little history to predict"),
    field("horizon_s", Kind::Double, "the horizon in seconds"),
    field("predictable", Kind::Bool, "whether there is enough history"),
    field(
        "expected_in_s",
        Kind::Double,
        "seconds until failure if the trend goes on; absent without a trend",
    ),
];

const VITALS: &[Field] = &[
    field("cpu_utilization", Kind::Double, "busy share of the processors"),
    field("memory_utilization", Kind::Double, "used share of memory"),
    field("disk_utilization", Kind::Double, "used share of the fullest file system"),
    field("file_descriptor_utilization", Kind::Double, "used share of file descriptors"),
    field("pool_utilization", Kind::Double, "used share of a pool of connections, threads or workers"),
    field("load_per_cpu", Kind::Double, "run-queue length per processor"),
    field("memory_usage", Kind::Double, "bytes of a process without a known limit"),
    field("queue_length", Kind::Double, "work waiting"),
    field("request_rate", Kind::Double, "requests per second"),
    field("error_ratio", Kind::Double, "failed share of requests"),
    field("latency_p50", Kind::Double, "median seconds per request"),
    field("latency_p99", Kind::Double, "99th percentile of seconds per request"),
    field("dependency_latency", Kind::Double, "seconds of calls to dependencies"),
    field("dependency_error_ratio", Kind::Double, "failed share of calls to dependencies"),
    field("up", Kind::Double, "1 if it answers, 0 if not"),
];

const ANOMALY: &[Field] = &[
    field("metric", Kind::Text, "the metric with its attributes"),
    field("severity", Kind::Word(Words::Severity), "how bad"),
    field("shape", Kind::Word(Words::Shape), "what it looks like"),
    field("surprise", Kind::Double, "minus log10 of the tail probability"),
    field("value", Kind::Double, "what was seen at the peak"),
    field("expected", Kind::Double, "what was expected there"),
    field("age_s", Kind::Double, "seconds since its onset"),
];

const DRIFT: &[Field] = &[
    field("metric", Kind::Text, "the metric with its attributes"),
    field("statistic", Kind::Double, "test statistic over its threshold; above 1 is a drift"),
    field("before", Kind::Double, "reference level"),
    field("after", Kind::Double, "level now"),
];

const EXHAUSTION: &[Field] = &[
    field("vital", Kind::Word(Words::Vital), "the bounded vital sign"),
    field("metric", Kind::Text, "the metric with its attributes"),
    field("time_left_s", Kind::Double, "seconds until it is used up if the growth goes on"),
    field("used_ratio", Kind::Double, "used share now"),
    field("growth_per_hour", Kind::Double, "growth of the used share per hour"),
];

const DEPENDENCY: &[Field] = &[
    field("metric", Kind::Text, "the dependency or the metric it was seen by"),
    field("value", Kind::Double, "what was seen"),
    field("expected", Kind::Double, "what would have been normal"),
    field("contribution", Kind::Double, "what it took from the component"),
];

/// Functions with the types of their arguments and of their result. `&'static [..]` holds every argument.
pub const FUNCTIONS: &[(&str, &[Kind], Kind, &str)] = &[
    ("has_vital", &[Kind::Word(Words::Vital)], Kind::Bool, "whether the vital sign is known"),
    ("vital", &[Kind::Word(Words::Vital), Kind::Any], Kind::Double, "the vital sign, or the default"),
    (
        "exhausts_within",
        &[Kind::Word(Words::Vital), Kind::Any],
        Kind::Bool,
        "whether the bounded vital sign is used up within so many seconds if its growth goes on",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_every_word() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/playbooks.md");
        let guide = std::fs::read_to_string(path).unwrap_or_default();
        for variable in VARIABLES {
            assert!(guide.contains(&format!("`{}", variable.name)), "{}", variable.name);
            if let Kind::Record(fields) | Kind::Records(fields) = variable.kind {
                for field in fields {
                    let (dotted, alone) = (format!(".{}`", field.name), format!("`{}`", field.name));
                    assert!(guide.contains(&dotted) || guide.contains(&alone), "{}", field.name);
                }
            }
        }
        for (name, ..) in FUNCTIONS {
            assert!(guide.contains(&format!("`{name}(")), "{name}");
        }
    }

    #[test]
    fn every_vital_sign_is_a_field_of_vitals() {
        let names: Vec<_> = VITALS.iter().map(|f| f.name).collect();
        assert_eq!(names, Words::Vital.all());
    }
}
