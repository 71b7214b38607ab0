#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::fmt::Write;
use std::time::Duration;

use echobase_types::{IngestLimits, TenantId, Timestamp};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::SeriesBudget;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn read(body: &[u8]) -> Result<Decoded, Malformed> {
    let (tenant, limits, budget) =
        (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
    decode(body, &Admission::live(&tenant, &limits, &budget, NOW))
}

#[track_caller]
fn check(body: &str, expected: Expect) {
    let decoded = read(body.as_bytes()).unwrap();
    assert!(decoded.batch.check());
    let mut text = String::new();
    for log in &decoded.batch.logs {
        let resource = &decoded.batch.resources[log.resource as usize].id;
        let attributes: Vec<_> = log.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let ago = NOW.as_millis() - log.time.as_millis();
        let (name, body) = (&log.event_name, &log.body);
        writeln!(text, "{resource} -{ago}ms s{} {name:?} {body:?} {}", log.severity, attributes.join(" "))
            .unwrap();
    }
    for r in &decoded.rejected {
        writeln!(text, "{}: {}: {}", r.at, r.reason.as_str(), r.detail).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn events_are_read_in_all_their_forms() {
    check(
        r#"{"name":"order.placed","message":"two shoes","severity":"warn","resource":{"service.name":"shop"},"n":2,"ok":true}
{"event_name":"a","time":"2027-01-15T07:59:59Z","resource_id":"host:db-3","attributes":{"x":1.5,"none":null},"list":[1,{"a":"b"}]}

  {"body":{"any":"json"},"timestamp":1799999999500,"level":17,"resource":"agent:refunds"}
{"body":5,"time":1799999999.25,"resource":null,"severity":"loud"}
{"name":"b","time":1799999999000000000,"resource":{"service.name":"shop","service.instance.id":"i1"},"trace_id":"D2AA399DAC946DC59C0996DAEEE6F529","span_id":""}
"#,
        expect![[r#"
            service:shop -0ms s13 "order.placed" "two shoes" n=2 ok=true
            host:db-3 -1000ms s0 "a" "" list=[1,{"a":"b"}] x=1.5
            agent:refunds -500ms s17 "" "{\"any\":\"json\"}" 
            service:unknown -750ms s0 "" "5" severity_text=loud
            service:shop -1000ms s0 "b" "" service.instance.id=i1
        "#]],
    );
}

#[test]
fn each_bad_line_is_listed_and_the_others_are_kept() {
    let long = format!(r#"{{"name":"long","k":"{}"}}"#, "x".repeat(65_537));
    let body = format!(
        r#"{{"name":"first"}}
{{"name":
[1,2]
{{"message":""}}
{{"name":7}}
{{"name":"a","time":"yesterday"}}
{{"name":"a","time":"2020-01-01T00:00:00Z"}}
{{"name":"a","time":"2028-01-01T00:00:00Z"}}
{{"name":"a","time":true}}
{{"name":"a","severity":25}}
{{"name":"a","trace_id":"xyz"}}
{{"name":"a","resource_id":"planet:mars"}}
{{"name":"a","resource":[1]}}
{long}
{{"name":"a"}} trailing
{{"name":"last"}}"#
    );
    check(
        &body,
        expect![[r#"
            service:unknown -0ms s0 "first" "" 
            service:unknown -0ms s0 "last" "" 
            line 2: malformed: column 8: line ends within an object
            line 3: malformed: column 0: invalid type: sequence, expected an event as a JSON object
            line 4: missing: event has neither a name nor a body
            line 5: malformed: name is `7`, but must be a text
            line 6: malformed: time is `yesterday`, but must be RFC 3339 with an offset, or a number
            line 7: too_old: 2020-01-01T00:00:00.000000Z is more than 365 days before 2027-01-15T08:00:00.000000Z
            line 8: too_new: 2028-01-01T00:00:00.000000Z is more than 600 s ahead of 2027-01-15T08:00:00.000000Z
            line 9: malformed: time is `true`, but must be RFC 3339 with an offset, or a number
            line 10: malformed: severity is `25`, but must be a word or 0 to 24
            line 11: malformed: trace_id is `xyz`, but must be 32 hexadecimal digits
            line 12: malformed: `planet:mars` is no resource id such as service:shop/orders or host:db-3
            line 13: malformed: column 24: invalid type: sequence, expected resource attributes as a JSON object, or a resource id as text
            line 14: too_long: attribute `k` has 65537 bytes, at most 65536 are taken
            line 15: malformed: column 14: trailing characters
        "#]],
    );
}

#[test]
fn a_body_without_one_event_is_malformed_where_it_first_fails() {
    let error = read(b"\nnonsense\n{}x").unwrap_err();
    assert_eq!(error.to_string(), "parse body at line 2 column 2: expected ident");
    assert!(read(b"").unwrap().batch.is_empty());
    assert!(
        read(b"{}").unwrap().rejected_total() == 1,
        "an object that says nothing is a row, not a broken body"
    );
}

#[test]
fn a_mark_at_the_start_and_ends_of_lines_from_windows_do_not_matter() {
    let decoded = read(b"\xef\xbb\xbf{\"name\":\"a\"}\r\n{\"name\":\"b\"}\r\n").unwrap();
    assert_eq!((decoded.batch.logs.len(), decoded.rejected.len()), (2, 0));
    assert_eq!(decoded.batch.logs[0].time, NOW);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = read(&body);
    }

    #[test]
    fn lines_made_of_json_never_panic(
        body in "([{}\\[\\],:]|\"(name|time|resource|severity|é)\"|-?[0-9]{1,19}|1e9|null|true|\n){0,40}",
    ) {
        if let Ok(decoded) = read(body.as_bytes()) {
            prop_assert!(decoded.batch.check());
        }
    }

    #[test]
    fn every_time_of_the_last_months_reads_back(seconds in 0..20_000_000_u64) {
        let time = NOW - Duration::from_secs(seconds);
        let body = format!("{{\"name\":\"a\",\"time\":\"{time}\"}}\n{{\"name\":\"a\",\"time\":{}}}", time.as_millis());
        let decoded = read(body.as_bytes()).unwrap();
        prop_assert!(decoded.batch.logs.iter().all(|log| log.time == time) && decoded.batch.logs.len() == 2);
    }
}
