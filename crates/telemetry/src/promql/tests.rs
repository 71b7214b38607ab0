#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use echobase_types::signal::{HistogramPoint, MetricPoint};
use echobase_types::{Attributes, SignalBatch};

use super::*;
use crate::promql::evaluate::Series;
use crate::testing::{Bench, START, at, gauge, resource, tenant};

/// `name{label=value,…}` as labels.
fn labels(text: &str) -> Labels {
    let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    let all = pairs.chain([("__name__", name)]);
    Labels::new(all.map(|(name, value)| (Arc::from(name), Arc::from(value))).collect())
}

/// Series with a sample every ten seconds from 0 s on; `_` is none.
fn series(all: &[(&str, &str)]) -> Vec<Series> {
    let samples = |values: &str| {
        let values = values.split_whitespace().enumerate().filter(|(_, value)| *value != "_");
        values.map(|(n, value)| (n as i64 * 10_000, value.parse().unwrap())).collect()
    };
    all.iter().map(|(name, values)| Series { labels: labels(name), samples: samples(values) }).collect()
}

/// What is asked in these tests.
fn stored() -> Vec<Series> {
    series(&[
        ("up{job=a,instance=1}", "1 1 1 1 1 1 1"),
        ("up{job=a,instance=2}", "1 1 1 0 0 0 0"),
        ("up{job=b,instance=3}", "1 1 1 1 1 1 1"),
        ("hits_total{instance=1,code=200}", "0 10 20 30 40 50 60"),
        ("hits_total{instance=1,code=500}", "0 1 2 3 4 5 6"),
        ("hits_total{instance=2,code=200}", "5 25 45 5 25 45 65"),
        ("memory{instance=1,kind=used}", "3 3 3 3 3 3 3"),
        ("memory{instance=1,kind=free}", "1 1 1 1 1 1 1"),
        ("memory{instance=2,kind=used}", "2 2 2 2 2 2 2"),
        ("odd{n=1}", "1.5 _ _ _ _ _ -2.25"),
        ("odd{n=2}", "NaN NaN NaN NaN NaN NaN NaN"),
        ("took_bucket{le=0.5}", "0 1 2 3 4 5 10"),
        ("took_bucket{le=1}", "0 2 4 6 8 10 30"),
        ("took_bucket{le=+Inf}", "0 2 4 6 8 10 40"),
    ])
}

fn evaluated(text: &str, steps: Steps, is_instant: bool) -> Result<PromqlAnswer, PromqlError> {
    let lookback = 300_000;
    let plan = Plan::of(text, steps, lookback)?;
    let all = stored();
    let fits = |selection: &Selection, series: &Series| {
        selection.matchers.iter().all(|m| m.is_match(series.labels.get(&m.name)))
    };
    let of = |selection| all.iter().filter(|series| fits(selection, series)).cloned().collect();
    let data: Vec<Vec<Series>> = plan.selections.iter().map(of).collect();
    let budget = Budget::new(100_000, Arc::default());
    answer(&Evaluator { data: &data, steps, lookback, budget: &budget }, &plan.root, is_instant)
}

fn shown(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != "__name__");
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}{{{}}}", labels.get("__name__"), pairs.join(","))
}

/// Answers at 60 s, one element per line.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let seen = match evaluated(text, Steps::once(60_000), true) {
        Ok(PromqlAnswer::Scalar((_, value))) => vec![value.to_string()],
        Ok(PromqlAnswer::Text(_, text)) => vec![text],
        Ok(PromqlAnswer::Vector(all)) => {
            all.iter().map(|(labels, (_, value))| format!("{} {value}", shown(labels))).collect()
        }
        Ok(PromqlAnswer::Matrix(all)) => {
            let line = |(labels, samples): &(Labels, Vec<Sample>)| {
                let samples: Vec<String> =
                    samples.iter().map(|(at, value)| format!("{value}@{}", at / 1_000)).collect();
                format!("{} {}", shown(labels), samples.join(" "))
            };
            all.iter().map(line).collect()
        }
        Err(error) => vec![format!("{:?}: {error}", error.kind())],
    };
    assert_eq!(seen, expected, "{text}");
}

