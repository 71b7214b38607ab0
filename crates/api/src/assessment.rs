//! Assessments: the verdict on a resource, explained to the last term.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::assessment as domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The verdict on one resource at one time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// The resource judged.
    pub resource_id: String,
    /// When.
    pub at: Time,
    /// When its newest signal was measured.
    pub last_signal_at: Time,
    /// Number of live series behind it.
    pub series: u32,
    /// The stability score, 0 (failed) to 1 (healthy).
    pub score: f64,
    /// Its four components: resource, error, performance, dependency.
    pub components: Vec<Component>,
    /// Probability of a failed state within the horizon.
    pub risk: Risk,
    /// Vital signs by name.
    pub vitals: BTreeMap<String, Vital>,
    /// Open anomalies, worst first.
    pub anomalies: Vec<Anomaly>,
    /// Series that left their reference, strongest first.
    pub drift: Vec<Drift>,
    /// Bounded resources that run out, soonest first.
    pub exhaustion: Vec<Exhaustion>,
}

/// One component of the score.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// `resource`, `error`, `performance` or `dependency`.
    pub name: String,
    /// 0..=1; absent where no signal speaks about it.
    pub score: Option<f64>,
    /// Share in the whole, 0..=1.
    pub weight: f64,
    /// What made it, strongest first.
    pub reasons: Vec<Reason>,
}

/// One term of a figure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The metric or vital sign.
    pub metric: String,
    /// The series (16 hexadecimal digits), where it is one.
    pub series: Option<String>,
    /// What was seen.
    pub value: f64,
    /// What would have been normal.
    pub expected: f64,
    /// How much it took from the score or added to the risk, 0..=1.
    pub contribution: f64,
    /// In one sentence.
    pub words: String,
}

/// Probability of a failed state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// 0..=1.
    pub probability: f64,
    /// Horizon in seconds.
    pub horizon_s: u64,
    /// Whether there is enough history to say anything.
    pub predictable: bool,
    /// Seconds until failure if the trend goes on, where a trend drives the risk.
    pub expected_in_s: Option<u64>,
    /// Seconds until a failure is as likely as not to have come; absent while it is less likely than not within the
    /// longest horizon of which something can be said.
    #[serde(default)]
    pub likely_in_s: Option<u64>,
    /// What drives it, strongest first.
    pub features: Vec<Reason>,
    /// The same question for 5, 15, 60 minutes and a day. Empty in verdicts stored before there were any.
    #[serde(default)]
    pub horizons: Vec<HorizonRisk>,
}

/// Probability of a failed state within one horizon. It never falls with the horizon.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HorizonRisk {
    /// Horizon in seconds.
    pub horizon_s: u64,
    /// 0..=1.
    pub probability: f64,
    /// Whether anything can be said so far ahead; if not, the probability is a least one.
    pub predictable: bool,
    /// Who speaks: `learned` (trends, present harm and the learned model), `hazards` (trends and present harm) or
    /// `nothing`.
    pub basis: String,
    /// In one sentence.
    pub words: String,
}

/// A vital sign.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Vital {
    /// The value.
    pub value: f64,
    /// The resource's own normal, once known.
    pub normal: Option<f64>,
    /// The metric it was read from.
    pub metric: String,
}

/// Unusual behaviour of one series.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Anomaly {
    /// Its id.
    pub id: String,
    /// The resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_id: String,
    /// The series (16 hexadecimal digits).
    pub series: String,
    /// The metric with its attributes.
    pub metric: String,
    /// Onset.
    pub started_at: Time,
    /// End, once over.
    pub ended_at: Option<Time>,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// `spike`, `level_shift`, `drift`, `variance`, `flat_line` or `missing`.
    pub shape: String,
    /// −log₁₀ of the tail probability.
    pub surprise: f64,
    /// What was seen at the peak.
    pub value: f64,
    /// What was expected there.
    pub expected: f64,
    /// What spoke for it, in figures; absent in what was stored by older versions.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// What went with it; absent where no verdict was made while it was open.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// In one sentence.
    pub words: String,
}

