//! A day on which nothing happens: the rhythm of a day, tails, bursts, a nightly backup, rotated logs. Nobody may be
//! called.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::assessment::Severity;
use echobase_types::{ResourceId, Timestamp};

use crate::fleet::{Fleet, STEP};

/// Between the first signal and the day that is judged: what a newcomer is given to learn.
const WARM_UP: Duration = Duration::from_secs(1_800);
const DAY: Duration = Duration::from_secs(86_400);

/// What was said in one day.
#[derive(Debug, Default)]
struct Day {
    /// Anomalies that ask for attention, in words.
    calls: Vec<String>,
    /// Anomalies that were merely noted.
    noted: usize,
    series: usize,
    lowest_score: f64,
    highest_risk: f64,
    /// The longest stretch of assessments in which a failure was likely, as the alerts have it.
    longest_risk: (u32, String),
    /// The longest stretch of assessments in which something was said to run out within the hour.
    longest_exhaustion: (u32, String),
}

fn live(seed: u64, start: Timestamp) -> Day {
    let mut engine = Engine::new(AnalysisConfig::default());
    let mut fleet = Fleet::new(seed);
    let mut day = Day { lowest_score: 1.0, ..Day::default() };
    let mut stretches: BTreeMap<ResourceId, [u32; 2]> = BTreeMap::new();
    let mut now = start;
    while now < start + WARM_UP + DAY {
        for batch in fleet.tick(now) {
            engine.observe(batch);
        }
        let assessments = engine.assess(now);
        let changed = engine.take_transitions();
        if now >= start + WARM_UP {
            day.series = assessments.iter().map(|a| a.series as usize).sum();
            for a in &assessments {
                day.lowest_score = day.lowest_score.min(a.stability.score);
                day.highest_risk = day.highest_risk.max(a.risk.probability);
                let likely = (a.risk.probability >= 0.7).then(|| a.risk.features.first()).flatten();
                let soon = a.exhaustion.first().filter(|e| e.time_left <= Duration::from_secs(3_600));
                let said = [likely.map(|f| &f.words), soon.map(|e| &e.words)];
                let longest = [&mut day.longest_risk, &mut day.longest_exhaustion];
                let stretches = stretches.entry(a.resource_id.clone()).or_default();
                for ((stretch, said), longest) in stretches.iter_mut().zip(said).zip(longest) {
                    *stretch = said.map_or(0, |_| *stretch + 1);
                    if let Some(words) = said.filter(|_| *stretch > longest.0) {
                        *longest = (*stretch, format!("{} at {now}: {words}", a.resource_id));
                    }
                }
            }
            for (resource, anomaly) in changed.into_iter().filter(|(_, a)| a.ended_at.is_none()) {
                if anomaly.severity > Severity::Info {
                    let severity = anomaly.severity.as_str();
                    day.calls.push(format!("{now}: {severity} anomaly of {resource}: {}", anomaly.words));
                } else {
                    day.noted += 1;
                }
            }
        }
        now = now + STEP;
    }
    day
}

#[test]
fn twenty_four_quiet_hours_call_nobody() {
    // Different hours of the first signal: what is learned first differs.
    for (seed, hour) in [(1, 0), (2, 9), (3, 17)] {
        let day = live(seed, Timestamp::from_secs(1_750_032_000 + hour * 3_600));
        let budget = AnalysisConfig::default().false_alarms_per_week / 7.0 * day.series as f64;
        println!("seed {seed}, {budget:.1} in the budget: {day:#?}");
        assert!(day.calls.is_empty(), "seed {seed}: {:#?}", day.calls);
        // How many were merely noted is printed, not asserted: it was 1.2 to 2.2 times the budget when this was written.
        assert!(day.lowest_score >= 0.65, "seed {seed}: a score of {}", day.lowest_score);
        // An alert fires after half a minute: at the fourth assessment.
        assert!(day.longest_risk.0 < 3, "seed {seed}: {:?}", day.longest_risk);
        assert!(day.longest_exhaustion.0 < 3, "seed {seed}: {:?}", day.longest_exhaustion);
    }
}
