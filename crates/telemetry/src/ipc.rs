//! Tables in Arrow's IPC format, as pyarrow, pandas and polars read and write it, as plain columns: Arrow is used in
//! this crate only.
//!
//! Both layouts are read alike, from front to back: a file is a stream of messages with an index behind it.

mod message;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::MessageHeader;
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::reader::{read_dictionary, read_record_batch};
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use echobase_types::Timestamp;

use crate::import::{CellKind, ImportColumn};
use message::{FILE, Framed, Messages};

/// Bytes from the start of an input that [`is_arrow`] needs.
pub const HEAD: usize = 8;

/// Whether an input that begins so is Arrow.
pub fn is_arrow(head: &[u8]) -> bool {
    // No text in UTF-8 has these bytes.
    head.starts_with(&[0xff; 4]) || head.starts_with(FILE)
}

/// A table that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The input failed.
    #[error("read the Arrow table")]
    Read(#[source] io::Error),
    /// The output failed.
    #[error("write the Arrow table")]
    Write(#[source] io::Error),
    /// It is damaged, or of a kind that is not read.
    #[error("the Arrow table is damaged at message {message}: {detail}")]
    Damaged {
        /// Which, from 0, which describes the columns.
        message: u64,
        /// What is wrong.
        detail: String,
    },
    /// More than allowed.
    #[error(
        "message {message} of the Arrow table has {bytes} bytes, allowed are {limit}: write smaller batches"
    )]
    TooLarge {
        /// Which, from 0.
        message: u64,
        /// Its size, unpacked.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A column does not hold what it must.
    #[error("column `{column}` of the Arrow table {detail}")]
    Column {
        /// Its name.
        column: String,
        /// What it holds, and what it must.
        detail: String,
    },
    /// The answer does not fit into columns.
    #[error("make an Arrow table")]
    Columns(#[source] ArrowError),
}

impl IpcError {
    fn damaged(message: u64, detail: &str) -> Self {
        Self::Damaged { message, detail: detail.to_owned() }
    }

    fn written(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, source) => Self::Write(source),
            other => Self::Columns(other),
        }
    }
}

/// Reads a table, batch after batch.
pub struct Reader<R> {
    messages: Messages<R>,
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    /// The columns.
    pub columns: Vec<ImportColumn>,
}

impl<R: Read> Reader<R> {
    /// Reads the description of the columns. No message may have more than `limit` bytes, unpacked.
    pub fn open(input: R, limit: u64) -> Result<Self, IpcError> {
        let mut messages = Messages::open(input, limit)?;
        let first = messages.next()?.ok_or_else(|| IpcError::damaged(0, "it is empty"))?;
        let schema = decode(0, || {
            let schema = first.message()?.header_as_schema().map(fb_to_schema);
            schema.ok_or_else(|| IpcError::damaged(0, "it does not describe columns"))
        })?;
        let columns = schema.fields().iter();
        let columns =
            columns.map(|f| ImportColumn { name: f.name().clone(), kind: kind(f.data_type()) }).collect();
        Ok(Self { messages, schema: Arc::new(schema), dictionaries: HashMap::new(), columns })
    }

    /// The next rows; `None` at the end.
    pub fn batch(&mut self) -> Result<Option<Batch>, IpcError> {
        while let Some(framed) = self.messages.next()? {
            let number = self.messages.last();
            if let Some(batch) = decode(number, || self.decode(number, &framed))? {
                return Ok(Some(Batch(batch)));
            }
        }
        Ok(None)
    }

    /// The rows of a message; `None` if it brings words of a dictionary.
    fn decode(&mut self, number: u64, framed: &Framed) -> Result<Option<RecordBatch>, IpcError> {
        let damaged = |error: ArrowError| IpcError::damaged(number, &error.to_string());
        let message = framed.message()?;
        let (schema, version) = (Arc::clone(&self.schema), message.version());
        match message.header_type() {
            MessageHeader::DictionaryBatch => {
                if let Some(batch) = message.header_as_dictionary_batch() {
                    read_dictionary(&framed.body, batch, &schema, &mut self.dictionaries, &version)
                        .map_err(damaged)?;
                }
                Ok(None)
            }
            MessageHeader::RecordBatch => {
                let Some(batch) = message.header_as_record_batch() else { return Ok(None) };
                read_record_batch(&framed.body, batch, schema, &self.dictionaries, None, &version)
                    .map(Some)
                    .map_err(damaged)
            }
            _ => Err(IpcError::damaged(number, "its columns are described twice")),
        }
    }
}

/// Runs the decoder. What the checks before did not foresee ends it with a panic, which must not end more than it.
fn decode<T>(message: u64, work: impl FnOnce() -> Result<T, IpcError>) -> Result<T, IpcError> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IpcError::damaged(message, "it cannot be decoded")))
}

fn kind(of: &DataType) -> CellKind {
    match of {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => CellKind::Time,
        // Only missing values, which fit numbers.
        DataType::Boolean | DataType::Null | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            CellKind::Number
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => CellKind::Text,
        DataType::Dictionary(_, of) => kind(of),
        numeric if numeric.is_numeric() => CellKind::Number,
        _ => CellKind::Other,
    }
}

/// Rows that came together.
pub struct Batch(RecordBatch);

