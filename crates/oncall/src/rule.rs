//! What an assessment says to people: rules with hold and hysteresis, so that an alert neither flickers nor sleeps.

use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::assessment::{Assessment, Severity};

use crate::OncallConfig;

/// The rules that are judged from assessments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The stability score is low.
    StabilityLow,
    /// Failure within the horizon is likely.
    RiskHigh,
    /// A bounded resource runs out soon.
    ExhaustionSoon,
    /// No signal comes any more.
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
}

/// Where one rule stands on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It does not hold.
    #[default]
    Clear,
    /// It holds since then, not yet long enough.
    Pending(Timestamp),
    /// It fires.
    Firing,
    /// It fires, and is gone since then, not yet long enough.
    Clearing(Timestamp),
}

/// What becomes of an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing to tell.
    Quiet,
    /// It fires, with these words.
    Fire(Finding),
    /// It no longer holds.
    Resolve,
}

/// What a firing rule says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// The reasons, a line each.
    pub detail: String,
}

/// How an assessment stands to a rule now, before hold and hysteresis.
enum Sight {
    Holds(Finding),
    /// Between the two thresholds: what was, stays.
    Between,
    Gone,
}

/// Judges one rule on one assessment. Pure: the standing goes in and comes out.
pub fn judge(
    rule: Rule,
    standing: Standing,
    assessment: &Assessment,
    config: &OncallConfig,
    now: Timestamp,
) -> (Standing, Verdict) {
    let held = |since: Timestamp| now.since(since) >= config.hold;
    match (see(rule, assessment, config, now), standing) {
        (Sight::Holds(found), Standing::Clear) if config.hold.is_zero() => {
            (Standing::Firing, Verdict::Fire(found))
        }
        (Sight::Holds(_), Standing::Clear) => (Standing::Pending(now), Verdict::Quiet),
        (Sight::Holds(found), Standing::Pending(since)) if held(since) => {
            (Standing::Firing, Verdict::Fire(found))
        }
        (Sight::Holds(_), Standing::Pending(since)) => (Standing::Pending(since), Verdict::Quiet),
        (Sight::Holds(found), Standing::Firing | Standing::Clearing(_)) => {
            (Standing::Firing, Verdict::Fire(found))
        }
        (Sight::Gone, Standing::Firing) if config.hold.is_zero() => (Standing::Clear, Verdict::Resolve),
        (Sight::Gone, Standing::Firing) => (Standing::Clearing(now), Verdict::Quiet),
        (Sight::Gone, Standing::Clearing(since)) if held(since) => (Standing::Clear, Verdict::Resolve),
        (Sight::Gone, Standing::Clearing(since)) => (Standing::Clearing(since), Verdict::Quiet),
        (Sight::Gone | Sight::Between, Standing::Clear | Standing::Pending(_)) => {
            (Standing::Clear, Verdict::Quiet)
        }
        (Sight::Between, Standing::Firing | Standing::Clearing(_)) => (Standing::Firing, Verdict::Quiet),
    }
}

fn see(rule: Rule, a: &Assessment, config: &OncallConfig, now: Timestamp) -> Sight {
    match rule {
        Rule::StabilityLow => low_score(a, config),
        Rule::RiskHigh => high_risk(a, config),
        Rule::ExhaustionSoon => exhaustion(a, config),
        Rule::ResourceSilent => silence(a, config, now),
    }
}

fn low_score(a: &Assessment, config: &OncallConfig) -> Sight {
    let score = a.stability.score;
    if score >= config.low_score + config.hysteresis {
        return Sight::Gone;
    }
    if score >= config.low_score {
        return Sight::Between;
    }
    let severity = if score < config.critical_score { Severity::Critical } else { Severity::Warning };
    let mut reasons: Vec<_> = a.stability.components.iter().flat_map(|c| &c.reasons).collect();
    reasons.sort_by(|x, y| y.contribution.total_cmp(&x.contribution));
    let cause = reasons.first().map_or_else(String::new, |r| format!(": {}", r.words));
    Sight::Holds(Finding {
        severity,
        summary: format!("stability of {} is {score:.2}{cause}", a.resource_id),
        detail: lines(reasons.iter().map(|r| r.words.as_str())),
    })
}

fn high_risk(a: &Assessment, config: &OncallConfig) -> Sight {
    let risk = a.risk.probability;
    if !a.risk.predictable || risk <= config.high_risk - config.hysteresis {
        return Sight::Gone;
    }
    if risk <= config.high_risk {
        return Sight::Between;
    }
    let minutes = a.risk.horizon.as_secs() / 60;
    let cause = a.risk.features.first().map_or_else(String::new, |r| format!(": {}", r.words));
    Sight::Holds(Finding {
        severity: Severity::Warning,
        summary: format!("{} fails within {minutes} min with {:.0} %{cause}", a.resource_id, risk * 100.0),
        detail: lines(a.risk.features.iter().map(|r| r.words.as_str())),
    })
}

