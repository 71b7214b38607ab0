//! A day on which nothing happens: the engine, the alert rules and the playbooks that we ship, on a fleet with the
//! rhythm of a day, tails, bursts, a nightly backup and rotated logs. Nobody may be called and nothing may be done.
//! The tests of the analysis hold its figures on more such days.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

#[path = "../../analysis/tests/it/fleet.rs"]
mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_controller::{Backtest, ControllerConfig, playbook};
use echobase_oncall::RuleConfig;
use echobase_oncall::rule::{Memory, Rule, Verdict, judge};
use echobase_types::assessment::Assessment;
use echobase_types::{ResourceId, Timestamp};

use fleet::{Fleet, STEP};

/// Between the first signal and the day that is judged: what a newcomer is given to learn.
const WARM_UP: Duration = Duration::from_secs(1_800);
const DAY: Duration = Duration::from_secs(86_400);
/// The playbooks are asked at every sixth assessment, once a minute: a condition costs far more than an assessment in a
/// build that is not optimised.
const ASK_EVERY: usize = 6;

/// The playbooks that stand in `fixtures`: those to start from, and those of the demo.
const PLAYBOOKS: [&str; 11] = [
    include_str!("../../../fixtures/playbooks/restart-dead-dependency.yaml"),
    include_str!("../../../fixtures/playbooks/restart-on-error-burst.yaml"),
    include_str!("../../../fixtures/playbooks/restart-on-memory-leak.yaml"),
    include_str!("../../../fixtures/playbooks/scale-up-on-cpu-saturation.yaml"),
    include_str!("../../../fixtures/playbooks/scale-up-on-latency.yaml"),
    include_str!("../../../fixtures/playbooks/tell-before-disk-is-full.yaml"),
    include_str!("../../../fixtures/playbooks/demo/restart-dead-dependency.yaml"),
    include_str!("../../../fixtures/playbooks/demo/restart-on-error-burst.yaml"),
    include_str!("../../../fixtures/playbooks/demo/restart-on-memory-leak.yaml"),
    include_str!("../../../fixtures/playbooks/demo/restart-slow-engine.yaml"),
    include_str!("../../../fixtures/playbooks/demo/scale-up-on-cpu-saturation.yaml"),
];

/// Lives through a day of the fleet of this seed. Hands back what would have called somebody or done something.
fn live(seed: u64, start: Timestamp) -> Vec<String> {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut fleet = Fleet::new(seed);
    let mut playbooks: Vec<(String, Backtest)> = PLAYBOOKS
        .iter()
        .map(|text| playbook::parse(text).unwrap())
        .map(|parsed| (parsed.name.clone(), Backtest::new(parsed, &ControllerConfig::default())))
        .collect();
    let rules = RuleConfig::default();
    let mut memories: BTreeMap<(ResourceId, Rule), Memory> = BTreeMap::new();
    let mut calls = Vec::new();
    let judged_from = start + WARM_UP;
    let mut now = start;
    for cycle in 0.. {
        if now >= judged_from + DAY {
            break;
        }
        for batch in fleet.tick(now) {
            engine.observe(batch);
        }
        for assessment in engine.assess(now).iter().filter(|_| now >= judged_from) {
            call(&mut calls, assessment, &rules, &mut memories, now);
            if cycle % ASK_EVERY == 0 {
                playbooks.iter_mut().for_each(|(_, playbook)| playbook.step(assessment));
            }
        }
        now = now + STEP;
    }
    for (name, playbook) in playbooks {
        let report = playbook.finish();
        assert!(report.evaluated > 0, "{name} looks at no resource of the fleet");
        if report.matched > 0 {
            calls
                .push(format!("the condition of {name} held {} times: {:?}", report.matched, report.actions));
        }
    }
    calls
}

/// Asks the alert rules, and notes every alert when it begins.
fn call(
    calls: &mut Vec<String>,
    assessment: &Assessment,
    rules: &RuleConfig,
    memories: &mut BTreeMap<(ResourceId, Rule), Memory>,
    now: Timestamp,
) {
    for rule in Rule::ALL {
        let memory = memories.entry((assessment.resource_id.clone(), rule)).or_default();
        let before = memory.firing;
        let (verdict, after) = judge(rule, assessment, *memory, rules, now);
        *memory = after;
        if let (Verdict::Fire { severity, summary, detail }, None) = (verdict, before) {
            calls.push(format!("{now}: {} {}: {summary} ({detail})", severity.as_str(), rule.as_str()));
        }
    }
}

#[test]
fn twenty_four_quiet_hours_fire_no_alert_and_propose_nothing() {
    let calls = live(2, Timestamp::from_secs(1_750_032_000 + 9 * 3_600));
    assert!(calls.is_empty(), "{} calls on a quiet day: {calls:#?}", calls.len());
}
