#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::fmt::Write;

use echobase_types::{IngestLimits, ResourceKind, TenantId};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::{SeriesBudget, identity};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn read_as(body: &[u8], format: Format, conflict: LabelConflict) -> Result<Decoded, Malformed> {
    let origin = Origin {
        resource: identity::named(ResourceKind::Service, "shop", Attributes::new()),
        labels: [("job", "shop")].into_iter().collect(),
        conflict,
    };
    let (tenant, limits, budget) =
        (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
    decode(body, format, &origin, &Admission::live(&tenant, &limits, &budget, NOW))
}

fn shown(decoded: &Decoded) -> String {
    let mut text = String::new();
    let batch = &decoded.batch;
    let name = |series: u32| {
        let series = &batch.series[series as usize];
        let labels: Vec<_> =
            series.attributes.iter().filter(|(k, _)| *k != "job").map(|(k, v)| format!("{k}={v}")).collect();
        format!("{} {{{}}} {}{}", series.name, labels.join(","), series.kind.as_str(), series.unit)
    };
    let when = |time: Timestamp| (time.as_millis() - NOW.as_millis()).to_string();
    for p in &batch.points {
        writeln!(text, "{} = {} @{}", name(p.series), p.value, when(p.time)).unwrap();
    }
    for h in &batch.histograms {
        let (bounds, counts) = (&h.bounds, &h.counts);
        writeln!(
            text,
            "{} = {bounds:?} {counts:?} n{} sum {} @{}",
            name(h.series),
            h.count,
            h.sum,
            when(h.time)
        )
        .unwrap();
    }
    for r in &decoded.rejected {
        writeln!(text, "{}: {}: {}", r.at, r.reason.as_str(), r.detail).unwrap();
    }
    text
}

#[track_caller]
fn check(format: Format, body: &str, expected: Expect) {
    let decoded = read_as(body.as_bytes(), format, LabelConflict::TargetWins).unwrap();
    assert!(decoded.batch.check());
    expected.assert_eq(&shown(&decoded));
}

#[test]
fn text_of_all_types_is_read() {
    check(
        Format::Text,
        r#"# HELP http_requests_total The total "number" \ of requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1800000000500
http_requests_total {method="post", code="400",} 3

# a comment
# TYPE temperature gauge
temperature -3.5e1
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot \"find\"\nfile"} 1.458255915e9
untyped_total 4
# TYPE rpc summary
rpc{quantile="0.5"} 4773
rpc_sum 1.7560473e+07
rpc_count 2693
# TYPE latency histogram
latency_bucket{le="0.05"} 24054
latency_bucket{le="0.1"} 33444
latency_bucket{le="+Inf"} 144320
latency_sum 53423
latency_count 144320
"#,
        expect![[r#"
            http_requests_total {code=200,method=post} counter = 1027 @500
            http_requests_total {code=400,method=post} counter = 3 @0
            temperature {} gauge = -35 @0
            msdos_file_access_time_seconds {error=Cannot "find"
            file,path=C:\DIR\FILE.TXT} gauge = 1458255915 @0
            untyped_total {} counter = 4 @0
            rpc {quantile=0.5} gauge = 4773 @0
            rpc_sum {} counter = 17560473 @0
            rpc_count {} counter = 2693 @0
            latency {} histogram = [0.05, 0.1] [24054, 9390, 110876] n144320 sum 53423 @0
        "#]],
    );
}

#[test]
fn openmetrics_of_all_types_is_read() {
    check(
        Format::OpenMetrics,
        r#"# TYPE acme_http_seconds counter
# UNIT acme_http_seconds seconds
acme_http_seconds_total{path="/api"} 12.5 1799999999.5 # {trace_id="KOO5S4vxi0o"} 0.67
acme_http_seconds_created{path="/api"} 1605281325.0
# TYPE build info
build_info{version="1"} 1
# TYPE g gaugehistogram
g_bucket{le="1.0"} 2
g_bucket{le="+Inf"} 5
g_gcount 5
g_gsum 3.5
# TYPE "quoted.name" gauge
{"quoted.name", "l.a"="b"} 7
# EOF
"#,
        expect![[r#"
            acme_http_seconds_total {path=/api} counterseconds = 12.5 @-500
            build_info {version=1} gauge = 1 @0
            quoted.name {l.a=b} gauge = 7 @0
            g {} histogram = [1.0] [2, 3] n5 sum 3.5 @0
        "#]],
    );
}

#[test]
fn each_bad_line_is_listed_and_the_others_are_kept() {
    check(
        Format::Text,
        "good 1\nnan NaN\ninf +Inf\nno_value\nbad_value x1\nopen{a=\"b 1\nno_quote{a=b} 1\ntwice{a=\"1\",a=\"2\"} 1\n\
         esc{a=\"\\t\"} 1\ntime 1 2 3\ntime 1 soon\n{} 1\n# TYPE x nonsense\nold 1 1500000000000\nahead 1 1900000000000\n\
         a{b=\"c\" d=\"e\"} 1\n# TYPE h histogram\nh_bucket 1\nh_bucket{le=\"x\"} 1\nlast 2",
        expect![[r#"
            good {} gauge = 1 @0
            last {} gauge = 2 @0
            line 2: not_finite: `nan` is NaN
            line 3: not_finite: `inf` is inf
            line 4: malformed: column 9: expected a value
            line 5: malformed: column 11: `x1` is no number
            line 6: malformed: column 8: text in quotes does not end
            line 7: malformed: column 12: expected `"`
            line 8: malformed: column 1: label `a` stands twice
            line 9: malformed: column 8: unknown escape: use \\, \" or \n
            line 10: malformed: column 10: expected the end of the line
            line 11: malformed: column 8: `soon` is no time stamp
            line 12: malformed: column 1: expected a metric name
            line 13: malformed: column 10: `nonsense` is no metric type
            line 14: too_old: 2017-07-14T02:40:00.000000Z is more than 365 days before 2027-01-15T08:00:00.000000Z
            line 15: too_new: 2030-03-17T17:46:40.000000Z is more than 600 s ahead of 2027-01-15T08:00:00.000000Z
            line 16: malformed: column 9: expected `,` or `}`
            line 18: malformed: bucket has no label le
            line 19: malformed: label le is `x`, which is no number
        "#]],
    );
}

#[test]
fn broken_histograms_are_refused_at_their_first_line() {
    check(
        Format::Text,
        "# TYPE h histogram\nh_bucket{p=\"falls\",le=\"1\"} 5\nh_bucket{p=\"falls\",le=\"+Inf\"} 4\n\
         h_bucket{p=\"cut\",le=\"1\"} 5\nh_bucket{p=\"by count\",le=\"1\"} 5\nh_count{p=\"by count\"} 6\n\
         h_sum{p=\"plain\"} 2\nh_count{p=\"plain\"} 9\nh_count{p=\"minus\"} -1\n",
        expect![[r#"
            h {p=by count} histogram = [1.0] [5, 1] n6 sum 0 @0
            h {p=plain} histogram = [] [9] n9 sum 2 @0
            line 2: malformed: buckets of histogram `h` fall from 5 to 4
            line 4: missing: histogram `h` has neither a bucket +Inf nor a count
            line 9: malformed: histogram `h` counts -1 values
        "#]],
    );
}

#[test]
fn labels_of_target_and_sample_do_not_mix() {
    for (conflict, own, exported) in
        [(LabelConflict::TargetWins, "shop", Some("mine")), (LabelConflict::SampleWins, "mine", None)]
    {
        let decoded = read_as(b"a{job=\"mine\",empty=\"\"} 1\n", Format::Text, conflict).unwrap();
        let labels = &decoded.batch.series[0].attributes;
        assert_eq!((labels.text("job"), labels.text("exported_job")), (Some(own), exported));
        assert_eq!(labels.get("empty"), None);
    }
}

#[test]
fn openmetrics_that_was_cut_is_refused_as_a_whole() {
    let cut = read_as(b"a 1\nb 2", Format::OpenMetrics, LabelConflict::TargetWins).unwrap_err();
    assert_eq!(cut.to_string(), "parse body at line 2 column 4: body does not end in # EOF, so it was cut");
    let late = read_as(b"a 1\n# EOF\nb 2\n", Format::OpenMetrics, LabelConflict::TargetWins).unwrap();
    assert_eq!((late.batch.points.len(), late.rejected[0].at.as_str()), (1, "line 3"));
}

#[test]
fn a_line_that_is_not_utf8_costs_itself_only() {
    let decoded = read_as(b"a 1\nb{c=\"\xff\"} 1\nd 1\n", Format::Text, LabelConflict::TargetWins).unwrap();
    assert_eq!((decoded.batch.points.len(), decoded.rejected[0].at.as_str()), (2, "line 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Text, Format::OpenMetrics] {
            _ = read_as(&body, format, LabelConflict::TargetWins);
        }
    }

    #[test]
    fn texts_made_of_the_formats_own_marks_never_panic(
        body in "([a-z{}=\",#\\\\\n ]|# TYPE |# UNIT |# EOF|_bucket|le=\"|histogram|1|é){0,60}",
    ) {
        for format in [Format::Text, Format::OpenMetrics] {
            if let Ok(decoded) = read_as(body.as_bytes(), format, LabelConflict::SampleWins) {
                prop_assert!(decoded.batch.check());
            }
        }
    }

    #[test]
    fn every_label_value_reads_back(value in "\\PC{1,30}|[\\\\\"\n]{1,9}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let decoded = read_as(format!("a{{b=\"{escaped}\"}} 1").as_bytes(), Format::Text, LabelConflict::TargetWins).unwrap();
        prop_assert_eq!(decoded.batch.series[0].attributes.text("b"), Some(value.as_str()));
    }
}
