//! A table that is read as it comes: a column of times, then columns of numbers.
//!
//! Of CSV, an empty field, `NaN`, `null`, `NA` and the like are missing values; of Arrow, null and NaN.

use std::io::{Chain, Cursor, Read};

use echobase_telemetry::import::CellKind;
use echobase_telemetry::ipc::{self, Batch, HEAD, Kept, Layout};
use echobase_types::Timestamp;

use super::{Format, JudgeError, table};

/// An input whose beginning was looked at.
pub(super) type Input<R> = Chain<Cursor<Vec<u8>>, R>;

/// Bytes that one message of Arrow may have: far more than a batch should.
const LIMIT: u64 = 8 << 30;

/// What an input is, by its first bytes.
pub(super) enum Source<R> {
    Csv(Input<R>),
    Arrow(Box<ipc::Reader<Input<R>>>),
}

impl<R: Read> Source<R> {
    pub(super) fn open(mut input: R) -> Result<Self, JudgeError> {
        let mut head = Vec::new();
        input.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(JudgeError::Read)?;
        let is_arrow = ipc::is_arrow(&head);
        let input = Cursor::new(head).chain(input);
        Ok(if is_arrow { Self::Arrow(Box::new(ipc::Reader::open(input, LIMIT)?)) } else { Self::Csv(input) })
    }

    /// The format that an answer has unless another is asked for.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Csv(_) => Format::Csv,
            Self::Arrow(_) => Format::Arrow(Layout::Stream),
        }
    }
}

/// The times as they came, for the answer.
pub(super) enum Stamps {
    Texts(Vec<String>),
    Kept(Kept),
}

/// Rows that came together: one of CSV, a batch of Arrow.
pub(super) struct Chunk {
    /// Where the first is: its line in CSV, or that of the first blank line before it, the header being line 1; its
    /// number in Arrow, from 1.
    pub(super) place: u64,
    pub(super) stamps: Stamps,
    pub(super) times: Vec<Timestamp>,
    /// One value a column; NaN where it is missing.
    pub(super) rows: Vec<Vec<f64>>,
}

/// A table that is read chunk by chunk.
pub(super) struct Rows<R> {
    source: Reader<R>,
    /// The names of the columns beside the time.
    pub(super) names: Vec<String>,
    pub(super) format: Format,
}

enum Reader<R> {
    Csv { reader: Box<csv::Reader<Input<R>>>, record: csv::StringRecord },
    Arrow { reader: Box<ipc::Reader<Input<R>>>, read: u64 },
}

impl<R: Read> Rows<R> {
    /// Reads what the columns are.
    pub(super) fn open(input: R) -> Result<Self, JudgeError> {
        let source = Source::open(input)?;
        let format = source.format();
        match source {
            Source::Csv(input) => {
                let mut reader =
                    csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(input);
                let header = reader.headers().map_err(JudgeError::Csv)?;
                if header.len() < 2 {
                    return table(
                        "the first line must be a header of two columns or more, such as timestamp,value",
                    );
                }
                let names = header.iter().skip(1).map(str::to_owned).collect();
                let record = csv::StringRecord::new();
                Ok(Self { source: Reader::Csv { reader: Box::new(reader), record }, names, format })
            }
            Source::Arrow(reader) => {
                let mut columns = reader.columns.iter();
                if columns.next().is_none_or(|first| first.kind == CellKind::Other) || columns.len() == 0 {
                    return table(
                        "an Arrow table must have a first column of times and at least one of numbers",
                    );
                }
                let mut names = Vec::new();
                for column in columns {
                    let name = &column.name;
                    if name.starts_with("__index_level_") {
                        return table(format!(
                            "column `{name}` is an index of pandas: make it the first column with reset_index(), or \
                             leave it out with preserve_index=False"
                        ));
                    }
                    if column.kind != CellKind::Number {
                        return table(format!(
                            "column `{name}` does not hold numbers: convert it or leave it out"
                        ));
                    }
                    names.push(name.clone());
                }
                Ok(Self { source: Reader::Arrow { reader, read: 0 }, names, format })
            }
        }
    }

