#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test that kills a process of its own tells it so by a variable"
)]

use std::fs;
use std::process::Command;
use std::time::Duration;

use echobase_types::ErrorKind;
use serde_json::json;

use super::*;
use crate::testing::{Bench, Fault, START, ask, at, batch, kill, points, resource, tenant};
use crate::{file, maintain};

const COUNT: &str = "SELECT count(*), sum(value) FROM metric_points";

/// Rows of one number, whose order is not said.
fn sorted(rows: Vec<Vec<serde_json::Value>>) -> Vec<u64> {
    let mut all: Vec<_> = rows.iter().map(|row| row[0].as_u64().unwrap()).collect();
    all.sort_unstable();
    all
}

/// How a telemetry ends before the next one opens its folder.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Closed,
}

#[tokio::test]
async fn every_row_is_seen_exactly_once_whatever_crashes_between_log_and_files() {
    let all = tenant("default");
    for end in [End::Killed, End::Closed] {
        let bench = Bench::new();
        let mut sum = 0.0;
        for round in 0..4_u32 {
            let telemetry = bench.open().await;
            let value = f64::from(10_u32.pow(round));
            // One batch in a file, one in memory and log only; series known from before are not described again.
            telemetry.append(&all, points("a", 1, i64::from(round) * 10, &[value])).await.unwrap();
            telemetry.flush().await.unwrap();
            telemetry.append(&all, points("a", 1, i64::from(round) * 10 + 5, &[value])).await.unwrap();
            sum += 2.0 * value;
            let seen = ask(&telemetry, &all, COUNT).await;
            assert_eq!(seen, [[json!(2 * (round + 1)), json!(sum)]], "{end:?}, round {round}");
            match end {
                End::Killed => kill(telemetry),
                End::Closed => telemetry.close().await.unwrap(),
            }
        }
        let telemetry = bench.open().await;
        assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(8), json!(sum)]]);
        let joined =
            ask(&telemetry, &all, "SELECT count(*) FROM metrics WHERE resource_id = 'service:a'").await;
        assert_eq!(joined, [[json!(8)]], "series are known after a restart");
    }
}

#[tokio::test]
async fn files_written_but_not_committed_are_removed_and_their_rows_come_from_the_log() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, batch(1)).await.unwrap();
    telemetry.append_assessments(&tenant("other"), crate::testing::assessments(1)).await.unwrap();
    telemetry.flush().await.unwrap();
    let committed = file::list(bench.dir.path()).unwrap().len();
    telemetry.append(&all, batch(2)).await.unwrap();
    let before = ask(&telemetry, &all, COUNT).await;
    let (_, parts) = maintain::take(&mut telemetry.inner.shared.write()).unwrap();
    maintain::write(bench.dir.path(), parts).unwrap();
    assert!(file::list(bench.dir.path()).unwrap().len() > committed);
    let foreign = bench.dir.path().join(FOLDER).join("mine.parquet");
    fs::write(&foreign, "not ours").unwrap();
    kill(telemetry);
    let telemetry = bench.open().await;
    assert_eq!(file::list(bench.dir.path()).unwrap().len(), committed);
    assert!(foreign.exists(), "what is not ours is not touched");
    // Sums of floats depend on the order of the files; counts do not.
    assert_eq!(ask(&telemetry, &all, COUNT).await[0][0], before[0][0]);
}

#[tokio::test]
async fn files_beside_an_empty_catalog_are_put_aside_and_not_removed() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0])).await.unwrap();
    telemetry.close().await.unwrap();
    drop(telemetry);
    let files = file::list(bench.dir.path()).unwrap();
    fs::remove_file(bench.dir.path().join("catalog.json")).unwrap();
    let telemetry = bench.open().await;
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(0), json!(null)]]);
    assert!(!files.is_empty() && files.iter().all(|f| bench.dir.path().join(ORPHANS).join(f).exists()));
}

