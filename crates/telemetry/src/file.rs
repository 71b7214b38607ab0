//! Data files: Parquet, sorted, synced with their folders before anybody hears of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{
    AsArray, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::compute::{
    SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use echobase_types::{TenantId, Timestamp};
use uuid::Uuid;

use crate::log::sync_folder;
use crate::{DataFile, Day, FileId, Table, TelemetryError};

/// Folder of the data files inside the data folder.
pub(crate) const FOLDER: &str = "telemetry";
/// Rows handed to the writer in one go.
const SLICE: usize = 65_536;
/// Bounds of a row group: what a merge or a scan holds at once.
const GROUP_ROWS: usize = 1 << 20;
const GROUP_BYTES: usize = 32 << 20;
const PAGE_ROWS: usize = 20_000;

/// A file that questions may read. Once removed from the catalog it is doomed, and goes from the disk when the
/// last question that holds it is done.
#[derive(Debug)]
pub(crate) struct LiveFile {
    pub(crate) file: DataFile,
    pub(crate) path: PathBuf,
    doomed: AtomicBool,
}

impl LiveFile {
    pub(crate) fn new(root: &Path, file: DataFile) -> Self {
        Self { path: root.join(&file.path), file, doomed: AtomicBool::new(false) }
    }

    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for LiveFile {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire)
            && let Err(error) = fs::remove_file(&self.path)
        {
            // The next start removes it: it is in no catalog.
            tracing::warn!(%error, file = %self.path.display(), "old telemetry file could not be removed");
        }
    }
}

fn properties(table: Table) -> Result<WriterProperties, DataFusionError> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS);
    let delta: &[&str] = match table {
        Table::Series | Table::MetricPoints | Table::Histograms => &["series_id", "time", "last_seen"],
        Table::Spans => &["time", "end_time"],
        Table::Logs | Table::Assessments => &["time"],
        Table::Resources => &["first_seen", "last_seen"],
    };
    for column in delta.iter().filter(|c| table.schema().column_with_name(c).is_some()) {
        builder = builder
            .set_column_dictionary_enabled((*column).into(), false)
            .set_column_encoding((*column).into(), Encoding::DELTA_BINARY_PACKED);
    }
    if matches!(table, Table::Logs | Table::Spans) {
        builder = builder.set_column_bloom_filter_enabled("trace_id".into(), true);
    }
    Ok(builder.build())
}

/// A file being written. Until `finish` it is unknown to everybody; if it is dropped before, the next start
/// removes it.
pub(crate) struct FileWriter {
    writer: ArrowWriter<File>,
    file: DataFile,
    path: PathBuf,
    times: Option<(i64, i64)>,
}

impl FileWriter {
    pub(crate) fn create(
        root: &Path,
        tenant: &TenantId,
        table: Table,
        day: Day,
    ) -> Result<Self, TelemetryError> {
        let id = FileId(Uuid::new_v4());
        let relative = PathBuf::from(FOLDER)
            .join(tenant.as_str())
            .join(table.as_str())
            .join(format!("day={day}"))
            .join(format!("{id}.parquet"));
        let path = root.join(&relative);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(TelemetryError::file("create folder", folder))?;
        let out = File::create(&path).map_err(TelemetryError::file("create", &path))?;
        let failed = TelemetryError::columns("begin a telemetry file");
        let writer = properties(table)
            .and_then(|properties| Ok(ArrowWriter::try_new(out, table.schema(), Some(properties))?));
        let file = DataFile {
            id,
            tenant: tenant.clone(),
            table,
            day,
            path: relative,
            rows: 0,
            bytes: 0,
            min_time: Timestamp::EPOCH,
            max_time: Timestamp::EPOCH,
        };
        Ok(Self { writer: writer.map_err(failed)?, file, path, times: None })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), TelemetryError> {
        if let Some((from, to)) = time_bounds(self.file.table, batch) {
            let (a, b) = self.times.unwrap_or((from, to));
            self.times = Some((a.min(from), b.max(to)));
        }
        self.file.rows += batch.num_rows() as u64;
        for from in (0..batch.num_rows()).step_by(SLICE) {
            let slice = batch.slice(from, SLICE.min(batch.num_rows() - from));
            let written = self.writer.write(&slice);
            written.map_err(|e| TelemetryError::columns("write a telemetry file")(e.into()))?;
        }
        Ok(())
    }

