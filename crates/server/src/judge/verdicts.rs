//! Changes, risk and stability, row by row.

use std::io::{Read, Write};
use std::time::Duration;

use echobase_analysis::{AnalysisConfig, assess_columns, changes};
use echobase_types::Timestamp;

use super::answer::{Answer, Column};
use super::sheet::Sheet;
use super::{Format, JudgeError};

/// How far ahead a risk looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// So many rows of the table's usual step.
    Rows(u32),
    /// So long.
    Span(Duration),
}

impl Horizon {
    /// Reads `60` (rows) or `15m`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("a horizon of no rows says nothing".to_owned()),
            Ok(rows) => Ok(Self::Rows(rows)),
            Err(_) => echobase_types::duration::parse(text)
                .map(Self::Span)
                .map_err(|e| format!("{e}, nor a number of rows")),
        }
    }

    fn span(self, times: &[Timestamp]) -> Duration {
        match self {
            Self::Span(span) => span,
            Self::Rows(rows) => usual_step(times).saturating_mul(rows),
        }
    }
}

/// The median distance of the first rows; a minute if there is none.
fn usual_step(times: &[Timestamp]) -> Duration {
    let mut steps: Vec<Duration> = times.windows(2).take(2_000).map(|p| p[1].since(p[0])).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().filter(|s| !s.is_zero()).unwrap_or(Duration::from_secs(60))
}

/// `timestamp,value` to `timestamp,drift,location`: 1 at a row that announces a change, with the row (from 0) where it
/// began, else 0 and −1. Of several columns each is judged alone; the strongest change of a row is told. In the format
/// of the input unless another is given.
pub fn drift(input: impl Read, output: impl Write, format: Option<Format>) -> Result<(), JudgeError> {
    let sheet = Sheet::read(input)?;
    let mut told: Vec<Option<(f64, usize)>> = vec![None; sheet.rows()];
    for column in &sheet.columns {
        for change in changes(&AnalysisConfig::default(), &sheet.times, column) {
            if let Some(at) = told.get_mut(change.row)
                && at.is_none_or(|(statistic, _)| change.statistic > statistic)
            {
                *at = Some((change.statistic, change.location));
            }
        }
    }
    let columns = |rows: &[Option<(f64, usize)>]| {
        let place =
            |at: &Option<(f64, usize)>| at.map_or(-1, |(_, row)| i64::try_from(row).unwrap_or(i64::MAX));
        vec![
            ("drift", Column::Flags(rows.iter().map(Option::is_some).collect())),
            ("location", Column::Whole(rows.iter().map(place).collect())),
        ]
    };
    write(sheet, output, format, &["drift", "location"], &told, columns)
}

/// `timestamp,<metric>,…` to `timestamp,risk,stability`, both 0 to 1. In the format of the input unless another is given.
pub fn risk(
    input: impl Read,
    output: impl Write,
    format: Option<Format>,
    horizon: Horizon,
) -> Result<(), JudgeError> {
    let sheet = Sheet::read(input)?;
    let config = AnalysisConfig { horizon: horizon.span(&sheet.times), ..AnalysisConfig::default() };
    let rows = assess_columns(config, &sheet.times, &sheet.names, &sheet.columns);
    let figures: Vec<(f64, f64)> = rows.iter().map(|row| (row.risk(), row.stability())).collect();
    let share = |share: f64| format!("{share:.5}");
    let columns = |rows: &[(f64, f64)]| {
        let (risks, scores) = rows.iter().copied().unzip();
        vec![("risk", Column::Numbers(risks, share)), ("stability", Column::Numbers(scores, share))]
    };
    write(sheet, output, format, &["risk", "stability"], &figures, columns)
}

