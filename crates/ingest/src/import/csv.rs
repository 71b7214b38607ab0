//! CSV, sniffed modestly: gzip by its first bytes, delimiter by counting, header by looking.

use std::fmt;
use std::io::{self, Chain, Cursor, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};
use echobase_types::signal::RejectReason;
use flate2::read::MultiGzDecoder;

use crate::import::{Cell, Dirty, ImportError, Place, Rows, TimeFormat};
use crate::intake::shown;

/// Bytes that are looked at to tell the dialect.
const PEEK: usize = 64 << 10;

/// Texts that mean that there is no value.
const MISSING: [&str; 9] = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None"];

/// How a CSV text is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// The byte between cells. `None`: told from `,`, `;`, tab and `|`.
    pub delimiter: Option<u8>,
    /// Whether the first row names the columns.
    pub header: Header,
}

/// Whether the first row names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does if a cell of it is a word where the second row has a number or a time, or if all its cells are words.
    #[default]
    Sniff,
    /// It does.
    Present,
    /// It does not; columns are named `1`, `2` and so on.
    Absent,
}

type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// The text, unpacked where it came packed.
enum Unpacked<R: Read> {
    Plain(Peeked<R>),
    Gzip(Peeked<Box<MultiGzDecoder<Peeked<R>>>>),
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(into),
            Self::Gzip(reader) => reader.read(into),
        }
    }
}

/// The rows of a CSV text.
pub struct CsvRows<R: Read> {
    reader: Reader<Unpacked<R>>,
    columns: Vec<String>,
    record: ByteRecord,
    /// Rows that were read to tell whether there is a header, and where each ends.
    ahead: std::vec::IntoIter<(ByteRecord, u64)>,
    delimiter: u8,
    line: u64,
}

impl<R: Read> fmt::Debug for CsvRows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvRows")
            .field("columns", &self.columns)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl<R: Read> CsvRows<R> {
    /// Opens a text, which may be packed by gzip.
    pub fn open(mut reader: R, options: &CsvOptions) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { line: 0, source };
        let start = peek(&mut reader).map_err(failed)?;
        let is_gzip = start.starts_with(&[0x1f, 0x8b]);
        let plain = Cursor::new(start).chain(reader);
        let (start, source) = match is_gzip {
            false => (plain.get_ref().0.get_ref().clone(), Unpacked::Plain(plain)),
            true => {
                let mut unpacker = Box::new(MultiGzDecoder::new(plain));
                let start = peek(&mut unpacker).map_err(failed)?;
                (start.clone(), Unpacked::Gzip(Cursor::new(start).chain(unpacker)))
            }
        };
        let delimiter = options.delimiter.unwrap_or_else(|| sniff(&start));
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(source);
        let mut ahead = [(ByteRecord::new(), 0), (ByteRecord::new(), 0)];
        for (record, end) in &mut ahead {
            reader.read_byte_record(record).map_err(|error| failed(error.into()))?;
            *end = reader.position().byte();
        }
        let [(first, _), (second, _)] = &ahead;
        let is_header = match options.header {
            Header::Present => true,
            Header::Absent => false,
            Header::Sniff => {
                first.iter().zip(second).any(|(above, below)| is_name(above) && is_figure(below))
                    || first.iter().all(is_name)
            }
        };
        let columns = match is_header {
            true => names(first),
            false => (1..=first.len()).map(|n| n.to_string()).collect(),
        };
        let ahead: Vec<_> =
            ahead.into_iter().skip(usize::from(is_header)).filter(|(record, _)| !record.is_empty()).collect();
        let ahead = ahead.into_iter();
        Ok(Self { reader, columns, record: ByteRecord::new(), ahead, delimiter, line: 0 })
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self, cells: &mut Vec<Cell>) -> Option<Result<Result<Place, Dirty>, ImportError>> {
        let offset = match self.ahead.next() {
            Some((record, end)) => {
                self.record = record;
                end
            }
            None => match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => self.reader.position().byte(),
                Ok(false) => return None,
                Err(error) => return Some(Err(ImportError::Read { line: self.line, source: error.into() })),
            },
        };
        let line = self.record.position().map_or(self.line + 1, csv::Position::line);
        self.line = line;
        Some(Ok(
            fill(cells, &self.record, &self.columns, self.delimiter, line).map(|()| Place { offset, line })
        ))
    }
}

