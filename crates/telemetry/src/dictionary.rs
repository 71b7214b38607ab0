//! What is known of a tenant: its series and resources. Both are kept in memory whole, about 300 bytes and the
//! attribute text per series (measured: see the guide), and written to files when they are new or stale.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use datafusion::arrow::error::ArrowError;
use echobase_types::resource::Resource;
use echobase_types::signal::{MetricKind, Series};
use echobase_types::{ResourceId, ResourceKind, SeriesId, Timestamp};

use crate::Table;
use crate::attributes;
use crate::catalog::DAY_MICROS;
use crate::rows::{Recalled, ResourceRow, Rows, SeriesRow};

/// Series per closed batch of the SQL table `series`.
const CLOSE_SERIES: usize = 8_192;

/// A series as the API shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesMeta {
    /// Its id.
    pub id: SeriesId,
    /// The resource it belongs to.
    pub resource_id: ResourceId,
    /// The metric name.
    pub metric: String,
    /// The UCUM unit, or empty.
    pub unit: String,
    /// How its values behave.
    pub kind: MetricKind,
    /// Its attributes.
    pub attributes: echobase_types::Attributes,
    /// Time of its newest value.
    pub last_seen: Timestamp,
}

/// A resource with the time it was first and last seen (times of its signals, not of their arrival).
#[derive(Clone, Debug, PartialEq)]
pub struct SeenResource {
    /// The latest description.
    pub resource: Resource,
    /// Time of its earliest signal.
    pub first_seen: Timestamp,
    /// Time of its newest signal.
    pub last_seen: Timestamp,
}

/// A series with the name of its resource; its attributes are still text.
#[derive(Debug)]
pub(crate) struct NamedSeries {
    pub(crate) id: u64,
    pub(crate) metric: Arc<str>,
    pub(crate) unit: Arc<str>,
    pub(crate) kind: MetricKind,
    pub(crate) resource: ResourceId,
    /// Empty if the resource is not known.
    pub(crate) resource_name: String,
    pub(crate) attributes: Box<str>,
}

#[derive(Debug)]
struct SeriesEntry {
    id: u64,
    resource: ResourceId,
    metric: Arc<str>,
    unit: Arc<str>,
    kind: MetricKind,
    attributes: Box<str>,
    last_seen: i64,
    /// `last_seen` as the files know it; `None`: not in a file yet.
    filed: Option<i64>,
}

#[derive(Debug)]
struct ResourceEntry {
    kind: ResourceKind,
    name: String,
    attributes: String,
    first_seen: i64,
    last_seen: i64,
    /// Whether the files know this description, and up to which last sight.
    filed: Option<i64>,
}

/// Series and resources of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    index: HashMap<u64, u32>,
    series: Vec<SeriesEntry>,
    by_resource: HashMap<ResourceId, Vec<u32>>,
    resources: HashMap<ResourceId, ResourceEntry>,
    words: HashMap<Arc<str>, ()>,
    /// The SQL table, closed part.
    closed: Vec<RecordBatch>,
}

impl Dictionary {
    /// What of a batch is known, durably, and need not be said again.
    pub(crate) fn recall(&self, resources: &[Resource], texts: &[String], series: &[Series]) -> Recalled {
        let same = |(resource, text): (&Resource, &String)| {
            self.resources.get(&resource.id).is_some_and(|known| {
                known.kind == resource.kind && known.name == resource.name && known.attributes == *text
            })
        };
        Recalled {
            series: series.iter().map(|s| self.index.contains_key(&s.id.0)).collect(),
            resources: resources.iter().zip(texts).map(same).collect(),
        }
    }

    pub(crate) fn knows_series(&self, id: SeriesId) -> bool {
        self.index.contains_key(&id.0)
    }

