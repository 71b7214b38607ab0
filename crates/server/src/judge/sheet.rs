//! A table that is read whole before it is judged.

use std::io::Read;

use echobase_types::Timestamp;

use super::rows::{Rows, Stamps};
use super::{Format, JudgeError};

/// Times and columns of one table.
pub(super) struct Sheet {
    /// The times as they came, in the parts in which they came.
    pub(super) stamps: Vec<(usize, Stamps)>,
    pub(super) times: Vec<Timestamp>,
    /// The names of the columns beside the time.
    pub(super) names: Vec<String>,
    /// `columns[j][i]` is row `i` of column `j`; NaN where it is missing.
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) format: Format,
}

impl Sheet {
    pub(super) fn read(input: impl Read) -> Result<Self, JudgeError> {
        let mut rows = Rows::open(input)?;
        let (names, format) = (rows.names.clone(), rows.format);
        let columns = vec![Vec::new(); names.len()];
        let mut sheet = Self { stamps: Vec::new(), times: Vec::new(), columns, names, format };
        while let Some(chunk) = rows.next()? {
            let count = chunk.times.len();
            match (sheet.stamps.last_mut(), chunk.stamps) {
                (Some((rows, Stamps::Texts(all))), Stamps::Texts(more)) => {
                    all.extend(more);
                    *rows += count;
                }
                (_, stamps) => sheet.stamps.push((count, stamps)),
            }
            sheet.times.extend(chunk.times);
            for row in chunk.rows {
                for (column, value) in sheet.columns.iter_mut().zip(row) {
                    column.push(value);
                }
            }
        }
        Ok(sheet)
    }

    /// Rows without the header.
    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
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
        let [(3, Stamps::Texts(stamps))] = sheet.stamps.as_slice() else { panic!("one part of three rows") };
        assert_eq!(stamps[2], "2020-09-13 12:28:40", "the answer repeats the time as it was written");
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
            let error = Sheet::read(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