/// The figures behind an anomaly.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What spoke: `prediction`, `level`, `creep`, `restless`, `still`, `novel`, `together` or `silence`.
    pub witness: String,
    /// What that compares, in words.
    pub witness_words: String,
    /// What the onset counted: its surprise less what the series does anyway.
    pub onset: f64,
    /// What an onset had to exceed, by budget and feedback.
    pub bar: f64,
    /// Lower end of what was expected at the peak: three usual deviations (of a silence: seconds).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Of an anomaly of several metrics: those that drive it, loudest first.
    pub drivers: Vec<Driver>,
}

/// A metric that drives an anomaly of several.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Driver {
    /// The series (16 hexadecimal digits).
    pub series: String,
    /// The metric with its attributes.
    pub metric: String,
    /// Its part in the surprise of the drivers, 0..=1; they sum to 1.
    pub share: f64,
}

/// What went with an anomaly while it was open.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The most other series of the resource that were unusual at the same time.
    pub companions: u32,
    /// Whether the stability score fell below 0.7 meanwhile.
    pub harmed: bool,
}

/// Which anomalies are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct AnomalyQuery {
    /// Only of this resource.
    pub resource_id: Option<String>,
    /// From (inclusive). Default: one day before `to`.
    pub from: Option<Time>,
    /// To (exclusive). Default: now.
    pub to: Option<Time>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page, 1 to 500. Default: 50.
    pub limit: Option<u32>,
}

/// A series that left its reference.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The series (16 hexadecimal digits).
    pub series: String,
    /// The metric with its attributes.
    pub metric: String,
    /// What changed: `step` (the mean, at once), `ramp` (bit by bit) or `variance`; absent in what was stored by older
    /// versions.
    #[serde(default)]
    pub kind: Option<String>,
    /// When the change began.
    pub since: Time,
    /// When it was certain enough to be told.
    #[serde(default)]
    pub found_at: Option<Time>,
    /// What it was found against.
    #[serde(default)]
    pub reference: Option<DriftReference>,
    /// Test statistic over its threshold.
    pub statistic: f64,
    /// Reference level.
    pub before: f64,
    /// Level now.
    pub after: f64,
    /// In one sentence.
    pub words: String,
}

/// What a drift was found against.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DriftReference {
    /// Begin of the reference window; its end is where the change began.
    pub from: Time,
    /// Values in it.
    pub points: u32,
    /// Whether values count as deviations from what is usual at their time of day, not as they are.
    pub seasonal: bool,
    /// False drifts per series and month on independent noise, as the threshold is set.
    pub false_per_month: f64,
}

/// A bounded resource on its way to its limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exhaustion {
    /// The vital sign.
    pub vital: String,
    /// The metric with its attributes.
    pub metric: String,
    /// Used share now, 0..=1.
    pub used_ratio: f64,
    /// Growth of the used share per hour.
    pub growth_per_hour: f64,
    /// Seconds until used up.
    pub time_left_s: u64,
    /// In one sentence.
    pub words: String,
}

/// The score over time: columns of equal length.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AssessmentHistory {
    /// Times, milliseconds since the epoch.
    pub times_ms: Vec<i64>,
    /// The score.
    pub score: Vec<f64>,
    /// Risk probability.
    pub risk: Vec<f64>,
    /// Per component: score (null: no signal) and weight.
    pub components: Vec<ComponentHistory>,
}

/// One component over time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComponentHistory {
    /// `resource`, `error`, `performance` or `dependency`.
    pub name: String,
    /// Scores; null where no signal spoke.
    pub score: Vec<Option<f64>>,
    /// Weights.
    pub weight: Vec<f64>,
}

fn whole_seconds(d: Duration) -> u64 {
    d.as_secs().min(u64::from(u32::MAX))
}

impl From<&domain::Reason> for Reason {
    fn from(r: &domain::Reason) -> Self {
        Self {
            metric: r.metric.clone(),
            series: r.series.map(|s| s.to_string()),
            value: r.value,
            expected: r.expected,
            contribution: r.contribution,
            words: r.words.clone(),
        }
    }
}

