//! Answers as text: written in one go, for they may have millions of values.

use std::fmt::Write;

use echobase_api::promql::PromqlEnvelope;
use echobase_telemetry::{Labels, PromqlAnswer, Sample};

/// An envelope as JSON.
pub(super) fn envelope(envelope: &PromqlEnvelope) -> String {
    serde_json::to_string(envelope)
        .unwrap_or_else(|_| r#"{"status":"error","errorType":"internal"}"#.to_owned())
}

/// An answer in its envelope.
pub(super) fn answer(answer: &PromqlAnswer) -> String {
    let mut out = String::from(r#"{"status":"success","data":{"resultType":""#);
    match answer {
        PromqlAnswer::Scalar(sample) => {
            out.push_str(r#"scalar","result":"#);
            push_sample(&mut out, *sample);
        }
        PromqlAnswer::Text(at, text) => {
            out.push_str(r#"string","result":["#);
            push_time(&mut out, *at);
            out.push(',');
            push_text(&mut out, text);
            out.push(']');
        }
        PromqlAnswer::Vector(elements) => {
            out.push_str(r#"vector","result":["#);
            for (n, (labels, sample)) in elements.iter().enumerate() {
                push_metric(&mut out, n, labels);
                out.push_str(r#","value":"#);
                push_sample(&mut out, *sample);
                out.push('}');
            }
            out.push(']');
        }
        PromqlAnswer::Matrix(series) => {
            out.push_str(r#"matrix","result":["#);
            for (n, (labels, samples)) in series.iter().enumerate() {
                push_metric(&mut out, n, labels);
                out.push_str(r#","values":["#);
                for (n, sample) in samples.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    push_sample(&mut out, *sample);
                }
                out.push_str("]}");
            }
            out.push(']');
        }
    }
    out.push_str("}}");
    out
}

fn push_metric(out: &mut String, n: usize, labels: &Labels) {
    out.push_str(if n > 0 { r#",{"metric":{"# } else { r#"{"metric":{"# });
    for (n, (name, value)) in labels.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        push_text(out, value);
    }
    out.push('}');
}

fn push_sample(out: &mut String, (at, value): Sample) {
    out.push('[');
    push_time(out, at);
    out.push_str(",\"");
    push_number(out, value);
    out.push_str("\"]");
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Seconds with the milliseconds as a fraction, where there are any.
fn push_time(out: &mut String, millis: i64) {
    let sign = if millis < 0 { "-" } else { "" };
    let (seconds, rest) = (millis.unsigned_abs() / 1_000, millis.unsigned_abs() % 1_000);
    let _written =
        if rest == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{rest:03}") };
}

/// As Prometheus writes it: the shortest digits that read back the same, with an exponent of two digits at least for what is
/// below 1e-6 or not below 1e21.
fn push_number(out: &mut String, value: f64) {
    let size = value.abs();
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) && !value.is_nan() {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        let _written = write!(out, "{digits}e{sign}{exponent:0>2}");
    } else {
        let _written = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_prometheus_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1.25e-7, "1.25e-07"),
            (-1e-10, "-1e-10"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut out = String::new();
            push_number(&mut out, value);
            assert_eq!(out, text);
        }
        for (millis, text) in
            [(0, "0"), (1_500, "1.500"), (1_700_000_000_007, "1700000000.007"), (-250, "-0.250")]
        {
            let mut out = String::new();
            push_time(&mut out, millis);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn answers_stand_in_the_envelope_of_prometheus() {
        let none = Labels::default();
        for (given, text) in [
            (PromqlAnswer::Scalar((1_000, 2.0)), r#""resultType":"scalar","result":[1,"2"]"#),
            (
                PromqlAnswer::Text(1_500, "a\"b".to_owned()),
                r#""resultType":"string","result":[1.500,"a\"b"]"#,
            ),
            (
                PromqlAnswer::Vector(vec![(none.clone(), (0, f64::NAN)), (none.clone(), (0, 1.0))]),
                r#""resultType":"vector","result":[{"metric":{},"value":[0,"NaN"]},{"metric":{},"value":[0,"1"]}]"#,
            ),
            (
                PromqlAnswer::Matrix(vec![(none, vec![(0, 1.0), (1_000, 2.0)])]),
                r#""resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"2"]]}]"#,
            ),
        ] {
            assert_eq!(answer(&given), format!(r#"{{"status":"success","data":{{{text}}}}}"#));
        }
    }
}