    /// The next rows, or `None` at the end. An error names the row.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, JudgeError> {
        match &mut self.source {
            Reader::Csv { reader, record } => {
                if !reader.read_record(record).map_err(JudgeError::Csv)? {
                    return Ok(None);
                }
                line(record, &self.names).map(Some)
            }
            Reader::Arrow { reader, read } => {
                let Some(batch) = reader.batch()? else { return Ok(None) };
                let kind = reader.columns.first().map_or(CellKind::Other, |first| first.kind);
                let place = *read + 1;
                *read += batch.rows() as u64;
                chunk(&batch, kind, place, self.names.len()).map(Some)
            }
        }
    }
}

/// A row of CSV.
fn line(record: &csv::StringRecord, names: &[String]) -> Result<Chunk, JudgeError> {
    let place = record.position().map_or(0, csv::Position::line);
    let wanted = names.len() + 1;
    if record.len() != wanted {
        return table(format!("line {place}: {} fields where the header has {wanted}", record.len()));
    }
    let stamp = record.get(0).unwrap_or_default();
    let Some(time) = time(stamp) else { return table(format!("line {place}: {}", no_time(stamp))) };
    let mut values = Vec::with_capacity(names.len());
    for (field, name) in record.iter().skip(1).zip(names) {
        let Some(value) = number(field) else {
            return table(format!("line {place}: `{field}` in column `{name}` is no number"));
        };
        values.push(value);
    }
    Ok(Chunk { place, stamps: Stamps::Texts(vec![stamp.to_owned()]), times: vec![time], rows: vec![values] })
}

/// A batch of Arrow.
fn chunk(batch: &Batch, kind: CellKind, place: u64, columns: usize) -> Result<Chunk, JudgeError> {
    let missing = |at: usize| JudgeError::Table(format!("row {} has no time", place + at as u64));
    let times: Vec<Timestamp> = match kind {
        CellKind::Time => {
            let times = batch.times(0)?.into_iter().enumerate();
            times.map(|(at, time)| time.ok_or_else(|| missing(at))).collect::<Result<_, _>>()?
        }
        CellKind::Number => {
            let numbers = batch.numbers(0)?.into_iter().enumerate();
            numbers
                .map(|(at, number)| since_1970(number).ok_or_else(|| missing(at)))
                .collect::<Result<_, _>>()?
        }
        CellKind::Text | CellKind::Other => {
            let texts = batch.texts(0)?.into_iter().enumerate();
            let read = |(at, text): (usize, Option<String>)| {
                let text = text.ok_or_else(|| missing(at))?;
                let wrong = || JudgeError::Table(format!("row {}: {}", place + at as u64, no_time(&text)));
                time(&text).ok_or_else(wrong)
            };
            texts.map(read).collect::<Result<_, _>>()?
        }
    };
    let mut rows = vec![Vec::with_capacity(columns); batch.rows()];
    for column in 1..=columns {
        for (row, value) in rows.iter_mut().zip(batch.numbers(column)?) {
            row.push(value);
        }
    }
    Ok(Chunk { place, stamps: Stamps::Kept(batch.keep(0)?), times, rows })
}

fn no_time(text: &str) -> String {
    format!("`{text}` is no time (seconds since 1970, or such as 2026-01-31T08:30:00Z)")
}

/// The number in a cell of CSV: NaN where it says that it is missing, `None` where it is none.
pub(super) fn number(field: &str) -> Option<f64> {
    const MISSING: [&str; 6] = ["", "na", "n/a", "null", "none", "-"];
    if MISSING.iter().any(|word| field.eq_ignore_ascii_case(word)) {
        return Some(f64::NAN);
    }
    field.parse().ok()
}

/// Numbers below these are seconds, milliseconds, microseconds, and nanoseconds beyond: so all between the years 1973
/// and 5138. With what makes microseconds of them.
const UNITS: [(f64, f64); 3] = [(1e11, 1e6), (1e14, 1e3), (1e17, 1.0)];

fn since_1970(number: f64) -> Option<Timestamp> {
    let unit = UNITS.iter().find(|(below, _)| number.abs() < *below).map_or(1e-3, |(_, unit)| *unit);
    number.is_finite().then(|| Timestamp::from_micros((number * unit).round() as i64))
}

fn time(field: &str) -> Option<Timestamp> {
    if let Ok(number) = field.parse::<f64>() {
        return since_1970(number);
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
    use super::*;

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
}
