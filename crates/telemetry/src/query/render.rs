//! Columns as JSON values.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use echobase_types::Timestamp;
use serde_json::Value;

/// Largest whole number that every JSON reader keeps exact (2⁵³ − 1).
const EXACT: u64 = (1 << 53) - 1;

/// Appends the rows of `batch` until about `room` bytes are used. Returns the bytes used.
pub(super) fn rows(
    batch: &RecordBatch,
    room: usize,
    out: &mut Vec<Vec<Value>>,
) -> Result<usize, DataFusionError> {
    let mut used = 0;
    for at in 0..batch.num_rows() {
        if used >= room {
            break;
        }
        let mut row = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            let value = value(column, at)?;
            used += 16 + if let Value::String(text) = &value { text.len() } else { 0 };
            row.push(value);
        }
        out.push(row);
    }
    Ok(used)
}

fn value(column: &ArrayRef, at: usize) -> Result<Value, DataFusionError> {
    if column.is_null(at) {
        return Ok(Value::Null);
    }
    macro_rules! primitive {
        ($kind:ty) => {
            column.as_primitive::<$kind>().value(at)
        };
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::from(column.as_boolean().value(at)),
        DataType::Int8 => Value::from(primitive!(Int8Type)),
        DataType::Int16 => Value::from(primitive!(Int16Type)),
        DataType::Int32 => Value::from(primitive!(Int32Type)),
        DataType::Int64 => match primitive!(Int64Type) {
            v if v.unsigned_abs() <= EXACT => Value::from(v),
            v => Value::from(v.to_string()),
        },
        DataType::UInt8 => Value::from(primitive!(UInt8Type)),
        DataType::UInt16 => Value::from(primitive!(UInt16Type)),
        DataType::UInt32 => Value::from(primitive!(UInt32Type)),
        DataType::UInt64 => match primitive!(UInt64Type) {
            v if v <= EXACT => Value::from(v),
            v => Value::from(v.to_string()),
        },
        DataType::Float32 => float(f64::from(primitive!(Float32Type))),
        DataType::Float64 => float(primitive!(Float64Type)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => Value::from(column.as_string::<i64>().value(at)),
        DataType::Utf8View => Value::from(column.as_string_view().value(at)),
        DataType::Timestamp(unit, _) => time(column, *unit, at)?,
        DataType::List(_) => list(&column.as_list::<i32>().value(at))?,
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(at))?,
        DataType::Dictionary(_, of) => {
            let one = column.slice(at, 1);
            value(&datafusion::arrow::compute::cast(&one, of)?, 0)?
        }
        _ => {
            let options = FormatOptions::default().with_display_error(true);
            Value::from(ArrayFormatter::try_new(column.as_ref(), &options)?.value(at).to_string())
        }
    })
}

fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::from(value.to_string()), Value::Number)
}

fn list(items: &ArrayRef) -> Result<Value, DataFusionError> {
    (0..items.len()).map(|at| value(items, at)).collect()
}

/// RFC 3339 in UTC. A time without a zone is one in UTC here: nothing else is stored.
fn time(column: &ArrayRef, unit: TimeUnit, at: usize) -> Result<Value, DataFusionError> {
    let micros = datafusion::arrow::compute::cast(
        &column.slice(at, 1),
        &DataType::Timestamp(TimeUnit::Microsecond, None),
    )?;
    let micros = micros.as_primitive::<datafusion::arrow::datatypes::TimestampMicrosecondType>();
    debug_assert!(matches!(
        unit,
        TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond
    ));
    Ok(Value::from(Timestamp::from_micros(micros.value(0)).to_string()))
}
