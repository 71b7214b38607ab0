//! Anomalies, row by row; nothing is read ahead of the rows that came together.

use std::io::{Read, Write};

use echobase_analysis::{AnalysisConfig, RowDetector};

use super::answer::{Answer, Column};
use super::rows::Rows;
use super::{Format, JudgeError};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows in, and out.
    pub rows: u64,
    /// Rows that are not later than the one before: answered, but not judged.
    pub late: u64,
    /// Where the first of them is: its line in CSV, its number in Arrow.
    pub first_late: Option<u64>,
}

/// False alerts that are accepted per series and week.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(f64);

impl Budget {
    /// Reads a number from 0.001 to 1000.
    pub fn parse(text: &str) -> Result<Self, String> {
        let budget = text.parse().ok().filter(|budget| (0.001..=1_000.0).contains(budget));
        budget.map(Self).ok_or_else(|| "the budget is a number from 0.001 to 1000 a week".to_owned())
    }
}

/// Judges `timestamp,value` or `timestamp,m0,m1,…` and writes `timestamp,score,is_anomaly,alert`, in the format of the
/// input unless another is given; the default budget is 2.
pub fn detect(
    input: impl Read,
    output: impl Write,
    format: Option<Format>,
    budget: Option<Budget>,
) -> Result<Told, JudgeError> {
    let mut config = AnalysisConfig::default();
    if let Some(Budget(budget)) = budget {
        config.false_alarms_per_week = budget;
    }
    let mut rows = Rows::open(input)?;
    let mut detector = RowDetector::new(&config, rows.names.len());
    let mut answer = Answer::begin(output, format.unwrap_or(rows.format), &["score", "is_anomaly", "alert"])?;
    let mut told = Told::default();
    let mut last = None;
    while let Some(chunk) = rows.next()? {
        let (mut scores, mut open, mut alerts) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (time, values)) in chunk.times.iter().zip(&chunk.rows).enumerate() {
            told.rows += 1;
            if last.is_some_and(|last| *time <= last) {
                told.late += 1;
                told.first_late.get_or_insert(chunk.place + at as u64);
            } else {
                last = Some(*time);
            }
            let said = detector.observe(*time, values);
            scores.push(said.score);
            open.push(said.is_anomaly);
            alerts.push(said.alert.max(0.0));
        }
        answer.write(chunk.stamps, chunk.times, columns(scores, open, alerts))?;
    }
    answer.end(columns(Vec::new(), Vec::new(), Vec::new()))?;
    Ok(told)
}

fn columns(scores: Vec<f64>, open: Vec<bool>, alerts: Vec<f64>) -> Vec<(&'static str, Column)> {
    let score = |score: f64| format!("{score:.6}");
    let alert = |alert: f64| if alert > 0.0 { format!("{alert:.6}") } else { "0".to_owned() };
    vec![
        ("score", Column::Numbers(scores, score)),
        ("is_anomaly", Column::Flags(open)),
        ("alert", Column::Numbers(alerts, alert)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn run(text: &str) -> (String, Told) {
        let mut out = Vec::new();
        let told = detect(text.as_bytes(), &mut out, None, None).unwrap();
        (String::from_utf8(out).unwrap(), told)
    }

    #[test]
    fn every_row_is_answered_in_order() {
        let (out, told) = run("timestamp,value\n0,1\n60,\n120,NaN\n120,5\n180,2\r\n");
        let times: Vec<&str> = out.lines().skip(1).filter_map(|l| l.split(',').next()).collect();
        assert_eq!(times, ["0", "60", "120", "120", "180"]);
        assert_eq!(told, Told { rows: 5, late: 1, first_late: Some(5) });
    }

    #[test]
    fn a_prefix_gives_the_same_verdicts() {
        let rows: String = (0..300)
            .map(|i| format!("{},{}\n", i * 300, 10 + (i * 7_919) % 101 + if i > 250 { 900 } else { 0 }))
            .collect();
        let whole = run(&format!("timestamp,value\n{rows}")).0;
        let half: String = rows.lines().take(260).map(|l| format!("{l}\n")).collect();
        let part = run(&format!("timestamp,value\n{half}")).0;
        assert!(whole.starts_with(&part));
        assert!(part.lines().last().unwrap().split(',').nth(2) == Some("1"), "{part}");
    }

    #[test]
    fn a_budget_out_of_range_is_refused() {
        assert_eq!(Budget::parse("0.5"), Ok(Budget(0.5)));
        assert!(["0", "1001", "NaN", "few"].into_iter().all(|text| Budget::parse(text).is_err()));
    }
}
