//! An assessment as the variables of a condition. What is not known is absent.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Value};
use echobase_types::assessment::{Assessment, Component, Vital};

use super::ENV;

/// The variables of one assessment, made once for all conditions that are asked of it.
#[derive(Clone, Debug)]
pub struct Facts {
    variables: Vec<(&'static str, Value)>,
    vitals: Arc<HashMap<String, f64>>,
    seconds_left: Arc<HashMap<String, f64>>,
}

fn record<const N: usize>(fields: [(&'static str, Option<Value>); N]) -> Value {
    let known: HashMap<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Value::from(known)
}

fn text(value: &str) -> Option<Value> {
    Some(Value::from(value))
}

/// A number that is not finite is not known.
fn number(value: f64) -> Option<Value> {
    value.is_finite().then_some(Value::Float(value))
}

impl Facts {
    /// The facts of an assessment.
    pub fn of(a: &Assessment) -> Self {
        let id = a.resource_id.as_str();
        let (kind, name) = id.split_once(':').unwrap_or(("", id));
        let component = |wanted: Component| a.stability.components.iter().find(|c| c.component == wanted);
        let score = |wanted| component(wanted).and_then(|c| c.score).and_then(number);
        let vitals: HashMap<String, f64> = a
            .vitals
            .iter()
            .filter(|v| v.value.is_finite())
            .map(|v| (v.vital.as_str().to_owned(), v.value))
            .collect();
        let mut seconds_left = HashMap::new();
        for e in &a.exhaustion {
            let left = seconds_left.entry(e.vital.as_str().to_owned()).or_insert(f64::INFINITY);
            *left = e.time_left.as_secs_f64().min(*left);
        }
        let variables = vec![
            ("resource", record([("id", text(id)), ("kind", text(kind)), ("name", text(name))])),
            (
                "stability",
                record([
                    ("score", number(a.stability.score)),
                    ("resource", score(Component::Resource)),
                    ("error", score(Component::Error)),
                    ("performance", score(Component::Performance)),
                    ("dependency", score(Component::Dependency)),
                ]),
            ),
            (
                "risk",
                record([
                    // Without enough history the figure is a base rate: nobody may act on it.
                    ("probability", number(a.risk.probability).filter(|_| a.risk.predictable)),
                    ("horizon_s", number(a.risk.horizon.as_secs_f64())),
                    ("predictable", Some(Value::Bool(a.risk.predictable))),
                    ("expected_in_s", a.risk.expected_in.and_then(|t| number(t.as_secs_f64()))),
                ]),
            ),
            (
                "vitals",
                Value::from(
                    vitals.iter().map(|(k, v)| (k.clone(), Value::Float(*v))).collect::<HashMap<_, _>>(),
                ),
            ),
            ("anomalies", anomalies(a)),
            (
                "drift",
                list(a.drift.iter().map(|d| {
                    record([
                        ("metric", text(&d.metric)),
                        ("statistic", number(d.statistic)),
                        ("before", number(d.before)),
                        ("after", number(d.after)),
                    ])
                })),
            ),
            (
                "exhaustion",
                list(a.exhaustion.iter().map(|e| {
                    record([
                        ("vital", text(e.vital.as_str())),
                        ("metric", text(&e.metric)),
                        ("time_left_s", number(e.time_left.as_secs_f64())),
                        ("used_ratio", number(e.used_ratio)),
                        ("growth_per_hour", number(e.growth_per_hour)),
                    ])
                })),
            ),
            (
                "dependencies",
                list(component(Component::Dependency).into_iter().flat_map(|c| &c.reasons).map(|r| {
                    record([
                        ("metric", text(&r.metric)),
                        ("value", number(r.value)),
                        ("expected", number(r.expected)),
                        ("contribution", number(r.contribution)),
                    ])
                })),
            ),
            ("series", Value::Int(i64::from(a.series))),
            ("signal_age_s", Value::Float(a.at.since(a.last_signal_at).as_secs_f64())),
        ];
        Self { variables, vitals: Arc::new(vitals), seconds_left: Arc::new(seconds_left) }
    }

    /// The context in which a condition runs.
    pub(super) fn context(&self) -> Context<'static, 'static> {
        let mut context = Context::with_env(ENV.clone());
        for (name, value) in &self.variables {
            context.add_variable_from_value(*name, value.clone());
        }
        let vitals = self.vitals.clone();
        let has = move |name: Arc<String>| vitals.contains_key(name.as_str());
        let vitals = self.vitals.clone();
        let read = move |name: Arc<String>, default: Value| match vitals.get(name.as_str()) {
            Some(value) => Value::Float(*value),
            None => as_double(&default).map_or(Value::Null, Value::Float),
        };
        let left = self.seconds_left.clone();
        let runs_out = move |name: Arc<String>, seconds: Value| {
            let seconds = as_double(&seconds).unwrap_or(0.0);
            left.get(name.as_str()).is_some_and(|left| *left <= seconds)
        };
        // These names are not in the standard library, so that adding them cannot fail.
        let _ = context.add_function("has_vital", has);
        let _ = context.add_function("vital", read);
        let _ = context.add_function("exhausts_within", runs_out);
        context
    }
}

fn anomalies(a: &Assessment) -> Value {
    list(a.anomalies.iter().map(|x| {
        record([
            ("metric", text(&x.metric)),
            ("severity", text(x.severity.as_str())),
            ("shape", text(x.shape.as_str())),
            ("surprise", number(x.surprise)),
            ("value", number(x.value)),
            ("expected", number(x.expected)),
            ("age_s", number(a.at.since(x.started_at).as_secs_f64())),
        ])
    }))
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::List(Arc::new(items.collect()))
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Float(v) => Some(*v),
        Value::Int(v) => Some(*v as f64),
        Value::UInt(v) => Some(*v as f64),
        _ => None,
    }
}

/// Facts in which everything is known: what a new condition is tried on.
pub(super) fn sample() -> Facts {
    Facts::of(&sample_assessment())
}

/// An assessment in which everything is known.
pub(crate) fn sample_assessment() -> Assessment {
    use echobase_types::assessment::{
        Anomaly, AnomalyShape, ComponentScore, Drift, DriftKind, Evidence, Exhaustion, Reason, Reference,
        Risk, Severity, Stability, VitalReading, Witness,
    };
    use echobase_types::{AnomalyId, SeriesId, Timestamp};
    use std::time::Duration;
    let at = Timestamp::from_secs(1_700_000_000);
    let reason = Reason {
        metric: "service:shop/store".to_owned(),
        series: None,
        value: 0.4,
        expected: 1.0,
        contribution: 0.2,
        words: String::new(),
    };
    let component = |component| ComponentScore {
        component,
        score: Some(0.4),
        weight: 0.25,
        reasons: vec![reason.clone()],
    };
    Assessment {
        resource_id: sample_resource(),
        at,
        last_signal_at: at,
        series: 20,
        stability: Stability { score: 0.4, components: Component::ALL.map(component) },
        risk: Risk {
            probability: 0.9,
            horizon: Duration::from_secs(900),
            predictable: true,
            expected_in: Some(Duration::from_secs(300)),
            likely_in: None,
            features: vec![reason.clone()],
            horizons: Vec::new(),
        },
        vitals: Vital::ALL
            .map(|vital| VitalReading {
                vital,
                value: 0.9,
                normal: Some(0.5),
                metric: vital.as_str().to_owned(),
            })
            .to_vec(),
        anomalies: vec![Anomaly {
            id: AnomalyId::from_uuid(uuid::Uuid::nil()),
            series: SeriesId(1),
            metric: "latency".to_owned(),
            started_at: at - Duration::from_secs(30),
            ended_at: None,
            severity: Severity::Critical,
            shape: AnomalyShape::LevelShift,
            surprise: 6.0,
            value: 2.0,
            expected: 0.1,
            evidence: Evidence {
                witness: Witness::Level,
                onset: 6.0,
                bar: 5.0,
                low: 0.0,
                high: 0.2,
                drivers: Vec::new(),
            },
            outcome: None,
            words: String::new(),
        }],
        drift: vec![Drift {
            series: SeriesId(1),
            metric: "latency".to_owned(),
            kind: DriftKind::Step,
            since: at - Duration::from_secs(60),
            found_at: at - Duration::from_secs(30),
            reference: Reference {
                from: at - Duration::from_secs(600),
                points: 100,
                seasonal: false,
                false_per_month: 1.0,
            },
            statistic: 2.0,
            before: 0.1,
            after: 0.3,
            words: String::new(),
        }],
        exhaustion: vec![Exhaustion {
            vital: Vital::MemoryUtilization,
            metric: "memory".to_owned(),
            used_ratio: 0.9,
            growth_per_hour: 1.2,
            time_left: Duration::from_secs(300),
            words: String::new(),
        }],
    }
}

fn sample_resource() -> echobase_types::ResourceId {
    #[expect(clippy::expect_used, reason = "a literal within the alphabet")]
    echobase_types::ResourceId::new("service:shop/orders").expect("a well-formed id")
}

/// An assessment in which nothing is known but the score.
#[cfg(test)]
pub(crate) fn bare_assessment() -> Assessment {
    let mut a = sample_assessment();
    for component in &mut a.stability.components {
        component.score = None;
        component.reasons.clear();
    }
    a.series = 1;
    a.risk.predictable = false;
    a.risk.expected_in = None;
    a.vitals.clear();
    a.anomalies.clear();
    a.drift.clear();
    a.exhaustion.clear();
    a
}