#[test]
fn selectors_select_by_every_matcher_and_time() {
    check("up", &["up{instance=1,job=a} 1", "up{instance=2,job=a} 0", "up{instance=3,job=b} 1"]);
    check("up{job!='a'}", &["up{instance=3,job=b} 1"]);
    check("up{instance=~'1|3',job=~'.'}", &["up{instance=1,job=a} 1", "up{instance=3,job=b} 1"]);
    check("{__name__=~'u.',instance!~'[13]'}", &["up{instance=2,job=a} 0"]);
    check("up{instance='2'} offset 40s", &["up{instance=2,job=a} 1"]);
    check("up{instance='2'} @ 20", &["up{instance=2,job=a} 1"]);
    check("up{instance='2'} @ end() offset -1m", &["up{instance=2,job=a} 0"]);
    check("up{x='1'}", &[]);
    check("up offset 10m", &[]);
    check("odd{n='1'} offset 10s", &["odd{n=1} 1.5"]);
    check("hits_total{code='500'}[20s]", &["hits_total{code=500,instance=1} 4@40 5@50 6@60"]);
    check("hits_total{code='500'}[10s] @ 20", &["hits_total{code=500,instance=1} 1@10 2@20"]);
}

#[test]
fn functions_of_ranges_answer_for_each_series() {
    check("rate(hits_total{code='200'}[1m])", &["{code=200,instance=1} 1", "{code=200,instance=2} 1.75"]);
    check("increase(hits_total{code='500'}[1m] offset 10s)", &["{code=500,instance=1} 5"]);
    check("irate(hits_total{code='500'}[1m])", &["{code=500,instance=1} 0.1"]);
    check("sum_over_time(hits_total{code='500'}[20s])", &["{code=500,instance=1} 15"]);
    check("last_over_time(hits_total{code='500'}[20s])", &["hits_total{code=500,instance=1} 6"]);
    check("quantile_over_time(0.5, hits_total{code='500'}[1m])", &["{code=500,instance=1} 3"]);
    check("predict_linear(hits_total{code='500'}[1m], 10)", &["{code=500,instance=1} 7"]);
    check("changes(up[1m])", &["{instance=1,job=a} 0", "{instance=2,job=a} 1", "{instance=3,job=b} 0"]);
    check("resets(hits_total{instance='2'}[1m])", &["{code=200,instance=2} 1"]);
    check("max_over_time(sum(up)[1m:10s])", &["{} 3"]);
    check("avg_over_time(rate(hits_total{code='500'}[20s])[20s:20s])", &["{code=500,instance=1} 0.1"]);
    // A subquery looks at whole multiples of its step: 45 and 60 s, not 55.
    check("count_over_time(up{job='b'}[15s:15s])", &["{instance=3,job=b} 2"]);
    check("rate({__name__=~'up|memory',instance='3'}[1m])", &["{instance=3,job=b} 0"]);
}

