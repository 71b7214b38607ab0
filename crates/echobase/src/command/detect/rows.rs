//! Rows of CSV in, verdicts of CSV out, one for one and in order; nothing is read ahead.

use std::io::{Read, Write};

use anyhow::Context as _;
use echobase_analysis::{AnalysisConfig, RowDetector};

use crate::command::sheet::{Rows, quoted};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Rows in, and out.
    pub(super) rows: u64,
    /// Rows that are not later than the one before: answered, but not judged.
    pub(super) late: u64,
    /// The line of the first of them.
    pub(super) first_late: Option<u64>,
}

/// Reads `timestamp,value` or `timestamp,m0,m1,…` under a header and writes `timestamp,score,is_anomaly,alert`.
pub(super) fn detect(
    input: impl Read,
    mut output: impl Write,
    config: &AnalysisConfig,
) -> anyhow::Result<Told> {
    let mut rows = Rows::open(input)?;
    let mut detector = RowDetector::new(config, rows.names.len());
    let mut told = Told::default();
    let mut last = None;
    writeln!(output, "timestamp,score,is_anomaly,alert").context("write the verdicts")?;
    while let Some(row) = rows.next()? {
        told.rows += 1;
        if last.is_some_and(|last| row.time <= last) {
            told.late += 1;
            told.first_late.get_or_insert(row.line);
        } else {
            last = Some(row.time);
        }
        let said = detector.observe(row.time, &row.values);
        let (stamp, open) = (quoted(&row.stamp), u8::from(said.is_anomaly));
        let alert = if said.alert > 0.0 { format!("{:.6}", said.alert) } else { "0".to_owned() };
        writeln!(output, "{stamp},{:.6},{open},{alert}", said.score).context("write the verdicts")?;
    }
    output.flush().context("write the verdicts")?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn run(text: &str) -> Result<(String, Told), String> {
        let mut out = Vec::new();
        let told =
            detect(text.as_bytes(), &mut out, &AnalysisConfig::default()).map_err(|e| format!("{e:#}"))?;
        Ok((String::from_utf8(out).unwrap(), told))
    }

    #[test]
    fn every_row_is_answered_in_order() {
        let (out, told) = run("timestamp,value\n0,1\n60,\n120,NaN\n120,5\n180,2\r\n").unwrap();
        let times: Vec<&str> = out.lines().skip(1).filter_map(|l| l.split(',').next()).collect();
        assert_eq!(times, ["0", "60", "120", "120", "180"]);
        assert_eq!(told, Told { rows: 5, late: 1, first_late: Some(5) });
    }

    #[test]
    fn a_prefix_gives_the_same_verdicts() {
        let rows: String = (0..300)
            .map(|i| format!("{},{}\n", i * 300, 10 + (i * 7_919) % 101 + if i > 250 { 900 } else { 0 }))
            .collect();
        let whole = run(&format!("timestamp,value\n{rows}")).unwrap().0;
        let half: String = rows.lines().take(260).map(|l| format!("{l}\n")).collect();
        let part = run(&format!("timestamp,value\n{half}")).unwrap().0;
        assert!(whole.starts_with(&part));
        assert!(part.lines().last().unwrap().split(',').nth(2) == Some("1"), "{part}");
    }
}