impl From<&domain::HorizonRisk> for HorizonRisk {
    fn from(h: &domain::HorizonRisk) -> Self {
        Self {
            horizon_s: whole_seconds(h.horizon),
            probability: h.probability,
            predictable: h.basis.is_predictable(),
            basis: h.basis.as_str().to_owned(),
            words: h.words.clone(),
        }
    }
}

impl From<&domain::Anomaly> for Anomaly {
    fn from(a: &domain::Anomaly) -> Self {
        Self {
            id: a.id.to_string(),
            resource_id: String::new(),
            series: a.series.to_string(),
            metric: a.metric.clone(),
            started_at: a.started_at.into(),
            ended_at: a.ended_at.map(Into::into),
            severity: a.severity.as_str().to_owned(),
            shape: a.shape.as_str().to_owned(),
            surprise: a.surprise,
            value: a.value,
            expected: a.expected,
            evidence: Some((&a.evidence).into()),
            outcome: a.outcome.map(|o| Outcome { companions: o.companions, harmed: o.harmed }),
            words: a.words.clone(),
        }
    }
}

impl From<&domain::Evidence> for Evidence {
    fn from(e: &domain::Evidence) -> Self {
        let driver = |d: &domain::Driver| Driver {
            series: d.series.to_string(),
            metric: d.metric.clone(),
            share: d.share,
        };
        Self {
            witness: e.witness.as_str().to_owned(),
            witness_words: e.witness.words().to_owned(),
            onset: e.onset,
            bar: e.bar,
            low: e.low,
            high: e.high,
            drivers: e.drivers.iter().map(driver).collect(),
        }
    }
}

impl From<&domain::Drift> for Drift {
    fn from(d: &domain::Drift) -> Self {
        Self {
            series: d.series.to_string(),
            metric: d.metric.clone(),
            kind: Some(d.kind.as_str().to_owned()),
            since: d.since.into(),
            found_at: Some(d.found_at.into()),
            reference: Some(DriftReference {
                from: d.reference.from.into(),
                points: d.reference.points,
                seasonal: d.reference.seasonal,
                false_per_month: d.reference.false_per_month,
            }),
            statistic: d.statistic,
            before: d.before,
            after: d.after,
            words: d.words.clone(),
        }
    }
}

impl From<&domain::Exhaustion> for Exhaustion {
    fn from(e: &domain::Exhaustion) -> Self {
        Self {
            vital: e.vital.as_str().to_owned(),
            metric: e.metric.clone(),
            used_ratio: e.used_ratio,
            growth_per_hour: e.growth_per_hour,
            time_left_s: whole_seconds(e.time_left),
            words: e.words.clone(),
        }
    }
}

impl From<&domain::Assessment> for Assessment {
    fn from(a: &domain::Assessment) -> Self {
        Self {
            resource_id: a.resource_id.to_string(),
            at: a.at.into(),
            last_signal_at: a.last_signal_at.into(),
            series: a.series,
            score: a.stability.score,
            components: a
                .stability
                .components
                .iter()
                .map(|c| Component {
                    name: c.component.as_str().to_owned(),
                    score: c.score,
                    weight: c.weight,
                    reasons: c.reasons.iter().map(Into::into).collect(),
                })
                .collect(),
            risk: Risk {
                probability: a.risk.probability,
                horizon_s: whole_seconds(a.risk.horizon),
                predictable: a.risk.predictable,
                expected_in_s: a.risk.expected_in.map(whole_seconds),
                likely_in_s: a.risk.likely_in.map(whole_seconds),
                features: a.risk.features.iter().map(Into::into).collect(),
                horizons: a.risk.horizons.iter().map(Into::into).collect(),
            },
            vitals: a
                .vitals
                .iter()
                .map(|v| {
                    let reading = Vital { value: v.value, normal: v.normal, metric: v.metric.clone() };
                    (v.vital.as_str().to_owned(), reading)
                })
                .collect(),
            anomalies: a.anomalies.iter().map(Into::into).collect(),
            drift: a.drift.iter().map(Into::into).collect(),
            exhaustion: a.exhaustion.iter().map(Into::into).collect(),
        }
    }
}