#[tokio::test]
async fn a_folder_that_is_open_is_not_opened_again() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    let clock: Clock = Arc::new(|| at(START));
    let open =
        || Telemetry::open(bench.config.clone(), bench.dir.path(), bench.catalog.clone(), clock.clone());
    let error = open().await.err().unwrap();
    assert!(matches!(error, TelemetryError::InUse(_)), "{error:?}");
    kill(telemetry);
    open().await.unwrap();
}

/// The folder that `a_process_that_is_killed…` gives to its child.
const CHILD: &str = "ECHOBASE_TELEMETRY_TEST_CHILD";

#[tokio::test]
#[ignore = "run by a_process_that_is_killed_has_stored_all_it_acknowledged, as the process to be killed"]
async fn a_process_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let catalog = Arc::new(crate::testing::FileCatalog::new(Path::new(&folder)));
    let config = TelemetryConfig { segment_bytes: 10_000, ..TelemetryConfig::default() };
    let clock: Clock = Arc::new(|| at(START));
    let telemetry = Telemetry::open(config, Path::new(&folder), catalog, clock).await.unwrap();
    let all = tenant("default");
    for n in 0..100_000 {
        let (one, two) = (points("a", 1, n, &[1.0]), points("b", 2, n, &[1.0]));
        let (a, b) = tokio::join!(telemetry.append(&all, one), telemetry.append(&all, two));
        a.unwrap();
        b.unwrap();
        println!("\nacknowledged {}", 2 * (n + 1));
        if n % 20 == 7 {
            telemetry.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_has_stored_all_it_acknowledged() {
    use std::io::{BufRead, BufReader};
    let (bench, all) = (Bench::new(), tenant("default"));
    let mut acknowledged = 0;
    for stop_after in [31, 66] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "telemetry::tests::a_process_appends_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, bench.dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(n) = line.strip_prefix("acknowledged ") {
                said = n.parse::<u64>().unwrap();
            }
            if said >= stop_after {
                child.kill().unwrap(); // SIGKILL; what it said meanwhile is read to the end
            }
        }
        child.wait().unwrap();
        assert!(said >= stop_after);
        acknowledged = acknowledged.max(said);
        let telemetry = bench.open().await;
        // The second child sends the same points again, which stand once when they meet in one file: count times.
        let seen = ask(&telemetry, &all, "SELECT count(DISTINCT (series_id, time)) FROM metric_points").await;
        let seen = seen[0][0].as_u64().unwrap();
        assert!(
            seen >= acknowledged && seen <= acknowledged + 2,
            "{acknowledged} acknowledged, {seen} stored"
        );
        telemetry.close().await.unwrap();
    }
}

/// Names the small disk to the test that runs on it.
const SMALL_DISK: &str = "ECHOBASE_TELEMETRY_SMALL_DISK";

/// Runs itself again where it may mount a disk of 3 MB that nobody else sees.
#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    if let Some(folder) = std::env::var_os(SMALL_DISK) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(fill_and_free(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    // Namespaces of its own need no privilege, where the system permits them; the mount goes with the process.
    let mounted = |then: &str| {
        let script = format!("mount -t tmpfs -o size=3m none \"$0\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(folder.path());
        command
    };
    let possible = match mounted("exit 0").output() {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    };
    if let Err(reason) = possible {
        eprintln!("skipped: a small disk cannot be mounted here: {reason}");
        return;
    }
    let name = format!("{}::a_full_disk_refuses_and_recovers_by_itself", module_path!());
    let (_, name) = name.split_once("::").unwrap();
    let ran = mounted("exec \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(SMALL_DISK, folder.path())
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    eprintln!("{told}");
    assert!(
        ran.status.success() && told.contains("1 passed"),
        "on the small disk it ended with {}",
        ran.status
    );
}

async fn fill_and_free(folder: &Path) {
    let all = tenant("default");
    let elsewhere = tempfile::tempdir().unwrap();
    let catalog = Arc::new(crate::testing::FileCatalog::new(elsewhere.path()));
    let clock: Clock = Arc::new(|| at(START));
    let open = || Telemetry::open(TelemetryConfig::default(), folder, catalog.clone(), clock.clone());
    let telemetry = open().await.unwrap();
    let ballast = folder.join("ballast");
    let mut stored = 0_u64;
    for round in 0..3 {
        // As much of it as fits: the rows of the rounds before are there too.
        let _ = fs::write(&ballast, vec![1; 1 << 20]);
        let mut refused = 0;
        let mut random = crate::testing::Random(round);
        while refused < 5 {
            let values: Vec<f64> = (0..5_000).map(|_| random.next() as f64).collect();
            match telemetry.append(&all, points("a", 1, stored as i64, &values)).await {
                Ok(()) => stored += 5_000,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    refused += 1;
                }
            }
        }
        let failed = telemetry.flush().await;
        eprintln!("round {round}: {stored} stored, flush on the full disk: {failed:?}");
        fs::remove_file(&ballast).unwrap();
        telemetry.append(&all, points("a", 1, stored as i64, &[1.0])).await.unwrap();
        stored += 1;
        let seen = ask(&telemetry, &all, "SELECT count(*) FROM metric_points").await;
        assert_eq!(seen, [[json!(stored)]]);
    }
    kill(telemetry);
    let telemetry = open().await.unwrap();
    assert_eq!(ask(&telemetry, &all, "SELECT count(*) FROM metric_points").await, [[json!(stored)]]);
    assert_eq!(telemetry.stats().quarantined_frames, 0);
}

