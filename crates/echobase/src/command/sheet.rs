//! A table in CSV: a column of times, then columns of numbers. The commands that judge such tables share it.
//!
//! Standard library only, so that a table is read alike wherever this file is compiled. A field may be quoted; a
//! quoted field does not hold a line break. An empty field, `NaN`, `null` and `NA` are missing values.

use std::fmt;

use echobase_types::Timestamp;

/// Times and columns of one table, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sheet {
    /// The times as they were written, for the answer.
    pub(crate) stamps: Vec<String>,
    /// The times. Whole numbers are seconds since 1970, or milliseconds from 10¹¹ on.
    pub(crate) times: Vec<Timestamp>,
    /// The names of the columns beside the time.
    pub(crate) names: Vec<String>,
    /// `columns[j][i]` is row `i` of column `j`; NaN where it is missing.
    pub(crate) columns: Vec<Vec<f64>>,
}

/// Why a table cannot be used. Rows are counted as lines of the file, the header being line 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SheetError {
    /// There is no header.
    Empty,
    /// The header has no column beside the time.
    NoColumns,
    /// A row has another number of fields than the header.
    Fields { line: usize, found: usize, expected: usize },
    /// The first field of a row is no time.
    Time { line: usize, text: String },
    /// A field is neither a number nor missing.
    Number { line: usize, column: String, text: String },
}

impl fmt::Display for SheetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the table is empty: a header such as `timestamp,value` is expected"),
            Self::NoColumns => write!(f, "the header has no column beside the time"),
            Self::Fields { line, found, expected } => {
                write!(f, "line {line}: {found} fields where the header has {expected}")
            }
            Self::Time { line, text } => write!(
                f,
                "line {line}: `{text}` is no time (seconds since 1970, or such as 2026-01-31T08:30:00Z)"
            ),
            Self::Number { line, column, text } => {
                write!(f, "line {line}: `{text}` in column `{column}` is no number")
            }
        }
    }
}

impl std::error::Error for SheetError {}

impl Sheet {
    /// Reads a whole table.
    pub(crate) fn read(text: &str) -> Result<Self, SheetError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, header) = lines.next().ok_or(SheetError::Empty)?;
        let names: Vec<String> = fields(header).into_iter().skip(1).collect();
        if names.is_empty() {
            return Err(SheetError::NoColumns);
        }
        let mut sheet =
            Self { stamps: Vec::new(), times: Vec::new(), columns: vec![Vec::new(); names.len()], names };
        for (at, line) in lines {
            sheet.take(at + 1, line)?;
        }
        Ok(sheet)
    }

    fn take(&mut self, line: usize, text: &str) -> Result<(), SheetError> {
        let row = fields(text);
        if row.len() != self.names.len() + 1 {
            return Err(SheetError::Fields { line, found: row.len(), expected: self.names.len() + 1 });
        }
        let mut row = row.into_iter();
        let stamp = row.next().unwrap_or_default();
        let time = time(&stamp).ok_or_else(|| SheetError::Time { line, text: stamp.clone() })?;
        for ((field, column), name) in row.zip(&mut self.columns).zip(&self.names) {
            let value = number(&field).ok_or_else(|| SheetError::Number {
                line,
                column: name.clone(),
                text: field.clone(),
            })?;
            column.push(value);
        }
        self.stamps.push(stamp);
        self.times.push(time);
        Ok(())
    }

    /// Rows without the header.
    pub(crate) fn rows(&self) -> usize {
        self.times.len()
    }
}

/// The fields of a line, without the quotes around them.
fn fields(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                field.push('"');
                rest.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => all.push(std::mem::take(&mut field).trim().to_owned()),
            _ => field.push(c),
        }
    }
    all.push(field.trim().to_owned());
    all
}

fn number(field: &str) -> Option<f64> {
    if field.is_empty() || ["na", "null", "none"].iter().any(|w| field.eq_ignore_ascii_case(w)) {
        return Some(f64::NAN);
    }
    field.parse().ok()
}

fn time(field: &str) -> Option<Timestamp> {
    if let Ok(number) = field.parse::<f64>() {
        let seconds = if number.abs() >= 1e11 { number / 1e3 } else { number };
        return (seconds.abs() < 1e11).then(|| Timestamp::from_micros((seconds * 1e6).round() as i64));
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
        let sheet = Sheet::read(text).unwrap();
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
            ("", "the table is empty"),
            ("timestamp\n1\n", "no column beside the time"),
            ("timestamp,a\n1,2\n2,3,4\n", "line 3: 3 fields where the header has 2"),
            ("timestamp,a\nsoon,2\n", "line 2: `soon` is no time"),
            ("timestamp,a,b\n1,2,3\n\n2,3,much\n", "line 4: `much` in column `b` is no number"),
        ] {
            let error = Sheet::read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
