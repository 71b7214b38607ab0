#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use datafusion::arrow::array::{
    Date32Array, DictionaryArray, Float32Array, Int32Array, LargeStringArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 1 << 20;

/// What pandas and polars send: times in nanoseconds, categories, missing values.
fn table() -> RecordBatch {
    let times = TimestampNanosecondArray::from(vec![1_600_000_000_000_000_000, 1_600_000_060_500_000_000]);
    let words: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
    RecordBatch::try_from_iter_with_nullable(vec![
        ("t", Arc::new(times.with_timezone("UTC")) as ArrayRef, true),
        ("f", Arc::new(Float32Array::from(vec![Some(0.5), None])) as ArrayRef, true),
        ("i", Arc::new(Int32Array::from(vec![Some(7), None])) as ArrayRef, true),
        ("d", Arc::new(Date32Array::from(vec![1, 2])) as ArrayRef, true),
        ("s", Arc::new(LargeStringArray::from(vec![Some("x"), None])) as ArrayRef, true),
        ("c", Arc::new(words) as ArrayRef, true),
    ])
    .unwrap()
}

fn written(packed: Option<CompressionType>, layout: Layout) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packed).unwrap();
    let (batch, mut bytes) = (table(), Vec::new());
    match layout {
        Layout::Stream => {
            let mut out = StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
            out.write(&batch).unwrap();
            out.finish().unwrap();
        }
        Layout::File => {
            let mut out = FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
            out.write(&batch).unwrap();
            out.finish().unwrap();
        }
    }
    bytes
}

/// Reads all that is in it. Hands back its rows.
fn read(bytes: &[u8]) -> Result<usize, IpcError> {
    let mut reader = Reader::open(bytes, LIMIT)?;
    let mut rows = 0;
    while let Some(batch) = reader.batch()? {
        rows += batch.rows();
        for column in 0..reader.columns.len() {
            // What does not fit is refused, one by one.
            let _ = (batch.times(column), batch.numbers(column), batch.whole(column), batch.texts(column));
        }
    }
    Ok(rows)
}

#[test]
fn both_layouts_packed_or_not_become_plain_columns() {
    for layout in [Layout::Stream, Layout::File] {
        for packed in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let bytes = written(packed, layout);
            assert!(is_arrow(&bytes[..HEAD]));
            let mut reader = Reader::open(bytes.as_slice(), LIMIT).unwrap();
            let kinds: Vec<CellKind> = reader.columns.iter().map(|c| c.kind).collect();
            use CellKind::{Number, Text, Time};
            assert_eq!(kinds, [Time, Number, Number, Time, Text, Text]);
            let batch = reader.batch().unwrap().unwrap();
            let micros = |column: usize| -> Vec<i64> {
                batch.times(column).unwrap().into_iter().map(|t| t.unwrap().as_micros()).collect()
            };
            assert_eq!(micros(0), [1_600_000_000_000_000, 1_600_000_060_500_000]);
            assert_eq!(micros(3), [86_400_000_000, 172_800_000_000]);
            let numbers = batch.numbers(1).unwrap();
            assert!(numbers[0] == 0.5 && numbers[1].is_nan());
            assert_eq!(batch.whole(2).unwrap(), [Some(7), None]);
            assert_eq!(batch.whole(3).unwrap(), [Some(1), Some(2)]);
            assert_eq!(batch.texts(4).unwrap(), [Some("x".to_owned()), None]);
            assert_eq!(batch.texts(5).unwrap(), [Some("a".to_owned()), Some("b".to_owned())]);
            let error = batch.whole(1).unwrap_err().to_string();
            assert_eq!(error, "column `f` of the Arrow table holds Float32, not whole numbers or times");
            assert!(reader.batch().unwrap().is_none());
        }
    }
}

#[test]
fn what_is_kept_goes_out_as_it_came() {
    let bytes = written(None, Layout::Stream);
    let mut reader = Reader::open(bytes.as_slice(), LIMIT).unwrap();
    let batch = reader.batch().unwrap().unwrap();
    for layout in [Layout::Stream, Layout::File] {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, layout);
        let columns = || {
            vec![
                ("t", Values::Kept(batch.keep(0).unwrap())),
                ("d", Values::Like(vec![8, 9], batch.keep(3).unwrap())),
                ("flag", Values::Flags(vec![true, false])),
            ]
        };
        writer.write(columns()).unwrap();
        writer.write(columns()).unwrap();
        writer.finish().unwrap();
        let mut back = Reader::open(out.as_slice(), LIMIT).unwrap();
        assert_eq!(back.schema.field(0).data_type(), table().schema().field(0).data_type());
        assert_eq!(back.schema.field(1).data_type(), &DataType::Date32);
        let first = back.batch().unwrap().unwrap();
        assert_eq!(first.times(0).unwrap(), batch.times(0).unwrap());
        assert_eq!(first.whole(1).unwrap(), [Some(8), Some(9)]);
        assert_eq!(first.numbers(2).unwrap(), [1.0, 0.0]);
        assert_eq!(back.batch().unwrap().unwrap().rows(), 2);
        assert!(back.batch().unwrap().is_none());
    }
}

#[test]
fn what_is_cut_short_or_too_large_says_where() {
    let bytes = written(None, Layout::Stream);
    for (length, said) in [
        (4, "at message 0: it ends before its first message"),
        (40, "at message 0: the table ends within its description"),
        (bytes.len() - 20, "the table ends within its columns"),
    ] {
        let error = read(&bytes[..length]).unwrap_err().to_string();
        assert!(error.contains(said), "{length}: {error}");
    }
    let mut reader = Reader::open(bytes.as_slice(), 10).unwrap();
    let error = std::iter::from_fn(|| reader.batch().transpose()).find_map(Result::err).unwrap();
    assert!(matches!(error, IpcError::TooLarge { limit: 10, .. }), "{error}");
    // Without its end a stream is whole: its sender may have been killed after the last batch.
    assert_eq!(read(&bytes[..bytes.len() - 8]).unwrap(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_damaged_is_an_error_or_a_table_and_never_a_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_file in any::<bool>(),
        is_packed in any::<bool>(),
    ) {
        let packed = is_packed.then_some(CompressionType::LZ4_FRAME);
        let mut bytes = written(packed, if is_file { Layout::File } else { Layout::Stream });
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read(&bytes);
    }
}