/// Writes an answer in the parts in which the table came.
fn write<T>(
    sheet: Sheet,
    output: impl Write,
    format: Option<Format>,
    names: &[&'static str],
    told: &[T],
    columns: impl Fn(&[T]) -> Vec<(&'static str, Column)>,
) -> Result<(), JudgeError> {
    let mut answer = Answer::begin(output, format.unwrap_or(sheet.format), names)?;
    let (mut told, mut times) = (told, sheet.times.as_slice());
    for (rows, stamps) in sheet.stamps {
        let (part, rest) = told.split_at(rows.min(told.len()));
        let (part_times, rest_times) = times.split_at(rows.min(times.len()));
        answer.write(stamps, part_times.to_vec(), columns(part))?;
        (told, times) = (rest, rest_times);
    }
    answer.end(columns(&[]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use std::fmt::Write as _;

    use super::*;

    fn text(judge: impl FnOnce(&mut Vec<u8>) -> Result<(), JudgeError>) -> String {
        let mut out = Vec::new();
        judge(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn wobble(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 255.0
    }

    #[test]
    fn a_step_is_announced_once_with_its_row() {
        let mut table = String::from("timestamp,value\n");
        for i in 0..600 {
            let value = wobble(i) + if i < 400 { 0.0 } else { 3.0 };
            writeln!(table, "{},{value}", 1_600_000_000 + 300 * i).unwrap();
        }
        let out = text(|out| drift(table.as_bytes(), out, None));
        let told: Vec<(usize, &str)> =
            out.lines().skip(1).enumerate().filter(|(_, l)| l.contains(",1,")).collect();
        assert_eq!(out.lines().count(), 601);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0 < 410 && told[0].1.ends_with(",400"), "{told:?}");
        assert!(out.starts_with("timestamp,drift,location\n1600000000,0,-1\n"), "{out}");
    }

    #[test]
    fn holes_are_left_out_and_every_row_has_its_answer() {
        let mut table = String::from("timestamp,cpu,mem\n");
        for i in 0..200 {
            let cpu = if i % 7 == 0 { String::new() } else { format!("{:.3}", 0.3 + 0.1 * wobble(i)) };
            writeln!(table, "{},{cpu},{}", 1_600_000_000 + 60 * i, if i % 11 == 0 { "NaN" } else { "0.4" })
                .unwrap();
        }
        let out = text(|out| risk(table.as_bytes(), out, None, Horizon::Rows(60)));
        assert_eq!(out.lines().count(), 201);
        for line in out.lines().skip(1) {
            let figures: Vec<f64> = line.split(',').skip(1).map(|f| f.parse().unwrap()).collect();
            assert!(figures.iter().all(|f| (0.0..=1.0).contains(f)) && figures[0] < 0.2, "{line}");
        }
    }

    #[test]
    fn a_row_depends_on_no_later_one() {
        let mut table = String::from("timestamp,lat_p99,mem\n");
        for i in 0..300 {
            let mem = 0.4 + 0.002 * f64::from(i.max(150) - 150);
            writeln!(table, "{},{},{mem}", 1_600_000_000 + 60 * i, 0.2 + 0.05 * wobble(i)).unwrap();
        }
        let hour = Horizon::Span(Duration::from_secs(3_600));
        let whole = text(|out| risk(table.as_bytes(), out, None, hour));
        let cut: Vec<&str> = table.lines().take(221).collect();
        let part = text(|out| risk(cut.join("\n").as_bytes(), out, None, hour));
        assert!(whole.starts_with(&part));
    }

    #[test]
    fn a_horizon_is_rows_or_a_length_of_time() {
        assert_eq!(Horizon::parse("30"), Ok(Horizon::Rows(30)));
        assert_eq!(Horizon::parse("15m"), Ok(Horizon::Span(Duration::from_secs(900))));
        assert!(Horizon::parse("soon").is_err() && Horizon::parse("0").is_err());
        let times = [0, 300, 600].map(Timestamp::from_secs);
        assert_eq!(Horizon::Rows(60).span(&times), Duration::from_secs(18_000));
    }
}
