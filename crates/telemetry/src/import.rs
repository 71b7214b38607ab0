//! Reading Parquet files of others for the historical loader, as plain cells: Parquet is read in this crate only.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::errors::ParquetError;
use echobase_types::{ErrorKind, Timestamp};

/// A file that cannot be read as Parquet.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("open `{0}`")]
    Open(String, #[source] std::io::Error),
    /// It is not Parquet, or damaged.
    #[error("read `{0}` as Parquet")]
    Parquet(String, #[source] ParquetError),
    /// A stretch of rows cannot be read.
    #[error("read rows of a Parquet file")]
    Rows(#[source] ArrowError),
}

impl ImportError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Open(_, source) if source.kind() == std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Open(..) => ErrorKind::Internal,
            Self::Parquet(..) | Self::Rows(_) => ErrorKind::Invalid,
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Points in time (times without a zone are taken as UTC; dates as their midnight).
    Time,
    /// Numbers of any width, truth values as 0 and 1.
    Number,
    /// Texts.
    Text,
    /// Something else: its cells are all `Cell::Null`.
    Other,
}

/// A column of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: CellKind,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A point in time.
    Time(Timestamp),
    /// A number, which may be NaN.
    Number(f64),
    /// A text.
    Text(String),
}

/// The columns and rows of a Parquet file. Iterating yields batches of rows, each row with one cell per column.
pub struct ParquetRows {
    /// The columns.
    pub columns: Vec<ImportColumn>,
    /// Rows of the file, as it says itself.
    pub rows: u64,
    reader: ParquetRecordBatchReader,
}

/// Opens a Parquet file.
pub fn parquet_rows(path: &Path) -> Result<ParquetRows, ImportError> {
    let name = || path.display().to_string();
    let file = File::open(path).map_err(|e| ImportError::Open(name(), e))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| ImportError::Parquet(name(), e))?;
    let columns = builder.schema().fields().iter();
    let columns =
        columns.map(|f| ImportColumn { name: f.name().clone(), kind: kind(f.data_type()) }).collect();
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let reader = builder.with_batch_size(4_096).build().map_err(|e| ImportError::Parquet(name(), e))?;
    Ok(ParquetRows { columns, rows, reader })
}

impl Iterator for ParquetRows {
    type Item = Result<Vec<Vec<Cell>>, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.and_then(|batch| self.cells(&batch)).map_err(ImportError::Rows))
    }
}

impl ParquetRows {
    fn cells(&self, batch: &RecordBatch) -> Result<Vec<Vec<Cell>>, ArrowError> {
        let mut rows = vec![Vec::with_capacity(self.columns.len()); batch.num_rows()];
        for (column, values) in self.columns.iter().zip(batch.columns()) {
            let values = plain(column.kind, values)?;
            for (at, row) in rows.iter_mut().enumerate() {
                row.push(if values.is_null(at) { Cell::Null } else { cell(column.kind, &values, at) });
            }
        }
        Ok(rows)
    }
}

fn kind(of: &DataType) -> CellKind {
    match of {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => CellKind::Time,
        DataType::Boolean => CellKind::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => CellKind::Text,
        DataType::Dictionary(_, of) => kind(of),
        DataType::Decimal128(..) | DataType::Decimal256(..) => CellKind::Number,
        numeric if numeric.is_numeric() => CellKind::Number,
        _ => CellKind::Other,
    }
}

/// The values in one type per kind.
fn plain(kind: CellKind, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match kind {
        CellKind::Time => cast(values, &DataType::Timestamp(TimeUnit::Microsecond, None)),
        CellKind::Number => cast(values, &DataType::Float64),
        CellKind::Text => cast(values, &DataType::Utf8),
        CellKind::Other => Ok(Arc::clone(values)),
    }
}

fn cell(kind: CellKind, values: &ArrayRef, at: usize) -> Cell {
    match kind {
        CellKind::Time => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(at);
            Cell::Time(Timestamp::from_micros(micros))
        }
        CellKind::Number => Cell::Number(values.as_primitive::<Float64Type>().value(at)),
        CellKind::Text => Cell::Text(values.as_string::<i32>().value(at).to_owned()),
        CellKind::Other => Cell::Null,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use datafusion::arrow::array::{
        Date32Array, Float32Array, Int64Array, ListArray, StringViewArray, TimestampNanosecondArray,
    };
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn columns_of_many_types_become_plain_cells() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.parquet");
        let batch = RecordBatch::try_from_iter_with_nullable(vec![
            ("t", Arc::new(TimestampNanosecondArray::from(vec![Some(1_500), None])) as ArrayRef, true),
            ("d", Arc::new(Date32Array::from(vec![1, 2])) as ArrayRef, true),
            ("i", Arc::new(Int64Array::from(vec![Some(7), None])) as ArrayRef, true),
            ("f", Arc::new(Float32Array::from(vec![0.5, f32::NAN])) as ArrayRef, true),
            ("s", Arc::new(StringViewArray::from(vec!["a", "b"])) as ArrayRef, true),
            (
                "l",
                Arc::new(ListArray::from_iter_primitive::<datafusion::arrow::datatypes::Int32Type, _, _>(
                    vec![Some(vec![Some(1)]), None],
                )) as ArrayRef,
                true,
            ),
        ])
        .unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let rows = parquet_rows(&path).unwrap();
        let kinds: Vec<_> = rows.columns.iter().map(|c| c.kind).collect();
        use CellKind::{Number, Other, Text, Time};
        assert_eq!((rows.rows, kinds), (2, vec![Time, Time, Number, Number, Text, Other]));
        let rows: Vec<_> = rows.collect::<Result<Vec<_>, _>>().unwrap().concat();
        let day = |n: i64| Cell::Time(Timestamp::from_secs(n * 86_400));
        let first = [
            Cell::Time(Timestamp::from_micros(1)),
            day(1),
            Cell::Number(7.0),
            Cell::Number(0.5),
            Cell::Text("a".to_owned()),
            Cell::Null,
        ];
        assert_eq!(rows[0], first);
        assert_eq!((&rows[1][0], &rows[1][1], &rows[1][2]), (&Cell::Null, &day(2), &Cell::Null));
        assert!(matches!(rows[1][3], Cell::Number(n) if n.is_nan()));
    }

    #[test]
    fn what_is_not_parquet_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.parquet");
        assert_eq!(parquet_rows(&path).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = parquet_rows(&path).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("in.parquet"));
    }
}