#[tokio::test]
async fn a_commit_that_is_refused_loses_nothing_and_one_whose_answer_is_lost_doubles_nothing() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for killed in [true, false] {
            let (bench, all) = (Bench::new(), tenant("default"));
            let telemetry = bench.open().await;
            telemetry.append(&all, points("a", 1, 0, &[1.0, 2.0])).await.unwrap();
            bench.catalog.fail_next(fault);
            let flushed = telemetry.flush().await;
            assert_eq!(flushed.is_ok(), fault == Fault::AnswerLost, "{flushed:?}");
            telemetry.append(&all, points("a", 1, 9, &[4.0])).await.unwrap();
            let expected = [[json!(3), json!(7.0)]];
            assert_eq!(ask(&telemetry, &all, COUNT).await, expected, "{fault:?}");
            let telemetry = if killed {
                kill(telemetry);
                bench.open().await
            } else {
                telemetry
            };
            telemetry.flush().await.unwrap();
            assert_eq!(ask(&telemetry, &all, COUNT).await, expected, "{fault:?} {killed}");
            assert_eq!(telemetry.stats().memory_bytes, 0);
        }
    }
}

#[tokio::test]
async fn log_segments_that_a_crash_left_behind_a_commit_are_not_read_twice() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0, 2.0])).await.unwrap();
    let log = bench.dir.path().join(LOG_FOLDER);
    let copies: Vec<_> = recovery::segments(&log).unwrap();
    let kept: Vec<_> = copies.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    telemetry.flush().await.unwrap();
    telemetry.close().await.unwrap();
    drop(telemetry);
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap(); // as if the crash came before they were removed
    }
    let telemetry = bench.open().await;
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(2), json!(3.0)]]);
    telemetry.append(&all, points("a", 1, 5, &[4.0])).await.unwrap();
    kill(telemetry);
    let telemetry = bench.open().await;
    assert_eq!(
        ask(&telemetry, &all, COUNT).await,
        [[json!(3), json!(7.0)]],
        "numbers go on after the old ones"
    );
}

#[tokio::test]
async fn a_damaged_log_starts_all_the_same_and_says_what_it_lost() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    for n in 0..3 {
        telemetry.append(&all, points("a", 1, n, &[1.0])).await.unwrap();
    }
    let log = bench.dir.path().join(LOG_FOLDER);
    let path = recovery::segments(&log).unwrap().remove(0);
    kill(telemetry);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bytes.extend_from_slice(b"EBTF\x01 and then the power went");
    fs::write(&path, bytes).unwrap();
    let telemetry = bench.open().await;
    let stats = telemetry.stats();
    assert_eq!((stats.quarantined_frames, stats.torn_bytes), (1, 29));
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(2), json!(2.0)]]);
}