fn fill(
    cells: &mut Vec<Cell>,
    record: &ByteRecord,
    columns: &[String],
    delimiter: u8,
    line: u64,
) -> Result<(), Dirty> {
    let dirty = |column: &str, cell: &[u8], detail: String| Dirty {
        line,
        column: column.to_owned(),
        cell: shown(&String::from_utf8_lossy(cell)),
        reason: RejectReason::Malformed,
        detail,
    };
    if record.len() != columns.len() {
        let detail = format!("row has {} cells instead of {}", record.len(), columns.len());
        return Err(dirty("", record.as_slice(), detail));
    }
    cells.resize(columns.len(), Cell::Missing);
    for ((cell, bytes), column) in cells.iter_mut().zip(record).zip(columns) {
        let Ok(text) = std::str::from_utf8(bytes.trim_ascii()) else {
            return Err(dirty(column, bytes, "cell is not UTF-8".to_owned()));
        };
        if MISSING.contains(&text) {
            *cell = Cell::Missing;
            continue;
        }
        match cell {
            Cell::Text(known) => {
                known.clear();
                known.push_str(text);
            }
            _ => *cell = Cell::Text(text.to_owned()),
        }
        if let (b';', Cell::Text(known)) = (delimiter, cell)
            && is_decimal_comma(known)
        {
            *known = known.replace(',', ".");
        }
    }
    Ok(())
}

/// `3,14`, as where `;` stands between cells.
fn is_decimal_comma(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.split_once(',').is_some_and(|(whole, part)| is_digits(whole) && is_digits(part))
}

fn peek(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(PEEK as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// The candidate that stands in the most lines equally often, the more often the better.
fn sniff(start: &[u8]) -> u8 {
    let lines: Vec<&[u8]> =
        start.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(20).collect();
    let count = |line: &[u8], delimiter: u8| {
        let mut is_quoted = false;
        let counted = line.iter().filter(|byte| {
            is_quoted ^= **byte == b'"';
            **byte == delimiter && !is_quoted
        });
        counted.count()
    };
    let score = |delimiter: u8| {
        let first = lines.first().map_or(0, |line| count(line, delimiter));
        let alike = lines.iter().filter(|line| count(line, delimiter) == first).count();
        if first == 0 { (0, 0) } else { (alike, first) }
    };
    let best = [b'|', b'\t', b';', b','].into_iter().max_by_key(|delimiter| score(*delimiter));
    best.unwrap_or(b',')
}

/// Whether a cell is a word: no value, no number, no time.
fn is_name(cell: &[u8]) -> bool {
    let text = String::from_utf8_lossy(cell.trim_ascii());
    !MISSING.contains(&text.as_ref()) && !is_figure(cell)
}

/// Whether a cell is a number or a time.
fn is_figure(cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell.trim_ascii()) else { return false };
    text.parse::<f64>().is_ok()
        || is_decimal_comma(text)
        || TimeFormat::Any.read(&Cell::Text(text.to_owned())).is_some()
}

/// Names of columns; one without a name is named by its number, one that stands twice gets its number behind.
fn names(record: &ByteRecord) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(record.len());
    for (n, cell) in record.iter().enumerate() {
        let name = String::from_utf8_lossy(cell.trim_ascii()).into_owned();
        let name = if name.is_empty() { (n + 1).to_string() } else { name };
        all.push(if all.contains(&name) { format!("{name} {}", n + 1) } else { name });
    }
    all
}