#[test]
fn functions_of_values_answer_for_each_element() {
    check("abs(odd)", &["{n=1} 2.25", "{n=2} NaN"]);
    check("round(odd{n='1'})", &["{n=1} -2"]);
    check("round(odd{n='1'}, 0.5)", &["{n=1} -2"]);
    check("ceil(odd{n='1'}) + floor(odd{n='1'})", &["{n=1} -5"]);
    check("sgn(odd)", &["{n=1} -1", "{n=2} NaN"]);
    check("clamp(odd, -1, 1)", &["{n=1} -1", "{n=2} NaN"]);
    check("clamp(odd, 1, -1)", &[]);
    check("clamp_min(odd{n='1'}, 0) + clamp_max(odd{n='1'}, -3)", &["{n=1} -3"]);
    check(
        "sqrt(vector(16)) + exp(vector(0)) + ln(vector(1)) + log2(vector(8)) + log10(vector(100))",
        &["{} 10"],
    );
    check("timestamp(odd{n='1'} offset 10s)", &["{n=1} 0"]);
    check("timestamp(odd{n='1'} + 1)", &["{n=1} 60"]);
    check("time()", &["60"]);
    check("hour(vector(7200)) + minute()", &["{} 3"]);
    check("scalar(up{job='b'}) + scalar(up)", &["NaN"]);
    check("vector(scalar(up{job='b'}))", &["{} 1"]);
    check("absent(up)", &[]);
    check("absent(down{job='x',a!='b',c='d',c='e'})", &["{job=x} 1"]);
    check("absent(sum(down{job='x'}))", &["{} 1"]);
    check("absent_over_time(down{job='x'}[1m])", &["{job=x} 1"]);
    check("sort(up{job='a'})", &["up{instance=2,job=a} 0", "up{instance=1,job=a} 1"]);
    check("sort_desc(odd)", &["odd{n=1} -2.25", "odd{n=2} NaN"]);
    check("histogram_quantile(0.5, took_bucket)", &["{} 0.75"]);
    check("histogram_quantile(0.9, rate(took_bucket[20s]))", &["{} 1"]);
    check(
        "label_replace(up{job='b'}, 'x', '$1-$2', 'instance', '(.)(.*)')",
        &["up{instance=3,job=b,x=3-} 1"],
    );
    check("label_replace(up{job='b'}, 'job', '', 'instance', '3')", &["up{instance=3} 1"]);
    check("label_replace(up{job='b'}, 'job', 'x', 'instance', '4')", &["up{instance=3,job=b} 1"]);
    check("label_join(up{job='b'}, 'x', '/', 'job', 'instance', 'none')", &["up{instance=3,job=b,x=b/3/} 1"]);
    check("-up{job='b'} + 1", &["{instance=3,job=b} 0"]);
    check("'text'", &["text"]);
}

#[test]
fn aggregations_fold_groups() {
    check("sum(up)", &["{} 2"]);
    check("sum by (job) (up)", &["{job=a} 1", "{job=b} 1"]);
    check("sum without (instance) (up)", &["{job=a} 1", "{job=b} 1"]);
    check("avg(memory) + min(memory) + max(memory) + count(memory) + group(memory)", &["{} 10"]);
    check("stdvar(memory{instance='1'}) + stddev(memory{instance='1'})", &["{} 2"]);
    check("quantile(0.25, memory)", &["{} 1.5"]);
    check("topk(1, memory)", &["memory{instance=1,kind=used} 3"]);
    check(
        "topk by (instance) (1, memory)",
        &["memory{instance=1,kind=used} 3", "memory{instance=2,kind=used} 2"],
    );
    check("bottomk(2, memory)", &["memory{instance=1,kind=free} 1", "memory{instance=2,kind=used} 2"]);
    check("topk(5, odd)", &["odd{n=1} -2.25", "odd{n=2} NaN"]);
    check("topk(0, odd)", &[]);
    check("count_values('v', up)", &["{v=0} 1", "{v=1} 2"]);
    check("count_values by (job) ('v', up{job='a'})", &["{job=a,v=0} 1", "{job=a,v=1} 1"]);
    check("sum(down)", &[]);
}

#[test]
fn operators_match_elements() {
    check("1 + 2 * 3 ^ 2 % 5 - -4", &["8"]);
    check("1 > bool 2", &["0"]);
    check("up == 0", &["up{instance=2,job=a} 0"]);
    check("0 == up", &["up{instance=2,job=a} 0"]);
    check("2 > up{job='a'}", &["up{instance=1,job=a} 1", "up{instance=2,job=a} 0"]);
    check("up{job='a'} > bool 0", &["{instance=1,job=a} 1", "{instance=2,job=a} 0"]);
    check(
        "memory / ignoring(kind) group_left sum without (kind) (memory)",
        &["{instance=1,kind=free} 0.25", "{instance=1,kind=used} 0.75", "{instance=2,kind=used} 1"],
    );
    check(
        "memory * on(instance) group_left(job) up",
        &[
            "{instance=1,job=a,kind=free} 1",
            "{instance=1,job=a,kind=used} 3",
            "{instance=2,job=a,kind=used} 0",
        ],
    );
    check(
        "up * on(instance) group_right(job) memory{kind='used'}",
        &["{instance=1,job=a,kind=used} 3", "{instance=2,job=a,kind=used} 0"],
    );
    check("memory{kind='used'} - on(instance) memory{kind='free'}", &["{instance=1} 2"]);
    check("memory{kind='used'} > on(instance) memory{kind='free'}", &["{instance=1} 3"]);
    check("up and on(instance) memory{kind='free'}", &["up{instance=1,job=a} 1"]);
    check("up unless on(instance) memory", &["up{instance=3,job=b} 1"]);
    check(
        "up{job='b'} or up",
        &["up{instance=1,job=a} 1", "up{instance=2,job=a} 0", "up{instance=3,job=b} 1"],
    );
    check("sum(down) or vector(0)", &["{} 0"]);
}