impl Batch {
    /// How many.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The times of a column of times; without a zone they are in UTC.
    pub fn times(&self, column: usize) -> Result<Vec<Option<Timestamp>>, IpcError> {
        let values = self.cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None), "times")?;
        let values = values.as_primitive::<TimestampMicrosecondType>();
        Ok(values.iter().map(|micros| micros.map(Timestamp::from_micros)).collect())
    }

    /// The numbers of a column; NaN where one is missing.
    pub fn numbers(&self, column: usize) -> Result<Vec<f64>, IpcError> {
        let values = self.cast(column, &DataType::Float64, "numbers")?;
        Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// The whole numbers of a column; of times, the count of their unit.
    pub fn whole(&self, column: usize) -> Result<Vec<Option<i64>>, IpcError> {
        let of = self.column(column)?.data_type().clone();
        if !of.is_integer() && kind(&of) != CellKind::Time {
            return Err(self.refuse(column, "whole numbers or times"));
        }
        let values = self.cast(column, &DataType::Int64, "whole numbers")?;
        Ok(values.as_primitive::<Int64Type>().iter().collect())
    }

    /// The texts of a column; of other values, as they are written.
    pub fn texts(&self, column: usize) -> Result<Vec<Option<String>>, IpcError> {
        Kept(self.column(column)?)
            .texts()
            .map_err(|_| self.refuse(column, "texts, or what can be written as such"))
    }

    /// A column as it is, for the answer.
    pub fn keep(&self, column: usize) -> Result<Kept, IpcError> {
        self.column(column).map(Kept)
    }

    fn column(&self, column: usize) -> Result<ArrayRef, IpcError> {
        let found = self.0.columns().get(column).cloned();
        found.ok_or_else(|| IpcError::damaged(0, &format!("it has no column {column}")))
    }

    fn cast(&self, column: usize, to: &DataType, wanted: &str) -> Result<ArrayRef, IpcError> {
        cast(&self.column(column)?, to).map_err(|_| self.refuse(column, wanted))
    }

    fn refuse(&self, column: usize, wanted: &str) -> IpcError {
        let schema = self.0.schema_ref();
        let (name, of) =
            schema.fields().get(column).map(|f| (f.name().clone(), f.data_type().to_string())).unzip();
        IpcError::Column {
            column: name.unwrap_or_default(),
            detail: format!("holds {}, not {wanted}", of.unwrap_or_default()),
        }
    }
}

/// A column of an input, of whatever type.
#[derive(Clone)]
pub struct Kept(ArrayRef);

impl Kept {
    /// Its values as they are written; an empty text is not a missing one.
    pub fn texts(&self) -> Result<Vec<Option<String>>, IpcError> {
        let values = cast(&self.0, &DataType::Utf8).map_err(IpcError::Columns)?;
        Ok(values.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }
}

/// Values of a column of an answer.
pub enum Values {
    /// As they came.
    Kept(Kept),
    /// Times, in UTC.
    Times(Vec<Timestamp>),
    /// Numbers.
    Numbers(Vec<f64>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Whole numbers, in the type of a column that came.
    Like(Vec<i64>, Kept),
    /// Yes or no.
    Flags(Vec<bool>),
    /// Texts.
    Texts(Vec<String>),
}

impl Values {
    fn array(self) -> Result<ArrayRef, IpcError> {
        Ok(match self {
            Self::Kept(Kept(array)) => array,
            Self::Times(times) => {
                let micros = times.into_iter().map(Timestamp::as_micros).collect::<Vec<_>>();
                Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
            }
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
            Self::Whole(whole) => Arc::new(Int64Array::from(whole)),
            Self::Like(whole, Kept(like)) => {
                cast(&Int64Array::from(whole), like.data_type()).map_err(IpcError::Columns)?
            }
            Self::Flags(flags) => Arc::new(BooleanArray::from(flags)),
            Self::Texts(texts) => Arc::new(StringArray::from(texts)),
        })
    }
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Messages one after another: for pipes and requests.
    Stream,
    /// The same between magic words with an index: what `read_feather` and polars' `read_ipc` open.
    File,
}

/// Writes a table, batch after batch.
pub struct Writer<W: Write> {
    layout: Layout,
    state: State<W>,
}

enum State<W: Write> {
    /// Nothing is written yet: the columns come with the first rows.
    Before(W),
    Stream(Box<StreamWriter<W>>),
    File(Box<FileWriter<W>>),
    /// A batch could not be begun.
    Failed,
}

impl<W: Write> Writer<W> {
    /// Into this.
    pub fn new(output: W, layout: Layout) -> Self {
        Self { layout, state: State::Before(output) }
    }

    /// Writes rows, and sends them on their way. All batches have the same columns.
    pub fn write(&mut self, columns: Vec<(&str, Values)>) -> Result<(), IpcError> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays = Vec::with_capacity(columns.len());
        for (name, values) in columns {
            let array = values.array()?;
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(IpcError::Columns)?;
        if !self.is_begun()
            && let State::Before(output) = std::mem::replace(&mut self.state, State::Failed)
        {
            self.state = match self.layout {
                Layout::Stream => StreamWriter::try_new(output, &schema).map(|w| State::Stream(Box::new(w))),
                Layout::File => FileWriter::try_new(output, &schema).map(|w| State::File(Box::new(w))),
            }
            .map_err(IpcError::written)?;
        }
        match &mut self.state {
            State::Stream(writer) => writer.write(&batch).and_then(|()| writer.flush()),
            State::File(writer) => writer.write(&batch),
            State::Before(_) | State::Failed => Ok(()),
        }
        .map_err(IpcError::written)
    }

    /// Whether rows were written, be they none.
    pub fn is_begun(&self) -> bool {
        !matches!(self.state, State::Before(_))
    }

    /// Writes the end.
    pub fn finish(mut self) -> Result<(), IpcError> {
        match &mut self.state {
            State::Stream(writer) => writer.finish().and_then(|()| writer.flush()),
            State::File(writer) => writer.finish().and_then(|()| writer.flush()),
            State::Before(_) | State::Failed => Ok(()),
        }
        .map_err(IpcError::written)
    }
}