/// A stored assessment does not read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read stored assessment: {0}")]
pub struct Unreadable(String);

/// Back from the wire form, in which alerts are stored.
impl TryFrom<&Anomaly> for domain::Anomaly {
    type Error = Unreadable;

    fn try_from(a: &Anomaly) -> Result<Self, Unreadable> {
        read_anomaly(a).ok_or_else(|| Unreadable(format!("the anomaly {} does not read", a.id)))
    }
}

/// Back from the wire form, in which assessments are stored: a backtest judges what was judged then.
impl TryFrom<&Assessment> for domain::Assessment {
    type Error = Unreadable;

    fn try_from(a: &Assessment) -> Result<Self, Unreadable> {
        let fault = |what: &str| Unreadable(format!("its {what} does not read"));
        let components: Vec<_> = domain::Component::ALL
            .into_iter()
            .map(|component| {
                let found = a.components.iter().find(|c| c.name == component.as_str());
                domain::ComponentScore {
                    component,
                    score: found.and_then(|c| c.score),
                    weight: found.map_or(0.0, |c| c.weight),
                    reasons: found.map(|c| c.reasons.iter().map(read_reason).collect()).unwrap_or_default(),
                }
            })
            .collect();
        let components = components.try_into().map_err(|_| fault("components"))?;
        let vital = |(name, v): (&String, &Vital)| {
            let vital = domain::Vital::parse(name)?;
            Some(domain::VitalReading { vital, value: v.value, normal: v.normal, metric: v.metric.clone() })
        };
        Ok(Self {
            resource_id: a.resource_id.parse().map_err(|_| fault("resource id"))?,
            at: a.at.0,
            last_signal_at: a.last_signal_at.0,
            series: a.series,
            stability: domain::Stability { score: a.score, components },
            risk: domain::Risk {
                probability: a.risk.probability,
                horizon: Duration::from_secs(a.risk.horizon_s),
                predictable: a.risk.predictable,
                expected_in: a.risk.expected_in_s.map(Duration::from_secs),
                likely_in: a.risk.likely_in_s.map(Duration::from_secs),
                features: a.risk.features.iter().map(read_reason).collect(),
                horizons: a.risk.horizons.iter().filter_map(read_horizon).collect(),
            },
            vitals: a.vitals.iter().filter_map(vital).collect(),
            anomalies: a.anomalies.iter().filter_map(read_anomaly).collect(),
            drift: a.drift.iter().filter_map(read_drift).collect(),
            exhaustion: a
                .exhaustion
                .iter()
                .filter_map(|e| {
                    Some(domain::Exhaustion {
                        vital: domain::Vital::parse(&e.vital)?,
                        metric: e.metric.clone(),
                        used_ratio: e.used_ratio,
                        growth_per_hour: e.growth_per_hour,
                        time_left: Duration::from_secs(e.time_left_s),
                        words: e.words.clone(),
                    })
                })
                .collect(),
        })
    }
}

fn read_reason(r: &Reason) -> domain::Reason {
    domain::Reason {
        metric: r.metric.clone(),
        series: r.series.as_deref().and_then(|s| s.parse().ok()),
        value: r.value,
        expected: r.expected,
        contribution: r.contribution,
        words: r.words.clone(),
    }
}

fn read_horizon(h: &HorizonRisk) -> Option<domain::HorizonRisk> {
    Some(domain::HorizonRisk {
        horizon: Duration::from_secs(h.horizon_s),
        probability: h.probability,
        basis: domain::RiskBasis::parse(&h.basis)?,
        words: h.words.clone(),
    })
}