#[test]
fn what_is_wrong_or_not_offered_says_so() {
    let refused = |text: &str, words: &str| {
        let error = evaluated(text, Steps::once(60_000), true).expect_err(text);
        assert!(error.to_string().contains(words), "{text}: {error}");
        error.kind()
    };
    use echobase_types::ErrorKind::{Invalid, Unprocessable};
    for (text, words, kind) in [
        ("sum(", "parse", Invalid),
        ("up[5m", "parse", Invalid),
        ("rate(up)", "expected type matrix", Invalid),
        ("up[1e300]", "parse", Invalid),
        ("{job=~'.*'}", "non-empty matcher", Invalid),
        ("no_such_function(up)", "parse", Invalid),
        ("sin(up)", "the function `sin` is not supported", Unprocessable),
        ("holt_winters(up[1m], 0.5, 0.5)", "", Invalid),
        ("limitk(1, up)", "the aggregation `limitk` is not supported", Unprocessable),
        ("up atan2 up", "the operator `atan2` is not supported", Unprocessable),
        ("memory + on(instance) up", "many-to-one matching must be explicit", Unprocessable),
        ("up + on(instance) memory", "duplicate series for the match group", Unprocessable),
        (
            "memory * on(instance) group_left(job) up * on(job) group_left up",
            "duplicate series",
            Unprocessable,
        ),
        (
            "abs({__name__=~'up|memory',instance='9'}) or label_replace(up, 'instance', 'x', '', '')",
            "same labelset",
            Unprocessable,
        ),
        ("label_replace(up, 'a b', '', '', '')", "label name", Unprocessable),
        ("label_replace(up, 'a', '', '', '(')", "regular expression", Unprocessable),
        ("count_values('a b', up)", "label name", Unprocessable),
        ("topk(NaN, up)", "no number of elements", Unprocessable),
        ("sum_over_time(up[10y:1ms])", "30000000", Unprocessable),
    ] {
        // The bound on values is small in tests.
        let words = if words == "30000000" { "more than 100000 values" } else { words };
        assert_eq!(refused(text, words), kind, "{text}");
    }
    // Nesting is walked on the stack, of which the threads that do so have this much.
    let deep =
        || Plan::of(&format!("{}1{}", "(".repeat(8_000), ")".repeat(8_000)), Steps::once(0), 0).is_ok();
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(deep);
    assert!(thread.unwrap().join().unwrap());
    assert_eq!(refused(&"1+".repeat(9_000), "bytes of text"), Unprocessable);
}

#[test]
fn a_range_of_times_is_answered_step_by_step() {
    let steps = Steps::between(0, 60_000, 20_000);
    for (text, expected) in [
        ("up{instance='2'}", "up{instance=2,job=a} 1@0 1@20 0@40 0@60"),
        ("up{instance='2'} == 1", "up{instance=2,job=a} 1@0 1@20"),
        ("up{instance='2'} @ start()", "up{instance=2,job=a} 1@0 1@20 1@40 1@60"),
        ("time()", "{} 0@0 20@20 40@40 60@60"),
        ("absent(up{instance='2'} == 1)", "{} 1@40 1@60"),
        ("sum(up)", "{} 3@0 3@20 2@40 2@60"),
        ("rate(hits_total{code='500'}[20s])", "{code=500,instance=1} 0.1@20 0.1@40 0.1@60"),
        ("sum_over_time(up{instance='2'}[20s:10s])", "{instance=2,job=a} 1@0 3@20 1@40 0@60"),
    ] {
        let Ok(PromqlAnswer::Matrix(all)) = evaluated(text, steps, false) else { panic!("{text}") };
        let line = |(labels, samples): &(Labels, Vec<Sample>)| {
            let samples: Vec<String> = samples.iter().map(|(at, v)| format!("{v}@{}", at / 1_000)).collect();
            format!("{} {}", shown(labels), samples.join(" "))
        };
        assert_eq!(all.iter().map(line).collect::<Vec<_>>(), [expected], "{text}");
    }
    assert!(evaluated("up[1m]", steps, false).is_err() && evaluated("'a'", steps, false).is_err());
}