    /// Ends the file and syncs it. The folders are synced by `sync_folders`.
    pub(crate) fn finish(mut self) -> Result<DataFile, TelemetryError> {
        let failed = TelemetryError::columns("end a telemetry file");
        let out = self.writer.into_inner().map_err(|e| failed(e.into()))?;
        out.sync_all().map_err(TelemetryError::file("sync", &self.path))?;
        let size = out.metadata().map_err(TelemetryError::file("measure", &self.path))?;
        self.file.bytes = size.len();
        let (from, to) = self.times.unwrap_or_default();
        self.file.min_time = Timestamp::from_micros(from);
        self.file.max_time = Timestamp::from_micros(to);
        Ok(self.file)
    }
}

/// Makes the names of new files durable: their folders and all above, up to the data folder.
pub(crate) fn sync_folders(root: &Path, files: &[DataFile]) -> Result<(), TelemetryError> {
    let mut folders = BTreeSet::new();
    for file in files {
        folders.extend(file.path.ancestors().skip(1).map(|folder| root.join(folder)));
    }
    for folder in folders.iter().rev() {
        sync_folder(folder).map_err(TelemetryError::file("sync folder", folder))?;
    }
    Ok(())
}

/// Removes files that nobody will hear of.
pub(crate) fn remove(root: &Path, files: &[DataFile]) {
    for file in files {
        if let Err(error) = fs::remove_file(root.join(&file.path)) {
            tracing::warn!(%error, file = %file.path.display(), "unfinished telemetry file could not be removed");
        }
    }
}

/// Sorts the rows of one table and writes them, one file per day.
pub(crate) fn write_rows(
    root: &Path,
    tenant: &TenantId,
    table: Table,
    batches: &[RecordBatch],
    done: &mut Vec<DataFile>,
) -> Result<(), TelemetryError> {
    let failed = TelemetryError::columns("sort telemetry rows");
    let days = match table {
        Table::MetricPoints => sorted_points(batches),
        _ => sorted_rows(table, batches),
    };
    for (day, batch) in days.map_err(failed)? {
        let mut writer = FileWriter::create(root, tenant, table, day)?;
        writer.write(&batch)?;
        done.push(writer.finish()?);
    }
    Ok(())
}

/// Points by day, sorted by series and time; what was sent twice stands once.
fn sorted_points(batches: &[RecordBatch]) -> Result<BTreeMap<Day, RecordBatch>, DataFusionError> {
    let mut days: BTreeMap<Day, Vec<(u64, i64, u64)>> = BTreeMap::new();
    for batch in batches {
        let (ids, times, values) = (
            batch.column(0).as_primitive::<UInt64Type>().values(),
            batch.column(1).as_primitive::<TimestampMicrosecondType>().values(),
            batch.column(2).as_primitive::<Float64Type>().values(),
        );
        for ((id, time), value) in ids.iter().zip(times.iter()).zip(values.iter()) {
            days.entry(Day::of_micros(*time)).or_default().push((*id, *time, value.to_bits()));
        }
    }
    let mut sorted = BTreeMap::new();
    for (day, mut points) in days {
        points.sort_unstable();
        points.dedup();
        let times = points.iter().map(|p| p.1);
        let batch = RecordBatch::try_new(
            Table::MetricPoints.schema(),
            vec![
                Arc::new(UInt64Array::from_iter_values(points.iter().map(|p| p.0))),
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
                Arc::new(Float64Array::from_iter_values(points.iter().map(|p| f64::from_bits(p.2)))),
            ],
        )?;
        sorted.insert(day, batch);
    }
    Ok(sorted)
}

fn sorted_rows(table: Table, batches: &[RecordBatch]) -> Result<BTreeMap<Day, RecordBatch>, DataFusionError> {
    let all = concat_batches(&table.schema(), batches)?;
    let columns: Vec<_> = table
        .order()
        .iter()
        .filter_map(|name| all.column_by_name(name))
        .map(|values| SortColumn { values: values.clone(), options: None })
        .collect();
    let all = take_record_batch(&all, &lexsort_to_indices(&columns, None)?)?;
    let Some(times) = all.column_by_name(table.time_column()) else {
        return Ok(BTreeMap::new());
    };
    let times = times.as_primitive::<TimestampMicrosecondType>().clone();
    let days: BTreeSet<Day> = match table {
        // Dictionaries are not cut by day; they stand under the day they were last seen.
        Table::Series | Table::Resources => {
            times.values().iter().copied().max().map(Day::of_micros).into_iter().collect()
        }
        _ => times.values().iter().copied().map(Day::of_micros).collect(),
    };
    if let [only] = days.iter().copied().collect::<Vec<_>>()[..] {
        return Ok(BTreeMap::from([(only, all)]));
    }
    let mut sorted = BTreeMap::new();
    for day in days {
        let of_day: BooleanArray = times.values().iter().map(|t| Some(Day::of_micros(*t) == day)).collect();
        sorted.insert(day, filter_record_batch(&all, &of_day)?);
    }
    Ok(sorted)
}

