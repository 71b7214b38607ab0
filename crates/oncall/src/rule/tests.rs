#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
use echobase_types::ResourceId;
use echobase_types::assessment::{ComponentScore, Exhaustion, Reason, Risk, Stability, Vital};

use super::*;

pub(crate) const T0: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A resource that is well in all that can be asked.
pub(crate) fn well(id: &str, now: Timestamp) -> Assessment {
    let component =
        |component| ComponentScore { component, score: Some(0.9), weight: 0.25, reasons: Vec::new() };
    Assessment {
        resource_id: ResourceId::new(id).unwrap(),
        at: now,
        last_signal_at: now,
        series: 3,
        stability: Stability { score: 0.9, components: Component::ALL.map(component) },
        risk: Risk {
            probability: 0.01,
            horizon: Duration::from_secs(900),
            predictable: true,
            expected_in: None,
            likely_in: None,
            features: Vec::new(),
            horizons: Vec::new(),
        },
        vitals: Vec::new(),
        anomalies: Vec::new(),
        drift: Vec::new(),
        exhaustion: Vec::new(),
    }
}

fn running_out(minutes: u64) -> Exhaustion {
    Exhaustion {
        vital: Vital::DiskUtilization,
        metric: "disk".into(),
        used_ratio: 0.9,
        growth_per_hour: 0.1,
        time_left: Duration::from_secs(minutes * 60),
        words: "the disk fills".into(),
    }
}

/// The severities with which a rule fires, second by second in steps of ten: `-` is quiet, `w` warns, `c` is critical,
/// `r` resolves.
fn run(rule: Rule, steps: &[fn(&mut Assessment)]) -> String {
    let config = RuleConfig::default();
    let mut memory = Memory::default();
    let mut told = String::new();
    for (n, change) in steps.iter().enumerate() {
        let now = T0 + Duration::from_secs(n as u64 * 10);
        let mut a = well("service:a", now);
        change(&mut a);
        let (verdict, next) = judge(rule, &a, memory, &config, now);
        memory = next;
        told.push(match verdict {
            Verdict::Keep if memory.firing.is_some() => '=',
            Verdict::Keep => '-',
            Verdict::Fire { severity: Severity::Critical, .. } => 'c',
            Verdict::Fire { .. } => 'w',
            Verdict::Resolve => 'r',
        });
    }
    told
}

#[test]
fn rules_fire_after_a_while_and_resolve_below_another_level() {
    const OK: fn(&mut Assessment) = |_| {};
    const LOW: fn(&mut Assessment) = |a| a.stability.score = 0.4;
    const VERY_LOW: fn(&mut Assessment) = |a| a.stability.score = 0.2;
    const BETWEEN: fn(&mut Assessment) = |a| a.stability.score = 0.6;
    const NAN: fn(&mut Assessment) = |a| a.stability.score = f64::NAN;
    const RISKY: fn(&mut Assessment) = |a| a.risk.probability = 0.8;
    const BLIND: fn(&mut Assessment) = |a| (a.risk.probability, a.risk.predictable) = (0.95, false);
    const SOON: fn(&mut Assessment) = |a| a.exhaustion = vec![running_out(300), running_out(50)];
    const NOW: fn(&mut Assessment) = |a| a.exhaustion = vec![running_out(10)];
    const LATER: fn(&mut Assessment) = |a| a.exhaustion = vec![running_out(100)];
    const SILENT: fn(&mut Assessment) = |a| a.last_signal_at = a.at - Duration::from_secs(120);
    const SILENT_LOW: fn(&mut Assessment) = |a| {
        a.stability.score = 0.1;
        a.last_signal_at = a.at - Duration::from_secs(120);
    };
    use Rule::*;
    for (rule, steps, expected) in [
        (StabilityLow, &[OK, LOW, LOW, LOW, LOW, LOW][..], "----ww"),
        // A break starts the time anew.
        (StabilityLow, &[LOW, LOW, LOW, BETWEEN, LOW, LOW, LOW, LOW], "-------w"),
        (StabilityLow, &[LOW, LOW, LOW, NAN, LOW], "-----"),
        // It gets worse at once, and better at once, as long as it fires.
        (StabilityLow, &[LOW, LOW, LOW, LOW, VERY_LOW, LOW], "---wcw"),
        // Between the levels it stays as it is; well must last.
        (StabilityLow, &[LOW, LOW, LOW, LOW, BETWEEN, OK, OK, OK, OK, OK, OK, OK], "---w=======r"),
        (
            StabilityLow,
            &[LOW, LOW, LOW, LOW, OK, OK, OK, BETWEEN, OK, OK, OK, OK, OK, OK, OK],
            "---w==========r",
        ),
        // What cannot be seen neither fires nor resolves.
        (StabilityLow, &[LOW, LOW, LOW, LOW, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN], "---w========"),
        (RiskHigh, &[RISKY, RISKY, RISKY, RISKY, BLIND, OK], "---w=="),
        (RiskHigh, &[BLIND, BLIND, BLIND, BLIND, BLIND], "-----"),
        (ExhaustionSoon, &[SOON, SOON, SOON, SOON, NOW, LATER], "---wc="),
        (ExhaustionSoon, &[SOON, SOON, SOON, SOON, OK, OK, OK, OK, OK, OK, OK], "---w======r"),
        (ResourceSilent, &[OK, SILENT, SILENT, OK], "-ww="),
        (StabilityLow, &[SILENT_LOW, SILENT_LOW, SILENT_LOW, SILENT_LOW, SILENT_LOW], "-----"),
    ] {
        assert_eq!(run(rule, steps), expected, "{rule:?}");
    }
}

#[test]
fn alerts_tell_what_and_why() {
    let config = RuleConfig::default();
    let mut a = well("service:a", T0);
    a.stability.score = 0.25;
    a.stability.components[0].reasons = vec![Reason {
        metric: "m".into(),
        series: None,
        value: 1.0,
        expected: 0.5,
        contribution: 0.5,
        words: "memory is nearly used up".into(),
    }];
    let firing = Memory { firing: Some(Severity::Warning), ..Memory::default() };
    let (verdict, _) = judge(Rule::StabilityLow, &a, firing, &config, T0);
    let Verdict::Fire { severity, summary, detail } = verdict else { panic!("{verdict:?}") };
    assert_eq!(severity, Severity::Critical);
    assert_eq!(summary, "service:a is unstable, its score is 0.25: memory is nearly used up");
    assert_eq!(detail, "memory is nearly used up");
}

#[test]
fn callers_of_an_ailing_dependency_are_grouped_under_it() {
    let reason = |metric: &str, contribution| Reason {
        metric: metric.into(),
        series: None,
        value: 0.0,
        expected: 1.0,
        contribution,
        words: String::new(),
    };
    let mut a = well("service:a", T0);
    assert_eq!(group(Rule::StabilityLow, &a), "service:a");
    a.stability.components[3].reasons = vec![reason("stability of service:store", 0.5)];
    a.stability.components[1].reasons = vec![reason("errors", 0.2)];
    assert_eq!(group(Rule::StabilityLow, &a), "service:store");
    assert_eq!(group(Rule::RiskHigh, &a), "service:a");
    a.stability.components[1].reasons = vec![reason("errors", 0.6)];
    assert_eq!(group(Rule::StabilityLow, &a), "service:a");
}