fn exhaustion(a: &Assessment, config: &OncallConfig) -> Sight {
    let Some(first) = a.exhaustion.first() else { return Sight::Gone };
    if first.time_left > config.exhaustion_within * 2 {
        return Sight::Gone;
    }
    if first.time_left > config.exhaustion_within {
        return Sight::Between;
    }
    Sight::Holds(Finding {
        severity: Severity::Warning,
        summary: format!("{}: {}", a.resource_id, first.words),
        detail: lines(a.exhaustion.iter().map(|e| e.words.as_str())),
    })
}

fn silence(a: &Assessment, config: &OncallConfig, now: Timestamp) -> Sight {
    let silent = now.since(a.last_signal_at);
    if silent < config.silent_after {
        return Sight::Gone;
    }
    Sight::Holds(Finding {
        severity: Severity::Critical,
        summary: format!("{} is silent since {}", a.resource_id, a.last_signal_at),
        detail: format!("no signal for {}", echobase_types::duration::format(whole_seconds(silent))),
    })
}

fn whole_seconds(d: Duration) -> Duration {
    Duration::from_secs(d.as_secs())
}

fn lines<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.take(5).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
    use echobase_types::assessment::{Component, ComponentScore, Risk, Stability};

    use super::*;

    fn assessment(score: f64, risk: f64, at: Timestamp) -> Assessment {
        let part =
            |component| ComponentScore { component, score: Some(score), weight: 0.25, reasons: Vec::new() };
        Assessment {
            resource_id: "service:orders".parse().unwrap(),
            at,
            last_signal_at: at,
            series: 1,
            stability: Stability { score, components: Component::ALL.map(part) },
            risk: Risk {
                probability: risk,
                horizon: Duration::from_secs(900),
                predictable: true,
                expected_in: None,
                features: Vec::new(),
            },
            vitals: Vec::new(),
            anomalies: Vec::new(),
            drift: Vec::new(),
            exhaustion: Vec::new(),
        }
    }

    /// Scores, ten seconds apart, and what each leads to: `.` quiet, `F` fires, `R` resolves.
    fn run(scores: &[f64]) -> String {
        let config = OncallConfig::default();
        let mut standing = Standing::Clear;
        let mut told = String::new();
        for (n, score) in scores.iter().enumerate() {
            let now = Timestamp::from_secs(10 * n as i64);
            let (next, verdict) =
                judge(Rule::StabilityLow, standing, &assessment(*score, 0.0, now), &config, now);
            standing = next;
            told.push(match verdict {
                Verdict::Quiet => '.',
                Verdict::Fire(_) => 'F',
                Verdict::Resolve => 'R',
            });
        }
        told
    }

    #[test]
    fn a_low_score_fires_after_its_hold_and_resolves_after_it_is_gone_as_long() {
        for (scores, told) in [
            (&[0.9, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9][..], "...F..R"),
            (&[0.5, 0.9, 0.5, 0.9][..], "...."),
            (&[0.5, 0.5, 0.5, 0.75, 0.75, 0.75][..], "..F..."),
            (&[0.5, 0.5, 0.5, 0.9, 0.5, 0.9, 0.9, 0.9][..], "..F.F..R"),
        ] {
            assert_eq!(run(scores), told, "{scores:?}");
        }
    }

    #[test]
    fn a_score_below_the_critical_line_is_critical() {
        let config = OncallConfig { hold: Duration::ZERO, ..OncallConfig::default() };
        for (score, severity) in [(0.6, Severity::Warning), (0.3, Severity::Critical)] {
            let now = Timestamp::from_secs(5);
            let (_, verdict) =
                judge(Rule::StabilityLow, Standing::Clear, &assessment(score, 0.0, now), &config, now);
            let Verdict::Fire(found) = verdict else { panic!("{verdict:?}") };
            assert_eq!(found.severity, severity);
        }
    }

    #[test]
    fn a_risk_that_is_not_predictable_tells_nobody() {
        let config = OncallConfig { hold: Duration::ZERO, ..OncallConfig::default() };
        let now = Timestamp::from_secs(5);
        let mut seen = assessment(1.0, 0.9, now);
        assert!(matches!(judge(Rule::RiskHigh, Standing::Clear, &seen, &config, now).1, Verdict::Fire(_)));
        seen.risk.predictable = false;
        assert_eq!(judge(Rule::RiskHigh, Standing::Clear, &seen, &config, now).1, Verdict::Quiet);
    }

    #[test]
    fn silence_is_measured_from_the_newest_signal() {
        let config = OncallConfig { hold: Duration::ZERO, ..OncallConfig::default() };
        let seen = assessment(1.0, 0.0, Timestamp::from_secs(0));
        for (after, fires) in [(299, false), (301, true)] {
            let verdict =
                judge(Rule::ResourceSilent, Standing::Clear, &seen, &config, Timestamp::from_secs(after)).1;
            assert_eq!(matches!(verdict, Verdict::Fire(_)), fires, "{after}");
        }
    }
}