#[test]
fn work_stops_when_nobody_waits() {
    let budget = Budget::new(100, Arc::new(AtomicBool::new(true)));
    assert!(matches!(budget.spend(1), Err(PromqlError::Stopped)));
    let budget = Budget::new(100, Arc::default());
    assert!(budget.spend(100).is_ok() && matches!(budget.spend(1), Err(PromqlError::TooLarge { .. })));
}

#[test]
fn times_are_bounded() {
    let second = |n: i64| Timestamp::from_secs(n);
    let range =
        |to: i64, every: u64| PromqlTimes::Range(second(0), second(to), Duration::from_secs(every)).steps();
    assert_eq!(range(60, 15).unwrap().count, 5);
    assert_eq!(range(59, 15).unwrap().count, 4);
    assert!(
        range(10_999, 1).is_ok()
            && range(11_000, 1).is_err()
            && range(-1, 1).is_err()
            && range(1, 0).is_err()
    );
}

/// A batch with one gauge of each name and attributes, with its number as its value at each of these seconds.
fn batch(all: &[(&str, &[(&str, &str)])], seconds: &[i64]) -> SignalBatch {
    let mut batch = SignalBatch { resources: vec![resource("shop")], ..SignalBatch::default() };
    for (n, (name, attributes)) in all.iter().enumerate() {
        let mut series = gauge(n as u64 + 1, name);
        series.attributes = attributes.iter().copied().collect();
        batch.series.push(series);
        let point = |second: &i64| MetricPoint {
            series: n as u32,
            time: at(START + second * 1_000_000),
            value: n as f64,
        };
        batch.points.extend(seconds.iter().map(point));
    }
    batch
}

