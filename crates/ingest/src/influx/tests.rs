#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use echobase_types::{IngestLimits, TenantId};
use proptest::prelude::*;

use super::*;
use crate::SeriesBudget;

const NOW: i64 = 1_800_000_000;

fn read(body: impl AsRef<[u8]>, precision: Precision) -> Result<Decoded, Malformed> {
    let (tenant, limits, budget) =
        (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
    let admission = Admission::live(&tenant, &limits, &budget, Timestamp::from_secs(NOW));
    decode(body.as_ref(), precision, &admission)
}

/// Name, attributes and value of each point.
fn points(decoded: &Decoded) -> Vec<(String, String, f64)> {
    let batch = &decoded.batch;
    let written = |point: &echobase_types::signal::MetricPoint| {
        let series = &batch.series[point.series as usize];
        let attributes: Vec<String> = series.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (series.name.clone(), attributes.join(" "), point.value)
    };
    batch.points.iter().map(written).collect()
}

/// Name, attributes and value.
type Told = (&'static str, &'static str, f64);

#[test]
fn lines_become_points_as_they_are_written() {
    let table: [(&str, &[Told]); 8] = [
        (
            "cpu,host=a,cpu=cpu0 user=1.5,idle=98i 1800000000000000000",
            &[("cpu_user", "cpu=cpu0 host=a", 1.5), ("cpu_idle", "cpu=cpu0 host=a", 98.0)],
        ),
        ("temp value=-2.5e-1", &[("temp", "", -0.25)]),
        (
            "up ok=t,bad=False,n=18446744073709551615u",
            &[("up_ok", "", 1.0), ("up_bad", "", 0.0), ("up_n", "", 18_446_744_073_709_551_615.0)],
        ),
        (r"a\ b\,c,t\=1=x\ y v\,w=1", &[("a b,c_v,w", "t=1=x y", 1.0)]),
        (r#"m,host=a text="one, \"two\" = 3",n=4i"#, &[("m_n", "host=a", 4.0)]),
        (r"path,dir=C:\temp n=1", &[("path_n", r"dir=C:\temp", 1.0)]),
        ("m,empty= n=1   ", &[("m_n", "", 1.0)]),
        ("weather,place=Zürich value=7", &[("weather", "place=Zürich", 7.0)]),
    ];
    for (line, expected) in table {
        let decoded = read(line, Precision::Nanoseconds).unwrap();
        let expected: Vec<_> =
            expected.iter().map(|(n, a, v)| ((*n).to_owned(), (*a).to_owned(), *v)).collect();
        assert_eq!(points(&decoded), expected, "{line}");
        assert_eq!(decoded.rejected, [], "{line}");
        assert!(decoded.batch.check());
    }
}

#[test]
fn times_are_in_the_unit_that_was_said_and_now_where_none_is() {
    let table = [
        ("", "1799999999000000000"),
        ("ns", "1799999999000000000"),
        ("u", "1799999999000000"),
        ("us", "1799999999000000"),
        ("ms", "1799999999000"),
        ("s", "1799999999"),
    ];
    for (precision, time) in table {
        let decoded = read(format!("m v=1 {time}"), Precision::parse(precision).unwrap()).unwrap();
        assert_eq!(decoded.batch.points[0].time, Timestamp::from_secs(NOW - 1), "{precision}");
    }
    let minutes = read("m v=1 29999999", Precision::parse("m").unwrap()).unwrap();
    assert_eq!(minutes.batch.points[0].time, Timestamp::from_secs(29_999_999 * 60));
    let hours = read("m v=1 499999", Precision::parse("h").unwrap()).unwrap();
    assert_eq!(hours.batch.points[0].time, Timestamp::from_secs(499_999 * 3_600));
    assert_eq!(read("m v=1", Precision::Seconds).unwrap().batch.points[0].time, Timestamp::from_secs(NOW));
    assert_eq!(Precision::parse("d"), None);
    let beyond = read("m v=1 9223372036854775807", Precision::Hours).unwrap();
    assert_eq!(beyond.rejected[0].reason, RejectReason::TooNew);
}

#[test]
fn a_line_of_texts_is_an_event() {
    let decoded = read(r#"deploy,host=a,team=x version="1.2",by="anna""#, Precision::Seconds).unwrap();
    let record = &decoded.batch.logs[0];
    assert_eq!((record.event_name.as_str(), record.attributes.text("version")), ("deploy", Some("1.2")));
    assert_eq!((record.attributes.text("team"), record.attributes.text("by")), (Some("x"), Some("anna")));
    assert_eq!(decoded.batch.resources[0].id.as_str(), "host:a");
}

#[test]
fn a_bad_line_is_listed_with_its_place_and_the_others_are_kept() {
    let body = "# a comment\n\nm v=1\nm\nm,a v=1\nm,a=b v\nm v=1 x\nm v=1x\nm v=\"open\nm v=nan\nm v=1 2000000000\n,a=b v=1\nm v=2\r\n";
    let decoded = read(body, Precision::Seconds).unwrap();
    let listed: Vec<(&str, RejectReason)> =
        decoded.rejected.iter().map(|r| (r.at.as_str(), r.reason)).collect();
    use RejectReason::{Malformed, TooNew};
    let expected = [
        ("line 4", Malformed),
        ("line 5", Malformed),
        ("line 6", Malformed),
        ("line 7", Malformed),
        ("line 8", Malformed),
        ("line 9", Malformed),
        ("line 10", Malformed),
        ("line 11 field v", TooNew),
        ("line 12", Malformed),
    ];
    assert_eq!(listed, expected);
    assert_eq!(decoded.batch.points.len(), 2);
    let whole = read("no line at all", Precision::Seconds).unwrap_err();
    assert_eq!(whole.position, Position::Line { line: 1, column: 8 });
}

proptest! {
    #[test]
    fn what_is_escaped_reads_back(
        measurement in "[a-z ,=]{1,8}", key in "[a-z ,=]{1,8}", tag in "[a-zA-Z ,=ü]{1,9}", text in r#"[a-z"\\ ,=]{0,9}"#,
    ) {
        let word = |text: &str, also: &str| {
            text.chars().map(|c| if also.contains(c) { format!("\\{c}") } else { c.to_string() }).collect::<String>()
        };
        let quoted = word(&text, "\"\\");
        let line = format!("{},{}={} s=\"{quoted}\"", word(&measurement, ", "), word(&key, ",= "), word(&tag, ",= "));
        let parsed = line::parse(&line).unwrap();
        prop_assert_eq!(parsed.measurement.as_ref(), &measurement);
        prop_assert_eq!((parsed.tags[0].0.as_ref(), parsed.tags[0].1.as_ref()), (key.as_str(), tag.as_str()));
        prop_assert_eq!(&parsed.fields[0].1, &Value::Text(text.into()));
    }

    #[test]
    fn no_body_makes_it_panic(bytes: Vec<u8>, text in r#"[ab,= "\\\n1i.#]{0,60}"#) {
        let _ = read(&bytes, Precision::Hours);
        let _ = read(&text, Precision::Nanoseconds);
    }
}
