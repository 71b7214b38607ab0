#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use echobase_types::{ErrorKind, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Bench, START, ask, at, batch, points, tenant};

async fn refused(telemetry: &Telemetry, sql: &str) -> QueryError {
    match telemetry.query(&tenant("default"), sql, QueryLimits::default()).await {
        Ok(answer) => panic!("{sql}: answered {:?}", answer.rows),
        Err(error) => error,
    }
}

#[tokio::test]
async fn answers_are_the_same_from_memory_from_files_and_from_both() {
    let all = tenant("default");
    let mut answers = Vec::new();
    for flush_after in [[false, false], [true, false], [true, true]] {
        let bench = Bench::new();
        let telemetry = bench.open().await;
        for (seed, flush) in (1..).zip(flush_after) {
            telemetry.append(&all, batch(seed)).await.unwrap();
            telemetry.append_assessments(&all, crate::testing::assessments(seed)).await.unwrap();
            if flush {
                telemetry.flush().await.unwrap();
            }
        }
        let mut answer = Vec::new();
        for sql in [
            "SELECT * FROM metrics ORDER BY time, series_id",
            "SELECT * FROM events ORDER BY time, body",
            "SELECT * FROM spans ORDER BY time, span_id",
            "SELECT * FROM histograms ORDER BY time, series_id",
            "SELECT * FROM assessments ORDER BY time, body",
            "SELECT * FROM resources ORDER BY resource_id",
            "SELECT * FROM series ORDER BY series_id",
            "SELECT resource_id, max(value) FROM metrics WHERE time >= '2026-09-22T00:00:00Z' GROUP BY 1 ORDER BY 1",
            "SELECT date_trunc('day', time), count(*) FROM logs GROUP BY 1 ORDER BY 1",
        ] {
            let rows = ask(&telemetry, &all, sql).await;
            assert!(!rows.is_empty(), "{sql}");
            answer.push(rows);
        }
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn values_are_rendered_as_people_and_programs_read_them() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", u64::MAX, 0, &[1.5])).await.unwrap();
    let sql = "SELECT time, value, series_id, attr(attributes, 'instance') AS i, attr(attributes, 'none'), \
               1 AS one, true, null, 0.0/0.0, [1, 2], 'x', DATE '2026-01-02', substr('äbc', 2), length('äb') FROM metrics";
    let answer = telemetry.query(&all, sql, QueryLimits::default()).await.unwrap();
    assert_eq!(answer.columns[0].name, "time");
    assert_eq!(
        answer.rows,
        [[
            json!(at(START).to_string()),
            json!(1.5),
            json!(u64::MAX.to_string()),
            json!(u64::MAX.to_string()),
            Value::Null,
            json!(1),
            json!(true),
            Value::Null,
            json!("NaN"),
            json!([1, 2]),
            json!("x"),
            json!("2026-01-02"),
            json!("bc"),
            json!(2),
        ]]
    );
}

#[tokio::test]
async fn people_can_look_around() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    let tables = ask(&telemetry, &tenant("default"), "SHOW TABLES").await;
    assert!(tables.iter().any(|row| row.contains(&json!("metrics"))), "{tables:?}");
    let columns = ask(&telemetry, &tenant("default"), "DESCRIBE events").await;
    assert_eq!(columns.len(), 8);
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_no_other_names() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    for (name, value) in [("red", 1.0), ("blue", 2.0)] {
        telemetry.append(&tenant(name), points(name, 1, 0, &[value])).await.unwrap();
        telemetry.flush().await.unwrap();
        telemetry.append(&tenant(name), points(name, 1, 1, &[value])).await.unwrap();
    }
    for (name, value) in [("red", 1.0), ("blue", 2.0)] {
        let rows = ask(&telemetry, &tenant(name), "SELECT DISTINCT resource_id, value FROM metrics").await;
        assert_eq!(rows, [[json!(format!("service:{name}")), json!(value)]]);
        let schemas = "SELECT DISTINCT table_catalog, table_schema FROM information_schema.tables ORDER BY 2";
        let seen = ask(&telemetry, &tenant(name), schemas).await;
        assert_eq!(seen, [["echobase", "information_schema"], ["echobase", "public"]]);
        let plan = ask(&telemetry, &tenant(name), "EXPLAIN SELECT * FROM metric_points").await;
        let plan = format!("{plan:?}");
        let root = bench.dir.path().to_string_lossy();
        assert!(plan.contains(".parquet") && !plan.contains(root.as_ref()), "{plan}");
    }
    assert_eq!(ask(&telemetry, &tenant("nobody"), "SELECT * FROM metrics").await, Vec::<Vec<Value>>::new());
}

#[tokio::test]
async fn only_reading_is_allowed_and_nothing_outside_the_tables_is_reached() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    telemetry.append(&tenant("default"), points("a", 1, 0, &[1.0])).await.unwrap();
    telemetry.flush().await.unwrap();
    let (dir, file) = (bench.dir.path().display(), bench.dir.path().join("catalog.json"));
    let inside = crate::file::list(bench.dir.path()).unwrap().remove(0);
    for sql in [
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "DROP TABLE logs".to_owned(),
        "INSERT INTO logs SELECT * FROM logs".to_owned(),
        "DELETE FROM logs".to_owned(),
        "UPDATE logs SET body = ''".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "BEGIN".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        format!("COPY (SELECT 1) TO '{dir}/out.parquet'"),
        format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{dir}'"),
        format!("SELECT * FROM '{}'", file.display()),
        format!("SELECT * FROM '{}'", bench.dir.path().join(inside).display()),
        format!("SELECT * FROM read_parquet('{dir}')"),
        "SELECT repeat('x', 1000000000)".to_owned(),
    ] {
        let error = refused(&telemetry, &sql).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
    assert!(!bench.dir.path().join("out.parquet").exists());
}