    pub(crate) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Learns from a durable batch.
    pub(crate) fn learn(&mut self, rows: &Rows) {
        for row in &rows.resources {
            self.learn_resource(row.clone(), None, None);
        }
        for seen in &rows.resources_seen {
            if let (Some((first, last)), Some(entry)) = (seen.times(), self.resources.get_mut(&seen.id)) {
                entry.last_seen = entry.last_seen.max(last);
                entry.first_seen = entry.first_seen.min(first);
            }
        }
        for row in &rows.series {
            self.learn_series(row.clone(), None);
        }
        for seen in &rows.series_seen {
            if let (Some((_, last)), Some(at)) = (seen.times(), self.index.get(&seen.id)) {
                let entry = &mut self.series[*at as usize];
                entry.last_seen = entry.last_seen.max(last);
            }
        }
    }

    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some((word, ())) = self.words.get_key_value(word) {
            return word.clone();
        }
        let word: Arc<str> = Arc::from(word);
        self.words.insert(word.clone(), ());
        word
    }

    fn learn_series(&mut self, row: SeriesRow, filed: Option<i64>) {
        if let Some(at) = self.index.get(&row.id) {
            let entry = &mut self.series[*at as usize];
            entry.last_seen = entry.last_seen.max(filed.unwrap_or(i64::MIN));
            entry.filed = entry.filed.max(filed);
            return;
        }
        let at = self.series.len() as u32;
        let (metric, unit) = (self.word(&row.metric), self.word(&row.unit));
        // Resource ids are shared with the resource's own entry where there is one.
        let resource = match self.by_resource.get_key_value(&row.resource) {
            Some((id, _)) => id.clone(),
            None => row.resource,
        };
        self.by_resource.entry(resource.clone()).or_default().push(at);
        self.index.insert(row.id, at);
        self.series.push(SeriesEntry {
            id: row.id,
            resource,
            metric,
            unit,
            kind: row.kind,
            attributes: row.attributes.into_boxed_str(),
            last_seen: filed.unwrap_or(i64::MIN),
            filed,
        });
    }

    fn learn_resource(&mut self, row: ResourceRow, first_seen: Option<i64>, filed: Option<i64>) {
        let last_seen = filed.unwrap_or(i64::MIN);
        let first = first_seen.unwrap_or(i64::MAX);
        let entry = self.resources.entry(row.id).or_insert_with(|| ResourceEntry {
            kind: row.kind,
            name: String::new(),
            attributes: String::new(),
            first_seen: first,
            last_seen,
            filed,
        });
        entry.first_seen = entry.first_seen.min(first);
        if filed.is_some() && filed < entry.filed {
            return; // an older file
        }
        (entry.kind, entry.name, entry.attributes) = (row.kind, row.name, row.attributes);
        entry.last_seen = entry.last_seen.max(last_seen);
        entry.filed = filed;
    }

    /// All series of a resource, by metric name.
    pub(crate) fn series_of(&self, resource: &ResourceId) -> Vec<SeriesMeta> {
        let at = self.by_resource.get(resource).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<_> = at.iter().map(|at| self.series[*at as usize].meta()).collect();
        all.sort_by(|a, b| a.metric.cmp(&b.metric).then(a.id.cmp(&b.id)));
        all
    }

    pub(crate) fn series_meta(&self, id: u64) -> Option<SeriesMeta> {
        self.index.get(&id).map(|at| self.series[*at as usize].meta())
    }

    pub(crate) fn resource(&self, id: &ResourceId) -> Option<Resource> {
        self.resources.get(id).map(|entry| entry.resource(id))
    }

    /// All resources, by id. One that has no signal yet is not listed.
    pub(crate) fn resources(&self) -> Vec<SeenResource> {
        let seen = self.resources.iter().filter(|(_, entry)| entry.last_seen != i64::MIN);
        let mut all: Vec<_> = seen
            .map(|(id, entry)| SeenResource {
                resource: entry.resource(id),
                first_seen: Timestamp::from_micros(entry.first_seen),
                last_seen: Timestamp::from_micros(entry.last_seen),
            })
            .collect();
        all.sort_by(|a, b| a.resource.id.cmp(&b.resource.id));
        all
    }

    /// Of the series with these numbers, those that were seen at or after `since` (microseconds) and whose metric is
    /// wanted.
    pub(crate) fn named(
        &self,
        numbers: Range<usize>,
        since: i64,
        mut wanted: impl FnMut(&Arc<str>, MetricKind) -> bool,
    ) -> Vec<NamedSeries> {
        let numbers = numbers.start.min(self.series.len())..numbers.end.min(self.series.len());
        let entries = self.series[numbers].iter();
        let found = entries.filter(|entry| entry.last_seen >= since && wanted(&entry.metric, entry.kind));
        let named = |entry: &SeriesEntry| NamedSeries {
            id: entry.id,
            metric: entry.metric.clone(),
            unit: entry.unit.clone(),
            kind: entry.kind,
            resource: entry.resource.clone(),
            resource_name: self.resources.get(&entry.resource).map_or_else(String::new, |r| r.name.clone()),
            attributes: entry.attributes.clone(),
        };
        found.map(named).collect()
    }

    /// The SQL table `series`. Closed batches are kept, so that a question costs little.
    pub(crate) fn series_table(&mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        let columns: Vec<usize> = (0..Table::Series.schema().fields().len() - 1).collect();
        while self.series.len() - self.closed.len() * CLOSE_SERIES >= CLOSE_SERIES {
            let from = self.closed.len() * CLOSE_SERIES;
            let batch = series_batch(self.series[from..from + CLOSE_SERIES].iter())?;
            self.closed.push(batch.project(&columns)?);
        }
        let mut all = self.closed.clone();
        let rest = &self.series[all.len() * CLOSE_SERIES..];
        if !rest.is_empty() {
            all.push(series_batch(rest.iter())?.project(&columns)?);
        }
        Ok(all)
    }

    /// The SQL table `resources`.
    pub(crate) fn resources_table(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let seen = self.resources.iter().filter(|(_, entry)| entry.last_seen != i64::MIN);
        Ok(vec![resources_batch(seen)?])
    }

    /// What the files do not know yet, or know as last seen more than a day before: (series, resources).
    pub(crate) fn unfiled(&self) -> Result<(RecordBatch, RecordBatch), ArrowError> {
        let stale = |filed: Option<i64>, last: i64| filed.is_none_or(|f| last.saturating_sub(f) > DAY_MICROS);
        let series = self.series.iter().filter(|s| stale(s.filed, s.last_seen));
        let resources = self.resources.iter().filter(|(_, r)| stale(r.filed, r.last_seen));
        Ok((series_batch(series)?, resources_batch(resources)?))
    }

    /// Everything, for one file each in place of many: (series, resources).
    pub(crate) fn whole(&self) -> Result<(RecordBatch, RecordBatch), ArrowError> {
        Ok((series_batch(self.series.iter())?, resources_batch(self.resources.iter())?))
    }

    /// Says that the files now know what those batches say.
    pub(crate) fn mark_filed(&mut self, series: &RecordBatch, resources: &RecordBatch) {
        let last = |batch: &RecordBatch| {
            batch.columns().last().and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>().cloned())
        };
        if let (Some(ids), Some(last)) = (series.column(0).as_primitive_opt::<UInt64Type>(), last(series)) {
            for (id, last) in ids.values().iter().zip(last.values()) {
                if let Some(at) = self.index.get(id) {
                    self.series[*at as usize].filed = Some(*last);
                }
            }
        }
        let Some(last) = last(resources) else { return };
        for (row, last) in resource_rows(resources).zip(last.values()) {
            let Some(row) = row else { continue };
            let same = |e: &&mut ResourceEntry| e.name == row.name && e.attributes == row.attributes;
            if let Some(entry) = self.resources.get_mut(&row.id).filter(same) {
                entry.filed = Some(*last);
            }
        }
    }

    /// Forgets series and resources that were last seen before those times. Returns how many.
    pub(crate) fn forget(&mut self, series_before: Option<i64>, resources_before: Option<i64>) -> usize {
        let (series, resources) = (self.series.len(), self.resources.len());
        let before = series_before.unwrap_or(i64::MIN);
        if self.series.iter().any(|s| s.filed.is_some() && s.last_seen < before) {
            let kept = std::mem::take(&mut self.series);
            self.index.clear();
            self.by_resource.clear();
            self.closed.clear();
            for entry in kept.into_iter().filter(|s| s.filed.is_none() || s.last_seen >= before) {
                let at = self.series.len() as u32;
                self.index.insert(entry.id, at);
                self.by_resource.entry(entry.resource.clone()).or_default().push(at);
                self.series.push(entry);
            }
            self.words.retain(|word, ()| Arc::strong_count(word) > 1);
        }
        let before = resources_before.unwrap_or(i64::MIN);
        let used = &self.by_resource;
        self.resources.retain(|id, r| r.filed.is_none() || r.last_seen >= before || used.contains_key(id));
        series + resources - self.series.len() - self.resources.len()
    }

    /// Takes in a file of series.
    pub(crate) fn load_series(&mut self, batch: &RecordBatch) {
        let (Some(ids), Some(last)) = (
            batch.column(0).as_primitive_opt::<UInt64Type>(),
            batch.column(6).as_primitive_opt::<TimestampMicrosecondType>(),
        ) else {
            return;
        };
        let text = |column: usize| batch.column(column).as_string_opt::<i32>();
        let (Some(resource), Some(metric), Some(unit), Some(kind), Some(attributes)) =
            (text(1), text(2), text(3), text(4), text(5))
        else {
            return;
        };
        for at in 0..batch.num_rows() {
            let (Ok(resource), Some(kind)) =
                (ResourceId::new(resource.value(at)), MetricKind::parse(kind.value(at)))
            else {
                continue;
            };
            let row = SeriesRow {
                id: ids.value(at),
                resource,
                metric: metric.value(at).to_owned(),
                unit: unit.value(at).to_owned(),
                kind,
                attributes: attributes.value(at).to_owned(),
            };
            self.learn_series(row, Some(last.value(at)));
        }
    }

    /// Takes in a file of resources; of several that describe one, the one with the latest sight wins.
    pub(crate) fn load_resources(&mut self, batch: &RecordBatch) {
        let time = |column: usize| batch.column(column).as_primitive_opt::<TimestampMicrosecondType>();
        let (Some(first), Some(last)) = (time(4), time(5)) else { return };
        for ((row, first), last) in resource_rows(batch).zip(first.values()).zip(last.values()) {
            if let Some(row) = row {
                self.learn_resource(row, Some(*first), Some(*last));
            }
        }
    }
}

