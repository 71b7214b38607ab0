//! The rules that make alerts of assessments. Pure: a level, a time it must be passed, and a lower level at which it
//! is over.

use std::time::Duration;

use echobase_types::assessment::{Assessment, Component, Severity};
use echobase_types::{Timestamp, duration};

use crate::config::RuleConfig;

/// A rule over assessments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The stability score is low.
    StabilityLow,
    /// Collapse is likely.
    RiskHigh,
    /// A bounded resource is used up soon.
    ExhaustionSoon,
    /// Nothing is heard of it.
    ResourceSilent,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 4] =
        [Self::StabilityLow, Self::RiskHigh, Self::ExhaustionSoon, Self::ResourceSilent];

    /// The name in alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StabilityLow => "stability.low",
            Self::RiskHigh => "risk.high",
            Self::ExhaustionSoon => "exhaustion.soon",
            Self::ResourceSilent => "resource.silent",
        }
    }

    /// The rule of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// What a rule sees in one assessment.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    /// Bad.
    Bad {
        /// How bad.
        severity: Severity,
        /// One line.
        summary: String,
        /// The reasons.
        detail: String,
    },
    /// Neither bad nor well: what is firing stays, what is not stays quiet.
    Between,
    /// Well.
    Well,
    /// Nothing can be said.
    Unknown,
}

/// What is remembered of a rule on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Since when it is bad without a break, while it does not fire.
    pub bad_since: Option<Timestamp>,
    /// Since when it is well without a break, while it fires.
    pub well_since: Option<Timestamp>,
    /// The severity with which it fires.
    pub firing: Option<Severity>,
}

/// What is to be done about an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// It fires, or fires on.
    Fire {
        /// How bad.
        severity: Severity,
        /// One line.
        summary: String,
        /// The reasons.
        detail: String,
    },
    /// It is over.
    Resolve,
}

/// Judges one rule on one assessment, and what to remember for the next.
pub fn judge(
    rule: Rule,
    assessment: &Assessment,
    before: Memory,
    config: &RuleConfig,
    now: Timestamp,
) -> (Verdict, Memory) {
    // What is long silent says nothing of its state now: only the silence is an alert.
    let silent = now.since(assessment.last_signal_at) >= config.silent_after;
    let seen = if silent && rule != Rule::ResourceSilent {
        Level::Unknown
    } else {
        level(rule, assessment, config, now)
    };
    let hold = if rule == Rule::ResourceSilent { Duration::ZERO } else { config.fire_after };
    decide(seen, before, hold, config.resolve_after, now)
}

/// What follows from a level that is bad for `hold` before it fires and well for `resolve_after` before it resolves,
/// and what to remember for the next.
pub fn decide(
    seen: Level,
    before: Memory,
    hold: Duration,
    resolve_after: Duration,
    now: Timestamp,
) -> (Verdict, Memory) {
    let mut memory = before;
    match seen {
        Level::Bad { severity, summary, detail } => {
            memory.well_since = None;
            let since = *memory.bad_since.get_or_insert(now);
            if before.firing.is_none() && now.since(since) < hold {
                return (Verdict::Keep, memory);
            }
            memory.firing = Some(severity);
            (Verdict::Fire { severity, summary, detail }, memory)
        }
        Level::Between => {
            (memory.bad_since, memory.well_since) = (None, None);
            (Verdict::Keep, memory)
        }
        Level::Unknown => {
            memory.bad_since = None;
            (Verdict::Keep, memory)
        }
        Level::Well => {
            memory.bad_since = None;
            if before.firing.is_none() {
                return (Verdict::Keep, memory);
            }
            let since = *memory.well_since.get_or_insert(now);
            if now.since(since) < resolve_after {
                return (Verdict::Keep, memory);
            }
            (Verdict::Resolve, Memory::default())
        }
    }
}

