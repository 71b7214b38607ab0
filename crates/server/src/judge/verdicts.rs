//! Changes, risk and stability, row by row.

use std::io::{Read, Write};

use echobase_analysis::{AnalysisConfig, Horizon, assess_columns_ahead, changes};

use super::answer::{Answer, Column};
use super::sheet::Sheet;
use super::{Format, JudgeError};

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
    let config = AnalysisConfig::default();
    let rows = assess_columns_ahead(config, horizon, &sheet.times, &sheet.names, &sheet.columns);
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
    use std::time::Duration;

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
        // Rows come every minute first and every five later, while the memory runs full.
        let mut table = String::from("timestamp,lat_p99,mem\n");
        for i in 0..700_u32 {
            let mem = 0.4 + 0.002 * f64::from(i.clamp(150, 400) - 150);
            let time = 1_600_000_000 + 60 * i + 240 * (i.max(230) - 230);
            writeln!(table, "{time},{},{mem}", 0.2 + 0.05 * wobble(i)).unwrap();
        }
        let cut: Vec<&str> = table.lines().take(221).collect();
        for horizon in [Horizon::Rows(60), Horizon::Span(Duration::from_secs(3_600))] {
            let whole = text(|out| risk(table.as_bytes(), out, None, horizon));
            let part = text(|out| risk(cut.join("\n").as_bytes(), out, None, horizon));
            assert!(whole.starts_with(&part), "{horizon:?}");
        }
    }
}