#[tokio::test]
async fn errors_say_where_and_what_would_be_right() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    for (sql, place, words) in [
        ("SELEC 1", Some((1, 1)), "SELEC"),
        ("SELECT *\nFROM metrics WHERE", Some((2, 19)), "the end of the question"),
        ("SELECT * FROM metric", None, "did you mean `metrics`? There are assessments, events, histograms"),
        (
            "SELECT valu FROM metrics",
            Some((1, 8)),
            "there is no column `valu` at line 1, column 8; did you mean `value`?",
        ),
        ("SELECT nonsense(1)", None, "nonsense"),
        ("SELECT 1/0", None, "ivide by zero"),
        ("SELECT sum(body) FROM logs", None, "sum"),
    ] {
        let error = refused(&telemetry, sql).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        let QueryError::Invalid { position, .. } = &error else { panic!("{error:?}") };
        let shown = error.to_string();
        assert!(shown.contains(words) && !shown.contains("echobase.public"), "{sql}: {shown}");
        if place.is_some() {
            assert_eq!(position.map(|p| (p.line, p.column)), place, "{sql}: {shown}");
        }
    }
}

#[tokio::test]
async fn limits_on_rows_time_memory_and_length_hold() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    telemetry.append(&all, points("a", 1, 0, &[1.0; 100])).await.unwrap();
    for (max_rows, rows, truncated) in [(10, 10, true), (100, 100, false), (99, 99, true)] {
        let limits = QueryLimits { max_rows, ..QueryLimits::default() };
        let answer = telemetry.query(&all, "SELECT * FROM metric_points", limits).await.unwrap();
        assert_eq!((answer.rows.len(), answer.truncated), (rows, truncated));
    }
    let sort = "SELECT a.value + b.value + c.value AS v, a.time, b.time, c.time \
                FROM metric_points a, metric_points b, metric_points c ORDER BY 1, 2, 3, 4";
    let limits = QueryLimits { memory_bytes: 1 << 20, ..QueryLimits::default() };
    let error = telemetry.query(&all, sort, limits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    let wide = "SELECT sum(a.value * b.value * c.value * d.value * e.value) FROM metric_points a, metric_points b, metric_points c, metric_points d, metric_points e";
    let limits = QueryLimits { timeout: Duration::from_millis(50), ..QueryLimits::default() };
    let error = telemetry.query(&all, wide, limits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    let long = format!("SELECT '{}'", "x".repeat(MAX_SQL));
    assert_eq!(refused(&telemetry, &long).await.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_deep_question_is_refused_or_answered_but_does_not_end_the_process() {
    let bench = Bench::new();
    let telemetry = bench.open().await;
    let nested = format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000));
    assert_eq!(refused(&telemetry, &nested).await.kind(), ErrorKind::Invalid);
    let long = format!("SELECT 1{}", "+1".repeat(MAX_PARTS));
    assert_eq!(refused(&telemetry, &long).await.kind(), ErrorKind::TooLarge);
    // As deep as allowed (chains of `+` and of joins go through, too, but planning them takes a debug build long).
    let casts = format!("SELECT 1{}", "::int".repeat(MAX_PARTS / 2 - 1));
    assert_eq!(ask(&telemetry, &tenant("default"), &casts).await, [[json!(1)]]);
    let ands =
        format!("SELECT * FROM logs WHERE severity > 1{}", " AND severity > 1".repeat(MAX_PARTS / 3 - 3));
    assert_eq!(ask(&telemetry, &tenant("default"), &ands).await, Vec::<Vec<Value>>::new());
    let listed = format!("SELECT 7 IN (0{})", ", 1".repeat(10_000));
    assert_eq!(ask(&telemetry, &tenant("default"), &listed).await, [[json!(false)]]);
    assert_eq!(ask(&telemetry, &tenant("default"), "SELECT 1").await, [[json!(1)]]);
}

#[tokio::test]
async fn files_outside_the_time_filter_are_not_opened() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    for day in 0..4 {
        telemetry.append(&all, points("a", 1, day * 86_400, &[1.0, 2.0])).await.unwrap();
        telemetry.flush().await.unwrap();
    }
    let day = |n: i64| Timestamp::from_micros(START + n * 86_400_000_000).to_string();
    for (filter, files, rows) in [
        (format!("time >= '{}'", day(3)), 1, 2),
        (format!("time >= TIMESTAMP '{}'", day(2)), 2, 4),
        (format!("time BETWEEN '{}' AND '{}'", day(1), day(2)), 2, 3),
        (format!("time < '{}' AND value > 0", day(0)), 0, 0),
        (format!("time = '{}'", day(1)), 1, 1),
        ("value > 1".to_owned(), 4, 4),
        ("time > now() + INTERVAL '36500 days'".to_owned(), 0, 0),
    ] {
        for table in ["metric_points", "metrics"] {
            let sql = format!("SELECT * FROM {table} WHERE {filter}");
            let answer = telemetry.query(&all, &sql, QueryLimits::default()).await.unwrap();
            let seen = (answer.scanned_files, answer.pruned_files, answer.rows.len());
            assert_eq!(seen, (files, 4 - files, rows), "{sql}");
        }
    }
}