fn level(rule: Rule, a: &Assessment, config: &RuleConfig, now: Timestamp) -> Level {
    let id = &a.resource_id;
    match rule {
        Rule::StabilityLow => {
            let score = a.stability.score;
            if score.is_nan() {
                return Level::Unknown;
            }
            if score >= config.stability_warning {
                return if score >= config.stability_well { Level::Well } else { Level::Between };
            }
            let severity =
                if score < config.stability_critical { Severity::Critical } else { Severity::Warning };
            let reasons = a.stability.components.iter().flat_map(|c| &c.reasons);
            let mut reasons: Vec<_> = reasons.collect();
            reasons.sort_by(|x, y| y.contribution.total_cmp(&x.contribution));
            let detail = told(reasons.iter().map(|r| r.words.as_str()));
            let cause = reasons.first().filter(|r| !r.words.is_empty());
            let cause = cause.map_or_else(String::new, |r| format!(": {}", r.words));
            Level::Bad {
                severity,
                summary: format!("{id} is unstable, its score is {score:.2}{cause}"),
                detail,
            }
        }
        Rule::RiskHigh => {
            if !a.risk.predictable || a.risk.probability.is_nan() {
                return Level::Unknown;
            }
            let p = a.risk.probability;
            if p < config.risk_warning {
                return if p < config.risk_well { Level::Well } else { Level::Between };
            }
            let severity = if p >= config.risk_critical { Severity::Critical } else { Severity::Warning };
            let within = duration::format(a.risk.horizon);
            let expected = a.risk.expected_in.map_or_else(String::new, |t| {
                format!(", expected in {}", duration::format(Duration::from_secs(t.as_secs())))
            });
            let summary =
                format!("{id} collapses within {within} with a probability of {:.0} %{expected}", p * 100.0);
            Level::Bad { severity, summary, detail: told(a.risk.features.iter().map(|r| r.words.as_str())) }
        }
        Rule::ExhaustionSoon => {
            let Some(first) = a.exhaustion.iter().min_by_key(|e| e.time_left) else { return Level::Well };
            if first.time_left > config.exhaustion_warning {
                return if first.time_left > config.exhaustion_well { Level::Well } else { Level::Between };
            }
            let critical = first.time_left <= config.exhaustion_critical;
            let severity = if critical { Severity::Critical } else { Severity::Warning };
            let left = duration::format(Duration::from_secs(first.time_left.as_secs()));
            let what = first.vital.as_str().trim_end_matches("_utilization").replace('_', " ");
            let summary = format!("{id} runs out of {what} in {left}");
            Level::Bad { severity, summary, detail: told(a.exhaustion.iter().map(|e| e.words.as_str())) }
        }
        Rule::ResourceSilent => {
            let silent = now.since(a.last_signal_at);
            if silent < config.silent_after {
                return Level::Well;
            }
            let silent = duration::format(Duration::from_secs(silent.as_secs()));
            Level::Bad {
                severity: Severity::Warning,
                summary: format!("nothing is heard of {id}"),
                detail: format!("its last signal is {silent} old, of {} series", a.series),
            }
        }
    }
}

fn told<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = words.filter(|w| !w.is_empty()).take(5).collect();
    if all.is_empty() { "no reason stands out".to_owned() } else { all.join("; ") }
}

/// The group of an alert on a resource: what it depends on, if that is what ails it most, else itself. So that one
/// dead store is told once and not by each of its callers.
pub fn group(rule: Rule, a: &Assessment) -> String {
    let own = || a.resource_id.to_string();
    if rule != Rule::StabilityLow {
        return own();
    }
    let all = a.stability.components.iter().flat_map(|c| c.reasons.iter().map(move |r| (c.component, r)));
    let Some((Component::Dependency, worst)) =
        all.max_by(|x, y| x.1.contribution.total_cmp(&y.1.contribution))
    else {
        return own();
    };
    // The analysis names the dependency as `stability of <id>`.
    match worst.metric.strip_prefix("stability of ") {
        Some(id) if id.parse::<echobase_types::ResourceId>().is_ok() => id.to_owned(),
        _ => own(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