impl SeriesEntry {
    fn meta(&self) -> SeriesMeta {
        SeriesMeta {
            id: SeriesId(self.id),
            resource_id: self.resource.clone(),
            metric: self.metric.to_string(),
            unit: self.unit.to_string(),
            kind: self.kind,
            attributes: attributes::from_json(&self.attributes),
            last_seen: Timestamp::from_micros(self.last_seen),
        }
    }
}

impl ResourceEntry {
    fn resource(&self, id: &ResourceId) -> Resource {
        Resource {
            id: id.clone(),
            kind: self.kind,
            name: self.name.clone(),
            attributes: attributes::from_json(&self.attributes),
        }
    }
}

/// The rows of a batch of resources; `None` for one that does not read as a resource, which cannot happen to
/// what this crate wrote.
fn resource_rows(batch: &RecordBatch) -> impl Iterator<Item = Option<ResourceRow>> {
    let text = |column: usize| batch.column(column).as_string_opt::<i32>().cloned();
    let columns = (text(0), text(1), text(2), text(3));
    (0..batch.num_rows()).map(move |at| {
        let (Some(id), Some(kind), Some(name), Some(attributes)) = &columns else { return None };
        Some(ResourceRow {
            id: ResourceId::new(id.value(at)).ok()?,
            kind: ResourceKind::parse(kind.value(at))?,
            name: name.value(at).to_owned(),
            attributes: attributes.value(at).to_owned(),
        })
    })
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn series_batch<'a>(all: impl Iterator<Item = &'a SeriesEntry>) -> Result<RecordBatch, ArrowError> {
    let all: Vec<_> = all.collect();
    let text = |of: fn(&SeriesEntry) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(|s| of(s))))
    };
    RecordBatch::try_new(
        Table::Series.schema(),
        vec![
            Arc::new(UInt64Array::from_iter_values(all.iter().map(|s| s.id))),
            text(|s| s.resource.as_str()),
            text(|s| &s.metric),
            text(|s| &s.unit),
            text(|s| s.kind.as_str()),
            text(|s| &s.attributes),
            times(all.iter().map(|s| s.last_seen).collect()),
        ],
    )
}

