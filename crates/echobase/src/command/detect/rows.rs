//! Rows of CSV in, verdicts of CSV out, one for one and in order; nothing is read ahead.

use std::fmt;
use std::io::{self, BufRead, Write};

use echobase_analysis::{AnalysisConfig, RowDetector};
use echobase_types::Timestamp;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Rows in, and out.
    pub(super) rows: u64,
    /// Rows that are not later than the one before.
    pub(super) late: u64,
    /// The first of them; the first row after the header is 1.
    pub(super) first_late: Option<u64>,
}

/// Why it stopped.
#[derive(Debug)]
pub(super) enum DetectError {
    /// The input cannot be read.
    Read(io::Error),
    /// The output cannot be written.
    Write(io::Error),
    /// The input is no such table; says which row.
    Unusable(String),
}

impl fmt::Display for DetectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("read the rows"),
            Self::Write(_) => f.write_str("write the verdicts"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DetectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(e) | Self::Write(e) => Some(e),
            Self::Unusable(_) => None,
        }
    }
}

/// Reads `timestamp,value` or `timestamp,m0,m1,…` under a header and writes `timestamp,score,is_anomaly,alert`. Times
/// are numbers since 1970 (s, ms, µs or ns, by their size) or RFC 3339, with or without the zone (then UTC). An empty
/// cell, `NaN` and infinity are missing values. A row that is not later than the one before it is answered, but not
/// judged.
///
/// # Errors
/// Names the row (the first after the header is 1) whose time or value does not read, or whose cells are too few or
/// too many.
pub(super) fn detect(
    mut input: impl BufRead,
    mut output: impl Write,
    config: &AnalysisConfig,
) -> Result<Told, DetectError> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(DetectError::Read)?;
    let columns = cells(line.trim_start_matches('\u{feff}')).count();
    if columns < 2 {
        return Err(DetectError::Unusable(
            "the first line must be a header of two columns or more, such as timestamp,value".to_owned(),
        ));
    }
    let mut detector = RowDetector::new(config, columns - 1);
    let mut values = vec![f64::NAN; columns - 1];
    let mut told = Told::default();
    let mut last = None;
    writeln!(output, "timestamp,score,is_anomaly,alert").map_err(DetectError::Write)?;
    loop {
        line.clear();
        if input.read_line(&mut line).map_err(DetectError::Read)? == 0 {
            return Ok(told);
        }
        if line.trim().is_empty() {
            continue;
        }
        told.rows += 1;
        let row = told.rows;
        let (text, time) =
            read(&line, &mut values).map_err(|why| DetectError::Unusable(format!("row {row}: {why}")))?;
        if last.is_some_and(|last| time <= last) {
            told.late += 1;
            told.first_late.get_or_insert(row);
        } else {
            last = Some(time);
        }
        let said = detector.observe(time, &values);
        let open = u8::from(said.is_anomaly);
        let written = if said.alert > 0.0 {
            writeln!(output, "{text},{:.6},{open},{:.6}", said.score, said.alert)
        } else {
            writeln!(output, "{text},{:.6},{open},0", said.score)
        };
        written.map_err(DetectError::Write)?;
    }
}

/// The time of a row, as text and as such; the values go into `values`.
fn read<'a>(line: &'a str, values: &mut [f64]) -> Result<(&'a str, Timestamp), String> {
    let found = cells(line).count();
    if found != values.len() + 1 {
        return Err(format!("has {found} cells, the header has {}", values.len() + 1));
    }
    let mut cells = cells(line);
    let text = cells.next().unwrap_or_default();
    let time = time(text).ok_or_else(|| format!("`{}` is no time", short(text)))?;
    for (value, cell) in values.iter_mut().zip(cells) {
        *value = number(cell).ok_or_else(|| format!("`{}` is no number", short(cell)))?;
    }
    Ok((text, time))
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches(['\r', '\n']).split(',').map(|cell| cell.trim().trim_matches('"'))
}

/// NaN where the cell says that there is no value.
fn number(cell: &str) -> Option<f64> {
    match cell {
        "" | "NA" | "N/A" | "null" | "NULL" | "None" | "-" => Some(f64::NAN),
        _ => cell.parse().ok(),
    }
}

/// Numbers beyond these are not seconds, milliseconds, microseconds: all between the years 1973 and 5138.
const UNITS: [(f64, f64); 3] = [(1e11, 1e6), (1e14, 1e3), (1e17, 1.0)];

fn time(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<f64>() {
        if !number.is_finite() {
            return None;
        }
        let unit = UNITS.iter().find(|(below, _)| number.abs() < *below).map_or(1e-3, |(_, unit)| *unit);
        return Some(Timestamp::from_micros((number * unit).round() as i64));
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    format!("{text}Z").parse().ok()
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn run(text: &str) -> Result<(String, Told), String> {
        let mut out = Vec::new();
        let told =
            detect(text.as_bytes(), &mut out, &AnalysisConfig::default()).map_err(|e| e.to_string())?;
        Ok((String::from_utf8(out).unwrap(), told))
    }

    #[test]
    fn every_row_is_answered_in_order() {
        let (out, told) = run("timestamp,value\n0,1\n60,\n120,NaN\n120,5\n180,2\r\n").unwrap();
        let times: Vec<&str> = out.lines().skip(1).filter_map(|l| l.split(',').next()).collect();
        assert_eq!(times, ["0", "60", "120", "120", "180"]);
        assert_eq!(told, Told { rows: 5, late: 1, first_late: Some(4) });
    }

    #[test]
    fn a_bad_row_is_named() {
        for (text, why) in [
            ("", "the first line must be a header of two columns or more, such as timestamp,value"),
            ("timestamp,value\n0,1\nsoon,2\n", "row 2: `soon` is no time"),
            ("timestamp,a,b\n0,1,2\n60,1\n", "row 2: has 2 cells, the header has 3"),
            ("timestamp,value\n0,much\n", "row 1: `much` is no number"),
        ] {
            assert_eq!(run(text).unwrap_err(), why);
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let expected = Some(Timestamp::from_secs(1_600_000_000));
        for text in [
            "1600000000",
            "1600000000.0",
            "1600000000000",
            "1600000000000000",
            "1600000000000000000",
            "2020-09-13T12:26:40Z",
            "2020-09-13 12:26:40",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(time("NaN"), None);
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