async fn ask(telemetry: &Telemetry, text: &str, second: i64) -> Vec<String> {
    let query = PromqlQuery {
        text: text.to_owned(),
        times: PromqlTimes::At(at(START + second * 1_000_000)),
        lookback: Duration::from_secs(300),
        timeout: Duration::from_secs(30),
    };
    match telemetry.promql(&tenant("default"), query).await.unwrap() {
        PromqlAnswer::Vector(all) => {
            all.iter().map(|(labels, (_, value))| format!("{} {value}", shown(labels))).collect()
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn all_of(selectors: &[&str]) -> PromqlSelection {
    PromqlSelection {
        selectors: selectors.iter().map(|text| (*text).to_owned()).collect(),
        from: at(START),
        to: at(START + 60_000_000),
    }
}

#[tokio::test]
async fn stored_series_are_served_with_names_that_promql_can_write() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let batch = batch(
        &[
            ("queue.length", &[("k8s.pod", "p1"), ("k8s_pod", "p2")]),
            ("up", &[("job", "node"), ("instance", "i")]),
            ("twice.told", &[]),
            ("twice_told", &[]),
        ],
        &[0, 10],
    );
    telemetry.append(&all, batch).await.unwrap();
    let queue = "queue_length{job=shop,k8s_pod=p1;p2,resource_id=service:shop} 0";
    for flushed in [false, true] {
        if flushed {
            telemetry.flush().await.unwrap();
        }
        assert_eq!(ask(&telemetry, "queue_length", 10).await, [queue]);
        assert_eq!(ask(&telemetry, "{__name__='queue.length'}", 10).await, [queue]);
        assert_eq!(ask(&telemetry, "{__name__=~'queue.*',k8s_pod=~'p1.*'}", 10).await, [queue]);
        assert_eq!(
            ask(&telemetry, "{__name__!='queue.length',job='shop',__name__!~'twice.*'}", 10).await,
            [""; 0]
        );
        // What brought its own job comes back as it came.
        assert_eq!(ask(&telemetry, "up", 10).await, ["up{instance=i,job=node} 1"]);
        let twice = ask(&telemetry, "twice_told", 10).await;
        assert_eq!(
            twice,
            [
                "twice_told{job=shop,resource_id=service:shop,series_id=0000000000000003} 2",
                "twice_told{job=shop,resource_id=service:shop,series_id=0000000000000004} 3",
            ]
        );
        assert_eq!(ask(&telemetry, "sum(count_over_time({__name__=~'.+'}[1m]))", 10).await, ["{} 8"]);
        assert_eq!(ask(&telemetry, "up", 400).await, [""; 0]);
    }
    let names = telemetry.promql_labels(&all, SeriesList::LabelNames, all_of(&[])).await.unwrap();
    assert_eq!(names, ["__name__", "instance", "job", "k8s_pod", "resource_id"]);
    let values = |name: &str| SeriesList::LabelValues(name.to_owned());
    let found =
        telemetry.promql_labels(&all, values("__name__"), all_of(&["{job='node'}", "queue_length"])).await;
    assert_eq!(found.unwrap(), ["queue_length", "up"]);
    let found = telemetry.promql_series(&all, all_of(&["up"])).await.unwrap();
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["up{instance=i,job=node}"]);
    assert!(telemetry.promql_series(&tenant("other"), all_of(&["up"])).await.unwrap().is_empty());
    let metrics = telemetry.promql_metrics(&all).await.unwrap();
    assert_eq!(
        metrics[0],
        MetricFamily { name: "queue_length".to_owned(), kind: "gauge", unit: "1".to_owned() }
    );
    assert_eq!(metrics.len(), 3);
}

#[tokio::test]
async fn distributions_are_served_as_classic_histograms() {
    let (bench, all) = (Bench::new(), tenant("default"));
    let telemetry = bench.open().await;
    let mut series = gauge(7, "request.duration");
    series.kind = MetricKind::Histogram;
    series.attributes = Attributes::new();
    let histogram = |second: i64, cumulative: bool, counts: [u64; 3]| HistogramPoint {
        series: 0,
        time: at(START + second * 1_000_000),
        cumulative,
        count: counts.iter().sum(),
        sum: 1.5,
        bounds: vec![0.25, 1.0],
        counts: counts.to_vec(),
    };
    let batch = SignalBatch {
        resources: vec![resource("shop")],
        series: vec![series],
        histograms: vec![
            histogram(0, true, [1, 0, 0]),
            histogram(10, true, [4, 4, 2]),
            histogram(20, false, [9, 9, 9]),
        ],
        ..SignalBatch::default()
    };
    telemetry.append(&all, batch).await.unwrap();
    for (text, expected) in [
        ("sum by (le) (request_duration_bucket)", vec!["{le=+Inf} 10", "{le=0.25} 4", "{le=1} 8"]),
        ("sum by (le) (request_duration_bucket{le!='+Inf',le!='1'})", vec!["{le=0.25} 4"]),
        ("sum(request_duration_count) + sum(request_duration_sum)", vec!["{} 11.5"]),
        ("sum({__name__='request.duration_count'})", vec!["{} 10"]),
        ("request_duration", vec![]),
        ("histogram_quantile(0.5, sum by (le) (request_duration_bucket))", vec!["{} 0.4375"]),
        ("sum(rate(request_duration_count[10s]))", vec![]),
    ] {
        assert_eq!(ask(&telemetry, text, 30).await, expected, "{text}");
    }
    let values = telemetry.promql_labels(&all, SeriesList::LabelValues("le".to_owned()), all_of(&[])).await;
    assert_eq!(values.unwrap(), ["+Inf", "0.25", "1"]);
    let names = telemetry.promql_labels(&all, SeriesList::LabelNames, all_of(&[])).await.unwrap();
    assert!(names.contains(&"le".to_owned()), "{names:?}");
    assert_eq!(telemetry.promql_series(&all, all_of(&["{le='1'}"])).await.unwrap().len(), 1);
}
