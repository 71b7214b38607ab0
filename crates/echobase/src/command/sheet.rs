//! A table in CSV: a column of times, then columns of numbers. The commands that judge such tables share it.
//!
//! An empty field, `NaN`, `null`, `NA` and the like are missing values.

use std::borrow::Cow;
use std::io::Read;

use anyhow::{Context as _, bail};
use echobase_types::Timestamp;

/// A table that is read row by row.
pub(crate) struct Rows<R> {
    reader: csv::Reader<R>,
    record: csv::StringRecord,
    /// The names of the columns beside the time.
    pub(crate) names: Vec<String>,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its line in the file, or that of the first blank line before it; the header is line 1.
    pub(crate) line: u64,
    /// The time as it was written, for the answer.
    pub(crate) stamp: String,
    /// The time.
    pub(crate) time: Timestamp,
    /// One value a column; NaN where it is missing.
    pub(crate) values: Vec<f64>,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    pub(crate) fn open(input: R) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(input);
        let header = reader.headers().context("read the header")?;
        if header.len() < 2 {
            bail!("the first line must be a header of two columns or more, such as timestamp,value");
        }
        let names = header.iter().skip(1).map(str::to_owned).collect();
        Ok(Self { reader, record: csv::StringRecord::new(), names })
    }

    /// The next row, or `None` at the end. An error names the line.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Row>> {
        if !self.reader.read_record(&mut self.record).context("read the rows")? {
            return Ok(None);
        }
        let (record, wanted) = (&self.record, self.names.len() + 1);
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != wanted {
            bail!("line {line}: {} fields where the header has {wanted}", record.len());
        }
        let stamp = record.get(0).unwrap_or_default();
        let time = time(stamp).with_context(|| {
            format!("line {line}: `{stamp}` is no time (seconds since 1970, or such as 2026-01-31T08:30:00Z)")
        })?;
        let value = |(field, name): (&str, &String)| {
            number(field).with_context(|| format!("line {line}: `{field}` in column `{name}` is no number"))
        };
        let values = record.iter().skip(1).zip(&self.names).map(value).collect::<anyhow::Result<_>>()?;
        Ok(Some(Row { line, stamp: stamp.to_owned(), time, values }))
    }
}

/// Times and columns of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sheet {
    /// The times as they were written, for the answer.
    pub(crate) stamps: Vec<String>,
    /// The times.
    pub(crate) times: Vec<Timestamp>,
    /// The names of the columns beside the time.
    pub(crate) names: Vec<String>,
    /// `columns[j][i]` is row `i` of column `j`; NaN where it is missing.
    pub(crate) columns: Vec<Vec<f64>>,
}

impl Sheet {
    /// Reads a whole table.
    pub(crate) fn read(input: impl Read) -> anyhow::Result<Self> {
        let mut rows = Rows::open(input)?;
        let names = rows.names.clone();
        let mut sheet =
            Self { stamps: Vec::new(), times: Vec::new(), columns: vec![Vec::new(); names.len()], names };
        while let Some(row) = rows.next()? {
            sheet.stamps.push(row.stamp);
            sheet.times.push(row.time);
            for (column, value) in sheet.columns.iter_mut().zip(row.values) {
                column.push(value);
            }
        }
        Ok(sheet)
    }

    /// Rows without the header.
    pub(crate) fn rows(&self) -> usize {
        self.times.len()
    }
}

/// A field as it is written: quoted where it must be.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

fn number(field: &str) -> Option<f64> {
    const MISSING: [&str; 6] = ["", "na", "n/a", "null", "none", "-"];
    if MISSING.iter().any(|word| field.eq_ignore_ascii_case(word)) {
        return Some(f64::NAN);
    }
    field.parse().ok()
}

/// Numbers below these are seconds, milliseconds, microseconds, and nanoseconds beyond: so all between the years 1973
/// and 5138. With what makes microseconds of them.
const UNITS: [(f64, f64); 3] = [(1e11, 1e6), (1e14, 1e3), (1e17, 1.0)];

fn time(field: &str) -> Option<Timestamp> {
    if let Ok(number) = field.parse::<f64>() {
        let unit = UNITS.iter().find(|(below, _)| number.abs() < *below).map_or(1e-3, |(_, unit)| *unit);
        return number.is_finite().then(|| Timestamp::from_micros((number * unit).round() as i64));
    }
    if let Ok(time) = field.parse() {
        return Some(time);
    }
    // `2014-04-01 00:00:00` and dates alone are in UTC.
    let text = field.replacen(' ', "T", 1);
    let text = if text.contains('T') { format!("{text}Z") } else { format!("{text}T00:00:00Z") };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn times_numbers_and_missing_values_are_read() {
        let text = "\u{feff}timestamp,\"cpu, busy\",b\r\n1600000000,0.5,\n2020-09-13T12:27:40Z,NaN,1e3\n\n2020-09-13 12:28:40,,NA\n";
        let sheet = Sheet::read(text.as_bytes()).unwrap();
        assert_eq!(sheet.names, ["cpu, busy", "b"]);
        assert_eq!(sheet.rows(), 3);
        let seconds: Vec<i64> = sheet.times.iter().map(|t| t.as_micros() / 1_000_000).collect();
        assert_eq!(seconds, [1_600_000_000, 1_600_000_060, 1_600_000_120]);
        assert_eq!(sheet.columns[0][0], 0.5);
        assert_eq!(sheet.columns[1][1], 1_000.0);
        let missing = [sheet.columns[1][0], sheet.columns[0][1], sheet.columns[0][2], sheet.columns[1][2]];
        assert!(missing.iter().all(|v| v.is_nan()));
        assert_eq!(sheet.stamps[2], "2020-09-13 12:28:40", "the answer repeats the time as it was written");
    }

    #[test]
    fn an_error_names_the_line_and_the_column() {
        for (text, said) in [
            ("", "must be a header of two columns or more"),
            ("timestamp\n1\n", "must be a header of two columns or more"),
            ("timestamp,a\n1,2\n2,3,4\n", "line 3: 3 fields where the header has 2"),
            ("timestamp,a\nsoon,2\n", "line 2: `soon` is no time"),
            ("timestamp,a,b\n1,2,3\n2,3,much\n", "line 3: `much` in column `b` is no number"),
        ] {
            let error = format!("{:#}", Sheet::read(text.as_bytes()).unwrap_err());
            assert!(error.contains(said), "{error}");
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
        assert_eq!(time("2020-09-13"), Some(Timestamp::from_secs(1_599_955_200)));
        assert_eq!(time("NaN"), None);
    }

    #[test]
    fn a_stamp_that_needs_quotes_gets_them() {
        assert_eq!(quoted("2020-09-13"), "2020-09-13");
        assert_eq!(quoted("13 \"Sep\", 2020"), "\"13 \"\"Sep\"\", 2020\"");
    }
}