#[tokio::test]
async fn replay_of_a_long_log_flushes_on_the_way() {
    let (mut bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    for n in 0..20 {
        telemetry.append(&all, points("a", 1, n * 100, &[1.0; 100])).await.unwrap();
    }
    kill(telemetry);
    bench.config.flush_bytes = 10_000;
    let telemetry = bench.open().await;
    assert!(telemetry.stats().memory_bytes < 10_000 && telemetry.stats().flushes >= 4);
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(2_000), json!(2_000.0)]]);
    kill(telemetry);
    let telemetry = bench.open().await;
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(2_000), json!(2_000.0)]]);
}

#[tokio::test]
async fn small_files_are_merged_and_those_in_use_stay_until_their_reader_is_done() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    for seed in 0..4 {
        telemetry.append(&all, batch(seed)).await.unwrap();
        telemetry.append_assessments(&all, crate::testing::assessments(seed)).await.unwrap();
        telemetry.flush().await.unwrap();
    }
    let count = "SELECT count(*) FROM metric_points UNION ALL SELECT count(*) FROM logs \
                 UNION ALL SELECT count(*) FROM spans UNION ALL SELECT count(*) FROM histograms \
                 UNION ALL SELECT count(*) FROM assessments UNION ALL SELECT count(*) FROM series \
                 UNION ALL SELECT count(*) FROM metrics";
    let (before, files) = (sorted(ask(&telemetry, &all, count).await), telemetry.stats().files);
    let held = telemetry.inner.shared.snapshot(&all, Table::Logs).unwrap();
    let mut merged = 0;
    for minute in 0..4 {
        let now = at(START) + Duration::from_secs(2 * 86_400 + minute * 61);
        merged += telemetry.maintain(now).await.unwrap().merged_files;
    }
    assert!(merged > 0 && telemetry.stats().files < files / 2, "{:?}", telemetry.stats());
    assert!(held.files.iter().all(|f| f.path.exists()), "a reader holds them");
    let (paths, names): (Vec<_>, Vec<_>) =
        held.files.iter().map(|f| (f.path.clone(), f.file.path.clone())).unzip();
    drop(held);
    assert!(paths.iter().all(|p| !p.exists()));
    assert_eq!(sorted(ask(&telemetry, &all, count).await), before);
    assert!(file::list(bench.dir.path()).unwrap().iter().all(|p| !names.contains(p)));
    kill(telemetry);
    assert_eq!(sorted(ask(&bench.open().await, &all, count).await), before);
}

#[tokio::test]
async fn retention_drops_days_that_are_over_for_long_enough_and_no_others() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0])).await.unwrap();
    telemetry.append(&all, points("a", 1, 86_400, &[1.0])).await.unwrap();
    telemetry.flush().await.unwrap();
    let days = |n: u64| at(START) + Duration::from_secs(n * 86_400);
    assert_eq!(telemetry.maintain(days(30)).await.unwrap().expired_files, 0);
    assert_eq!(telemetry.maintain(days(31)).await.unwrap().expired_files, 1);
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(1), json!(1.0)]]);
    assert_eq!(telemetry.series_count(&all), 1);
    assert_eq!(telemetry.maintain(days(36)).await.unwrap().expired_files, 1);
    assert_eq!((telemetry.series_count(&all), telemetry.resources(&all).len()), (0, 0));
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(0), json!(null)]]);
}

#[tokio::test]
async fn flushes_come_when_rows_are_many_or_old() {
    let (mut bench, all) = (Bench::new(), tenant("default"));
    bench.config.flush_bytes = 2_400;
    let telemetry = bench.open().await;
    let now = at(START);
    telemetry.append(&all, points("a", 1, 0, &[1.0; 10])).await.unwrap();
    assert_eq!(telemetry.maintain(now).await.unwrap().flushed_files, 0);
    telemetry.append(&all, points("a", 1, 20, &[1.0; 100])).await.unwrap();
    assert!(telemetry.maintain(now).await.unwrap().flushed_files > 0);
    telemetry.append(&all, points("a", 1, 500, &[1.0])).await.unwrap();
    assert_eq!(telemetry.maintain(now + Duration::from_secs(299)).await.unwrap().flushed_files, 0);
    assert_eq!(telemetry.maintain(now + Duration::from_secs(300)).await.unwrap().flushed_files, 1);
}