/// The earliest and latest time in a batch of this table.
pub(crate) fn time_bounds(table: Table, batch: &RecordBatch) -> Option<(i64, i64)> {
    let times = batch.column_by_name(table.time_column())?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let all = times.values();
    Some((all.iter().copied().min()?, all.iter().copied().max()?))
}

/// Reads a whole file of a dictionary.
pub(crate) fn read_all(path: &Path, mut each: impl FnMut(&RecordBatch)) -> Result<(), TelemetryError> {
    let file = File::open(path).map_err(TelemetryError::file("open", path))?;
    let failed = || TelemetryError::columns("read a telemetry file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    for batch in reader.map_err(|e| failed()(e.into()))? {
        each(&batch.map_err(|e| failed()(e.into()))?);
    }
    Ok(())
}

/// Moves a file, making folders as needed.
pub(crate) fn move_to(from: &Path, to: &Path) -> Result<(), TelemetryError> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(TelemetryError::file("create folder", folder))?;
    fs::rename(from, to).map_err(TelemetryError::file("move", from))
}

/// All Parquet files with names of ours below the folder of data files, relative to the data folder.
pub(crate) fn list(root: &Path) -> Result<Vec<PathBuf>, TelemetryError> {
    let (mut found, mut folders) = (Vec::new(), vec![root.join(FOLDER)]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(TelemetryError::file("list", &folder)(e)),
        };
        for entry in entries {
            let path = entry.map_err(TelemetryError::file("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "parquet")
                && path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| s.parse::<FileId>().is_ok())
                && let Ok(relative) = path.strip_prefix(root)
            {
                found.push(relative.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::rows::Rows;
    use crate::testing;

    #[test]
    fn files_hold_every_row_sorted_and_by_day() {
        let dir = tempfile::tempdir().unwrap();
        let tenant = TenantId::default_tenant();
        let rows = Rows::of_batch(testing::batch(5), testing::nothing_known);
        let rows = Rows { assessments: testing::assessments(5), ..rows };
        for table in Table::ROWS {
            let mut buffer = Buffer::new(table);
            buffer.append(&rows);
            let (n, mut files) = (buffer.rows, Vec::new());
            write_rows(dir.path(), &tenant, table, &buffer.take(), &mut files).unwrap();
            sync_folders(dir.path(), &files).unwrap();
            assert_eq!(files.iter().map(|f| f.rows).sum::<u64>(), n, "{}", table.as_str());
            assert!(files.len() > 1, "the batch spans days");
            for file in &files {
                assert_eq!((Day::of(file.min_time), Day::of(file.max_time)), (file.day, file.day));
                read_all(&dir.path().join(&file.path), |batch| {
                    let columns = table.order().iter().map(|name| SortColumn {
                        values: batch.column_by_name(name).unwrap().clone(),
                        options: None,
                    });
                    let order = lexsort_to_indices(&columns.collect::<Vec<_>>(), None).unwrap();
                    let sorted = take_record_batch(batch, &order).unwrap();
                    assert_eq!(sorted.column_by_name("time"), batch.column_by_name("time"));
                })
                .unwrap();
            }
        }
        assert_eq!(list(dir.path()).unwrap().len(), 2 * Table::ROWS.len());
    }

    #[test]
    fn a_point_sent_twice_stands_once_in_the_file() {
        let rows = Rows::of_batch(testing::batch(6), testing::nothing_known);
        let mut buffer = Buffer::new(Table::MetricPoints);
        buffer.append(&rows);
        let once: usize =
            sorted_points(&buffer.snapshot()).unwrap().values().map(RecordBatch::num_rows).sum();
        buffer.append(&rows);
        let twice: usize = sorted_points(&buffer.take()).unwrap().values().map(RecordBatch::num_rows).sum();
        assert_eq!(once, twice);
    }

    #[test]
    fn a_doomed_file_is_removed_when_the_last_reader_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let tenant = TenantId::default_tenant();
        let writer = FileWriter::create(dir.path(), &tenant, Table::MetricPoints, Day(0)).unwrap();
        let live = Arc::new(LiveFile::new(dir.path(), writer.finish().unwrap()));
        let (path, reader) = (live.path.clone(), live.clone());
        live.doom();
        drop(live);
        assert!(path.exists());
        drop(reader);
        assert!(!path.exists());
    }
}