fn resources_batch<'a>(
    all: impl Iterator<Item = (&'a ResourceId, &'a ResourceEntry)>,
) -> Result<RecordBatch, ArrowError> {
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(id, _)| *id);
    let text = |of: fn(&ResourceEntry) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(|(_, r)| of(r))))
    };
    RecordBatch::try_new(
        Table::Resources.schema(),
        vec![
            Arc::new(StringArray::from_iter_values(all.iter().map(|(id, _)| id.as_str()))),
            text(|r| r.kind.as_str()),
            text(|r| &r.name),
            text(|r| &r.attributes),
            times(all.iter().map(|(_, r)| r.first_seen).collect()),
            times(all.iter().map(|(_, r)| r.last_seen).collect()),
        ],
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_was_learned_is_known_and_is_not_said_again() {
        let mut dictionary = Dictionary::default();
        let batch = testing::batch(1);
        let first = Rows::of_batch(batch.clone(), |r, t, s| dictionary.recall(r, t, s));
        assert_eq!((first.series.len(), first.resources.len()), (batch.series.len(), batch.resources.len()));
        dictionary.learn(&first);
        let second = Rows::of_batch(batch.clone(), |r, t, s| dictionary.recall(r, t, s));
        assert_eq!((second.series.len(), second.resources.len()), (0, 0));
        let mut changed = batch.clone();
        changed.resources[0].attributes.insert("service.version", "2");
        assert_eq!(Rows::of_batch(changed, |r, t, s| dictionary.recall(r, t, s)).resources.len(), 1);
        for series in &batch.series {
            let resource = &batch.resources[series.resource as usize].id;
            let found = dictionary.series_of(resource).into_iter().find(|s| s.id == series.id).unwrap();
            assert_eq!((&found.metric, &found.attributes), (&series.name, &series.attributes));
        }
    }

    #[test]
    fn a_dictionary_comes_back_from_its_files_and_only_news_are_filed() {
        let mut dictionary = Dictionary::default();
        dictionary.learn(&Rows::of_batch(testing::batch(2), testing::nothing_known));
        let (series, resources) = dictionary.unfiled().unwrap();
        assert_eq!(series.num_rows(), dictionary.series_count());
        dictionary.mark_filed(&series, &resources);
        let (none, nobody) = dictionary.unfiled().unwrap();
        assert_eq!((none.num_rows(), nobody.num_rows()), (0, 0));
        let mut read = Dictionary::default();
        read.load_series(&series);
        read.load_resources(&resources);
        assert_eq!(read.resources(), dictionary.resources());
        for resource in dictionary.resources() {
            let id = &resource.resource.id;
            assert_eq!(read.series_of(id), dictionary.series_of(id));
        }
    }

    #[test]
    fn series_not_seen_for_long_are_forgotten_once_they_are_in_files() {
        let mut dictionary = Dictionary::default();
        let batch = testing::batch(4);
        dictionary.learn(&Rows::of_batch(batch, testing::nothing_known));
        assert_eq!(dictionary.forget(Some(i64::MAX), Some(i64::MAX)), 0, "not filed yet");
        let (series, resources) = dictionary.unfiled().unwrap();
        dictionary.mark_filed(&series, &resources);
        assert_eq!(dictionary.forget(Some(i64::MIN), None), 0);
        assert_eq!(
            dictionary.forget(Some(i64::MAX), Some(i64::MAX)),
            series.num_rows() + resources.num_rows()
        );
        assert_eq!((dictionary.series_count(), dictionary.resources().len()), (0, 0));
    }
}