#[tokio::test]
async fn a_failed_flush_is_tried_again_after_a_pause_and_full_memory_refuses_until_then() {
    let (mut bench, all) = (Bench::new(), tenant("default"));
    (bench.config.flush_bytes, bench.config.memory_bytes) = (1, 2_400);
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0; 100])).await.unwrap();
    let refused = telemetry.append(&all, points("a", 1, 500, &[1.0])).await.unwrap_err();
    assert!(matches!(refused, TelemetryError::MemoryFull { .. }));
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    bench.catalog.fail_next(Fault::Refused);
    assert!(telemetry.maintain(at(START)).await.is_err());
    assert_eq!(telemetry.stats().maintenance_failures, 1);
    let soon = at(START) + Duration::from_secs(4);
    assert_eq!(telemetry.maintain(soon).await.unwrap(), crate::Maintained::default());
    telemetry.maintain(soon + Duration::from_secs(2)).await.unwrap();
    telemetry.append(&all, points("a", 1, 500, &[1.0])).await.unwrap();
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(101), json!(101.0)]]);
}

#[tokio::test]
async fn run_flushes_on_shutdown_and_refuses_afterwards() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0])).await.unwrap();
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    telemetry.clone().run(shutdown).await;
    let stats = telemetry.stats();
    assert_eq!((stats.memory_bytes, stats.log_bytes, stats.files), (0, 0, 3), "points, series, resources");
    let late = telemetry.append(&all, points("a", 1, 1, &[1.0])).await.unwrap_err();
    assert!(matches!(late, TelemetryError::ShuttingDown));
}

#[tokio::test]
async fn batches_that_are_malformed_or_too_large_are_refused_whole() {
    let (mut bench, all) = (Bench::new(), tenant("default"));
    bench.config.max_batch_bytes = 2_000;
    let telemetry = bench.open().await;
    let mut malformed = points("a", 1, 0, &[1.0]);
    malformed.points[0].series = 7;
    assert_eq!(telemetry.append(&all, malformed).await.unwrap_err().kind(), ErrorKind::Internal);
    let large = telemetry.append(&all, points("a", 1, 0, &[1.0; 1_000])).await.unwrap_err();
    assert_eq!(large.kind(), ErrorKind::TooLarge);
    assert_eq!(ask(&telemetry, &all, COUNT).await, [[json!(0), json!(null)]]);
}

#[tokio::test]
async fn resources_and_series_are_listed_with_when_they_were_last_seen() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let mut telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0, 2.0])).await.unwrap();
    telemetry.append(&all, points("a", 1, 60, &[1.0])).await.unwrap();
    let mut renamed = points("a", 1, 61, &[1.0]);
    renamed.resources[0].name = "A".to_owned();
    telemetry.append(&all, renamed).await.unwrap();
    for restart in [false, true] {
        if restart {
            telemetry.close().await.unwrap();
            drop(telemetry);
            telemetry = bench.open().await;
        }
        assert_eq!(telemetry.tenants(), std::slice::from_ref(&all));
        let seen = telemetry.resources(&all);
        assert_eq!((seen.len(), seen[0].resource.name.as_str()), (1, "A"));
        assert_eq!((seen[0].first_seen, seen[0].last_seen), (at(START), at(START + 61_000_000)));
        let series = telemetry.series_of(&all, &resource("a").id);
        assert_eq!(
            (series.len(), series[0].metric.as_str(), series[0].last_seen),
            (1, "load", seen[0].last_seen)
        );
        assert!(telemetry.knows_series(&all, SeriesId(1)) && !telemetry.knows_series(&all, SeriesId(2)));
        assert!(!telemetry.knows_series(&tenant("other"), SeriesId(1)));
    }
}
