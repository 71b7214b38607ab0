#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use echobase_types::signal::MetricKind;

use super::*;
use crate::SinkError;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn collector() -> HostCollector {
    HostCollector::new(HostConfig { host_name: Some("here".to_owned()), ..HostConfig::default() }).unwrap()
}

#[test]
fn this_machine_tells_of_itself_under_its_names() {
    let mut collector = collector();
    collector.collect(NOW);
    let batch = collector.collect(NOW + Duration::from_secs(5));
    assert!(batch.check());
    assert_eq!(batch.resources[0].id.as_str(), "host:here");
    let names: BTreeSet<&str> = batch.series.iter().map(|s| s.name.as_str()).collect();
    for name in ["system.uptime", "system.cpu.logical.count", "system.memory.limit", "system.process.count"] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let ids: BTreeSet<_> = batch.series.iter().map(|s| s.id).collect();
    assert_eq!(ids.len(), batch.series.len(), "every series is told once");
    assert_eq!(batch.points.len(), batch.series.len());
    for point in &batch.points {
        let series = &batch.series[point.series as usize];
        assert!(point.value.is_finite() && point.value >= 0.0, "{series:?}");
        assert!(!(series.unit == "1" && point.value > 1.0), "{series:?} is {}", point.value);
        assert!(series.kind != MetricKind::Histogram);
    }
}

#[test]
fn the_states_of_memory_sum_to_its_limit() {
    let batch = collector().collect(NOW);
    let sum = |name: &str| {
        let all = batch.points.iter().filter(|p| batch.series[p.series as usize].name == name);
        all.map(|p| p.value).sum::<f64>()
    };
    assert_eq!(sum("system.memory.usage"), sum("system.memory.limit"));
    assert!((sum("system.memory.utilization") - 1.0).abs() < 1e-9);
}

#[test]
fn what_is_used_of_a_file_system_is_what_df_says() {
    let (used, free) = space(std::path::Path::new("/")).unwrap();
    let told = std::process::Command::new("df").args(["-P", "-k", "/"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let share = told.lines().nth(1).and_then(|line| line.split_whitespace().nth(4)).unwrap();
    let share: f64 = share.trim_end_matches('%').parse().unwrap();
    let own = 100.0 * used as f64 / (used + free) as f64;
    assert!((own - share).abs() < 3.0, "{own} % where df says {share} %, which it rounds up");
    assert_eq!(space(std::path::Path::new("/no such place")), None);
}

#[test]
fn series_stay_few_and_the_same_from_one_round_to_the_next() {
    let mut collector = collector();
    let mut ids = BTreeSet::new();
    for round in 0..5 {
        let batch = collector.collect(NOW + Duration::from_secs(5 * round));
        ids.extend(batch.series.iter().filter(|s| s.name.starts_with("system.")).map(|s| s.id));
        assert!(batch.series.len() < 1_000);
    }
    let first =
        HostCollector::new(HostConfig { host_name: Some("other".to_owned()), ..HostConfig::default() });
    assert!(first.unwrap().collect(NOW).series.iter().all(|s| !ids.contains(&s.id)));
}

#[test]
fn an_interval_of_zero_is_refused_and_texts_are_lengths_of_time() {
    let config = HostConfig { interval: Duration::ZERO, ..HostConfig::default() };
    assert_eq!(HostCollector::new(config).unwrap_err().kind(), ErrorKind::Invalid);
    let config: HostConfig = serde_json::from_str(r#"{"interval":"500ms","top_processes":3}"#).unwrap();
    assert_eq!(
        config,
        HostConfig { interval: Duration::from_millis(500), top_processes: 3, ..HostConfig::default() }
    );
    assert!(serde_json::from_str::<HostConfig>(r#"{"intervall":"5s"}"#).is_err());
}

struct Kept(Mutex<Vec<SignalBatch>>, CancellationToken);

#[async_trait]
impl Sink for Kept {
    async fn append(&self, _: &TenantId, batch: SignalBatch) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(batch);
        if self.0.lock().unwrap().len() == 2 {
            self.1.cancel();
        }
        Err(SinkError::Failed("no disk".into()))
    }
}

#[tokio::test]
async fn a_running_collector_starts_at_once_outlives_a_failing_sink_and_stops_when_told() {
    let config = HostConfig { interval: Duration::from_millis(1), top_processes: 0, ..HostConfig::default() };
    let stop = CancellationToken::new();
    let sink = Arc::new(Kept(Mutex::default(), stop.clone()));
    let collector = HostCollector::new(config).unwrap();
    collector.run(TenantId::default_tenant(), sink.clone(), Arc::new(|| NOW), stop).await;
    assert_eq!(sink.0.lock().unwrap().len(), 2);
}