/// What was stored before drifts told of their reference is read as a step found when it began.
fn read_drift(d: &Drift) -> Option<domain::Drift> {
    let kind = d.kind.as_deref().map_or(Some(domain::DriftKind::Step), domain::DriftKind::parse)?;
    let reference = d.reference.as_ref().map_or(
        domain::Reference { from: d.since.0, points: 0, seasonal: false, false_per_month: 1.0 },
        |r| domain::Reference {
            from: r.from.0,
            points: r.points,
            seasonal: r.seasonal,
            false_per_month: r.false_per_month,
        },
    );
    Some(domain::Drift {
        series: d.series.parse().ok()?,
        metric: d.metric.clone(),
        kind,
        since: d.since.0,
        found_at: d.found_at.map_or(d.since.0, |t| t.0),
        reference,
        statistic: d.statistic,
        before: d.before,
        after: d.after,
        words: d.words.clone(),
    })
}

/// What was stored before anomalies carried evidence is read with the surprise as its onset.
fn read_evidence(a: &Anomaly) -> Option<domain::Evidence> {
    let Some(e) = &a.evidence else {
        return Some(domain::Evidence {
            witness: domain::Witness::Level,
            onset: a.surprise,
            bar: 0.0,
            low: a.expected,
            high: a.expected,
            drivers: Vec::new(),
        });
    };
    let driver = |d: &Driver| {
        let series = d.series.parse().ok()?;
        Some(domain::Driver { series, metric: d.metric.clone(), share: d.share })
    };
    Some(domain::Evidence {
        witness: domain::Witness::parse(&e.witness)?,
        onset: e.onset,
        bar: e.bar,
        low: e.low,
        high: e.high,
        drivers: e.drivers.iter().filter_map(driver).collect(),
    })
}

fn read_anomaly(a: &Anomaly) -> Option<domain::Anomaly> {
    Some(domain::Anomaly {
        id: a.id.parse().ok()?,
        series: a.series.parse().ok()?,
        metric: a.metric.clone(),
        started_at: a.started_at.0,
        ended_at: a.ended_at.map(|t| t.0),
        severity: domain::Severity::parse(&a.severity)?,
        shape: domain::AnomalyShape::parse(&a.shape)?,
        surprise: a.surprise,
        value: a.value,
        expected: a.expected,
        evidence: read_evidence(a)?,
        outcome: a.outcome.map(|o| domain::Outcome { companions: o.companions, harmed: o.harmed }),
        words: a.words.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn what_is_stored_reads_back_as_what_was_judged() {
        let reason = domain::Reason {
            metric: "cpu".to_owned(),
            series: Some(echobase_types::SeriesId(7)),
            value: 0.9,
            expected: 0.2,
            contribution: 0.3,
            words: "cpu is high".to_owned(),
        };
        let at = echobase_types::Timestamp::from_secs(1_700_000_000);
        let part = |component| domain::ComponentScore {
            component,
            score: Some(0.5),
            weight: 0.25,
            reasons: vec![reason.clone()],
        };
        let judged = domain::Assessment {
            resource_id: "service:shop/orders".parse().unwrap(),
            at,
            last_signal_at: at,
            series: 3,
            stability: domain::Stability { score: 0.5, components: domain::Component::ALL.map(part) },
            risk: domain::Risk {
                probability: 0.4,
                horizon: Duration::from_secs(900),
                predictable: true,
                expected_in: Some(Duration::from_secs(60)),
                likely_in: Some(Duration::from_secs(500)),
                features: vec![reason],
                horizons: vec![domain::HorizonRisk {
                    horizon: Duration::from_secs(300),
                    probability: 0.3,
                    basis: domain::RiskBasis::Hazards,
                    words: "within 5 min".to_owned(),
                }],
            },
            vitals: vec![domain::VitalReading {
                vital: domain::Vital::CpuUtilization,
                value: 0.9,
                normal: None,
                metric: "cpu".to_owned(),
            }],
            anomalies: Vec::new(),
            drift: Vec::new(),
            exhaustion: Vec::new(),
        };
        let text = serde_json::to_string(&Assessment::from(&judged)).unwrap();
        let read: Assessment = serde_json::from_str(&text).unwrap();
        assert_eq!(domain::Assessment::try_from(&read).unwrap(), judged);
    }
}
